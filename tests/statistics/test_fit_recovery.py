"""Known parameters come back out of logs drawn with numpy, within their asymptotic errors.

Seeds are fixed; tolerances are 4.5 standard errors from the Fisher information of the family.
"""

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import special, stats

from simulator.fit.dispersion import dispersion_rows, peakedness_of
from simulator.fit.fitted import Cycle, DispersionRow, Durations
from simulator.fit.holding import fit_durations
from simulator.fit.rates import counts_of, fit_rates, make_grid, segments
from simulator.fit.ringing import fit_ringing
from simulator.fit.tails import longer_than
from simulator.scenario import (
    Distribution,
    Exponential,
    Gamma,
    HyperExponential,
    Lognormal,
    Pareto,
    Weibull,
)
from simulator.traffic.samplers import weibull_shape
from tests.fitted_logs import DAY, HOUR, SECOND

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
N = 20_000
ERRORS = 4.5


def rounded(seconds: Floats, step: int) -> Int64s:
    return np.rint(seconds * SECOND / step).astype(np.int64) * step


def fitted(values: Int64s, step: int, name: str) -> tuple[Durations, Distribution]:
    fit = fit_durations(values, step)
    return fit, next(each.distribution for each in fit.candidates if each.name == name)


STEPS = pytest.mark.parametrize("step", [1, SECOND], ids=["exact", "whole-seconds"])


@STEPS
def test_exponential(step: int) -> None:
    values = rounded(np.random.default_rng(1).exponential(100, N), step)
    fit, found = fitted(values, step, "exponential")
    assert isinstance(found, Exponential)
    assert fit.chosen == found
    assert found.mean_us / SECOND == pytest.approx(100, abs=ERRORS * 100 / math.sqrt(N))


def test_rounding_to_seconds_does_not_shift_short_calls() -> None:
    """Calls of two seconds in the mean, told in whole seconds: the rounding is as long as half."""
    values = rounded(np.random.default_rng(2).exponential(2, N), SECOND)
    _, found = fitted(values, SECOND, "exponential")
    assert isinstance(found, Exponential)
    # A cell tells less than the value; at half a mean wide the error grows by under 3 per cent.
    assert found.mean_us / SECOND == pytest.approx(2, abs=1.03 * ERRORS * 2 / math.sqrt(N))


@STEPS
def test_lognormal(step: int) -> None:
    mu, sigma = math.log(90), 0.9
    values = rounded(np.random.default_rng(3).lognormal(mu, sigma, N), step)
    fit, found = fitted(values, step, "lognormal")
    assert isinstance(found, Lognormal)
    assert fit.chosen == found
    variance = math.log1p(found.cv**2)
    location = math.log(found.mean_us / SECOND) - variance / 2
    assert location == pytest.approx(mu, abs=ERRORS * sigma / math.sqrt(N))
    assert math.sqrt(variance) == pytest.approx(sigma, abs=ERRORS * sigma / math.sqrt(2 * N))


@STEPS
def test_gamma(step: int) -> None:
    shape = 2.2
    values = rounded(np.random.default_rng(4).gamma(shape, 50, N), step)
    fit, found = fitted(values, step, "gamma")
    assert isinstance(found, Gamma)
    assert fit.chosen == found
    # Mean and shape are orthogonal; of the shape var = k / (n (k trigamma(k) - 1)).
    error = math.sqrt(shape / (N * (shape * float(special.polygamma(1, shape)) - 1)))
    assert found.cv**-2 == pytest.approx(shape, abs=ERRORS * error)
    assert found.mean_us / SECOND == pytest.approx(
        50 * shape, abs=ERRORS * 50 * shape / math.sqrt(shape * N)
    )


@STEPS
def test_weibull(step: int) -> None:
    shape, scale = 0.8, 120.0
    values = rounded(scale * np.random.default_rng(5).weibull(shape, N), step)
    fit, found = fitted(values, step, "weibull")
    assert isinstance(found, Weibull)
    assert fit.chosen == found
    back = weibull_shape(found.cv)
    # N. L. Johnson, S. Kotz and N. Balakrishnan: var = 0.608 k**2 / n and 1.109 (c / k)**2 / n.
    assert back == pytest.approx(shape, abs=ERRORS * shape * math.sqrt(0.608 / N))
    found_scale = found.mean_us / SECOND / math.gamma(1 + 1 / back)
    assert found_scale == pytest.approx(scale, abs=ERRORS * scale / shape * math.sqrt(1.109 / N))


def hyperexponential_density(x: Floats, mean: float, cv: float) -> Floats:
    p = (1 + math.sqrt((cv * cv - 1) / (cv * cv + 1))) / 2
    one, two = 2 * p / mean, 2 * (1 - p) / mean
    return p * one * np.exp(-one * x) + (1 - p) * two * np.exp(-two * x)


