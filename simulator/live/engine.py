"""A live run from the services' set-up to their last counters."""

import asyncio
import gc
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from service.calls import COUNTER_NAMES, UNKNOWN_TENANT
from simulator.engines import Inconclusive
from simulator.engines.limits import service_deadlines
from simulator.engines.setup import SYSTEM, prepare
from simulator.engines.sources import TIMEOUT
from simulator.engines.target import Target
from simulator.history import (
    HISTORY,
    HistoryDeadlines,
    HistoryHeader,
    HistoryWriter,
    TenantLimits,
)
from simulator.live.calls import CallRules, LiveTarget
from simulator.live.client import CallClient
from simulator.live.driver import Driver
from simulator.live.meters import DriverFigures, Meters, Spread
from simulator.live.options import LiveSettings
from simulator.live.plan import ClientFaults, Plan
from simulator.live.recorder import Document, Reading, Recorder
from simulator.live.service import OwnLiveService
from simulator.results import CheckpointState, Held, Progress, RunOutcome
from simulator.scenario import Scenario
from simulator.trace import CallTrace, Conditions

ENGINE: Final = "live"


@dataclass(frozen=True, slots=True)
class LiveRun:
    """What a run observed. ``outcomes`` has one for each history: each service with its own limit.

    ``suspended_s`` is time in which the machine slept.
    """

    histories: tuple[Path, ...]
    outcomes: tuple[RunOutcome, ...]
    latencies: dict[str, Spread]
    driver: DriverFigures
    restarts: int
    suspended_s: float


@dataclass(frozen=True, slots=True)
class _Group:
    """Services that share one limit: where they are, and what was counted there before the run."""

    urls: tuple[str, ...]
    before: Document


@dataclass(frozen=True, slots=True)
class GivenTargets:
    """Services somebody else runs; they are set up only with ``configure``."""

    urls: tuple[str, ...]
    admin_token: str
    call_token: str
    configure: bool = False


@dataclass(frozen=True, slots=True)
class LiveEngine:
    """Drives ``targets``, or without any a service of its own."""

    settings: LiveSettings = field(default_factory=LiveSettings)
    targets: GivenTargets | None = None

    @property
    def name(self) -> str:
        return ENGINE

    @property
    def target_url(self) -> str | None:
        return None if self.targets is None else ", ".join(self.targets.urls)

    def play(
        self,
        scenario: Scenario,
        trace: CallTrace,
        directory: Path,
        progress: Progress | None = None,
    ) -> LiveRun:
        """Play the trace; histories are written into ``directory`` as it goes.

        Raises :class:`Inconclusive`; what was measured until then is in the histories.
        """
        _allow_files()
        plan = Plan(trace, self.settings.speed, ClientFaults.of(scenario))
        with ExitStack() as stack:
            own: OwnLiveService | None = None
            targets = self.targets
            if targets is None:
                own = stack.enter_context(OwnLiveService(trace, self.settings.speed))
                url = own.wait_until_ready()
                targets = GivenTargets((url,), own.tokens.admin, own.tokens.call, configure=True)
            try:
                groups = self._prepared(targets, trace.conditions)
                run = _Run(self.settings, scenario, plan, targets, groups, own, directory)
                return run.play(progress)
            except Inconclusive as error:
                words = "" if own is None else own.last_words()
                raise Inconclusive(f"{error}{words}") from error

    def _prepared(self, targets: GivenTargets, conditions: Conditions) -> list[_Group]:
        """Every service checked and set up; replicas are set up through the first one."""
        starts = []
        for place, url in enumerate(targets.urls):
            with httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False) as client:
                may_change = targets.configure and (place == 0 or not self.settings.shared_limit)
                target = Target(client, targets.admin_token, targets.call_token)
                start = prepare(
                    target,
                    conditions,
                    may_change=may_change,
                    clock=SYSTEM,
                    speed=self.settings.speed,
                )
            starts.append(start.before)
        if self.settings.shared_limit:
            return [_Group(targets.urls, starts[0])]
        _require_different(targets.urls, starts)
        return [_Group((url,), before) for url, before in zip(targets.urls, starts, strict=True)]


def _require_different(urls: Sequence[str], documents: Sequence[Document]) -> None:
    """Raise :class:`Inconclusive` when two addresses lead to one service, where it says so."""
    seen: dict[str, str] = {}
    for url, document in zip(urls, documents, strict=True):
        instance = document.get("instance")
        if not isinstance(instance, str):
            continue
        if instance in seen:
            raise Inconclusive(
                f"{seen[instance]} and {url} are one service; give it once, or say with "
                "--shared-limit that they share one limit"
            )
        seen[instance] = url


