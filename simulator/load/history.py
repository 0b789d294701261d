"""What the workers told, as one history on the master's clock, and as the fate of each row.

A worker's clock is known within an interval (:mod:`simulator.load.clocks`). A request is invoked no
earlier than the interval's lower edge says and completed no later than its upper edge says, so
every interval that was true on the worker's clock is true, if wider, on the master's. Whatever is
proven of the wider ones is proven.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Final

import numpy as np

from service.calls import SCOPE_SETS, Event, Outcome
from simulator.engines.limits import service_deadlines
from simulator.history import (
    CALL_OPS,
    CountersRead,
    HistoryDeadlines,
    HistoryHeader,
    InUseRead,
    Operation,
    OutcomeName,
    TenantLimits,
)
from simulator.load.answers import Answer
from simulator.load.coordinator import Batch
from simulator.results import CallLog, CheckpointState, Fate
from simulator.trace import NEVER, CallTrace, Conditions, EndKind

_END: Final = int(Event.END)
_HANGUP: Final = int(Event.HANGUP)
_OUTCOMES: Final[Mapping[int, OutcomeName]] = {
    EndKind.COMPLETED: "completed",
    EndKind.HUNG_UP: "hung_up",
    EndKind.FAILED: "failed",
}
_LAST_WORDS: Final = frozenset({"rejected", "ended", "abandoned"})
"""Decisions after which a call is over."""

_EVERY_KIND: Final = (1 << _END + 1) - 1

_SCOPES: Final = {scopes: mask for mask, scopes in enumerate(SCOPE_SETS)}
_REJECTED_FOR: Final = {
    "capacity": Fate.REJECTED_CAPACITY,
    "tenant_not_configured": Fate.REJECTED_TENANT,
    "instructions_missing": Fate.REJECTED_INSTRUCTIONS,
}


LONGEST_US: Final = 15_000_000
"""The ``timeout_us`` of a history: where it is cut off, what is missing was sent so late.

See :class:`simulator.load.gathering.Gathering`.
"""


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
        timeout_us=LONGEST_US,
        targets=(url,),
        about=dict(about),
    )


def operations_of(
    trace: CallTrace, batch: Batch, *, prefix: str, origin_us: int
) -> Iterator[Operation]:
    """Every request of a batch; instants since ``origin_us`` of the master's clock."""
    tenant_of, end_of = trace.column("tenant"), trace.column("end_kind")
    to_low, to_high = batch.offset.low_us - origin_us, batch.offset.high_us - origin_us
    for sent in batch.sent:
        answer = batch.answers[sent.answer]
        outcome: OutcomeName | None = None
        if sent.kind == _END:
            outcome = _OUTCOMES[int(end_of[sent.row])]
        elif sent.kind == _HANGUP:
            outcome = Outcome.HUNG_UP.value
        tenant = None if sent.kind else trace.conditions.tenants[int(tenant_of[sent.row])]
        yield Operation(
            op=CALL_OPS[min(sent.kind, _END)],
            call_id=f"{prefix}{sent.row}",
            tenant_id=None if tenant is None else tenant.tenant_id,
            # The run began after ``origin_us``, however little is known of the clocks.
            invoke_us=max(0, sent.invoke_us + to_low),
            complete_us=None if sent.complete_us is None else max(0, sent.complete_us + to_high),
            result=answer.result,
            decision=answer.decision,
            reason=answer.reason,
            scopes=answer.scopes,
            fallback=answer.fallback,
            outcome=outcome,
            code=answer.code,
        )


def unreported_of(
    trace: CallTrace,
    rows: Sequence[int],
    log: "RowLog",
    *,
    prefix: str,
    origin_us: int,
    earliest_us: int,
    due_us: Callable[[int], int],
) -> Iterator[Operation]:
    """What a worker may have done beside what it told, as requests without an answer.

    For a worker that went away, or of which a report was lost; ``rows`` are those of its share.
    No call is offered before it is due (``due_us`` of its offer's instant, at the earliest),
    nothing is said of a call before what is known of it, and nothing that was not told was sent
    before ``earliest_us``. Both are of the master's clock. In order of the instants.
    """
    tenant_of, end_of = trace.column("tenant"), trace.column("end_kind")
    offer_us = trace.column("offer_us")
    refers = trace.column("refer_us") != NEVER

    def since_us(row: int) -> int:
        known_us = log.last_us(row)
        return max(earliest_us, due_us(int(offer_us[row])) if known_us is None else known_us)

    for since, row in sorted((since_us(row), row) for row in rows):
        for kind in range(_END + 1):
            if log.knows(row, kind) or (kind == Event.REFER and not refers[row]):
                continue
            tenant = None if kind else trace.conditions.tenants[int(tenant_of[row])]
            yield Operation(
                op=CALL_OPS[kind],
                call_id=f"{prefix}{row}",
                tenant_id=None if tenant is None else tenant.tenant_id,
                invoke_us=max(0, since - origin_us),
                result="indefinite",
                outcome=_OUTCOMES[int(end_of[row])] if kind == _END else None,
                code="unreported",
            )


def read_of(
    state: CheckpointState,
    figures: Callable[[tuple[int, ...]], dict[str, int | float]],
    invoke_us: int,
    complete_us: int,
) -> Operation:
    """A reading of the service's figures as an operation."""
    assert state.counters is not None
    assert state.total_counters is not None
    total = state.total
    return Operation(
        op="read",
        invoke_us=invoke_us,
        complete_us=complete_us,
        counters=CountersRead(
            figures(state.total_counters),
            {name: figures(row) for name, row in state.counters.items()},
        ),
        in_use=InUseRead(
            total.pending + total.accepted,
            {name: held.pending + held.accepted for name, held in state.tenants.items()},
        ),
    )


def completed_us(operation: Operation) -> int:
    """When an operation was completed; without an answer, when it was sent."""
    return operation.invoke_us if operation.complete_us is None else operation.complete_us


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
        for sent in batch.sent:
            answer = batch.answers[sent.answer]
            self._kinds[sent.row] |= 1 << min(sent.kind, _END)
            if answer.decision in _LAST_WORDS:
                self._kinds[sent.row] = _EVERY_KIND
            self._last[sent.row] = sent.invoke_us + to_low
            complete_us = sent.invoke_us if sent.complete_us is None else sent.complete_us
            self._follow(
                sent.row,
                sent.kind,
                answer,
                round((complete_us + to_high - self._start_us) * self._speed),
                round((sent.invoke_us + to_low - self._start_us) * self._speed),
            )

    def last_us(self, row: int) -> int | None:
        """When a row was last heard of, of the master's clock; None if it never was."""
        return self._last[row] if self._kinds[row] else None

    def knows(self, row: int, kind: int) -> bool:
        """Whether an event of a row was told of, or can be no more."""
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
                self._scopes[row] = _SCOPES[answer.scopes]  # type: ignore[index]
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
