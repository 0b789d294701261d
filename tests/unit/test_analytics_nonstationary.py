"""Traffic that changes over time, against integrals, closed forms and differential equations."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad, solve_ivp

from simulator.analytics import (
    RateSteps,
    erlang_b,
    in_steps,
    interval_blocking,
    limited_mean,
    modified_offered_load,
    offered_load,
)
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
from simulator.traffic.samplers import mean_us, weibull_shape


def survival(distribution: Distribution, u: float) -> float:
    """P(S > u), from scipy or the definition."""
    match distribution:
        case Deterministic(value):
            return float(u < value)
        case Exponential(mean):
            return float(stats.expon.sf(u, scale=mean))
        case Uniform(low, high):
            return float(stats.uniform.sf(u, low, high - low))
        case Erlang(mean, phases):
            return float(stats.gamma.sf(u, phases, scale=mean / phases))
        case Gamma(mean, cv):
            return float(stats.gamma.sf(u, cv**-2, scale=mean * cv**2))
        case Lognormal(mean, cv):
            sigma2 = math.log1p(cv**2)
            scale = mean * math.exp(-sigma2 / 2)
            return float(stats.lognorm.sf(u, math.sqrt(sigma2), scale=scale))
        case Weibull(mean, cv):
            shape = weibull_shape(cv)
            return float(stats.weibull_min.sf(u, shape, scale=mean / math.gamma(1 + 1 / shape)))
        case Pareto(shape, low, high):
            untruncated = stats.pareto(shape, scale=low)
            mass = untruncated.cdf(high)
            return float(max(0.0, 1 - untruncated.cdf(u) / mass))
        case HyperExponential(mean, cv):
            p = (1 + math.sqrt((cv**2 - 1) / (cv**2 + 1))) / 2
            return p * math.exp(-2 * p * u / mean) + (1 - p) * math.exp(-2 * (1 - p) * u / mean)
        case Empirical(values):
            return sum(value > u for value in values) / len(values)
        case Mixture(parts):
            total = sum(weight for weight, _ in parts)
            return sum(weight / total * survival(part, u) for weight, part in parts)


DISTRIBUTIONS: list[Distribution] = [
    Exponential(3.0),
    Deterministic(2.5),
    Uniform(1.0, 4.0),
    Gamma(3.0, 0.4),
    Gamma(3.0, 2.5),
    Erlang(3.0, 4),
    Lognormal(3.0, 1.2),
    Weibull(3.0, 0.5),
    Weibull(3.0, 2.0),
    Pareto(1.0, 0.5, 40.0),
    Pareto(2.3, 1.0, 100.0),
    HyperExponential(3.0, 2.0),
    Empirical((1.0, 1.0, 2.0, 7.0)),
    Mixture(((1.0, Exponential(1.0)), (3.0, Uniform(0.0, 6.0)))),
]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=repr)
def test_limited_mean_is_the_integral_of_the_survival_function(distribution: Distribution) -> None:
    found = limited_mean(distribution)
    bends = [0.5, 1.0, 2.0, 2.5, 4.0, 6.0, 7.0, 40.0, 100.0]
    for x in (0.0, 0.3, 1.0, 2.2, 3.7, 9.0, 30.0):
        edges = [0.0, *(bend for bend in bends if bend < x), x]
        right = sum(
            quad(lambda u: survival(distribution, u), low, high, epsabs=1e-12, limit=200)[0]
            for low, high in itertools.pairwise(edges)
        )
        assert found(x) == pytest.approx(right, rel=1e-8, abs=1e-10)
    assert found(math.inf) == pytest.approx(mean_us(distribution), rel=1e-11)


@pytest.mark.parametrize("period", [3.0, 20.0])
def test_a_sinusoidal_rate_gives_the_known_sinusoidal_load(period: float) -> None:
    """S. G. Eick, W. A. Massey and W. Whitt, "M_t/G/infinity queues with sinusoidal arrival rates",
    Management Science 39 (1993): with rate a + b sin(g t) and exponential holding times of mean 1,
    m(t) = a + b (sin(g t) - g cos(g t)) / (1 + g**2)."""
    average, swing, g = 10.0, 6.0, 2 * math.pi / period
    profile = in_steps(
        lambda t: average + swing * math.sin(g * t), -60.0, 2 * period, 0.01, before=average
    )
    instants = np.linspace(0, 1.9 * period, 25)
    known = average + swing * (np.sin(g * instants) - g * np.cos(g * instants)) / (1 + g * g)
    found = offered_load(profile, limited_mean(Exponential(1.0)), instants)
    assert found == pytest.approx(known, abs=2e-4)


def test_a_fixed_holding_time_counts_the_calls_of_its_length() -> None:
    profile = RateSteps((0.0, 10.0, 12.0), (2.0, 7.0, 0.0))
    load = offered_load(
        profile, limited_mean(Deterministic(4.0)), [-1, 0, 1, 4, 10, 11, 12, 15, 16]
    )
    assert load == pytest.approx([0, 0, 2, 8, 8, 13, 18, 7, 0])
    assert profile.at([-0.5, 0.0, 9.9, 10.0, 99.0]).tolist() == [0, 2, 2, 7, 0]


def test_a_rate_held_for_ever_offers_rate_times_holding_time() -> None:
    profile = RateSteps((5.0,), (3.0,), before=3.0)
    load = offered_load(profile, limited_mean(Lognormal(7.0, 1.5)), [[0.0], [50.0]])
    assert load.shape == (2, 1)
    assert load == pytest.approx(np.full((2, 1), 21.0))


def true_blocking(profile: RateSteps, servers: int, instants: list[float]) -> list[float]:
    """P(full) of M_t/M/n/n with mean holding time 1, empty at 0, by differential equations."""
    calls = np.arange(servers + 1)

    def slope(t: float, p: np.ndarray) -> np.ndarray:
        up = float(profile.at(t)) * p[:-1]
        down = calls[1:] * p[1:]
        change = np.zeros_like(p)
        change[:-1] += down - up
        change[1:] += up - down
        return change

    p, now, found = np.eye(servers + 1)[0], 0.0, []
    for instant in instants:
        stops = [start for start in profile.starts if now < start < instant]
        for stop in (*stops, instant):
            solved = solve_ivp(slope, (now, stop), p, "LSODA", rtol=1e-8, atol=1e-11, max_step=0.5)
            p, now = solved.y[:, -1], stop
        found.append(float(p[-1]))
    return found


def test_the_approximation_holds_where_load_changes_slowly() -> None:
    profile = in_steps(lambda t: 30 + 8 * math.sin(t / 20), 0.0, 120.0, 1.0)
    instants = [30.0, 35.0, 40.0, 90.0]
    exact = true_blocking(profile, 45, instants)
    found = modified_offered_load(profile, limited_mean(Exponential(1.0)), 45, instants)
    assert found == pytest.approx(exact, rel=0.05)


def test_the_approximation_fails_in_a_flash_crowd_as_it_says() -> None:
    """Ten times the rate for two holding times: too little blocked at first, too much after."""
    profile = RateSteps((0.0, 10.0, 12.0), (20.0, 200.0, 20.0))
    early, late = 10.2, 13.0
    exact = true_blocking(profile, 30, [early, late])
    found = modified_offered_load(profile, limited_mean(Exponential(1.0)), 30, [early, late])
    assert found[0] < 0.75 * exact[0]
    assert found[1] > 1.5 * exact[1]


def test_blocking_of_an_interval_weighs_instants_by_their_calls() -> None:
    profile = RateSteps((0.0, 100.0, 101.0), (5.0, 50.0, 0.0))
    hold = limited_mean(Exponential(0.001))  # so short that load follows the rate at once
    found = interval_blocking(profile, hold, 1, [50.0, 150.0, 200.0], points=1_000)
    early, late = (erlang_b(0.001 * rate, 1) for rate in (5.0, 50.0))
    assert found[0] == pytest.approx((250 * early + 50 * late) / 300, rel=1e-3)
    assert math.isnan(found[1])
