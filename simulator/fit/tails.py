"""The share of calls that last longer than x, of the distributions that fitting chooses."""

import math

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


def longer_than(distribution: Distribution, x_us: Floats) -> Floats:
    """P(X > x) at each x >= 0 in microseconds, shape (n,). Raises ValueError for a distribution
    that fitting does not choose."""
    found: Floats = np.asarray(_longer_than(distribution, x_us), np.float64)
    return found


def _longer_than(distribution: Distribution, x: Floats) -> npt.ArrayLike:
    match distribution:
        case Exponential(mean):
            return np.exp(-x / mean)
        case Gamma(mean, cv):
            shape = cv**-2
            return special.gammaincc(shape, shape / mean * x)
        case Lognormal(mean, cv):
            variance = math.log1p(cv * cv)
            with np.errstate(divide="ignore"):
                z = (np.log(x / mean) + variance / 2) / math.sqrt(variance)
            return special.ndtr(-z)
        case Weibull(mean, cv):
            shape = weibull_shape(cv)
            return np.exp(-((x / mean * math.gamma(1 + 1 / shape)) ** shape))
        case HyperExponential(mean, cv):
            p, first, second = balanced_phases(mean, cv)
            return p * np.exp(-x / first) + (1 - p) * np.exp(-x / second)
        case Pareto(shape, low, high):
            inside = np.clip(x, low, high)
            mass = -math.expm1(-shape * math.log(high / low))
            return 1 + np.expm1(-shape * np.log(inside / low)) / mass
        case Deterministic(value):
            return x < value
        case Empirical(values):
            ended = np.searchsorted(np.sort(np.array(values)), x, side="right")
            return 1 - ended / len(values)
        case Mixture(parts):
            whole = math.fsum(weight for weight, _ in parts)
            longer = np.zeros(len(x))
            for weight, part in parts:
                longer = longer + weight / whole * longer_than(part, x)
            return longer
        case _:
            raise ValueError(f"{type(distribution).__name__} is nothing that fitting chooses")
