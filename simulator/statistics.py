"""What a run says about the grade of service: blocking, congestion, carried traffic, peaks.

Statistics are taken over the window [warm_up, duration): of offers made in it, and of slot time
clipped to it. Sums are kept in whole calls and microseconds and divided once, so two ways of
counting the same run give the same statistics to the last bit.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.calls import UNKNOWN_TENANT
from simulator.results import CallLog, Fate
from simulator.trace import NEVER, CallTrace, Conditions

_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]

_NOBODY: Final = 2**62

PREEMPTED_CALLS: Final = "preempted_calls"
"""The statistic that only runs under the policy priority have."""


@dataclass(frozen=True, slots=True)
class TenantStatistics:
    """One tenant's share; the fields mean what they mean in :class:`Statistics`."""

    offered_calls: int
    blocking: float | None
    carried_erlangs: float
    peak_in_use: int
    preempted_calls: int | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """The grade of service over a window; None where the window has nothing to divide by.

    ``blocking`` is call congestion, redials included: capacity rejections over offers of tenants
    that are configured and enabled. ``first_attempt_blocking`` is the same of first attempts, and
    ``eventual_loss`` the share of first attempts whose last attempt made was rejected for
    capacity. ``time_congestion`` is the share of time with every slot in use, ``occupancy`` the
    carried traffic over the mean limit. ``tenants`` holds every configured tenant and
    ``_unknown``. ``preempted_calls`` are calls offered in the window that gave way to a more
    important one; None under policies that make none give way.
    """

    offered_calls: int
    first_attempts: int
    blocking: float | None
    first_attempt_blocking: float | None
    eventual_loss: float | None
    time_congestion: float | None
    peak_in_use: int
    carried_erlangs: float
    occupancy: float | None
    window_us: int
    tenants: Mapping[str, TenantStatistics]
    preempted_calls: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and numbers, in the order of the fields; without preempted calls where the
        policy knows none."""
        document = asdict(self)
        if self.preempted_calls is None:
            for each in (document, *document["tenants"].values()):
                del each[PREEMPTED_CALLS]
        return document


@dataclass(frozen=True, slots=True)
class ServiceSums:
    """What one tenant, or all together, had in the window: calls and microseconds.

    ``preempted`` are calls offered in the window that had to give way to a more important one.
    """

    offered: int = 0
    rejected_capacity: int = 0
    rejected_tenant: int = 0
    slot_us: int = 0
    peak_in_use: int = 0
    preempted: int = 0


@dataclass(frozen=True, slots=True)
class WindowSums:
    """The whole numbers that statistics are ratios of. ``limit_us`` is the limit times time.

    ``preempts``: the policy makes calls give way to more important ones.
    """

    window_us: int
    total: ServiceSums
    tenants: Mapping[str, ServiceSums]
    first_attempts: int
    first_rejected_capacity: int
    first_rejected_tenant: int
    eventually_lost: int
    congested_us: int
    limit_us: int
    preempts: bool = False


def tenant_rows(conditions: Conditions) -> tuple[tuple[str, ...], _Ints]:
    """Names of the counter rows (``_unknown`` last), and the row of each tenant's place."""
    names = (*conditions.configured_ids, UNKNOWN_TENANT)
    row = {name: place for place, name in enumerate(names)}
    rows = [
        row[tenant.tenant_id] if tenant.configured else len(names) - 1
        for tenant in conditions.tenants
    ]
    return names, np.array(rows, np.int64)


def statistics_from(sums: WindowSums) -> Statistics:
    """The ratios of ``sums``."""
    total = sums.total
    first_served = sums.first_attempts - sums.first_rejected_tenant
    return Statistics(
        offered_calls=total.offered,
        first_attempts=sums.first_attempts,
        blocking=_blocking(total),
        first_attempt_blocking=_ratio(sums.first_rejected_capacity, first_served),
        eventual_loss=_ratio(sums.eventually_lost, first_served),
        time_congestion=_ratio(sums.congested_us, sums.window_us),
        peak_in_use=total.peak_in_use,
        carried_erlangs=_ratio(total.slot_us, sums.window_us) or 0.0,
        occupancy=_ratio(total.slot_us, sums.limit_us),
        window_us=sums.window_us,
        tenants={
            name: TenantStatistics(
                offered_calls=tenant.offered,
                blocking=_blocking(tenant),
                carried_erlangs=_ratio(tenant.slot_us, sums.window_us) or 0.0,
                peak_in_use=tenant.peak_in_use,
                preempted_calls=tenant.preempted if sums.preempts else None,
            )
            for name, tenant in sums.tenants.items()
        },
        preempted_calls=total.preempted if sums.preempts else None,
    )


def statistics_of(trace: CallTrace, log: CallLog) -> Statistics:
    """The statistics of any engine's run of ``trace``, from what happened to each row."""
    return statistics_from(window_sums(trace, log))


