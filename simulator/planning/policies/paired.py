"""Shares of two ways to play the same calls: how far apart they are, and whether that is chance.

Replication i has the same callers both times, so what makes one run of it unlucky makes the other
so too. Taken in pairs, most of the scatter cancels, and the interval of a difference is much
shorter than those of its two sides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.planning.policies.result import Difference
from simulator.planning.student import t_quantile

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counted:
    """Lost calls and calls offered, one of each a replication."""

    lost: tuple[int, ...]
    offered: tuple[int, ...]

    @property
    def share(self) -> float | None:
        """Of all calls offered; None for none."""
        whole = sum(self.offered)
        return sum(self.lost) / whole if whole else None

    def residuals(self) -> _Floats:
        """How far each replication pulls the share, shape (replications,); their sum is 0.

        The linear terms of a ratio of means, (p_i - r w_i) / mean(w) (W. G. Cochran, "Sampling
        Techniques", 3rd edition, 1977, section 6.3).
        """
        share = self.share or 0.0
        parts, wholes = np.array(self.lost, np.float64), np.array(self.offered, np.float64)
        residuals: _Floats = (parts - share * wholes) / max(wholes.mean(), 1e-300)
        return residuals


def difference(
    one: Counted, other: Counted, confidence: float, looked_at: int = 1
) -> Difference | None:
    """The share of ``one`` less that of ``other``; None where a side has no calls at all.

    Student's t on the paired residuals of both ratios. It is sure when an interval leaves out 0
    whose chance to err is shared out over the ``looked_at`` (>= 1) differences looked at together
    (Bonferroni). Calls that fared alike in every replication differ by 0 exactly. Raises ValueError
    for fewer than 2 replications or sides that are not pairs.
    """
    count = len(one.lost)
    if count < 2 or len(other.lost) != count:
        raise ValueError("a difference needs pairs of at least 2 replications")
    first, second = one.share, other.share
    if first is None or second is None:
        return None
    value = first - second
    spread = one.residuals() - other.residuals()
    error = math.sqrt(float(spread @ spread) / (count * (count - 1)))
    reach = t_quantile(confidence, count - 1) * error
    sure_reach = t_quantile(1 - (1 - confidence) / looked_at, count - 1) * error
    return Difference(value, value - reach, value + reach, abs(value) > sure_reach)


def jain_index(values: Sequence[float]) -> float | None:
    """(sum x)**2 / (n sum x**2) of values >= 0; None of none, or where all are 0.

    Source: R. Jain, D. Chiu and W. Hawe, DEC Research Report TR-301, 1984.
    """
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else None
