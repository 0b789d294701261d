"""When Erlang's formula applies, and what is said when it does not."""

from dataclasses import replace

import pytest

from simulator.planning.formula import Formula, FormulaKind, Question, erlang_b_formula
from simulator.planning.formula_words import load_words, unknown_to
from simulator.planning.offered import exact_erlangs
from simulator.planning.target import Target
from simulator.scenario import (
    Arrivals,
    Batch,
    Deadlines,
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
from simulator.trace import LimitsChange, SharingPolicy, TenantLimitsChange

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


def asked(
    scenario: Scenario,
    *,
    measured: float = 20.0,
    tenant: str | None = None,
    per_tenant: bool = False,
) -> Formula:
    return erlang_b_formula(
        Question(
            scenario=scenario,
            target=Target("blocking", 0.01, is_strict=True, tenant=tenant),
            per_tenant=per_tenant,
            interval_us=None,
            answer=30,
            limits=(28, 29, 30),
            floor=1,
            measured_erlangs=measured,
        )
    )


def test_the_formula_applies_to_plain_poisson_calls() -> None:
    formula = asked(BASE, measured=99.0)
    assert formula.holds
    assert not formula.is_measured
    assert formula.erlangs == pytest.approx(20)
    assert formula.slots == 30
    # B(20, 28), B(20, 29) and B(20, 30) to the digits of published tables.
    assert formula.at_limits == pytest.approx((0.0188, 0.0128, 0.00846), abs=5e-5)
    assert formula.at_answer == formula.at_limits[2]
    assert formula.unknown == ()
    assert load_words(formula) == "20.00 E on average"


def test_who_may_not_call_offers_nothing() -> None:
    others = (replace(PLAIN, tenant_id="off", enabled=False), replace(PLAIN, configured=False))
    assert exact_erlangs(replace(BASE, tenants=(PLAIN, *others))) == pytest.approx(20)


@pytest.mark.parametrize(
    "scenario",
    [
        with_tenant(patience=Exponential(9e6)),
        replace(BASE, deadlines=Deadlines(active_us=1_000_000)),
        with_tenant(instructions=False, fallback=False),
    ],
    ids=["patience", "deadlines", "no instructions"],
)
def test_traffic_that_is_no_product_is_measured(scenario: Scenario) -> None:
    formula = asked(scenario, measured=12.5)
    assert formula.is_measured
    assert formula.erlangs == 12.5
    assert load_words(formula) == "12.50 E on average, measured"


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
    formula = asked(with_tenant(arrivals=arrivals))
    assert not formula.holds
    assert formula.is_measured
    (reason,) = formula.unknown
    assert said in reason
    assert "(acme)" in reason


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        (with_tenant(redial=Redial(0.5, Exponential(1e6), 3)), "try again"),
        (with_tenant(max_concurrent_calls=9), "limits of their own"),
        (with_tenant(reserved_calls=1), "slots kept"),
        (replace(BASE, policy=SharingPolicy.TRUNK_RESERVATION), "trunk reservation"),
        (replace(BASE, policy=SharingPolicy.PRIORITY), "important calls end others"),
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
    formula = asked(scenario)
    (reason,) = formula.unknown
    assert said in reason
    assert not formula.holds


@pytest.mark.parametrize("aim", [{"tenant": "acme"}, {"per_tenant": True}])
def test_it_speaks_of_one_tenant_only_where_all_lose_alike(aim: dict[str, object]) -> None:
    assert asked(BASE, **aim).holds  # type: ignore[arg-type]
    capped = asked(with_tenant(max_concurrent_calls=9), **aim)  # type: ignore[arg-type]
    assert "one tenant by itself" in capped.unknown[0]
    assert len(capped.unknown) == 2


def test_many_names_are_counted() -> None:
    many = tuple(
        replace(PLAIN, tenant_id=f"t{place}", max_concurrent_calls=5) for place in range(7)
    )
    (reason,) = asked(replace(BASE, tenants=many)).unknown
    assert "(t0, t1, t2, t3 and 3 more)" in reason


def test_what_two_formulas_do_not_know_of_is_said_once() -> None:
    first = replace(asked(BASE), unknown=("a", "b"))
    second = replace(first, kind=FormulaKind.MODIFIED_OFFERED_LOAD, unknown=("c", "b"))
    assert list(unknown_to([first])) == ["a.", "b."]
    assert list(unknown_to([first, second])) == [
        "a [Erlang B].",
        "b [both].",
        "c [modified offered load].",
    ]
