"""When Erlang's formula applies, and what is said when it does not."""

from dataclasses import replace

import pytest

from simulator.planning.formula import exact_erlangs, formula_for
from simulator.scenario import (
    Arrivals,
    Batch,
    Deterministic,
    ExactCount,
    Exponential,
    FiniteSource,
    Gamma,
    HyperExponential,
    Poisson,
    RateProfile,
    Redial,
    Regular,
    Renewal,
    Scenario,
    Tenant,
    TraceArrivals,
)
from simulator.trace import LimitsChange, TenantLimitsChange

HOUR_US = 3_600_000_000

# 0.4 calls a second for 2 + 3 + 45 s each: 20 erlang
PLAIN = Tenant("acme", Poisson(0.4e-6), Exponential(45e6), Deterministic(2e6), Deterministic(3e6))
BASE = Scenario(
    name="base",
    description="",
    seed=1,
    duration_us=HOUR_US,
    warm_up_us=HOUR_US // 6,
    max_concurrent_calls=1,
    tenants=(PLAIN,),
)


def with_tenant(**fields: object) -> Scenario:
    return replace(BASE, tenants=(replace(PLAIN, **fields),))  # type: ignore[arg-type]


def test_the_formula_applies_to_plain_poisson_calls() -> None:
    formula = formula_for(BASE, measured_erlangs=99.0, blocking=0.01, answer=30)
    assert formula.applies
    assert not formula.is_measured
    assert formula.offered_erlangs == pytest.approx(20)
    assert formula.servers == 30  # B(20, 30) = 0.0085, B(20, 29) = 0.0128
    assert formula.blocking_at_answer == pytest.approx(0.0085, abs=5e-5)
    assert formula.reasons == ()


def test_who_may_not_call_offers_nothing() -> None:
    others = (replace(PLAIN, tenant_id="off", enabled=False), replace(PLAIN, configured=False))
    assert exact_erlangs(replace(BASE, tenants=(PLAIN, *others))) == pytest.approx(20)


def test_traffic_that_is_no_product_is_measured() -> None:
    formula = formula_for(with_tenant(patience=Exponential(9e6)), 12.5, 0.01, 20)
    assert formula.is_measured
    assert formula.offered_erlangs == 12.5


@pytest.mark.parametrize(
    ("arrivals", "said"),
    [
        (RateProfile((0, 5), (1e-6, 2e-6)), "the rate varies"),
        (Batch(3, rate_per_us=1e-6), "bursts"),
        (Renewal(HyperExponential(1e6, 2.0)), "peaked"),
        (Renewal(Gamma(1e6, 0.5)), "smooth"),
        (Regular(1e6), "equal distances"),
        (FiniteSource(10, Exponential(1e6)), "few callers"),
        (ExactCount(10), "number of calls is fixed"),
        (TraceArrivals((1, 2)), "as the log has them"),
    ],
)
def test_other_arrivals_are_named(arrivals: Arrivals, said: str) -> None:
    formula = formula_for(with_tenant(arrivals=arrivals), 20.0, 0.01, 30)
    assert not formula.applies
    assert formula.is_measured
    (reason,) = formula.reasons
    assert said in reason
    assert "(acme)" in reason


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        (with_tenant(redial=Redial(0.5, Exponential(1e6), 3)), "try again"),
        (with_tenant(max_concurrent_calls=9), "limits of their own"),
        (with_tenant(reserved_calls=1), "slots kept"),
        (replace(BASE, warm_up_us=0), "starts empty"),
        (
            replace(
                BASE, changes=(LimitsChange(5, None, {"acme": TenantLimitsChange(enabled=False)}),)
            ),
            "change during the run",
        ),
    ],
)
def test_everything_else_it_does_not_know_of_is_named(scenario: Scenario, said: str) -> None:
    formula = formula_for(scenario, 20.0, 0.01, 30)
    (reason,) = formula.reasons
    assert said in reason
    assert not formula.applies


def test_many_names_are_counted() -> None:
    many = tuple(
        replace(PLAIN, tenant_id=f"t{place}", max_concurrent_calls=5) for place in range(7)
    )
    (reason,) = formula_for(replace(BASE, tenants=many), 20.0, 0.01, 30).reasons
    assert "(t0, t1, t2, t3 and 3 more)" in reason
