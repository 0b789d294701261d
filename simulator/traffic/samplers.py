"""Drawing from the distributions a scenario can name, and their exact mean and cv.

A sampler fills a float64 array with values in microseconds. It takes its randomness strictly one
value after the other from streams of its own: filling n places and then m gives the same values as
filling n + m, so the size of a block changes nothing. Distributions that choose between parts
therefore keep one stream for the choice and one for each part.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

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
from simulator.trace import MAX_US, Int64s
from simulator.traffic.streams import Streams

Floats = npt.NDArray[np.float64]
Fill = Callable[[Floats], None]
"""Fills an array of shape (n,) with the next n values, in microseconds, not yet rounded."""


class ParametersInvalid(ValueError):
    """Parameters mean nothing; the message says which, and what would be right."""


# --- closed forms ---------------------------------------------------------------------------


def mean_us(distribution: Distribution) -> float:
    """The mean in microseconds, exactly as the parameters state it."""
    return _moments(distribution)[0]


def cv(distribution: Distribution) -> float:
    """The coefficient of variation: standard deviation over mean, 0 where the mean is 0."""
    mean, variance = _moments(distribution)
    return math.sqrt(variance) / mean if mean > 0 else 0.0


def _moments(distribution: Distribution) -> tuple[float, float]:
    """Mean and variance."""
    match distribution:
        case Deterministic(value):
            return value, 0.0
        case Exponential(mean):
            return mean, mean * mean
        case Uniform(low, high):
            return (low + high) / 2, (high - low) ** 2 / 12
        case Erlang(mean, phases):
            return mean, mean * mean / phases
        case Gamma(mean, ratio) | Lognormal(mean, ratio) | Weibull(mean, ratio):
            return mean, (ratio * mean) ** 2
        case HyperExponential(mean, ratio):
            return mean, (ratio * mean) ** 2
        case Pareto():
            first = _pareto_moment(distribution, 1)
            return first, max(0.0, _pareto_moment(distribution, 2) - first * first)
        case Empirical(values):
            mean = math.fsum(values) / len(values)
            return mean, math.fsum((value - mean) ** 2 for value in values) / len(values)
        case Mixture(parts):
            total = math.fsum(weight for weight, _ in parts)
            moments = [(weight / total, *_moments(part)) for weight, part in parts]
            mean = math.fsum(share * first for share, first, _ in moments)
            square = math.fsum(share * (var + first * first) for share, first, var in moments)
            return mean, max(0.0, square - mean * mean)


def _pareto_moment(pareto: Pareto, order: int) -> float:
    """E[X**order] of the truncated Pareto.

    With a the shape and h = high/low the integral of x**order times the density is
    low**order * a / (1 - h**-a) * (h**(order-a) - 1) / (order-a), whose last factor tends to ln h
    as order tends to a.
    """
    log_ratio = math.log(pareto.high_us / pareto.low_us)
    if log_ratio == 0.0:
        return pareto.low_us**order
    exponent = (order - pareto.shape) * log_ratio
    integral = log_ratio * (math.expm1(exponent) / exponent if exponent else 1.0)
    mass = -math.expm1(-pareto.shape * log_ratio)
    return pareto.low_us**order * pareto.shape / mass * integral


_WEIBULL_STEPS: Final = 200


def weibull_shape(ratio: float) -> float:
    """The shape k of a Weibull distribution with coefficient of variation ``ratio`` > 0.

    Solves ln Gamma(1 + 2/k) - 2 ln Gamma(1 + 1/k) = ln(1 + ratio**2), whose left side rises
    steadily with 1/k, by bisection on the logarithm of 1/k.
    """
    target = math.log1p(ratio * ratio)

    def excess(log_x: float) -> float:
        x = math.exp(log_x)
        return math.lgamma(1 + 2 * x) - 2 * math.lgamma(1 + x) - target

    low, high = -1.0, 1.0
    while excess(low) > 0:
        low -= 1.0
    while excess(high) < 0:
        high += 1.0
    for _ in range(_WEIBULL_STEPS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return math.exp(-(low + high) / 2)


def balanced_phases(mean: float, ratio: float) -> tuple[float, float, float]:
    """(p, mean 1, mean 2) of the two-phase hyperexponential with balanced means, ratio >= 1.

    p = (1 + sqrt((c2 - 1) / (c2 + 1))) / 2 with c2 = ratio**2, and both phases carry half of the
    mean: p * mean 1 = (1 - p) * mean 2 = mean / 2.
    """
    square = ratio * ratio
    p = (1 + math.sqrt((square - 1) / (square + 1))) / 2
    return p, mean / (2 * p), mean / (2 * (1 - p))


# --- drawing --------------------------------------------------------------------------------


def fixed_us(distribution: Distribution) -> int | None:
    """The one value a distribution without spread always gives, rounded and capped, else None."""
    match distribution:
        case Deterministic(value):
            return min(round(value), MAX_US)
        case _:
            return None


def round_us(values: Floats, out: Int64s | None = None) -> Int64s:
    """Whole microseconds, half to even, of values >= -1; capped at ``MAX_US``.

    Works in ``values`` itself; the answer is ``out``, or a new array.
    """
    np.minimum(values, float(MAX_US), out=values)
    np.rint(values, out=values)
    if out is None:
        return values.astype(np.int64)
    np.copyto(out, values, casting="unsafe")
    return out


def sampler(distribution: Distribution, streams: Streams, purpose: str) -> Fill:
    """A sampler on the stream of ``purpose`` (and streams below it, named ``purpose/...``).

    Raises :class:`ParametersInvalid` for parameters that mean nothing.
    """
    check_distribution(distribution)
    match distribution:
        case Deterministic(value):
            return lambda out: out.fill(value)
        case Exponential(mean):
            return _exponential(mean, streams.open(purpose))
        case Uniform(low, high):
            return _uniform(low, high, streams.open(purpose))
        case Erlang(mean, phases):
            return _gamma(mean, float(phases), streams.open(purpose))
        case HyperExponential(mean, ratio):
            return _hyperexponential(mean, ratio, streams, purpose)
        case Pareto():
            return _pareto(distribution, streams.open(purpose))
        case Empirical(values):
            return _empirical(values, streams.open(purpose))
        case Mixture():
            return _mixture(distribution, streams, purpose)
        case Gamma(mean, ratio) | Lognormal(mean, ratio) | Weibull(mean, ratio):
            if ratio == 0:
                return lambda out: out.fill(mean)
            return _by_mean_and_cv(distribution, streams.open(purpose))


def check_distribution(distribution: Distribution) -> None:
    """Raises :class:`ParametersInvalid` when the parameters mean nothing."""
    match distribution:
        case Deterministic(value):
            _require(0 <= value < math.inf, distribution, "the value must be >= 0")
        case Uniform(low, high):
            _require(0 <= low <= high < math.inf, distribution, "0 <= low <= high is required")
        case Pareto(shape, low, high):
            proper = 0 < shape < math.inf and 0 < low <= high < math.inf
            _require(proper, distribution, "shape > 0 and 0 < low <= high are required")
        case Empirical(values):
            proper = bool(values) and all(0 <= value < math.inf for value in values)
            _require(proper, distribution, "at least one value is required, none below 0")
        case Mixture(parts):
            weights = [weight for weight, _ in parts]
            proper = sum(weights) > 0 and all(0 <= weight < math.inf for weight in weights)
            _require(proper, distribution, "weights >= 0 with a sum > 0 are required")
            for _, part in parts:
                check_distribution(part)
        case _:
            _require(0 <= distribution.mean_us < math.inf, distribution, "the mean must be >= 0")
    match distribution:
        case Erlang():
            _require(distribution.phases >= 1, distribution, "phases must be >= 1")
        case HyperExponential():
            _require(1 <= distribution.cv < math.inf, distribution, "the cv must be >= 1")
        case Gamma() | Lognormal() | Weibull():
            _require(0 <= distribution.cv < math.inf, distribution, "the cv must be >= 0")


def _require(holds: bool, distribution: Distribution, what: str) -> None:
    if not holds:
        raise ParametersInvalid(f"{distribution}: {what}")


def _by_mean_and_cv(distribution: Gamma | Lognormal | Weibull, stream: np.random.Generator) -> Fill:
    match distribution:
        case Gamma(mean, ratio):
            return _gamma(mean, 1 / (ratio * ratio), stream)
        case Lognormal(mean, ratio):
            return _lognormal(mean, ratio, stream)
        case Weibull(mean, ratio):
            return _weibull(mean, ratio, stream)


def _exponential(mean: float, stream: np.random.Generator) -> Fill:
    def fill(out: Floats) -> None:
        stream.standard_exponential(out=out)
        np.multiply(out, mean, out=out)

    return fill


def _uniform(low: float, high: float, stream: np.random.Generator) -> Fill:
    def fill(out: Floats) -> None:
        stream.random(out=out)
        np.multiply(out, high - low, out=out)
        np.add(out, low, out=out)

    return fill


def _gamma(mean: float, shape: float, stream: np.random.Generator) -> Fill:
    def fill(out: Floats) -> None:
        stream.standard_gamma(shape, out=out)
        np.multiply(out, mean / shape, out=out)

    return fill


def _lognormal(mean: float, ratio: float, stream: np.random.Generator) -> Fill:
    """exp(mu + sigma Z) with sigma**2 = ln(1 + cv**2), mu = ln mean - sigma**2 / 2."""
    variance = math.log1p(ratio * ratio)
    sigma, median = math.sqrt(variance), mean * math.exp(-variance / 2)

    def fill(out: Floats) -> None:
        stream.standard_normal(out=out)
        np.multiply(out, sigma, out=out)
        np.exp(out, out=out)
        np.multiply(out, median, out=out)

    return fill


def _weibull(mean: float, ratio: float, stream: np.random.Generator) -> Fill:
    """scale * E**(1/k) for a unit exponential E, with scale = mean / Gamma(1 + 1/k)."""
    power = 1 / weibull_shape(ratio)
    scale = mean * math.exp(-math.lgamma(1 + power))

    def fill(out: Floats) -> None:
        stream.standard_exponential(out=out)
        # A very large cv may overflow to infinity, which rounding caps.
        with np.errstate(over="ignore"):
            np.power(out, power, out=out)
            np.multiply(out, scale, out=out)

    return fill


def _hyperexponential(mean: float, ratio: float, streams: Streams, purpose: str) -> Fill:
    p, first, second = balanced_phases(mean, ratio)
    choices, values = streams.open(f"{purpose}/phase"), streams.open(purpose)

    def fill(out: Floats) -> None:
        values.standard_exponential(out=out)
        np.multiply(out, np.where(choices.random(len(out)) < p, first, second), out=out)

    return fill


def _pareto(pareto: Pareto, stream: np.random.Generator) -> Fill:
    """Inverse of the truncated distribution function: low * (1 - u * (1 - h**-a))**(-1/a)."""
    mass = -math.expm1(-pareto.shape * math.log(pareto.high_us / pareto.low_us))

    def fill(out: Floats) -> None:
        stream.random(out=out)
        np.multiply(out, -mass, out=out)
        np.log1p(out, out=out)
        np.multiply(out, -1 / pareto.shape, out=out)
        np.exp(out, out=out)
        np.multiply(out, pareto.low_us, out=out)
        np.minimum(out, pareto.high_us, out=out)

    return fill


def _empirical(values: tuple[float, ...], stream: np.random.Generator) -> Fill:
    table = np.array(values, dtype=np.float64)

    def fill(out: Floats) -> None:
        stream.random(out=out)
        np.multiply(out, len(table), out=out)
        # A product rounded up to the table's length belongs to its last value: hence clip.
        np.take(table, out.astype(np.intp), out=out, mode="clip")

    return fill


def _mixture(mixture: Mixture, streams: Streams, purpose: str) -> Fill:
    weights = np.array([weight for weight, _ in mixture.parts], dtype=np.float64)
    bounds = np.cumsum(weights)[:-1] / weights.sum()
    choices = streams.open(f"{purpose}/part")
    parts = [
        sampler(part, streams, f"{purpose}/{place}")
        for place, (_, part) in enumerate(mixture.parts)
    ]

    def fill(out: Floats) -> None:
        chosen = np.searchsorted(bounds, choices.random(len(out)), side="right")
        for place, part in enumerate(parts):
            where = np.flatnonzero(chosen == place)
            values = np.empty(len(where))
            part(values)
            out[where] = values

    return fill
