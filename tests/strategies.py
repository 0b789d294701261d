"""Traces for tests: a compact builder for hand-written ones, and drawn ones full of ties.

``make_trace(conditions, rows)`` writes a trace down row by row. ``draw_trace(rng)`` draws
conditions and calls on a coarse time grid; with a seeded ``random.Random`` it serves long seeded
runs, and ``traces()`` hands the same builder a random that Hypothesis controls and can shrink.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from hypothesis import strategies as st

from service.calls import Event, Lookup
from simulator.trace import (
    NEVER,
    AfterOn,
    CallTrace,
    Conditions,
    Deliveries,
    DeliveryAction,
    EndKind,
    LimitsChange,
    LookupFault,
    SharingPolicy,
    TenantLimitsChange,
    TraceTenant,
)

FULL_SPAN: Final = 2**32
"""A lookup fault of this span hits every accept in its window."""


@dataclass(frozen=True, slots=True)
class Row:
    """One call attempt, times in microseconds. ``offer`` NEVER and ``after`` set: a dependent."""

    offer: int = NEVER
    tenant: int = 0
    setup: int = 0
    connect: int = 0
    hold: int = 0
    end_kind: EndKind = EndKind.COMPLETED
    refer: int = NEVER
    patience: int = NEVER
    draw: int = 0
    after: int = NEVER
    after_on: AfterOn = AfterOn.NONE
    delay: int = 0
    attempt: int = 0
    deliveries: Mapping[Event, tuple[DeliveryAction, int]] = field(default_factory=dict)


def make_trace(conditions: Conditions, rows: Sequence[Row]) -> CallTrace:
    """A trace of exactly these rows, which must already stand in the order of a trace."""

    def column(name: str, dtype: type) -> np.ndarray:
        return np.array([getattr(row, name) for row in rows], dtype=dtype)

    delivered = [
        (call, int(event), int(action), delay)
        for call, row in enumerate(rows)
        for event, (action, delay) in sorted(row.deliveries.items())
    ]
    call, event, action, delay = zip(*delivered, strict=True) if delivered else ((), (), (), ())
    return CallTrace(
        conditions=conditions,
        tenant=column("tenant", np.int32),
        offer_us=column("offer", np.int64),
        setup_us=column("setup", np.int64),
        connect_us=column("connect", np.int64),
        hold_us=column("hold", np.int64),
        end_kind=column("end_kind", np.int8),
        refer_us=column("refer", np.int64),
        patience_us=column("patience", np.int64),
        lookup_draw=column("draw", np.uint32),
        after=column("after", np.int64),
        after_on=column("after_on", np.int8),
        delay_us=column("delay", np.int64),
        attempt=column("attempt", np.int32),
        deliveries=Deliveries(
            np.array(call, np.int64),
            np.array(event, np.int8),
            np.array(action, np.int8),
            np.array(delay, np.int64),
        ),
    )


def conditions(
    limit: int = 1,
    *tenants: TraceTenant,
    duration_us: int = 1000,
    drain: bool = True,
    warm_up_us: int = 0,
    deadlines: tuple[int | None, int | None, int | None] = (None, None, None),
    changes: Sequence[LimitsChange] = (),
    checkpoints: Sequence[int] = (),
    lookup_faults: Sequence[LookupFault] = (),
) -> Conditions:
    """Conditions for hand-written traces; without tenants there is one, ``acme``."""
    return Conditions(
        duration_us=duration_us,
        max_concurrent_calls=limit,
        tenants=tenants or (TraceTenant("acme"),),
        warm_up_us=warm_up_us,
        drain=drain,
        pending_deadline_us=deadlines[0],
        accepted_deadline_us=deadlines[1],
        active_deadline_us=deadlines[2],
        changes=tuple(changes),
        checkpoints_us=tuple(checkpoints),
        lookup_faults=tuple(lookup_faults),
    )


def _chance(rng: random.Random, percent: int) -> bool:
    # A low draw means no, so that shrinking a failing trace switches features off.
    return rng.randint(0, 99) >= 100 - percent


def _draw_tenants(rng: random.Random, limit: int) -> tuple[TraceTenant, ...]:
    spare = limit
    tenants = []
    for place in range(rng.randint(1, 4)):
        if _chance(rng, 12):
            # What is said of a tenant that is not configured must not matter.
            reserved = rng.randint(0, 2)
            tenants.append(
                TraceTenant(f"stranger-{place}", configured=False, reserved_calls=reserved)
            )
            continue
        cap = rng.randint(0, 4) if _chance(rng, 40) else None
        most = spare if cap is None else min(spare, cap)
        reserved = rng.randint(0, most) if _chance(rng, 40) else 0
        spare -= reserved
        tenants.append(
            TraceTenant(
                f"tenant-{place}",
                enabled=not _chance(rng, 8),
                max_concurrent_calls=cap,
                reserved_calls=reserved,
                instructions=not _chance(rng, 20),
                fallback=_chance(rng, 40),
            )
        )
    return tuple(tenants)


def _draw_tenant_change(
    rng: random.Random, tenant: TraceTenant, spare: int
) -> tuple[TenantLimitsChange, TraceTenant]:
    """A change of one tenant that keeps ``reserved <= cap`` and takes at most ``spare`` more."""
    cap = tenant.max_concurrent_calls
    change = TenantLimitsChange()
    if _chance(rng, 50):
        cap = rng.randint(0, 4) if _chance(rng, 60) else None
        change = replace(change, max_concurrent_calls="unlimited" if cap is None else cap)
    most = tenant.reserved_calls + spare
    if cap is not None:
        most = min(most, cap)
    reserved = tenant.reserved_calls
    if _chance(rng, 40) or reserved > most:
        reserved = rng.randint(0, most)
        change = replace(change, reserved_calls=reserved)
    enabled = tenant.enabled
    if _chance(rng, 25):
        enabled = not enabled
        change = replace(change, enabled=enabled)
    return change, replace(
        tenant, max_concurrent_calls=cap, reserved_calls=reserved, enabled=enabled
    )


def _draw_changes(
    rng: random.Random, limit: int, tenants: Sequence[TraceTenant], duration_us: int
) -> tuple[LimitsChange, ...]:
    now = {tenant.tenant_id: tenant for tenant in tenants if tenant.configured}
    changes = []
    for at_us in sorted(rng.randint(0, duration_us - 1) for _ in range(rng.randint(0, 4))):
        named = {}
        for tenant_id in now:
            if _chance(rng, 40):
                spare = limit - sum(tenant.reserved_calls for tenant in now.values())
                named[tenant_id], now[tenant_id] = _draw_tenant_change(rng, now[tenant_id], spare)
        new_limit = None
        if _chance(rng, 60):
            floor = sum(tenant.reserved_calls for tenant in now.values())
            limit = new_limit = rng.randint(floor, floor + 5)
        if named or new_limit is not None:
            changes.append(LimitsChange(at_us, new_limit, named))
    return tuple(changes)


def _draw_lookup_faults(
    rng: random.Random, tenants: Sequence[TraceTenant], duration_us: int
) -> tuple[LookupFault, ...]:
    faults = []
    left = FULL_SPAN
    for _ in range(rng.randint(0, 3)):
        first = rng.randint(0, duration_us)
        span = min(left, rng.choice([FULL_SPAN, FULL_SPAN // 2, FULL_SPAN // 4]))
        left -= span
        names = tuple(tenant.tenant_id for tenant in tenants if _chance(rng, 60))
        if span:
            faults.append(
                LookupFault(
                    rng.choice([Lookup.ERROR, Lookup.MISSING]),
                    first,
                    first + rng.randint(1, duration_us),
                    span,
                    names or None,
                )
            )
    return tuple(faults)


def draw_conditions(rng: random.Random) -> Conditions:
    """Conditions of a short run: few slots, every feature present now and then."""
    duration_us = rng.randint(5, 40)
    limit = 0 if _chance(rng, 3) else rng.randint(1, 7)
    tenants = _draw_tenants(rng, limit)

    def deadline() -> int | None:
        return rng.randint(1, 10) if _chance(rng, 25) else None

    points = {rng.randint(0, duration_us - 1) for _ in range(rng.randint(0, 5))}
    return Conditions(
        duration_us=duration_us,
        max_concurrent_calls=limit,
        tenants=tenants,
        warm_up_us=rng.randint(0, duration_us - 1) if _chance(rng, 30) else 0,
        drain=not _chance(rng, 30),
        pending_deadline_us=deadline(),
        accepted_deadline_us=deadline(),
        active_deadline_us=deadline(),
        changes=_draw_changes(rng, limit, tenants, duration_us) if _chance(rng, 50) else (),
        checkpoints_us=tuple(sorted(points)),
        lookup_faults=_draw_lookup_faults(rng, tenants, duration_us) if _chance(rng, 50) else (),
    )


def _draw_deliveries(rng: random.Random) -> dict[Event, tuple[DeliveryAction, int]]:
    deliveries = {}
    if _chance(rng, 10):
        deliveries[Event.OFFER] = (DeliveryAction.DOUBLED, rng.randint(0, 6))
    for event in (Event.ACCEPT, Event.START, Event.REFER, Event.END, Event.HANGUP):
        if _chance(rng, 25):
            action = rng.choice([DeliveryAction.LATE, DeliveryAction.DOUBLED, DeliveryAction.LOST])
            delay = 0 if action is DeliveryAction.LOST else rng.randint(0, 8)
            deliveries[event] = (action, delay)
    return deliveries


def _draw_call(rng: random.Random, *, tenant: int, faulty: bool) -> Row:
    setup, connect, hold = rng.randint(0, 4), rng.randint(0, 3), rng.randint(0, 10)
    return Row(
        tenant=tenant,
        setup=setup,
        connect=connect,
        hold=hold,
        end_kind=EndKind(rng.randint(0, 2)),
        refer=rng.randint(0, hold) if _chance(rng, 25) else NEVER,
        patience=rng.randint(0, 8) if _chance(rng, 30) else NEVER,
        draw=rng.choice([0, FULL_SPAN // 4, FULL_SPAN // 4 - 1, FULL_SPAN // 2, FULL_SPAN - 1]),
        deliveries=_draw_deliveries(rng) if faulty and _chance(rng, 50) else {},
    )


def draw_trace(rng: random.Random, most_calls: int = 24) -> CallTrace:
    """Conditions and calls on a grid of whole microseconds, so that most instants are shared."""
    settings = draw_conditions(rng)
    faulty = _chance(rng, 50)
    chained = _chance(rng, 60)
    late = 2 if _chance(rng, 10) else -1  # now and then an offer behind the end of the run
    starts = sorted(
        (rng.randint(0, settings.duration_us + late), rng.randint(0, len(settings.tenants) - 1))
        for _ in range(rng.randint(1, most_calls))
    )
    rows: list[Row] = []
    for offer, tenant in starts:
        first = len(rows)
        rows.append(replace(_draw_call(rng, tenant=tenant, faulty=faulty), offer=offer))
        links = rng.randint(0, 3) if chained and _chance(rng, 40) else 0
        for _ in range(links):
            # Mostly a chain; sometimes two rows wait for the same one.
            after = rng.randint(first, len(rows) - 1) if _chance(rng, 20) else len(rows) - 1
            redial = _chance(rng, 60)
            rows.append(
                replace(
                    _draw_call(rng, tenant=tenant, faulty=faulty),
                    after=after,
                    after_on=AfterOn.REJECTED if redial else AfterOn.FINISHED,
                    delay=rng.randint(1, 6),
                    attempt=rows[after].attempt + 1 if redial else 0,
                )
            )
    return make_trace(settings, rows)


def under_policy(rng: random.Random, trace: CallTrace, policy: SharingPolicy) -> CallTrace:
    """The same calls under another policy: nobody reserves slots, and what it goes by is drawn."""
    if policy is SharingPolicy.SHARED:
        return trace
    settings = trace.conditions
    reserves = policy is SharingPolicy.TRUNK_RESERVATION
    tenants = tuple(
        replace(
            tenant,
            reserved_calls=0,
            leave_free=rng.choice([0, 0, 1, 1, 2, 3, 9]) if reserves else 0,
            priority=0 if reserves else rng.choice([0, 1, 1, 2, 3]),
        )
        for tenant in settings.tenants
    )
    changes = tuple(
        replace(
            change,
            tenants={
                name: replace(edit, reserved_calls=None) for name, edit in change.tenants.items()
            },
        )
        for change in settings.changes
    )
    return replace(
        trace, conditions=replace(settings, policy=policy, tenants=tenants, changes=changes)
    )


def seeded_trace(seed: int, most_calls: int = 24) -> CallTrace:
    """The trace that belongs to a seed: for long runs that must be the same every time."""
    return draw_trace(random.Random(seed), most_calls)


def traces(most_calls: int = 24) -> st.SearchStrategy[CallTrace]:
    """Drawn traces under Hypothesis, which shrinks the draws of a failing one."""
    return st.builds(draw_trace, st.randoms(use_true_random=False), most_calls=st.just(most_calls))


def draw_under_policy(rng: random.Random, policy: SharingPolicy, most_calls: int = 24) -> CallTrace:
    """A drawn trace under a sharing policy."""
    return under_policy(rng, draw_trace(rng, most_calls), policy)


def traces_of_all_policies(most_calls: int = 24) -> st.SearchStrategy[CallTrace]:
    """Drawn traces like :func:`traces`, under any of the sharing policies."""
    return st.builds(
        draw_under_policy,
        st.randoms(use_true_random=False),
        st.sampled_from(SharingPolicy),
        most_calls=st.just(most_calls),
    )
