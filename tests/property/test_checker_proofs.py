"""The stretch of an alarm proves it by itself, and nothing that speaks for the service is left out.

Of every controller of the gallery whose bug shows in answers or figures, and of all kinds of alarm.
"""

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.checker import Alarm, check_history
from simulator.history import History, Operation
from simulator.selftest import GALLERY, BrokenController
from tests.property.test_checker_soundness import SHOWS
from tests.sound_histories import Play

BROKEN = [each for each in GALLERY if each.name in SHOWS]

ABOUT_ALL_OF_IT = ("contradiction", "lost_call")
"""No order of *all* that was asked of a call explains it: with less asked it is another claim."""

THROUGHOUT = (
    "certainly taken throughout",
    "every free slot was reserved",
    "at any instant of it",
    "in_use",
    "active_calls",
)
"""What holds throughout a window needs what bounds it at any instant there, where the figure that
is told, the extreme of them all, would be the same without."""

MOST_ALARMS = 8
"""Each of more alarms has so little time that its stretch may stay longer than it need be."""


def said(alarm: Alarm) -> tuple[str, str]:
    """What an alarm claims, without what else is told beside it."""
    return alarm.kind, re.sub(r" \(\d+ more [^)]*\)$", "", alarm.message)


def claims(history: History, operations: list[Operation]) -> set[tuple[str, str]]:
    return {said(each) for each in check_history(History(history.header, operations)).alarms}


def assert_alone(history: History, alarm: Alarm) -> None:
    """It is a part of the history, and says the same: kind, figure, tenant and every number."""
    places = [id(each) for each in history.operations]
    assert {id(each) for each in alarm.stretch} <= set(places)
    assert len({id(each) for each in alarm.stretch}) == len(alarm.stretch)
    assert said(alarm) in claims(history, list(alarm.stretch))


def assert_stands_whatever_is_put_back(history: History, alarm: Alarm, random: Random) -> None:
    """An end, a start or another call left out of the stretch would not have excused it.

    Calls are put back with all that was asked of them, in front of the limits, the restarts and
    the beginning that they had. Not put back beside a false rejection are other rejections: without
    the calls that excuse them they would be accused first.
    """
    asked = [each for each in history.operations if each.call_id is not None]
    first = min(asked, key=lambda each: each.invoke_us)
    share = random.random()
    back = {str(first.call_id)}
    names = {str(each.call_id) for each in asked}
    if alarm.kind == "false_rejection":
        names -= {str(each.call_id) for each in asked if each.reason == "capacity"}
        back &= names
    back |= {name for name in sorted(names) if random.random() < share}
    grew = " grew by " in alarm.message  # That is counted from a read of its own.
    kept = {id(each) for each in alarm.stretch}
    kept |= {
        id(each)
        for each in history.operations
        if each.op in ("limits", "restart")
        or each.call_id in back
        or (each.op == "read" and (each.complete_us or 0) < first.invoke_us and not grew)
    }
    operations = [each for each in history.operations if id(each) in kept]
    assert said(alarm) in claims(history, operations)


def assert_short(history: History, alarm: Alarm) -> None:
    """Without any one of its requests it says something else, or nothing.

    The last change of a limit before them is shown even where it changed nothing, and a restart
    that they overlap even where they are all of after it.
    """
    if alarm.kind in ABOUT_ALL_OF_IT or any(words in alarm.message for words in THROUGHOUT):
        return
    for left_out in (each for each in alarm.stretch if each.op not in ("limits", "restart")):
        rest = [each for each in alarm.stretch if each is not left_out]
        assert said(alarm) not in claims(history, rest), left_out


def assert_proven(history: History, alarm: Alarm, random: Random) -> None:
    assert_alone(history, alarm)
    assert_stands_whatever_is_put_back(history, alarm, random)
    assert_short(history, alarm)


def alarms_of(history: History) -> tuple[Alarm, ...]:
    alarms = check_history(history).alarms
    searched = [alarm for alarm in alarms if alarm.kind not in ABOUT_ALL_OF_IT]
    return alarms if len(searched) <= MOST_ALARMS else ()


@given(st.integers(0, 2**32 - 1), st.sampled_from(BROKEN), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_stretch_of_an_alarm_proves_it(
    seed: int, controller: BrokenController, random: Random
) -> None:
    history = Play(seed, controller.factory).history()
    alarms = alarms_of(history)
    if alarms:
        assert_proven(history, random.choice(alarms), random)


@pytest.mark.soak
@pytest.mark.parametrize("controller", BROKEN, ids=lambda controller: controller.name)
def test_those_of_two_hundred_plays_prove_theirs(controller: BrokenController) -> None:
    kinds = set()
    for seed in range(200):
        history = Play(seed, controller.factory).history()
        for alarm in alarms_of(history):
            assert_proven(history, alarm, Random(seed))
            kinds.add(alarm.kind)
    assert SHOWS[controller.name] in kinds
