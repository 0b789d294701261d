"""What must be true of the oracle whatever the trace, without knowing the right answer."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls import Counter
from simulator.invariants import check_invariants
from simulator.oracle import expect
from simulator.results import Fate, RunOutcome
from simulator.trace import (
    NEVER,
    CallTrace,
    Conditions,
    LimitsChange,
    TenantLimitsChange,
)
from tests.differential.agreement import assert_agree
from tests.strategies import Row, conditions, make_trace, traces, traces_of_all_policies

EASY = settings(max_examples=100, deadline=None, derandomize=True)

TIMES = ("offer_us", "setup_us", "connect_us", "hold_us", "refer_us", "patience_us", "delay_us")


@EASY
@given(traces_of_all_policies())
def test_conservation_laws_hold(trace: CallTrace) -> None:
    broken = [found for found in check_invariants(trace, expect(trace)) if not found.ok]
    assert broken == []


def _retimed(conditions: Conditions, time: Callable[[int], int]) -> Conditions:
    """The conditions with every instant and every deadline put through ``time``."""

    def deadline(us: int | None) -> int | None:
        return None if us is None else time(us)

    return replace(
        conditions,
        duration_us=time(conditions.duration_us),
        warm_up_us=time(conditions.warm_up_us),
        pending_deadline_us=deadline(conditions.pending_deadline_us),
        accepted_deadline_us=deadline(conditions.accepted_deadline_us),
        active_deadline_us=deadline(conditions.active_deadline_us),
        changes=tuple(replace(change, at_us=time(change.at_us)) for change in conditions.changes),
        checkpoints_us=tuple(time(at_us) for at_us in conditions.checkpoints_us),
        lookup_faults=tuple(
            replace(fault, from_us=time(fault.from_us), until_us=time(fault.until_us))
            for fault in conditions.lookup_faults
        ),
    )


@EASY
@given(traces(), st.sampled_from([2, 1_000, 60_000_000]))
def test_the_unit_of_time_does_not_matter(trace: CallTrace, factor: int) -> None:
    columns: dict[str, Any] = {
        name: np.where((column := getattr(trace, name)) == NEVER, NEVER, column * factor)
        for name in TIMES
    }
    deliveries = replace(trace.deliveries, delay_us=trace.deliveries.delay_us * factor)
    stretched = replace(
        trace,
        conditions=_retimed(trace.conditions, lambda us: us * factor),
        deliveries=deliveries,
        **columns,
    )
    once, again = expect(trace), expect(stretched)
    assert np.array_equal(once.log.fate, again.log.fate)
    assert np.array_equal(once.log.scopes, again.log.scopes)
    for tenant_id, row in once.tenants.items():
        scaled = list(row)
        scaled[Counter.ACTIVE_US_TOTAL] *= factor
        assert again.tenants[tenant_id] == tuple(scaled)


@EASY
@given(traces())
def test_the_last_checkpoint_of_a_drained_run_is_the_end_of_one_that_is_not(
    trace: CallTrace,
) -> None:
    settings_, last_us = trace.conditions, trace.conditions.duration_us - 1
    drained = replace(trace, conditions=replace(settings_, drain=True, checkpoints_us=(last_us,)))
    stopped = replace(trace, conditions=replace(settings_, drain=False, checkpoints_us=()))
    (state,), end = expect(drained).checkpoints, expect(stopped)
    assert state.tenants == end.final.tenants
    assert state.rows == end.final.rows
    assert state.counters == end.tenants


@EASY
@given(traces())
def test_without_limits_nobody_is_rejected_for_capacity(trace: CallTrace) -> None:
    boundless = replace(
        trace.conditions,
        max_concurrent_calls=len(trace),
        tenants=tuple(
            replace(tenant, max_concurrent_calls=None, reserved_calls=0)
            for tenant in trace.conditions.tenants
        ),
        changes=tuple(_only_switches(change) for change in trace.conditions.changes),
    )
    outcome = expect(replace(trace, conditions=boundless))
    assert outcome.total[Counter.REJECTED_CALLS_CAPACITY] == 0
    assert not (outcome.log.fate == Fate.REJECTED_CAPACITY).any()


def _only_switches(change: LimitsChange) -> LimitsChange:
    switches = {
        tenant_id: TenantLimitsChange(enabled=new.enabled)
        for tenant_id, new in change.tenants.items()
    }
    return LimitsChange(change.at_us, None, switches)


@EASY
@given(traces())
def test_one_value_for_all_rows_means_the_same_as_a_value_a_row(trace: CallTrace) -> None:
    chained = ("after", "after_on", "attempt")
    shared: dict[str, Any] = {
        field.name: getattr(trace, field.name)[:1]
        for field in fields(trace)
        if field.name not in ("conditions", "deliveries", "offer_us", *chained)
    }
    expanded: dict[str, Any] = {
        name: np.repeat(column, len(trace)) for name, column in shared.items()
    }
    # A dependent row must have a delay, and rows share it only when they all may have it.
    for columns in (shared, expanded):
        columns["delay_us"] = np.maximum(columns["delay_us"], 1)
        columns["refer_us"] = np.minimum(columns["refer_us"], columns["hold_us"])
    assert_agree(expect(replace(trace, **expanded)), expect(replace(trace, **shared)))


@EASY
@given(traces())
def test_what_is_told_at_checkpoints_does_not_depend_on_there_being_others(
    trace: CallTrace,
) -> None:
    everywhere = replace(
        trace.conditions, checkpoints_us=tuple(range(trace.conditions.duration_us))
    )
    dense = expect(replace(trace, conditions=everywhere))
    sparse: RunOutcome = expect(trace)
    assert tuple(dense.checkpoints[at] for at in trace.conditions.checkpoints_us) == (
        sparse.checkpoints
    )
    assert dense.final == sparse.final


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    rows = [Row(offer, hold=5) for offer in range(100)]
    expect(make_trace(conditions(3), rows), lambda done, total: told.append((done, total)))
    assert told[0] == (0, 100)
    assert told[-1] == (100, 100)


def test_a_trace_without_calls_expects_zeros() -> None:
    outcome = expect(make_trace(conditions(3, checkpoints=[5]), []))
    assert outcome.total == (0,) * len(Counter)
    assert outcome.tenants == {"acme": outcome.total, "_unknown": outcome.total}
    assert outcome.checkpoints[0].tenants == outcome.final.tenants
