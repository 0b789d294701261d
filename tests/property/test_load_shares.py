"""Shares of a trace: disjoint, whole chains, together everything; and players that play them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls import Event
from simulator.load.answers import Answer
from simulator.load.player import LEFT_OUT, NOT_DUE, OVER, Player, Share
from simulator.load.shares import Union, row_ranges, share_of, union_of
from simulator.trace import NEVER, CallTrace
from tests.strategies import Row, conditions, make_trace, traces

ADMITTED = Answer("ok", "admitted")
ACCEPTED = Answer("ok", "accepted")
STARTED = Answer("ok", "started")
REFERRED = Answer("ok", "referred")
ENDED = Answer("ok", "ended")
FULL = Answer("ok", "rejected", "capacity", ("total",))
GOOD = {0: ADMITTED, 1: ACCEPTED, 2: STARTED, 3: REFERRED, 4: ENDED, 5: ENDED}


@settings(max_examples=60, deadline=None)
@given(traces(), st.integers(1, 5))
def test_shares_are_disjoint_and_together_the_trace(trace: CallTrace, shares: int) -> None:
    played = {share: share_of(trace, share, shares).tolist() for share in range(shares)}
    assert sorted(row for rows in played.values() for row in rows) == list(range(len(trace)))
    union = union_of(len(trace), played)
    assert union == Union((), ())
    owner = {row: share for share, rows in played.items() for row in rows}
    for row, after in enumerate(trace.column("after").tolist()):
        if after != NEVER:
            assert owner[row] == owner[after]


@given(st.integers(1, 30), st.data())
def test_what_is_lost_and_doubled_is_named(rows: int, data: Any) -> None:
    some = st.sets(st.integers(0, rows - 1))
    first, second = data.draw(some), data.draw(some)
    union = union_of(rows, {0: sorted(first), 1: sorted(second)})
    assert set(union.lost) == set(range(rows)) - first - second
    assert set(union.doubled) == first & second


def test_a_row_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="does not have"):
        union_of(3, {0: [3]})


def test_a_share_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no share 2 of 2"):
        share_of(None, 2, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((), ""),
        ((4,), "4"),
        ((0, 1), "0, 1"),
        ((0, 1, 2, 5), "0-2, 5"),
        ((1, 3, 5, 7), "1-7 in steps of 2"),
        ((0, 10, 25, 50, 100, 200, 400), "0, 10, 25, 50, 100, and 2 more"),
    ],
)
def test_rows_are_told_as_ranges(rows: tuple[int, ...], said: str) -> None:
    assert row_ranges(rows) == said


def play(trace: CallTrace, speed: float, choose: Any, halt_after: int | None = None) -> Player:
    """Play a whole trace with instant answers; ``choose(kind)`` says whether an offer gets in."""
    rows = np.arange(len(trace))
    player = Player(trace, Share(rows, 1_000_000, speed, "p"), 1000)
    sends = 0
    now_us = 0
    while not player.finished:
        due_us = player.next_due_us()
        assert due_us is not None
        now_us = max(now_us, due_us)
        request = player.take(now_us)
        assert request is not None
        assert request.due_us <= now_us
        offered = request.kind == Event.OFFER
        player.answered(request, FULL if offered and not choose() else GOOD[request.kind], now_us)
        sends += 1
        if sends == halt_after:
            player.halt(now_us)
    return player


@settings(max_examples=60, deadline=None)
@given(traces(), st.sampled_from([1.0, 7.0, 60.0]), st.data())
def test_every_row_is_played_or_found_not_due(trace: CallTrace, speed: float, data: Any) -> None:
    player = play(trace, speed, lambda: data.draw(st.booleans()))
    accounted = player.rows_in(OVER, NOT_DUE)
    assert sorted(accounted) == list(range(len(trace)))
    sent, answers = player.drain_report()
    offered = {each.row for each in sent if each.kind == Event.OFFER}
    assert offered == set(player.rows_in(OVER))
    for each in sent:
        if answers[each.answer] == FULL:
            later = [s for s in sent if s.row == each.row and s.invoke_us > each.invoke_us]
            assert later == []


@settings(max_examples=60, deadline=None)
@given(traces(), st.sampled_from([1.0, 60.0]))
def test_the_events_of_a_call_keep_their_instants(trace: CallTrace, speed: float) -> None:
    player = play(trace, speed, lambda: True)
    offers = trace.column("offer_us")
    sent, _ = player.drain_report()
    for each in sent:
        if each.kind == Event.OFFER and offers[each.row] != NEVER:
            first = min(s.invoke_us for s in sent if s.row == each.row)
            assert abs(first - 1_000_000 - int(offers[each.row]) / speed) <= 1


@settings(max_examples=60, deadline=None)
@given(traces(), st.integers(1, 20))
def test_a_halted_player_hangs_up_what_it_holds(trace: CallTrace, after: int) -> None:
    player = play(trace, 1.0, lambda: True, halt_after=after)
    sent, _ = player.drain_report()
    offered = {each.row for each in sent if each.kind == Event.OFFER}
    left_out = set(player.rows_in(LEFT_OUT))
    assert not offered & left_out
    assert sorted([*player.rows_in(OVER, NOT_DUE), *left_out]) == list(range(len(trace)))


@settings(max_examples=40, deadline=None)
@given(traces())
def test_a_request_that_is_given_back_is_due_again(trace: CallTrace) -> None:
    player = Player(trace, Share(np.arange(len(trace)), 0, 1.0, "p"), 1000)
    due_us = player.next_due_us()
    if due_us is None:
        return
    request = player.take(due_us)
    assert request is not None
    player.put_back(request)
    assert player.next_due_us() == due_us
    again = player.take(due_us)
    assert again is not None
    assert (again.row, again.kind, again.body) == (request.row, request.kind, request.body)


def test_what_its_own_answer_held_up_is_no_lateness_of_the_sender() -> None:
    """A call of 2 ms whose offer is answered after 50: what follows is sent at once."""
    trace = make_trace(conditions(1), [Row(offer=100, setup=1, connect=1)])
    player = Player(trace, Share(np.arange(1), 0, 0.001, "p"), 1000)
    now_us = 100_000
    for kind, takes_us in ((0, 50_000), (1, 10), (2, 10), (4, 10)):
        request = player.take(now_us)
        assert request is not None
        assert request.kind == kind
        now_us += takes_us
        player.answered(request, GOOD[kind], now_us)
    assert player.finished
    player.drain_report()
    meters = player.meters
    assert (meters.sends, meters.late, meters.behind.most_us) == (4, 0, 0)
    assert meters.latencies()["offer_latency_max_ms"] == 50.0
    assert meters.latencies()["accept_latency_max_ms"] == pytest.approx(49.01)


def test_what_nobody_held_up_is_late() -> None:
    trace = make_trace(conditions(1), [Row(offer=100), Row(offer=100)])
    player = Player(trace, Share(np.arange(2), 0, 1.0, "p"), 1000)
    assert player.take(1000) is not None
    assert player.take(1101) is not None
    player.drain_report()
    assert (player.meters.late, player.meters.behind.most_us) == (1, 1001)
