"""Batches, played on the core one batch behind, must come to what single events come to."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls import Event, Lookup, Outcome
from service.state.base import Answer
from service.state.memory import MemoryCore
from simulator.engines.batches import Batch, Batches
from simulator.engines.limits import has_deadlines, limit_change, starting_policies
from simulator.engines.record import CallRecord
from simulator.engines.schedule import CHANGE, Schedule
from simulator.oracle import expect
from simulator.results import HeldRows
from simulator.trace import AfterOn, CallTrace, EndKind, TraceTenant
from tests.strategies import Row, conditions, make_trace, traces

NOBODY = HeldRows(frozenset(), frozenset(), frozenset())


class CoreBehindBatches:
    """A core that reads batches as the service does, and checks that time never goes back."""

    def __init__(self, trace: CallTrace, offset_us: int) -> None:
        self.trace = trace
        self.offset_us = offset_us
        self.policies = starting_policies(trace.conditions)
        self.core = MemoryCore(trace.conditions.max_concurrent_calls, tenants=dict(self.policies))
        self.at_us = 0
        self.has_instructions = {
            tenant.tenant_id: tenant.instructions for tenant in trace.conditions.tenants
        }

    def answer(self, batch: Batch) -> list[Answer]:
        events = json.loads(batch.body)["events"]
        assert len(events) == len(batch.items)
        return [self._apply(event) for event in events]

    def change(self, place: int) -> None:
        change = limit_change(self.trace.conditions.changes[place], self.policies)
        self.policies.update(change.tenants)
        self.core.change_limits(change, self.at_us)

    def _apply(self, event: dict[str, Any]) -> Answer:
        at_us = event["at_us"] - self.offset_us
        assert at_us >= self.at_us, "an event was sent behind a later one"
        self.at_us = at_us
        call_id = event["call_id"]
        match event["event"]:
            case "offer":
                return self.core.offer(call_id, event["tenant_id"], at_us)
            case "accept":
                return self.core.accept(call_id, self._lookup(event), at_us)
            case "start":
                return self.core.start(call_id, at_us)
            case "refer":
                return self.core.refer(call_id, at_us)
            case _:
                return self.core.end(call_id, Outcome(event.get("outcome", "completed")), at_us)

    def _lookup(self, event: dict[str, Any]) -> Lookup:
        if "lookup" in event:
            return Lookup(event["lookup"])
        tenant = self.core.pending_tenant(event["call_id"])
        return Lookup.FOUND if self.has_instructions.get(tenant or "") else Lookup.MISSING


def play(trace: CallTrace, most_items: int) -> tuple[MemoryCore, CallRecord]:
    """Each batch is built before the answers to the one before are known."""
    schedule = Schedule(trace)
    record = CallRecord(trace, schedule)
    batches = Batches(trace, schedule, record, prefix="x-", offset_us=1000, most_items=most_items)
    behind = CoreBehindBatches(trace, 1000)
    waiting: tuple[Batch, list[Answer]] | None = None

    def note() -> None:
        nonlocal waiting
        if waiting is not None:
            for (at_us, kind, row), answer in zip(waiting[0].items, waiting[1], strict=True):
                record.heard(at_us, kind, row, answer)
            waiting = None

    while True:
        batch = batches.build(waiting[0].before_us if waiting else None, waiting is not None)
        assert len(batch.items) <= most_items
        assert batch.items or batch.stop or batch.last or waiting, "nothing can ever follow"
        answers = behind.answer(batch) if batch.items else []
        note()
        if batch.items:
            waiting = batch, answers
        if batch.stop is not None or batch.last:
            note()
        if batch.stop is not None and batch.stop[1] == CHANGE:
            behind.at_us = batch.stop[0]
            behind.change(batch.stop[2])
        if batch.last and not schedule.has_inserted:
            return behind.core, record


@given(traces(), st.integers(1, 40))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_batches_of_any_size_come_to_the_oracles_counters(trace: CallTrace, size: int) -> None:
    if has_deadlines(trace.conditions):
        return  # expiries need the service's clock, which this core is not given
    core, record = play(trace, size)
    expected = expect(trace)
    assert core.total_counters() == expected.total
    log = record.close(NOBODY, 0)
    for column in ("fate", "offered_us", "accepted_us", "started_us", "released_us", "scopes"):
        assert getattr(log, column).tolist() == getattr(expected.log, column).tolist(), column


def test_a_batch_ends_where_an_offer_can_hang_on_an_answer_in_it() -> None:
    trace = make_trace(
        conditions(duration_us=1000),
        [
            Row(offer=10, setup=5, hold=20),
            Row(after=0, after_on=AfterOn.REJECTED, delay=30, attempt=1),
            Row(offer=39),
            Row(offer=40),
        ],
    )
    schedule = Schedule(trace)
    batches = Batches(
        trace, schedule, CallRecord(trace, schedule), prefix="c", offset_us=0, most_items=100
    )
    first = batches.build(None, False)
    assert first.before_us == 40
    assert max(at_us for at_us, _, _ in first.items) == 39
    blocked = batches.build(first.before_us, True)
    assert not blocked.items
    assert not blocked.last
    assert batches.build(None, False).items[0] == (40, Event.OFFER, 3)


def test_events_are_written_as_the_service_reads_them() -> None:
    trace = make_trace(
        conditions(1, TraceTenant('a"b'), duration_us=100),
        [Row(offer=1, setup=2, hold=3, end_kind=EndKind.FAILED)],
    )
    schedule = Schedule(trace)
    record = CallRecord(trace, schedule)
    batches = Batches(trace, schedule, record, prefix="c", offset_us=100)
    assert json.loads(batches.build(None, False).body) == {
        "events": [
            {"event": "offer", "call_id": "c0", "tenant_id": 'a"b', "at_us": 101},
            {"event": "accept", "call_id": "c0", "at_us": 103},
            {"event": "start", "call_id": "c0", "at_us": 103},
            {"event": "end", "call_id": "c0", "outcome": "failed", "at_us": 106},
        ]
    }
