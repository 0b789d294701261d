"""What the call events do, from the body's bytes to the reply; routes and lane both call it."""

from service.api.answers import (
    CLOCK_BACKWARDS_ITEM,
    NO_VIRTUAL_CLOCK_ITEM,
    TICKED,
    Answers,
    Reply,
)
from service.api.events import (
    AcceptItem,
    EndItem,
    EventReader,
    OfferItem,
    ReferItem,
    StartItem,
    TickItem,
)
from service.calls import Lookup
from service.clock import Clock, ClockBackwards
from service.instructions import InstructionsCache
from service.state.base import Answer, CallState, Decision


class NoVirtualClock(Exception):
    """A tick came to a service that runs on the system clock."""


class CallHandlers:
    """The call events. Each method takes the request's body and gives the reply.

    They raise :class:`ProblemError`, or :class:`service.clock.ClockBackwards` for a time that has
    passed. Time is taken right before the state is asked, after any lookup, so that no event
    reaches the state with a time older than the last one.
    """

    def __init__(
        self, state: CallState, clock: Clock, cache: InstructionsCache, *, testbed: bool
    ) -> None:
        self._state = state
        self._clock = clock
        self._cache = cache
        self._virtual = clock.kind == "virtual"
        self._reader = EventReader(virtual=self._virtual, testbed=testbed)
        self._answers = Answers()

    async def offer(self, _call_id: str, body: bytes) -> Reply:
        event = self._reader.offer(body)
        return self._answers.reply(
            await self._offer(
                event.call_id, event.tenant_id, event.accept, event.lookup, event.at_us
            )
        )

    async def accept(self, call_id: str, body: bytes) -> Reply:
        event = self._reader.accept(body)
        return self._answers.reply(await self._accept(call_id, event.lookup, event.at_us))

    async def start(self, call_id: str, body: bytes) -> Reply:
        at_us = self._clock.take(self._reader.moment(body).at_us)
        return self._answers.reply(await self._state.start(call_id, at_us))

    async def refer(self, call_id: str, body: bytes) -> Reply:
        at_us = self._clock.take(self._reader.moment(body).at_us)
        return self._answers.reply(await self._state.refer(call_id, at_us))

    async def end(self, call_id: str, body: bytes) -> Reply:
        event = self._reader.end(body)
        at_us = self._clock.take(event.at_us)
        return self._answers.reply(await self._state.end(call_id, event.outcome, at_us))

    async def batch(self, _call_id: str, body: bytes) -> Reply:
        # Thousands of items come at once: names are bound before the loop, and each item's type
        # is asked for in the order of how often it comes.
        state, take, prepared = self._state, self._clock.take, self._answers.prepared
        items: list[bytes] = []
        for event in self._reader.batch(body):
            try:
                if type(event) is OfferItem:
                    answer = await (
                        self._offer(event.call_id, event.tenant_id, True, event.lookup, event.at_us)
                        if event.accept
                        else state.offer(event.call_id, event.tenant_id, take(event.at_us))
                    )
                elif type(event) is AcceptItem:
                    answer = await self._accept(event.call_id, event.lookup, event.at_us)
                elif type(event) is StartItem:
                    answer = await state.start(event.call_id, take(event.at_us))
                elif type(event) is EndItem:
                    answer = await state.end(event.call_id, event.outcome, take(event.at_us))
                elif type(event) is ReferItem:
                    answer = await state.refer(event.call_id, take(event.at_us))
                elif type(event) is TickItem:
                    answer = await self._tick(event.at_us)
            except ClockBackwards:
                items.append(CLOCK_BACKWARDS_ITEM)
            except NoVirtualClock:
                items.append(NO_VIRTUAL_CLOCK_ITEM)
            else:
                items.append(prepared(answer).item)
        return Reply.of(b'{"answers":[' + b",".join(items) + b"]}")

    async def _tick(self, at_us: int) -> Answer:
        if not self._virtual:
            raise NoVirtualClock
        await self._state.advance(self._clock.take(at_us))
        return TICKED

    async def _offer(
        self, call_id: str, tenant_id: str, accept: bool, planned: Lookup | None, at_us: int | None
    ) -> Answer:
        answer = await self._state.offer(call_id, tenant_id, self._clock.take(at_us))
        if not accept or answer.decision is not Decision.ADMITTED:
            return answer
        # One request, one instant, unless the lookup took so long that others moved the clock.
        lookup = planned or await self._lookup(call_id)
        return await self._state.accept(call_id, lookup, self._clock.now_us())

    async def _accept(self, call_id: str, planned: Lookup | None, at_us: int | None) -> Answer:
        lookup = planned or await self._lookup(call_id)
        return await self._state.accept(call_id, lookup, self._clock.take(at_us))

    async def _lookup(self, call_id: str) -> Lookup:
        tenant_id = await self._state.pending_tenant(call_id)
        if tenant_id is None:
            return Lookup.FOUND  # the call is not pending: whatever was found has no effect
        return self._cache.cached(tenant_id) or await self._cache.lookup(tenant_id)
