"""Stationary states of a birth-death process whose weights rise to one peak and then fall."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def log_inverse_last(ratios: Iterable[float], log_inverse: float = 0.0) -> float:
    """-ln of the probability of the last state, from ratio_k = weight(k - 1) / weight(k), k >= 1.

    With ln I(0) = ``log_inverse`` (0: a single state to begin with) and
    I(k) = 1 + ratio_k I(k - 1), 1 / I(n) is the weight of state n over the sum of the weights of 0
    to n. The recursion is taken in logarithms, because I itself overflows where the last state is
    rare. An error made at k shrinks by 1 - 1/I(j) with every later step j.
    """
    for ratio in ratios:
        term = math.log(ratio) + log_inverse
        # log(1 + exp(term)), which only a small term may be exponentiated for.
        log_inverse = term + math.log1p(math.exp(-term)) if term > 0 else math.log1p(math.exp(term))
    return log_inverse


def peaked_weights(growth: Floats) -> Floats:
    """Weights of states 0 to n, 1 at the largest, from growth_k = weight(k) / weight(k - 1).

    ``growth`` has shape (n,) and must not increase; the answer has shape (n + 1,). Products run
    outward from the peak, so nothing overflows, and a weight below 1e-308 of it is 0. Relative
    error at most about n * 2e-16.
    """
    peak = int(np.searchsorted(-growth, -1.0, side="right"))
    weights = np.ones(len(growth) + 1)
    np.cumprod(growth[peak:], out=weights[peak + 1 :])
    np.cumprod(1 / growth[:peak][::-1], out=weights[:peak][::-1])
    return weights
