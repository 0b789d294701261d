"""One draw of calls, played under any rules of sharing: what :class:`Replication` may be asked."""

from dataclasses import replace

import pytest

from simulator.conditions import LimitsChange, SharingPolicy, TenantLimitsChange
from simulator.kernel import KernelRun
from simulator.planning.replication import Replication
from simulator.planning.tasks import Task, run_task, same_calls
from simulator.scenario import Exponential, Poisson, Scenario, Tenant
from simulator.trace import Conditions
from simulator.traffic import build_trace, conditions_of

MINUTE_US = 60_000_000

BASE = Scenario(
    name="two",
    description="calls at random",
    seed=8,
    duration_us=120 * MINUTE_US,
    warm_up_us=10 * MINUTE_US,
    max_concurrent_calls=8,
    tenants=(
        Tenant("acme", Poisson(5 / MINUTE_US), Exponential(MINUTE_US)),
        Tenant("beta", Poisson(2 / MINUTE_US), Exponential(MINUTE_US)),
    ),
)


def under(policy: SharingPolicy, first: dict[str, int], second: dict[str, int]) -> Scenario:
    acme, beta = BASE.tenants
    return replace(
        BASE, policy=policy, tenants=(replace(acme, **first), replace(beta, **second))  # type: ignore[arg-type]
    )  # fmt: skip


VARIANTS = {
    "shared": BASE,
    "caps": under(SharingPolicy.SHARED, {"max_concurrent_calls": 5}, {"reserved_calls": 2}),
    "reservation": under(SharingPolicy.TRUNK_RESERVATION, {"leave_free": 2}, {}),
    "priority": under(SharingPolicy.PRIORITY, {"priority": 2}, {"priority": 1}),
    "changes": replace(
        BASE,
        changes=(
            LimitsChange(60 * MINUTE_US, None, {"acme": TenantLimitsChange(3)}),
            LimitsChange(90 * MINUTE_US, 6),
        ),
    ),
}


def straight(conditions: Conditions) -> object:
    """The kernel on the trace itself, without any of planning."""
    return KernelRun(conditions, keep_log=False).play(build_trace(BASE)).sums


@pytest.mark.parametrize("drawn", ["shared", "reservation", "changes"])
@pytest.mark.parametrize("played", list(VARIANTS))
def test_whoever_drew_the_calls_any_rules_play_them(drawn: str, played: str) -> None:
    replication = Replication(VARIANTS[drawn], 0, None)
    conditions = conditions_of(VARIANTS[played])
    found = replication.play([8], conditions)[0]
    assert found.sums == straight(conditions)
    assert found.sums.total.rejected_capacity > 0


def test_the_rules_differ_in_what_they_do_to_the_same_calls() -> None:
    """Else the test above would compare nothing."""
    found = [straight(conditions_of(each)) for each in VARIANTS.values()]
    assert all(one != other for k, one in enumerate(found) for other in found[:k])


@pytest.mark.parametrize("name", ["caps", "reservation", "priority"])
def test_how_slots_are_shared_is_no_part_of_the_calls(name: str) -> None:
    assert same_calls(VARIANTS[name]) == same_calls(BASE)


def test_a_sweep_over_policies_draws_once_and_plays_each_by_its_rules() -> None:
    names = ["shared", "caps", "reservation", "priority"]
    played = run_task(Task(tuple(VARIANTS[name] for name in names), 0, None))
    for name, one in zip(names, played, strict=True):
        assert one.sums == straight(conditions_of(VARIANTS[name]))
