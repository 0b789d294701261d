"""What two runs of a scenario under other seeds may differ by, judged without a distribution.

Losses come in clusters, so a binomial or Poisson bar on a count is several times too short. The
yardstick here is the scenario itself: replications of it, taken in pairs. If the two runs in hand
are nothing but two more replications, their difference is one more pair like the others, and it is
the most extreme of all 1 + n pairs with a probability of 1 / (1 + n) and no more, however the
figures are distributed and depend on each other. "Beyond chance" means: more extreme, in one figure
at least, than every pair of replications is in any figure; so the many figures looked at are
allowed for.

How extreme a pair is in a figure is its distance in square roots (which evens out the scatter of
counts) over the root mean square of the other pairs' distances. This choice bears on what is
found, not on how often sound runs are suspected. P. H. Westfall and S. S. Young, "Resampling-Based
Multiple Testing", 1993, chapter 2, is the source of the test by the largest of many statistics.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_LEAST_MEAN: Final = 0.5
"""Keeps one call from being far where the others have none."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """What was found; shapes (m,), one entry a figure.

    A new value in [low, high] is within chance of the base value. ``false_alarm`` bounds the
    probability that any figure of two sound runs is found beyond chance.
    """

    beyond: Bools
    low: Floats
    high: Floats
    false_alarm: float


def judge_difference(base: Floats, new: Floats, runs: Floats, weight: Floats) -> Verdicts:
    """Which of ``m`` figures differ beyond chance.

    ``base`` and ``new`` have shape (m,), ``runs`` shape (2 n, m): independent replications under
    seeds of their own, n >= 1. ``weight``, shape (m,), turns a figure into something like a count
    (a share of calls times the number of calls); it must not depend on which of the runs is which.
    All are finite and not negative.
    """
    whole = np.vstack([base[None], new[None], runs])
    roots = np.sqrt(whole * weight)
    apart = np.abs(roots[0::2] - roots[1::2])
    spread = np.array([_spread(whole * weight, apart, pair) for pair in range(len(apart))])
    extremes = apart / spread
    limit = extremes[1:].max()
    reach = limit * spread[0]
    scale = np.where(weight > 0, weight, 1.0)
    return Verdicts(
        beyond=extremes[0] > limit,
        low=np.where(reach > 0, np.maximum(roots[0] - reach, 0.0) ** 2 / scale, base),
        high=np.where(reach > 0, (roots[0] + reach) ** 2 / scale, base),
        false_alarm=1 / len(apart),
    )


def _spread(counts: Floats, apart: Floats, pair: int) -> Floats:
    """The scale of each figure's distances, from all pairs but one; never less than one call.

    A call more at a mean of c is 1 / (2 sqrt(c)) in square roots.
    """
    others = np.delete(apart, pair, axis=0)
    mean = np.delete(counts, (2 * pair, 2 * pair + 1), axis=0).mean(axis=0)
    one_call = 1 / (4 * np.maximum(mean, _LEAST_MEAN))
    spread: Floats = np.sqrt(np.maximum(one_call, (others**2).mean(axis=0)))
    return spread
