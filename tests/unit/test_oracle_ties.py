"""What happens at one instant, worked out by hand: who comes first when everything comes at once.

Times are microseconds. A row ``Row(offer, setup=s, connect=c, hold=h)`` is offered at ``offer``,
accepted ``s`` later, started ``c`` after that, and ends ``h`` after the start.
"""

from dataclasses import replace

import numpy as np

from service.calls import Counter, Event, Lookup
from simulator.oracle import expect
from simulator.results import Fate, Held, HeldRows, RunOutcome
from simulator.trace import (
    NEVER,
    AfterOn,
    Conditions,
    DeliveryAction,
    EndKind,
    LimitsChange,
    LookupFault,
    TenantLimitsChange,
    TraceTenant,
)
from tests.strategies import FULL_SPAN, Row, conditions, make_trace

TOTAL, TENANT, RESERVED = 1, 2, 4


def run(settings: Conditions, *rows: Row) -> RunOutcome:
    return expect(make_trace(settings, rows))


def fates(outcome: RunOutcome) -> list[Fate]:
    return [Fate(fate) for fate in outcome.log.fate]


def counted(outcome: RunOutcome, tenant: str | None = None) -> dict[str, int]:
    """The counters that are not zero."""
    row = outcome.total if tenant is None else outcome.tenants[tenant]
    return {counter.name.lower(): row[counter] for counter in Counter if row[counter]}


# --- slots ----------------------------------------------------------------------------------


def test_an_end_frees_its_slot_for_an_offer_of_the_same_instant() -> None:
    # One slot. Row 0 holds it over [0, 10): taken at 9, free at 10.
    outcome = run(conditions(1), Row(0, hold=10), Row(9, hold=3), Row(10, hold=3))
    assert fates(outcome) == [Fate.ENDED, Fate.REJECTED_CAPACITY, Fate.ENDED]
    assert outcome.log.scopes.tolist() == [0, TOTAL, 0]
    assert outcome.log.released_us.tolist() == [10, NEVER, 13]
    # 10 us of row 0 and 3 us of row 2.
    assert counted(outcome) == {
        "offered_calls": 3,
        "accepted_calls": 2,
        "started_calls": 2,
        "ended_calls": 2,
        "rejected_calls_capacity": 1,
        "active_us_total": 13,
    }


def test_a_call_of_length_zero_holds_nobody_up() -> None:
    # At 5 row 0 comes and goes, row 1 comes and stays, row 2 finds the slot taken.
    outcome = run(conditions(1), Row(5), Row(5, hold=1), Row(5))
    assert fates(outcome) == [Fate.ENDED, Fate.ENDED, Fate.REJECTED_CAPACITY]
    assert counted(outcome)["active_us_total"] == 1


def test_a_call_of_length_zero_needs_a_free_slot_itself() -> None:
    outcome = run(conditions(1), Row(5, hold=1), Row(5))
    assert fates(outcome) == [Fate.ENDED, Fate.REJECTED_CAPACITY]


def test_first_attempts_come_before_redials_of_the_same_instant() -> None:
    # Row 0 holds [0, 5). Row 1, rejected at 1, dials again at 1 + 4 = 5 as row 2. At 5 the slot is
    # free, and row 3 takes it although it stands behind row 2: it is a first attempt.
    outcome = run(
        conditions(1),
        Row(0, hold=5),
        Row(1, hold=9),
        Row(after=1, after_on=AfterOn.REJECTED, delay=4, attempt=1, hold=9),
        Row(5, hold=9),
    )
    assert fates(outcome) == [
        Fate.ENDED,
        Fate.REJECTED_CAPACITY,
        Fate.REJECTED_CAPACITY,
        Fate.ENDED,
    ]
    assert outcome.log.offered_us.tolist() == [0, 1, 5, 5]


