"""What the fitted traffic means for slots: how peaked it is, and how many it needs by formula."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.analytics.loss import servers_for_blocking
from simulator.analytics.overflow import PeakedTraffic, hayward_loss
from simulator.fit.dispersion import INTERVALS_US, SIGNIFICANT, dispersion_rows, peakedness_of
from simulator.fit.fitted import Dispersion, DispersionRow, Grid, Suggestion, TenantFit

Int64s = npt.NDArray[np.int64]

_ROUND_US: Final = 10_000_000
_MOST_ERLANGS: Final = 500_000.0
_NEAR: Final = 0.75
"""An interval of the table is taken that is at least so near to the one wanted."""


def dispersion_of(
    grid: Grid, wall_us: Int64s, tenants: Sequence[TenantFit], resolution_us: int
) -> Dispersion:
    """The index of dispersion of all tenants' arrivals, and the peakedness that goes with it.

    ``wall_us`` are the arrivals in wall time, shape (n,), in order. One of the intervals is about
    twice the mean time a call holds its slot, which is where peakedness is read off.
    """
    calls = sum(each.first_attempts for each in tenants)
    slot = sum(each.first_attempts * each.slot_us_mean for each in tenants) / max(1, calls)
    unit = max(_ROUND_US, resolution_us)
    wanted = max(unit, round(2 * slot / unit) * unit)
    near = [each for each in INTERVALS_US if _NEAR * wanted <= each <= wanted / _NEAR]
    rows = dispersion_rows(grid, wall_us, () if near else (wanted,))
    within = [row for row in rows if not row.across]
    read = min(within, key=lambda row: abs(row.interval_us - wanted), default=None)
    bunched = read is not None and read.index > 1 and read.p_value < SIGNIFICANT
    return Dispersion(
        rows=rows,
        peakedness=peakedness_of(read) if bunched else 1.0,
        peakedness_interval_us=None if read is None else read.interval_us,
        significant=any(row.index > 1 and row.p_value < SIGNIFICANT for row in within),
    )


class TrafficTooGreat(ValueError):
    """No formula reaches so far; the message says how much was offered, and what may be wrong."""


def suggest(
    tenants: Sequence[TenantFit], length_us: int, dispersion: Dispersion, blocking: float
) -> Suggestion:
    """The least limits that keep the busiest step of the profile below ``blocking``.

    Offered traffic of a step is its rate times the mean slot time, as if it lasted for ever, which
    is a little more than it comes to. Raises :class:`TrafficTooGreat`.
    """
    starts = sorted({start for each in tenants for start in each.rates.starts_us})
    erlangs = np.zeros(len(starts))
    for each in tenants:
        places = np.searchsorted(each.rates.starts_us, starts, side="right") - 1
        erlangs += np.array(each.rates.rates_per_us)[places] * each.slot_us_mean
    busiest = int(np.argmax(erlangs))
    offered = float(erlangs[busiest])
    if offered > _MOST_ERLANGS:
        raise TrafficTooGreat(
            f"offers {offered:,.3g} erlang in its busiest step, more than any platform holds; "
            "are its lengths in another unit (--lengths), or its times (--times)?"
        )
    poisson = max(1, servers_for_blocking(offered, blocking))
    peaked, loss = poisson, blocking
    if dispersion.peakedness > 1 and offered > 0:
        traffic = PeakedTraffic(offered, offered * dispersion.peakedness)
        loss = hayward_loss(traffic, poisson)
        peaked = _least_slots(traffic, poisson, blocking)
    return Suggestion(
        busiest_from_us=starts[busiest],
        busiest_until_us=(*starts, length_us)[busiest + 1],
        erlangs=offered,
        blocking=blocking,
        slots_poisson=poisson,
        slots_peaked=peaked,
        blocking_peaked=loss,
    )


def _least_slots(traffic: PeakedTraffic, enough_for_poisson: int, blocking: float) -> int:
    """By Hayward's approximation; blocking falls with every slot, so bisection finds the least."""
    low, high = enough_for_poisson - 1, enough_for_poisson
    while hayward_loss(traffic, high) > blocking:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if hayward_loss(traffic, middle) <= blocking else (middle, high)
    return high


def by_interval(dispersion: Dispersion) -> DispersionRow | None:
    """The row peakedness was read off."""
    return next(
        (
            row
            for row in dispersion.rows
            if row.interval_us == dispersion.peakedness_interval_us and not row.across
        ),
        None,
    )
