"""One run from the master's side: prepare the service, share out, keep time, judge, publish."""

import json
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from simulator.commands import OF_VERDICT
from simulator.console import report_lines, say, unfinished_document
from simulator.engines import Inconclusive
from simulator.exit_codes import INCONCLUSIVE, INTERRUPTED
from simulator.history import HISTORY, HistoryHeader
from simulator.load.coordinator import Coordinator
from simulator.load.history import header_of
from simulator.load.judging import ENGINE, Heard, judge_load
from simulator.load.profile import UserProfile
from simulator.load.reading import PULSE_S, ServiceReader, now_us, settle_s
from simulator.load.record import GONE_S, RunRecord
from simulator.load.settings import LoadSettings
from simulator.measured import asleep_s, lag_bound_us, slept
from simulator.report import write_reports
from simulator.report.result_json import document
from simulator.result import RunResult
from simulator.results import RunOutcome
from simulator.run import Report, made_directory, point_latest, versions
from simulator.scenario import Scenario
from simulator.trace import CallTrace

MOST_LATE_US: Final = 250_000
LEAST_LATE_US: Final = 25_000
"""Bounds of when a send is late where nobody says it; senders that share a core are not sharper."""

_LEAD_US: Final = 2_000_000
"""From the plan to the first offer: workers start their users meanwhile."""

