"""Sharing policies compared by simulation where theory knows the truth.

Two tenants call at random and hold their calls for exponential times of one mean, where every
formula here is exact.
"""

from pathlib import Path

import pytest

from simulator.analytics.loss import erlang_b
from simulator.analytics.reservation import ReservedAgainst, trunk_reservation
from simulator.analytics.sharing import SharingTenant, shared_group
from simulator.planning.policies.comparing import Options, compare_policies
from simulator.planning.policies.given import Given, asked_of
from simulator.planning.policies.result import (
    CAPS,
    MINIMUM,
    ONE_POOL,
    OWN_POOLS,
    PRIORITY,
    RESERVATION,
    Comparison,
    PolicyOutcome,
    TenantOutcome,
)
from simulator.planning.target import Target
from simulator.scenario_file.load import ScenarioSource

SLOTS = 12
LARGE, SMALL = 6.0, 3.0
TOGETHER = LARGE + SMALL

SCENARIO = f"""\
version: 1
name: two-tenants
description: calls at random, held for exponential times of one mean
seed: 3
duration: 24h
warm_up: 1h
capacity: {{max_concurrent_calls: {SLOTS}}}
tenants:
  large:
    arrivals: {{type: poisson, erlangs: {LARGE}}}
    hold: {{type: exponential, mean: 2m}}
  small:
    arrivals: {{type: poisson, erlangs: {SMALL}}}
    hold: {{type: exponential, mean: 2m}}
"""


def compared(directory: Path, *policies: str, **options: object) -> Comparison:
    path = directory / "two-tenants.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    given = Given(ScenarioSource(path), (), None, asked_of(policies))
    asked = {"confidence": 0.999, "target": Target("blocking", 0.06, True), **options}
    return compare_policies(given, Options(**asked))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compared(
        tmp_path_factory.mktemp("policies"),
        *(ONE_POOL, OWN_POOLS, CAPS, MINIMUM, RESERVATION, PRIORITY),
        "tight: tenants.large.max_concurrent_calls=7, tenants.small.reserved_calls=4",
        has_slots=False,
    )


def policy(found: Comparison, name: str) -> PolicyOutcome:
    return next(each for each in found.policies if each.name == name)


def tenant(found: Comparison, name: str, tenant_id: str) -> TenantOutcome:
    return next(each for each in policy(found, name).tenants if each.tenant == tenant_id)


def set_for(found: Comparison, name: str, tenant_id: str, what: str) -> int:
    own = next(each for each in policy(found, name).parameters if each.tenant == tenant_id)
    value = getattr(own, what)
    assert isinstance(value, int)
    return value


def assert_loses(found: Comparison, name: str, tenant_id: str, truth: float) -> None:
    lost = tenant(found, name, tenant_id).lost
    assert lost is not None
    assert lost.low < truth < lost.high, (name, tenant_id, truth, lost)
    # an interval that says something
    assert lost.high - lost.low < max(0.3 * truth, 0.005)


def test_in_one_pool_everybody_loses_what_erlang_says_of_all(found: Comparison) -> None:
    truth = erlang_b(TOGETHER, SLOTS)
    assert_loses(found, ONE_POOL, "large", truth)
    assert_loses(found, ONE_POOL, "small", truth)
    fair = policy(found, ONE_POOL).fairness
    assert not fair.unequal
    assert fair.jain_index == pytest.approx(1, abs=1e-4)


def test_own_pools_are_loss_systems_of_their_own(found: Comparison) -> None:
    pools = {
        name: set_for(found, OWN_POOLS, name, "max_concurrent_calls") for name in ("large", "small")
    }
    assert sum(pools.values()) == SLOTS
    assert_loses(found, OWN_POOLS, "large", erlang_b(LARGE, pools["large"]))
    assert_loses(found, OWN_POOLS, "small", erlang_b(SMALL, pools["small"]))


@pytest.mark.parametrize("name", [CAPS, MINIMUM, "tight"])
def test_caps_and_minima_as_the_exact_formula_says(found: Comparison, name: str) -> None:
    own = {each.tenant: each for each in policy(found, name).parameters}
    exact = shared_group(
        SLOTS,
        [
            SharingTenant(erlangs, own[who].max_concurrent_calls, own[who].reserved_calls)
            for who, erlangs in (("large", LARGE), ("small", SMALL))
        ],
    )
    assert_loses(found, name, "large", exact.tenants[0].call_congestion)
    assert_loses(found, name, "small", exact.tenants[1].call_congestion)
    carried = policy(found, name).carried_erlangs
    assert carried == pytest.approx(exact.carried_erlangs, rel=0.02)


def test_caps_are_what_erlang_says_each_needs_by_itself(found: Comparison) -> None:
    assert erlang_b(LARGE, 9) > 0.06 > erlang_b(LARGE, 10)
    assert erlang_b(SMALL, 5) > 0.06 > erlang_b(SMALL, 6)
    assert {each.tenant: each.own_need for each in found.loads} == {"large": 10, "small": 6}
    for each, erlangs in zip(found.loads, (LARGE, SMALL), strict=True):
        assert each.offered_erlangs == pytest.approx(erlangs, rel=0.03)


def test_trunk_reservation_as_its_birth_death_process_says(found: Comparison) -> None:
    free = set_for(found, RESERVATION, "large", "leave_free")
    assert free >= 1
    exact = trunk_reservation(SLOTS, [ReservedAgainst(LARGE, free), ReservedAgainst(SMALL, 0)])
    assert_loses(found, RESERVATION, "large", float(exact.blocking[0]))
    assert_loses(found, RESERVATION, "small", float(exact.blocking[1]))


