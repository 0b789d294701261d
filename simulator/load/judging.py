"""The verdict of a run whose calls were played by Locust's workers.

What the workers were answered is one history, judged on intervals by the checker; the figures read
from the service must obey the laws between them and lie within the bounds of that history; every
row of the trace must have been played once; and the scenario's thresholds are held against the
statistics. Exact expectations of a scenario are left to engines with a virtual clock: in wall-clock
time, which of two calls came first is not the scenario's to say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from simulator.checker import check_history
from simulator.checker.judgement import RESTARTED
from simulator.history import CALL_OPS, History
from simulator.load.coordinator import Coordinator
from simulator.load.history import UNTOLD
from simulator.load.reading import nothing_counted
from simulator.load.shares import Union, row_ranges
from simulator.measured import (
    MOST_LATE,
    alarm_checks,
    bound_checks,
    bounds_by_row,
    law_checks,
    nearest_allowed,
    unmade_calls,
)
from simulator.result import Interval
from simulator.results import CallLog, RunOutcome
from simulator.scenario import Scenario
from simulator.statistics import Statistics, statistics_of
from simulator.trace import CallTrace
from simulator.verdict import Check, Judgement, judge_measured

ENGINE: Final = "locust"

_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Heard:
    """What a run gave: its history, what became of each row, and the service's last figures.

    ``final`` None: the figures could not be read; ``doubts`` says why.
    """

    history: History
    log: CallLog
    final: RunOutcome | None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement and what belongs into the reports with it.

    ``bounds`` are what the answers allow, by tenant (None: the total) and figure.
    """

    judgement: Judgement
    observed: RunOutcome
    expected: RunOutcome
    statistics: Statistics
    bounds: Mapping[str | None, Mapping[str, Interval]]


def judge_load(
    scenario: Scenario,
    trace: CallTrace,
    coordinator: Coordinator,
    heard: Heard,
) -> Judged:
    """Judge a run that is over, whether it came to its end or not."""
    log = heard.log
    statistics = statistics_of(trace, log)
    history = check_history(heard.history)
    union = coordinator.union()
    observed = replace(heard.final or nothing_counted(trace), log=log)
    proofs = tuple(bound_checks(history.bounds)) if heard.final is not None else ()
    invariants = [*alarm_checks(history), _union_check(union, len(trace))]
    if heard.final is not None:
        invariants += [*law_checks(trace, observed), _documents_check(heard.final)]
    judgement = judge_measured(
        proofs=proofs,
        invariants=invariants,
        statistics=statistics,
        thresholds=scenario.thresholds,
        offered=history.calls_offered,
        measured=coordinator.meters.latencies(),
        doubts=[
            *heard.doubts,
            *([RESTARTED] if history.restarted else []),
            *(["the history is not known to be whole"] if history.truncated else []),
            *_traffic_doubts(heard.history),
            *_doubts(coordinator, union),
        ],
    )
    bounds = bounds_by_row([history.bounds])
    return Judged(judgement, observed, nearest_allowed(observed, bounds), statistics, bounds)


def _doubts(coordinator: Coordinator, union: Union) -> Iterator[str]:
    troubles = coordinator.troubles()
    if union.lost:
        why = f" ({'; '.join(troubles)})" if troubles else ""
        yield f"{len(union.lost)} rows were lost: {row_ranges(union.lost)}{why}"
    else:
        yield from troubles
    meters = coordinator.meters
    if meters.late > MOST_LATE * meters.sends:
        yield (
            f"{meters.late} of {meters.sends} events were sent more than "
            f"{meters.late_us / 1e6:g} s late, the worst by {meters.behind.most_us / 1e6:.3f} s: "
            "the generator was the bottleneck; use more workers or a lower speed"
        )


def _traffic_doubts(history: History) -> Iterator[str]:
    """Why what the service was asked may not have been the scenario's traffic."""
    calls = [each for each in history.operations if each.op in CALL_OPS and each.code != UNTOLD]
    yield from unmade_calls(calls)
    if calls and not any(each.result == "ok" for each in calls):
        yield "no event was answered: the service was out of reach during the run"


def _documents_check(final: RunOutcome) -> Check:
    wrong = final.contradictions
    return Check(
        "documents.consistent",
        "invariant",
        not wrong,
        "the published documents have their fields, and each fits together",
        "broken" if wrong else "holds",
        "; ".join(wrong[:_NAMED]),
    )


def _union_check(union: Union, rows: int) -> Check:
    """Rows that nobody told of are a doubt; a row that two workers played is proven wrong."""
    detail = f"played twice: {row_ranges(union.doubled)}" if union.doubled else ""
    return Check(
        "trace.union",
        "invariant",
        not union.doubled,
        f"each of {rows} rows played by one worker",
        f"{len(union.doubled)} rows by several, {len(union.lost)} by none",
        detail,
    )
