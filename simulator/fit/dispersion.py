"""Are calls more bunched than Poisson traffic of the same profile? Variance to mean of counts.

The log is cut into blocks, and each block into k intervals. A curve of p parameters is fitted to
the k counts n of each block by least squares: a parabola within a block, so that neither its level
nor a rise nor a turn of the rate counts, and the plain mean (p = 1) where a slot is compared with
the same slot of other cycles. With M the matrix that leaves what the curve does not explain, the
index is the sum of n' M n over all blocks to the sum of M_ii n_i: residual variance to mean.

Of Poisson counts whose means lie on such a curve n' M n - sum(M_ii n_i) has mean 0 exactly, and
variance 2 sum(M_ij**2 m_i m_j) with m the means, because the factorial moments of a Poisson count
are powers of its mean; both sums are uncorrelated. At a constant rate in each block that is
2 (k - p) (N / k)**2 for N calls, estimated without bias by 2 (k - p) N (N - 1) / k**2. So the index
has mean 1 however few the calls are. Busy blocks count for more, as they do for slots.
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
_PARTS: Final = 5
_PARABOLA: Final = 3
_MEAN: Final = 1
_FEWEST_CALLS: Final = 30
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
        row = _within_blocks(grid, wall_us, interval, _block_of(interval))
        if row is not None:
            rows.append(row)
    bunching = max((row.index for row in rows if row.interval_us == grid.slot_us), default=1.0)
    across = _across_cycles(grid, wall_us, bunching)
    return (*rows, across) if across is not None else tuple(rows)


def bunching_of(grid: Grid, wall_us: Int64s) -> float:
    """The index of the counts in the slots of a profile that repeats; 1 where it is not clearly
    above it.

    A profile that follows the log follows its bunches too, whatever is longer than a slot, because
    nothing tells them from a rate that changes; so it is 1 there as well.
    """
    if grid.cycle is Cycle.SPAN:
        return 1.0
    row = _within_blocks(grid, wall_us, grid.slot_us, _block_of(grid.slot_us))
    return 1.0 if row is None or row.p_value >= SIGNIFICANT else max(1.0, row.index)


def _block_of(interval_us: int) -> int:
    return _BLOCK_OF.get(interval_us, _PARTS * interval_us)


def _within_blocks(
    grid: Grid, wall_us: Int64s, interval_us: int, block_us: int
) -> DispersionRow | None:
    parts = block_us // interval_us
    first = -(-grid.from_us // block_us)
    count = grid.until_us // block_us - first
    if count < 1:
        return None
    edges = (first * block_us) + np.arange(count * parts + 1, dtype=np.int64) * interval_us
    counts = np.diff(np.searchsorted(wall_us, edges)).reshape(count, parts)
    return _row([counts], _PARABOLA, interval_us, block_us)


def _across_cycles(grid: Grid, wall_us: Int64s, bunching: float) -> DispersionRow | None:
    """Each slot of one cycle beside the same slot of the others.

    ``bunching`` is the index of as long intervals among their neighbours; what is above it (and
    above 1) is the level that moves from cycle to cycle.
    """
    if grid.cycle is Cycle.SPAN or grid.cycles <= 1:
        return None
    slots = grid.length_us // grid.slot_us
    first, last = -(-grid.from_us // grid.slot_us), grid.until_us // grid.slot_us
    seen = last - first
    cycles = -(-seen // slots)
    edges = np.arange(first, first + cycles * slots + 1, dtype=np.int64) * grid.slot_us
    counts = np.diff(np.searchsorted(wall_us, edges)).reshape(cycles, slots).T
    # The last cycle may be cut off: the slots it does not reach have one count less.
    reached = seen - (cycles - 1) * slots
    groups = [
        each
        for each in (counts[:reached], counts[reached:, :-1])
        if len(each) and each.shape[1] > 1
    ]
    row = _row(groups, _MEAN, grid.slot_us, grid.length_us)
    if row is None:
        return None
    # A level of cv c that slots of mean m share adds c**2 sum(m**2) / sum(m) to the index.
    squares = math.fsum(float(_pairs(each).sum()) / each.shape[1] for each in groups)
    calls = sum(int(each.sum()) for each in groups)
    excess = max(0.0, row.index - max(1.0, bunching))
    return replace(row, across=True, level_cv=math.sqrt(excess * calls / squares))


def _row(
    groups: Sequence[Int64s], parameters: int, interval_us: int, block_us: int
) -> DispersionRow | None:
    """The index of blocks of counts, each group of shape (blocks, intervals)."""
    from scipy.special import chdtrc, chdtri

    unexplained = mean = variance = calls = 0.0
    for counts in groups:
        parts = counts.shape[1]
        leaves = _unexplained(parts, parameters)
        unexplained += float(((counts @ leaves) * counts).sum())
        mean += float(np.diag(leaves) @ counts.sum(axis=0))
        variance += 2 * (parts - parameters) * float(_pairs(counts).sum()) / parts**2
        calls += float(counts.sum())
    if calls < _FEWEST_CALLS or not variance:
        # Where no block has two calls, their places say nothing.
        return None
    # A gamma distribution of mean 1 and that variance: chi-squared, scaled.
    freedom = 2 * mean * mean / variance
    index = unexplained / mean
    low, high = (float(chdtri(freedom, above)) / freedom for above in (0.975, 0.025))
    return DispersionRow(
        interval_us=interval_us,
        block_us=block_us,
        index=index,
        low=low,
        high=high,
        p_value=float(chdtrc(freedom, freedom * index)),
        freedom=int(freedom),
    )


def _unexplained(parts: int, parameters: int) -> Floats:
    """What takes counts to their distances from the polynomial fitted to them, (parts, parts)."""
    base, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, parts), parameters))
    unexplained: Floats = np.eye(parts) - base @ base.T
    return unexplained


def _pairs(counts: Int64s) -> Int64s:
    """N (N - 1) for the N calls of each block, shape (blocks,)."""
    calls = counts.sum(axis=1)
    pairs: Int64s = calls * (calls - 1)
    return pairs


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