@STEPS
def test_hyperexponential(step: int) -> None:
    mean, cv = 100.0, 2.0
    rng = np.random.default_rng(6)
    p = (1 + math.sqrt(3 / 5)) / 2
    phase = np.where(rng.random(N) < p, mean / (2 * p), mean / (2 * (1 - p)))
    fit, found = fitted(rounded(rng.exponential(1, N) * phase, step), step, "hyperexponential")
    assert isinstance(found, HyperExponential)
    assert fit.chosen == found
    # Fisher information by summing the squared scores over fine cells of probability.
    points = np.concatenate([(np.arange(200_000) + 0.5) / 100, 2000 + np.arange(8000) + 0.5])
    widths = np.concatenate([np.full(200_000, 0.01), np.full(8000, 1.0)])
    h = 1e-4

    def log_density(m: float, c: float) -> Floats:
        logarithms: Floats = np.log(hyperexponential_density(points, m, c))
        return logarithms

    by_mean = (log_density(mean + h, cv) - log_density(mean - h, cv)) / (2 * h)
    by_cv = (log_density(mean, cv + h) - log_density(mean, cv - h)) / (2 * h)
    weight = np.exp(log_density(mean, cv)) * widths
    scores = np.array([by_mean, by_cv])
    error = np.sqrt(np.diag(np.linalg.inv((scores * weight) @ scores.T * N)))
    assert found.mean_us / SECOND == pytest.approx(mean, abs=ERRORS * error[0])
    assert found.cv == pytest.approx(cv, abs=ERRORS * error[1])


def test_pareto() -> None:
    shape, low, high = 1.3, 20.0, 7200.0
    values = rounded(stats.truncpareto(shape, high / low, scale=low).rvs(N, random_state=7), 1000)
    fit, found = fitted(values, 1000, "pareto")
    assert isinstance(found, Pareto)
    assert fit.chosen == found
    # Information of the shape with known ends: 1/a**2 - r**2 e**(-a r) / (1 - e**(-a r))**2.
    r = math.log(high / low)
    mass = -math.expm1(-shape * r)
    error = (N * (shape**-2 - r * r * math.exp(-shape * r) / mass**2)) ** -0.5
    assert found.shape == pytest.approx(shape, abs=ERRORS * error)
    # The least of n values lies low * (1 + E / (n a)) for a unit exponential E.
    assert low <= found.low_us / SECOND + 0.001 <= low * (1 + 12 / (N * shape)) + 0.002


