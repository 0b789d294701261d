"""Call states whose steps can be taken apart, and those that let others in between."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from service.calls import US_PER_SECOND, Outcome, State
from service.lifecycle import TRANSITIONS, Input
from service.state.base import Answer, TenantPolicy
from service.state.ledgers import Ledgers
from service.state.memory import MemoryCore, MemoryState
from service.state.records import Ledger

PAUSE_S: Final = 0.02
"""How long a race stays open: long beside the time in which simultaneous requests arrive."""

WRITE_BEHIND_S: Final = 0.2
"""How long an event waits in a queue that others overtake."""

CACHE_US: Final = 60 * US_PER_SECOND


class _JudgedBefore(Ledgers):
    """Ledgers that can be told what to find, and can keep a slot back that was freed."""

    def __init__(self, limit: int, tenants: Mapping[str, TenantPolicy]) -> None:
        super().__init__(limit, tenants)
        self.judgement: int | None = None
        self.kept_back: list[Ledger] | None = None

    def full_scopes(self, ledger: Ledger) -> int:
        return super().full_scopes(ledger) if self.judgement is None else self.judgement

    def free_slot(self, ledger: Ledger) -> None:
        if self.kept_back is None:
            super().free_slot(ledger)
        else:
            self.kept_back.append(ledger)


class OpenCore(MemoryCore):
    """A core whose steps can be taken apart."""

    ledgers = _JudgedBefore
    _ledgers: _JudgedBefore

    def not_before(self, at_us: int) -> int:
        """The instant at which a request goes on that waited, since time went on meanwhile."""
        return max(at_us, self._at_us)

    def full_scopes(self, tenant_id: str) -> int:
        """What a check finds now; nothing full for a tenant that is not configured."""
        ledger = self._ledgers.configured(tenant_id)
        return 0 if ledger is None else self._ledgers.full_scopes(ledger)

    def offer_judged(self, call_id: str, tenant_id: str, full: int, at_us: int) -> Answer:
        self._ledgers.judgement = full
        try:
            return self.offer(call_id, tenant_id, at_us)
        finally:
            self._ledgers.judgement = None

    def offer_uncritically(self, tenant_id: str) -> Answer:
        """Decide and count an offer without asking whether its call is known."""
        ledger, move, answer = self._judge(tenant_id)
        self._ledgers.count(ledger, move)
        if move.takes_slot:
            self._ledgers.take_slot(ledger)
        else:
            self._count_decision(answer)
        return answer

    def end_keeping_slot(
        self, call_id: str, outcome: Outcome, at_us: int
    ) -> tuple[Answer, Sequence[Ledger]]:
        """End a call; the slots it held stay taken until :meth:`free_slots`."""
        kept_back: list[Ledger] = []
        self._ledgers.kept_back = kept_back
        try:
            return self.end(call_id, outcome, at_us), kept_back
        finally:
            self._ledgers.kept_back = None

    def free_slots(self, ledgers: Iterable[Ledger]) -> None:
        for ledger in ledgers:
            self._ledgers.free_slot(ledger)

    def free_slot_of(self, tenant_id: str) -> None:
        ledger = self._ledgers.configured(tenant_id)
        if ledger is not None:
            self._ledgers.free_slot(ledger)

    @property
    def limit(self) -> int:
        return self._ledgers.limit

    def offer_with_limit(self, call_id: str, tenant_id: str, limit: int, at_us: int) -> Answer:
        ledgers = self._ledgers
        in_force, ledgers.limit = ledgers.limit, limit
        try:
            return self.offer(call_id, tenant_id, at_us)
        finally:
            ledgers.limit = in_force


class OpenState(MemoryState):
    core: OpenCore

    def __init__(self, limit: int) -> None:
        super().__init__(OpenCore(limit))


class CheckThenAct(OpenState):
    async def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer:
        full = self.core.full_scopes(tenant_id)
        await asyncio.sleep(PAUSE_S)
        return self.core.offer_judged(call_id, tenant_id, full, self.core.not_before(at_us))


class FreedAfterTheAnswer(OpenState):
    """The slot goes back in a step of its own, which never comes if the request is cancelled."""

    async def end(self, call_id: str, outcome: Outcome, at_us: int) -> Answer:
        answer, kept_back = self.core.end_keeping_slot(call_id, outcome, at_us)
        await asyncio.sleep(PAUSE_S)
        self.core.free_slots(kept_back)
        return answer


class FreedByCancellation(OpenState):
    """A cancelled offer gives its slot back, though the call is held and will give it back too."""

    async def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer:
        known = self.core.call(call_id) is not None
        answer = self.core.offer(call_id, tenant_id, at_us)
        try:
            await asyncio.sleep(PAUSE_S)
        except asyncio.CancelledError:
            if not known and self.core.pending_tenant(call_id) is not None:
                self.core.free_slot_of(tenant_id)
            raise
        return answer


class RetriesCounted(OpenState):
    """Looks whether a call is known, and writes it down only after a while."""

    async def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer:
        known = self.core.call(call_id) is not None
        await asyncio.sleep(PAUSE_S)
        if known or self.core.call(call_id) is None:
            return self.core.offer(call_id, tenant_id, self.core.not_before(at_us))
        return self.core.offer_uncritically(tenant_id)


class OutOfOrder(OpenState):
    """Starts are answered at once and applied from a queue, which the other events overtake."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._queued: set[asyncio.Task[None]] = set()

    async def start(self, call_id: str, at_us: int) -> Answer:
        view = self.core.call(call_id)
        if view is None or view.state is not State.ACCEPTED:
            return self.core.start(call_id, at_us)
        task = asyncio.create_task(self._apply_late(call_id, at_us))
        self._queued.add(task)
        task.add_done_callback(self._queued.discard)
        await asyncio.sleep(0)
        return TRANSITIONS[State.ACCEPTED, Input.START].answer

    async def _apply_late(self, call_id: str, at_us: int) -> None:
        await asyncio.sleep(WRITE_BEHIND_S)
        self.core.start(call_id, self.core.not_before(at_us))


class StaleLimit(OpenState):
    """Reads the limit once a minute; a change is answered, shown, and not in force until then."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._cached = limit
        self._cached_us: int | None = None

    async def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer:
        if self._cached_us is None or at_us - self._cached_us >= CACHE_US:
            self._cached, self._cached_us = self.core.limit, at_us
        await asyncio.sleep(0)
        return self.core.offer_with_limit(
            call_id, tenant_id, self._cached, self.core.not_before(at_us)
        )
