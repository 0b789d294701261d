"""What can be read of the call state; each document comes from one snapshot."""

from typing import Any

import msgspec

from service.api.answers import Reply
from service.api.debug_document import capacity_debug_document
from service.api.documents import capacity_document
from service.api.problems import ProblemError
from service.clock import Clock
from service.metrics import LiveMetricsStore
from service.state.base import CallState, CallView, HeldCalls, Snapshot


class Readings:
    """Reads for routes and lane. A method with a call id and a body is an endpoint of the lane."""

    def __init__(self, state: CallState, clock: Clock, *, testbed: bool, instance: str) -> None:
        self._instance = instance
        self._state = state
        self._clock = clock
        self._testbed = testbed
        self._store = LiveMetricsStore(state)
        self._debug_of: HeldCalls | None = None
        self._debug = Reply.of(b"")

    async def live(self, _call_id: str, _body: bytes) -> Reply:
        """The published figures over all tenants."""
        await self._settle()
        return Reply.of(msgspec.json.encode(await self._store.live()))

    async def live_for(self, tenant_id: str) -> bytes:
        """The published figures of one tenant. Raises a 404 :class:`ProblemError`."""
        await self._settle()
        figures = await self._store.live_for(tenant_id)
        if figures is None:
            raise ProblemError(
                404, f"tenant {tenant_id!r} is not configured", code="unknown_tenant"
            )
        return msgspec.json.encode(figures)

    async def capacity_debug(self, _call_id: str, _body: bytes) -> Reply:
        """The held calls, as published; not written anew while they are the same."""
        await self._settle()
        held = await self._state.held()
        if held is not self._debug_of:
            self._debug = Reply.of(capacity_debug_document(held))
            self._debug_of = held
        return self._debug

    async def capacity(self) -> dict[str, Any]:
        """Limits, slots and counters of everything."""
        # The call state hears of every change but those of instructions; the clock of all.
        now_us = self._clock.now_us()
        snapshot = await self.snapshot()
        at_us = max(now_us, snapshot.at_us)
        return capacity_document(snapshot, at_us, self._clock.kind, self._testbed, self._instance)

    async def snapshot(self) -> Snapshot:
        await self._settle()
        return await self._state.snapshot()

    async def call(self, call_id: str) -> CallView:
        """One call. Raises a 404 :class:`ProblemError`."""
        await self._settle()
        view = await self._state.call(call_id)
        if view is None:
            raise ProblemError(
                404, "no call of this id was offered, or it is forgotten", code="unknown_call"
            )
        return view

    async def _settle(self) -> None:
        """Apply the deadlines that fell due, before something is read.

        On the virtual clock no time passes between two events; and at a tie an event that is
        still to come wins over a deadline.
        """
        if self._clock.kind == "system":
            await self._state.advance(self._clock.now_us())
