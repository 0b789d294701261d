"""The formula for caps and minima beside a plan against sums over all states of small groups."""

import itertools
import math
from dataclasses import replace

import pytest

from simulator.planning.formula import FormulaKind, Question
from simulator.planning.sharing_formula import sharing_formula
from simulator.planning.target import Target
from simulator.scenario import (
    Arrivals,
    Deterministic,
    Exponential,
    Poisson,
    RateProfile,
    Redial,
    Scenario,
    Tenant,
)
from simulator.trace import SharingPolicy

HOUR_US = 3_600_000_000


def tenant(name: str, erlangs: float, hold_s: float, **fields: object) -> Tenant:
    """Two seconds of every call are setup."""
    made = Tenant(
        name,
        Poisson(erlangs / (hold_s * 1e6)),
        Exponential((hold_s - 2) * 1e6),
        setup=Deterministic(2e6),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


ACME = tenant("acme", 2.0, 60, max_concurrent_calls=3)
BETA = tenant("beta", 1.5, 30, reserved_calls=2)
GAMMA = tenant("gamma", 1.0, 120, max_concurrent_calls=4, reserved_calls=1)
GROUPS = {
    "capped": (ACME, tenant("plain", 2.5, 45)),
    "kept for": (BETA, tenant("plain", 2.5, 45)),
    "both": (ACME, BETA, GAMMA),
    "switched off": (ACME, replace(BETA, enabled=False)),
}


def scenario(tenants: tuple[Tenant, ...]) -> Scenario:
    return Scenario(
        name="small",
        description="",
        seed=1,
        duration_us=HOUR_US,
        warm_up_us=HOUR_US // 5,
        max_concurrent_calls=1,
        tenants=tenants,
    )


def by_hand(limit: int, tenants: tuple[Tenant, ...]) -> tuple[list[float], list[float]]:
    """Blocking of each tenant and its rate, by weighing every state there can be.

    A state weighs the product of a**n / n!; a call is refused at its cap, when every slot is in
    use, or when all that is left is kept for others.
    """

    def erlangs(each: Tenant) -> float:
        assert isinstance(each.arrivals, Poisson)
        assert isinstance(each.hold, Exponential)
        return each.arrivals.rate_per_us * (2e6 + each.hold.mean_us) if each.enabled else 0.0

    def refused(state: tuple[int, ...], who: int) -> bool:
        cap = tenants[who].max_concurrent_calls
        committed = sum(max(n, each.reserved_calls) for n, each in zip(state, tenants, strict=True))
        return (
            sum(state) >= limit
            or (cap is not None and state[who] >= cap)
            or (state[who] >= tenants[who].reserved_calls and committed >= limit)
        )

    weights: dict[tuple[int, ...], float] = {}
    reached = [(0,) * len(tenants)]
    while reached:
        state = reached.pop()
        if state in weights:
            continue
        weights[state] = math.prod(
            erlangs(each) ** n / math.factorial(n) for n, each in zip(state, tenants, strict=True)
        )
        reached += [
            (*state[:who], state[who] + 1, *state[who + 1 :])
            for who in range(len(tenants))
            if not refused(state, who)
        ]
    whole = sum(weights.values())
    shares = [
        sum(weight for state, weight in weights.items() if refused(state, who)) / whole
        for who in range(len(tenants))
    ]
    rates = [
        each.arrivals.rate_per_us if isinstance(each.arrivals, Poisson) and each.enabled else 0.0
        for each in tenants
    ]
    return shares, rates


def aimed(limit: int, tenants: tuple[Tenant, ...], who: str | None, *, per_tenant: bool) -> float:
    shares, rates = by_hand(limit, tenants)
    if who is not None:
        return dict(zip((each.tenant_id for each in tenants), shares, strict=True))[who]
    if per_tenant:
        return max(share for share, rate in zip(shares, rates, strict=True) if rate)
    return sum(share * rate for share, rate in zip(shares, rates, strict=True)) / sum(rates)


def question(
    tenants: tuple[Tenant, ...], bound: float, who: str | None = None, *, per_tenant: bool = False
) -> Question:
    floor = max(1, sum(each.reserved_calls for each in tenants))
    return Question(
        scenario=scenario(tenants),
        target=Target("blocking", bound, is_strict=True, tenant=who),
        per_tenant=per_tenant,
        interval_us=None,
        answer=9,
        limits=tuple(range(floor, 12)),
        floor=floor,
        measured_erlangs=99.0,
    )


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    ("who", "per_tenant"),
    [(None, False), (None, True), ("first", False)],
    ids=["all", "each", "one"],
)
def test_it_is_the_sum_over_all_states(group: str, who: str | None, per_tenant: bool) -> None:
    tenants = GROUPS[group]
    who = tenants[0].tenant_id if who else None
    floor = max(1, sum(each.reserved_calls for each in tenants))
    expected = {
        limit: aimed(limit, tenants, who, per_tenant=per_tenant) for limit in range(floor, 12)
    }
    # Half-way down its last fall up to 8 slots.
    least = max(limit for limit in range(floor + 1, 9) if expected[limit - 1] > expected[limit])
    bound = (expected[least - 1] + expected[least]) / 2
    asked = question(tenants, bound, who, per_tenant=per_tenant)
    found = sharing_formula(asked)
    assert found is not None
    assert found.kind is FormulaKind.CAPS_AND_MINIMA
    assert found.at_limits == pytest.approx([expected[limit] for limit in asked.limits])
    assert found.at_answer == pytest.approx(expected[9])
    assert found.slots == least == min(at for at, share in expected.items() if share < bound)
    assert found.holds
    offered = {"capped": 4.5, "kept for": 4.0, "both": 4.5, "switched off": 2.0}
    assert found.erlangs == pytest.approx(offered[group])


