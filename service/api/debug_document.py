"""The published debug document, written quickly: it may hold ten thousand calls and be polled."""

from collections.abc import Sequence
from typing import Final

import msgspec

from service.state.base import HeldCalls

_ENCODER: Final = msgspec.json.Encoder()
_BEFORE_ID: Final = '{"call_id":'
_AFTER_ID: Final = ',"status":"RUNNING"}'


def capacity_debug_document(held: HeldCalls) -> bytes:
    """The calls that hold a slot as JSON, in the published order of fields."""
    encode = _ENCODER.encode
    accepted = encode(held.accepted)
    pending_count = encode(len(held.pending))
    # One join, because each concatenation would copy half a megabyte again.
    return b"".join(
        (
            b'{"active_count":',
            encode(len(held.active)),
            b',"active_calls":',
            *_active_calls(held.active, escaped=b"\\" in accepted),
            b',"accepted_count":',
            encode(len(held.accepted)),
            b',"accepted_call_ids":',
            accepted,
            b',"pending_count":',
            pending_count,
            b',"pending_call_ids":',
            encode(tuple(held.pending)),
            b',"pending_by_tenant_count":',
            encode({tenant_id: len(calls) for tenant_id, calls in held.pending_by_tenant.items()}),
            b',"pending_by_tenant":',
            encode(held.pending_by_tenant),
            b',"pending_tenant_by_call_id_count":',
            pending_count,
            b',"pending_tenant_by_call_id":',
            encode(held.pending),
            b"}",
        )
    )


def _active_calls(active: tuple[str, ...], *, escaped: bool) -> tuple[bytes, ...]:
    """The active calls as the pieces of a JSON list; ``escaped``: an id may need escapes.

    Encoding an object a call takes three times as long as joining the ids with what stands between
    them. Ids that JSON writes as they are can be joined right away; each escape has a backslash,
    so the accepted ids, the active ones among them, tell.
    """
    if not active:
        return (b"[]",)
    ids: Sequence[str] = active
    before, after = _BEFORE_ID + '"', '"' + _AFTER_ID
    if escaped:
        ids = _ENCODER.encode_lines(active)[:-1].decode().split("\n")
        before, after = _BEFORE_ID, _AFTER_ID
    calls = f"{after},{before}".join(ids).encode()
    return b"[", before.encode(), calls, after.encode(), b"]"
