"""One run from the master's side: prepare the service, share out, keep time, judge, publish."""

import secrets
import shlex
import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from simulator.commands import OF_VERDICT
from simulator.console import report_lines
from simulator.engines import Inconclusive
from simulator.exit_codes import INCONCLUSIVE, INTERRUPTED
from simulator.history import HISTORY, Operation, write_history
from simulator.load.coordinator import Coordinator, Told
from simulator.load.history import header_of, in_order, operations_of, unreported_of
from simulator.load.judging import ENGINE, Heard, judge_load
from simulator.load.profile import UserProfile
from simulator.load.reading import ServiceReader, now_us, settle_s
from simulator.load.settings import LoadSettings
from simulator.load.shares import share_of
from simulator.measured import lag_bound_us
from simulator.result import RunResult
from simulator.results import RunOutcome
from simulator.run import Report, publish, versions
from simulator.scenario import Scenario
from simulator.trace import CallTrace

MOST_LATE_US: Final = 250_000
LEAST_LATE_US: Final = 25_000
"""Bounds of when a send is late where nobody says it; senders that share a core are not sharper."""

_LEAD_US: Final = 2_000_000
"""From the plan to the first offer: workers start their users meanwhile."""

_GRACE_S: Final = 60.0
"""How long a run may go on after it should have been over, for a worker that never came."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be played: the same in the master and in every worker."""

    settings: LoadSettings
    scenario: Scenario
    trace: CallTrace
    trace_hash: str

    @property
    def late_us(self) -> int:
        """How far behind its instant a send is late: as asked for, or what the traffic bears."""
        settings = self.settings
        if settings.late_s is not None:
            return round(settings.late_s * 1e6)
        return round(
            lag_bound_us(self.trace, settings.speed, least_us=LEAST_LATE_US, most_us=MOST_LATE_US)
        )


class MasterRun:
    """One run. ``url`` is the service, ``shares`` how many workers are expected."""

    def __init__(self, load: Load, url: str, shares: int) -> None:
        settings = load.settings
        self._load = load
        self._url = url
        self._prefix = f"l{secrets.token_hex(6)}-"
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()
        self._doubts: list[str] = []
        self._quiet_since: float | None = None
        self._profile = UserProfile(load.trace, settings.speed)
        self._reader = ServiceReader(load.trace, url, settings.admin_token, settings.call_token)
        self.coordinator = Coordinator(
            load.trace,
            load.trace_hash,
            run=secrets.token_hex(8),
            shares=shares,
            speed=settings.speed,
            prefix=self._prefix,
            late_us=load.late_us,
        )
        self.interrupted = False

    def prepare(self) -> None:
        """Make the service ready. Raises :class:`Inconclusive`."""
        self._reader.prepare(
            self._prefix,
            may_change=self._load.settings.configure,
            speed=self._load.settings.speed,
        )

    def begin(self) -> None:
        """Set the instant at which the trace begins, a little from now."""
        self.coordinator.begin(now_us() + _LEAD_US)

    def users(self) -> int:
        """How many users Locust should run now."""
        start_us = self.coordinator.start_us
        run_s = 0.0 if start_us is None else (now_us() - start_us) / 1e6
        return self._profile.users(run_s, self.coordinator.shares)

    def keep_marks(self, sleep: Callable[[float], None]) -> None:
        """Change limits and read figures when the scenario says so; ends with the last of them."""
        start_us = self.coordinator.start_us
        assert start_us is not None
        try:
            for at_us, act in self._reader.marks():
                due_us = start_us + round(at_us / self._load.settings.speed)
                while (left_us := due_us - now_us()) > 0:
                    sleep(min(left_us / 1e6, 1.0))
                act()
        except Inconclusive as error:
            self._doubts.append(str(error))

    def is_over(self, alive: Set[str]) -> bool:
        """Whether every share has been told of that still can be; ``alive`` are the workers here.

        A worker that is missing may come back, so it is given a few seconds.
        """
        if self.coordinator.all_told(frozenset(self.coordinator.workers)):
            return True
        if not self.coordinator.all_told(alive):
            self._quiet_since = None
            return self._is_overdue()
        now = time.monotonic()
        self._quiet_since = self._quiet_since or now
        return now - self._quiet_since > 5.0

    def finish(self) -> int:
        """Read the figures, judge, publish and print; the exit code."""
        load, coordinator = self._load, self.coordinator
        final: RunOutcome | None = None
        try:
            wait_s = (
                0.0 if self.interrupted else settle_s(load.trace.conditions, load.settings.speed)
            )
            final = self._reader.final(load.trace.conditions.duration_us, wait_s)
        except Inconclusive as error:
            self._doubts.append(str(error))
        finally:
            self._reader.close()
        report = self._publish(final)
        for line in report_lines(report):
            print(line)
        print(_workers_line(coordinator), flush=True)
        if self.interrupted:
            return INTERRUPTED
        return OF_VERDICT[report.result.judgement.verdict]

    def abandon(self, reason: str) -> int:
        """The run could not begin; the exit code."""
        self._reader.close()
        print(f"busyhour: {self._load.scenario.name}: inconclusive: {reason}", flush=True)
        return INTERRUPTED if self.interrupted else INCONCLUSIVE

    def _is_overdue(self) -> bool:
        start_us = self.coordinator.start_us
        if start_us is None:
            return False
        trace = self._load.trace
        lasts_us = trace.conditions.duration_us
        if len(trace):
            longest = trace.column("setup_us") + trace.column("connect_us")
            lasts_us += int((longest + trace.column("hold_us")).max())
            lasts_us += int(trace.deliveries.delay_us.max(initial=0))
        return (now_us() - start_us) / 1e6 > lasts_us / 1e6 / self._load.settings.speed + _GRACE_S

    def _calls(self, told: Sequence[Told]) -> Iterator[Operation]:
        """Every request that was told of, and every one that may have been made beside."""
        trace, origin_us, coordinator = self._load.trace, self._reader.origin_us, self.coordinator
        yield from operations_of(trace, told, prefix=self._prefix, origin_us=origin_us)
        for each in told:
            if not each.whole:
                assert coordinator.start_us is not None
                yield from unreported_of(
                    trace,
                    each,
                    share_of(trace, each.share, coordinator.shares).tolist(),
                    prefix=self._prefix,
                    origin_us=origin_us,
                    start_us=coordinator.start_us,
                    speed=self._load.settings.speed,
                )

    def _publish(self, final: RunOutcome | None) -> Report:
        load, coordinator = self._load, self.coordinator
        settings, scenario, trace = load.settings, load.scenario, load.trace
        told = coordinator.told()
        operations = in_order([*self._calls(told), *self._reader.operations])
        about: dict[str, Any] = {
            "scenario": scenario.name,
            "seed": scenario.seed,
            "speed": settings.speed,
            "workers": len(told),
            "trace_hash": load.trace_hash,
        }
        header = header_of(trace.conditions, speed=settings.speed, url=self._url, about=about)
        doubts = ["interrupted", *self._doubts] if self.interrupted else self._doubts
        heard = Heard(operations, final, tuple(doubts))
        judged = judge_load(scenario, trace, coordinator, heard, header, settings.speed)
        result = RunResult(
            scenario=scenario,
            trace=trace,
            trace_hash=load.trace_hash,
            engine=ENGINE,
            target=self._url,
            observed=judged.observed,
            expected=judged.expected,
            statistics=judged.statistics,
            judgement=judged.judgement,
            started_at=self._started_at,
            duration_s=time.monotonic() - self._started,
            versions=versions(),
            command=settings.command or _command(settings),
        )
        directory = publish(result, settings.out / scenario.name)
        write_history(directory / HISTORY, header, operations)
        return Report(result, directory)


