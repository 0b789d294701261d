"""Modified offered load beside a plan against the load's differential equation, in small steps."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from simulator.planning.formula import Formula, FormulaKind, Question
from simulator.planning.formula_words import load_words
from simulator.planning.offered import rate_steps, slot_time
from simulator.planning.target import Target
from simulator.planning.varying_formula import varying_formula
from simulator.scenario import (
    Arrivals,
    Batch,
    Deterministic,
    Exponential,
    FlashCrowd,
    Poisson,
    RateProfile,
    Redial,
    Scenario,
    Sinusoid,
    Tenant,
)

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
STEPS = 36_000
"""Of the run of an hour, a tenth of a second each."""


def a_second(erlangs: float, hold_s: float) -> float:
    return erlangs / hold_s


def profile(at_s: float) -> float:
    return a_second((4, 12, 6)[int(at_s // 1200)], 90)


def rounds(at_s: float) -> float:
    """Ten minutes of which the first two are silent."""
    within = at_s % 600
    return 0.0 if within < 120 else a_second(8 if within < 360 else 3, 90)


def wave(at_s: float) -> float:
    return a_second(6, 90) * (1 + 0.8 * math.sin(2 * math.pi * (at_s - 300) / 2400))


def crowd(at_s: float) -> float:
    base, peak = a_second(3, 90), a_second(18, 90)
    outside = max(1800 - at_s, at_s - 2100, 0.0)
    return base + max(0.0, 1 - outside / 240) * (peak - base)


def steady(_at_s: float) -> float:
    return a_second(3, 30)


def us(rate: float) -> float:
    return rate / SECOND_US


RATES: dict[str, tuple[Arrivals, Callable[[float], float]]] = {
    "profile": (
        RateProfile(
            (0, 20 * MINUTE_US, 40 * MINUTE_US),
            (us(profile(0)), us(profile(1200)), us(profile(2400))),
        ),
        profile,
    ),
    "rounds": (
        RateProfile(
            (2 * MINUTE_US, 6 * MINUTE_US), (us(rounds(120)), us(rounds(360))), 10 * MINUTE_US
        ),
        rounds,
    ),
    "wave": (
        Sinusoid(us(a_second(6, 90)), 0.8, 40 * MINUTE_US, 5 * MINUTE_US),
        wave,
    ),
    "crowd": (
        FlashCrowd(us(crowd(0)), us(crowd(1900)), 30 * MINUTE_US, 4 * MINUTE_US, 5 * MINUTE_US),
        crowd,
    ),
}


def scenario(arrivals: Arrivals, **fields: object) -> Scenario:
    varying = Tenant("varying", arrivals, Exponential(90.0 * SECOND_US))
    return Scenario(
        name="varying",
        description="",
        seed=1,
        duration_us=HOUR_US,
        warm_up_us=5 * MINUTE_US,
        max_concurrent_calls=1,
        tenants=(
            replace(varying, **fields),  # type: ignore[arg-type]
            Tenant("steady", Poisson(us(steady(0))), Exponential(30.0 * SECOND_US)),
            Tenant("gone", Poisson(1.0), Exponential(HOUR_US), enabled=False),
        ),
    )


def question(
    of: Scenario,
    target: Target,
    *,
    per_tenant: bool = False,
    interval_us: int | None = None,
) -> Question:
    return Question(
        scenario=of,
        target=target,
        per_tenant=per_tenant,
        interval_us=interval_us,
        answer=12,
        limits=(8, 12, 20),
        floor=1,
        measured_erlangs=99.0,
    )


class Reference:
    """Load and rates mid-way through every tenth of a second of the hour.

    The mean of an infinite group with exponential holding times solves dm/dt = rate - m / hold;
    within a step the rate is taken to be constant, so a step is exact: m moves to rate * hold by
    the factor exp(-step / hold).
    """

    def __init__(self, *tenants: tuple[Callable[[float], float], float]) -> None:
        step = 3600 / STEPS
        self.at_s = (np.arange(STEPS) + 0.5) * step
        self.rates = np.array([[rate(at) for at in self.at_s] for rate, _ in tenants])
        self.load = np.zeros(STEPS)
        for rates, (_, hold_s) in zip(self.rates, tenants, strict=True):
            load = 0.0
            for place, rate in enumerate(rates.tolist()):
                middle = rate * hold_s + (load - rate * hold_s) * math.exp(-step / 2 / hold_s)
                self.load[place] += middle
                load = rate * hold_s + (load - rate * hold_s) * math.exp(-step / hold_s)
        self.counted = self.at_s >= 300

    def full(self, slots: int) -> np.ndarray:
        """Erlang B as its definition says: a**n / n! over the sum of a**k / k!."""
        terms = np.array(
            [np.exp(k * np.log(self.load) - math.lgamma(k + 1)) for k in range(slots + 1)]
        )
        full: np.ndarray = terms[-1] / terms.sum(axis=0)
        return full

    def blocking(self, slots: int, rates: np.ndarray, where: np.ndarray | None = None) -> float:
        counted = self.counted if where is None else self.counted & where
        return float((rates * self.full(slots))[counted].sum() / rates[counted].sum())


@pytest.fixture(scope="module", params=RATES)
def known(request: pytest.FixtureRequest) -> tuple[Scenario, Reference]:
    arrivals, rate = RATES[request.param]
    return scenario(arrivals), Reference((rate, 90.0), (steady, 30.0))


def asked(found: Formula | None) -> Formula:
    assert found is not None
    assert found.kind is FormulaKind.MODIFIED_OFFERED_LOAD
    assert not found.holds
    return found


NEAR = 3e-3
"""The reference and the formula divide time differently."""


def test_blocking_of_all_calls(known: tuple[Scenario, Reference]) -> None:
    of, reference = known
    together = reference.rates.sum(axis=0)
    expected = {slots: reference.blocking(slots, together) for slots in range(1, 26)}
    bound = (expected[13] + expected[14]) / 2
    found = asked(varying_formula(question(of, Target("blocking", bound, True))))
    assert found.at_limits == pytest.approx([expected[at] for at in (8, 12, 20)], rel=NEAR)
    assert found.at_answer == found.at_limits[1]
    assert found.slots == 14
    assert found.erlangs == pytest.approx(reference.load[reference.counted].max(), rel=NEAR)
    assert found.peak_at_us is not None
    peak_s = reference.at_s[reference.counted][reference.load[reference.counted].argmax()]
    # The wave is followed in steps of 25 s.
    assert found.peak_at_us / SECOND_US == pytest.approx(peak_s, abs=12.5)
    assert "E at its largest, after " in load_words(found)


def test_time_congestion(known: tuple[Scenario, Reference]) -> None:
    of, reference = known
    found = asked(varying_formula(question(of, Target("time_congestion", 0.1, True))))
    expected = [float(reference.full(at)[reference.counted].mean()) for at in (8, 12, 20)]
    assert found.at_limits == pytest.approx(expected, rel=NEAR)


def test_blocking_of_a_tenant_and_of_the_worst(known: tuple[Scenario, Reference]) -> None:
    of, reference = known
    expected = [reference.blocking(12, rates) for rates in reference.rates]
    target = Target("blocking", 0.1, True)
    for name, blocking in zip(("varying", "steady"), expected, strict=True):
        found = asked(varying_formula(question(of, replace(target, tenant=name))))
        assert found.at_answer == pytest.approx(blocking, rel=NEAR)
    worst = asked(varying_formula(question(of, target, per_tenant=True)))
    assert worst.at_answer == pytest.approx(max(expected), rel=NEAR)


def test_the_worst_interval(known: tuple[Scenario, Reference]) -> None:
    of, reference = known
    # Intervals that end where no rate changes; the first is cut by the warm-up.
    interval_s = 7 * 60
    places = reference.at_s // interval_s
    together = reference.rates.sum(axis=0)
    expected = max(reference.blocking(12, together, places == place) for place in np.unique(places))
    target = Target("worst_interval_blocking", 0.1, True)
    found = asked(varying_formula(question(of, target, interval_us=interval_s * SECOND_US)))
    assert found.at_answer == pytest.approx(expected, rel=NEAR)


@pytest.mark.parametrize("kind", RATES)
def test_the_steps_of_a_rate_offer_as_many_calls(kind: str) -> None:
    arrivals, rate = RATES[kind]
    steps = rate_steps(scenario(arrivals).tenants[0], HOUR_US)
    assert steps is not None
    for begin in range(0, 3600, 120):
        at_s = begin + (np.arange(1200) + 0.5) / 10
        followed = steps.at(at_s * SECOND_US).mean() * SECOND_US
        # A wave is followed in steps of a 96th, a ramp in 16.
        assert followed == pytest.approx(
            np.mean([rate(at) for at in at_s.tolist()]), rel=0.02, abs=2e-3
        )


def test_a_crowd_that_is_there_at_once() -> None:
    steps = rate_steps(scenario(FlashCrowd(1e-6, 3e-6, 0, 0, 50)).tenants[0], HOUR_US)
    assert steps is not None
    assert steps.at([0, 49, 50, 99]).tolist() == [3e-6, 3e-6, 1e-6, 1e-6]
    ramp = rate_steps(scenario(FlashCrowd(1e-6, 3e-6, 10, 20, 50)).tenants[0], HOUR_US)
    assert ramp is not None
    # Half-way up when the run begins.
    assert ramp.at([0]) == pytest.approx([2e-6], rel=0.05)


def test_a_slot_is_held_from_the_offer_on() -> None:
    tenant = scenario(Poisson(1e-6)).tenants[0]
    late = replace(tenant, setup=Deterministic(4e6), connect=Deterministic(6e6))
    held = slot_time(late)
    assert [held(3e6), held(10e6), held(math.inf)] == pytest.approx([3e6, 10e6, 100e6])
    # Without instructions and fallback the call ends when they are missing.
    assert slot_time(replace(late, instructions=False, fallback=False))(math.inf) == 4e6


def test_what_it_does_not_know_of_is_named() -> None:
    arrivals = RATES["crowd"][0]
    fields = {
        "redial": Redial(0.5, Exponential(1e6), 3),
        "max_concurrent_calls": 9,
        "patience": Exponential(1e6),
    }
    found = asked(
        varying_formula(question(scenario(arrivals, **fields), Target("blocking", 0.1, True)))
    )
    said = "; ".join(found.unknown)
    for part in ("a flash crowd (varying)", "try again", "limits of their own", "hang up before"):
        assert part in said
    assert len(found.unknown) == 4


@pytest.mark.parametrize(
    ("of", "target"),
    [
        (scenario(Poisson(1e-6)), Target("blocking", 0.1, True)),
        (scenario(Batch(2, rate_per_us=1e-6)), Target("blocking", 0.1, True)),
        (scenario(RATES["wave"][0]), Target("eventual_loss", 0.1, True)),
        (scenario(Sinusoid(1e-6, 0.5, MINUTE_US)), Target("blocking", 0.1, True)),
        (scenario(RateProfile((0,), (1e-6,), SECOND_US)), Target("blocking", 0.1, True)),
        (
            replace(scenario(RATES["wave"][0]), warm_up_us=HOUR_US),
            Target("blocking", 0.1, True),
        ),
    ],
    ids=["constant", "bursts", "of callers", "quick wave", "quick rounds", "no window"],
)
def test_where_it_does_not_fit_it_says_nothing(of: Scenario, target: Target) -> None:
    assert varying_formula(question(of, target)) is None