def test_every_full_scope_is_named() -> None:
    tenants = (TraceTenant("a", reserved_calls=2), TraceTenant("b", max_concurrent_calls=2))
    # Three slots, two of them promised to a. b's first call: in use a 0, b 0; promised and used
    # max(0, 2) + max(0, 0) = 2 < 3, so it gets in. Its second at 1: 2 + 1 = 3: reserved. a takes
    # its two at 2 and 3. At 4 all three are in use: total; and so it is for a.
    rows = (
        Row(0, tenant=1, hold=9),
        Row(1, tenant=1, hold=9),
        Row(2, tenant=0, hold=9),
        Row(3, tenant=0, hold=9),
        Row(4, tenant=0, hold=9),
        Row(4, tenant=1, hold=9),
    )
    assert run(conditions(3, *tenants), *rows).log.scopes.tolist() == [0, RESERVED, 0, 0, 1, 1]
    # With one slot of its own b is at its cap as well.
    capped = (tenants[0], TraceTenant("b", max_concurrent_calls=1))
    assert run(conditions(3, *capped), *rows).log.scopes.tolist() == [
        0,
        TENANT | RESERVED,
        0,
        0,
        TOTAL,
        TOTAL | TENANT,
    ]


def test_a_reservation_is_a_guaranteed_minimum_and_no_more() -> None:
    # Two slots, one promised to a. a holds one: its promise is used up, so the second slot is
    # anybody's: max(1, 1) + max(0, 0) = 1 < 2.
    tenants = (TraceTenant("a", reserved_calls=1), TraceTenant("b"))
    outcome = run(conditions(2, *tenants), Row(0, hold=9), Row(1, tenant=1, hold=9))
    assert fates(outcome) == [Fate.ENDED, Fate.ENDED]


def test_a_used_up_promise_gives_no_more_than_it_said() -> None:
    # Two slots, one promised to each. a's second call would take b's: 1 >= 1 of its own are in use
    # and max(1, 1) + max(0, 1) = 2. What is said of a stranger promises nothing.
    tenants = [
        TraceTenant("a", reserved_calls=1),
        TraceTenant("b", reserved_calls=1),
        TraceTenant("stranger", configured=False, reserved_calls=1),
    ]
    rows = (Row(0, hold=9), Row(1, hold=9), Row(2, tenant=1, hold=9))
    assert run(conditions(2, *tenants), *rows).log.scopes.tolist() == [0, RESERVED, 0]
    assert run(conditions(3, *tenants), *rows).log.scopes.tolist() == [0, 0, 0]


def test_a_raised_limit_counts_for_offers_of_its_instant() -> None:
    outcome = run(
        conditions(1, changes=[LimitsChange(5, max_concurrent_calls=2)]),
        Row(0, hold=9),
        Row(4, hold=9),
        Row(5, hold=9),
    )
    assert fates(outcome) == [Fate.ENDED, Fate.REJECTED_CAPACITY, Fate.ENDED]
    assert outcome.final.limit == 2


def test_a_lowered_limit_drops_nobody_and_admits_nobody_until_there_is_room() -> None:
    # Two calls when the limit falls to 1 at 5. Row 0 ends at 10 and leaves one: still full. Row 1
    # ends at 20: room.
    outcome = run(
        conditions(2, changes=[LimitsChange(5, max_concurrent_calls=1)], checkpoints=[4, 5]),
        Row(0, hold=10),
        Row(1, hold=19),
        Row(10, hold=1),
        Row(20, hold=1),
    )
    assert fates(outcome) == [Fate.ENDED, Fate.ENDED, Fate.REJECTED_CAPACITY, Fate.ENDED]
    assert [state.limit for state in outcome.checkpoints] == [2, 1]


