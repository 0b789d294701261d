"""Replications at one limit, as the figures a planner reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.planning.estimate import Estimate, bound, ratio
from simulator.planning.replication import Played
from simulator.planning.target import BLOCKING, WORST_INTERVAL, Target, of_total
from simulator.trace import Int64s


@dataclass(frozen=True, slots=True)
class Interval:
    """A clock interval [from, until) and its blocking, of the calls offered after the warm-up.

    ``offered_calls`` and ``lost_calls`` are what ``blocking`` divides, in an average run.
    """

    from_us: int
    until_us: int
    blocking: Estimate | None
    offered_calls: float
    lost_calls: float


@dataclass(frozen=True, slots=True)
class TenantPoint:
    """One tenant at one limit. ``peak_in_use`` is the largest of all replications."""

    blocking: Estimate | None
    worst_interval: Interval | None
    carried_erlangs: float
    peak_in_use: int


@dataclass(frozen=True, slots=True)
class Point:
    """All that is known of one limit.

    ``blocking`` (call congestion) and ``time_congestion`` are different things: shares of calls and
    of time. ``carried_minutes`` is slot time in minutes, setup included, in the window of one run.
    ``intervals`` and ``worst_interval`` stand only where a clock interval was asked for.
    """

    max_concurrent_calls: int
    replications: int
    offered_calls: float
    blocking: Estimate | None
    first_attempt_blocking: Estimate | None
    eventual_loss: Estimate | None
    time_congestion: Estimate | None
    occupancy: Estimate | None
    carried_erlangs: float
    carried_minutes: float
    peak_in_use: int
    worst_interval: Interval | None
    intervals: tuple[Interval, ...]
    tenants: dict[str, TenantPoint]


@dataclass(frozen=True, slots=True)
class Clock:
    """Clock intervals of ``interval_us`` in a run; None: none."""

    duration_us: int
    interval_us: int | None

    def bounds(self, place: int) -> tuple[int, int]:
        """From when until when interval ``place`` lasts."""
        length = self.interval_us or self.duration_us
        return place * length, min((place + 1) * length, self.duration_us)


@dataclass(frozen=True, slots=True)
class Share:
    """Parts and wholes of a share, one a replication; ``trials`` as for :func:`ratio`."""

    parts: Sequence[int]
    wholes: Sequence[int]
    trials: float | None = None

    def estimate(self, confidence: float) -> Estimate | None:
        return ratio(self.parts, self.wholes, confidence, self.trials)

    def bound(self, confidence: float) -> Estimate | None:
        return bound(self.parts, self.wholes, confidence, self.trials)


def target_shares(target: Target, played: Sequence[Played], rows: Sequence[str]) -> list[Share]:
    """What has to meet the target: one share, or that of every clock interval.

    ``rows`` names the rows of ``played``, ``_unknown`` last.
    """
    row = slice(None) if target.tenant is None else slice(r := rows.index(target.tenant), r + 1)
    if target.statistic == WORST_INTERVAL:
        return _interval_shares(played, row)
    if target.tenant is not None:
        return [
            Share(
                [int(one.lost[row].sum()) for one in played],
                [int(one.served[row].sum()) for one in played],
            )
        ]
    return [_share_of_total(target.statistic, played)]


def target_estimate(
    target: Target, played: Sequence[Played], rows: Sequence[str], confidence: float
) -> Estimate | None:
    """The target's statistic, of the worst clock interval where there are several."""
    estimates = [each.estimate(confidence) for each in target_shares(target, played, rows)]
    worst = worst_of(estimates)
    return None if worst is None else estimates[worst]


def _share_of_total(statistic: str, played: Sequence[Played]) -> Share:
    parts, wholes = zip(*(of_total(statistic, one.sums) for one in played), strict=True)
    trials = sum(of_total(BLOCKING, one.sums)[1] for one in played)
    return Share(parts, wholes, max(1, trials))


