"""A Dask cluster on this machine: a scheduler and workers as processes that end with this one."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

_NODE: Final = "simulator.planning.cluster_node"
_ROOT: Final = Path(__file__).resolve().parents[2]
_END_S: Final = 5.0


class NotStarted(Exception):
    """A process of the cluster ended at once; the message is the last it said."""


@contextmanager
def local_cluster(workers: int) -> Iterator[str]:
    """The address of a cluster with so many worker processes (>= 1), ended with the context.

    What it writes goes into a temporary directory, which is removed. Raises OSError, and
    :class:`NotStarted`.
    """
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="busyhour-", ignore_cleanup_errors=True)
            )
        )
        scheduler = stack.enter_context(_node("scheduler", directory))
        started = [stack.enter_context(_node("worker", directory)) for _ in range(workers)]
        assert scheduler.stdout is not None
        address = scheduler.stdout.readline().strip()
        if not address:
            raise NotStarted(_last_said(directory))
        for worker in started:
            assert worker.stdin is not None
            with suppress(BrokenPipeError):  # one that ended already is missed by the client
                worker.stdin.write(f"{address}\n")
                worker.stdin.flush()
        yield address


@contextmanager
def _node(role: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (directory / "said.txt").open("a") as said:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
            [sys.executable, "-P", "-m", _NODE, role, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            # Ctrl-C is for the command, which then ends its processes.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with suppress(OSError):
            pipe.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    if process.poll() is None:
        process.kill()
        process.wait()


def _last_said(directory: Path) -> str:
    lines = (directory / "said.txt").read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
