"""What is printed with an alarm proves it, without the rest of the history."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.checker import Alarm, check_history
from simulator.history import History, Operation
from simulator.selftest import GALLERY
from tests.sound_histories import Play

FIGURES = {
    "counted_too_few", "counted_twice", "slot_lost", "slot_not_returned",
    "minutes_too_low", "minutes_too_high",
}  # fmt: skip
"""Kinds about a figure that was read. That no other call counts is not for a few operations to
show: what is shown is the read, the read it is counted from, and every call that does count."""

IN_USE = ("in_use", "active_calls")


def prove_themselves(seed: int) -> int:
    """Play all broken controllers; how many alarms there were."""
    alarms = 0
    for broken in GALLERY:
        history = Play(seed, broken.factory).history()
        if any(each.op == "restart" for each in history.operations):
            continue
        known = {id(each) for each in history.operations}
        for alarm in check_history(history).alarms:
            alarms += 1
            assert alarm.stretch, alarm
            assert all(id(each) in known for each in alarm.stretch), alarm
            if alarm.kind in FIGURES:
                assert_counted(alarm)
            else:
                alone = check_history(History(history.header, alarm.stretch))
                assert alarm.kind in {each.kind for each in alone.alarms}, alarm
    return alarms


def assert_counted(alarm: Alarm) -> None:
    """Count again, by hand, what the operations shown say about the figure."""
    name, _, rest = alarm.message.partition(" of ")
    tenant = rest.partition(" reads")[0]
    *begin, read = (each for each in alarm.stretch if each.op == "read")
    value = figure(read, name, tenant)
    assert len(begin) <= 1
    if begin and name not in IN_USE:
        value -= figure(begin[0], name, tenant)
    shown: dict[str | None, list[Operation]] = {call: [] for call in alarm.calls}
    for each in alarm.stretch:
        if each.op != "read":
            shown[each.call_id].append(each)
    for call, operations in shown.items():
        assert operations, call
        offers = {each.tenant_id for each in operations if each.op == "offer"}
        assert tenant in ("the total", "_unknown") or offers in (set(), {tenant})
    if alarm.kind in ("counted_too_few", "slot_lost"):
        # A slot may be taken over from one call by the next while the read is under way.
        until_us = read.complete_us if name in IN_USE else read.invoke_us - 1
        assert len(alarm.calls) > value
        assert all(any(answered(one, until_us) for one in each) for each in shown.values())
    elif name in IN_USE:
        assert most_at_once(shown.values(), read, "offer" if name == "in_use" else "start") < value
    elif alarm.kind == "counted_twice":
        assert len(alarm.calls) < value
    elif alarm.kind == "minutes_too_low":
        assert sum(map(least_active_us, shown.values())) > value
    else:
        assert alarm.kind == "minutes_too_high"
        assert sum(most_active_us(each, read) for each in shown.values()) < value


def figure(read: Operation, name: str, tenant: str) -> float:
    total = tenant == "the total"
    if name == "in_use":
        assert read.in_use is not None
        return float((read.in_use.total if total else read.in_use.tenants[tenant]) or 0)
    assert read.counters is not None
    # A tenant that is not configured has a row once something of it was counted.
    row = read.counters.total if total else read.counters.tenants.get(tenant, {name: 0})
    assert row is not None
    return row[name]


def answered(operation: Operation, until_us: int | None) -> bool:
    assert until_us is not None
    completed_us = operation.complete_us
    return operation.result == "ok" and completed_us is not None and completed_us <= until_us


def most_at_once(calls: Iterable[list[Operation]], read: Operation, begins_with: str) -> int:
    """How many calls can have lived at one instant of a read, each since its first such request."""
    assert read.complete_us is not None
    spans = []
    for each in calls:
        begun_us = min(
            (one.invoke_us for one in each if one.op == begins_with), default=each[0].invoke_us
        )
        over = [
            one.complete_us for one in each if one.decision in ("ended", "abandoned", "rejected")
        ]
        spans.append((begun_us, min((us for us in over if us is not None), default=1 << 62)))
    instants = [read.invoke_us, *(us for us, _ in spans if read.invoke_us < us <= read.complete_us)]
    return max(sum(low <= at <= high for low, high in spans) for at in instants)


def least_active_us(operations: list[Operation]) -> int:
    """From the last instant at which it can have been started to the first at which it ended."""
    told = ("started", "referred", "ended")
    started_us = min(each.complete_us or 0 for each in operations if each.decision in told)
    ended_us = min(each.invoke_us for each in operations if each.op == "end")
    alive_us = max(
        (each.invoke_us for each in operations if each.decision in ("started", "referred")),
        default=0,
    )
    return max(0, max(ended_us, alive_us) - started_us)


def most_active_us(operations: list[Operation], read: Operation) -> int:
    starts = [each.invoke_us for each in operations if each.op in ("start", "refer", "end")]
    ended = [each.complete_us for each in operations if each.decision == "ended"]
    assert read.complete_us is not None
    until_us = min([read.complete_us, *(us for us in ended if us is not None)])
    return max(0, until_us - min(starts))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_the_stretch_of_an_alarm_proves_it_by_itself(seed: int) -> None:
    prove_themselves(seed)


@pytest.mark.soak
def test_the_stretches_of_thousands_of_alarms_do() -> None:
    assert sum(map(prove_themselves, range(1000))) > 5_000
