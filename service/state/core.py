"""The synchronous core of the call state: one process, every event in one step."""

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from service.calls import Counter, Lookup, Outcome, Reason, Scope, State
from service.lifecycle import (
    ACCEPT_INPUTS,
    CALL_MEMORY_FULL,
    END_INPUTS,
    OTHER_TENANT,
    REJECTED_CAPACITY,
    TRANSITIONS,
    UNKNOWN_CALL,
    WRONG_STATE,
    Input,
    Transition,
    Transitions,
    moves,
)
from service.state.base import (
    Answer,
    CallView,
    Deadlines,
    HeldCalls,
    LimitChange,
    Occupancy,
    Snapshot,
    TenantPolicy,
    TenantSnapshot,
    TenantUnknown,
)
from service.state.deadlines import NEVER_DUE, DeadlineWatch
from service.state.ledgers import Ledgers
from service.state.records import Call, Ledger

HOUR_US: Final = 3_600_000_000

# Reading a member off its class is a lookup through the metaclass; these are read for every event.
_PENDING: Final = State.PENDING
_ACCEPTED: Final = State.ACCEPTED
_ACTIVE: Final = State.ACTIVE


class MemoryCore:
    """Calls, slots and counters, as :class:`~service.state.base.CallState` without the waiting.

    Every method is one step: nothing can come between admission and counting. ``at_us`` must not
    decrease from one call to the next; the clock in front sees to that.

    A finished call is forgotten ``call_id_retention_us`` after it finished. While
    ``max_remembered_calls`` are remembered, held and finished ones together, new offers are
    refused and counted nowhere.

    Raises :class:`~service.state.base.LimitsInvalid` for limits that cannot be kept together, and
    for a tenant named ``_unknown``.
    """

    transitions: ClassVar[Transitions] = TRANSITIONS
    ledgers: ClassVar[type[Ledgers]] = Ledgers

    def __init__(
        self,
        max_concurrent_calls: int,
        *,
        tenants: Mapping[str, TenantPolicy] = MappingProxyType({}),
        deadlines: Deadlines = Deadlines(),  # noqa: B008 - frozen, and part of the signature
        call_id_retention_us: int = HOUR_US,
        max_remembered_calls: int = 1_000_000,
    ) -> None:
        self._ledgers = self.ledgers(max_concurrent_calls, tenants)
        self._at_us = 0
        self._retention_us = call_id_retention_us
        self._max_remembered = max_remembered_calls

        self._decisions: dict[tuple[Reason, tuple[Scope, ...]], int] = {}

        self._calls: dict[str, Call] = {}
        # The held calls in order of entry.
        self._pending: dict[str, str] = {}
        self._accepted: dict[str, None] = {}  # the active ones included
        self._active: dict[str, None] = {}
        # What :meth:`held` gave last, until a call enters or leaves a state that holds a slot.
        self._held: HeldCalls | None = None
        self._finished: deque[Call] = deque()

        self._deadlines = deadlines
        self._watch = None if deadlines == Deadlines() else DeadlineWatch(deadlines)
        # No deadline and no forgetting falls due before this instant.
        self._due_us = NEVER_DUE

        table = self.transitions
        self._admit = table[None, Input.OFFER_ADMITTED]
        self._reject_tenant = table[None, Input.OFFER_REJECTED_TENANT]
        self._reject_capacity = table[None, Input.OFFER_REJECTED_CAPACITY]
        self._on_accept = {
            lookup: tuple(
                moves(ACCEPT_INPUTS[lookup, fallback], table) for fallback in (False, True)
            )
            for lookup in Lookup
        }
        self._on_start = moves(Input.START, table)
        self._on_refer = moves(Input.REFER, table)
        self._on_end = {outcome: moves(what, table) for outcome, what in END_INPUTS.items()}
        self._on_expire = moves(Input.EXPIRE, table)

    # --- events -----------------------------------------------------------------------------

    def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer:
        self._at_us = at_us
        if at_us >= self._due_us:
            self._settle(at_us - 1, at_us)
        call = self._calls.get(call_id)
        if call is not None:
            return self._repeated_offer(call, tenant_id)
        if at_us >= self._due_us:
            # A repeat is no offer: only here do the deadlines of this same instant come first.
            self._settle(at_us, at_us)
        if len(self._calls) >= self._max_remembered:
            return CALL_MEMORY_FULL
        ledger, move, answer = self._judge(tenant_id)
        call = Call(call_id, tenant_id, ledger, move.to, answer, at_us)
        self._calls[call_id] = call
        self._ledgers.count(ledger, move)
        if move.takes_slot:
            self._ledgers.take_slot(ledger)
            ledger.pending_calls[call_id] = None
            self._pending[call_id] = tenant_id
            self._held = None
            if self._watch is not None:
                self._due_us = min(self._due_us, self._watch.enter(call, at_us))
        else:
            self._finished_at(call, at_us)
            self._count_decision(answer)
        return answer

    def accept(self, call_id: str, lookup: Lookup, at_us: int) -> Answer:
        self._at_us = at_us
        if at_us >= self._due_us:
            self._settle(at_us - 1, at_us)
        call = self._calls.get(call_id)
        if call is None:
            return UNKNOWN_CALL
        if call.accept_answer is not None:
            return call.accept_answer
        ledger = call.ledger
        move = self._on_accept[lookup][ledger.fallback_allowed].get(call.state)
        if move is None:
            return WRONG_STATE
        call.accept_answer = move.answer
        self._ledgers.count(ledger, move)
        if move.to is _ACCEPTED:
            del self._pending[call_id]
            del ledger.pending_calls[call_id]
            self._accepted[call_id] = None
            self._held = None
            call.accepted_us = at_us
            if self._watch is None:
                call.state = _ACCEPTED
            else:
                self._move_watched(self._watch, call, _ACCEPTED, at_us)
        else:
            self._finish(call, move, at_us)
            self._count_decision(move.answer)
        return move.answer

    def start(self, call_id: str, at_us: int) -> Answer:
        self._at_us = at_us
        if at_us >= self._due_us:
            self._settle(at_us - 1, at_us)
        call = self._calls.get(call_id)
        if call is None:
            return UNKNOWN_CALL
        if call.start_answer is not None:
            return call.start_answer
        move = self._on_start.get(call.state)
        if move is None:
            return WRONG_STATE
        call.start_answer = move.answer
        self._ledgers.count(call.ledger, move)
        self._active[call_id] = None
        self._held = None
        call.started_us = at_us
        if self._watch is None:
            call.state = move.to
        else:
            self._move_watched(self._watch, call, move.to, at_us)
        return move.answer

    def refer(self, call_id: str, at_us: int) -> Answer:
        self._at_us = at_us
        if at_us >= self._due_us:
            self._settle(at_us - 1, at_us)
        call = self._calls.get(call_id)
        if call is None:
            return UNKNOWN_CALL
        if call.refer_answer is not None:
            return call.refer_answer
        move = self._on_refer.get(call.state)
        if move is None:
            return WRONG_STATE
        call.refer_answer = move.answer
        self._ledgers.count(call.ledger, move)
        return move.answer

    def end(self, call_id: str, outcome: Outcome, at_us: int) -> Answer:
        self._at_us = at_us
        if at_us >= self._due_us:
            self._settle(at_us - 1, at_us)
        call = self._calls.get(call_id)
        if call is None:
            return UNKNOWN_CALL
        if call.end_answer is not None:
            return call.end_answer
        move = self._on_end[outcome].get(call.state)
        if move is None:
            return WRONG_STATE
        call.end_answer = move.answer
        self._ledgers.count(call.ledger, move)
        self._finish(call, move, at_us)
        return move.answer

    def advance(self, at_us: int) -> None:
        self._at_us = at_us
        if at_us >= self._due_us:
            self._settle(at_us, at_us)

    # --- the steps an event is made of --------------------------------------------------------

    def _repeated_offer(self, call: Call, tenant_id: str) -> Answer:
        return call.offer_answer if call.tenant_id == tenant_id else OTHER_TENANT

    def _judge(self, tenant_id: str) -> tuple[Ledger, Transition, Answer]:
        """What becomes of a new offer: the row it counts in, the transition, and the answer."""
        ledgers = self._ledgers
        ledger = ledgers.by_tenant.get(tenant_id)
        if ledger is None or not ledger.enabled:
            move = self._reject_tenant
            return ledgers.refused(tenant_id), move, move.answer
        full = ledgers.full_scopes(ledger)
        if full:
            return ledger, self._reject_capacity, REJECTED_CAPACITY[full]
        return ledger, self._admit, self._admit.answer

    def _count_decision(self, answer: Answer) -> None:
        if answer.reason is not None:
            key = answer.reason, answer.scopes
            self._decisions[key] = self._decisions.get(key, 0) + 1

    def _active_us(self, call: Call, at_us: int) -> int:
        """How long a call that ends now was active."""
        return at_us - call.started_us

    def _move_watched(self, watch: DeadlineWatch, call: Call, to: State, at_us: int) -> None:
        """Take a call from one state that holds a slot to the next, when there are deadlines."""
        watch.leave(call)
        call.state = to
        self._due_us = min(self._due_us, watch.enter(call, at_us))

    def _finish(self, call: Call, move: Transition, at_us: int) -> None:
        """Take a call that holds a slot to its final state."""
        ledger = call.ledger
        if call.state is _PENDING:
            del self._pending[call.call_id]
            del ledger.pending_calls[call.call_id]
        else:
            del self._accepted[call.call_id]
            if call.state is _ACTIVE:
                del self._active[call.call_id]
        self._held = None
        if self._watch is not None:
            self._watch.leave(call)
        if move.adds_active_time:
            self._ledgers.add_active_us(ledger, self._active_us(call, at_us))
        if move.frees_slot:
            self._ledgers.free_slot(ledger)
        call.state = move.to
        self._finished_at(call, at_us)

    def _finished_at(self, call: Call, at_us: int) -> None:
        call.finished_us = at_us
        self._finished.append(call)
        if at_us + self._retention_us < self._due_us:
            self._due_us = at_us + self._retention_us

    # --- deadlines and forgetting -------------------------------------------------------------

    def _settle(self, until_us: int, at_us: int) -> None:
        """Expire what fell due at or before ``until_us``, then forget what is old at ``at_us``."""
        next_us = NEVER_DUE
        if self._watch is not None:
            next_us, call = self._watch.earliest()
            while call is not None and next_us <= until_us:
                self._expire(call, next_us)
                next_us, call = self._watch.earliest()
        finished, retention_us = self._finished, self._retention_us
        while finished and at_us - finished[0].finished_us >= retention_us:
            self._forget(finished.popleft())
        if finished:
            next_us = min(next_us, finished[0].finished_us + retention_us)
        self._due_us = next_us

    def _expire(self, call: Call, due_us: int) -> None:
        move = self._on_expire[call.state]
        self._ledgers.count(call.ledger, move)
        self._finish(call, move, due_us)

    def _forget(self, call: Call) -> None:
        del self._calls[call.call_id]

    # --- limits and tenants -------------------------------------------------------------------

    def check_limits(self, change: LimitChange) -> None:
        self._ledgers.check(change)

    def check_tenant(self, tenant_id: str, policy: TenantPolicy) -> None:
        self._ledgers.check_tenant(tenant_id, policy)

    def change_limits(self, change: LimitChange, at_us: int) -> None:
        self._ledgers.check(change)
        self._begin_change(at_us)
        self._ledgers.apply(change)

    def put_tenant(self, tenant_id: str, policy: TenantPolicy, at_us: int) -> None:
        self._ledgers.check_tenant(tenant_id, policy)
        self._begin_change(at_us)
        self._ledgers.configure(tenant_id, policy)

    def remove_tenant(self, tenant_id: str, at_us: int) -> None:
        if self._ledgers.configured(tenant_id) is None:
            raise TenantUnknown(f"tenant {tenant_id!r} is not configured")
        self._begin_change(at_us)
        self._ledgers.configure(tenant_id, None)

    def _begin_change(self, at_us: int) -> None:
        self._at_us = at_us
        if at_us >= self._due_us:
            self._settle(at_us - 1, at_us)

    # --- reading ------------------------------------------------------------------------------

    def pending_tenant(self, call_id: str) -> str | None:
        return self._pending.get(call_id)

    def policies(self) -> dict[str, TenantPolicy]:
        return self._ledgers.policies()

    def call(self, call_id: str) -> CallView | None:
        call = self._calls.get(call_id)
        return None if call is None else call.view()

    def held(self) -> HeldCalls:
        held = self._held
        if held is None:
            held = self._held = HeldCalls(
                pending=self._pending.copy(),
                pending_by_tenant=self._ledgers.pending_calls(),
                accepted=tuple(self._accepted),
                active=tuple(self._active),
            )
        return held

    def snapshot(self) -> Snapshot:
        pending, total = len(self._pending), self._ledgers.total
        row = total.row()
        slots = Occupancy(pending, total.in_use - pending, row[Counter.ACTIVE_CALLS])
        return Snapshot(
            at_us=self._at_us,
            max_concurrent_calls=self._ledgers.limit,
            deadlines=self._deadlines,
            total=TenantSnapshot(None, slots, row),
            tenants=self._ledgers.snapshots(),
            decisions=dict(self._decisions),
        )

    def total_counters(self) -> tuple[int, ...]:
        return self._ledgers.total.row()

    def tenant_counters(self, tenant_id: str) -> tuple[int, ...] | None:
        ledger = self._ledgers.configured(tenant_id)
        return None if ledger is None else ledger.row()
