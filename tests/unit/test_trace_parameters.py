"""Parameters that mean nothing are refused with the tenant's name before anything is drawn."""

import math

import pytest

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
)
from simulator.trace import TraceInvalid
from simulator.traffic import build_trace, iter_chunks

HOUR = 3_600_000_000
SECOND = Exponential(1e6)


def build(arrivals: Arrivals, hold: Distribution = SECOND, redial: Redial | None = None) -> None:
    tenant = Tenant("acme", arrivals, hold, redial=redial)
    build_trace(Scenario("bad", "", 1, HOUR, 10, (tenant,)))


@pytest.mark.parametrize(
    ("arrivals", "message"),
    [
        (Poisson(-1e-6), "must be >= 0"),
        (Poisson(2.0), "the mean gap is 0.5 us"),
        (Regular(0.0), "the mean gap is 0.0 us"),
        (Renewal(Gamma(1e6, -1.0)), "the cv must be >= 0"),
        (Batch(0, rate_per_us=1e-6), "the batch size is 0"),
        (Batch(2), "either a rate or a gap"),
        (Batch(2, 1e-6, 1e6), "either a rate or a gap"),
        (RateProfile((), ()), "at least one"),
        (RateProfile((0, 5), (1e-6,)), "one rate for each"),
        (RateProfile((5, 5), (1e-6, 1e-6)), "must be >= 0 and rise"),
        (RateProfile((-1,), (1e-6,)), "must be >= 0 and rise"),
        (RateProfile((0, 5), (1e-6, 1e-6), 5), "repeat after its last start"),
        (RateProfile((0,), (-1e-6,)), "rates must be >= 0"),
        (RateProfile((0,), (2.0,)), "expected calls are too many"),
        (Sinusoid(1e-6, 1.5, 1000), "0 <= amplitude <= 1"),
        (Sinusoid(1e-6, 0.5, 0), "period > 0"),
        (Sinusoid(0.9, 0.5, 1000), "at the peak the mean gap"),
        (Mmpp((), ()), "one mean stay for each"),
        (Mmpp((1e-6,), (0.0,)), "mean stays of at least 1 us"),
        (Mmpp((2.0, 0.0), (1e6, 1e6)), "expected calls are too many"),
        (FlashCrowd(1e-6, 1e-5, -1, 0, 5), "must be >= 0"),
        (FlashCrowd(-1e-6, 1e-5, 1, 0, 5), "rates must be >= 0"),
        (FiniteSource(-1, SECOND), "number of sources is -1"),
        (FiniteSource(1000, Deterministic(0.0)), "more than 200,000,000"),
        (ExactCount(-1), "the count is -1"),
        (TraceArrivals((-3, 5)), "-3 us, before the start"),
        (TraceArrivals((1, 2), (3,)), "2 offers needs as many holding times, not 1"),
    ],
    ids=str,
)
def test_impossible_arrivals_are_refused(arrivals: Arrivals, message: str) -> None:
    with pytest.raises(TraceInvalid) as refused:
        build(arrivals)
    assert str(refused.value).startswith("tenant 'acme': ")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "hold",
    [
        Exponential(-1.0),
        Exponential(math.nan),
        Deterministic(math.inf),
        Uniform(2.0, 1.0),
        Erlang(1.0, 0),
        HyperExponential(1.0, 0.5),
        Pareto(0.0, 1.0, 2.0),
        Pareto(1.0, 0.0, 2.0),
        Pareto(1.0, 3.0, 2.0),
        Empirical(()),
        Empirical((1.0, -1.0)),
        Mixture(()),
        Mixture(((0.0, SECOND),)),
        Mixture(((1.0, SECOND), (-0.5, SECOND))),
        Mixture(((1.0, Uniform(2.0, 1.0)),)),
    ],
    ids=str,
)
def test_impossible_distributions_are_refused(hold: Distribution) -> None:
    with pytest.raises(TraceInvalid, match=r"^tenant 'acme': .*(must|required)"):
        build(Poisson(1e-6), hold)


@pytest.mark.parametrize("redial", [Redial(1.5, SECOND, 2), Redial(0.5, SECOND, 0)], ids=str)
def test_impossible_redials_are_refused(redial: Redial) -> None:
    with pytest.raises(TraceInvalid, match="redials need"):
        build(Poisson(1e-6), redial=redial)


def test_a_finite_source_cannot_redial_as_well() -> None:
    with pytest.raises(TraceInvalid, match="cannot redial as well"):
        build(FiniteSource(3, SECOND), redial=Redial(0.5, SECOND, 2))


def test_a_chunk_holds_at_least_one_call() -> None:
    scenario = Scenario("bad", "", 1, HOUR, 10, (Tenant("acme", Poisson(1e-6), SECOND),))
    with pytest.raises(ValueError, match="at least 1"):
        next(iter_chunks(scenario, 0))
