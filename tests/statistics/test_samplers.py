"""Samplers against their stated mean, cv and distribution, at fixed seeds."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

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
from simulator.trace import MAX_US
from simulator.traffic.samplers import (
    Floats,
    cv,
    fixed_us,
    mean_us,
    round_us,
    sampler,
    weibull_shape,
)
from simulator.traffic.streams import Streams


def kind(value: object) -> str:
    """A test's name for a parameter; the address in a function's own name changes by run."""
    return type(value).__name__


SECOND = 1e6
DRAWS = 60_000
STANDARD_ERRORS = 4.5
LEAST_P = 1e-4
"""Seeds are fixed, so this is a bound on one outcome and not a rate of false alarms."""

Cdf = Callable[[Any], Any]


def drawn(distribution: Distribution, draws: int = DRAWS) -> Floats:
    out = np.empty(draws)
    sampler(distribution, Streams(7, "acme"), "hold")(out)
    return out


def weibull_cdf(mean: float, ratio: float) -> Cdf:
    """With the shape found by scanning scipy's own mean and standard deviation."""
    shapes = np.geomspace(0.1, 20, 400_001)
    first, second = (np.exp(stats_gamma(1 + k / shapes)) for k in (1, 2))
    shape = shapes[np.argmin(np.abs(np.sqrt(second / first**2 - 1) - ratio))]
    scale = mean / stats.weibull_min(shape).mean()
    return stats.weibull_min(shape, scale=scale).cdf


def stats_gamma(x: Floats) -> Floats:
    from scipy.special import gammaln

    return np.asarray(gammaln(x))


def lognormal_cdf(mean: float, ratio: float) -> Cdf:
    sigma = math.sqrt(math.log(1 + ratio**2))
    return stats.lognorm(sigma, scale=mean / math.sqrt(1 + ratio**2)).cdf


def hyperexponential_cdf(mean: float, ratio: float) -> Cdf:
    """From the two moments and balanced means p/r1 = q/r2, solved as a quadratic in p."""
    p = 0.5 * (1 + math.sqrt(1 - 2 / (ratio**2 + 1)))
    one, two = 2 * p / mean, 2 * (1 - p) / mean
    return lambda x: 1 - p * np.exp(-one * x) - (1 - p) * np.exp(-two * x)


def pareto_cdf(shape: float, low: float, high: float) -> Cdf:
    return lambda x: (1 - (low / x) ** shape) / (1 - (low / high) ** shape)


CONTINUOUS: list[tuple[Distribution, Cdf]] = [
    (Exponential(3 * SECOND), stats.expon(scale=3 * SECOND).cdf),
    (Uniform(SECOND, 4 * SECOND), stats.uniform(SECOND, 3 * SECOND).cdf),
    (Gamma(2 * SECOND, 0.5), stats.gamma(4, scale=SECOND / 2).cdf),
    (Gamma(2 * SECOND, 2.0), stats.gamma(0.25, scale=8 * SECOND).cdf),
    (Erlang(6 * SECOND, 3), stats.gamma(3, scale=2 * SECOND).cdf),
    (Lognormal(180 * SECOND, 1.2), lognormal_cdf(180 * SECOND, 1.2)),
    (Lognormal(SECOND, 0.1), lognormal_cdf(SECOND, 0.1)),
    (Weibull(SECOND, 0.4), weibull_cdf(SECOND, 0.4)),
    (Weibull(SECOND, 2.5), weibull_cdf(SECOND, 2.5)),
    (Pareto(1.5, SECOND, 100 * SECOND), pareto_cdf(1.5, SECOND, 100 * SECOND)),
    (Pareto(2.0, SECOND, 50 * SECOND), pareto_cdf(2.0, SECOND, 50 * SECOND)),
    (HyperExponential(SECOND, 1.0), stats.expon(scale=SECOND).cdf),
    (HyperExponential(5 * SECOND, 3.0), hyperexponential_cdf(5 * SECOND, 3.0)),
    (
        Mixture(((3.0, Exponential(SECOND)), (1.0, Uniform(0.0, 10 * SECOND)))),
        lambda x: (
            0.75 * stats.expon(scale=SECOND).cdf(x) + 0.25 * stats.uniform(0, 10 * SECOND).cdf(x)
        ),
    ),
]