def test_a_tenants_cap_can_be_set_and_lifted_and_the_tenant_disabled() -> None:
    changes = [
        LimitsChange(10, tenants={"acme": TenantLimitsChange(max_concurrent_calls=0)}),
        LimitsChange(20, tenants={"acme": TenantLimitsChange(max_concurrent_calls="unlimited")}),
        LimitsChange(30, tenants={"acme": TenantLimitsChange(enabled=False)}),
    ]
    outcome = run(
        conditions(5, changes=changes), Row(9, hold=25), Row(10, hold=1), Row(20, hold=1), Row(30)
    )
    # Disabling concerns offers: the call of row 0 runs on to 34.
    assert fates(outcome) == [
        Fate.ENDED,
        Fate.REJECTED_CAPACITY,
        Fate.ENDED,
        Fate.REJECTED_TENANT,
    ]
    assert outcome.log.scopes.tolist() == [0, TENANT, 0, 0]
    assert outcome.log.released_us[0] == 34


# --- tenants --------------------------------------------------------------------------------


def test_the_tenant_is_checked_before_capacity() -> None:
    tenants = (
        TraceTenant("acme"),
        TraceTenant("stranger", configured=False),
        TraceTenant("off", enabled=False),
    )
    # The only slot is taken when they come; they are refused for what they are all the same.
    outcome = run(
        conditions(1, *tenants), Row(0, hold=9), Row(1, tenant=1, hold=9), Row(1, tenant=2, hold=9)
    )
    refused = {"offered_calls": 1, "rejected_calls_tenant_not_configured": 1}
    assert counted(outcome, "_unknown") == refused
    assert counted(outcome, "off") == refused
    assert list(outcome.tenants) == ["acme", "off", "_unknown"]
    assert counted(outcome)["rejected_calls_tenant_not_configured"] == 2
    assert "rejected_calls_capacity" not in counted(outcome)


# --- answers, hang-ups and deadlines --------------------------------------------------------


def test_the_answer_wins_over_a_hang_up_of_its_instant() -> None:
    # Accept and hang-up both fall due at 4; the accept is first, so the call was accepted.
    settings = conditions(1)
    outcome = run(settings, Row(0, setup=4, connect=5, hold=9, patience=4))
    assert fates(outcome) == [Fate.ABANDONED_ACCEPTED]
    assert counted(outcome) == {
        "offered_calls": 1,
        "accepted_calls": 1,
        "abandoned_accepted": 1,
    }
    earlier = run(settings, Row(0, setup=4, connect=5, hold=9, patience=3))
    assert counted(earlier) == {"offered_calls": 1, "abandoned_pending": 1}
    assert earlier.log.released_us.tolist() == [3]


def test_patience_is_void_once_the_call_has_started() -> None:
    # The start falls due at 4 + 5 = 9, when patience runs out: it starts, and stays.
    outcome = run(conditions(1), Row(0, setup=4, connect=5, hold=9, patience=9))
    assert fates(outcome) == [Fate.ENDED]
    assert outcome.log.released_us.tolist() == [18]


def test_an_event_wins_over_a_deadline_of_its_instant() -> None:
    on_time = Row(0, setup=4, connect=3, hold=10)
    settings = conditions(1, deadlines=(4, 3, 10))
    outcome = run(settings, on_time)
    assert counted(outcome) == {
        "offered_calls": 1,
        "accepted_calls": 1,
        "started_calls": 1,
        "ended_calls": 1,
        "active_us_total": 10,
    }


def test_each_deadline_ends_its_own_stretch() -> None:
    settings = conditions(3, deadlines=(4, 3, 10))
    outcome = run(
        settings,
        Row(0, setup=5, connect=3, hold=9),  # not accepted by 4
        Row(0, setup=4, connect=4, hold=9),  # accepted at 4, not started by 7
        Row(0, setup=4, connect=3, hold=11),  # started at 7, cut off at 17 as failed
    )
    assert fates(outcome) == [Fate.ABANDONED_PENDING, Fate.ABANDONED_ACCEPTED, Fate.ENDED]
    assert outcome.log.released_us.tolist() == [4, 7, 17]
    assert counted(outcome) == {
        "offered_calls": 3,
        "accepted_calls": 2,
        "started_calls": 1,
        "ended_calls": 1,
        "failed_calls": 1,
        "abandoned_pending": 1,
        "abandoned_accepted": 1,
        "active_us_total": 10,
    }


