"""Whether a trace can be played at all: every rule that engines and oracle rely on.

Every check looks at a whole column at once. A message names the first offending row and says what
would be right.
"""

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from service.calls import UNKNOWN_TENANT, Event
from simulator.conditions import (
    CALL_MEMORY_US,
    MAX_US,
    MOST_CALLS,
    MOST_PRIORITY,
    NEVER,
    POLICY_OF,
    UNLIMITED,
    AfterOn,
    Conditions,
    DeliveryAction,
    EndKind,
    LimitsChange,
    SharingPolicy,
    TraceInvalid,
)

if TYPE_CHECKING:
    from simulator.trace import CallTrace

_SPAN: Final = 2**32

_FIRST_ATTEMPT: Final = "attempt must be 0: the row is no redial"

_DTYPES: Final = {
    "tenant": np.int32,
    "offer_us": np.int64,
    "setup_us": np.int64,
    "connect_us": np.int64,
    "hold_us": np.int64,
    "end_kind": np.int8,
    "refer_us": np.int64,
    "patience_us": np.int64,
    "lookup_draw": np.uint32,
    "after": np.int64,
    "after_on": np.int8,
    "delay_us": np.int64,
    "attempt": np.int32,
}


def check_trace(trace: "CallTrace") -> None:
    """Raises :class:`~simulator.conditions.TraceInvalid` with the first thing that is wrong."""
    check_conditions(trace.conditions)
    _check_shapes(trace)
    if len(trace):
        _check_values(trace)
        _check_order(trace)
    _check_deliveries(trace)


def _check_shapes(trace: "CallTrace") -> None:
    rows = len(trace)
    for name, dtype in _DTYPES.items():
        column = getattr(trace, name)
        if column.dtype != dtype:
            raise TraceInvalid(f"{name} is {column.dtype}, it must be {np.dtype(dtype)}")
        if column.shape != (rows,) and (column.shape != (1,) or name == "offer_us"):
            raise TraceInvalid(
                f"{name} has shape {column.shape}, it must be ({rows},) or, for one value, (1,)"
            )


def _check_values(trace: "CallTrace") -> None:
    tenants = len(trace.conditions.tenants)
    _in_range(trace, "tenant", 0, tenants - 1)
    for name in ("setup_us", "connect_us", "hold_us"):
        _in_range(trace, name, 0, MAX_US)
    for name in ("offer_us", "refer_us", "patience_us"):
        _in_range(trace, name, NEVER, MAX_US)
    _in_range(trace, "end_kind", 0, max(EndKind))
    _in_range(trace, "attempt", 0, np.iinfo(np.int32).max)
    if trace.refer_us.shape != (1,) or trace.refer_us[0] != NEVER:
        _none(trace.refer_us > trace.hold_us, "refer_us lies beyond hold_us")


def _check_order(trace: "CallTrace") -> None:
    """Independent rows in order of time, dependent ones behind their predecessors."""
    after, after_on = trace.after, trace.after_on
    if after.shape == (1,) and after[0] == NEVER:
        _none(after_on != AfterOn.NONE, "after_on is set, but the row has no predecessor")
        offers = trace.offer_us
        _none(offers < 0, "offer_us is missing in a row without a predecessor")
        _none(offers[1:] < offers[:-1], "offer_us is smaller than in the row before", first=1)
        _none(trace.attempt != 0, _FIRST_ATTEMPT)
        return
    rows = np.arange(len(trace))
    _none((after < NEVER) | (after >= rows), "after must be NEVER or an earlier row")
    depends = np.broadcast_to(after != NEVER, rows.shape)
    _in_range(trace, "after_on", 0, max(AfterOn))
    _none(depends != (after_on != AfterOn.NONE), "after and after_on must be set together")
    _none(depends & (trace.offer_us != NEVER), "offer_us must be NEVER in a dependent row")
    _none(~depends & (trace.offer_us < 0), "offer_us is missing in a row without a predecessor")
    badly_delayed = (trace.delay_us < 1) | (trace.delay_us > MAX_US)
    _none(depends & badly_delayed, f"delay_us of a dependent row must be 1 to {MAX_US}")
    _check_attempts(trace, np.broadcast_to(after, rows.shape))
    independent = np.flatnonzero(~depends)
    offers = trace.offer_us[independent]
    back = np.flatnonzero(offers[1:] < offers[:-1])
    if len(back):
        row = independent[back[0] + 1]
        raise TraceInvalid(f"row {row}: offer_us is smaller than in the row before that has one")


