"""Trunk reservation and preemptive priority on the kernel against exact theory.

The interval is over replications at a fixed seed, so each case passes or fails for good. It must
hold the truth and rule out what theory says of one slot or one reservation more or less: the
nearest mistakes there are, whatever the size of the figures.
"""

import itertools
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
    is_priority = policy is SharingPolicy.PRIORITY
    tenants = tuple(
        Tenant(
            f"tenant-{place}",
            arrivals=Poisson(load / HOLD_US),
            hold=Exponential(HOLD_US),
            leave_free=0 if is_priority else value,
            priority=value if is_priority else 0,
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


def assert_tells(
    observed: Sequence[Sequence[float | None]],
    right: Sequence[float],
    wrong: Sequence[Sequence[float]],
) -> None:
    """Every interval holds the right figure, and each wrong set of figures misses one of them."""
    samples = np.array(observed, np.float64)
    middle, reach = samples.mean(axis=1), REACH * samples.std(axis=1, ddof=1)
    assert (abs(middle - np.array(right)) <= reach).all(), (middle, reach, right)
    for figures in wrong:
        assert (abs(middle - np.array(figures)) > reach).any(), (middle, reach, figures)


def reserved(
    slots: int, erlangs: tuple[float, ...], leave_free: tuple[int, ...]
) -> tuple[float, ...]:
    """Blocking of every class, and what all carry."""
    classes = [ReservedAgainst(*each) for each in zip(erlangs, leave_free, strict=True)]
    found = trunk_reservation(slots, classes)
    return (*found.blocking.tolist(), found.carried_erlangs)


@pytest.mark.parametrize(
    ("slots", "erlangs", "leave_free"),
    [
        (10, (4.0, 4.0), (0, 2)),
        (12, (5.0, 3.0, 4.0), (1, 0, 3)),
        (30, (16.0, 12.0), (4, 0)),
    ],
)
def test_leaving_slots_free_blocks_as_often_as_the_birth_death_process_says(
    slots: int, erlangs: tuple[float, ...], leave_free: tuple[int, ...]
) -> None:
    runs = runs_of(SharingPolicy.TRUNK_RESERVATION, slots, erlangs, leave_free)
    observed: list[Sequence[float | None]] = [
        [run.tenants[f"tenant-{place}"].blocking for run in runs] for place in range(len(erlangs))
    ]
    observed.append([run.carried_erlangs for run in runs])
    beside = [
        tuple(kept + (place == other) * step for other, kept in enumerate(leave_free))
        for place in range(len(leave_free))
        for step in (-1, 1)
    ]
    wrong = [reserved(slots, erlangs, each) for each in beside if min(each) >= 0]
    wrong += [reserved(other, erlangs, leave_free) for other in (slots - 1, slots + 1)]
    assert_tells(observed, reserved(slots, erlangs, leave_free), wrong)


def preempted(slots: int, erlangs: tuple[float, ...]) -> tuple[float, ...]:
    """Blocking of the first level, what each level carries, and time congestion.

    Residual exponential times do not remember, so which call is held does not matter to how many
    are: the calls of the k most important levels together are an Erlang loss system, whose carried
    traffic is a (1 - B(a, slots)). A level carries the difference to those above it.
    """
    loads = list(itertools.accumulate(erlangs))
    carried = [load * (1 - erlang_b(load, slots)) for load in loads]
    levels = [mine - above for mine, above in zip(carried, [0.0, *carried], strict=False)]
    return (erlang_b(loads[0], slots), *levels, erlang_b(loads[-1], slots))


@pytest.mark.parametrize(
    ("slots", "erlangs"), [(6, (4.0, 5.0)), (10, (7.0, 4.0, 3.0)), (20, (15.0, 10.0))]
)
def test_with_preemption_each_level_sees_itself_and_those_above_alone(
    slots: int, erlangs: tuple[float, ...]
) -> None:
    runs = runs_of(SharingPolicy.PRIORITY, slots, erlangs, range(1, len(erlangs) + 1))
    observed: list[Sequence[float | None]] = [
        [run.tenants["tenant-0"].blocking for run in runs],
        *(
            [run.tenants[f"tenant-{place}"].carried_erlangs for run in runs]
            for place in range(len(erlangs))
        ),
        [run.time_congestion for run in runs],
    ]
    wrong = [preempted(other, erlangs) for other in (slots - 1, slots + 1)]
    # Were calls of one level never ended for another, all levels would be blocked alike.
    alike = erlang_b(sum(erlangs), slots)
    wrong.append((alike, *(load * (1 - alike) for load in erlangs), alike))
    assert_tells(observed, preempted(slots, erlangs), wrong)
