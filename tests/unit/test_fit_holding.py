"""Durations fitted: closed forms, scipy's own densities, and what a fit must keep."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from simulator.fit.fitted import Durations
from simulator.fit.holding import MOST_VALUES, fit_durations, slice_means
from simulator.fit.tails import longer_than
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
from simulator.traffic.samplers import mean_us

SECOND = 1_000_000


def candidate(fit: Durations, name: str) -> Distribution:
    return next(each.distribution for each in fit.candidates if each.name == name)


@given(st.lists(st.integers(1, 4000), min_size=5, max_size=60), st.integers(2, 5000))
@settings(max_examples=12, deadline=None)
def test_longer_calls_scale_the_fit(tenths: list[int], factor: int) -> None:
    """Times k times as long, in steps k times as long, give families with k times the mean."""
    values, step = np.array(tenths, np.int64) * 100_000, 100_000
    one, many = fit_durations(values, step), fit_durations(values * factor, step * factor)
    assert many.chosen_name == one.chosen_name
    assert many.mean_us == pytest.approx(one.mean_us * factor, rel=1e-12)
    scaled = {each.name: each for each in many.candidates}
    assert set(scaled) == {each.name for each in one.candidates}
    for each in one.candidates:
        assert scaled[each.name].mean_us == pytest.approx(each.mean_us * factor, rel=1e-4)
        assert scaled[each.name].distance == pytest.approx(each.distance, abs=1e-4)


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=80))
@settings(max_examples=20, deadline=None)
def test_any_times_are_fitted_and_the_mean_is_near(values: list[int]) -> None:
    """Whatever is taken keeps the mean within the tolerance that is stated."""
    seen = np.array(values, np.int64)
    fit = fit_durations(seen)
    error = float(seen.std()) / math.sqrt(len(seen))
    allowed = max(0.01 * float(seen.mean()), 2 * error) * (1 + 1e-9) + 1
    assert abs(mean_us(fit.chosen) - float(seen.mean())) <= allowed


def test_the_exponential_has_its_closed_form() -> None:
    """Finely told, the mean is the sample's and the likelihood the density's times the cells."""
    values = np.rint(np.random.default_rng(3).exponential(90 * SECOND, 800)).astype(np.int64)
    fit = fit_durations(values)
    exponential = next(each for each in fit.candidates if each.name == "exponential")
    mean = float(values.mean())
    assert exponential.mean_us == pytest.approx(mean, rel=1e-6)
    # A cell is a ten thousandth of the mean wide, as fine as it gets.
    density = float(stats.expon.logpdf(values, scale=mean).sum()) + 800 * math.log(1e-4 * mean)
    assert exponential.log_likelihood == pytest.approx(density, abs=1e-2)
    n, k = 800, 1
    corrected = 2 * k - 2 * density + 2 * k * (k + 1) / (n - k - 1)
    assert exponential.aic == pytest.approx(corrected, abs=3e-2)
    ks = stats.kstest(values, "expon", args=(0, mean)).statistic
    assert exponential.distance == pytest.approx(ks, abs=1e-4)


def test_the_families_are_as_likely_as_scipy_finds_them() -> None:
    """scipy's own fits with the location held at 0 are no likelier, nor less."""
    values = np.rint(np.random.default_rng(5).gamma(1.7, 50 * SECOND, 700)).astype(np.int64)
    fit = fit_durations(values)
    for name, family in (
        ("gamma", stats.gamma),
        ("lognormal", stats.lognorm),
        ("weibull", stats.weibull_min),
    ):
        found = family.fit(values / SECOND, floc=0)
        width = 1e-4 * float(values.mean()) / SECOND
        likeliest = float(family.logpdf(values / SECOND, *found).sum()) + 700 * math.log(width)
        mine = next(each for each in fit.candidates if each.name == name)
        assert mine.log_likelihood == pytest.approx(likeliest, abs=0.01)


def test_two_kinds_of_calls_keep_their_mean_as_parts() -> None:
    rng = np.random.default_rng(8)
    values = np.concatenate([rng.normal(30, 3, 4000), rng.normal(300, 9, 4001)]) * SECOND
    seen = np.rint(values).astype(np.int64)
    fit = fit_durations(seen)
    assert fit.chosen_name == "empirical"
    assert isinstance(fit.chosen, Empirical)
    assert len(fit.chosen.values_us) == MOST_VALUES
    assert mean_us(fit.chosen) == pytest.approx(float(seen.mean()), rel=1e-12)
    assert all(each.refused for each in fit.candidates)
    shares = longer_than(fit.chosen, np.array([100e6, 250e6]))
    assert shares == pytest.approx([0.5, 0.5], abs=0.011)


