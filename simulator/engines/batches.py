"""Cuts the order of a trace into batches of call events, written as the service reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from service.calls import Lookup
from simulator.engines.lookups import LookupPlan
from simulator.engines.record import REJECTED, CallRecord
from simulator.engines.schedule import ACCEPT, CHANGE, END, EXPIRE, OFFER, Item, Schedule
from simulator.trace import CallTrace, EndKind

MOST_ITEMS: Final = 8000
"""Events in a batch at most: enough that the request itself costs next to nothing."""

_NAMES: Final = ("offer", "accept", "start", "refer", "end", "end")
_OUTCOMES: Final = {
    EndKind.COMPLETED: "",
    EndKind.HUNG_UP: ',"outcome":"hung_up"',
    EndKind.FAILED: ',"outcome":"failed"',
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in order, and what comes after their answers.

    ``stop`` is the change of limits or checkpoint that ends the batch. ``last`` says that nothing
    is left after this batch but what its answers may lead to. An offer at or after ``before_us``
    can depend on an answer to it.
    """

    items: list[Item]
    body: bytes
    before_us: int | None
    stop: Item | None
    last: bool


class Batches:
    """Builds one batch after the other from a schedule.

    Events of a call are sent without waiting for the answer to its offer: behind a rejected offer
    they change nothing. An offer that hangs on an answer still to come is not: a batch ends before
    the earliest instant at which there can be one. Instants are sent ``offset_us`` later than the
    trace has them; ``prefix`` and the row make the call id.
    """

    def __init__(
        self,
        trace: CallTrace,
        schedule: Schedule,
        record: CallRecord,
        *,
        prefix: str,
        offset_us: int,
        most_items: int = MOST_ITEMS,
    ) -> None:
        n = len(trace)
        conditions = trace.conditions
        self._schedule = schedule
        self._items = iter(schedule)
        self._record = record
        self._offset_us = offset_us
        self._most_items = most_items
        self._heads = [f'{{"event":"{name}","call_id":"{prefix}' for name in _NAMES]
        self._tenant_of: list[int] = np.broadcast_to(trace.tenant, n).tolist()
        self._tenant_part = [
            f'","tenant_id":{msgspec.json.encode(tenant.tenant_id).decode()},"at_us":'
            for tenant in conditions.tenants
        ]
        self._end_kind_of: list[int] = np.broadcast_to(trace.end_kind, n).tolist()
        self._end_parts = [f'"{_OUTCOMES[kind]},"at_us":' for kind in EndKind]
        self._hang_up_part = self._end_parts[EndKind.HUNG_UP]
        self._planned = _planned_lookups(trace, conditions.lookup_faults != ())

    def build(self, in_flight_before_us: int | None, in_flight: bool) -> Batch:
        """The next batch; empty when nothing can be sent before the one in flight is answered.

        ``in_flight_before_us`` is that batch's ``before_us``.
        """
        before_us = in_flight_before_us
        own_before_us: int | None = None
        items: list[Item] = []
        parts: list[str] = []
        stop: Item | None = None
        schedule, fate, most = self._schedule, self._record.fate, self._most_items
        waits = schedule.has_any_dependents
        last = False
        while len(items) < most:
            item = next(self._items, None)
            if item is None:
                last = True
                self._items = schedule.inserted()
                break
            at_us, kind, row = item
            if before_us is not None and at_us >= before_us:
                schedule.put_back()
                break
            if kind >= EXPIRE:
                if kind >= CHANGE:
                    stop = item
                    break
                if self._record.due_us(row) != at_us:
                    continue
                if items or in_flight:
                    schedule.put_back()
                    break
                self._record.expire(row, at_us)
                continue
            if kind != OFFER and fate[row] in REJECTED:
                continue
            if waits:
                earliest = schedule.earliest_dependent_us(item)
                if earliest is not None:
                    own_before_us = min(earliest, own_before_us or earliest)
                    before_us = min(earliest, before_us or earliest)
            items.append(item)
            parts.append(self._written(at_us, kind, row))
        body = f'{{"events":[{",".join(parts)}]}}'.encode() if parts else b""
        return Batch(items, body, own_before_us, stop, last)

    def _written(self, at_us: int, kind: int, row: int) -> str:
        if kind == OFFER:
            part = self._tenant_part[self._tenant_of[row]]
        elif kind == ACCEPT:
            lookup = self._planned(row, at_us)
            part = '","at_us":' if lookup is None else f'","lookup":"{lookup}","at_us":'
        elif kind == END:
            part = self._end_parts[self._end_kind_of[row]]
        elif kind > END:
            part = self._hang_up_part
        else:
            part = '","at_us":'
        return f"{self._heads[kind]}{row}{part}{at_us + self._offset_us}}}"


def _planned_lookups(trace: CallTrace, faulty: bool) -> Callable[[int, int], Lookup | None]:
    """What a fault decides for the accept of a row heard at an instant; None: the database."""
    if not faulty:
        return lambda _row, _at_us: None
    n = len(trace)
    plan = LookupPlan(trace.conditions)
    tenant_of: list[int] = np.broadcast_to(trace.tenant, n).tolist()
    draw_of: list[int] = np.broadcast_to(trace.lookup_draw, n).tolist()
    return lambda row, at_us: plan.planned(tenant_of[row], draw_of[row], at_us)
