"""Calls that are given one by one, as a trace."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from service.calls import Outcome
from simulator.scenario import GivenCall
from simulator.trace import NEVER, CallTrace, Conditions, Deliveries, EndKind

END_KINDS: Final = {
    Outcome.COMPLETED: EndKind.COMPLETED,
    Outcome.HUNG_UP: EndKind.HUNG_UP,
    Outcome.FAILED: EndKind.FAILED,
}


def given_trace(conditions: Conditions, calls: Sequence[GivenCall]) -> CallTrace:
    """The calls as rows, in their order. Raises :class:`simulator.trace.TraceInvalid`."""
    place = {tenant.tenant_id: number for number, tenant in enumerate(conditions.tenants)}
    deliveries = [
        (row, each)
        for row, call in enumerate(calls)
        for each in sorted(call.deliveries, key=lambda each: each.event)
    ]

    def column(values: Sequence[int | None]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return np.array([NEVER if value is None else value for value in values], np.int64)

    return CallTrace(
        conditions=conditions,
        tenant=np.array([place[call.tenant_id] for call in calls], np.int32),
        offer_us=column([call.offer_us for call in calls]),
        setup_us=column([call.setup_us for call in calls]),
        connect_us=column([call.connect_us for call in calls]),
        hold_us=column([call.hold_us for call in calls]),
        end_kind=np.array([END_KINDS[call.outcome] for call in calls], np.int8),
        refer_us=column([call.refer_us for call in calls]),
        patience_us=column([call.patience_us for call in calls]),
        lookup_draw=np.array([call.lookup_draw for call in calls], np.uint32),
        after=column([call.after for call in calls]),
        after_on=np.array([call.after_on for call in calls], np.int8),
        delay_us=column([call.delay_us for call in calls]),
        attempt=np.array([call.attempt for call in calls], np.int32),
        deliveries=Deliveries(
            call=np.array([row for row, _ in deliveries], np.int64),
            event=np.array([each.event for _, each in deliveries], np.int8),
            action=np.array([each.action for _, each in deliveries], np.int8),
            delay_us=np.array([each.delay_us for _, each in deliveries], np.int64),
        ),
    )