class _Run:
    """One trace on services that are ready for it."""

    def __init__(
        self,
        settings: LiveSettings,
        scenario: Scenario,
        plan: Plan,
        targets: GivenTargets,
        groups: Sequence[_Group],
        own: OwnLiveService | None,
        directory: Path,
    ) -> None:
        self._settings = settings
        self._scenario = scenario
        self._plan = plan
        self._targets = targets
        self._groups = groups
        self._own = own
        # Call ids must be new to a service that remembers those of earlier runs.
        self._prefix = "c" if own is not None else f"r{secrets.token_hex(6)}-"
        self._meters = Meters(round(settings.late_s * 1e6))
        names = [HISTORY] if len(groups) == 1 else []
        names += [f"history-{place + 1}.jsonl" for place in range(len(groups))][len(names) :]
        self._paths = tuple(directory / name for name in names)

    def play(self, progress: Progress | None) -> LiveRun:
        cpu_s, asleep_s = time.process_time(), _asleep_s()
        self._started_ns = time.monotonic_ns()
        with ExitStack() as stack:
            recorders = [
                Recorder(
                    stack.enter_context(HistoryWriter(path, self._header(group))),
                    group.before,
                    self._meters.results,
                    watched=self._own is None,
                )
                for path, group in zip(self._paths, self._groups, strict=True)
            ]
            try:
                with _quiet_collector(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
                    driver = runner.run(_interruptible(self._drive(recorders, progress)))
            finally:
                # Whatever ended the run, what was under way is written down as given up.
                for recorder in recorders:
                    recorder.close(self._now_us())
        return LiveRun(
            histories=self._paths,
            outcomes=tuple(
                self._outcome(driver, place, reading) for place, reading in enumerate(driver.final)
            ),
            latencies=self._meters.latencies(),
            driver=self._meters.figures(
                cpu_s=time.process_time() - cpu_s,
                wall_s=self._now_us() / 1e6,
                speed=self._plan.speed,
            ),
            restarts=driver.restarts,
            suspended_s=max(0.0, _asleep_s() - asleep_s),
        )

    def _now_us(self) -> int:
        return (time.monotonic_ns() - self._started_ns) // 1000

    async def _drive(self, recorders: Sequence[Recorder], progress: Progress | None) -> Driver:
        settings, targets = self._settings, self._targets
        clients: list[CallClient] = []
        groups: list[list[LiveTarget]] = []
        try:
            for group, recorder in zip(self._groups, recorders, strict=True):
                groups.append([])
                for place, url in enumerate(group.urls):
                    client = CallClient(
                        url,
                        call_token=targets.call_token,
                        admin_token=targets.admin_token,
                        timeout_s=settings.timeout_s,
                    )
                    clients.append(await client.__aenter__())
                    groups[-1].append(LiveTarget(client, recorder, self._prefix, place))
            driver = Driver(
                self._plan,
                groups,
                CallRules(settings.retries, settings.most_open),
                self._meters,
                self._now_us,
                kills=self._scenario.kills,
                service=self._own,
                progress=progress,
            )
            # The clock of the run starts with its first instant: nothing is late from the outset.
            self._started_ns = time.monotonic_ns()
            await driver.run()
            return driver
        finally:
            for client in clients:
                await client.__aexit__(None, None, None)

    def _header(self, group: _Group) -> HistoryHeader:
        conditions = self._plan.trace.conditions
        return HistoryHeader(
            limit=conditions.max_concurrent_calls,
            tenants={
                tenant.tenant_id: TenantLimits(
                    tenant.max_concurrent_calls, tenant.reserved_calls, tenant.enabled
                )
                for tenant in conditions.tenants
                if tenant.configured
            },
            deadlines=HistoryDeadlines(**asdict(service_deadlines(conditions, self._plan.speed))),
            targets=group.urls,
            about={
                "scenario": self._scenario.name,
                "seed": self._scenario.seed,
                "speed": self._settings.speed,
            },
        )

    def _outcome(self, driver: Driver, place: int, final: Reading) -> RunOutcome:
        conditions = self._plan.trace.conditions
        names = (*conditions.configured_ids, UNKNOWN_TENANT)
        checkpoints = [
            _state(checkpoint.at_us, reading, names)
            for checkpoint in driver.checkpoints
            if (reading := checkpoint.readings[place]) is not None
        ]
        state = _state(conditions.duration_us, final, names)
        assert state.total_counters is not None
        assert state.counters is not None
        return RunOutcome(
            engine=ENGINE,
            total=state.total_counters,
            tenants=state.counters,
            checkpoints=tuple(checkpoints),
            final=state,
            log=driver.calls.lives.log(self._plan.speed),
        )


def _state(at_us: int, reading: Reading, names: Sequence[str]) -> CheckpointState:
    def counters(row: Any) -> tuple[int, ...]:
        return tuple(row.get(name, 0) for name in COUNTER_NAMES)

    def held(name: str) -> Held:
        row = reading.tenants.get(name, {})
        return Held(row.get("pending", 0), row.get("accepted", 0), row.get("active", 0))

    return CheckpointState(
        at_us=at_us,
        limit=reading.limit,
        tenants={name: held(name) for name in names if name != UNKNOWN_TENANT},
        counters={name: counters(reading.tenant_counters.get(name, {})) for name in names},
        total_counters=counters(reading.total_counters),
    )


async def _interruptible(work: Any) -> Any:
    """Await ``work``; SIGINT and SIGTERM cancel it, and then raise KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        return await work
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if stopped:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _allow_files() -> None:
    """Take as many open files as the system allows: each request under way needs a connection."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed; it sends about twice as many events a second."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextmanager
def _quiet_collector() -> Iterator[None]:
    """Keep what is there already out of the collector's sight: each look at it is a stall."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _asleep_s() -> float:
    """How long the machine has slept since it was started, where the system tells."""
    if sys.platform != "linux":
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
