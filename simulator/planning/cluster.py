"""A sweep's tasks on a Dask cluster: one that runs already, or worker processes of this machine.

What a task gives depends on nothing but the task and the installation that plays it. So results are
those of the threads of this machine, whatever workers come and go: a task whose worker dies is
played again by another. Installations are compared before work is handed out, and every task
compares again, because workers may join later.
"""

import asyncio
import logging
import re
import socket
import time
import warnings
from asyncio import CancelledError as AsyncCancelledError
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, Final
from uuid import uuid4

from simulator.planning.installation import differences, installation
from simulator.planning.local_cluster import NotStarted, local_cluster
from simulator.planning.replication import Played
from simulator.planning.result import PlanRefused
from simulator.planning.tasks import Scheduler, Step, Task, run_task

CONNECT_S: Final = 5.0
"""How long a scheduler may take to answer."""
WORKERLESS_S: Final = 30.0
"""How long a cluster may be without any worker before it counts as lost."""

_ADDRESS: Final = re.compile(r"(tcp|tls)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/\[\]]+):(?P<port>\d+)/?")
_LEAST_AHEAD: Final = 32
_AHEAD_PER_THREAD: Final = 4
_LOOK_S: Final = 5.0
_MOST_NAMED: Final = 5


class ClusterFailed(Exception):
    """No cluster, none that is fit, or one that was lost; the message says what would help."""


def play_if_same(task: Task, expected: Mapping[str, str]) -> tuple[Played, ...]:
    """What a worker does. Raises :class:`ClusterFailed` where the installation is another."""
    if different := differences(expected, installation()):
        raise ClusterFailed(f"a worker that joined later has {'; '.join(different)}")
    return run_task(task)


def check_address(address: str) -> tuple[str, int]:
    """Host and port of ``tcp://HOST:PORT``. Raises :class:`PlanRefused`."""
    match = _ADDRESS.fullmatch(address)
    port = int(match["port"]) if match else 0
    if match is None or not 0 < port < 65536:
        raise PlanRefused(f"--scheduler is {address!r}; write tcp://HOST:PORT")
    return match["host"].strip("[]"), port


@contextmanager
def on_scheduler(
    address: str, *, connect_s: float = CONNECT_S, workerless_s: float = WORKERLESS_S
) -> Iterator[Scheduler]:
    """The scheduler of a running cluster.

    Raises :class:`PlanRefused` for what is no address and where the extra is missing,
    :class:`ClusterFailed` for no cluster or one with other installations; and so does the scheduler
    when it is lost.
    """
    host, port = check_address(address)
    _distributed()
    with _quiet():
        _require_scheduler(address, host, port, connect_s)
        with _client(address, address, connect_s) as client:
            yield _scheduler_of(client, address, workerless_s)


def _require_scheduler(address: str, host: str, port: int, connect_s: float) -> None:
    """Ask who listens there: Dask's client by itself waits for ever for one that says nothing."""
    rpc, security = _distributed("core").rpc, _distributed("security").Security()

    async def identity() -> Any:
        async with rpc(address, connection_args=security.get_connection_args("client")) as node:
            return await asyncio.wait_for(node.identity(), connect_s)

    try:
        # Dask goes on trying where nobody listens.
        socket.create_connection((host, port), connect_s).close()
    except OSError as error:
        raise ClusterFailed(
            f"nobody listens at {address} ({error.strerror or error}); start a cluster with 'dask "
            "scheduler' and 'dask worker', or use --cluster N"
        ) from None
    try:
        kind = asyncio.run(identity()).get("type")
    except TimeoutError:
        raise ClusterFailed(
            f"what listens at {address} does not answer like a Dask scheduler"
        ) from None
    except Exception as error:
        # Whatever else may listen there: any bytes may come.
        raise ClusterFailed(
            f"what listens at {address} does not answer like a Dask scheduler "
            f"({_first_line(error)})"
        ) from None
    if kind != "Scheduler":
        raise ClusterFailed(f"at {address} listens a Dask {kind}, not a scheduler")


@contextmanager
def on_worker_processes(count: int, *, workerless_s: float = WORKERLESS_S) -> Iterator[Scheduler]:
    """A cluster of ``count`` (>= 1) worker processes on this machine, ended with the context.

    Raises as :func:`on_scheduler`.
    """
    _distributed()
    name = "the local cluster"
    try:
        with (
            _quiet(),
            local_cluster(count) as address,
            _client(address, name, CONNECT_S) as client,
        ):
            yield _scheduler_of(client, name, workerless_s)
    except NotStarted as error:
        raise ClusterFailed(f"--cluster: {name} did not start ({error})") from None


