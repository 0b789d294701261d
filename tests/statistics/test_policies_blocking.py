"""Trunk reservation and preemptive priority on the kernel against exact theory.

The interval is over replications at a fixed seed, so each case passes or fails for good.
"""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import t as student

from simulator.analytics import ReservedAgainst, erlang_b, trunk_reservation
from simulator.replicate import replicate
from simulator.scenario import Exponential, Poisson, Scenario, Tenant
from simulator.statistics import Statistics
from simulator.trace import SharingPolicy

HOLD_US = 60_000_000.0
REPLICATIONS = 12
CALLS = 12_000
REACH = float(student.ppf(0.999, REPLICATIONS - 1)) / math.sqrt(REPLICATIONS)


def runs_of(
    policy: SharingPolicy, slots: int, erlangs: Sequence[float], given: Sequence[int]
) -> list[Statistics]:
    """Replications of Poisson calls of one mean; ``given`` are the slots left free or the
    priorities."""
    field = "leave_free" if policy is SharingPolicy.TRUNK_RESERVATION else "priority"
    tenants = tuple(
        Tenant(
            f"tenant-{place}",
            arrivals=Poisson(load / HOLD_US),
            hold=Exponential(HOLD_US),
            **{field: value},
        )
        for place, (load, value) in enumerate(zip(erlangs, given, strict=True))
    )
    scenario = Scenario(
        name="policies",
        description="Poisson calls that share slots by a policy",
        seed=20_240_601,
        duration_us=round(CALLS * HOLD_US / sum(erlangs) + 10 * HOLD_US),
        warm_up_us=round(10 * HOLD_US),
        max_concurrent_calls=slots,
        tenants=tenants,
        policy=policy,
    )
    return replicate(scenario, REPLICATIONS)


def assert_is(observed: Sequence[float | None], right: float) -> None:
    sample = np.array(observed, np.float64)
    spread = float(sample.std(ddof=1))
    assert abs(float(sample.mean()) - right) <= REACH * spread
    # An interval too wide to notice a wrong answer would prove nothing.
    assert REACH * spread < 0.15 * right


@pytest.mark.parametrize(
    ("slots", "erlangs", "leave_free"),
    [
        (10, (4.0, 4.0), (0, 2)),
        (12, (5.0, 3.0, 4.0), (1, 0, 3)),
        (30, (20.0, 6.0), (4, 0)),
    ],
)
def test_leaving_slots_free_blocks_as_often_as_the_birth_death_process_says(
    slots: int, erlangs: tuple[float, ...], leave_free: tuple[int, ...]
) -> None:
    runs = runs_of(SharingPolicy.TRUNK_RESERVATION, slots, erlangs, leave_free)
    classes = [ReservedAgainst(*each) for each in zip(erlangs, leave_free, strict=True)]
    expected = trunk_reservation(slots, classes)
    assert_is([run.carried_erlangs for run in runs], expected.carried_erlangs)
    for place, blocking in enumerate(expected.blocking.tolist()):
        assert_is([run.tenants[f"tenant-{place}"].blocking for run in runs], blocking)


@pytest.mark.parametrize(
    ("slots", "erlangs"), [(6, (4.0, 5.0)), (10, (7.0, 4.0, 3.0)), (20, (15.0, 10.0))]
)
def test_with_preemption_each_level_sees_itself_and_those_above_alone(
    slots: int, erlangs: tuple[float, ...]
) -> None:
    """Residual exponential times do not remember, so which call is held does not matter to how
    many are: the calls of the k most important levels together are an Erlang loss system, whose
    carried traffic is a (1 - B(a, slots)). A level carries the difference to those above it.
    """
    runs = runs_of(SharingPolicy.PRIORITY, slots, erlangs, range(1, len(erlangs) + 1))
    assert_is([run.tenants["tenant-0"].blocking for run in runs], erlang_b(erlangs[0], slots))
    above = load = 0.0
    for place, own in enumerate(erlangs):
        load += own
        carried = load * (1 - erlang_b(load, slots))
        mine = [run.tenants[f"tenant-{place}"].carried_erlangs for run in runs]
        assert_is(mine, carried - above)
        above = carried
    assert_is([run.carried_erlangs for run in runs], above)
    assert_is([run.time_congestion for run in runs], erlang_b(load, slots))
