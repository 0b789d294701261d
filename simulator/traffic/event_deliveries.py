"""Which events reach the service late, twice or never: drawn for a chunk from its finished rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.calls import Event
from simulator.scenario import DeliveryFault
from simulator.trace import (
    NEVER,
    ROW_EVENTS,
    CallTrace,
    Deliveries,
    DeliveryAction,
    Int64s,
    no_deliveries,
)
from simulator.traffic.columns import Layout, uniforms

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _DueEvents:
    """For one event, which rows have it due, and how long after it the row's next event is due.

    Shapes (n,) or (1,); ``gap_us`` is NEVER where nothing follows.
    """

    due: Mask
    gap_us: Int64s


def _due_events(trace: CallTrace) -> dict[Event, _DueEvents]:
    answered = trace.setup_us + trace.connect_us
    hangs_up = (trace.patience_us != NEVER) & (trace.patience_us < answered)
    referred = ~hangs_up & (trace.refer_us != NEVER)
    never = np.array([NEVER], dtype=np.int64)
    accepts = ~hangs_up | (trace.setup_us <= trace.patience_us)
    until_accept = np.where(accepts, trace.setup_us, trace.patience_us)
    after_accept = np.where(hangs_up, trace.patience_us - trace.setup_us, trace.connect_us)
    after_start = np.where(referred, trace.refer_us, trace.hold_us)
    return {
        Event.OFFER: _DueEvents(np.ones(1, dtype=np.bool_), until_accept),
        Event.ACCEPT: _DueEvents(accepts, after_accept),
        Event.START: _DueEvents(~hangs_up, after_start),
        Event.REFER: _DueEvents(referred, trace.hold_us - trace.refer_us),
        Event.END: _DueEvents(~hangs_up, never),
        Event.HANGUP: _DueEvents(hangs_up, never),
    }


def draw_deliveries(
    faults: Sequence[DeliveryFault], trace: CallTrace, layout: Layout
) -> Deliveries:
    """The deliveries of a chunk's rows, one for an event at most: the first fault that fires.

    Every fault draws once for every row of its tenants, whether the event is due or not, so a row's
    draw does not depend on its times. A reordered event comes 1 us after the next one of its call
    and stays in order where none follows.
    """
    if not faults:
        return no_deliveries()
    rows = len(trace)
    due_events = _due_events(trace)
    taken = {event: np.zeros(rows, dtype=np.bool_) for event in ROW_EVENTS}
    calls, events, actions, delays = [], [], [], []
    for number, fault in enumerate(faults):
        due = due_events[fault.event]
        chance = uniforms(layout, f"delivery/{number}", fault.tenants)
        fires = (chance < fault.probability) & due.due & ~taken[fault.event]
        if fault.reordered:
            fires &= due.gap_us != NEVER
        taken[fault.event] |= fires
        call = np.flatnonzero(fires)
        action = DeliveryAction.LATE if fault.reordered else fault.action
        delay = np.full(len(call), fault.delay_us, dtype=np.int64)
        if fault.reordered:
            delay = np.broadcast_to(due.gap_us, rows)[call] + 1
        elif action == DeliveryAction.LOST:
            delay[:] = 0
        calls.append(call)
        events.append(np.full(len(call), fault.event, dtype=np.int8))
        actions.append(np.full(len(call), action, dtype=np.int8))
        delays.append(delay)
    call, event = np.concatenate(calls), np.concatenate(events)
    order = np.lexsort((event, call))
    return Deliveries(
        call=call[order],
        event=event[order],
        action=np.concatenate(actions)[order],
        delay_us=np.concatenate(delays)[order],
    )
