"""Changed scenarios: more traffic, longer calls, more redials."""

from dataclasses import replace

import pytest

from simulator.planning.variations import (
    CannotScale,
    scaled,
    with_holding,
    with_load,
    with_redials,
)
from simulator.scenario import (
    Arrivals,
    Batch,
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    ExactCount,
    Exponential,
    FiniteSource,
    FlashCrowd,
    Gamma,
    HyperExponential,
    Lognormal,
    Mixture,
    Mmpp,
    Pareto,
    Poisson,
    RateProfile,
    Redial,
    Regular,
    Renewal,
    Scenario,
    Sinusoid,
    Tenant,
    TraceArrivals,
    Uniform,
    Weibull,
)
from simulator.traffic import build_trace
from simulator.traffic.samplers import cv, mean_us

HOUR_US = 3_600_000_000


def scenario(arrivals: Arrivals, **tenant: object) -> Scenario:
    fields: dict[str, object] = {"hold": Exponential(60e6), **tenant}
    return Scenario(
        name="varied",
        description="",
        seed=3,
        duration_us=HOUR_US,
        max_concurrent_calls=10,
        tenants=(replace(Tenant("acme", arrivals, Deterministic(0.0)), **fields),),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "arrivals",
    [
        Poisson(1e-6),
        Regular(1e6),
        Renewal(Gamma(1e6, 0.5)),
        RateProfile((0, HOUR_US // 2), (0.5e-6, 1.5e-6)),
        Sinusoid(1e-6, 0.5, HOUR_US),
        Mmpp((0.5e-6, 1.5e-6), (1e6, 1e6)),
        FlashCrowd(0.9e-6, 2e-6, HOUR_US // 2, 60_000_000, 300_000_000),
        Batch(2, rate_per_us=0.5e-6),
        Batch(2, gap_us=2e6),
        ExactCount(3600),
        FiniteSource(400, Exponential(340e6)),
    ],
    ids=lambda arrivals: type(arrivals).__name__,
)
def test_half_as_many_calls_again(arrivals: Arrivals) -> None:
    base = scenario(arrivals)
    factor = 1.5

    def offered(of: Scenario) -> int:
        return len(build_trace(of))

    assert offered(with_load(base, factor)) == pytest.approx(factor * offered(base), rel=0.08)


def test_a_log_of_calls_cannot_be_scaled() -> None:
    with pytest.raises(CannotScale, match="'acme' are read from a log"):
        with_load(scenario(TraceArrivals((1, 2))), 1.1)


@pytest.mark.parametrize(
    "distribution",
    [
        Exponential(2e6),
        Deterministic(2e6),
        Uniform(1e6, 3e6),
        Gamma(2e6, 0.7),
        Erlang(2e6, 3),
        Lognormal(2e6, 1.2),
        Weibull(2e6, 0.8),
        Pareto(1.5, 1e6, 9e6),
        HyperExponential(2e6, 1.5),
        Empirical((1e6, 2e6, 5e6)),
        Mixture(((1.0, Exponential(1e6)), (3.0, Uniform(1e6, 2e6)))),
    ],
    ids=lambda distribution: type(distribution).__name__,
)
def test_scaling_keeps_the_shape(distribution: Distribution) -> None:
    longer = scaled(distribution, 1.25)
    assert type(longer) is type(distribution)
    assert mean_us(longer) == pytest.approx(1.25 * mean_us(distribution))
    assert cv(longer) == pytest.approx(cv(distribution))


def test_calls_of_a_log_get_longer_too() -> None:
    base = scenario(TraceArrivals((0, 10), (1_000_000, 2_000_000)))
    assert build_trace(with_holding(base, 1.1)).hold_us.tolist() == [1_100_000, 2_200_000]


def test_callers_are_the_same_ones_calling_longer() -> None:
    base = scenario(Poisson(1e-6))
    before, after = build_trace(base), build_trace(with_holding(base, 2.0))
    assert (before.offer_us == after.offer_us).all()
    assert abs(after.hold_us - 2 * before.hold_us).max() <= 1


def test_redials_never_exceed_certainty() -> None:
    base = scenario(Poisson(1e-6), redial=Redial(0.9, Exponential(1e6), 3))
    assert with_redials(base, 1.25).tenants[0].redial == Redial(1.0, Exponential(1e6), 3)
    halved = with_redials(base, 0.5).tenants[0].redial
    assert halved is not None
    assert halved.probability == pytest.approx(0.45)
    assert with_redials(scenario(Poisson(1e-6)), 1.1).tenants[0].redial is None
