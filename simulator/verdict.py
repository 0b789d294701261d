"""The verdict: whether what was observed is what had to be, and in one line why not.

Everything that decides over pass and fail is in this file; reports only format what it says.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from service.calls import (
    COUNTERS,
    MINUTES_PROCESSED,
    UNKNOWN_TENANT,
    Counter,
    all_figures,
    minutes_processed,
)
from simulator.differences import Differences
from simulator.invariants import check_invariants
from simulator.results import CheckpointState, Held, RunOutcome
from simulator.scenario import Expectation, Threshold
from simulator.statistics import PREEMPTED_CALLS, Statistics
from simulator.trace import CallTrace

TOTAL: Final = "total"
FINAL: Final = "final"

Value = str | int | float | None

OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
"""What a threshold may compare with."""


class Verdict(StrEnum):
    """How a run went, as a whole."""

    PASS = "pass"  # noqa: S105 (a verdict, no password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    THRESHOLDS_FAILED = "thresholds_failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    ``kind`` is ``oracle``, ``checkpoint``, ``scenario``, ``invariant`` or ``threshold``. ``detail``
    is one line to act on; of a failed oracle check it names the first call that differs.
    """

    name: str
    kind: str
    ok: bool
    expected: Value
    observed: Value
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, its reason in one line, and every check behind it.

    ``expectations`` are the oracle's, the checkpoints' and the scenario's own.
    """

    verdict: Verdict
    reason: str
    expectations: tuple[Check, ...]
    invariants: tuple[Check, ...]
    thresholds: tuple[Check, ...]


def judge(
    *,
    trace: CallTrace,
    observed: RunOutcome,
    expected: RunOutcome,
    statistics: Statistics,
    expect: Sequence[Expectation] = (),
    thresholds: Sequence[Threshold] = (),
) -> Judgement:
    """Hold what an engine observed against what the oracle expects of the same trace.

    Inconclusive when no call was offered and none was due; fail when an expectation or an invariant
    is broken; thresholds failed when only they are missed; else pass.
    """
    expectations = (
        *_oracle_checks(trace, observed, expected),
        *_checkpoint_checks(observed, expected),
        *(_scenario_check(expectation, observed) for expectation in expect),
    )
    invariants = tuple(
        Check(
            name=found.name,
            kind="invariant",
            ok=found.ok,
            expected=found.formula,
            observed="holds" if found.ok else "broken",
            detail=found.detail,
        )
        for found in check_invariants(trace, observed)
    )
    limits = tuple(_threshold_check(threshold, statistics) for threshold in thresholds)
    offered = observed.total[Counter.OFFERED_CALLS], expected.total[Counter.OFFERED_CALLS]
    verdict, reason = _decide(max(offered), (*expectations, *invariants), limits)
    return Judgement(verdict, reason, expectations, invariants, limits)


def judge_measured(
    *,
    proofs: Sequence[Check],
    invariants: Sequence[Check],
    statistics: Statistics,
    thresholds: Sequence[Threshold],
    offered: int,
    doubts: Sequence[str] = (),
    measured: Mapping[str, float] = MappingProxyType({}),
) -> Judgement:
    """Judge a run in wall-clock time, which is known only within intervals.

    ``measured`` are further figures that thresholds may name, like latencies.

    ``proofs`` and ``invariants`` are broken only where a violation is proven: then it fails. With a
    doubt, one line each, it is inconclusive, whatever else holds; then thresholds decide.
    """
    limits = tuple(_threshold_check(threshold, statistics, measured) for threshold in thresholds)
    verdict, reason = _decide(offered, (*proofs, *invariants), limits)
    if doubts and verdict is not Verdict.FAIL:
        others = f"; and {len(doubts) - 1} more" if len(doubts) > 1 else ""
        verdict, reason = Verdict.INCONCLUSIVE, doubts[0] + others
    return Judgement(verdict, reason, tuple(proofs), tuple(invariants), limits)


def _decide(
    offered: int, must_hold: Sequence[Check], thresholds: Sequence[Check]
) -> tuple[Verdict, str]:
    if not offered:
        return Verdict.INCONCLUSIVE, "no call was offered, so there is nothing to judge"
    broken = [check for check in must_hold if not check.ok]
    if broken:
        return Verdict.FAIL, _reason(broken)
    missed = [check for check in thresholds if not check.ok]
    if missed:
        return Verdict.THRESHOLDS_FAILED, _reason(missed)
    held = f"all {len(must_hold)} checks hold"
    if thresholds:
        held += f", and {len(thresholds)} of {len(thresholds)} thresholds"
    return Verdict.PASS, held


def _reason(troubles: Sequence[Check]) -> str:
    first, others = troubles[0], len(troubles) - 1
    if first.kind == "invariant":
        said = f"{first.name} is broken"
    else:
        said = f"{first.name}: expected {first.expected}, observed {first.observed}"
    if first.detail:
        said += f" ({first.detail})"
    return f"{said}; and {others} more" if others else said


# --- against the oracle ---------------------------------------------------------------------


def _oracle_checks(trace: CallTrace, observed: RunOutcome, expected: RunOutcome) -> Iterator[Check]:
    """Every counter of the total and of each tenant, the minutes made of one, and every call."""
    differences = Differences(trace, expected.log, observed.log)
    rows: list[tuple[str, str | None]] = [(TOTAL, None)]
    rows += [(f"tenants.{tenant_id}", tenant_id) for tenant_id in expected.tenants]
    for prefix, tenant_id in rows:
        due = expected.total if tenant_id is None else expected.tenants[tenant_id]
        seen = observed.total if tenant_id is None else observed.tenants.get(tenant_id)
        for spec in COUNTERS:
            want, got = due[spec.counter], None if seen is None else seen[spec.counter]
            detail = ""
            if seen is None:
                detail = f"tenant {tenant_id} has no row of counters"
            elif got != want:
                detail = differences.first(
                    spec.counter, tenant_id, unknown=tenant_id == UNKNOWN_TENANT
                )
            name = f"{prefix}.{spec.name}"
            yield Check(name, "oracle", got == want, want, got, detail)
            if spec.counter is Counter.ACTIVE_US_TOTAL:
                yield Check(
                    f"{prefix}.{MINUTES_PROCESSED}",
                    "oracle",
                    got == want,
                    minutes_processed(want),
                    None if got is None else minutes_processed(got),
                    detail,
                )
    yield from _preempted_checks(observed, expected)
    apart = len(differences)
    detail = differences.first() if apart else ""
    yield Check("calls.differing", "oracle", not apart, 0, apart, detail)


def _preempted_checks(observed: RunOutcome, expected: RunOutcome) -> Iterator[Check]:
    """How many calls of each tenant gave way to others, where a policy makes them."""
    if not expected.preempted and not observed.preempted:
        return
    due, seen = expected.preempted, observed.preempted
    rows = [(TOTAL, sum(due.values()), sum(seen.values()))]
    rows += [(f"tenants.{each}", due.get(each, 0), seen.get(each, 0)) for each in due]
    for prefix, want, got in rows:
        detail = "" if want == got else "calls that gave way to a more important one"
        yield Check(f"{prefix}.{PREEMPTED_CALLS}", "oracle", got == want, want, got, detail)


def _checkpoint_checks(observed: RunOutcome, expected: RunOutcome) -> Iterator[Check]:
    """One check for each checkpoint where everything agrees, else one for each thing that does not.

    The state after the run is checked like one more checkpoint.
    """
    seen = {state.at_us: state for state in observed.checkpoints}
    for due in expected.checkpoints:
        name = f"checkpoints.{due.at_us}"
        state = seen.pop(due.at_us, None)
        if state is None:
            yield Check(
                name, "checkpoint", False, _in_use(due), None, "the checkpoint was not reached"
            )
            continue
        yield from _state_checks(name, state, due)
    for at_us, state in seen.items():
        yield Check(
            f"checkpoints.{at_us}",
            "checkpoint",
            False,
            None,
            _in_use(state),
            "the trace has no checkpoint here",
        )
    yield from _state_checks(FINAL, observed.final, expected.final)


def _state_checks(name: str, observed: CheckpointState, expected: CheckpointState) -> list[Check]:
    found = [
        Check(f"{name}.{what}", "checkpoint", False, want, got, detail)
        for what, want, got, detail in (
            *_slot_differences(observed, expected),
            *_row_differences(observed, expected),
            *_counter_differences(observed, expected),
        )
    ]
    if found:
        return found
    in_use = _in_use(expected)
    return [Check(name, "checkpoint", True, in_use, in_use, "")]


_Difference = tuple[str, Value, Value, str]


def _slot_differences(
    observed: CheckpointState, expected: CheckpointState
) -> Iterator[_Difference]:
    if observed.limit != expected.limit:
        yield "limit", expected.limit, observed.limit, "the limit in force differs"
    for tenant_id in sorted({*expected.tenants, *observed.tenants}):
        due = expected.tenants.get(tenant_id, Held())
        seen = observed.tenants.get(tenant_id, Held())
        for state in ("pending", "accepted", "active"):
            want, got = getattr(due, state), getattr(seen, state)
            if want != got:
                yield f"{tenant_id}.{state}", want, got, f"slots of {tenant_id} held as {state}"


def _row_differences(observed: CheckpointState, expected: CheckpointState) -> Iterator[_Difference]:
    if observed.rows is None or expected.rows is None:
        return
    for state in ("pending", "accepted", "active"):
        due: frozenset[int] = getattr(expected.rows, state)
        seen: frozenset[int] = getattr(observed.rows, state)
        if due != seen:
            first = min(due ^ seen)
            wrong = "is missing" if first in due else "should not be there"
            detail = f"{len(due ^ seen)} calls differ; row {first} {wrong}"
            yield f"rows.{state}", f"{len(due)} calls", f"{len(seen)} calls", detail


def _counter_differences(
    observed: CheckpointState, expected: CheckpointState
) -> Iterator[_Difference]:
    if observed.total_counters is not None and expected.total_counters is not None:
        yield from _unequal(TOTAL, expected.total_counters, observed.total_counters)
    if observed.counters is None or expected.counters is None:
        return
    for tenant_id, due in expected.counters.items():
        seen = observed.counters.get(tenant_id)
        if seen is None:
            yield f"{tenant_id}.counters", "a row", None, f"{tenant_id} has no row of counters"
        else:
            yield from _unequal(tenant_id, due, seen)


def _unequal(name: str, due: Sequence[int], seen: Sequence[int]) -> Iterator[_Difference]:
    for spec in COUNTERS:
        want, got = due[spec.counter], seen[spec.counter]
        if want != got:
            yield f"{name}.{spec.name}", want, got, f"{spec.name} of {name} so far"


def _in_use(state: CheckpointState) -> str:
    held = state.total
    return f"{held.pending + held.accepted} of {state.limit} slots in use"


# --- against the scenario -------------------------------------------------------------------


def _scenario_check(expectation: Expectation, observed: RunOutcome) -> Check:
    """A counter, or ``minutes_processed``, against the range the scenario allows."""
    tenant_id = expectation.tenant
    name = f"{TOTAL if tenant_id is None else f'tenants.{tenant_id}'}.{expectation.counter}"
    row = observed.total if tenant_id is None else observed.tenants.get(tenant_id)
    allowed = _range(expectation)
    if row is None:
        detail = f"tenant {tenant_id} has no row of counters"
        return Check(name, "scenario", False, allowed, None, detail)
    value = all_figures(row).get(expectation.counter)
    if value is None:
        detail = f"there is no counter {expectation.counter}"
        return Check(name, "scenario", False, allowed, None, detail)
    low, high = expectation.low, expectation.high
    ok = (low is None or value >= low) and (high is None or value <= high)
    detail = "" if ok else f"the scenario expects {expectation.counter} {allowed}"
    return Check(name, "scenario", ok, allowed, value, detail)


def _range(expectation: Expectation) -> str:
    low, high = (
        None if bound is None else f"{bound:.12g}" for bound in (expectation.low, expectation.high)
    )
    if low is not None and high is not None:
        return low if low == high else f"{low} to {high}"
    if low is not None:
        return f"at least {low}"
    return "anything" if high is None else f"at most {high}"


def _threshold_check(
    threshold: Threshold,
    statistics: Statistics,
    measured: Mapping[str, float] = MappingProxyType({}),
) -> Check:
    """A statistic against the scenario's threshold. An undefined one fails: it was not met."""
    tenant_id = threshold.tenant
    label = threshold.statistic + (f"{{tenant:{tenant_id}}}" if tenant_id is not None else "")
    name = f"{label} {threshold.text}"
    wanted = f"{threshold.operator} {threshold.value:.12g}"
    source = statistics if tenant_id is None else statistics.tenants.get(tenant_id)
    if source is None:
        return Check(
            name, "threshold", False, wanted, None, f"there are no statistics of {tenant_id}"
        )
    value = getattr(source, threshold.statistic, measured.get(threshold.statistic))
    if value is None:
        undefined = (
            f"{label} is undefined: nothing in the window [warm_up, duration) to measure it on"
            if hasattr(source, threshold.statistic)
            else f"there is no statistic {threshold.statistic}"
        )
        return Check(name, "threshold", False, wanted, None, undefined)
    ok = OPERATORS[threshold.operator](value, threshold.value)
    detail = "" if ok else f"{label} is {value:.6g}, not {wanted}"
    return Check(name, "threshold", ok, wanted, value, detail)
