"""Families of distributions fitted by maximum likelihood.

Everything here is for values whose mean is 1; :mod:`simulator.fit.holding` scales.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from simulator.fit.tails import (
    Floats,
    Tails,
    exponential_tails,
    gamma_tails,
    hyperexponential_tails,
    lognormal_tails,
    pareto_tails,
    weibull_tails,
)
from simulator.scenario import (
    Distribution,
    Exponential,
    Gamma,
    HyperExponential,
    Lognormal,
    Pareto,
    Weibull,
)

_LEAST: Final = 1e-300
_CV_RANGE: Final = (0.002, 99.0)
_PARETO_SHAPES: Final = (0.01, 99.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """Counts in cells: ``counts[i]`` values lie in [low[i], high[i]); shapes (cells,), mean 1.

    ``least`` and ``most`` bound all values as closely as they are known.
    """

    low: Floats
    high: Floats
    counts: Floats
    cv: float
    least: float
    most: float

    @property
    def n(self) -> float:
        return float(self.counts.sum())


@dataclass(frozen=True, slots=True)
class Fit:
    """A family at its maximum of likelihood. ``scaled(k)`` is it for values k times as long."""

    name: str
    parameters: int
    log_likelihood: float
    tails: Tails
    scaled: Callable[[float], Distribution]


def log_likelihood(sample: Sample, tails: Tails) -> float:
    """Of the cells: each value only says in which cell it lies (interval likelihood)."""
    below_low, above_low = tails(sample.low)
    below_high, above_high = tails(sample.high)
    chance = np.where(below_high < 0.5, below_high - below_low, above_low - above_high)
    return float(sample.counts @ np.log(np.maximum(chance, _LEAST)))


def fit_all(sample: Sample) -> list[Fit]:
    """Each family that can hold such values at all, fitted by maximum likelihood."""
    fits = [_exponential(sample), _gamma(sample), _lognormal(sample), _weibull(sample)]
    if sample.cv >= 1:
        fits.append(_hyperexponential(sample))
    if sample.least > 0:
        fits.append(_pareto(sample))
    return fits


def _best_two(sample: Sample, start: tuple[float, float], tails: Callable[..., Tails]) -> Floats:
    """The two parameters that make the cells likeliest; both are logarithms."""

    def loss(at: Floats) -> float:
        return -log_likelihood(sample, tails(float(at[0]), float(at[1]))) / sample.n

    simplex = np.array([start, (start[0] + 0.1, start[1]), (start[0], start[1] + 0.1)])
    found = minimize(
        loss,
        np.array(start),
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-12, "maxiter": 400, "initial_simplex": simplex},
    )
    best: Floats = np.asarray(found.x, np.float64)
    return best


def _clipped(cv: float, least: float = _CV_RANGE[0]) -> float:
    return min(max(cv, least), _CV_RANGE[1])


def _exponential(sample: Sample) -> Fit:
    found = minimize_scalar(
        lambda at: -log_likelihood(sample, exponential_tails(math.exp(float(at)))) / sample.n,
        bracket=(-0.1, 0.1),
        tol=1e-10,
    )
    mean = math.exp(float(found.x))
    at = exponential_tails(mean)
    return Fit("exponential", 1, log_likelihood(sample, at), at, lambda k: Exponential(k * mean))


def _gamma(sample: Sample) -> Fit:
    def tails(log_mean: float, log_cv: float) -> Tails:
        variance = _clipped(math.exp(log_cv)) ** 2
        return gamma_tails(1 / variance, math.exp(log_mean) * variance)

    best = _best_two(sample, (0.0, math.log(_clipped(sample.cv))), tails)
    at = tails(*best)
    mean, cv = math.exp(best[0]), _clipped(math.exp(best[1]))
    return Fit("gamma", 2, log_likelihood(sample, at), at, lambda k: Gamma(k * mean, cv))


def _lognormal(sample: Sample) -> Fit:
    def tails(location: float, log_sigma: float) -> Tails:
        return lognormal_tails(location, math.exp(log_sigma))

    sigma = math.sqrt(math.log1p(_clipped(sample.cv) ** 2))
    best = _best_two(sample, (-sigma * sigma / 2, math.log(sigma)), tails)
    variance = math.exp(2 * best[1])
    at = tails(*best)
    mean = math.exp(min(50.0, best[0] + variance / 2))
    cv = _clipped(math.sqrt(math.expm1(min(50.0, variance))))
    return Fit("lognormal", 2, log_likelihood(sample, at), at, lambda k: Lognormal(k * mean, cv))


def _weibull(sample: Sample) -> Fit:
    def tails(log_scale: float, log_shape: float) -> Tails:
        return weibull_tails(math.exp(log_shape), math.exp(log_scale))

    shape = _clipped(sample.cv) ** -1.086  # a common first guess for the shape from the cv
    best = _best_two(sample, (-math.lgamma(1 + 1 / shape), math.log(shape)), tails)
    at = tails(*best)
    inverse = math.exp(-best[1])
    mean = math.exp(min(50.0, best[0] + math.lgamma(1 + inverse)))
    ratio = min(50.0, math.lgamma(1 + 2 * inverse) - 2 * math.lgamma(1 + inverse))
    cv = _clipped(math.sqrt(math.expm1(ratio)))
    return Fit("weibull", 2, log_likelihood(sample, at), at, lambda k: Weibull(k * mean, cv))


def _hyperexponential(sample: Sample) -> Fit:
    def cv_of(log_excess: float) -> float:
        return _clipped(math.sqrt(1 + math.exp(min(20.0, log_excess))), 1.0)

    def tails(log_mean: float, log_excess: float) -> Tails:
        return hyperexponential_tails(math.exp(log_mean), cv_of(log_excess))

    excess = max(0.01, _clipped(sample.cv, 1.0) ** 2 - 1)
    best = _best_two(sample, (0.0, math.log(excess)), tails)
    mean, cv = math.exp(best[0]), cv_of(best[1])
    at = tails(*best)
    likelihood = log_likelihood(sample, at)
    return Fit("hyperexponential", 2, likelihood, at, lambda k: HyperExponential(k * mean, cv))


def _pareto(sample: Sample) -> Fit:
    """Its ends are those of the values, which is where they are likeliest; they count as two."""
    low, high = sample.least, sample.most
    least, most = map(math.log, _PARETO_SHAPES)
    found = minimize_scalar(
        lambda at: -log_likelihood(sample, pareto_tails(math.exp(float(at)), low, high)) / sample.n,
        bounds=(least, most),
        method="bounded",
        options={"xatol": 1e-9},
    )
    shape = math.exp(float(found.x))
    at = pareto_tails(shape, low, high)
    likelihood = log_likelihood(sample, at)
    return Fit("pareto", 3, likelihood, at, lambda k: Pareto(shape, k * low, k * high))