def test_a_deadline_frees_the_slot_for_offers_of_its_instant() -> None:
    outcome = run(conditions(1, deadlines=(5, None, None)), Row(0, setup=50), Row(5, hold=1))
    assert fates(outcome) == [Fate.ABANDONED_PENDING, Fate.ENDED]


def test_a_referral_counts_at_the_start_and_at_the_end() -> None:
    outcome = run(
        conditions(4),
        Row(0, hold=7, refer=0),
        Row(0, hold=7, refer=7),
        Row(0, hold=0, refer=0),
        Row(0, hold=7),
    )
    assert counted(outcome)["referred_calls"] == 3


def test_only_failed_ends_count_as_failed() -> None:
    outcome = run(conditions(3), *(Row(0, hold=2, end_kind=kind) for kind in EndKind))
    assert counted(outcome)["failed_calls"] == 1
    assert counted(outcome)["ended_calls"] == 3


# --- instructions ---------------------------------------------------------------------------


def test_missing_instructions_free_the_slot_when_the_accept_is_heard() -> None:
    tenants = (TraceTenant("acme", instructions=False), TraceTenant("other"))
    # Row 0 is rejected at 5; row 2 finds the slot at that instant, row 1 did not at 4.
    outcome = run(
        conditions(1, *tenants),
        Row(0, setup=5, hold=9),
        Row(4, tenant=1, hold=1),
        Row(5, tenant=1, hold=1),
    )
    assert fates(outcome) == [
        Fate.REJECTED_INSTRUCTIONS,
        Fate.REJECTED_CAPACITY,
        Fate.ENDED,
    ]
    assert counted(outcome, "acme") == {
        "offered_calls": 1,
        "rejected_calls_instructions_missing": 1,
    }
    assert outcome.log.accepted_us.tolist() == [NEVER, NEVER, 5]


def test_fallback_accepts_what_would_be_rejected() -> None:
    tenant = TraceTenant("acme", instructions=False, fallback=True)
    outcome = run(conditions(1, tenant), Row(0, hold=4))
    assert counted(outcome) == {
        "offered_calls": 1,
        "accepted_calls": 1,
        "fallback_instructions_used": 1,
        "started_calls": 1,
        "ended_calls": 1,
        "active_us_total": 4,
    }


def test_lookup_faults_take_consecutive_spans_of_the_draw() -> None:
    faults = [
        LookupFault(Lookup.ERROR, 0, 100, span=10),
        LookupFault(Lookup.MISSING, 0, 100, span=5, tenants=("acme",)),
    ]
    # Draws 0..9 meet the error, 10..14 the missing instructions, from 15 on nothing.
    settings = conditions(9, lookup_faults=faults)
    outcome = run(settings, *(Row(0, hold=1, draw=draw) for draw in (0, 9, 10, 14, 15)))
    assert fates(outcome) == [*[Fate.REJECTED_INSTRUCTIONS] * 4, Fate.ENDED]
    assert counted(outcome)["instructions_db_errors"] == 2
    assert counted(outcome)["rejected_calls_instructions_missing"] == 4


def test_a_fault_that_is_not_in_force_takes_no_span() -> None:
    faults = [
        LookupFault(Lookup.ERROR, 0, 100, span=10, tenants=("other",)),
        LookupFault(Lookup.ERROR, 50, 100, span=20),
        LookupFault(Lookup.MISSING, 0, 100, span=5),
    ]
    settings = conditions(9, TraceTenant("acme"), TraceTenant("other"), lookup_faults=faults)
    outcome = run(settings, Row(0, hold=1, draw=4), Row(0, hold=1, draw=5))
    assert fates(outcome) == [Fate.REJECTED_INSTRUCTIONS, Fate.ENDED]


