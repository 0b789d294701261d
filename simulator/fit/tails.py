"""Distribution functions of the distributions that fitting chooses, from both ends.

Each function takes parameters and gives a pair at any x >= 0: the share that is at most x and the
share that is longer; both, because each is exact where it is small.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special

from simulator.scenario import (
    Deterministic,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    HyperExponential,
    Lognormal,
    Mixture,
    Pareto,
    Weibull,
)
from simulator.traffic.samplers import balanced_phases, weibull_shape

Floats = npt.NDArray[np.float64]
Tails = Callable[[Floats], tuple[Floats, Floats]]
"""x >= 0, shape (n,), to (P(X <= x), P(X > x)), shapes (n,)."""


def exponential_tails(mean: float) -> Tails:
    return lambda x: (-np.expm1(-x / mean), np.exp(-x / mean))


def gamma_tails(shape: float, scale: float) -> Tails:
    def at(x: Floats) -> tuple[Floats, Floats]:
        below: Floats = np.asarray(special.gammainc(shape, x / scale), np.float64)
        above: Floats = np.asarray(special.gammaincc(shape, x / scale), np.float64)
        return below, above

    return at


def lognormal_tails(location: float, sigma: float) -> Tails:
    """``location`` and ``sigma`` are mean and standard deviation of the logarithm."""

    def at(x: Floats) -> tuple[Floats, Floats]:
        with np.errstate(divide="ignore"):
            z = (np.log(x) - location) / sigma
        return special.ndtr(z), special.ndtr(-z)

    return at


def weibull_tails(shape: float, scale: float) -> Tails:
    def at(x: Floats) -> tuple[Floats, Floats]:
        with np.errstate(over="ignore"):
            hazard = (x / scale) ** shape
        return -np.expm1(-hazard), np.exp(-hazard)

    return at


def hyperexponential_tails(mean: float, cv: float) -> Tails:
    """Two phases with balanced means, as scenarios have them."""
    p, first, second = balanced_phases(mean, cv)

    def at(x: Floats) -> tuple[Floats, Floats]:
        below = -p * np.expm1(-x / first) - (1 - p) * np.expm1(-x / second)
        return below, p * np.exp(-x / first) + (1 - p) * np.exp(-x / second)

    return at


def pareto_tails(shape: float, low: float, high: float) -> Tails:
    """Cut off at ``high``."""
    mass = -math.expm1(-shape * math.log(high / low))

    def at(x: Floats) -> tuple[Floats, Floats]:
        inside = np.clip(x, low, high)
        below = -np.expm1(-shape * np.log(inside / low)) / mass
        above = -np.expm1(-shape * np.log(high / inside)) * (inside / low) ** -shape / mass
        return below, above

    return at


def _steps(values: tuple[float, ...]) -> Tails:
    ranked = np.sort(np.array(values, np.float64))

    def at(x: Floats) -> tuple[Floats, Floats]:
        ended = np.searchsorted(ranked, x, side="right")
        return ended / len(ranked), (len(ranked) - ended) / len(ranked)

    return at


def _mixed(parts: tuple[tuple[float, Distribution], ...]) -> Tails:
    whole = math.fsum(weight for weight, _ in parts)
    weighted = [(weight / whole, tails_of(part)) for weight, part in parts]

    def at(x: Floats) -> tuple[Floats, Floats]:
        below, above = np.zeros(len(x)), np.zeros(len(x))
        for weight, tails in weighted:
            under, over = tails(x)
            below, above = below + weight * under, above + weight * over
        return below, above

    return at


def tails_of(distribution: Distribution) -> Tails:
    """Raises ValueError for a distribution that fitting does not choose."""
    match distribution:
        case Exponential(mean):
            return exponential_tails(mean)
        case Gamma(mean, cv):
            return gamma_tails(cv**-2, mean * cv * cv)
        case Lognormal(mean, cv):
            variance = math.log1p(cv * cv)
            return lognormal_tails(math.log(mean) - variance / 2, math.sqrt(variance))
        case Weibull(mean, cv):
            shape = weibull_shape(cv)
            return weibull_tails(shape, mean / math.gamma(1 + 1 / shape))
        case HyperExponential(mean, cv):
            return hyperexponential_tails(mean, cv)
        case Pareto(shape, low, high):
            return pareto_tails(shape, low, high)
        case Deterministic(value):
            return _steps((value,))
        case Empirical(values):
            return _steps(values)
        case Mixture(parts):
            return _mixed(parts)
        case _:
            raise ValueError(f"{type(distribution).__name__} is nothing that fitting chooses")


def longer_than(distribution: Distribution, x_us: Floats) -> Floats:
    """P(X > x) at each x >= 0, shape (n,). Raises ValueError as :func:`tails_of` does."""
    return tails_of(distribution)(x_us)[1]
