"""Estimates from replications: a ratio of sums with its interval.

Losses cluster, so the error bar of single calls taken for independent is several times too small.
Whole replications are independent; their spread gives the interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.planning.student import t_quantile


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


def gravest(estimates: Sequence[Estimate]) -> Estimate:
    """The estimate with the largest value."""
    return max(estimates, key=lambda each: each.value)