def _of_total(statistic: str, played: Sequence[Played], confidence: float) -> Estimate | None:
    return _share_of_total(statistic, played).estimate(confidence)


def _interval_shares(played: Sequence[Played], row: slice) -> list[Share]:
    lost: Int64s = np.array([one.lost[row].sum(axis=0) for one in played])
    served: Int64s = np.array([one.served[row].sum(axis=0) for one in played])
    return [
        Share(lost[:, place].tolist(), served[:, place].tolist()) for place in range(lost.shape[1])
    ]


def interval_blocking(
    played: Sequence[Played], row: slice, confidence: float
) -> list[Estimate | None]:
    """Blocking of the rows in every clock interval, averaged over the replications' calls."""
    return [each.estimate(confidence) for each in _interval_shares(played, row)]


def worst_of(estimates: Sequence[Estimate | None]) -> int | None:
    """Place of the largest value; None where there is none at all."""
    values = [(-1.0 if one is None else one.value) for one in estimates]
    place = int(np.argmax(values))
    return place if values[place] >= 0 else None


def measure(
    limit: int,
    played: Sequence[Played],
    rows: Sequence[str],
    clock: Clock,
    confidence: float,
) -> Point:
    """The figures of the replications at a limit; only tenants that were offered calls."""
    sums = [one.sums for one in played]
    count = len(played)
    minutes = sum(one.total.slot_us for one in sums) / count / 60e6
    window_us = sums[0].window_us
    intervals = _intervals(played, slice(None), clock, confidence)
    return Point(
        max_concurrent_calls=limit,
        replications=count,
        offered_calls=sum(one.total.offered for one in sums) / count,
        blocking=_of_total(BLOCKING, played, confidence),
        first_attempt_blocking=_of_total("first_attempt_blocking", played, confidence),
        eventual_loss=_of_total("eventual_loss", played, confidence),
        time_congestion=_of_total("time_congestion", played, confidence),
        occupancy=ratio(
            [one.total.slot_us for one in sums], [one.limit_us for one in sums], confidence
        ),
        carried_erlangs=minutes * 60e6 / window_us if window_us else 0.0,
        carried_minutes=minutes,
        peak_in_use=max(one.total.peak_in_use for one in sums),
        worst_interval=_worst(intervals),
        intervals=intervals,
        tenants={
            name: _tenant(name, row, played, clock, confidence)
            for row, name in enumerate(rows)
            if any(int(one.served[row].sum()) for one in played)
        },
    )


def _intervals(
    played: Sequence[Played], row: slice, clock: Clock, confidence: float
) -> tuple[Interval, ...]:
    if clock.interval_us is None:
        return ()
    return tuple(
        Interval(
            *clock.bounds(place),
            blocking,
            sum(int(one.served[row, place].sum()) for one in played) / len(played),
            sum(int(one.lost[row, place].sum()) for one in played) / len(played),
        )
        for place, blocking in enumerate(interval_blocking(played, row, confidence))
    )


def _worst(intervals: Sequence[Interval]) -> Interval | None:
    place = worst_of([each.blocking for each in intervals]) if intervals else None
    return None if place is None else intervals[place]


def _tenant(
    name: str, row: int, played: Sequence[Played], clock: Clock, confidence: float
) -> TenantPoint:
    mine = [one.sums.tenants[name] for one in played]
    window_us = played[0].sums.window_us
    parts = [each.rejected_capacity for each in mine]
    wholes = [each.offered - each.rejected_tenant for each in mine]
    slot_us = sum(each.slot_us for each in mine)
    return TenantPoint(
        blocking=ratio(parts, wholes, confidence),
        worst_interval=_worst(_intervals(played, slice(row, row + 1), clock, confidence)),
        carried_erlangs=slot_us / len(played) / window_us if window_us else 0.0,
        peak_in_use=max(each.peak_in_use for each in mine),
    )
