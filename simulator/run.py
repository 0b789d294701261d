"""One run from scenario to report: the only place that knows the order of the stages."""

import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from simulator.oracle import expect
from simulator.report import write_reports
from simulator.reproduction import write_reproduction
from simulator.result import RunResult
from simulator.results import Engine, Progress, RunOutcome
from simulator.scenario import Scenario
from simulator.statistics import statistics_of
from simulator.trace import CallTrace, trace_hash
from simulator.traffic import build_trace
from simulator.verdict import judge

if TYPE_CHECKING:
    from simulator.live.engine import LiveEngine

LATEST: Final = "latest"
LATEST_NOTE: Final = "latest.txt"
"""Stands in for the link where a file system has no links; names the newest directory."""


class ViolationProven(Exception):
    """A live run did not come to its end, but what it measured until then proves a violation.

    The message is one line: the violation, what ended the run, and where the histories are.
    """


class StageProgress(Protocol):
    """Told which stage a run is in and how far that is."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


class LaunchedEngine(Protocol):
    """An engine whose service is on its way up."""

    def __enter__(self) -> "LaunchedEngine": ...
    def __exit__(self, *raised: object) -> None: ...
    def run(self, progress: Progress | None = None) -> RunOutcome: ...


@runtime_checkable
class LaunchingEngine(Protocol):
    """An engine that needs time to start, which the oracle can use."""

    @property
    def target_url(self) -> str | None: ...
    def launch(self, trace: CallTrace) -> LaunchedEngine: ...


@dataclass(frozen=True, slots=True)
class Report:
    """A judged run and the directory its documents are in."""

    result: RunResult
    directory: Path
    reproduce: Path | None = None
    """A scenario of a few calls that fails in the same way, for a virtual run that failed."""


def run_scenario(
    scenario: Scenario,
    engine: Engine,
    *,
    out: Path,
    command: str,
    trace: CallTrace | None = None,
    progress: StageProgress | None = None,
) -> Report:
    """Draw the trace, work out what must come out, play it, judge it, and write the reports.

    ``out`` gets ``<scenario>/<UTC time>/`` and ``<scenario>/latest``. ``command`` is the command
    line that repeats the run; ``trace`` stands in for the one that would be drawn. Raises
    :class:`simulator.trace.TraceInvalid` for a scenario that contradicts itself,
    :class:`simulator.engines.Inconclusive`, and OSError from writing.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    check_writable(out / scenario.name)
    if trace is None:
        trace = build_trace(scenario)
    observed, expected = _play(trace, engine, progress)
    statistics = statistics_of(trace, observed.log)
    judgement = judge(
        trace=trace,
        observed=observed,
        expected=expected,
        statistics=statistics,
        expect=scenario.expect,
        thresholds=scenario.thresholds,
    )
    result = RunResult(
        scenario=scenario,
        trace=trace,
        trace_hash=trace_hash(trace),
        engine=engine.name,
        target=engine.target_url if isinstance(engine, LaunchingEngine) else None,
        observed=observed,
        expected=expected,
        statistics=statistics,
        judgement=judgement,
        started_at=started_at,
        duration_s=time.monotonic() - started,
        versions=versions(),
        command=command,
    )
    directory = publish(result, out / scenario.name)
    return Report(result, directory, write_reproduction(result, engine, directory))