def test_no_number_of_slots_is_enough_beside_a_cap() -> None:
    # With room for all acme is an Erlang group of 3: B(2, 3) = 4/19 is a third of 0.63.
    found = sharing_formula(question((ACME, tenant("plain", 2.5, 45)), 0.01, "acme"))
    assert found is not None
    assert found.slots is None


def test_what_else_stands_in_the_way_is_named() -> None:
    redialling = replace(ACME, redial=Redial(0.5, Exponential(1e6), 3))
    found = sharing_formula(question((redialling, BETA), 0.1))
    assert found is not None
    assert not found.holds
    (reason,) = found.unknown
    assert "try again (acme)" in reason


@pytest.mark.parametrize(
    "asked",
    [
        question((tenant("plain", 2.0, 60), tenant("other", 1.0, 60)), 0.1),
        question((replace(ACME, arrivals=RateProfile((0, 9), (1e-7, 2e-7))), BETA), 0.1),
        question((replace(ACME, patience=Exponential(1e6)), BETA), 0.1),
        replace(question((ACME, BETA), 0.1), target=Target("time_congestion", 0.1, True)),
        replace(
            question((ACME, BETA), 0.1),
            scenario=replace(scenario((ACME, BETA)), policy=SharingPolicy.PRIORITY),
        ),
        replace(question((ACME, BETA), 0.1), answer=50_000),
        question((replace(ACME, enabled=False),), 0.1),
    ],
    ids=["no limits", "rate varies", "patience", "of time", "priority", "too large", "nobody"],
)
def test_where_it_does_not_fit_it_says_nothing(asked: Question) -> None:
    assert sharing_formula(asked) is None


def test_bursts_are_not_poisson() -> None:
    arrivals: list[Arrivals] = [Poisson(1e-7), RateProfile((0,), (1e-7,))]
    for first, second in itertools.product(arrivals, repeat=2):
        tenants = (replace(ACME, arrivals=first), replace(BETA, arrivals=second))
        exact = isinstance(first, Poisson) and isinstance(second, Poisson)
        assert (sharing_formula(question(tenants, 0.1)) is not None) == exact