STEPPED: list[Distribution] = [
    Deterministic(2 * SECOND),
    Empirical((1.0, 1.0, 4.0, 10.0)),
    Mixture(((1.0, Deterministic(SECOND)), (4.0, Empirical((0.0, 2 * SECOND))))),
]

ALL = [*(distribution for distribution, _ in CONTINUOUS), *STEPPED]


@pytest.mark.parametrize(("distribution", "cdf"), CONTINUOUS, ids=kind)
def test_draws_follow_the_distribution(distribution: Distribution, cdf: Cdf) -> None:
    assert stats.kstest(drawn(distribution), cdf).pvalue > LEAST_P


@pytest.mark.parametrize("distribution", ALL, ids=kind)
def test_draws_have_the_stated_mean_and_cv(distribution: Distribution) -> None:
    values = drawn(distribution)
    deviation = values.std()
    error = STANDARD_ERRORS * deviation / math.sqrt(DRAWS)
    assert values.mean() == pytest.approx(mean_us(distribution), abs=error + 1e-6)
    # The standard error of a variance is sqrt((fourth central moment - variance**2) / n).
    fourth = ((values - values.mean()) ** 4).mean()
    variance_error = STANDARD_ERRORS * math.sqrt(max(0.0, fourth - deviation**4) / DRAWS)
    variance = (cv(distribution) * mean_us(distribution)) ** 2
    assert values.var() == pytest.approx(variance, abs=variance_error + 1e-3)


@pytest.mark.parametrize(("distribution", "cdf"), CONTINUOUS, ids=kind)
def test_closed_forms_agree_with_the_integral_of_the_survival_function(
    distribution: Distribution, cdf: Cdf
) -> None:
    # E[X] is the integral of 1 - F, E[X**2] that of 2 x (1 - F); on a logarithmic axis, because
    # tails are long.
    x = np.concatenate(([0.0], np.geomspace(1.0, 1e5 * mean_us(distribution), 400_001)))
    with np.errstate(divide="ignore"):
        beyond = np.clip(1 - np.nan_to_num(cdf(x), neginf=0.0), 0.0, 1.0)
    if isinstance(distribution, Pareto):
        beyond = np.where(x < distribution.low_us, 1.0, beyond)
        beyond = np.where(x > distribution.high_us, 0.0, beyond)
    mean = integrate.trapezoid(beyond, x)
    square = integrate.trapezoid(2 * x * beyond, x)
    assert mean_us(distribution) == pytest.approx(mean, rel=1e-3)
    assert cv(distribution) == pytest.approx(math.sqrt(square / mean**2 - 1), rel=5e-3)


def test_an_empirical_distribution_gives_every_value_its_share() -> None:
    values, counts = np.unique(drawn(Empirical((1.0, 1.0, 4.0, 10.0))), return_counts=True)
    assert values.tolist() == [1.0, 4.0, 10.0]
    share = np.array([0.5, 0.25, 0.25])
    assert stats.chisquare(counts, share * DRAWS).pvalue > LEAST_P


@pytest.mark.parametrize("ratio", [1e-3, 0.05, 0.5, 1.0, 3.0, 40.0])
def test_the_weibull_shape_gives_the_cv(ratio: float) -> None:
    shape = weibull_shape(ratio)
    found = stats.weibull_min(shape)
    assert found.std() / found.mean() == pytest.approx(ratio, rel=1e-5)


def test_the_weibull_of_cv_one_is_exponential() -> None:
    assert weibull_shape(1.0) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("kind", [Gamma, Lognormal, Weibull])
def test_without_spread_every_draw_is_the_mean(kind: type[Gamma | Lognormal | Weibull]) -> None:
    assert set(drawn(kind(5.0, 0.0), 100)) == {5.0}


def test_rounding_goes_to_the_even_microsecond_and_stops_at_the_longest() -> None:
    values = np.array([0.0, 0.5, 1.5, 2.5, 2.6, math.inf])
    assert round_us(values).tolist() == [0, 0, 2, 2, 3, MAX_US]


def test_only_a_value_without_spread_is_fixed() -> None:
    assert fixed_us(Deterministic(2.5)) == 2
    assert fixed_us(Exponential(2.0)) is None