def test_a_fault_is_in_force_from_its_first_instant_to_before_its_last() -> None:
    fault = LookupFault(Lookup.ERROR, 10, 20, span=FULL_SPAN)
    tenant = TraceTenant("acme", fallback=True)
    # The accept counts, 2 after the offer: at 9, 10, 19 and 20.
    outcome = run(
        conditions(9, tenant, lookup_faults=[fault]),
        *(Row(offer, setup=2, hold=1) for offer in (7, 8, 17, 18)),
    )
    assert counted(outcome)["instructions_db_errors"] == 2
    assert counted(outcome)["fallback_instructions_used"] == 2
    assert counted(outcome)["accepted_calls"] == 4


# --- deliveries -----------------------------------------------------------------------------


def test_a_start_heard_before_the_accept_is_lost() -> None:
    # Accept due at 2, heard at 7; start heard at 5 and refused; the end at 15 finds a call that
    # was accepted and never started.
    late = {Event.ACCEPT: (DeliveryAction.LATE, 5)}
    outcome = run(conditions(1), Row(0, setup=2, connect=3, hold=10, deliveries=late))
    assert fates(outcome) == [Fate.ABANDONED_ACCEPTED]
    assert outcome.log.accepted_us.tolist() == [7]
    assert outcome.log.released_us.tolist() == [15]


def test_a_start_heard_again_after_the_accept_counts_then() -> None:
    # As above, but the start is heard again at 5 + 4 = 9: active from 9 to 15.
    deliveries = {Event.ACCEPT: (DeliveryAction.LATE, 5), Event.START: (DeliveryAction.DOUBLED, 4)}
    outcome = run(conditions(1), Row(0, setup=2, connect=3, hold=10, deliveries=deliveries))
    assert fates(outcome) == [Fate.ENDED]
    assert counted(outcome)["active_us_total"] == 6
    assert counted(outcome)["started_calls"] == 1


def test_a_start_heard_again_at_the_instant_of_the_accept_counts() -> None:
    # The start is heard at 5 and at 5 + 2 = 7, where the accept comes first: active from 7 to 15.
    deliveries = {Event.ACCEPT: (DeliveryAction.LATE, 5), Event.START: (DeliveryAction.DOUBLED, 2)}
    outcome = run(conditions(1), Row(0, setup=2, connect=3, hold=10, deliveries=deliveries))
    assert counted(outcome)["active_us_total"] == 8


def test_a_late_accept_at_the_instant_of_the_start_comes_first() -> None:
    late = {Event.ACCEPT: (DeliveryAction.LATE, 3)}
    outcome = run(conditions(1), Row(0, setup=2, connect=3, hold=10, deliveries=late))
    assert counted(outcome)["active_us_total"] == 10


def test_a_lost_end_holds_the_slot_for_ever() -> None:
    lost = {Event.END: (DeliveryAction.LOST, 0)}
    outcome = run(conditions(1), Row(0, hold=5, deliveries=lost), Row(500))
    assert fates(outcome) == [Fate.STILL_ACTIVE, Fate.REJECTED_CAPACITY]
    assert outcome.final.tenants == {"acme": Held(pending=0, accepted=1, active=1)}
    assert outcome.final.rows == HeldRows(frozenset(), frozenset({0}), frozenset({0}))
    assert counted(outcome)["active_calls"] == 1
    assert "active_us_total" not in counted(outcome)


def test_a_late_end_counts_when_it_is_heard() -> None:
    late = {Event.END: (DeliveryAction.LATE, 7)}
    outcome = run(conditions(1), Row(0, hold=5, deliveries=late), Row(11), Row(12))
    assert fates(outcome) == [Fate.ENDED, Fate.REJECTED_CAPACITY, Fate.ENDED]
    assert counted(outcome)["active_us_total"] == 12