_GRACE_S: Final = 60.0
"""How long a run may go on after it should have been over, for a worker that does not get on."""


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
    """One run. ``url`` is the service, ``shares`` how many workers are expected.

    Reports are printed to ``out``.
    """

    def __init__(self, load: Load, url: str, shares: int) -> None:
        settings = load.settings
        self._load = load
        self._url = url
        self._prefix = f"l{secrets.token_hex(6)}-"
        self.out: TextIO = sys.stdout
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()
        self._asleep_s = asleep_s()
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
        self._record: RunRecord | None = None
        self.interrupted = False
        self.unsaved = ""
        """Why the history could not be written to its end, if so."""

    def prepare(self) -> None:
        """Make the service ready. Raises :class:`Inconclusive`."""
        self._reader.prepare(
            self._prefix,
            may_change=self._load.settings.configure,
            speed=self._load.settings.speed,
        )

    def begin(self) -> None:
        """Set the instant at which the trace begins, a little from now, and open its history.

        Raises OSError.
        """
        self.coordinator.begin(now_us() + _LEAD_US)
        load = self._load
        directory = made_directory(load.settings.out / load.scenario.name, self._started_at)
        if load.settings.directory_file is not None:
            load.settings.directory_file.write_text(str(directory), encoding="utf-8")
        say(f"{load.scenario.name}: what is measured is written to {directory / HISTORY}")
        self._record = RunRecord(
            load.trace,
            self._header(),
            directory,
            self.coordinator,
            self._reader,
            prefix=self._prefix,
            speed=load.settings.speed,
        )

    def users(self) -> int:
        """How many users Locust should run now."""
        start_us = self.coordinator.start_us
        run_s = 0.0 if start_us is None else (now_us() - start_us) / 1e6
        return self._profile.users(run_s, self.coordinator.shares)

    def keep_marks(self, sleep: Callable[[float], None]) -> None:
        """Change limits and read figures when the scenario says so; ends with the last of them."""
        start_us = self.coordinator.start_us
        assert start_us is not None
        for at_us, act in self._reader.marks():
            due_us = start_us + round(at_us / self._load.settings.speed)
            while (left_us := due_us - now_us()) > 0:
                sleep(min(left_us / 1e6, 1.0))
            try:
                act()
            except Inconclusive as error:
                self._doubt(error)

    def keep_watch(self, sleep: Callable[[float], None]) -> None:
        """Look now and then whether the service is still the one it was, until nobody can tell."""
        try:
            while True:
                sleep(PULSE_S)
                self._reader.watch()
        except Inconclusive as error:
            self._doubt(error)

    def keep_record(self, alive: Set[str]) -> None:
        """Save what was measured so far; to be called about once a second."""
        if self._record is None or self.unsaved:
            return
        try:
            self._record.keep(alive)
        except OSError as error:
            self._give_up_saving(error)

    def is_over(self, alive: Set[str]) -> bool:
        """Whether every share has been told of that still can be; ``alive`` are the workers here.

        A worker that is missing may come back, so it is given a few seconds.
        """
        if self.unsaved:
            return True
        if self.coordinator.all_told(frozenset(self.coordinator.workers)):
            return True
        if not self.coordinator.all_told(alive):
            self._quiet_since = None
            return self._is_overdue()
        now = time.monotonic()
        self._quiet_since = self._quiet_since or now
        return now - self._quiet_since > GONE_S

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
            self._doubt(error)
        finally:
            self._reader.close()
        try:
            report = self._publish(self._concluded(), final)
        except OSError as error:
            return self.abandon(f"what was measured could not be saved: {error}")
        self._save_json(document(report.result))
        for line in report_lines(report):
            print(line, file=self.out)
        print(_workers_line(coordinator), file=self.out, flush=True)
        if self.interrupted:
            return INTERRUPTED
        return OF_VERDICT[report.result.judgement.verdict]

    def abandon(self, reason: str) -> int:
        """The run could not begin, or not be saved; the exit code."""
        self._reader.close()
        scenario = self._load.scenario
        say(f"{scenario.name}: inconclusive: {reason}")
        self._save_json(unfinished_document(scenario, ENGINE, reason))
        return INTERRUPTED if self.interrupted else INCONCLUSIVE

    def _concluded(self) -> RunRecord:
        """The record, brought to its end. Raises OSError."""
        assert self._record is not None
        if not self.unsaved:
            try:
                self._record.conclude()
            except OSError as error:
                self._give_up_saving(error)
        return self._record

    def _doubt(self, error: Exception) -> None:
        """Note once why the run cannot be judged."""
        if str(error) not in self._doubts:
            self._doubts.append(str(error))

    def _give_up_saving(self, error: OSError) -> None:
        assert self._record is not None
        self.unsaved = f"the history could not be written to its end: {error}"
        self._doubts.append(self.unsaved)
        with suppress(OSError):
            self._record.abandon()

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

    def _publish(self, record: RunRecord, final: RunOutcome | None) -> Report:
        load, coordinator = self._load, self.coordinator
        settings, scenario, trace = load.settings, load.scenario, load.trace
        doubts = ["interrupted", *self._doubts] if self.interrupted else self._doubts
        doubts = [*doubts, *slept(asleep_s() - self._asleep_s)]
        heard = Heard(record.history(), record.log(), final, tuple(doubts))
        judged = judge_load(scenario, trace, coordinator, heard)
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
            bounds=judged.bounds,
            started_at=self._started_at,
            duration_s=time.monotonic() - self._started,
            versions=versions(),
            command=settings.command or _command(settings),
        )
        directory = record.path.parent
        write_reports(result, directory)
        point_latest(directory.parent, directory.name)
        return Report(result, directory)

    def _header(self) -> HistoryHeader:
        load, speed = self._load, self._load.settings.speed
        about = {
            "scenario": load.scenario.name,
            "seed": load.scenario.seed,
            "speed": speed,
            "workers": self.coordinator.shares,
            "trace_hash": load.trace_hash,
        }
        return header_of(load.trace.conditions, speed=speed, url=self._url, about=about)

    def _save_json(self, document: Mapping[str, object]) -> None:
        path = self._load.settings.result_file
        if path is not None:
            path.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")


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
    meters = coordinator.meters
    told = coordinator.told()
    width_us = max((each.offset.width_us for each in told), default=0)
    return (
        f"  {len(told)} of {coordinator.shares} workers, {meters.sends:,} events, sent late by "
        f"at most {meters.behind.quantile_us(0.99) / 1000:.1f} ms (p99), "
        f"{meters.behind.most_us / 1000:.1f} ms (worst), clocks known to {width_us / 1000:.1f} ms"
    )


def _command(settings: LoadSettings) -> str:
    words = ["busyhour", "load", str(Path(settings.scenario)), "--target", settings.url]
    return shlex.join([*words, "--speed", f"{settings.speed:g}"])