@pytest.mark.parametrize("value", [0, 1, 60 * SECOND])
@pytest.mark.parametrize("n", [1, 2, 1000])
def test_one_value_is_that_value(value: int, n: int) -> None:
    fit = fit_durations(np.full(n, value, np.int64), SECOND)
    assert fit.chosen == Deterministic(float(value))
    assert (fit.n, fit.cv, fit.distance) == (n, 0.0, 0.0)


def test_billing_steps_are_seen() -> None:
    rng = np.random.default_rng(2)
    values = (np.floor(rng.exponential(20, 500)) + 1).astype(np.int64) * 6 * SECOND
    assert fit_durations(values, SECOND).resolution_us == 6 * SECOND


def test_bad_durations_are_refused() -> None:
    for values in ([], [-1, 5]):
        with pytest.raises(ValueError, match="at least one, and none below 0"):
            fit_durations(np.array(values, np.int64))


weights = st.integers(1, 1000)


@given(st.lists(st.tuples(st.integers(0, 10**9), weights), min_size=1, max_size=200))
def test_equal_parts_keep_the_mean_and_rise(pairs: list[tuple[int, int]]) -> None:
    values = np.array([value for value, _ in pairs], np.float64)
    weight = np.array([each for _, each in pairs], np.float64)
    parts = slice_means(values, 50, weight)
    assert len(parts) == 50
    assert math.fsum(parts) / 50 == pytest.approx(np.average(values, weights=weight), rel=1e-9)
    assert all(a <= b + 1e-6 * max(1.0, b) for a, b in pairwise(parts))


def test_few_values_are_kept_as_they_are() -> None:
    assert slice_means(np.array([3.0, 1.0, 2.0]), 5) == (1.0, 2.0, 3.0)


def hyperexponential_sf(x: float) -> float:
    """Balanced means, mean 100 and cv 2: p = (1 + sqrt(3/5)) / 2, each phase half of the mean."""
    p = (1 + math.sqrt(3 / 5)) / 2
    return p * math.exp(-x * 2 * p / 100) + (1 - p) * math.exp(-x * 2 * (1 - p) / 100)


@pytest.mark.parametrize(
    ("distribution", "sf"),
    [
        (Exponential(100.0), stats.expon(scale=100).sf),
        (Gamma(100.0, 0.5), stats.gamma(4, scale=25).sf),
        (Lognormal(100.0, 1.0), stats.lognorm(math.sqrt(math.log(2)), scale=100 / math.sqrt(2)).sf),
        (Weibull(100.0, math.sqrt(5.0)), stats.weibull_min(0.5, scale=50).sf),
        (HyperExponential(100.0, 2.0), hyperexponential_sf),
        (Pareto(1.5, 10.0, 1000.0), stats.truncpareto(1.5, 100, scale=10).sf),
        (Deterministic(50.0), lambda x: float(x < 50)),
        (Empirical((10.0, 20.0, 20.0, 90.0)), lambda x: np.mean(np.array([10, 20, 20, 90]) > x)),
        (
            Mixture(((1.0, Deterministic(50.0)), (3.0, Exponential(100.0)))),
            lambda x: 0.25 * (x < 50) + 0.75 * math.exp(-x / 100),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_share_that_lasts_longer(distribution: Distribution, sf: object) -> None:
    assert callable(sf)
    xs = [0.0, 5.0, 10.5, 49.0, 51.0, 200.0, 990.0, 5000.0]
    wanted = [float(sf(x)) for x in xs]
    assert longer_than(distribution, np.array(xs)) == pytest.approx(wanted, abs=1e-9)


def test_the_mean_is_the_integral_of_what_lasts_longer() -> None:
    for distribution in (Weibull(100.0, 1.7), Lognormal(100.0, 0.7), HyperExponential(100.0, 3.0)):
        area, _ = integrate.quad(
            lambda x, d=distribution: float(longer_than(d, np.array([x]))[0]), 0, 20_000, limit=500
        )
        assert area == pytest.approx(100.0, rel=1e-5)
