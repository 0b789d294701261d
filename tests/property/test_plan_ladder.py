"""Many limits in one pass, and slot time by interval, against the kernel at one limit at a time."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.kernel import KernelRun
from simulator.planning.ladder import climb, offers_of, stands_alone
from simulator.results import CallLog, Fate
from simulator.statistics import tenant_rows
from simulator.trace import NEVER, ROW_COLUMNS, CallTrace, Deliveries
from tests.strategies import traces


def alone(trace: CallTrace) -> CallTrace:
    """The independent rows of a trace, under limits that never change."""
    kept = trace.offer_us != NEVER
    place = np.cumsum(kept) - 1
    events = trace.deliveries
    of_kept = kept[events.call]
    return CallTrace(
        conditions=replace(trace.conditions, changes=()),
        deliveries=Deliveries(
            place[events.call[of_kept]],
            events.event[of_kept],
            events.action[of_kept],
            events.delay_us[of_kept],
        ),
        **{name: trace.column(name)[kept] for name in ROW_COLUMNS},
    )


def played_freely(trace: CallTrace) -> CallLog:
    everybody = replace(
        trace.conditions,
        max_concurrent_calls=len(trace) + 1,
        tenants=tuple(
            replace(each, max_concurrent_calls=None, reserved_calls=0)
            for each in trace.conditions.tenants
        ),
    )
    log = KernelRun(everybody, compiled=False).play(trace).log
    assert log is not None
    return log


@settings(max_examples=150, deadline=None)
@given(traces().map(alone), st.integers(1, 50))
def test_each_limit_gives_what_the_kernel_gives(trace: CallTrace, interval_us: int) -> None:
    conditions = replace(trace.conditions, checkpoints_us=())
    trace = replace(trace, conditions=conditions)
    assert stands_alone(trace)
    interval_us = min(interval_us, conditions.duration_us)
    offers = offers_of(trace, played_freely(trace), interval_us)
    reserved = sum(each.reserved_calls for each in conditions.tenants if each.configured)
    limits = range(reserved, reserved + 6)
    _names, row_of_place = tenant_rows(conditions)
    row = row_of_place[trace.column("tenant")]
    for limit, rung in zip(limits, climb(conditions, offers, limits), strict=True):
        here = replace(conditions, max_concurrent_calls=limit)
        result = KernelRun(here, compiled=False).play(trace)
        assert rung.sums == result.sums
        log = result.log
        assert log is not None
        lost = np.zeros_like(rung.lost)
        served = np.zeros_like(rung.lost)
        for call in np.flatnonzero(log.offered_us >= conditions.warm_up_us):
            cell = (row[call], log.offered_us[call] // interval_us)
            lost[cell] += log.fate[call] == Fate.REJECTED_CAPACITY
            served[cell] += log.fate[call] != Fate.REJECTED_TENANT
        assert (rung.lost == lost).all()
        assert (offers.served == served).all()


@settings(max_examples=200, deadline=None)
@given(traces())
def test_calls_that_depend_on_others_are_left_to_the_kernel(trace: CallTrace) -> None:
    dependent = bool((trace.after != NEVER).any())
    if dependent or trace.conditions.changes or trace.conditions.checkpoints_us:
        assert not stands_alone(trace)