def load_of(settings: LoadSettings) -> Load:
    """Read the scenario and draw its trace.

    Raises :class:`simulator.scenario_file.ScenarioInvalid`, :class:`simulator.trace.TraceInvalid`,
    and :class:`ScenarioUnfit` for faults that need another driver.
    """
    from simulator.scenario_file import ScenarioInvalid, load_scenario
    from simulator.scenario_file.policy_trouble import policy_trouble
    from simulator.trace import trace_hash
    from simulator.traffic import build_trace

    scenario = load_scenario(settings.scenario, settings.overrides, settings.seed)
    trouble = policy_trouble(settings.scenario, settings.overrides, scenario.policy, "Locust")
    if trouble is not None:
        raise ScenarioInvalid([trouble])
    if scenario.kills or scenario.cancel_faults:
        raise ScenarioUnfit(
            f"{settings.scenario}: faults that kill the service or make clients leave are not "
            "played through Locust; use busyhour run --engine live"
        )
    trace = build_trace(scenario)
    return Load(settings, scenario, trace, trace_hash(trace))


class ScenarioUnfit(ValueError):
    """A scenario asks for something that is not done through Locust."""


def _workers_line(coordinator: Coordinator) -> str:
    lateness = coordinator.lateness
    told = coordinator.told()
    width_us = max((each.offset.width_us for each in told), default=0)
    return (
        f"  {len(told)} of {coordinator.shares} workers, {lateness.sends:,} events, sent late by "
        f"at most {lateness.quantile_us(0.99) / 1000:.1f} ms (p99), {lateness.worst_us / 1000:.1f} "
        f"ms (worst), clocks known to {width_us / 1000:.1f} ms"
    )


def _command(settings: LoadSettings) -> str:
    words = ["busyhour", "load", str(Path(settings.scenario)), "--target", settings.url]
    return shlex.join([*words, "--speed", f"{settings.speed:g}"])
