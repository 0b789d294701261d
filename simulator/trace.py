"""The call trace: every call attempt of a run as a struct of arrays.

A trace fixes everything that chance decides, so that every engine given the same trace must give
the same answer. It is checked when it is built. What it is played against is in
:mod:`simulator.conditions`, whose names can be had from here as well.
"""

import hashlib
from dataclasses import dataclass, field, fields
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from service.calls import Event
from simulator.conditions import (
    MAX_US,
    NEVER,
    AfterOn,
    Conditions,
    DeliveryAction,
    EndKind,
    LimitsChange,
    LookupFault,
    SharingPolicy,
    TenantLimitsChange,
    TraceInvalid,
    TraceTenant,
)
from simulator.trace_check import check_trace

__all__ = [
    "DELIVERY_COLUMNS",
    "MAX_US",
    "NEVER",
    "ROW_COLUMNS",
    "ROW_EVENTS",
    "AfterOn",
    "CallTrace",
    "Conditions",
    "Deliveries",
    "DeliveryAction",
    "EndKind",
    "Int8s",
    "Int32s",
    "Int64s",
    "LimitsChange",
    "LookupFault",
    "SharingPolicy",
    "TenantLimitsChange",
    "TraceInvalid",
    "TraceTenant",
    "UInt32s",
    "no_deliveries",
    "trace_hash",
]

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Int8s = npt.NDArray[np.int8]
UInt32s = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class Deliveries:
    """What happens to single events on their way; rows sorted by (call, event), none twice.

    Shapes (d,): ``call`` int64 trace row, ``event`` int8 (:class:`Event`, OFFER to HANGUP; an offer
    can only be doubled), ``action`` int8 (:class:`DeliveryAction`), ``delay_us`` int64 >= 0.
    """

    call: Int64s
    event: Int8s
    action: Int8s
    delay_us: Int64s

    def __len__(self) -> int:
        return len(self.call)


def no_deliveries() -> Deliveries:
    return Deliveries(
        np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0, np.int8), np.empty(0, np.int64)
    )


@dataclass(frozen=True, slots=True, eq=False)
class CallTrace:
    """n call attempts. Every column has shape (n,), or (1,) when all rows share one value.

    Rows stand in this order: independent rows by (offer_us, tenant place, index within tenant),
    and behind each one its chain of dependents, so a predecessor always stands before its row.

    A call's life, counted from the instant it is offered: the accept is due after ``setup_us``, the
    start ``connect_us`` later, the referral ``refer_us`` after the start (NEVER: none; at most
    ``hold_us``), the end ``hold_us`` after the start. With ``patience_us`` (NEVER: endless) smaller
    than ``setup_us + connect_us`` the caller hangs up at ``patience_us``: then there is no start,
    referral or end, and an accept only when ``setup_us <= patience_us``. Nothing more happens after
    a rejection. ``Deliveries`` change when (and whether) the service hears of an event, never when
    it is due; once an end, a hang-up or an expiry was *heard*, later events still arrive and change
    nothing.
    """

    conditions: Conditions
    tenant: Int32s
    """Place in ``conditions.tenants``."""
    offer_us: Int64s
    """Instant of the offer; NEVER for a dependent row."""
    setup_us: Int64s
    connect_us: Int64s
    hold_us: Int64s
    end_kind: Int8s
    refer_us: Int64s
    patience_us: Int64s
    lookup_draw: UInt32s
    """What the accept draws against ``conditions.lookup_faults``."""
    after: Int64s
    """Predecessor row, or NEVER."""
    after_on: Int8s
    delay_us: Int64s
    """From the predecessor's rejection or finish to this offer; >= 1 for dependent rows."""
    attempt: Int32s
    """0 for a first attempt (every call of a finite source is one), k for the k-th redial."""
    deliveries: Deliveries = field(default_factory=no_deliveries)

    def __post_init__(self) -> None:
        """Raises :class:`TraceInvalid` when the trace contradicts itself."""
        check_trace(self)

    def __len__(self) -> int:
        return len(self.offer_us)

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column as shape (n,) whether or not its rows share one value; not to be written to."""
        return np.broadcast_to(getattr(self, name), (len(self),))


ROW_COLUMNS: Final = tuple(
    each.name for each in fields(CallTrace) if each.name not in ("conditions", "deliveries")
)
"""The names of the columns of a trace."""

DELIVERY_COLUMNS: Final = tuple(each.name for each in fields(Deliveries))


def trace_hash(trace: CallTrace) -> str:
    """SHA-256 (hex) over conditions, columns and deliveries: equal for traces that play alike.

    A column whose rows are all equal counts as its one value, however it is stored.
    """
    digest = hashlib.sha256(_conditions_json(trace.conditions))
    digest.update(len(trace).to_bytes(8, "little"))
    columns = [(name, getattr(trace, name)[: len(trace)]) for name in ROW_COLUMNS]
    columns += [(name, getattr(trace.deliveries, name)) for name in DELIVERY_COLUMNS]
    for name, column in columns:
        values = column[:1] if len(column) and (column == column[0]).all() else column
        digest.update(f"{name} {column.dtype.str} {len(values)}\n".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _conditions_json(conditions: Conditions) -> bytes:
    """Conditions as JSON. What says nothing under the shared policy is left out, so that the hash
    of a trace stays what it was before there were other policies."""
    document: dict[str, Any] = msgspec.to_builtins(conditions, order="deterministic")
    if conditions.policy == SharingPolicy.SHARED:
        del document["policy"]
        for tenant in document["tenants"]:
            del tenant["leave_free"], tenant["priority"]
    return msgspec.json.encode(document)


ROW_EVENTS: Final = (
    Event.OFFER,
    Event.ACCEPT,
    Event.START,
    Event.REFER,
    Event.END,
    Event.HANGUP,
)
"""The events a row can have, in their order at one instant."""
