"""What the workers told, as one history on the master's clock, and as the fate of each row.

A worker's clock is known within an interval (:mod:`simulator.load.clocks`). A request is invoked no
earlier than the interval's lower edge says and completed no later than its upper edge says, so
every interval that was true on the worker's clock is true, if wider, on the master's. Whatever is
proven of the wider ones is proven.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from service.calls import Event, Outcome, Scope
from simulator.engines.limits import service_deadlines
from simulator.history import (
    CALL_OPS,
    HistoryDeadlines,
    HistoryHeader,
    Operation,
    OutcomeName,
    TenantLimits,
)
from simulator.load.answers import Answer
from simulator.load.coordinator import Batch
from simulator.results import CallLog, Fate
from simulator.trace import NEVER, CallTrace, Conditions, EndKind, Int64s

_END: Final = int(Event.END)
_HANGUP: Final = int(Event.HANGUP)
_OUTCOMES: Final[Mapping[int, OutcomeName]] = {
    EndKind.COMPLETED: "completed",
    EndKind.HUNG_UP: "hung_up",
    EndKind.FAILED: "failed",
}
_LAST_WORDS: Final = frozenset({"rejected", "ended", "abandoned"})
"""Decisions after which a call is over."""

UNTOLD: Final = "unreported"
"""The code of operations that nobody told of, and that may have been."""

_EVERY_KIND: Final = (1 << _END + 1) - 1

_SCOPES: Final = {scope.value: 1 << bit for bit, scope in enumerate(Scope)}
_REJECTED_FOR: Final = {
    "capacity": Fate.REJECTED_CAPACITY,
    "tenant_not_configured": Fate.REJECTED_TENANT,
    "instructions_missing": Fate.REJECTED_INSTRUCTIONS,
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What places a run in time and among other runs; instants are of the master's clock.

    Instants of the history are counted from ``origin_us``. Instant t of the trace is ``start_us +
    t / speed``. Call ids are ``prefix`` and the row.
    """

    prefix: str
    origin_us: int
    start_us: int
    speed: float


def header_of(
    conditions: Conditions, *, speed: float, url: str, about: Mapping[str, object]
) -> HistoryHeader:
    """The header of a run of a trace with these conditions at ``speed``."""
    return HistoryHeader(
        limit=conditions.max_concurrent_calls,
        tenants={
            tenant.tenant_id: TenantLimits(
                tenant.max_concurrent_calls, tenant.reserved_calls, tenant.enabled
            )
            for tenant in conditions.tenants
            if tenant.configured
        },
        deadlines=HistoryDeadlines(**asdict(service_deadlines(conditions, speed))),
        targets=(url,),
        about=dict(about),
    )


def operations_of(trace: CallTrace, batch: Batch, frame: Frame) -> Iterator[Operation]:
    """Every request of a batch, in the order in which they were completed."""
    tenant_of, end_of = trace.column("tenant"), trace.column("end_kind")
    to_low = batch.offset.low_us - frame.origin_us
    to_high = batch.offset.high_us - frame.origin_us
    for sent in batch.report.sent:
        answer = batch.report.answers[sent.answer]
        outcome: OutcomeName | None = None
        if sent.kind == _END:
            outcome = _OUTCOMES[int(end_of[sent.row])]
        elif sent.kind == _HANGUP:
            outcome = Outcome.HUNG_UP.value
        tenant = None if sent.kind else trace.conditions.tenants[int(tenant_of[sent.row])]
        yield Operation(
            op=CALL_OPS[min(sent.kind, _END)],
            call_id=f"{frame.prefix}{sent.row}",
            tenant_id=None if tenant is None else tenant.tenant_id,
            # The run began after ``origin_us``, however little is known of the clocks.
            invoke_us=max(0, sent.invoke_us + to_low),
            complete_us=max(0, sent.complete_us + to_high),
            result=answer.result,
            decision=answer.decision,
            reason=answer.reason,
            scopes=answer.scopes,
            fallback=answer.fallback,
            outcome=outcome,
            code=answer.code,
        )


def possible_of(
    trace: CallTrace, rows: Int64s, log: "RowLog", frame: Frame, *, start_us: int, earliest_us: int
) -> Iterator[Operation]:
    """What a worker may have done beside what it told, as requests without an answer.

    For a worker that went away, or of which a report was lost; ``rows`` are those of its share.
    No call is offered before it is due, where instant 0 of the trace was at ``start_us`` at the
    earliest; nothing is said of a call before what is known of it; and nothing that was not told
    was sent before ``earliest_us``. Both are of the master's clock. In order of ``invoke_us``; what
    is known by when an operation is taken is left out.
    """
    tenant_of, end_of = trace.column("tenant"), trace.column("end_kind")
    offer_us = trace.column("offer_us")[rows]
    refers = trace.column("refer_us") != NEVER
    due_us = start_us + np.rint(np.where(offer_us == NEVER, 0, offer_us) / frame.speed)
    since_us = np.maximum(np.maximum(due_us.astype(np.int64), log.last_us(rows)), earliest_us)
    for place in np.argsort(since_us, kind="stable"):
        row, invoke_us = int(rows[place]), int(since_us[place]) - frame.origin_us
        for kind in range(_END + 1):
            if log.knows(row, kind) or (kind == Event.REFER and not refers[row]):
                continue
            tenant = None if kind else trace.conditions.tenants[int(tenant_of[row])]
            yield Operation(
                op=CALL_OPS[kind],
                call_id=f"{frame.prefix}{row}",
                tenant_id=None if tenant is None else tenant.tenant_id,
                invoke_us=max(0, invoke_us),
                result="indefinite",
                outcome=_OUTCOMES[int(end_of[row])] if kind == _END else None,
                code=UNTOLD,
            )