def test_steps_of_a_profile_are_found_where_they_are() -> None:
    """Three weeks of 40 calls a quarter hour by night and 90 from 8 to 18: each step is seen."""
    rng = np.random.default_rng(9)
    grid = make_grid(0, 21 * DAY - 1, 0)
    assert grid.cycle is Cycle.WEEK
    slots = np.arange(672)
    by_day = (slots % 96 >= 32) & (slots % 96 < 72)
    counts = rng.poisson(3 * np.where(by_day, 90.0, 40.0))
    (rates,) = fit_rates(grid, counts[None, :].astype(np.int64))
    wanted = [0] + [day * 96 + hour * 4 for day in range(7) for hour in (8, 18)]
    assert [start // grid.slot_us for start in rates.starts_us] == wanted
    for place, (rate, calls) in enumerate(zip(rates.rates_per_us, rates.calls, strict=True)):
        true = (90 if place % 2 else 40) / (900 * SECOND)
        assert rate == pytest.approx(true, rel=ERRORS / math.sqrt(calls))


@pytest.mark.parametrize(("slots", "mean"), [(96, 3.0), (672, 40.0)])
def test_constant_traffic_stays_in_one_piece(slots: int, mean: float) -> None:
    """At most one time in twenty is stated; all logs together keep within 4.5 errors of that."""
    rng = np.random.default_rng(10)
    runs = 200 if slots < 200 else 40
    cut = sum(
        len(segments(rng.poisson(mean, slots).astype(np.int64), np.ones(slots))) > 1
        for _ in range(runs)
    )
    assert cut / runs <= 0.05 + ERRORS * math.sqrt(0.05 * 0.95 / runs)


def poisson_log(rng: np.random.Generator, days: int, per_hour: float) -> Int64s:
    """Poisson offers whose rate swings by the day, by thinning."""
    count = rng.poisson(2 * per_hour * 24 * days)
    offers = np.sort(rng.integers(0, days * DAY, count))
    kept = rng.random(count) < (1 + 0.9 * np.sin(2 * np.pi * offers / DAY)) / 2
    return offers[kept].astype(np.int64)


@pytest.mark.parametrize(("per_hour", "runs"), [(4.0, 200), (60.0, 200), (600.0, 60)])
def test_poisson_traffic_of_a_changing_rate_is_not_called_bunched(
    per_hour: float, runs: int
) -> None:
    """The index is 1 in the mean, and p-values below 0.05 come one time in twenty, however the rate
    swings and however few or many the calls are."""
    rng = np.random.default_rng(11)
    found: dict[tuple[int, bool], list[DispersionRow]] = {}
    for _ in range(runs):
        offers = poisson_log(rng, 16, per_hour)
        grid = make_grid(int(offers[0]), int(offers[-1]), 0)
        for row in dispersion_rows(grid, offers):
            found.setdefault((row.interval_us, row.across), []).append(row)
    assert len(found) == 4
    for rows in found.values():
        assert len(rows) == runs
        index = np.array([row.index for row in rows])
        variance = np.mean([2 / row.freedom for row in rows])
        assert index.mean() == pytest.approx(1, abs=ERRORS * math.sqrt(variance / runs))
        p_values = np.array([row.p_value for row in rows])
        for chance in (0.05, 0.5):
            error = math.sqrt(chance * (1 - chance) / runs)
            assert np.mean(p_values < chance) == pytest.approx(chance, abs=ERRORS * error)


@pytest.mark.parametrize("size", [2, 5])
def test_batches_have_the_index_of_their_size(size: int) -> None:
    """Of batches of b calls the variance is b times the mean, and peakedness is (b + 1) / 2."""
    rng = np.random.default_rng(12)
    offers = np.repeat(poisson_log(rng, 21, 40), size)
    grid = make_grid(int(offers[0]), int(offers[-1]), 0, Cycle.SPAN)
    rows = dispersion_rows(grid, offers)
    assert [row.interval_us for row in rows] == [60 * SECOND, 300 * SECOND, 900 * SECOND]
    for row in rows:
        error = size * math.sqrt(2 / row.freedom)
        assert row.index == pytest.approx(size, abs=ERRORS * error)
        assert row.p_value < 1e-6
        assert peakedness_of(row) == pytest.approx((size + 1) / 2, abs=ERRORS * error / 2)


@pytest.mark.parametrize("ratio", [0.01, 0.2, 0.5, 1.0, 1.3, 2.0, 5.0, 100.0])
def test_peakedness_is_at_most_15_per_cent_out(ratio: float) -> None:
    """For a covariance that decays over h / ratio, holding time h, by both closed integrals."""
    strength = 3.0
    index = 1 + 2 * strength * (1 - -math.expm1(-2 * ratio) / (2 * ratio))
    peakedness = 1 + strength * ratio / (1 + ratio)
    row = DispersionRow(1, 4, index, 0.9, 1.1, 0.0, 100)
    assert 1 - 1e-9 <= (peakedness_of(row) - 1) / (peakedness - 1) <= 1.15


def test_weeks_of_different_levels_are_told_apart() -> None:
    rng = np.random.default_rng(13)
    weeks = 8
    levels = 1 + 0.3 * np.array([1, -1] * (weeks // 2))
    offers = np.sort(
        np.concatenate(
            [
                week * 7 * DAY + rng.integers(0, 7 * DAY, rng.poisson(20_000 * level))
                for week, level in enumerate(levels)
            ]
        )
    ).astype(np.int64)
    grid = make_grid(0, weeks * 7 * DAY - 1, 0)
    (across,) = [row for row in dispersion_rows(grid, offers) if row.across]
    assert across.p_value < 1e-6
    # The sample variance of +0.3 and -0.3 over 8 weeks is 0.09 * 8 / 7.
    assert across.level_cv == pytest.approx(0.3 * math.sqrt(8 / 7), rel=0.1)


def test_setup_and_patience_come_back() -> None:
    """Independent setup and patience, of which only the shorter is recorded."""
    rng = np.random.default_rng(14)
    n = 30_000
    setup = rng.gamma(3, 4, n)
    patience = np.where(rng.random(n) < 0.4, rng.exponential(20, n), np.inf)
    answered = setup <= patience
    found = fit_ringing(rounded(setup[answered], 1), rounded(patience[~answered], 1))
    assert found.answered == answered.sum()
    assert found.model_answered_share == pytest.approx(float(answered.mean()), abs=1e-9)
    assert found.model_slot_us_mean == pytest.approx(found.slot_us_mean, rel=0.01)
    assert found.patience is not None
    for seconds in (4.0, 10.0, 20.0):
        waiting = float((np.minimum(setup, patience) > seconds).sum())
        # Greenwood: the error is at most that of as many calls as still wait; parts are a fiftieth.
        allowed = ERRORS * math.sqrt(0.25 / waiting) + 1 / 50
        at = np.array([seconds * SECOND])
        assert longer_than(found.setup, at)[0] == pytest.approx(
            stats.gamma(3, scale=4).sf(seconds), abs=allowed
        )
        wanted = 0.6 + 0.4 * math.exp(-seconds / 20)
        assert longer_than(found.patience, at)[0] == pytest.approx(wanted, abs=allowed)


def test_a_short_log_is_counted_in_short_slots() -> None:
    """Two hours with a burst of ten minutes: slots of five minutes show it."""
    rng = np.random.default_rng(15)
    quiet = rng.integers(0, 2 * HOUR, 600)
    burst = rng.integers(HOUR, HOUR + HOUR // 6, 800)
    offers = np.sort(np.concatenate([quiet, burst])).astype(np.int64)
    grid = make_grid(int(offers[0]), int(offers[-1]), None)
    assert grid.slot_us == 300 * SECOND
    (rates,) = fit_rates(grid, counts_of(grid, offers)[None, :])
    assert [start // (60 * SECOND) for start in rates.starts_us] == [0, 60, 70]
