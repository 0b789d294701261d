"""No alarm, ever, about a sound service; an alarm about services whose bug shows in the answers."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.checker import check_history
from simulator.history import CountersRead, History, HistoryHeader, Operation
from simulator.selftest import GALLERY, BrokenController
from tests.sound_histories import MOST_UNDER_WAY_US, Play

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_sound_service_never_raises_an_alarm(seed: int, plain: bool) -> None:
    history = Play(seed, plain=plain).history()
    assert check_history(history).alarms == ()


@given(seeds, st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_history_cut_off_anywhere_never_raises_one(
    seed: int, random: Random, bounded: bool
) -> None:
    history = Play(seed).history()
    timeout_us = MOST_UNDER_WAY_US if bounded else None
    header = msgspec.structs.replace(history.header, timeout_us=timeout_us)
    kept = history.operations[: random.randint(0, len(history.operations))]
    assert check_history(History(header, kept, truncated=True)).alarms == ()


@given(seeds, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_a_history_cut_off_where_it_says_up_to_when_it_is_whole_never_raises_one(
    seed: int, random: Random
) -> None:
    history = Play(seed).history()
    operations = history.operations
    place = random.randint(0, len(operations))
    # What is not above began at this instant at the earliest; a driver may say less.
    begun_us = min((each.invoke_us for each in operations[place:]), default=1 << 40)
    settled_us = begun_us - random.choice([0, 0, random.randint(0, begun_us)])
    settled = Operation(op="settled", invoke_us=settled_us, complete_us=1 << 40)
    cut = History(history.header, [*operations[:place], settled], truncated=True)
    assert check_history(cut).alarms == ()


def test_a_restart_does_not_make_whole_what_is_hidden_before_it() -> None:
    """An offer sent at 12 us is not written yet, though what it did was read."""
    header = HistoryHeader(limit=1, tenants={})
    counters = CountersRead({"offered_calls": 2, "rejected_calls_tenant_not_configured": 2})
    operations = [
        Operation(
            op="offer",
            call_id="c1",
            tenant_id="acme",
            invoke_us=2,
            complete_us=3,
            decision="rejected",
            reason="tenant_not_configured",
        ),
        Operation(op="settled", invoke_us=10, complete_us=11),
        Operation(op="read", invoke_us=20, complete_us=21, counters=counters),
        Operation(op="restart", invoke_us=25, complete_us=30, unexpected=True),
    ]
    assert check_history(History(header, operations, truncated=True)).alarms == ()
    assert check_history(History(header, operations)).alarms != ()


@given(seeds, st.sets(st.integers(0, 11), max_size=6))
@settings(max_examples=100, deadline=None)
def test_calls_of_others_never_raise_one(seed: int, others: set[int]) -> None:
    history = Play(seed).history()
    header = msgspec.structs.replace(history.header, complete=False)
    theirs = {f"c{number}" for number in others}
    kept = [each for each in history.operations if each.call_id not in theirs]
    assert check_history(History(header, kept)).alarms == ()


SHOWS = {
    "limit-off-by-one": "over_admission",
    "cap-off-by-one": "over_admission",
    "cap-ignored": "over_admission",
    "pending-is-free": "over_admission",
    "reservation-ignored": "reservation_given_away",
    "reservation-on-top": "false_rejection",
    "capacity-before-tenant": "wrong_reason",
    "disabled-admitted": "admitted_unknown",
    "leak-on-abandonment": "false_rejection",
    "leak-on-failure": "slot_not_returned",
    "forgotten-at-once": "lost_call",
    "offer-counted-twice": "counted_twice",
    "failed-not-ended": "law_broken",
    "hang-up-is-failure": "counted_twice",
    "fallback-not-counted": "counted_too_few",
    "rejection-in-total-only": "law_broken",
    "disabled-is-unknown": "counted_too_few",
    "minutes-from-accept": "minutes_too_high",
    "minutes-rounded": "minutes_too_high",
    "minutes-in-milliseconds": "minutes_too_low",
    "failed-not-billed": "minutes_too_low",
}


@pytest.mark.parametrize(
    "controller",
    [each for each in GALLERY if each.name in SHOWS],
    ids=lambda controller: controller.name,
)
def test_a_broken_controller_is_caught_for_what_it_does(controller: BrokenController) -> None:
    assert any(
        alarm.kind == SHOWS[controller.name]
        for seed in range(200)
        for alarm in check_history(Play(seed, controller.factory).history()).alarms
    )


def test_every_name_is_one_of_the_gallery() -> None:
    assert set(SHOWS) <= {controller.name for controller in GALLERY}
