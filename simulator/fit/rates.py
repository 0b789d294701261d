"""When calls come: counts in clock slots, and a rate in as few steps as the counts bear out."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.fit.fitted import Cycle, Grid, Rates

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DAY_US: Final = 86_400_000_000
WEEK_US: Final = 7 * DAY_US
_SECOND_US: Final = 1_000_000
_QUARTER_US: Final = 900_000_000
_SLOTS_US: Final = (
    _SECOND_US,
    10_000_000,
    60_000_000,
    300_000_000,
    _QUARTER_US,
    3_600_000_000,
    6 * 3_600_000_000,
    DAY_US,
)
_FEWEST_SLOTS: Final = 16
_MOST_SLOTS: Final = 4_000
_PENALTY_AT_LEAST: Final = 4.0
FEW_CALLS: Final = 200
"""Below so many first attempts a tenant takes the shape of all such tenants."""
_ODD_ONE_OUT: Final = 0.001


def make_grid(
    first_us: int,
    last_us: int,
    weekday: int | None,
    cycle: Cycle | None = None,
    gap_us: int = 0,
) -> Grid:
    """The slots for a log whose calls lie between two instants of wall time, both included.

    Slots are of 15 minutes; as much shorter as a short log needs to have 16 of them, and as much
    longer as it takes to have no more than 4,000. The log was watched from its first to its last
    call, and half of the mean gap ``gap_us`` before and after, within the slots that these lie in;
    without that the rate of a slot that begins or ends with such a call would have no bound. A
    cycle of a week is taken from a week on, in whole quarters of an hour, else the profile follows
    the log, to its last second. ``weekday`` is that of wall time 0 (0 is Monday; None where the log
    has no dates: weeks and days begin at its 0).
    """
    span = last_us - first_us
    if cycle is None:
        quarters = last_us // _QUARTER_US - first_us // _QUARTER_US + 1
        cycle = Cycle.WEEK if quarters * _QUARTER_US >= WEEK_US else Cycle.SPAN
    slot = _slot_us(span, {Cycle.DAY: DAY_US, Cycle.WEEK: WEEK_US}.get(cycle, span))
    begin = first_us // slot * slot
    end = last_us // slot * slot + slot
    from_us = max(begin, first_us - gap_us // 2)
    until_us = min(end, last_us + 1 + gap_us // 2)
    if cycle is Cycle.SPAN:
        length, offset = -(-(until_us - begin) // _SECOND_US) * _SECOND_US, -begin
    elif cycle is Cycle.DAY:
        length, offset = DAY_US, 0
    else:
        length, offset = WEEK_US, (weekday or 0) * DAY_US
    count = -(-length // slot)
    edges = np.minimum(np.arange(count + 1, dtype=np.int64) * slot, length)
    watched = _watched(edges, until_us + offset, length) - _watched(edges, from_us + offset, length)
    return Grid(
        cycle=cycle,
        slot_us=slot,
        length_us=length,
        offset_us=offset,
        from_us=from_us,
        until_us=until_us,
        exposure_us=tuple(np.diff(watched).tolist()),
    )


def _slot_us(span_us: int, length_us: int) -> int:
    """The slot for a log that spans so long, and a profile of so long."""
    fine = [each for each in _SLOTS_US if each <= _QUARTER_US and span_us >= _FEWEST_SLOTS * each]
    least = max(fine, default=_SLOTS_US[0])
    return next(each for each in _SLOTS_US if each >= least and length_us <= _MOST_SLOTS * each)


def _watched(edges: Int64s, instant: int, length: int) -> Int64s:
    """Time up to ``instant`` whose place in the cycle is below each edge."""
    whole, rest = divmod(instant, length)
    return whole * edges + np.minimum(edges, rest)


def slot_of(grid: Grid, wall_us: Int64s) -> Int64s:
    """The slot of each instant of wall time, shape (n,)."""
    slots: Int64s = ((wall_us + grid.offset_us) % grid.length_us) // grid.slot_us
    return slots


def counts_of(grid: Grid, wall_us: Int64s) -> Int64s:
    """Calls in each slot, all cycles together, shape (slots,)."""
    return np.bincount(slot_of(grid, wall_us), minlength=len(grid.exposure_us)).astype(np.int64)


def segments(
    counts: Int64s, exposure: Floats, least: float = 0.0, bunching: float = 1.0
) -> list[int]:
    """First slots of the steps that explain Poisson counts best, the first of them 0.

    Optimal partitioning: of all ways to cut the slots into steps that were watched for ``least`` or
    longer the one with the largest log-likelihood less a penalty for each further step, found by
    dynamic programming (B. Jackson et al., "An algorithm for optimal partitioning of data on an
    interval", IEEE Signal Processing Letters 12, 2005) over the cuts that can still be the last one
    (R. Killick, P. Fearnhead and I. A. Eckley, "Optimal detection of changepoints with a linear
    computational cost", Journal of the American Statistical Association 107, 2012). The penalty is
    1 + ln(slots), at least 4: constant traffic is left in one piece about nineteen times in twenty.
    Counts whose variance is ``bunching`` times their mean make the log-likelihood as much larger by
    chance, so the penalty is that many times as large (quasi-likelihood; P. McCullagh and J. A.
    Nelder, "Generalized Linear Models", 1989, section 9.2).
    """
    n = len(counts)
    penalty = bunching * max(_PENALTY_AT_LEAST, 1 + math.log(n))
    calls = np.concatenate(([0.0], np.cumsum(counts, dtype=np.float64)))
    time = np.concatenate(([0.0], np.cumsum(exposure, dtype=np.float64)))
    best = np.full(n + 1, -np.inf)
    best[0] = 0.0
    cut = np.zeros(n + 1, np.intp)
    last = np.zeros(1, np.intp)
    for end in range(1, n + 1):
        inside = calls[end] - calls[last]
        length = time[end] - time[last]
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(inside > 0, inside * np.log(inside / length), 0.0)
        score = best[last] + gain - penalty
        score[length < least] = -np.inf
        place = int(np.argmax(score))
        cut[end], best[end] = last[place], score[place]
        if end < n and exposure[end] >= least:
            # Whatever step follows is long enough, so a cut here beats the ones left out.
            last = last[(score >= best[end] - penalty) | (length < least)]
        last = np.append(last, end)
    starts = []
    end = n
    while end > 0:
        end = int(cut[end])
        starts.append(end)
    return starts[::-1]


def rates_from(grid: Grid, counts: Int64s, starts: Sequence[int]) -> Rates:
    """The rate of each step: its calls over the time it was watched."""
    exposure = np.array(grid.exposure_us, np.int64)
    calls = np.add.reduceat(counts, starts)
    watched = np.add.reduceat(exposure, starts)
    rates = np.divide(calls, watched, out=np.zeros(len(calls)), where=watched > 0)
    return Rates(
        starts_us=tuple(start * grid.slot_us for start in starts),
        rates_per_us=tuple(rates.tolist()),
        calls=tuple(calls.tolist()),
        exposure_us=tuple(watched.tolist()),
    )


def fit_rates(grid: Grid, counts: Int64s, bunching: Sequence[float] = ()) -> list[Rates]:
    """A profile for each tenant from its counts, shape (tenants, slots).

    ``bunching`` is the index of dispersion of each tenant's counts (1 where none are given). A
    tenant with fewer than 200 calls cannot show its own shape: it takes that of all such tenants
    together (of all tenants, where those have fewer than 200 calls between them), times its share
    of the calls, unless its calls fall so unlike theirs that chance would do it once in a thousand
    tenants (likelihood ratio test on the steps of the shape).
    """
    totals = counts.sum(axis=1)
    index = np.array(bunching or np.ones(len(counts)), np.float64)

    def steps_of(tenants: Bools) -> tuple[Int64s, list[int]]:
        """Of independent tenants together the variances add up, as the means do."""
        together = counts[tenants].sum(axis=0)
        return together, _steps(grid, together, float(np.average(index, weights=tenants * totals)))

    few = totals < FEW_CALLS
    if few.any() and len(counts) > 1:
        pool = few if totals[few].sum() >= FEW_CALLS else np.ones(len(counts), np.bool_)
        pooled, shape = steps_of(pool)
        odd = np.array(
            [few[row] and _unlike(each, pooled, shape) for row, each in enumerate(counts)]
        )
        few, pool = few & ~odd, pool & ~odd
        if few.any():
            pooled, shape = steps_of(pool)
            whole = rates_from(grid, pooled, shape)
    return [
        _part_of(whole, float(totals[row] / pooled.sum()))
        if few[row] and len(counts) > 1
        else rates_from(grid, each, _steps(grid, each, float(index[row])))
        for row, each in enumerate(counts)
    ]


def _part_of(whole: Rates, share: float) -> Rates:
    return replace(
        whole, rates_per_us=tuple(rate * share for rate in whole.rates_per_us), shared=True
    )


def _steps(grid: Grid, counts: Int64s, bunching: float) -> list[int]:
    """A slot at either end of a log, hardly watched, is part of the step beside it."""
    return segments(counts, np.array(grid.exposure_us, np.float64), grid.slot_us / 2, bunching)


def _unlike(own: Int64s, pooled: Int64s, steps: Sequence[int]) -> bool:
    """Whether a tenant's calls fall on the steps otherwise than those of the others (G-test)."""
    from scipy.special import chdtrc

    if len(steps) < 2 or not own.sum():
        return False
    mine = np.add.reduceat(own, steps).astype(np.float64)
    rest = np.add.reduceat(pooled - own, steps).astype(np.float64)
    table = np.array([mine, rest])
    table = table[:, table.sum(axis=0) > 0]
    if table.sum(axis=1).min() == 0:
        return False
    expected = table.sum(axis=1)[:, None] * table.sum(axis=0) / table.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(table > 0, table * np.log(table / expected), 0.0)
    return bool(chdtrc(max(1, table.shape[1] - 1), 2 * terms.sum()) < _ODD_ONE_OUT)


def added_up(grid: Grid, parts: Sequence[Rates], counts: Int64s) -> Rates:
    """Several profiles as one: steps wherever one of them steps. ``counts`` are of all together."""
    starts = sorted({start for part in parts for start in part.starts_us})
    rates = np.zeros(len(starts))
    for part in parts:
        places = np.searchsorted(part.starts_us, starts, side="right") - 1
        rates += np.array(part.rates_per_us)[places]
    slots = [start // grid.slot_us for start in starts]
    exposure = np.array(grid.exposure_us, np.int64)
    return Rates(
        starts_us=tuple(starts),
        rates_per_us=tuple(rates.tolist()),
        calls=tuple(np.add.reduceat(counts, slots).tolist()),
        exposure_us=tuple(np.add.reduceat(exposure, slots).tolist()),
    )
