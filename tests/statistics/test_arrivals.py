"""Arrivals against their rates: how many, where in the run, and how they cluster."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from simulator.scenario import (
    Arrivals,
    Batch,
    Deterministic,
    ExactCount,
    Exponential,
    FiniteSource,
    FlashCrowd,
    Gamma,
    Mmpp,
    Poisson,
    RateProfile,
    Redial,
    Regular,
    Renewal,
    Scenario,
    Sinusoid,
    Tenant,
    TraceArrivals,
)
from simulator.trace import NEVER, AfterOn, Int64s
from simulator.traffic import build_trace
from simulator.traffic.arrivals import arrival_process
from simulator.traffic.streams import Streams


def kind(value: object) -> str:
    """A test's name for a parameter; the address in a function's own name changes by run."""
    return type(value).__name__


SECOND = 1_000_000
HOUR = 3_600 * SECOND
LEAST_P = 1e-4
"""Seeds are fixed, so this is a bound on one outcome and not a rate of false alarms."""


def offers_of(arrivals: Arrivals, duration_us: int = HOUR, seed: int = 5) -> Int64s:
    process = arrival_process(arrivals, duration_us, Streams(seed, "acme"))
    blocks = []
    while not process.done:
        blocks.append(process.block(4096))
    return np.concatenate([np.empty(0, dtype=np.int64), *blocks])


def per_second(rate: float) -> float:
    return rate / SECOND


# --- Poisson processes of every kind: count, and where the calls lie ------------------------

Rate = Callable[[np.ndarray], np.ndarray]
"""Calls a second at seconds from the start."""


def stepped(starts: list[float], rates: list[float], repeat: float = math.inf) -> Rate:
    def rate(t: np.ndarray) -> np.ndarray:
        place = np.searchsorted(starts, t % repeat if repeat < math.inf else t, side="right") - 1
        return np.where(place >= 0, np.array(rates)[place], 0.0)

    return rate


POISSON_KINDS: list[tuple[Arrivals, Rate]] = [
    (Poisson(per_second(4.0)), lambda t: np.full_like(t, 4.0)),
    (
        RateProfile((0, 900 * SECOND, 1800 * SECOND), (per_second(2), 0.0, per_second(8))),
        stepped([0, 900, 1800], [2, 0, 8]),
    ),
    (
        RateProfile((60 * SECOND, 240 * SECOND), (per_second(9), per_second(1)), 420 * SECOND),
        stepped([60, 240], [9, 1], 420),
    ),
    (
        Sinusoid(per_second(3), 1.0, 1000 * SECOND, 130 * SECOND),
        lambda t: 3 * (1 + np.sin(2 * np.pi * (t - 130) / 1000)),
    ),
    (
        FlashCrowd(per_second(0.5), per_second(40), 1200 * SECOND, 300 * SECOND, 100 * SECOND),
        lambda t: np.interp(t, [900, 1200, 1300, 1600], [0.5, 40, 40, 0.5]),
    ),
    (
        # A ramp that began before the run, and no calls outside the crowd.
        FlashCrowd(0.0, per_second(20), 200 * SECOND, 400 * SECOND, 0),
        lambda t: np.interp(t, [-200, 200, 600], [0, 20, 0]),
    ),
    (
        FlashCrowd(per_second(1), per_second(30), 3000 * SECOND, 0, 200 * SECOND),
        lambda t: np.where((t >= 3000) & (t < 3200), 30.0, 1.0),
    ),
]


@pytest.mark.parametrize(("arrivals", "rate"), POISSON_KINDS, ids=kind)
def test_poisson_arrivals_follow_their_rate(arrivals: Arrivals, rate: Rate) -> None:
    offers = offers_of(arrivals) / SECOND
    edges = np.linspace(0, 3600, 360_001)
    middles = (edges[1:] + edges[:-1]) / 2
    expected = np.concatenate(([0.0], np.cumsum(rate(middles) * np.diff(edges))))
    assert len(offers) == pytest.approx(expected[-1], abs=4.5 * math.sqrt(expected[-1]))
    # Given their number, instants on the axis of expected calls are independent uniforms.
    places = np.interp(offers, edges, expected) / expected[-1]
    assert stats.kstest(places, "uniform").pvalue > LEAST_P


@pytest.mark.parametrize(("arrivals", "rate"), POISSON_KINDS, ids=kind)
def test_rescaled_gaps_of_poisson_arrivals_are_exponential(arrivals: Arrivals, rate: Rate) -> None:
    offers = offers_of(arrivals) / SECOND
    edges = np.linspace(0, 3600, 360_001)
    middles = (edges[1:] + edges[:-1]) / 2
    expected = np.concatenate(([0.0], np.cumsum(rate(middles) * np.diff(edges))))
    gaps = np.diff(np.interp(offers, edges, expected))
    assert stats.kstest(gaps, "expon").pvalue > LEAST_P


@pytest.mark.parametrize(
    "arrivals",
    [
        Poisson(0.0),
        RateProfile((0,), (0.0,)),
        Sinusoid(0.0, 0.5, HOUR),
        Mmpp((0.0, 0.0), (1e6, 1e6)),
        FiniteSource(0, Exponential(1e6)),
        ExactCount(0),
        TraceArrivals(()),
        TraceArrivals((HOUR,)),
    ],
    ids=kind,
)
def test_no_rate_gives_no_calls(arrivals: Arrivals) -> None:
    assert len(offers_of(arrivals)) == 0


# --- the others -----------------------------------------------------------------------------


def test_regular_arrivals_come_one_gap_after_another() -> None:
    assert offers_of(Regular(900e6)).tolist() == [900_000_000, 1_800_000_000, 2_700_000_000]


def test_renewal_gaps_follow_their_distribution() -> None:
    gaps = np.diff(offers_of(Renewal(Gamma(SECOND / 4, 2.0)))) / SECOND
    # Gaps are whole microseconds, so the draws below one are compared as they were rounded.
    found = stats.kstest(gaps[gaps > 1e-5], stats.gamma(0.25, scale=1.0).cdf)
    share = stats.gamma(0.25, scale=1.0).cdf(1e-5)
    assert (gaps <= 1e-5).mean() == pytest.approx(share, abs=4.5 * math.sqrt(share / len(gaps)))
    assert found.statistic < share + 1.95 / math.sqrt(len(gaps))


def test_batches_come_whole() -> None:
    offers, sizes = np.unique(offers_of(Batch(7, rate_per_us=per_second(0.5))), return_counts=True)
    assert set(sizes.tolist()) == {7}
    assert len(offers) == pytest.approx(1800, abs=4.5 * math.sqrt(1800))
    assert offers_of(Batch(2, gap_us=1500e6)).tolist() == [1_500_000_000] * 2 + [3_000_000_000] * 2


@pytest.mark.parametrize("count", [1, 2, 50_000])
def test_an_exact_count_is_exact_and_uniform(count: int) -> None:
    offers = offers_of(ExactCount(count))
    assert len(offers) == count
    assert offers.min() >= 0
    assert offers.max() < HOUR
    assert stats.kstest(offers / HOUR, "uniform").pvalue > LEAST_P


def test_the_first_of_an_exact_count_is_as_early_as_the_smallest_of_uniforms() -> None:
    firsts = [offers_of(ExactCount(3), seed=seed) for seed in range(1500)]
    for place in range(3):
        found = [offers[place] / HOUR for offers in firsts]
        assert stats.kstest(found, stats.beta(place + 1, 3 - place).cdf).pvalue > LEAST_P


def test_logged_calls_are_sorted_and_cut_at_the_end() -> None:
    assert offers_of(TraceArrivals((7, 3, 3, HOUR, HOUR - 1))).tolist() == [3, 3, 7, HOUR - 1]


def test_mmpp_has_the_variance_of_its_counts() -> None:
    """Index of dispersion of a two-state MMPP's counts in stationary windows of length t.

    1 + 2 (l1 - l2)**2 r1 r2 / ((r1 + r2)**2 (l1 r2 + l2 r1)) * (1 - (1 - exp(-(r1+r2) t)) /
    ((r1+r2) t)), rates l and leaving rates r (Heffes and Lucantoni, 1986).
    """
    high, low, leave_high, leave_low, t = 30.0, 2.0, 0.5, 0.2, 5.0
    mmpp = Mmpp((per_second(high), per_second(low)), (SECOND / leave_high, SECOND / leave_low))
    duration = 40_000 * 5 * SECOND
    offers = offers_of(mmpp, duration)
    counts = np.bincount(offers // (5 * SECOND), minlength=40_000)
    mean_rate = (high * leave_low + low * leave_high) / (leave_high + leave_low)
    total = leave_high + leave_low
    spread = 2 * (high - low) ** 2 * leave_high * leave_low / total**2
    spread /= high * leave_low + low * leave_high
    dispersion = 1 + spread * (1 - (1 - math.exp(-total * t)) / (total * t))
    # Windows follow one another and are correlated: batches of 500 give the standard error.
    batches = counts.reshape(80, 500)
    error = batches.mean(axis=1).std() / math.sqrt(80)
    assert counts.mean() == pytest.approx(mean_rate * t, abs=4 * error)
    indices = batches.var(axis=1) / counts.mean()
    assert counts.var() / counts.mean() == pytest.approx(
        dispersion, abs=4 * indices.std() / math.sqrt(80)
    )
    assert dispersion > 10  # so that a plain Poisson process could not pass


def test_mmpp_starts_in_each_state_for_its_share_of_time() -> None:
    mmpp = Mmpp((per_second(1000), 0.0), (1e12, 3e12))
    began_busy = [len(offers_of(mmpp, SECOND, seed)) > 0 for seed in range(400)]
    assert np.mean(began_busy) == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 400))


def test_mmpp_visits_its_states_in_a_cycle() -> None:
    # Three states with rates that tell them apart; stays so long that each one is seen clearly.
    mmpp = Mmpp((per_second(1), per_second(40), per_second(400)), (60e6, 60e6, 60e6))
    offers = offers_of(mmpp)
    counts = np.bincount(offers // SECOND, minlength=3600)
    states = np.digitize(counts, [15, 200])
    # A second in which the state changes looks like neither, so a state needs two in a row.
    settled = [a for a, b in pairwise(states.tolist()) if a == b]
    changes = [(b - a) % 3 for a, b in pairwise(settled) if a != b]
    assert len(changes) > 40
    assert changes.count(1) >= 0.95 * len(changes)


@pytest.mark.parametrize("path_block", [1, 7, 1000])
def test_how_much_of_an_mmpp_path_is_drawn_at_once_changes_nothing(
    path_block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mmpp = Mmpp((per_second(1), per_second(9), 0.0), (1e6, 2e6, 3e6))
    expected = offers_of(mmpp)
    monkeypatch.setattr("simulator.traffic.varying_arrivals.MmppProcess._PATH_BLOCK", path_block)
    assert offers_of(mmpp).tolist() == expected.tolist()


# --- finite sources -------------------------------------------------------------------------


def finite_trace(sources: int, think_us: float, duration_us: int) -> "tuple[Int64s, ...]":
    tenant = Tenant("acme", FiniteSource(sources, Exponential(think_us)), Deterministic(1e6))
    trace = build_trace(Scenario("finite", "", 3, duration_us, 10, (tenant,)))
    return tuple(trace.column(name) for name in ("offer_us", "after", "after_on", "delay_us"))


def test_every_source_begins_a_chain_of_thinking_and_calling() -> None:
    offer, after, after_on, _ = finite_trace(200, 60e6, HOUR)
    roots = np.flatnonzero(after == NEVER)
    assert len(roots) == 200
    later = after != NEVER
    assert (after[later] == np.flatnonzero(later) - 1).all()
    assert (after_on[later] == AfterOn.FINISHED).all()
    firsts = offer[roots] / 60e6
    assert stats.kstest(firsts, "expon").pvalue > LEAST_P
    # Were all calls of length zero, each source would call as a Poisson process.
    assert len(offer) == pytest.approx(200 * 60, abs=4.5 * math.sqrt(200 * 60))


def test_a_chain_stops_where_thinking_alone_reaches_the_end() -> None:
    offer, after, _, delay = finite_trace(50, 60e6, HOUR)
    roots = np.flatnonzero(after == NEVER)
    ends = np.add.reduceat(np.where(after == NEVER, offer, delay), roots)
    assert (ends < HOUR).all()
    # What is left after the last call is shorter than a think time that was drawn and refused;
    # looked at backwards from the end it is exponential again.
    assert stats.kstest((HOUR - ends) / 60e6, "expon").pvalue > LEAST_P


# --- redials --------------------------------------------------------------------------------


@pytest.mark.parametrize(("probability", "attempts"), [(0.6, 5), (0.9, 3), (1.0, 4), (0.0, 4)])
def test_the_number_of_redials_is_geometric_and_cut(probability: float, attempts: int) -> None:
    redial = Redial(probability, Exponential(1e6), attempts)
    tenant = Tenant("acme", Poisson(per_second(3)), Deterministic(1e6), redial=redial)
    trace = build_trace(Scenario("redials", "", 3, HOUR, 10, (tenant,)))
    made = np.bincount(trace.column("attempt"), minlength=attempts)
    assert len(made) == attempts
    for attempt in range(1, attempts):
        expected = made[attempt - 1] * probability
        spread = math.sqrt(made[attempt - 1] * probability * (1 - probability))
        assert made[attempt] == pytest.approx(expected, abs=4.5 * spread)


def test_redial_delays_follow_their_distribution() -> None:
    tenant = Tenant(
        "acme",
        Poisson(per_second(3)),
        Deterministic(1e6),
        redial=Redial(0.7, Exponential(10e6), 4),
    )
    trace = build_trace(Scenario("redials", "", 3, HOUR, 10, (tenant,)))
    delays = trace.delay_us[trace.column("after") != NEVER]
    assert len(delays) > 5000
    assert stats.kstest(delays / 10e6, "expon").pvalue > LEAST_P
