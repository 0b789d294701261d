"""Estimates from replications: a ratio of sums with its interval.

Losses cluster, so the error bar of single calls taken for independent is several times too small.
Whole replications are independent; their spread gives the interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from simulator.analytics.incomplete_gamma import regularized_lower_gamma
from simulator.analytics.roots import increasing_root
from simulator.planning.student import t_quantile

FEW_LOSING: Final = 10
"""Below so many replications that lost anything their spread says too little of the truth."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """``low`` and ``high`` bound the interval at the confidence asked for."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2


def ratio(
    parts: Sequence[int], wholes: Sequence[int], confidence: float, trials: float | None = None
) -> Estimate | None:
    """Sum of ``parts`` over sum of ``wholes``, one of each a replication; None where that is 0/0.

    The interval is that of the ratio estimator, r +- t sqrt(sum (p_i - r w_i)**2 / (n (n - 1))) /
    mean(w), with Student's t for n - 1 degrees of freedom (W. G. Cochran, "Sampling Techniques",
    3rd edition, 1977, section 6.3), cut to [0, 1] for shares. Where nothing was lost at all the
    spread says nothing; then the upper end is that of n Poisson events of which none was seen,
    ln(2 / (1 - confidence)) / ``trials``, in ``trials`` tries (those of ``wholes`` unless given).
    With a single replication the interval is everything, [0, inf). Raises ValueError for no
    replication or unequal lengths.
    """
    if not parts or len(parts) != len(wholes):
        raise ValueError("a ratio needs as many parts as wholes, at least one")
    total = sum(wholes)
    if total == 0:
        return None
    value = sum(parts) / total
    count = len(parts)
    if count == 1:
        return Estimate(value, 0.0, math.inf)
    spread = np.array(parts, np.float64) - value * np.array(wholes, np.float64)
    error = math.sqrt(float(spread @ spread) * count / (count - 1)) / total
    reach = t_quantile(confidence, count - 1) * error
    high = value + reach
    if value == 0:
        high = math.log(2 / (1 - confidence)) / (total if trials is None else trials)
    return Estimate(value, max(0.0, value - reach), high)


def bound(
    parts: Sequence[int], wholes: Sequence[int], confidence: float, trials: float | None = None
) -> Estimate | None:
    """:func:`ratio`, to decide by: with an upper end that holds where few replications lost.

    With k < 10 losing replications of n, k < n, the spread is that of a handful of bursts, and
    Student's interval ends below the truth several times too often. So the upper end is no less
    than that of a gamma distribution matched to such a sum (M. P. Fay and E. J. Feuer, "Confidence
    intervals for directly standardized rates: a method based on the gamma distribution",
    Statistics in Medicine 16, 1997): a Poisson count of k / (2 - k / n) equal bursts has the
    relative variance of k binomial ones that scatter as much as they are large. With k = 0 bursts
    are taken for single calls that do, which is twice the end of :func:`ratio`.
    """
    found = ratio(parts, wholes, confidence, trials)
    losing = sum(part > 0 for part in parts)
    if found is None or losing >= min(len(parts), FEW_LOSING):
        return found
    if losing == 0:
        return Estimate(found.value, found.low, 2 * found.high)
    bursts = losing / (2 - losing / len(parts))
    high = found.value * _gamma_quantile(bursts + 1, (1 + confidence) / 2) / bursts
    return Estimate(found.value, found.low, max(found.high, high))


@cache
def _gamma_quantile(shape: float, share: float) -> float:
    """x with P(X <= x) = ``share`` of a gamma variable of that shape and scale 1."""
    high = shape
    while regularized_lower_gamma(shape, high) < share:
        high *= 2
    return increasing_root(lambda x: regularized_lower_gamma(shape, x) - share, 0.0, high)


def gravest(estimates: Sequence[Estimate]) -> Estimate:
    """The estimate with the largest value."""
    return max(estimates, key=lambda each: each.value)
