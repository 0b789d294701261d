"""The policies of the kernel alone: kernel and oracle on the same calls, and known answers."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls import Counter
from simulator.engines.kernel import KernelEngine
from simulator.kernel import KernelRun
from simulator.oracle import expect
from simulator.results import Fate, RunOutcome
from simulator.trace import (
    NEVER,
    AfterOn,
    CallTrace,
    LimitsChange,
    SharingPolicy,
    TraceTenant,
)
from tests.brute_force import BruteForce
from tests.differential.agreement import assert_agree
from tests.strategies import (
    Row,
    conditions,
    draw_under_policy,
    make_trace,
    traces,
    traces_of_all_policies,
)

TRUNK, PRIORITY = SharingPolicy.TRUNK_RESERVATION, SharingPolicy.PRIORITY
GOLD, SILVER, BRONZE = (
    TraceTenant(name, priority=priority)
    for name, priority in (("gold", 1), ("silver", 2), ("bronze", 0))
)


def outcomes(trace: CallTrace) -> list[RunOutcome]:
    """What kernel, oracle and the walk over every microsecond say; they must say the same."""
    expected = expect(trace)
    for observed in (KernelEngine().run(trace), BruteForce(trace).play()):
        assert_agree(expected, observed)
    return [expected]


def played(
    limit: int,
    tenants: tuple[TraceTenant, ...],
    rows: list[Row],
    changes: tuple[LimitsChange, ...] = (),
    policy: SharingPolicy = PRIORITY,
) -> RunOutcome:
    settings_ = replace(conditions(limit, *tenants, changes=changes), policy=policy)
    return outcomes(make_trace(settings_, rows))[0]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(traces_of_all_policies(), st.booleans())
def test_kernel_agrees_with_oracle(trace: CallTrace, compiled: bool) -> None:
    result = KernelRun(trace.conditions, compiled=compiled).play(trace)
    expected = expect(trace)
    assert result.tenants == expected.tenants
    assert_agree(expected, KernelEngine().run(trace))


@pytest.mark.parametrize("policy", [TRUNK, PRIORITY])
def test_they_agree_on_seeded_and_longer_traces(policy: SharingPolicy) -> None:
    preempted = reserved = 0
    for seed in range(120):
        trace = draw_under_policy(random.Random(seed), policy, most_calls=20 + seed % 5 * 60)
        expected = expect(trace)
        assert_agree(expected, KernelEngine().run(trace))
        preempted += sum(expected.preempted.values())
        reserved += int((expected.log.scopes & 4 != 0).sum())
    # What is agreed on must have happened often.
    assert (preempted > 100) == (policy is PRIORITY)
    assert (reserved > 100) == (policy is TRUNK)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(traces())
def test_with_nothing_to_leave_free_trunk_reservation_is_the_shared_pool(trace: CallTrace) -> None:
    open_to_all = tuple(replace(each, reserved_calls=0) for each in trace.conditions.tenants)
    shared = replace(trace.conditions, tenants=open_to_all, changes=())
    trunk = replace(shared, policy=TRUNK)
    one, other = (KernelEngine().run(replace(trace, conditions=each)) for each in (shared, trunk))
    assert_agree(one, other)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(traces(), st.sampled_from([0, 1, 7]))
def test_where_all_are_as_important_nobody_gives_way(trace: CallTrace, priority: int) -> None:
    same = tuple(
        replace(each, reserved_calls=0, priority=priority) for each in trace.conditions.tenants
    )
    ranked = replace(trace.conditions, tenants=same, changes=(), policy=PRIORITY)
    pool = tuple(replace(each, priority=0) for each in same)
    shared = replace(ranked, tenants=pool, policy=SharingPolicy.SHARED)
    one = KernelEngine().run(replace(trace, conditions=ranked))
    other = KernelEngine().run(replace(trace, conditions=shared))
    assert one.tenants == other.tenants
    assert one.log.fate.tolist() == other.log.fate.tolist()
    assert set(one.preempted.values()) == {0}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_the_most_important_fare_as_if_they_were_alone(rng: random.Random) -> None:
    trace = draw_under_policy(rng, PRIORITY)
    tenants = tuple(
        replace(each, priority=2 if place else 1)
        for place, each in enumerate(trace.conditions.tenants)
    )
    # Lowered limits, which nobody may be ended for, make the others felt.
    changes = tuple(replace(each, max_concurrent_calls=None) for each in trace.conditions.changes)
    changes = tuple(each for each in changes if each.tenants)
    settings_ = replace(trace.conditions, tenants=tenants, changes=changes)
    alone = tuple(replace(each, enabled=False) for each in tenants[1:])
    quiet = replace(
        settings_,
        tenants=(tenants[0], *alone),
        changes=tuple(
            replace(
                change,
                tenants={
                    name: replace(edit, enabled=None if name == tenants[0].tenant_id else False)
                    for name, edit in change.tenants.items()
                },
            )
            for change in changes
        ),
    )
    settings_ = replace(
        settings_,
        changes=tuple(
            replace(
                change,
                tenants={
                    name: replace(edit, enabled=None) for name, edit in change.tenants.items()
                },
            )
            for change in changes
        ),
    )
    everybody, by_itself = (
        KernelEngine().run(replace(trace, conditions=each)) for each in (settings_, quiet)
    )
    mine = trace.column("tenant") == 0
    assert everybody.log.fate[mine].tolist() == by_itself.log.fate[mine].tolist()
    assert everybody.log.released_us[mine].tolist() == by_itself.log.released_us[mine].tolist()


# --- known answers --------------------------------------------------------------------------


def test_slots_that_must_stay_free() -> None:
    tenants = (TraceTenant("open"), TraceTenant("modest", leave_free=2))
    rows = [Row(0, 0, hold=50), Row(1, 1, hold=50), Row(2, 1, hold=9), Row(3, 0), Row(50, 1)]
    found = played(3, tenants, rows, policy=TRUNK)
    # One of three is in use at 1: a second would leave one free, not two.
    assert found.log.fate.tolist() == [
        Fate.ENDED,
        Fate.REJECTED_CAPACITY,
        Fate.REJECTED_CAPACITY,
        Fate.ENDED,
        Fate.ENDED,
    ]
    assert found.log.scopes.tolist() == [0, 4, 4, 0, 0]


def test_a_full_total_is_named_alone_and_a_full_cap_beside_what_is_left_free() -> None:
    tenants = (TraceTenant("open"), TraceTenant("modest", max_concurrent_calls=1, leave_free=1))
    rows = [Row(0, 1, hold=50), Row(1, 0, hold=50), Row(2, 1), Row(3, 0, hold=50), Row(4, 1)]
    found = played(3, tenants, rows, policy=TRUNK)
    assert found.log.scopes.tolist() == [0, 0, 2 | 4, 0, 1 | 2]


def test_the_latest_call_of_the_least_important_gives_way() -> None:
    rows = [
        Row(0, 2, hold=90),
        Row(1, 1, hold=90),
        Row(2, 2, hold=90),
        Row(3, 2, hold=90),
        Row(9, 1, hold=90),
    ]
    found = played(4, (GOLD, SILVER, BRONZE), rows)
    assert found.log.preempted_by is not None
    assert found.log.preempted_by.tolist() == [NEVER, NEVER, NEVER, 4, NEVER]
    assert found.log.released_us.tolist()[3] == 9
    bronze = found.tenants["bronze"]
    assert bronze[Counter.ENDED_CALLS] == 3
    assert bronze[Counter.FAILED_CALLS] == 1
    assert bronze[Counter.ACTIVE_US_TOTAL] == 90 + 90 + 6
    assert dict(found.preempted) == {"gold": 0, "silver": 0, "bronze": 1, "_unknown": 0}


def test_of_calls_offered_together_the_last_in_order_of_their_offers_gives_way() -> None:
    rows = [Row(5, 2, hold=90), Row(5, 2, hold=90), Row(5, 1, hold=90), Row(5, 0, hold=90)]
    found = played(2, (GOLD, SILVER, BRONZE), rows)
    assert found.log.preempted_by is not None
    assert found.log.preempted_by.tolist() == [3, 2, NEVER, NEVER]
    assert found.log.fate.tolist() == [Fate.ENDED] * 4


def test_nobody_gives_way_to_an_equal() -> None:
    rows = [Row(0, 1, hold=90), Row(1, 1), Row(2, 2)]
    found = played(1, (GOLD, SILVER, BRONZE), rows)
    assert found.log.fate.tolist() == [Fate.ENDED] + [Fate.REJECTED_CAPACITY] * 2
    assert found.log.scopes.tolist() == [0, 1, 1]


def test_nobody_gives_way_to_a_tenant_at_its_cap() -> None:
    gold = replace(GOLD, max_concurrent_calls=1)
    rows = [Row(0, 0, hold=90), Row(1, 2, hold=90), Row(2, 0)]
    found = played(2, (gold, SILVER, BRONZE), rows)
    assert found.log.scopes.tolist() == [0, 0, 1 | 2]


def test_a_call_gives_way_in_every_state_it_may_be_in() -> None:
    rows = [
        Row(0, 2, hold=90),
        Row(1, 2, setup=1, connect=50, hold=90),
        Row(2, 2, setup=50, hold=90),
        Row(10, 0, hold=900),
        Row(10, 0, hold=900),
        Row(10, 0, hold=900),
    ]
    found = played(3, (GOLD, SILVER, BRONZE), rows)
    assert found.log.fate.tolist()[:3] == [
        Fate.ENDED,
        Fate.ABANDONED_ACCEPTED,
        Fate.ABANDONED_PENDING,
    ]
    assert found.log.released_us.tolist()[:3] == [10, 10, 10]
    bronze = found.tenants["bronze"]
    assert bronze[Counter.ACCEPTED_CALLS] == 2
    assert bronze[Counter.ENDED_CALLS] == bronze[Counter.FAILED_CALLS] == 1
    assert dict(found.preempted)["bronze"] == 3


def test_a_call_at_the_instant_of_its_end_does_not_have_to_give_way() -> None:
    rows = [Row(0, 2, hold=10), Row(10, 0, hold=10)]
    found = played(1, (GOLD, SILVER, BRONZE), rows)
    assert sum(found.preempted.values()) == 0
    assert found.tenants["bronze"][Counter.FAILED_CALLS] == 0


def test_above_a_lowered_limit_nobody_gives_way() -> None:
    rows = [Row(0, 2, hold=90), Row(1, 2, hold=90), Row(20, 0), Row(95, 0, hold=9)]
    changes = (LimitsChange(10, 1),)
    found = played(2, (GOLD, SILVER, BRONZE), rows, changes)
    assert found.log.fate.tolist() == [Fate.ENDED, Fate.ENDED, Fate.REJECTED_CAPACITY, Fate.ENDED]
    assert sum(found.preempted.values()) == 0


def test_who_gave_way_does_not_redial_and_a_source_thinks_from_then_on() -> None:
    rows = [
        Row(0, 2, hold=90),
        Row(tenant=2, after=0, after_on=AfterOn.FINISHED, delay=7, hold=1),
        Row(1, 2, hold=90),
        Row(tenant=2, after=2, after_on=AfterOn.REJECTED, delay=7, attempt=1),
        Row(20, 0, hold=1),
        Row(20, 0, hold=1),
    ]
    found = played(2, (GOLD, SILVER, BRONZE), rows)
    assert found.log.offered_us.tolist() == [0, 27, 1, NEVER, 20, 20]


def test_later_events_of_a_call_that_gave_way_change_nothing() -> None:
    rows = [Row(0, 2, setup=5, connect=5, hold=50, refer=20), Row(12, 0, hold=5)]
    found = played(1, (GOLD, SILVER, BRONZE), rows)
    bronze = found.tenants["bronze"]
    assert bronze[Counter.REFERRED_CALLS] == 0
    assert bronze[Counter.ACTIVE_US_TOTAL] == 2
    assert bronze[Counter.ENDED_CALLS] == 1