def _check_attempts(trace: "CallTrace", after: npt.NDArray[np.int64]) -> None:
    """Redials count on from their predecessors; everything else is a first attempt."""
    attempt = np.broadcast_to(trace.attempt, after.shape)
    redials = np.broadcast_to(trace.after_on, after.shape) == AfterOn.REJECTED
    _none(~redials & (attempt != 0), _FIRST_ATTEMPT)
    gap = redials & (attempt != attempt[after] + 1)
    _none(gap, "attempt of a redial must be one more than its predecessor's")


def _check_deliveries(trace: "CallTrace") -> None:
    found = trace.deliveries
    for name, dtype in (("call", np.int64), ("event", np.int8), ("action", np.int8)):
        column = getattr(found, name)
        right = column.dtype == dtype and column.shape == found.delay_us.shape == (len(found),)
        _need(right, f"deliveries.{name} must be {np.dtype(dtype)} of shape ({len(found)},)")
    _need(found.delay_us.dtype == np.int64, "deliveries.delay_us must be int64")
    if not len(found):
        return
    what = "delivery"
    _none((found.call < 0) | (found.call >= len(trace)), "call is not a row", what)
    _none((found.event < Event.OFFER) | (found.event > Event.HANGUP), "unknown event", what)
    _none((found.action < 0) | (found.action > max(DeliveryAction)), "unknown action", what)
    _none((found.delay_us < 0) | (found.delay_us > MAX_US), f"delay must be 0 to {MAX_US}", what)
    key = found.call * len(Event) + found.event
    _none(key[1:] <= key[:-1], "deliveries must be sorted by (call, event), none twice", what, 1)
    offers = found.event == Event.OFFER
    doubled = found.action == DeliveryAction.DOUBLED
    _none(offers & ~doubled, "an offer can only be doubled", what)
    late = offers & (found.delay_us >= CALL_MEMORY_US)
    _none(late, f"a doubled offer must come again within {CALL_MEMORY_US} us", what)


def _in_range(trace: "CallTrace", name: str, low: int, high: int) -> None:
    column = getattr(trace, name)
    # The row is only looked for once it is known that there is one.
    if int(column.min()) < low or int(column.max()) > high:
        _none((column < low) | (column > high), f"{name} must be {low} to {high}")


def _none(wrong: npt.NDArray[Any], message: str, what: str = "row", first: int = 0) -> None:
    """Raises for the first true place of ``wrong``, whose places count from ``first``."""
    if wrong.any():
        raise TraceInvalid(f"{what} {int(wrong.argmax()) + first}: {message}")


def _need(holds: bool, message: str) -> None:
    if not holds:
        raise TraceInvalid(message)


# --- conditions -----------------------------------------------------------------------------


def check_conditions(conditions: Conditions) -> None:
    """Raises :class:`~simulator.conditions.TraceInvalid` with the first thing that is wrong."""
    duration = conditions.duration_us
    _need(0 < duration <= MAX_US, f"duration_us is {duration}, it must be 1 to {MAX_US}")
    warm_up = conditions.warm_up_us
    _need(0 <= warm_up <= duration, f"warm_up_us is {warm_up}, it must be 0 to {duration}")
    ids = [tenant.tenant_id for tenant in conditions.tenants]
    twice = [tenant_id for tenant_id, count in Counter(ids).items() if count > 1]
    _need(not twice, f"tenant ids must be distinct, these are there twice: {twice}")
    _need(
        UNKNOWN_TENANT not in conditions.configured_ids,
        f"tenant id {UNKNOWN_TENANT!r} is reserved for tenants that are not configured",
    )
    for name in ("pending_deadline_us", "accepted_deadline_us", "active_deadline_us"):
        deadline = getattr(conditions, name)
        _need(
            deadline is None or 1 <= deadline <= MAX_US,
            f"{name} is {deadline}, it must be 1 to {MAX_US} or None",
        )
    _check_policy(conditions)
    _check_limits(conditions)
    _check_checkpoints(conditions)
    for fault in conditions.lookup_faults:
        _need(0 <= fault.span <= _SPAN, f"{fault}: span must be 0 to 2**32")
        _need(0 <= fault.from_us <= fault.until_us, f"{fault}: 0 <= from_us <= until_us")
        unknown = set(fault.tenants or ()) - set(ids)
        _need(not unknown, f"{fault}: there is no tenant {sorted(unknown)}")


