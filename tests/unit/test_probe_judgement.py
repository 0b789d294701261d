"""The judgement on a burst, from answers written by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from service.calls import Counter
from simulator.live.client import Answer, Reply
from simulator.probe.plan import Burst, Fired, Kind, Life, bursts, judge_burst
from simulator.probe.room import limit_warning, room_shown, shortest_stay_us

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


def shown(total: int, **tenants: tuple[int | None, int]) -> dict[str, Any]:
    """A capacity document: each tenant's own limit and how much is reserved for it."""
    rows = {
        name: {"configured": True, "max_concurrent_calls": cap, "reserved_calls": reserved}
        for name, (cap, reserved) in tenants.items()
    }
    gone = {"configured": False, "max_concurrent_calls": None, "reserved_calls": 0}
    return {"max_concurrent_calls": total, "tenants": {**rows, "gone": gone}}


@pytest.mark.parametrize(
    ("document", "calls", "words"),
    [
        (shown(20, a=(None, 0)), 20, "a total limit of 20"),
        (shown(20, a=(5, 2)), 5, "a total limit of 20, a limit of 5 for a"),
        (
            shown(20, a=(None, 3), b=(None, 8), c=(9, 2)),
            10,
            "a total limit of 20, 10 of them reserved for other tenants",
        ),
        (
            shown(20, a=(12, 0), b=(None, 9)),
            11,
            "a total limit of 20, 9 of them reserved for other tenants, a limit of 12 for a",
        ),
    ],
)
def test_a_limit_that_does_not_fit_what_is_shown_is_warned_about(
    document: dict[str, Any], calls: int, words: str
) -> None:
    assert limit_warning(document, "a", calls) is None
    for wrong in (calls - 1, calls + 1):
        said = limit_warning(document, "a", wrong)
        assert said is not None
        assert f"{words}: room for {calls} calls of a, not for {wrong};" in said


@pytest.mark.parametrize(
    ("document", "tenant"),
    [
        ({}, "a"),
        ({"max_concurrent_calls": "20", "tenants": {"a": {}}}, "a"),
        ({"max_concurrent_calls": 20, "tenants": ["a"]}, "a"),
        (shown(20, a=(None, 0)), "nobody"),
        (shown(20, a=(None, 0)), "gone"),
    ],
)
def test_what_shows_no_room_raises_no_warning(document: dict[str, Any], tenant: str) -> None:
    assert room_shown(document, tenant) is None
    assert limit_warning(document, tenant, 7) is None


def test_how_long_a_call_may_stay_depends_on_how_far_it_goes() -> None:
    document = {"deadlines": {"pending_us": 50, "accepted_us": None, "active_us": 20}}
    assert shortest_stay_us(document, whole_lives=False) == 50
    assert shortest_stay_us(document, whole_lives=True) == 20
    assert shortest_stay_us({"deadlines": {"pending_us": None}}, whole_lives=False) is None
    assert shortest_stay_us({}, whole_lives=True) is None
