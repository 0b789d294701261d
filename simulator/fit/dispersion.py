"""Are calls more bunched than Poisson traffic of the same profile? Variance to mean of counts.

Given the number of Poisson calls in a block of time, those in its k intervals are multinomial,
whatever the rate of the block is: how the level moves from block to block does not enter. Of each
block goes into the sum Pearson's sum((count - n p)**2 / (n p)), whose mean is k - 1 and variance
2 (k - 1) + (sum(1/p) - k**2 - 2 k + 2) / n, both exactly (J. B. S. Haldane, "The exact value of the
moments of the distribution of chi-squared, used as a test of goodness of fit, when expectations are
small", Biometrika 29, 1937). The index is the sum over its mean.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.fit.fitted import Cycle, DispersionRow, Grid

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

INTERVALS_US: Final = (60_000_000, 300_000_000, 900_000_000)
_BLOCK_OF: Final = {60_000_000: 900_000_000, 300_000_000: 3_600_000_000, 900_000_000: 3_600_000_000}
_PARTS: Final = 4
_SLOPE_BY_CHANCE: Final = 2.0
_FEWEST_CALLS: Final = 30
_LEAST_PART: Final = 0.05
_NO_VARIANCE: Final = 1e-9
SIGNIFICANT: Final = 0.001


def dispersion_rows(
    grid: Grid, wall_us: Int64s, more_intervals_us: Sequence[int] = ()
) -> tuple[DispersionRow, ...]:
    """The index for intervals of 1, 5 and 15 minutes and more, as far as the log reaches.

    ``wall_us`` are the offers in wall time, shape (n,), in order. Of a log of several cycles the
    slots are compared with the same slots of the other cycles as well.
    """
    rows = []
    for interval in sorted({*INTERVALS_US, *more_intervals_us}):
        block = _BLOCK_OF.get(interval, _PARTS * interval)
        row = _within_blocks(grid, wall_us, interval, block)
        if row is not None:
            rows.append(row)
    bunching = max((row.index for row in rows if row.interval_us == grid.slot_us), default=1.0)
    across = _across_cycles(grid, wall_us, bunching)
    return (*rows, across) if across is not None else tuple(rows)


def _within_blocks(
    grid: Grid, wall_us: Int64s, interval_us: int, block_us: int
) -> DispersionRow | None:
    parts = block_us // interval_us
    first = -(-grid.from_us // block_us)
    count = grid.until_us // block_us - first
    if count < 1 or parts < 2:
        return None
    edges = (first * block_us) + np.arange(count * parts + 1, dtype=np.int64) * interval_us
    places = np.searchsorted(wall_us, edges)
    counts = np.diff(places).reshape(count, parts).astype(np.float64)
    shares = _straight_lines(counts.sum(axis=1), parts)
    return _row([(counts, shares)], interval_us, block_us)


def _straight_lines(totals: Floats, parts: int) -> Floats:
    """Shares of a block's intervals when its rate follows a straight line, shape (blocks, parts).

    The slope is half the difference of the blocks on either side, where that is more than two
    standard errors of it, else 0. It does not depend on the block's own calls, so they stay
    multinomial.
    """
    shares = np.full((len(totals), parts), 1 / parts)
    if len(totals) < 3:
        return shares
    before, at, beyond = totals[:-2], totals[1:-1], totals[2:]
    rise = beyond - before
    steep = np.abs(rise) > _SLOPE_BY_CHANCE * np.sqrt(beyond + before)
    level = np.maximum((before + at + beyond) / 3, 1e-9)
    middle = (np.arange(parts) + 0.5) / parts - 0.5
    tilt = np.where(steep, rise / (2 * level), 0.0)
    tilted = np.maximum(1 + tilt[:, None] * middle[None, :], _LEAST_PART)
    shares[1:-1] = tilted / tilted.sum(axis=1, keepdims=True)
    return shares


def _across_cycles(grid: Grid, wall_us: Int64s, bunching: float) -> DispersionRow | None:
    """Each slot of one cycle beside the same slot of the others.

    ``bunching`` is the index of as long intervals among their neighbours; what is above it (and
    above 1) is the level that moves from cycle to cycle.
    """
    if grid.cycle is Cycle.SPAN or grid.cycles <= 1:
        return None
    slots = grid.length_us // grid.slot_us
    place = (wall_us - grid.from_us) // grid.slot_us
    seen = grid.window_us // grid.slot_us
    cycles = -(-seen // slots)
    counts = np.bincount(place, minlength=cycles * slots).reshape(cycles, slots).T
    # The last cycle may be cut off: the slots it does not reach have one count less.
    reached = seen - (cycles - 1) * slots
    groups = [
        (each.astype(np.float64), np.full(each.shape, 1 / each.shape[1]))
        for each in (counts[:reached], counts[reached:, :-1])
        if each.shape[0] and each.shape[1] > 1
    ]
    row = _row(groups, grid.slot_us, grid.length_us)
    if row is None:
        return None
    # A level of cv c adds m c**2 to the index of counts with mean m.
    filled = [each[each.sum(axis=1) > 0] for each, _ in groups]
    mean = sum(float(each.sum()) for each in filled) / sum(each.size for each in filled)
    return replace(
        row, across=True, level_cv=math.sqrt(max(0.0, row.index - max(1.0, bunching)) / mean)
    )


def _row(
    groups: Sequence[tuple[Floats, Floats]], interval_us: int, block_us: int
) -> DispersionRow | None:
    """The index of blocks whose counts and shares of a block have shape (blocks, intervals)."""
    from scipy.special import chdtrc, gammaincinv

    total = mean = variance = calls = 0.0
    for counts, shares in groups:
        totals = counts.sum(axis=1)
        kept = totals > 0
        expected = totals[kept, None] * shares[kept]
        parts = counts.shape[1]
        freedom = float(kept.sum() * (parts - 1))
        extra = ((1 / shares[kept]).sum(axis=1) - parts**2 - 2 * parts + 2) / totals[kept]
        total += float(((counts[kept] - expected) ** 2 / expected).sum())
        mean += freedom
        variance += 2 * freedom + float(extra.sum())
        calls += float(totals.sum())
    if calls < _FEWEST_CALLS or variance <= _NO_VARIANCE * mean:
        # One call in every block: its place says nothing.
        return None
    # A gamma distribution of the same mean and variance: chi-squared, scaled.
    shape, scale = mean * mean / variance, variance / mean
    low, high = (float(gammaincinv(shape, at)) * scale / mean for at in (0.025, 0.975))
    return DispersionRow(
        interval_us=interval_us,
        block_us=block_us,
        index=total / mean,
        low=low,
        high=high,
        p_value=float(chdtrc(2 * shape, 2 * total / scale)),
        freedom=int(mean),
    )


def peakedness_of(row: DispersionRow | None) -> float:
    """Variance to mean of calls in progress, from counts in intervals of twice the holding time.

    z - 1 = (I - 1) / 2, at least 1. Calls in progress with exponential holding times of mean h have
    z = 1 + (1/rate) integral of c(u) exp(-u/h) du, and counts in intervals w have
    I = 1 + (2/rate) integral of (1 - u/w) c(u) du, where c is the covariance density of the
    arrivals (D. R. Cox and V. Isham, "Point processes", 1980). For bunches short against h and for
    levels that last long against h the two agree as stated with w = 2 h; in between, with a
    covariance that decays exponentially, z - 1 comes out at most 15 % too large.
    """
    return 1.0 if row is None else max(1.0, 1 + (row.index - 1) / 2)
