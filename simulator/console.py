"""What a person at a terminal sees of a run: progress, a compact table, the verdict."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, TextIO

from service.calls import COUNTERS, Counter
from simulator.report.comparison import compare_total
from simulator.result import Interval, LiveFigures, RunResult
from simulator.run import Report
from simulator.scenario import Scenario
from simulator.selftest import SelftestReport
from simulator.verdict import Verdict

_STAGES: Final = {"oracle": "working out what must come out", "engine": "playing"}
_IN_MICROSECONDS: Final = COUNTERS[Counter.ACTIVE_US_TOTAL].name
"""Left out of the table: the minutes beside it say the same."""

_REFRESH_S: Final = 0.1
_ERASE_LINE: Final = "\r\x1b[K"
_MOST_TROUBLES: Final = 10

_SAID: Final = {
    Verdict.PASS: "PASS",
    Verdict.FAIL: "FAIL",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE",
    Verdict.THRESHOLDS_FAILED: "THRESHOLDS FAILED",
}


class ProgressLine:
    """One line on a terminal that says how far a run is; nothing where there is no terminal."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self._title = title
        self._stream = stream
        self._shows = stream.isatty()
        self._shown_at = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._shows or now - self._shown_at < _REFRESH_S:
            return
        self._shown_at = now
        percent = 100 * done // total if total else 100
        self._write(f"{_ERASE_LINE}{self._title}: {_STAGES.get(stage, stage)} {percent} %")

    def clear(self) -> None:
        if self._shows:
            self._write(_ERASE_LINE)

    def _write(self, text: str) -> None:
        with suppress(OSError):  # a terminal that went away must not end the run
            self._stream.write(text)
            self._stream.flush()


def say(message: str) -> None:
    """A line on stderr, as this command says it."""
    with suppress(OSError):
        print(f"busyhour: {message}", file=sys.stderr)


def report_lines(report: Report) -> Iterator[str]:
    """What is printed of a judged run; the verdict comes last."""
    result = report.result
    judgement = result.judgement
    yield (
        f"{result.scenario.name}: engine {result.engine}, seed {result.scenario.seed}, "
        f"{result.observed.total[Counter.OFFERED_CALLS]:,} calls in {result.duration_s:.1f} s"
    )
    yield from _counter_table(result)
    yield from _troubles(result)
    yield f"  {statistics_line(result)}"
    if result.live is not None:
        yield from _live_lines(result.live)
    yield f"  report: {report.directory / 'report.html'}"
    if report.reproduce is not None:
        yield f"  a few of the calls that fail like it: {report.reproduce}"
    yield f"{_SAID[judgement.verdict]} {result.scenario.name}: {judgement.reason}"


def statistics_line(result: RunResult) -> str:
    """The figures people ask for first, in one line."""
    statistics = result.statistics
    parts = [f"peak {statistics.peak_in_use:,} calls", f"{statistics.carried_erlangs:.2f} erlang"]
    if statistics.blocking is not None:
        parts.insert(0, f"blocking {100 * statistics.blocking:.3f} %")
    if statistics.time_congestion is not None:
        parts.append(f"time congestion {100 * statistics.time_congestion:.3f} %")
    if statistics.preempted_calls is not None:
        parts.append(f"{statistics.preempted_calls:,} preempted")
    return ", ".join(parts)


def _live_lines(live: LiveFigures) -> Iterator[str]:
    """How long answers took, and how the driver did."""
    driver: Mapping[str, Any] = live.driver
    offer = live.latency.get("offer")
    answered = "nothing was answered"
    if offer is not None:
        answered = f"offers answered in {offer['p50_ms']:.1f} ms (p99 {offer['p99_ms']:.1f})"
    yield (
        f"  {answered}, lag p99 {driver['lag']['p99_ms']:.1f} ms, "
        f"{driver['late_sends']:,} of {driver['sends']:,} sends late, {driver['dropped']:,} "
        f"dropped, {driver['indefinite']:,} indefinite"
    )
    for note in live.notes:
        yield f"  note: {note}"


def unfinished_document(
    scenario: Scenario, engine: str, reason: str, verdict: Verdict = Verdict.INCONCLUSIVE
) -> dict[str, Any]:
    """The document of a run that came to no result: the keys of a whole one, nothing observed."""
    from simulator.report.result_json import SCHEMA_VERSION

    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": {"name": scenario.name, "hash": scenario.digest, "seed": scenario.seed},
        "engine": engine,
        "verdict": verdict.value,
        "reason": reason,
        "observed": None,
        "expected": None,
        "checkpoints": [],
        "invariants": [],
        "expectations": [],
        "thresholds": [],
        "statistics": None,
    }


def _counter_table(result: RunResult) -> Iterator[str]:
    lines = [line for line in compare_total(result).lines if line.counter != _IN_MICROSECONDS]
    yield f"  {'total':<38}{'observed':>14}  {'expected':>18}"
    for line in lines:
        mark = "" if line.equal else "  <--"
        observed, expected = _figure(line.observed), _figure(line.expected)
        yield f"  {line.counter:<38}{observed:>14}  {expected:>18}{mark}"


def _troubles(result: RunResult) -> Iterator[str]:
    """Every check that failed, up to a number that can be read."""
    judgement = result.judgement
    failed = [
        check
        for check in (*judgement.expectations, *judgement.invariants, *judgement.thresholds)
        if not check.ok
    ]
    for check in failed[:_MOST_TROUBLES]:
        detail = f" ({check.detail})" if check.detail else ""
        yield f"  {check.name}: expected {check.expected}, observed {check.observed}{detail}"
    if len(failed) > _MOST_TROUBLES:
        yield f"  and {len(failed) - _MOST_TROUBLES} more in the report"


def _figure(value: float | Interval | None) -> str:
    if isinstance(value, Interval):
        return f"{_bound(value.low)} .. {'' if value.high is None else _bound(value.high)}"
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def selftest_lines(report: SelftestReport) -> Iterator[str]:
    """One line a broken controller, then the verdict."""
    width = max(len(catch.controller.name) for catch in report.catches)
    for catch in report.catches:
        said = "caught" if catch.caught else "MISSED"
        by = catch.alarms[0].check.name if catch.alarms else "-"
        yield f"  {said}  {catch.controller.name:<{width}}  {catch.controller.bug}; by {by}"
        if catch.missed_by:
            yield f"          not caught by {', '.join(catch.missed_by)}"
    for alarm in report.false_alarms:
        yield f"  FALSE ALARM in {alarm.scenario}: {alarm.check.name} {alarm.check.detail}"
    caught = sum(catch.caught for catch in report.catches)
    yield (
        f"{'PASS' if report.ok else 'FAIL'}: {caught} of {len(report.catches)} broken controllers "
        f"caught, {len(report.false_alarms)} false alarms"
    )


def _bound(value: float) -> str:
    return _figure(int(value) if value == int(value) else value)