def _distributed(module: str = "") -> Any:
    """Dask's package, or a module of it, which is an extra. Raises :class:`PlanRefused`."""
    try:
        return import_module(f"distributed.{module}" if module else "distributed")
    except ImportError:
        raise PlanRefused(
            "--scheduler and --cluster need Dask's distributed, which is not installed: "
            "pip install 'busyhour[cluster]'"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask tells of every lost connection; what matters is said by this command."""
    loggers = [logging.getLogger(name) for name in ("distributed", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _client(address: str, name: str, connect_s: float) -> Iterator[Any]:
    try:
        with warnings.catch_warnings():
            # Versions are compared below, and those that matter refused.
            warnings.simplefilter("ignore")
            client = _distributed().Client(address, timeout=connect_s, set_as_default=False)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ClusterFailed(
            f"what listens at {name} does not answer like a Dask scheduler ({_first_line(error)})"
        ) from None
    try:
        yield client
    finally:
        with suppress(Exception):  # there may be nobody left to say goodbye to
            client.close(timeout=connect_s)


def _scheduler_of(client: Any, name: str, workerless_s: float) -> Scheduler:
    here = installation()
    with _lost_at(name):
        _wait_for_a_worker(client, name, workerless_s)
        _compare(client, here)

    def run(tasks: Sequence[Task], step: Step) -> Iterator[tuple[Played, ...]]:
        run_id = uuid4().hex
        threads = sum(client.ncores().values())
        most_ahead = max(_LEAST_AHEAD, _AHEAD_PER_THREAD * threads)
        ahead: deque[Any] = deque()
        handed = 0
        for done in range(1, len(tasks) + 1):
            with _lost_at(name):
                while handed < len(tasks) and len(ahead) < most_ahead:
                    key = f"busyhour-{run_id}-{handed}"
                    ahead.append(client.submit(play_if_same, tasks[handed], here, key=key))
                    handed += 1
            future = ahead.popleft()
            outcome = _outcome(client, future, name, workerless_s)
            future.release()
            step(done, len(tasks))
            yield outcome

    return run


@contextmanager
def _lost_at(name: str) -> Iterator[None]:
    """What Dask raises when the other end is gone, as :class:`ClusterFailed`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise ClusterFailed(f"{name} was lost ({_first_line(error)})") from None


def _outcome(client: Any, future: Any, name: str, workerless_s: float) -> tuple[Played, ...]:
    """The result of a task, waited for as long as there is a cluster with workers."""
    killed_worker: type[Exception] = _distributed().KilledWorker
    workerless_since: float | None = None
    while True:
        try:
            outcome: tuple[Played, ...] = future.result(timeout=min(_LOOK_S, workerless_s))
            return outcome
        except TimeoutError:
            with _lost_at(name):
                has_workers = bool(client.ncores())
        except killed_worker:
            raise ClusterFailed(
                f"{name}: workers died again and again over one replication, perhaps for want of "
                "memory"
            ) from None
        except (CancelledError, AsyncCancelledError):
            raise ClusterFailed(f"{name} was lost before the sweep was done") from None
        now = time.monotonic()
        workerless_since = None if has_workers else workerless_since or now
        if workerless_since is not None and now - workerless_since >= workerless_s:
            raise ClusterFailed(f"{name} has had no worker for {workerless_s:g} s")


def _wait_for_a_worker(client: Any, name: str, workerless_s: float) -> None:
    try:
        client.wait_for_workers(1, timeout=workerless_s)
    except TimeoutError:
        raise ClusterFailed(
            f"{name} has no workers; start some with 'dask worker {name}'"
        ) from None


def _compare(client: Any, here: Mapping[str, str]) -> None:
    """Raises :class:`ClusterFailed` unless scheduler and workers have this installation.

    The scheduler plays nothing, but it reads the tasks.
    """
    try:
        found: dict[str, Any] = {"the scheduler": client.run_on_scheduler(installation)}
    except ImportError as error:
        found = {"the scheduler": error}
    else:
        found |= client.run(installation, on_error="return")
    wrong = {
        node: f"has no busyhour that fits ({_first_line(there)})"
        if isinstance(there, Exception)
        else "; ".join(differences(here, there))
        for node, there in found.items()
        if there != here
    }
    if not wrong:
        return
    named = [f"{node}: {said}" for node, said in list(wrong.items())[:_MOST_NAMED]]
    more = f"; and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
    raise ClusterFailed(
        "other installations draw other calls from the same seed, so nothing was handed out. "
        f"{'; '.join(named)}{more}. Install the same on every machine"
    )


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