def window_sums(trace: CallTrace, log: CallLog) -> WindowSums:
    """The sums behind :func:`statistics_of`."""
    conditions = trace.conditions
    begin, end = min(conditions.warm_up_us, conditions.duration_us), conditions.duration_us
    names, row_of_place = tenant_rows(conditions)
    row = row_of_place[np.broadcast_to(trace.tenant, len(trace))]
    attempt = np.broadcast_to(trace.attempt, len(trace)).astype(np.int64)
    made = log.fate != Fate.NOT_MADE
    in_window = made & (log.offered_us >= begin)
    first = in_window & (attempt == 0)
    held = _Held.of(log, attempt, conditions.duration_us)
    steps = _limit_steps(conditions)
    return WindowSums(
        window_us=end - begin,
        total=_service_sums(log, in_window, held, begin, end),
        tenants={
            name: _service_sums(
                log, in_window & (row == place), held.only(row[held.call] == place), begin, end
            )
            for place, name in enumerate(names)
        },
        first_attempts=int(first.sum()),
        first_rejected_capacity=int((first & (log.fate == Fate.REJECTED_CAPACITY)).sum()),
        first_rejected_tenant=int((first & (log.fate == Fate.REJECTED_TENANT)).sum()),
        eventually_lost=_eventually_lost(trace, log, attempt, begin),
        congested_us=_congested_us(held, steps, begin, end),
        limit_us=_limit_us(steps, begin, end),
        preempts=log.preempted_by is not None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """Admitted calls in the order of their offers, and when they held a slot; shapes (m,).

    ``until_us`` is the release, or the end of the run when the slot was not freed in it.
    ``position`` is the place in that order, ``taken_at`` the position of the call that took the
    slot over (_NOBODY: it was not taken over).
    """

    call: _Ints
    from_us: _Ints
    until_us: _Ints
    position: _Ints
    taken_at: _Ints

    @staticmethod
    def of(log: CallLog, attempt: _Ints, duration_us: int) -> "_Held":
        calls = np.flatnonzero(log.fate >= Fate.REJECTED_INSTRUCTIONS)
        calls = calls[np.lexsort((calls, attempt[calls], log.offered_us[calls]))]
        released = log.released_us[calls]
        position = np.arange(len(calls))
        taken_at = np.full(len(calls), _NOBODY, np.int64)
        if log.preempted_by is not None:
            position_of = np.full(len(log.fate), _NOBODY, np.int64)
            position_of[calls] = position
            taker = log.preempted_by[calls]
            taken_at = np.where(taker == NEVER, _NOBODY, position_of[taker])
        until_us = np.where(released == NEVER, duration_us, released)
        return _Held(calls, log.offered_us[calls], until_us, position, taken_at)

    def only(self, chosen: _Bools) -> "_Held":
        return _Held(
            self.call[chosen],
            self.from_us[chosen],
            self.until_us[chosen],
            self.position[chosen],
            self.taken_at[chosen],
        )


def _service_sums(log: CallLog, offers: _Bools, held: _Held, begin: int, end: int) -> ServiceSums:
    slot_us = held.until_us.clip(begin, end) - held.from_us.clip(begin, end)
    preempted = 0
    if log.preempted_by is not None:
        preempted = int((offers & (log.preempted_by != NEVER)).sum())
    return ServiceSums(
        offered=int(offers.sum()),
        rejected_capacity=int((offers & (log.fate == Fate.REJECTED_CAPACITY)).sum()),
        rejected_tenant=int((offers & (log.fate == Fate.REJECTED_TENANT)).sum()),
        slot_us=int(slot_us.sum()),
        peak_in_use=_peak(held, begin),
        preempted=preempted,
    )


def _peak(held: _Held, begin: int) -> int:
    """The most slots in use right after an admission at or after ``begin``.

    A release comes before the offers of its instant, except that of a call of length zero, which
    comes right after its own offer and so is seen by nobody but itself. A slot that was taken over
    is released right before the offer that took it, and not before others of that instant.
    """
    taken = held.taken_at != _NOBODY
    lasting = taken | (held.until_us > held.from_us)
    admitted = lasting.cumsum() + ~lasting
    releases = np.sort(held.until_us[lasting & ~taken])
    released = np.searchsorted(releases, held.from_us, side="right")
    released += np.searchsorted(np.sort(held.taken_at[taken]), held.position, side="right")
    in_use = (admitted - released)[held.from_us >= begin]
    return int(in_use.max(initial=0))


def _limit_steps(conditions: Conditions) -> tuple[_Ints, _Ints]:
    """Instants from which the total limit holds, and the limits; shapes (k,)."""
    steps = [(0, conditions.max_concurrent_calls)]
    steps += [
        (change.at_us, change.max_concurrent_calls)
        for change in conditions.changes
        if change.max_concurrent_calls is not None
    ]
    at_us, limits = zip(*steps, strict=True)
    return np.array(at_us, np.int64), np.array(limits, np.int64)


def _limit_us(steps: tuple[_Ints, _Ints], begin: int, end: int) -> int:
    bounds = np.append(steps[0], end).clip(begin, end)
    return int((steps[1] * np.diff(bounds)).sum())


def _congested_us(held: _Held, steps: tuple[_Ints, _Ints], begin: int, end: int) -> int:
    """Microseconds of [begin, end) with in_use >= limit."""
    bounds = np.concatenate((held.from_us, held.until_us, steps[0], [begin, end]))
    bounds = np.unique(bounds.clip(begin, end))
    since = bounds[:-1]
    in_use = np.searchsorted(held.from_us, since, side="right") - np.searchsorted(
        np.sort(held.until_us), since, side="right"
    )
    limit = steps[1][np.searchsorted(steps[0], since, side="right") - 1]
    return int(np.diff(bounds)[in_use >= limit].sum())


def _eventually_lost(trace: CallTrace, log: CallLog, attempt: _Ints, begin: int) -> int:
    """First attempts made since ``begin`` whose last attempt made was rejected for capacity."""
    made = log.fate != Fate.NOT_MADE
    redial = np.flatnonzero(made & (attempt > 0))
    after = np.broadcast_to(trace.after, len(trace))
    redialled = np.zeros(len(trace), np.bool_)
    redialled[after[redial]] = True
    lost = np.flatnonzero((log.fate == Fate.REJECTED_CAPACITY) & ~redialled)
    while (later := attempt[lost] > 0).any():
        lost = np.where(later, after[lost], lost)
    return int((log.offered_us[lost] >= begin).sum())


def _blocking(sums: ServiceSums) -> float | None:
    return _ratio(sums.rejected_capacity, sums.offered - sums.rejected_tenant)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
