"""One trace played at many limits at once, and when that can be done.

The answers are those of :class:`simulator.kernel.KernelRun` at each limit, to the last microsecond.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.compiled import compile_kernel
from simulator.planning import ladder_core
from simulator.results import CallLog, Fate
from simulator.statistics import ServiceSums, WindowSums, tenant_rows
from simulator.trace import NEVER, CallTrace, Conditions, Int64s, TraceTenant

_BEYOND: Final = 1 << 62
_MOST_CELLS: Final = 1 << 25
"""Offers times limits of one pass: a byte each."""


@dataclass(frozen=True, slots=True, eq=False)
class Offers:
    """The offers of a trace that ask for a slot, in order, and all that limits cannot change.

    Shapes (n,) but ``release_order`` (m,); see :func:`simulator.planning.ladder_core.walk`.
    ``offered`` and ``served``, shape (rows, intervals): offers in each clock interval, and those
    of tenants that may call.
    """

    offer_us: Int64s
    release_us: Int64s
    place: npt.NDArray[np.int32]
    interval: npt.NDArray[np.int32]
    release_order: npt.NDArray[np.int32]
    offered: Int64s
    served: Int64s


def stands_alone(trace: CallTrace) -> bool:
    """Whether no call of the trace depends on the fate of another, under rules known here.

    Redials and finite sources depend on it, and so do changes of limits on the way. Conditions
    with anything but limits, caps and reservations are left to the kernel.
    """
    if (trace.after != NEVER).any() or trace.attempt.any():
        return False
    return knows_rules(trace.conditions)


def knows_rules(conditions: Conditions) -> bool:
    """Whether conditions have nothing but limits, caps and reservations in them."""
    known = Conditions(
        duration_us=conditions.duration_us,
        max_concurrent_calls=conditions.max_concurrent_calls,
        tenants=tuple(
            TraceTenant(
                each.tenant_id,
                each.configured,
                each.enabled,
                each.max_concurrent_calls,
                each.reserved_calls,
                each.instructions,
                each.fallback,
            )
            for each in conditions.tenants
        ),
        warm_up_us=conditions.warm_up_us,
        drain=conditions.drain,
        pending_deadline_us=conditions.pending_deadline_us,
        accepted_deadline_us=conditions.accepted_deadline_us,
        active_deadline_us=conditions.active_deadline_us,
        lookup_faults=conditions.lookup_faults,
    )
    return known == conditions


def offers_of(trace: CallTrace, free: CallLog, interval_us: int) -> Offers:
    """The offers of a trace that :func:`stands_alone`.

    ``free`` is the log of the trace played where there is always room, ``interval_us`` the length
    of a clock interval.
    """
    conditions = trace.conditions
    names, row_of_place = tenant_rows(conditions)
    intervals = -(-conditions.duration_us // interval_us)
    made = free.fate != Fate.NOT_MADE
    asking = np.flatnonzero(made & (free.fate != Fate.REJECTED_TENANT))
    tenant = np.broadcast_to(trace.tenant, len(trace))
    in_window = made & (free.offered_us >= conditions.warm_up_us)
    cell = row_of_place[tenant] * intervals + free.offered_us // interval_us
    shape = (len(names), intervals)
    size = len(names) * intervals
    offered = np.bincount(cell[in_window], minlength=size).reshape(shape)
    wanted = asking[in_window[asking]]
    served = np.bincount(cell[wanted], minlength=size).reshape(shape)
    offer_us = np.ascontiguousarray(free.offered_us[asking])
    released = free.released_us[asking]
    release_us = np.where(released == NEVER, _BEYOND, released)
    frees = np.flatnonzero((release_us > offer_us) & (release_us < conditions.duration_us))
    return Offers(
        offer_us=offer_us,
        release_us=release_us,
        place=np.ascontiguousarray(tenant[asking], np.int32),
        interval=np.where(in_window[asking], offer_us // interval_us, -1).astype(np.int32),
        # The order of releases at one instant changes nothing.
        release_order=frees[np.argsort(release_us[frees])].astype(np.int32),
        offered=offered,
        served=served,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Rung:
    """One trace at one limit: the sums, and the capacity rejections, shape (rows, intervals)."""

    sums: WindowSums
    lost: Int64s


def climb(conditions: Conditions, offers: Offers, limits: Sequence[int]) -> list[Rung]:
    """Play the offers at every one of ``limits`` (each >= 0)."""
    at_once = max(1, _MOST_CELLS // max(1, len(offers.offer_us)))
    rungs = []
    for begin in range(0, len(limits), at_once):
        rungs += _climb(conditions, offers, limits[begin : begin + at_once])
    return rungs


def _climb(conditions: Conditions, offers: Offers, limits: Sequence[int]) -> list[Rung]:
    names, row_of_place = tenant_rows(conditions)
    begin = min(conditions.warm_up_us, conditions.duration_us)
    count, rows = len(limits), len(names)
    caps = [
        _BEYOND if each.max_concurrent_calls is None else each.max_concurrent_calls
        for each in conditions.tenants
    ]
    # Only configured tenants reserve slots: the others are never admitted.
    reserved = [each.reserved_calls if each.configured else 0 for each in conditions.tenants]
    lost = np.zeros((rows, offers.offered.shape[1], count), np.int64)
    slot_us, peak = np.zeros((rows, count), np.int64), np.zeros((rows, count), np.int64)
    peak_total, congested_us = np.zeros(count, np.int64), np.zeros(count, np.int64)
    _compiled_walk()(
        offers.offer_us,
        offers.release_us,
        offers.place,
        row_of_place,
        offers.interval,
        offers.release_order,
        np.array(limits, np.int64),
        np.array(caps, np.int64),
        np.array(reserved, np.int64),
        begin,
        conditions.duration_us,
        np.empty((len(offers.offer_us), count), np.int8),
        lost,
        slot_us,
        peak,
        peak_total,
        congested_us,
    )
    return [
        Rung(
            _sums(
                conditions, offers, limit, lost[:, :, c], slot_us[:, c], peak[:, c],
                int(peak_total[c]), int(congested_us[c]),
            ),
            np.ascontiguousarray(lost[:, :, c]),
        )
        for c, limit in enumerate(limits)
    ]  # fmt: skip


def _sums(
    conditions: Conditions,
    offers: Offers,
    limit: int,
    lost: Int64s,
    slot_us: Int64s,
    peak: Int64s,
    peak_total: int,
    congested_us: int,
) -> WindowSums:
    names, _ = tenant_rows(conditions)
    offered = offers.offered.sum(axis=1)
    closed = offered - offers.served.sum(axis=1)
    rejected = lost.sum(axis=1)
    window_us = conditions.duration_us - min(conditions.warm_up_us, conditions.duration_us)
    total = ServiceSums(
        int(offered.sum()), int(rejected.sum()), int(closed.sum()), int(slot_us.sum()), peak_total
    )
    columns = (offered, rejected, closed, slot_us, peak)
    return WindowSums(
        window_us=window_us,
        total=total,
        tenants={
            name: ServiceSums(*(int(column[row]) for column in columns))
            for row, name in enumerate(names)
        },
        # Every offer is a first attempt, and nobody tries again.
        first_attempts=total.offered,
        first_rejected_capacity=total.rejected_capacity,
        first_rejected_tenant=total.rejected_tenant,
        eventually_lost=total.rejected_capacity,
        congested_us=congested_us,
        limit_us=limit * window_us,
    )


@cache
def _compiled_walk() -> Callable[..., Any]:
    return compile_kernel(ladder_core.walk)
