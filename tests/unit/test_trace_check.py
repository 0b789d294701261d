"""A trace that contradicts itself is refused, with the row and what would be right."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.calls import Event, Lookup
from simulator.trace import (
    MAX_US,
    NEVER,
    AfterOn,
    CallTrace,
    Conditions,
    Deliveries,
    DeliveryAction,
    LimitsChange,
    LookupFault,
    TenantLimitsChange,
    TraceInvalid,
    TraceTenant,
)

MINUTE = 60_000_000


def conditions(**values: Any) -> Conditions:
    tenants = (TraceTenant("a", max_concurrent_calls=3, reserved_calls=2), TraceTenant("b"))
    return replace(Conditions(MINUTE, 5, tenants), **values)


def columns(**values: Any) -> dict[str, Any]:
    """Three rows: a call of a, its redial, a call of b; the shared columns have one value."""
    rows: dict[str, Any] = {
        "tenant": np.array([0, 0, 1], dtype=np.int32),
        "offer_us": np.array([5, NEVER, 9], dtype=np.int64),
        "setup_us": np.array([1], dtype=np.int64),
        "connect_us": np.array([1, 2, 3], dtype=np.int64),
        "hold_us": np.array([10, 20, 30], dtype=np.int64),
        "end_kind": np.array([0, 1, 2], dtype=np.int8),
        "refer_us": np.array([10, NEVER, 0], dtype=np.int64),
        "patience_us": np.array([NEVER], dtype=np.int64),
        "lookup_draw": np.array([0], dtype=np.uint32),
        "after": np.array([NEVER, 0, NEVER], dtype=np.int64),
        "after_on": np.array([0, AfterOn.REJECTED, 0], dtype=np.int8),
        "delay_us": np.array([0, 1, 0], dtype=np.int64),
        "attempt": np.array([0, 1, 0], dtype=np.int32),
    }
    for name, value in values.items():
        rows[name] = np.array(value, dtype=rows[name].dtype)
    return rows


def deliveries(*found: tuple[int, Event | int, DeliveryAction | int, int]) -> Deliveries:
    call, event, action, delay = zip(*found, strict=True)
    return Deliveries(
        np.array(call, dtype=np.int64),
        np.array(event, dtype=np.int8),
        np.array(action, dtype=np.int8),
        np.array(delay, dtype=np.int64),
    )


def test_a_sound_trace_is_taken() -> None:
    trace = CallTrace(
        conditions(),
        **columns(),
        deliveries=deliveries(
            (0, Event.OFFER, DeliveryAction.DOUBLED, 3_599_999_999),
            (0, Event.END, DeliveryAction.LOST, 0),
            (2, Event.ACCEPT, DeliveryAction.LATE, 7),
        ),
    )
    assert len(trace) == 3
    assert trace.column("setup_us").tolist() == [1, 1, 1]


def test_a_trace_without_calls_is_taken() -> None:
    nothing = {name: column[:0] for name, column in columns().items()}
    assert len(CallTrace(conditions(), **nothing)) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tenant": [0, 0, 2]}, "row 2: tenant must be 0 to 1"),
        ({"tenant": [-1, 0, 1]}, "row 0: tenant"),
        ({"offer_us": [9, NEVER, 5]}, "row 2: offer_us is smaller"),
        ({"offer_us": [5, 6, 9]}, "row 1: offer_us must be NEVER"),
        ({"offer_us": [5, NEVER, NEVER]}, "row 2: offer_us is missing"),
        ({"offer_us": [5, NEVER, MAX_US + 1]}, "row 2: offer_us must be"),
        ({"setup_us": [-1]}, "row 0: setup_us"),
        ({"connect_us": [0, 0, MAX_US + 1]}, "row 2: connect_us"),
        ({"hold_us": [10, -5, 30]}, "row 1: hold_us"),
        ({"hold_us": [10, 20]}, "hold_us has shape (2,)"),
        ({"hold_us": 10}, "hold_us has shape ()"),
        ({"end_kind": [3]}, "row 0: end_kind"),
        ({"refer_us": [NEVER, 21, NEVER]}, "row 1: refer_us lies beyond hold_us"),
        ({"refer_us": [11]}, "row 0: refer_us lies beyond hold_us"),
        ({"refer_us": [-2]}, "row 0: refer_us"),
        ({"patience_us": [0, 0, -2]}, "row 2: patience_us"),
        ({"after": [NEVER, 1, NEVER]}, "row 1: after must be NEVER or an earlier row"),
        ({"after": [NEVER, 2, NEVER]}, "row 1: after"),
        ({"after": [NEVER, -2, NEVER]}, "row 1: after"),
        ({"after": [0]}, "row 0: after"),
        ({"after_on": [0]}, "row 1: after and after_on must be set together"),
        ({"after_on": [0, 1, 2]}, "row 2: after and after_on must be set together"),
        ({"after_on": [0, 3, 0]}, "row 1: after_on"),
        ({"after": [NEVER], "offer_us": [5, 6, 7]}, "row 1: after_on is set"),
        ({"after": [NEVER], "after_on": [0]}, "row 1: offer_us is missing"),
        (
            {"after": [NEVER], "after_on": [0], "offer_us": [5, 7, 6]},
            "row 2: offer_us is smaller",
        ),
        ({"delay_us": [0]}, "row 1: delay_us of a dependent row"),
        ({"delay_us": [0, MAX_US + 1, 0]}, "row 1: delay_us of a dependent row"),
        ({"attempt": [0, -1, 0]}, "row 1: attempt"),
        ({"attempt": [0, 1, 1]}, "row 2: attempt must be 0"),
        ({"attempt": [0, 2, 0]}, "row 1: attempt of a redial must be one more"),
        ({"after_on": [0, 2, 0]}, "row 1: attempt must be 0"),
        (
            {"after": [NEVER], "after_on": [0], "offer_us": [5, 6, 7]},
            "row 1: attempt must be 0",
        ),
    ],
)
def test_a_broken_column_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceInvalid) as refused:
        CallTrace(conditions(), **columns(**changed))
    assert message in str(refused.value)


def test_a_column_of_the_wrong_type_is_refused() -> None:
    rows = columns()
    rows["hold_us"] = rows["hold_us"].astype(np.float64)
    with pytest.raises(TraceInvalid, match="hold_us is float64, it must be int64"):
        CallTrace(conditions(), **rows)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([(3, Event.END, 0, 0)], "delivery 0: call is not a row"),
        ([(-1, Event.END, 0, 0)], "delivery 0: call is not a row"),
        ([(0, Event.EXPIRE, 0, 0)], "delivery 0: unknown event"),
        ([(0, Event.END, 3, 0)], "delivery 0: unknown action"),
        ([(0, Event.END, DeliveryAction.LATE, -1)], "delivery 0: delay"),
        ([(1, Event.END, 0, 0), (0, Event.END, 0, 0)], "delivery 1: deliveries must be sorted"),
        ([(0, Event.END, 0, 0), (0, Event.END, 1, 0)], "delivery 1: deliveries must be sorted"),
        ([(0, Event.END, 0, 0), (0, Event.START, 0, 0)], "delivery 1: deliveries must be sorted"),
        ([(0, Event.OFFER, DeliveryAction.LATE, 1)], "delivery 0: an offer can only be doubled"),
        ([(0, Event.OFFER, DeliveryAction.LOST, 0)], "delivery 0: an offer can only be doubled"),
        (
            [(0, Event.OFFER, DeliveryAction.DOUBLED, 3_600_000_000)],
            "delivery 0: a doubled offer must come again within",
        ),
    ],
)
def test_a_broken_delivery_is_refused(
    found: list[tuple[int, Event, int, int]], message: str
) -> None:
    with pytest.raises(TraceInvalid) as refused:
        CallTrace(conditions(), **columns(), deliveries=deliveries(*found))
    assert message in str(refused.value)


def test_deliveries_of_unequal_length_are_refused() -> None:
    ragged = replace(deliveries((0, Event.END, 0, 0)), action=np.empty(0, dtype=np.int8))
    with pytest.raises(TraceInvalid, match=r"deliveries\.action"):
        CallTrace(conditions(), **columns(), deliveries=ragged)


def change(at_us: int, total: int | None = None, **tenants: TenantLimitsChange) -> LimitsChange:
    return LimitsChange(at_us, total, tenants)


FAULT = LookupFault(Lookup.ERROR, 0, MINUTE, 2**32)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"duration_us": 0}, "duration_us is 0"),
        ({"warm_up_us": MINUTE + 1}, "warm_up_us"),
        ({"max_concurrent_calls": 1}, "at the start: 2 calls are reserved"),
        ({"max_concurrent_calls": 10**9 + 1}, "max_concurrent_calls is 1000000001"),
        (
            {"tenants": (TraceTenant("b", max_concurrent_calls=10**30),)},
            "max_concurrent_calls of b is 1000000000000000000000000000000",
        ),
        (
            {"max_concurrent_calls": -1, "tenants": (TraceTenant("b"),)},
            "max_concurrent_calls is -1",
        ),
        ({"tenants": (TraceTenant("a"), TraceTenant("b"), TraceTenant("a"))}, "twice: ['a']"),
        ({"tenants": (TraceTenant("b"), TraceTenant("b", configured=False))}, "twice: ['b']"),
        ({"tenants": (TraceTenant("_unknown"),)}, "'_unknown' is reserved"),
        (
            {"tenants": (TraceTenant("a", max_concurrent_calls=1, reserved_calls=2),)},
            "a reserves 2 calls, more than its own limit of 1",
        ),
        ({"tenants": (TraceTenant("a", reserved_calls=-1),)}, "reserved_calls of a is -1"),
        (
            {"tenants": (TraceTenant("a", reserved_calls=6, enabled=False),)},
            "at the start: 6 calls are reserved",
        ),
        ({"pending_deadline_us": 0}, "pending_deadline_us is 0"),
        ({"checkpoints_us": (3, 3)}, "sorted and distinct"),
        ({"checkpoints_us": (4, 3)}, "sorted and distinct"),
        ({"checkpoints_us": (MINUTE,)}, "checkpoints must lie in"),
        ({"checkpoints_us": (-1,)}, "checkpoints must lie in"),
        ({"changes": (change(5, 1),)}, "after the change at 5 us: 2 calls are reserved"),
        ({"changes": (change(5), change(4))}, "sorted by time"),
        ({"changes": (change(-1),)}, "changes must lie in"),
        ({"changes": (change(MINUTE),)}, "changes must lie in"),
        ({"changes": (change(5, c=TenantLimitsChange()),)}, "'c' is not configured"),
        (
            {"changes": (change(5, a=TenantLimitsChange(max_concurrent_calls=1)),)},
            "a reserves 2 calls, more than its own limit of 1",
        ),
        (
            {
                "changes": (
                    change(5, b=TenantLimitsChange(reserved_calls=3)),
                    change(6, a=TenantLimitsChange(reserved_calls=3)),
                )
            },
            "after the change at 6 us: 6 calls are reserved",
        ),
        (
            {"changes": (change(5, a=TenantLimitsChange(max_concurrent_calls="none")),)},
            "'none', not 'unlimited'",
        ),
        ({"lookup_faults": (replace(FAULT, span=2**32 + 1),)}, "span must be"),
        ({"lookup_faults": (replace(FAULT, from_us=5, until_us=4),)}, "from_us <= until_us"),
        ({"lookup_faults": (replace(FAULT, tenants=("a", "z")),)}, "no tenant ['z']"),
    ],
)
def test_broken_conditions_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceInvalid) as refused:
        CallTrace(conditions(**changed), **columns(tenant=[0]))
    assert message in str(refused.value)


def test_limits_may_change_in_ways_that_hold_at_every_step() -> None:
    changes = (
        change(0, a=TenantLimitsChange(max_concurrent_calls="unlimited")),
        change(5, 9, a=TenantLimitsChange(reserved_calls=8)),
        change(5, a=TenantLimitsChange(enabled=False, reserved_calls=0, max_concurrent_calls=0)),
        change(7, 0),
    )
    unconfigured = TraceTenant("_unknown", configured=False, reserved_calls=99)
    tenants = (*conditions().tenants, unconfigured)
    kept = conditions(changes=changes, tenants=tenants, lookup_faults=(FAULT,), warm_up_us=MINUTE)
    assert len(CallTrace(kept, **columns())) == 3