def run_live(
    scenario: Scenario,
    engine: "LiveEngine",
    *,
    out: Path,
    command: str,
    progress: StageProgress | None = None,
) -> Report:
    """Draw the trace, drive it in wall-clock time, judge what was answered, write the reports.

    The directory of the reports is there from the beginning: histories are written into it while
    the run lasts, and stay whatever ends it. Raises as :func:`run_scenario` does; the message of
    :class:`simulator.engines.Inconclusive`, or of KeyboardInterrupt, says where the histories are.
    Instead of the former :class:`ViolationProven` where the histories prove one.
    """
    from simulator.engines import Inconclusive
    from simulator.live.figures import figures_of
    from simulator.live.verdict import judge_live

    started_at, started = datetime.now(UTC), time.monotonic()
    check_writable(out / scenario.name)
    trace = build_trace(scenario)
    directory = made_directory(out / scenario.name, started_at)
    try:
        run = engine.play(scenario, trace, directory, _teller(progress)("engine"))
        judged = judge_live(scenario, trace, run)
    except Inconclusive as error:
        if not any(directory.iterdir()):
            directory.rmdir()
            raise
        where = f"what was measured is in {directory}"
        if (proven := _proven_in(directory)) is not None:
            raise ViolationProven(f"{proven}; the run ended early: {error}; {where}") from error
        raise Inconclusive(f"{error}; {where}") from error
    except KeyboardInterrupt as stopped:
        raise KeyboardInterrupt(f"what was measured is in {directory}") from stopped
    result = RunResult(
        scenario=scenario,
        trace=trace,
        trace_hash=trace_hash(trace),
        engine=engine.name,
        target=engine.target_url,
        observed=judged.observed,
        expected=judged.expected,
        statistics=judged.statistics,
        judgement=judged.judgement,
        started_at=started_at,
        duration_s=time.monotonic() - started,
        versions=versions(),
        command=command,
        bounds=judged.bounds,
        live=figures_of(run, judged.notes),
    )
    write_reports(result, directory)
    point_latest(directory.parent, directory.name)
    return Report(result, directory)


def _proven_in(directory: Path) -> str | None:
    """The first violation that the histories of a run prove, in one line; None for none."""
    from simulator.checker import check_history
    from simulator.history import histories_in, read_history

    alarms = [
        alarm
        for path in histories_in(directory)
        for alarm in check_history(read_history(path)).alarms
    ]
    if not alarms:
        return None
    more = f"; and {len(alarms) - 1} more alarms" if len(alarms) > 1 else ""
    return f"history.{alarms[0].kind}: {alarms[0].message}{more}"


def _play(
    trace: CallTrace, engine: Engine, progress: StageProgress | None
) -> tuple[RunOutcome, RunOutcome]:
    """What the engine observed and what the oracle expects."""
    told = _teller(progress)
    if not isinstance(engine, LaunchingEngine):
        expected = expect(trace, told("oracle"))
        return engine.run(trace, told("engine")), expected
    with engine.launch(trace) as launched:
        expected = expect(trace, told("oracle"))
        return launched.run(told("engine")), expected


def _teller(progress: StageProgress | None) -> Callable[[str], Progress | None]:
    def told(stage: str) -> Progress | None:
        if progress is None:
            return None
        return lambda done, total: progress(stage, done, total)

    return told


def versions() -> Mapping[str, str]:
    """What a run runs on, by name."""
    return {
        "busyhour": version("busyhour"),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "platform": platform.platform(),
    }


def publish(result: RunResult, parent: Path) -> Path:
    """Write the reports so that a directory with a run's name is always whole; gives it."""
    parent.mkdir(parents=True, exist_ok=True)
    name = f"{result.started_at:%Y-%m-%dT%H-%M-%SZ}"
    part = parent / f".{name}-{os.getpid()}.part"
    try:
        write_reports(result, part)
        directory = _claim(part, parent, name)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    point_latest(parent, directory.name)
    return directory


def check_writable(parent: Path) -> None:
    """Raise OSError now, and not after a long run, where no report could be written."""
    there = next(path for path in (parent, *parent.absolute().parents) if path.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"no reports can be written: {there} is not a directory")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"no reports can be written: {there} may not be written to")


def made_directory(parent: Path, started_at: datetime) -> Path:
    """Make the directory of a run that writes while it lasts."""
    parent.mkdir(parents=True, exist_ok=True)
    name, number = f"{started_at:%Y-%m-%dT%H-%M-%SZ}", 1
    while True:
        directory = parent / (name if number == 1 else f"{name}-{number}")
        try:
            directory.mkdir()
        except FileExistsError:
            number += 1
        else:
            return directory


def _claim(part: Path, parent: Path, name: str) -> Path:
    """Give the directory its name, with a number behind it when runs share a second."""
    number = 1
    while True:
        directory = parent / (name if number == 1 else f"{name}-{number}")
        if not directory.exists():
            part.rename(directory)
            return directory
        number += 1


def point_latest(parent: Path, name: str) -> None:
    link = parent / f".{LATEST}-{os.getpid()}"
    try:
        link.symlink_to(name, target_is_directory=True)
        link.replace(parent / LATEST)
    except OSError:
        with suppress(OSError):
            link.unlink()
        (parent / LATEST_NOTE).write_text(f"{name}\n", encoding="utf-8")
