"""What the intervals find of what there is: tiny histories against every order of their requests.

The brute force tries all orders that the intervals allow, of offers, ends and changes of the limit.
An alarm where some order explains the answers would be false; a history without any such order must
raise one in the classes below.
"""

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.checker import check_history
from simulator.checker.steps import greatest_among
from simulator.history import History, HistoryHeader, Operation, TenantLimits

TENANTS = {"a": TenantLimits()}


def offer(call: int, low: int, high: int, *, admitted: bool) -> Operation:
    return Operation(
        op="offer",
        call_id=f"c{call}",
        tenant_id="a",
        invoke_us=low,
        complete_us=high,
        decision="admitted" if admitted else "rejected",
        reason=None if admitted else "capacity",
        scopes=() if admitted else ("total",),
    )


def end(call: int, low: int, high: int) -> Operation:
    return Operation(
        op="end", call_id=f"c{call}", invoke_us=low, complete_us=high, decision="abandoned"
    )


def explained(operations: tuple[Operation, ...], limit: int) -> bool:
    """Whether some order of all operations, each within its interval, gives these answers."""

    @cache
    def from_here(done: frozenset[int], held: frozenset[str], limit: int) -> bool:
        left = [place for place in range(len(operations)) if place not in done]
        if not left:
            return True
        first_over = min(operations[place].complete_us or 0 for place in left)
        for place in left:
            each = operations[place]
            name = str(each.call_id)
            if each.invoke_us > first_over:
                continue
            after, new_limit = held, limit
            if each.op == "limits":
                assert each.max_concurrent_calls is not None
                new_limit = each.max_concurrent_calls
            elif each.op == "end":
                if name not in held:
                    continue
                after = held - {name}
            elif each.decision == "admitted":
                if len(held) >= limit:
                    continue
                after = held | {name}
            elif len(held) < limit:
                continue
            if from_here(done | {place}, after, new_limit):
                return True
        return False

    return from_here(frozenset(), frozenset(), limit)


def change(limit: int, low: int, high: int) -> Operation:
    return Operation(op="limits", max_concurrent_calls=limit, invoke_us=low, complete_us=high)


@st.composite
def histories(draw: st.DrawFn, *, rejections: bool, ends: bool) -> tuple[Operation, ...]:
    instants = st.integers(0, 12)
    operations = []
    for call in range(draw(st.integers(1, 4))):
        low = draw(instants)
        high = low + draw(st.integers(0, 6))
        admitted = not rejections or draw(st.booleans())
        operations.append(offer(call, low, high, admitted=admitted))
        if admitted and ends and draw(st.booleans()):
            begin = high + draw(st.integers(1, 6))
            operations.append(end(call, begin, begin + draw(st.integers(0, 6))))
    return tuple(sorted(operations, key=lambda each: each.complete_us or 0))


@st.composite
def changes(draw: st.DrawFn) -> tuple[Operation, ...]:
    """Changes of the limit, one after the other."""
    made, low = [], 0
    for limit in draw(st.lists(st.integers(0, 3), max_size=2)):
        low += draw(st.integers(1, 8))
        high = low + draw(st.integers(0, 3))
        made.append(change(limit, low, high))
        low = high
    return tuple(made)


def alarmed(operations: tuple[Operation, ...], limit: int) -> bool:
    history = History(HistoryHeader(limit=limit, tenants=TENANTS), operations)
    return bool(check_history(history).alarms)


limits = st.integers(1, 3)


@given(histories(rejections=True, ends=True), limits)
@settings(max_examples=600, deadline=None)
def test_an_alarm_means_that_no_order_explains_the_answers(
    operations: tuple[Operation, ...], limit: int
) -> None:
    if alarmed(operations, limit):
        assert not explained(operations, limit)


@given(histories(rejections=True, ends=True), changes(), limits)
@settings(max_examples=600, deadline=None)
def test_an_alarm_means_that_with_changing_limits_too(
    operations: tuple[Operation, ...], changed: tuple[Operation, ...], limit: int
) -> None:
    if alarmed((*operations, *changed), limit):
        assert not explained((*operations, *changed), limit)


def test_the_last_of_thousands_of_doubtful_admissions_is_judged_like_the_first() -> None:
    """Two calls admitted at limit 2 and answered at limit 1, again and again; the last two not."""
    operations: list[Operation] = []
    for number in range(2_000):
        at = 100 * number
        operations += [change(2, at, at + 1)]
        operations += [
            offer(2 * number + k, at + 2 + k, at + 30 + k, admitted=True) for k in (0, 1)
        ]
        operations += [change(1, at + 10, at + 11)]
        operations += [end(2 * number + k, at + 50, at + 51) for k in (0, 1)]
    assert not alarmed(tuple(operations), 1)
    at = 1_000_000
    operations += [offer(k, at, at + 1, admitted=True) for k in (5_000, 5_001)]
    (alarm,) = check_history(History(HistoryHeader(limit=1, tenants=TENANTS), operations)).alarms
    assert alarm.kind == "over_admission"
    assert set(alarm.calls) == {"c5000", "c5001"}


intervals = st.tuples(st.integers(0, 12), st.integers(0, 8), st.integers(0, 20))


@given(st.lists(intervals, max_size=8), st.sets(st.integers(0, 22), max_size=10))
@settings(max_examples=300, deadline=None)
def test_the_greatest_of_the_intervals_that_hold_an_instant(
    held: list[tuple[int, int, int]], instants: set[int]
) -> None:
    at = sorted(instants)
    low, length, values = np.array(held, np.int64).reshape(-1, 3).T
    expected = [
        max((value for begin, n, value in held if begin <= instant < begin + n), default=-1)
        for instant in at
    ]
    found = greatest_among(low, low + length, values, np.array(at, np.int64))
    assert found.tolist() == expected


@given(histories(rejections=False, ends=True), limits)
@settings(max_examples=400, deadline=None)
def test_admissions_that_no_order_explains_raise_an_alarm(
    operations: tuple[Operation, ...], limit: int
) -> None:
    assert alarmed(operations, limit) == (not explained(operations, limit))


@given(histories(rejections=True, ends=False), st.just(1))
@settings(max_examples=300, deadline=None)
def test_a_rejection_before_any_admission_raises_an_alarm(
    operations: tuple[Operation, ...], limit: int
) -> None:
    admitted = [each.invoke_us for each in operations if each.decision == "admitted"]
    early = [
        each
        for each in operations
        if each.decision == "rejected" and all((each.complete_us or 0) < low for low in admitted)
    ]
    if early:
        assert not explained(operations, limit)
        assert alarmed(operations, limit)


@given(histories(rejections=True, ends=True), limits)
@settings(max_examples=300, deadline=None)
def test_one_request_after_the_other_is_judged_exactly(
    operations: tuple[Operation, ...], limit: int
) -> None:
    """Where nothing overlaps there is one order, and every wrong answer shows."""
    in_turn = []
    for place, each in enumerate(sorted(operations, key=lambda each: each.invoke_us)):
        fields = {name: getattr(each, name) for name in each.__struct_fields__}
        in_turn.append(
            Operation(**{**fields, "invoke_us": 10 * place, "complete_us": 10 * place + 5})
        )
    alone = tuple(in_turn)
    assert alarmed(alone, limit) == (not explained(alone, limit))
