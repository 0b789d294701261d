"""What can be read of the call state; each document comes from one snapshot."""

from collections import defaultdict
from typing import Any

import msgspec

from service.api.answers import Reply
from service.api.documents import capacity_document
from service.api.problems import ProblemError
from service.clock import Clock
from service.metrics import LiveMetricsStore
from service.state.base import CallState, CallView, HeldCalls, Snapshot


class Readings:
    """Reads for routes and lane. A method with a call id and a body is an endpoint of the lane."""

    def __init__(self, state: CallState, clock: Clock, *, testbed: bool) -> None:
        self._state = state
        self._clock = clock
        self._testbed = testbed
        self._store = LiveMetricsStore(state)

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
        """The held calls, as published."""
        await self._settle()
        return Reply.of(capacity_debug_document(await self._state.held()))

    async def capacity(self) -> dict[str, Any]:
        """Limits, slots and counters of everything."""
        return capacity_document(await self.snapshot(), self._clock.kind, self._testbed)

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


_ENCODER = msgspec.json.Encoder()


def capacity_debug_document(held: HeldCalls) -> bytes:
    """The published debug document as JSON.

    It may hold ten thousand calls and be polled, so the list of active calls is made from its
    encoded ids: an encoded string holds no newline, which makes a newline a safe separator.
    """
    encode = _ENCODER.encode
    by_tenant: defaultdict[str, list[str]] = defaultdict(list)
    for call_id, tenant_id in held.pending.items():
        by_tenant[tenant_id].append(call_id)
    rest = b',"status":"RUNNING"}'
    active = (
        _ENCODER.encode_lines(held.active)[:-1].replace(b"\n", rest + b',{"call_id":')
        if held.active
        else b""
    )
    # One join, because each concatenation would copy half a megabyte again.
    return b"".join(
        (
            b'{"active_count":',
            encode(len(held.active)),
            b',"active_calls":[',
            *((b'{"call_id":', active, rest) if active else ()),
            b'],"accepted_count":',
            encode(len(held.accepted)),
            b',"accepted_call_ids":',
            encode(held.accepted),
            b',"pending_count":',
            encode(len(held.pending)),
            b',"pending_call_ids":',
            encode(list(held.pending)),
            b',"pending_by_tenant_count":',
            encode({tenant_id: len(calls) for tenant_id, calls in by_tenant.items()}),
            b',"pending_by_tenant":',
            encode(by_tenant),
            b',"pending_tenant_by_call_id_count":',
            encode(len(held.pending)),
            b',"pending_tenant_by_call_id":',
            encode(held.pending),
            b"}",
        )
    )
