"""The judgement on a burst, from answers written by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from service.calls import Counter
from simulator.live.client import Answer, Reply
from simulator.probe.plan import Burst, Fired, Kind, Life, bursts, judge_burst

ADMITTED = Reply("ok", 200, Answer("admitted"))
REJECTED = Reply("ok", 200, Answer("rejected", "capacity", ("total",)))


def replied(decision: Any) -> Reply:
    return Reply("ok", 200, Answer(decision))


def fired(
    admitted: int,
    rejected: int,
    *,
    kind: Kind = Kind.OFFER,
    held: Sequence[str] | None = None,
    counted: dict[Counter, int] | None = None,
    lives: dict[str, Life] | None = None,
    not_returned: Sequence[str] = (),
) -> Fired:
    names = [f"c{number}" for number in range(admitted + rejected)]
    replies = {name: [ADMITTED] for name in names[:admitted]}
    replies |= {name: [REJECTED] for name in names[admitted:]}
    moved = dict.fromkeys(Counter, 0)
    moved[Counter.REJECTED_CALLS_CAPACITY] = rejected
    return Fired(
        Burst("burst", kind, admitted + rejected),
        replies,
        0,
        frozenset(names[:admitted] if held is None else held),
        {**moved, **(counted or {})},
        lives or {},
        frozenset(not_returned),
    )


@pytest.mark.parametrize("limit", [0, 1, 2, 7])
def test_a_round_covers_the_limit_from_both_sides(limit: int) -> None:
    plain = [burst.calls for burst in bursts(limit) if burst.kind is Kind.OFFER]
    wanted = [limit - 1, limit, limit + 1, 10 * limit]
    assert plain == [calls for calls in wanted if calls > 0]


@pytest.mark.parametrize(("admitted", "rejected"), [(4, 0), (5, 0), (5, 1), (5, 45), (0, 0)])
def test_as_many_as_fit_is_right(admitted: int, rejected: int) -> None:
    result = judge_burst(fired(admitted, rejected), 5)
    assert (result.over_admissions, result.false_rejections, result.problems) == (0, 0, ())


def test_one_too_many_and_one_too_few() -> None:
    over = judge_burst(fired(6, 44), 5)
    assert (over.over_admissions, over.false_rejections) == (1, 0)
    assert over.problems == ("6 calls were admitted at once, the limit is 5",)
    false = judge_burst(fired(4, 2), 5)
    assert (false.over_admissions, false.false_rejections) == (0, 1)
    assert "1 of 6 calls were rejected while there was room" in false.problems[0]


def test_slots_and_counters_must_fit_the_answers() -> None:
    (lost,) = judge_burst(fired(2, 0, held=["c0"]), 2).problems
    assert "1 admitted calls hold no slot, c1" in lost
    (kept,) = judge_burst(fired(2, 1, held=["c0", "c1", "c2"]), 2).problems
    assert "1 rejected calls hold a slot, c2" in kept
    (stuck,) = judge_burst(fired(2, 0, not_returned=["c1"]), 2).problems
    assert "1 calls still hold a slot" in stuck
    (counted,) = judge_burst(fired(2, 1, counted={Counter.REJECTED_CALLS_CAPACITY: 2}), 2).problems
    assert "rejected_calls_capacity moved by 2, the answers say 1" in counted


def test_the_same_offer_must_be_answered_alike() -> None:
    twice = fired(2, 0, kind=Kind.TWICE)
    spoiled = Fired(
        twice.burst,
        {**twice.replies, "c1": [ADMITTED, REJECTED]},
        0,
        twice.held,
        twice.counted,
        {},
    )
    (problem,) = judge_burst(spoiled, 2).problems
    assert problem == "the same offer of c1 was answered admitted and rejected"


LIVED = {Counter.ACCEPTED_CALLS: 1, Counter.STARTED_CALLS: 1, Counter.ENDED_CALLS: 1}


def test_whole_calls_are_answered_step_by_step() -> None:
    whole = Life(replied("accepted"), replied("started"), replied("ended"))
    assert judge_burst(fired(1, 0, counted=LIVED, lives={"c0": whole}), 1).problems == ()
    early = Life(replied("accepted"), replied("started"), replied("abandoned"))
    problems = judge_burst(fired(1, 0, counted=LIVED, lives={"c0": early}), 1).problems
    assert problems[0] == "the end of c0 was answered abandoned, not ended"
    assert "ended_calls moved by 1, the answers say 0" in problems[1]
    without = Life(replied("rejected"))
    moved = {Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING: 1}
    assert judge_burst(fired(1, 0, counted=moved, lives={"c0": without}), 1).problems == ()