class RowLog:
    """What became of each row as far as it was told, in a few numbers a row.

    A call counts as holding its slot only while it surely did: from the answer to its offer to the
    sending of what ended it. So occupancy and peaks are never overstated. Instants of the log are
    the trace's; ``start_us`` of the master's clock is its beginning.
    """

    def __init__(self, rows: int, *, start_us: int, speed: float) -> None:
        self._start_us, self._speed = start_us, speed
        # The STILL_ fates are the states of calls that live.
        self._fate = array("b", [int(Fate.NOT_MADE)]) * rows
        self._scopes = array("b", [0]) * rows
        self._offered, self._accepted, self._started, self._released, self._last = (
            array("q", [NEVER]) * rows for _ in range(5)
        )
        self._kinds = bytearray(rows)

    def note(self, batch: Batch) -> None:
        """Note what a worker told; its batches come in order."""
        to_low, to_high = batch.offset.low_us, batch.offset.high_us
        for sent in batch.report.sent:
            row, answer = sent.row, batch.report.answers[sent.answer]
            kind = min(sent.kind, _END)
            if answer.decision in _LAST_WORDS:
                self._kinds[row] |= _EVERY_KIND & (_EVERY_KIND << kind)
            elif answer.result in ("ok", "indefinite"):
                self._kinds[row] |= 1 << kind
            self._last[row] = max(self._last[row], sent.invoke_us + to_low)
            self._follow(
                row,
                sent.kind,
                answer,
                round((sent.complete_us + to_high - self._start_us) * self._speed),
                round((sent.invoke_us + to_low - self._start_us) * self._speed),
            )

    def last_us(self, rows: Int64s) -> Int64s:
        """When rows were last heard of, of the master's clock; a negative number if never."""
        return np.frombuffer(self._last, np.int64)[rows]

    def knows(self, row: int, kind: int) -> bool:
        """Whether an event of a row took effect, may at any time, or can no more.

        One that was refused or did not arrive may be sent again.
        """
        return bool(self._kinds[row] >> kind & 1)

    def log(self) -> CallLog:
        return CallLog(
            fate=np.array(self._fate, np.int8),
            scopes=np.array(self._scopes, np.int8),
            offered_us=np.array(self._offered, np.int64),
            accepted_us=np.array(self._accepted, np.int64),
            started_us=np.array(self._started, np.int64),
            released_us=np.array(self._released, np.int64),
        )

    def _follow(self, row: int, kind: int, answer: Answer, after_us: int, before_us: int) -> None:
        """An answer that came by ``after_us`` to a request sent no earlier than ``before_us``."""
        now, decision = self._fate[row], answer.decision
        after_us = max(after_us, 0)
        if kind == Event.OFFER and now == Fate.NOT_MADE and answer.result != "failed":
            if decision == "rejected" and answer.reason is not None:
                self._fate[row] = _REJECTED_FOR[answer.reason]
                self._scopes[row] = sum({_SCOPES[scope] for scope in answer.scopes})
                self._offered[row] = after_us
            elif decision == "admitted":
                self._fate[row], self._offered[row] = Fate.STILL_PENDING, after_us
        elif kind == Event.ACCEPT and now in (Fate.NOT_MADE, Fate.STILL_PENDING):
            if decision is not None and now == Fate.NOT_MADE:
                # The answer to the offer was lost, and this one says that it was admitted.
                self._offered[row] = after_us
            if decision == "accepted":
                self._fate[row], self._accepted[row] = Fate.STILL_ACCEPTED, after_us
            elif decision == "rejected":
                self._release(row, Fate.REJECTED_INSTRUCTIONS, before_us)
        elif kind == Event.START and decision == "started" and now == Fate.STILL_ACCEPTED:
            self._fate[row], self._started[row] = Fate.STILL_ACTIVE, after_us
        elif kind >= _END and now >= Fate.STILL_PENDING:
            if decision == "ended":
                self._release(row, Fate.ENDED, before_us)
            elif decision == "abandoned":
                early = now == Fate.STILL_PENDING
                fate = Fate.ABANDONED_PENDING if early else Fate.ABANDONED_ACCEPTED
                self._release(row, fate, before_us)

    def _release(self, row: int, fate: Fate, at_us: int) -> None:
        self._fate[row] = fate
        self._released[row] = max(at_us, self._offered[row])