def test_repeats_change_nothing() -> None:
    events = (Event.OFFER, Event.ACCEPT, Event.START, Event.REFER, Event.END)
    row = Row(0, setup=1, connect=1, hold=6, refer=2)
    doubled = replace(row, deliveries=dict.fromkeys(events, (DeliveryAction.DOUBLED, 1)))
    once, twice = run(conditions(1), row), run(conditions(1), doubled)
    assert once.total == twice.total
    assert np.array_equal(once.log.released_us, twice.log.released_us)


# --- dependents and the end of the run ------------------------------------------------------


def test_what_follows_on_which_rejection() -> None:
    tenants = (TraceTenant("acme", instructions=False), TraceTenant("stranger", configured=False))
    redial = Row(after_on=AfterOn.REJECTED, delay=10, attempt=1)
    # Row 0 is rejected at its accept, 3 after its offer, so the redial comes at 3 + 10. An unknown
    # tenant does not dial again, but a source (row 4) goes on to its next call.
    outcome = run(
        conditions(1, *tenants),
        Row(0, setup=3),
        replace(redial, after=0, setup=3),
        Row(20, tenant=1),
        replace(redial, after=2, tenant=1),
        Row(30, tenant=1),
        Row(after=4, tenant=1, after_on=AfterOn.FINISHED, delay=1),
    )
    assert outcome.log.offered_us.tolist() == [0, 13, 20, NEVER, 30, 31]
    assert fates(outcome)[3] is Fate.NOT_MADE


def test_a_source_calls_again_after_its_call_and_not_at_the_end_of_the_run() -> None:
    again = Row(after_on=AfterOn.FINISHED, delay=5, hold=10)
    # Calls over [0, 10), [15, 25), [30, 40); the next would be offered at 45, when the run is over.
    rows = (Row(0, hold=10), *(replace(again, after=row) for row in range(3)))
    outcome = run(conditions(1, duration_us=45), *rows)
    assert outcome.log.offered_us.tolist() == [0, 15, 30, NEVER]
    longer = run(conditions(1, duration_us=46), *rows)
    assert longer.log.offered_us.tolist() == [0, 15, 30, 45]


def test_without_drain_nothing_happens_at_or_after_the_end() -> None:
    rows = (Row(0, hold=19), Row(0, hold=20), Row(0, setup=20), Row(0, setup=1, connect=19))
    outcome = run(conditions(9, duration_us=20, drain=False), *rows)
    assert fates(outcome) == [
        Fate.ENDED,
        Fate.STILL_ACTIVE,
        Fate.STILL_PENDING,
        Fate.STILL_ACCEPTED,
    ]
    assert outcome.final.tenants["acme"] == Held(pending=1, accepted=2, active=1)
    assert counted(outcome)["active_us_total"] == 19
    drained = run(conditions(9, duration_us=20), *rows)
    assert fates(drained) == [Fate.ENDED] * 4
    assert drained.final.tenants["acme"] == Held()


def test_checkpoints_come_after_everything_at_their_instant() -> None:
    # At 10: row 0 ends, row 1 comes and goes, row 2 is offered, row 3 is offered and accepted.
    rows = (
        Row(0, hold=10),
        Row(10),
        Row(10, setup=1, hold=5),
        Row(10, connect=1, hold=5),
    )
    outcome = run(conditions(9, checkpoints=[9, 10, 11]), *rows)
    states = [state.tenants["acme"] for state in outcome.checkpoints]
    assert states == [Held(0, 1, 1), Held(1, 1, 0), Held(0, 2, 2)]
    at_ten = outcome.checkpoints[1]
    assert at_ten.rows == HeldRows(frozenset({2}), frozenset({3}), frozenset())
    assert at_ten.total_counters is not None
    assert at_ten.total_counters[Counter.ENDED_CALLS] == 2
    assert at_ten.total_counters[Counter.ACTIVE_US_TOTAL] == 10
    assert at_ten.total_counters[Counter.OFFERED_CALLS] == 4