def test_priority_leaves_the_first_rank_alone_with_its_own_load(found: Comparison) -> None:
    assert_loses(found, PRIORITY, "small", erlang_b(SMALL, SLOTS))
    assert tenant(found, PRIORITY, "small").preempted_calls == 0
    assert tenant(found, PRIORITY, "large").preempted_calls > 0


def test_priority_changes_who_loses_and_not_how_much_is_lost(found: Comparison) -> None:
    """Exponential times have no memory, so slots in use are those of one pool, whoever is in them.

    Of all calls B(a1 + a2, C) are lost, of the first rank B(a1, C), and the rest by the second.
    """
    everything = TOGETHER * erlang_b(TOGETHER, SLOTS)
    truth = (everything - SMALL * erlang_b(SMALL, SLOTS)) / LARGE
    assert_loses(found, PRIORITY, "large", truth)
    lost = policy(found, PRIORITY).lost
    assert lost is not None
    assert lost.low < everything / TOGETHER < lost.high


def test_differences_hold_the_truth_and_are_shorter_for_being_paired(found: Comparison) -> None:
    free = set_for(found, RESERVATION, "large", "leave_free")
    exact = trunk_reservation(SLOTS, [ReservedAgainst(LARGE, free), ReservedAgainst(SMALL, 0)])
    pool = erlang_b(TOGETHER, SLOTS)
    for place, name in enumerate(("large", "small")):
        outcome, base = tenant(found, RESERVATION, name), tenant(found, ONE_POOL, name)
        apart = outcome.over_one_pool
        assert apart is not None
        assert apart.is_sure
        assert apart.low < float(exact.blocking[place]) - pool < apart.high
        assert outcome.lost is not None
        assert base.lost is not None
        unpaired = (outcome.lost.half_width**2 + base.lost.half_width**2) ** 0.5
        assert (apart.high - apart.low) / 2 < 0.8 * unpaired


def test_whom_an_overload_hurts(found: Comparison) -> None:
    assert found.overload is not None
    assert (found.overload.tenant, found.overload.factor) == ("large", 2)
    hurt = tenant(found, ONE_POOL, "small").by_overload
    assert hurt is not None
    truth = erlang_b(2 * LARGE + SMALL, SLOTS) - erlang_b(TOGETHER, SLOTS)
    assert hurt.low < truth < hurt.high
    assert policy(found, ONE_POOL).fairness.hurt_by_overload == ("small",)
    for name in (OWN_POOLS, PRIORITY):
        # not a single call of theirs fares otherwise
        unhurt = tenant(found, name, "small").by_overload
        assert unhurt is not None
        assert unhurt.low == unhurt.value == unhurt.high == 0
        assert policy(found, name).fairness.hurt_by_overload == ()
    assert tenant(found, ONE_POOL, "large").by_overload is None


def own_pools_needed(target: float) -> int:
    """The least limit whose split by needs of 10 and 6 meets the target, by Erlang's formula."""
    for limit in range(1, 60):
        large = limit * 10 // 16
        # the one slot that is left over goes to the larger remainder
        large += limit * 10 % 16 > limit * 6 % 16
        if max(erlang_b(LARGE, large), erlang_b(SMALL, limit - large)) < target:
            return limit
    raise AssertionError("no limit is enough")


def test_what_each_policy_costs_in_slots(tmp_path: Path) -> None:
    cost = compared(tmp_path, ONE_POOL, OWN_POOLS, RESERVATION, "few: "
                    "tenants.large.max_concurrent_calls=5", confidence=0.95)  # fmt: skip
    slots = {each.name: each.slots for each in cost.policies}
    one, own, kept, few = (slots[name] for name in (ONE_POOL, OWN_POOLS, RESERVATION, "few"))
    assert one is not None
    assert own is not None
    assert kept is not None
    assert few is not None
    assert erlang_b(TOGETHER, 12) > 0.06 > erlang_b(TOGETHER, 13)
    assert one.least_possible is not None
    assert one.surely_enough is not None
    assert one.least_possible <= 13 <= one.surely_enough
    truth = own_pools_needed(0.06)
    assert own.least_possible is not None
    assert own.surely_enough is not None
    assert own.least_possible <= truth <= own.surely_enough
    assert one.needed is not None
    assert own.needed is not None
    assert own.over_one_pool == own.needed - one.needed > 0
    assert one.over_own_pools == -own.over_one_pool
    assert (one.over_one_pool, own.over_own_pools) == (None, None)
    # Reserving slots costs the one reserved against, so all together need more of them.
    assert kept.over_one_pool is not None
    assert kept.over_one_pool >= 0
    # With twice the calls of large, small needs what one pool of 15 erlang does...
    assert erlang_b(15, 19) > 0.06 > erlang_b(15, 20)
    assert one.in_overload is not None
    assert abs(one.in_overload - 20) <= 1
    # ... and far less where slots are kept free for it.
    assert kept.in_overload is not None
    assert kept.in_overload < one.in_overload - 2
    assert few.needed is None
    assert few.why_none is not None
    assert "large still loses 36." in few.why_none  # B(6 erlang, 5 slots) = 36.04 %
    assert erlang_b(LARGE, 5) == pytest.approx(0.3604, abs=1e-4)
