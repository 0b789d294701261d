"""No alarm, ever, about a sound service; an alarm about services whose bug shows in the answers."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.checker import check_history
from simulator.history import History
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


@given(seeds, st.sampled_from([name for name in SHOWS if SHOWS[name] == "over_admission"]))
@settings(max_examples=100, deadline=None)
def test_the_stretch_of_an_alarm_proves_it_by_itself(seed: int, name: str) -> None:
    """Admissions above a limit are proven by their own operations, without the rest."""
    broken = next(each for each in GALLERY if each.name == name)
    history = Play(seed, broken.factory).history()
    if any(each.op == "restart" for each in history.operations):
        return
    for alarm in check_history(history).alarms:
        if alarm.kind == "over_admission":
            alone = check_history(History(history.header, alarm.stretch))
            assert "over_admission" in {each.kind for each in alone.alarms}
