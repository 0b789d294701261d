"""Each law must be able to break: one figure of a right outcome is spoiled at a time."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from service.calls import COUNTERS, Counter, CounterSpec, Event
from simulator.invariants import LAWS, check_invariants
from simulator.oracle import expect
from simulator.results import LOG_COLUMNS, CallLog, Fate, Held, HeldRows, RunOutcome
from simulator.trace import NEVER, CallTrace, DeliveryAction, LimitsChange, TraceTenant
from tests.strategies import Row, conditions, make_trace

LOST_END = {Event.END: (DeliveryAction.LOST, 0)}


@pytest.fixture
def trace() -> CallTrace:
    """Two slots, one of them promised to b, who may have no more than one.

    a's call 0 holds [0, 10) and b's call 1 [1, 6). a's call 2 finds both slots taken, a's call 3
    one that is promised. b's call 4 takes that one, b's call 5 comes too early, and call 6 is a
    stranger's.
    """
    tenants = (
        TraceTenant("a"),
        TraceTenant("b", max_concurrent_calls=1, reserved_calls=1),
        TraceTenant("stranger", configured=False),
    )
    rows = [
        Row(0, tenant=0, hold=10),
        Row(1, tenant=1, hold=5),
        Row(2, tenant=0, hold=5),
        Row(7, tenant=0, hold=5),
        Row(8, tenant=1, setup=3, connect=1, hold=5),
        Row(9, tenant=1, hold=5),
        Row(9, tenant=2, hold=5),
    ]
    return make_trace(conditions(2, *tenants, checkpoints=[5, 11, 12]), rows)


def broken(trace: CallTrace, outcome: RunOutcome) -> dict[str, str]:
    """Names and details of the laws that do not hold."""
    return {found.name: found.detail for found in check_invariants(trace, outcome) if not found.ok}


def with_counter(outcome: RunOutcome, tenant: str, counter: Counter, by: int) -> RunOutcome:
    """The outcome with one counter of a tenant off at the end, and the total with it."""

    def off(row: tuple[int, ...]) -> tuple[int, ...]:
        return (*row[:counter], row[counter] + by, *row[counter + 1 :])

    tenants = {**outcome.tenants, tenant: off(outcome.tenants[tenant])}
    return replace(outcome, tenants=tenants, total=off(outcome.total))


def test_a_right_outcome_breaks_no_law(trace: CallTrace) -> None:
    outcome = expect(trace)
    assert [Fate(fate) for fate in outcome.log.fate] == [
        Fate.ENDED,
        Fate.ENDED,
        Fate.REJECTED_CAPACITY,
        Fate.REJECTED_CAPACITY,
        Fate.ENDED,
        Fate.REJECTED_CAPACITY,
        Fate.REJECTED_TENANT,
    ]
    assert outcome.log.scopes.tolist() == [0, 0, 1, 4, 0, 3, 0]
    assert broken(trace, outcome) == {}


def test_every_law_has_a_name_and_says_what_it_is(trace: CallTrace) -> None:
    findings = check_invariants(trace, expect(trace))
    names = [found.name for found in findings]
    assert len(set(names)) == len(names)
    assert {law.name for law in LAWS} < set(names)
    assert all(found.formula for found in findings)


@pytest.mark.parametrize(
    ("counter", "by", "law"),
    [
        (Counter.OFFERED_CALLS, 1, "conservation.offered"),
        (Counter.REJECTED_CALLS_CAPACITY, -1, "conservation.offered"),
        (Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED, 1, "conservation.offered"),
        (Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING, 1, "conservation.offered"),
        (Counter.ABANDONED_PENDING, 1, "conservation.offered"),
        (Counter.ACCEPTED_CALLS, 1, "conservation.accepted"),
        (Counter.ABANDONED_ACCEPTED, 1, "conservation.accepted"),
        (Counter.STARTED_CALLS, 1, "conservation.accepted"),
        (Counter.ENDED_CALLS, -1, "conservation.active"),
        (Counter.ACTIVE_CALLS, 1, "gauge.active"),
        (Counter.FAILED_CALLS, 9, "bound.failed"),
        (Counter.REFERRED_CALLS, 9, "bound.referred"),
        (Counter.FALLBACK_INSTRUCTIONS_USED, 9, "bound.fallback"),
        (Counter.INSTRUCTIONS_DB_ERRORS, 1, "bound.db_errors"),
        (Counter.ACTIVE_US_TOTAL, -1_000, "bound.zero"),
    ],
)
def test_a_wrong_counter_breaks_its_law(
    trace: CallTrace, counter: Counter, by: int, law: str
) -> None:
    found = broken(trace, with_counter(expect(trace), "b", counter, by))
    assert law in found
    # b's row and the total's.
    assert found[law].startswith("tenant b at the end: ")
    assert found[law].endswith("(and 1 more)")


def test_laws_are_checked_at_checkpoints_too(trace: CallTrace) -> None:
    outcome = expect(trace)
    first, *others = outcome.checkpoints
    held = replace(first, tenants={**first.tenants, "a": Held(1, 1, 1)}, rows=None)
    found = broken(trace, replace(outcome, checkpoints=(held, *others)))
    # a at 5: 2 offered, 1 accepted, 1 rejected, and now one pending too many.
    assert set(found) == {"conservation.offered"}
    assert found["conservation.offered"] == "tenant a at 5 us: 2 = 3 is not so (and 1 more)"


def test_more_active_than_accepted(trace: CallTrace) -> None:
    outcome = expect(trace)
    final = replace(outcome.final, tenants={**outcome.final.tenants, "a": Held(0, 0, 1)})
    assert "gauge.accepted" in broken(trace, replace(outcome, final=replace(final, rows=None)))


@pytest.mark.parametrize("spec", COUNTERS, ids=lambda spec: spec.name)
def test_a_total_that_is_not_the_sum(trace: CallTrace, spec: CounterSpec) -> None:
    outcome = expect(trace)
    counter = spec.counter
    total = (*outcome.total[:counter], outcome.total[counter] + 1, *outcome.total[counter + 1 :])
    found = broken(trace, replace(outcome, total=total))
    expected = f"at the end: total {total[counter]}, sum of the rows {total[counter] - 1}"
    assert found["total.sum"].endswith(expected)


def test_a_counter_that_falls(trace: CallTrace) -> None:
    outcome = expect(trace)
    first, second, third = outcome.checkpoints
    assert first.counters is not None
    assert second.counters is not None
    swapped = (
        replace(first, counters=second.counters, total_counters=second.total_counters),
        replace(second, counters=first.counters, total_counters=first.total_counters),
        third,
    )
    found = broken(trace, replace(outcome, checkpoints=swapped))
    # Of a's calls one was rejected by 5, two by 11.
    assert found["counters.grow"].startswith(
        "rejected_calls_capacity of tenant a at 11 us: fell from 2 to 1"
    )


def test_the_gauge_may_fall(trace: CallTrace) -> None:
    # active_calls goes from 2 at 5 us to 0 at the end of a right outcome.
    outcome = expect(trace)
    assert outcome.checkpoints[0].total.active == 2
    assert "counters.grow" not in broken(trace, outcome)


def test_rows_for_invented_tenants(trace: CallTrace) -> None:
    outcome = expect(trace)
    tenants = {**outcome.tenants, "stranger": outcome.tenants["_unknown"]}
    found = broken(trace, replace(outcome, tenants=tenants))
    assert found["rows.bounded"] == (
        "tenant stranger: it is not of the run and has a row that counts"
    )
    without = {name: row for name, row in outcome.tenants.items() if name != "b"}
    found = broken(trace, replace(outcome, tenants=without))
    assert found["rows.bounded"] == "tenant b: its row is missing"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (HeldRows(frozenset(), frozenset({0}), frozenset({0})), "tenant b at 5 us: accepted 1"),
        (HeldRows(frozenset(), frozenset({0}), frozenset({0, 1})), "call 1 at 5 us: active and"),
        (HeldRows(frozenset({1}), frozenset({0, 1}), frozenset({0, 1})), "call 1 at 5 us: pending"),
        (HeldRows(frozenset(), frozenset({0, 2}), frozenset({0, 2})), "tenant a at 5 us: acc"),
    ],
)
def test_ids_that_do_not_match_the_counts(trace: CallTrace, rows: HeldRows, words: str) -> None:
    outcome = expect(trace)
    first, *others = outcome.checkpoints
    assert first.rows == HeldRows(frozenset(), frozenset({0, 1}), frozenset({0, 1}))
    spoiled = replace(outcome, checkpoints=(replace(first, rows=rows), *others))
    assert broken(trace, spoiled)["gauge.ids"].startswith(words)


# --- slots ----------------------------------------------------------------------------------


def spoiled_log(outcome: RunOutcome, spoil: Callable[[CallLog], None]) -> RunOutcome:
    copies = {name: getattr(outcome.log, name).copy() for name in LOG_COLUMNS}
    log = CallLog(**copies)
    spoil(log)
    return replace(outcome, log=log)


def _admit(row: int, release: int) -> Callable[[CallLog], None]:
    def spoil(log: CallLog) -> None:
        log.fate[row], log.scopes[row], log.released_us[row] = Fate.ENDED, 0, release

    return spoil


def _reject(row: int, scopes: int) -> Callable[[CallLog], None]:
    def spoil(log: CallLog) -> None:
        log.fate[row], log.scopes[row] = Fate.REJECTED_CAPACITY, scopes
        log.released_us[row] = NEVER

    return spoil


def test_an_admission_past_the_limit(trace: CallTrace) -> None:
    found = broken(trace, spoiled_log(expect(trace), _admit(2, 7)))
    assert found == {
        "slots.total": "call 2 of a offered at 2 us was admitted:"
        " 2 of 2 slots in use, full scopes total"
    }


def test_an_admission_past_a_tenants_cap(trace: CallTrace) -> None:
    found = broken(trace, spoiled_log(expect(trace), _admit(5, 14)))
    assert "slots.tenant" in found
    assert "full scopes total, tenant" in found["slots.tenant"]


def test_an_admission_into_promised_slots(trace: CallTrace) -> None:
    # b's call 4 then comes to a full house, which is another breach.
    found = broken(trace, spoiled_log(expect(trace), _admit(3, 8)))
    assert found == {
        "slots.reserved": "call 3 of a offered at 7 us was admitted:"
        " 1 of 2 slots in use, full scopes reserved"
    }


def test_a_needless_rejection(trace: CallTrace) -> None:
    found = broken(trace, spoiled_log(expect(trace), _reject(1, 1)))
    # Without b's call 1 a's call 2 meets a slot that is free but promised: its scope was another.
    assert found["slots.needless"] == (
        "call 1 of b offered at 1 us was rejected for capacity:"
        " 1 of 2 slots in use, full scopes none, named total"
    )
    assert found["slots.scopes"].endswith("full scopes reserved, named total")


@pytest.mark.parametrize("named", [1, 2, 7])
def test_a_rejection_that_names_other_scopes(trace: CallTrace, named: int) -> None:
    assert set(broken(trace, spoiled_log(expect(trace), _reject(5, named)))) == {"slots.scopes"}


def test_slots_freed_at_an_instant_are_free_for_its_offers() -> None:
    # One slot; a chain of calls each of which begins when the last ends, among them one of length
    # zero. If any of it counted wrongly, an admission would seem to break the limit.
    rows = [Row(0, hold=5), Row(5), Row(5, hold=5), Row(5), Row(10, hold=1)]
    line = make_trace(conditions(1), rows)
    outcome = expect(line)
    assert outcome.log.scopes.tolist() == [0, 0, 0, 1, 0]
    assert broken(line, outcome) == {}
    # The rejection at 5 was right because of call 2 alone: had that been rejected, it was needless.
    found = broken(line, spoiled_log(outcome, _reject(2, 1)))
    assert found["slots.needless"].startswith("call 2 of acme offered at 5 us")
    assert found["slots.needless"].endswith("(and 1 more)")


def test_limits_are_those_in_force_at_the_offer() -> None:
    changes = [LimitsChange(5, max_concurrent_calls=2), LimitsChange(8, max_concurrent_calls=1)]
    rows = [Row(0, hold=50), Row(5, hold=1), Row(8, hold=1)]
    changed = make_trace(conditions(1, changes=changes), rows)
    outcome = expect(changed)
    assert outcome.log.scopes.tolist() == [0, 0, 1]
    assert broken(changed, outcome) == {}
    assert "slots.total" in broken(changed, spoiled_log(outcome, _admit(2, 9)))


# --- after the drain ------------------------------------------------------------------------


def test_a_slot_still_held_after_the_drain(trace: CallTrace) -> None:
    outcome = expect(trace)
    final = replace(outcome.final, tenants={**outcome.final.tenants, "a": Held(0, 1, 0)}, rows=None)
    found = broken(trace, replace(outcome, final=final))
    assert found["drain.empty"] == "tenant a: 1 slots in use after the drain, 0 ends were lost"


def test_a_slot_whose_end_was_lost_may_stay_held() -> None:
    lost = make_trace(conditions(2), [Row(0, hold=5, deliveries=LOST_END), Row(1, hold=5)])
    outcome = expect(lost)
    assert outcome.final.total == Held(0, 1, 1)
    assert broken(lost, outcome) == {}
    final = replace(outcome.final, tenants={"acme": Held(0, 2, 2)}, rows=None)
    assert "drain.empty" in broken(lost, replace(outcome, final=final))


def test_without_drain_slots_may_stay_held() -> None:
    stopped = make_trace(conditions(2, duration_us=10, drain=False), [Row(0, hold=50)])
    outcome = expect(stopped)
    assert outcome.final.total == Held(0, 1, 1)
    names = [found.name for found in check_invariants(stopped, outcome)]
    assert "drain.empty" not in names
    assert np.all([found.ok for found in check_invariants(stopped, outcome)])
