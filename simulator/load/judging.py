"""The verdict of a run whose calls were played by Locust's workers.

What the workers were answered is one history, judged on intervals by the checker; the figures read
from the service must obey the laws between them and lie within the bounds of that history; every
row of the trace must have been played once; and the scenario's thresholds are held against the
statistics. Exact expectations of a scenario are left to engines with a virtual clock: in wall-clock
time, which of two calls came first is not the scenario's to say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from service.calls import COUNTER_NAMES
from simulator.checker import Alarm, Bound, HistoryJudgement, check_history
from simulator.history import History, HistoryHeader, Operation
from simulator.invariants import check_counters
from simulator.load.coordinator import Coordinator
from simulator.load.history import call_log_of
from simulator.load.reading import nothing_counted
from simulator.load.shares import Union, row_ranges
from simulator.results import RunOutcome
from simulator.scenario import Scenario
from simulator.statistics import Statistics, statistics_of
from simulator.trace import CallTrace
from simulator.verdict import Check, Judgement, judge_measured

ENGINE: Final = "locust"
MOST_LATE: Final = 0.01
"""The share of sends that may be late before the load is not the scenario's any more."""

_NAMED_CALLS: Final = 5


@dataclass(frozen=True, slots=True)
class Heard:
    """What a run gave: the workers' and the master's operations, and the service's last figures.

    ``final`` None: the figures could not be read; ``doubts`` says why.
    """

    operations: Sequence[Operation]
    final: RunOutcome | None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement and what belongs into the reports with it."""

    judgement: Judgement
    observed: RunOutcome
    expected: RunOutcome
    statistics: Statistics


def judge_load(
    scenario: Scenario,
    trace: CallTrace,
    coordinator: Coordinator,
    heard: Heard,
    header: HistoryHeader,
    speed: float,
) -> Judged:
    """Judge a run that is over, whether it came to its end or not."""
    told = coordinator.told()
    start_us = coordinator.start_us or 0
    log = call_log_of(trace, told, start_us=start_us, speed=speed)
    statistics = statistics_of(trace, log)
    history = check_history(History(header, heard.operations))
    union = coordinator.union()
    observed = replace(heard.final or nothing_counted(trace), log=log)
    proofs = tuple(_bound_checks(history.bounds)) if heard.final is not None else ()
    invariants = [
        *(_alarm_check(alarm) for alarm in history.alarms),
        _union_check(union, len(trace)),
    ]
    if not history.alarms:
        said = f"{history.operations} operations"
        invariants.append(Check("history", "invariant", True, "no alarm", "no alarm", said))
    if heard.final is not None:
        invariants += [
            Check(
                found.name,
                "invariant",
                found.ok,
                found.formula,
                "holds" if found.ok else "broken",
                found.detail,
            )
            for found in check_counters(trace, observed)
        ]
    judgement = judge_measured(
        proofs=proofs,
        invariants=invariants,
        statistics=statistics,
        thresholds=scenario.thresholds,
        offered=history.calls_offered,
        doubts=[*heard.doubts, *_doubts(coordinator, union)],
    )
    return Judged(judgement, observed, _expected(observed, history), statistics)


def _doubts(coordinator: Coordinator, union: Union) -> Iterator[str]:
    troubles = coordinator.troubles()
    if union.lost:
        why = f" ({'; '.join(troubles)})" if troubles else ""
        yield f"{len(union.lost)} rows were lost: {row_ranges(union.lost)}{why}"
    else:
        yield from troubles
    lateness = coordinator.lateness
    if lateness.late > MOST_LATE * lateness.sends:
        yield (
            f"{lateness.late} of {lateness.sends} events were sent more than "
            f"{lateness.limit_us / 1e6:g} s late, the worst by {lateness.worst_us / 1e6:.3f} s: "
            "the generator was the bottleneck; use more workers or a lower speed"
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


def _alarm_check(alarm: Alarm) -> Check:
    calls = ", ".join(alarm.calls[:_NAMED_CALLS])
    more = len(alarm.calls) - _NAMED_CALLS
    detail = alarm.message
    if calls:
        detail += f"; calls {calls}" + (f" and {more} more" if more > 0 else "")
    return Check(f"history.{alarm.kind}", "invariant", False, "no alarm", "broken", detail)


def _bound_checks(bounds: Sequence[Bound]) -> Iterator[Check]:
    for bound in bounds:
        whose = "total" if bound.tenant is None else f"tenants.{bound.tenant}"
        yield Check(
            f"{whose}.{bound.name}",
            "oracle",
            _within(bound),
            _range(bound),
            bound.observed,
            "" if _within(bound) else "outside what the answers allow",
        )


def _within(bound: Bound) -> bool:
    return bound.low <= bound.observed and (bound.high is None or bound.observed <= bound.high)


def _range(bound: Bound) -> str | float:
    if bound.high is None:
        return f"at least {bound.low:.12g}"
    if bound.low == bound.high:
        return bound.low
    return f"{bound.low:.12g} to {bound.high:.12g}"


def _expected(observed: RunOutcome, history: HistoryJudgement) -> RunOutcome:
    """What was observed, each figure moved to the nearest value that the answers allow."""
    nearest: dict[tuple[str | None, str], int] = {}
    for bound in history.bounds:
        high = bound.observed if bound.high is None else bound.high
        nearest[bound.tenant, bound.name] = int(min(max(bound.observed, bound.low), high))

    def moved(tenant: str | None, row: tuple[int, ...]) -> tuple[int, ...]:
        pairs = zip(COUNTER_NAMES, row, strict=True)
        return tuple(nearest.get((tenant, name), value) for name, value in pairs)

    return replace(
        observed,
        total=moved(None, observed.total),
        tenants={name: moved(name, row) for name, row in observed.tenants.items()},
    )