def _check_policy(conditions: Conditions) -> None:
    """What belongs to one policy must not stand under another."""
    for tenant in conditions.tenants:
        for name, needed in POLICY_OF.items():
            value = getattr(tenant, name)
            _need(
                value == 0 or conditions.policy == needed,
                f"{name} of {tenant.tenant_id} is {value}, that needs the policy {needed}, "
                f"not {conditions.policy}",
            )
            most = MOST_PRIORITY if name == "priority" else MOST_CALLS
            _need(
                0 <= value <= most,
                f"{name} of {tenant.tenant_id} is {value}, it must be 0 to {most}",
            )
    for change in conditions.changes:
        for tenant_id, values in change.tenants.items():
            _need(
                not values.reserved_calls or conditions.policy == SharingPolicy.SHARED,
                f"after the change at {change.at_us} us: {tenant_id} reserves calls, that needs "
                f"the policy {SharingPolicy.SHARED}, not {conditions.policy}",
            )


def _check_checkpoints(conditions: Conditions) -> None:
    checkpoints = conditions.checkpoints_us
    rising = all(early < late for early, late in pairwise(checkpoints))
    _need(rising, "checkpoints must be sorted and distinct")
    inside = all(0 <= at < conditions.duration_us for at in checkpoints)
    _need(inside, f"checkpoints must lie in [0, {conditions.duration_us})")


def _check_limits(conditions: Conditions) -> None:
    """Replays the changes and looks at the limits as they start and after each change."""
    limit = conditions.max_concurrent_calls
    configured = [tenant for tenant in conditions.tenants if tenant.configured]
    caps = {tenant.tenant_id: tenant.max_concurrent_calls for tenant in configured}
    reserved = {tenant.tenant_id: tenant.reserved_calls for tenant in configured}
    _check_one_state("at the start", limit, caps, reserved)
    previous = 0
    for change in conditions.changes:
        when = f"after the change at {change.at_us} us"
        inside = 0 <= change.at_us < conditions.duration_us
        _need(inside, f"{when}: changes must lie in [0, {conditions.duration_us})")
        _need(previous <= change.at_us, f"{when}: changes must be sorted by time")
        previous = change.at_us
        if change.max_concurrent_calls is not None:
            limit = change.max_concurrent_calls
        _apply_tenants(change, when, caps, reserved)
        _check_one_state(when, limit, caps, reserved)


def _apply_tenants(
    change: LimitsChange, when: str, caps: dict[str, int | None], reserved: dict[str, int]
) -> None:
    for tenant_id, values in change.tenants.items():
        _need(tenant_id in caps, f"{when}: tenant {tenant_id!r} is not configured")
        cap = values.max_concurrent_calls
        if isinstance(cap, str):
            _need(cap == UNLIMITED, f"{when}: {tenant_id}'s cap is {cap!r}, not {UNLIMITED!r}")
            caps[tenant_id] = None
        elif cap is not None:
            caps[tenant_id] = cap
        if values.reserved_calls is not None:
            reserved[tenant_id] = values.reserved_calls


def _check_one_state(
    when: str, limit: int, caps: dict[str, int | None], reserved: dict[str, int]
) -> None:
    most = f"it must be 0 to {MOST_CALLS}"
    _need(0 <= limit <= MOST_CALLS, f"{when}: max_concurrent_calls is {limit}, {most}")
    for tenant_id, cap in caps.items():
        _need(
            cap is None or cap <= MOST_CALLS,
            f"{when}: max_concurrent_calls of {tenant_id} is {cap}, {most}",
        )
        kept = reserved[tenant_id]
        _need(kept >= 0, f"{when}: {tenant_id} reserves {kept} calls, it must be >= 0")
        _need(
            cap is None or cap >= max(kept, 0),
            f"{when}: {tenant_id} reserves {kept} calls, more than its own limit of {cap}",
        )
    total = sum(reserved.values())
    _need(
        total <= limit,
        f"{when}: {total} calls are reserved, more than max_concurrent_calls = {limit}",
    )
