"""How much of a call falls into the first x of time: E[min(S, x)] of a holding time S.

It is the integral of P(S > u) over [0, x], and what the mean of an infinite group needs to know of
the holding times.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from simulator.analytics.incomplete_gamma import regularized_lower_gamma
from simulator.scenario import (
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Gamma,
    HyperExponential,
    Lognormal,
    Mixture,
    Pareto,
    Uniform,
    Weibull,
)
from simulator.traffic.samplers import balanced_phases, check_distribution, weibull_shape

_LARGEST_SHAPE: Final = 1e8

LimitedMean = Callable[[float], float]
"""x >= 0 to E[min(S, x)], in the unit of time of the distribution."""


def limited_mean(distribution: Distribution) -> LimitedMean:
    """E[min(S, x)] of a holding-time distribution, as a function of x >= 0.

    Closed forms from the distribution and density functions: E[min(S, x)] = E[S; S <= x] +
    x P(S > x) (limited expected value; S. A. Klugman, H. H. Panjer and G. E. Willmot, "Loss
    Models", 4th edition, 2012, appendix A). A gamma or Erlang distribution with a coefficient of
    variation below 1e-4 is taken for normal with a first correction for its skewness (Edgeworth).
    Precision: absolute error below 1e-11 of the mean.
    Raises :class:`~simulator.traffic.samplers.ParametersInvalid`, a ValueError, for parameters
    that mean nothing.
    """
    check_distribution(distribution)
    match distribution:
        case Deterministic(value):
            return lambda x: min(value, x)
        case Exponential(mean):
            return _exponential(mean)
        case Uniform(low, high):
            return _uniform(low, high)
        case Erlang(mean, phases):
            return _gamma(mean, float(phases))
        case HyperExponential(mean, ratio):
            p, first, second = balanced_phases(mean, ratio)
            return _mixed([(p, _exponential(first)), (1 - p, _exponential(second))])
        case Pareto():
            return _pareto(distribution)
        case Empirical(values):
            return _empirical(values)
        case Mixture(parts):
            whole = math.fsum(weight for weight, _ in parts)
            return _mixed([(weight / whole, limited_mean(part)) for weight, part in parts])
        case Gamma(mean, ratio) | Lognormal(mean, ratio) | Weibull(mean, ratio):
            if ratio == 0 or mean == 0:
                return lambda x: min(mean, x)
            return _by_mean_and_cv(distribution)


def _by_mean_and_cv(distribution: Gamma | Lognormal | Weibull) -> LimitedMean:
    match distribution:
        case Gamma(mean, ratio):
            return _gamma(mean, 1 / (ratio * ratio))
        case Lognormal(mean, ratio):
            return _lognormal(mean, ratio)
        case Weibull(mean, ratio):
            return _weibull(mean, ratio)


def _exponential(mean: float) -> LimitedMean:
    return lambda x: -mean * math.expm1(-x / mean) if mean > 0 else 0.0


def _uniform(low: float, high: float) -> LimitedMean:
    def within(x: float) -> float:
        if x <= low:
            return x
        if x >= high:
            return (low + high) / 2
        return x - (x - low) ** 2 / (2 * (high - low))

    return within


def _gamma(mean: float, shape: float) -> LimitedMean:
    if shape > _LARGEST_SHAPE:
        return _nearly_normal(mean, 1 / math.sqrt(shape))
    scale = mean / shape

    def within(x: float) -> float:
        if mean == 0 or x == 0:
            return 0.0
        ended = regularized_lower_gamma(shape, x / scale)
        lasted = x * (1 - ended) if ended < 1 else 0.0
        return mean * regularized_lower_gamma(shape + 1, x / scale) + lasted

    return within


def _nearly_normal(mean: float, ratio: float) -> LimitedMean:
    """x - E[(x - S)+] where S is nearly normal, of skewness 2 cv; what is left out is cv**3."""
    sigma = mean * ratio

    def within(x: float) -> float:
        if sigma == 0 or x == math.inf:
            return min(mean, x)
        z = (x - mean) / sigma
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return min(mean, x) + sigma * (abs(z) * _normal(-abs(z)) - density * (1 + ratio * z / 3))

    return within


def _lognormal(mean: float, ratio: float) -> LimitedMean:
    variance = math.log1p(ratio * ratio)
    sigma, location = math.sqrt(variance), math.log(mean) - variance / 2

    def within(x: float) -> float:
        if x == 0 or x == math.inf:
            return mean if x else 0.0
        z = (math.log(x) - location) / sigma
        return mean * _normal(z - sigma) + x * _normal(-z)

    return within


def _normal(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def _weibull(mean: float, ratio: float) -> LimitedMean:
    """mean * P(1/k, (x / scale)**k): the integral of exp(-(u / scale)**k) up to x."""
    power = 1 / weibull_shape(ratio)
    scale = mean * math.exp(-math.lgamma(1 + power))

    def within(x: float) -> float:
        return mean * regularized_lower_gamma(power, (x / scale) ** (1 / power))

    return within


def _pareto(pareto: Pareto) -> LimitedMean:
    """With h = high / low and F(u) = (1 - (low / u)**a) / (1 - h**-a) on [low, high]."""
    shape, low, high = pareto.shape, pareto.low_us, pareto.high_us
    mass = -math.expm1(-shape * math.log(high / low))

    def within(x: float) -> float:
        if x <= low or mass == 0:
            return min(x, low)
        end = min(x, high)
        log_ratio = math.log(end / low)
        exponent = (1 - shape) * log_ratio
        # The integral of (low / u)**a from low to the end, which tends to low ln(end / low).
        powers = low * log_ratio * (math.expm1(exponent) / exponent if exponent else 1.0)
        return low + (powers - (1 - mass) * (end - low)) / mass

    return within


def _empirical(values: tuple[float, ...]) -> LimitedMean:
    table = np.sort(np.array(values, np.float64))
    sums = np.concatenate(([0.0], np.cumsum(table)))

    def within(x: float) -> float:
        ended = int(np.searchsorted(table, x, side="right"))
        lasting = len(table) - ended
        return float((sums[ended] + (x * lasting if lasting else 0.0)) / len(table))

    return within


def _mixed(parts: list[tuple[float, LimitedMean]]) -> LimitedMean:
    return lambda x: math.fsum(weight * part(x) for weight, part in parts)
