"""What the workers told, as one history on the master's clock, and as the fate of each row.

A worker's clock is known within an interval (:mod:`simulator.load.clocks`). A request is invoked no
earlier than the interval's lower edge says and completed no later than its upper edge says, so
every interval that was true on the worker's clock is true, if wider, on the master's. Whatever is
proven of the wider ones is proven.
"""

from collections.abc import Callable, Mapping, Sequence
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
from simulator.load.coordinator import Told
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

_SCOPES: Final = {scopes: mask for mask, scopes in enumerate(SCOPE_SETS)}
_REJECTED_FOR: Final = {
    "capacity": Fate.REJECTED_CAPACITY,
    "tenant_not_configured": Fate.REJECTED_TENANT,
    "instructions_missing": Fate.REJECTED_INSTRUCTIONS,
}


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


def operations_of(
    trace: CallTrace, told: Sequence[Told], *, prefix: str, origin_us: int
) -> list[Operation]:
    """Every request the workers told of; instants since ``origin_us`` of the master's clock."""
    tenant_of = trace.column("tenant").tolist()
    end_of = trace.column("end_kind").tolist()
    names = [tenant.tenant_id for tenant in trace.conditions.tenants]
    found = []
    for each in told:
        to_low, to_high = each.offset.low_us - origin_us, each.offset.high_us - origin_us
        for sent in each.sent:
            answer = each.answers[sent.answer]
            outcome: OutcomeName | None = None
            if sent.kind == _END:
                outcome = _OUTCOMES[end_of[sent.row]]
            elif sent.kind == _HANGUP:
                outcome = Outcome.HUNG_UP.value
            found.append(
                Operation(
                    op=CALL_OPS[min(sent.kind, _END)],
                    call_id=f"{prefix}{sent.row}",
                    tenant_id=None if sent.kind else names[tenant_of[sent.row]],
                    invoke_us=sent.invoke_us + to_low,
                    complete_us=None if sent.complete_us is None else sent.complete_us + to_high,
                    result=answer.result,
                    decision=answer.decision,
                    reason=answer.reason,
                    scopes=answer.scopes,
                    fallback=answer.fallback,
                    outcome=outcome,
                    code=answer.code,
                )
            )
    return found


def unreported_of(
    trace: CallTrace,
    told: Told,
    rows: Sequence[int],
    *,
    prefix: str,
    origin_us: int,
    start_us: int,
    speed: float,
) -> list[Operation]:
    """What a worker may have done beside what it told, as requests without an answer.

    For a worker that went away, or of which a report was lost; ``rows`` are those of its share. No
    call is offered before it is due, and nothing is said of a call before what is known of it.
    """
    tenant_of = trace.column("tenant")
    offer_us = trace.column("offer_us")
    refers = trace.column("refer_us") != NEVER
    end_of = trace.column("end_kind")
    known: dict[int, set[int]] = {}
    last_us: dict[int, int] = {}
    for sent in told.sent:
        known.setdefault(sent.row, set()).add(min(sent.kind, _END))
        last_us[sent.row] = sent.invoke_us + told.offset.low_us
        if told.answers[sent.answer].decision in _LAST_WORDS:
            known[sent.row].update(range(_END + 1))
    found = []
    for row in rows:
        planned_us = start_us + max(0, round(int(offer_us[row]) / speed))
        since_us = last_us.get(row, planned_us + told.offset.low_us - told.offset.high_us)
        for kind in range(_END + 1):
            if kind in known.get(row, ()) or (kind == Event.REFER and not refers[row]):
                continue
            found.append(
                Operation(
                    op=CALL_OPS[kind],
                    call_id=f"{prefix}{row}",
                    tenant_id=None
                    if kind
                    else trace.conditions.tenants[int(tenant_of[row])].tenant_id,
                    invoke_us=since_us - origin_us,
                    result="indefinite",
                    outcome=_OUTCOMES[int(end_of[row])] if kind == _END else None,
                    code="unreported",
                )
            )
    return found


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


def in_order(operations: Sequence[Operation]) -> list[Operation]:
    """In the order in which they were completed, those without an answer where they began."""
    return sorted(operations, key=_completed_us)


def _completed_us(operation: Operation) -> int:
    return operation.invoke_us if operation.complete_us is None else operation.complete_us


def call_log_of(trace: CallTrace, told: Sequence[Told], *, start_us: int, speed: float) -> CallLog:
    """What the answers say became of each row, in the trace's time.

    A call counts as holding its slot only while it surely did: from the answer to its offer to the
    sending of what ended it. So occupancy and peaks are never overstated.
    """
    n = len(trace)
    rows = _Rows(n)
    for each in told:
        begun, over = each.offset.high_us - start_us, each.offset.low_us - start_us
        for sent in each.sent:
            complete_us = sent.invoke_us if sent.complete_us is None else sent.complete_us
            rows.note(
                sent.row,
                sent.kind,
                each.answers[sent.answer],
                round((complete_us + begun) * speed),
                round((sent.invoke_us + over) * speed),
            )
    return rows.log()


class _Rows:
    """The columns of a log under way; the STILL_ fates are the states of calls that live."""

    def __init__(self, n: int) -> None:
        self._fate = [int(Fate.NOT_MADE)] * n
        self._scopes = [0] * n
        self._offered = [NEVER] * n
        self._accepted = [NEVER] * n
        self._started = [NEVER] * n
        self._released = [NEVER] * n

    def note(self, row: int, kind: int, answer: Answer, after_us: int, before_us: int) -> None:
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

    def log(self) -> CallLog:
        return CallLog(
            fate=np.array(self._fate, np.int8),
            scopes=np.array(self._scopes, np.int8),
            offered_us=np.array(self._offered, np.int64),
            accepted_us=np.array(self._accepted, np.int64),
            started_us=np.array(self._started, np.int64),
            released_us=np.array(self._released, np.int64),
        )

    def _release(self, row: int, fate: Fate, at_us: int) -> None:
        self._fate[row] = fate
        self._released[row] = max(at_us, self._offered[row])
