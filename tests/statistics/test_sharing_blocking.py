"""Caps and guaranteed minima: what the kernel simulates against the exact sum over states.

The interval is over replications at a fixed seed, so each case passes or fails for good.
"""

import math

import numpy as np
import pytest
from scipy.stats import t as student

from simulator.analytics import SharingTenant, shared_group
from simulator.replicate import replicate
from simulator.scenario import (
    Deterministic,
    Distribution,
    Exponential,
    Gamma,
    Lognormal,
    Poisson,
    Scenario,
    Tenant,
)
from simulator.traffic.samplers import mean_us

REPLICATIONS = 12
LONGEST_HOLD_US = 120_000_000.0
Shared = tuple[float, int | None, int, Distribution]

CASES: list[tuple[int, list[Shared]]] = [
    (
        20,
        [
            (8.0, 10, 4, Exponential(60_000_000.0)),
            (6.0, None, 6, Lognormal(30_000_000.0, 1.5)),
            (7.0, 9, 0, Deterministic(120_000_000.0)),
        ],
    ),
    (
        12,
        [
            (9.0, None, 2, Gamma(60_000_000.0, 2.0)),
            (3.0, 5, 5, Exponential(20_000_000.0)),
        ],
    ),
]


@pytest.mark.parametrize(("limit", "shares"), CASES)
def test_every_tenant_is_blocked_as_often_as_the_states_say(
    limit: int, shares: list[Shared]
) -> None:
    rates = [erlangs / mean_us(hold) for erlangs, _, _, hold in shares]
    tenants = tuple(
        Tenant(
            f"tenant-{place}",
            arrivals=Poisson(rate),
            hold=hold,
            max_concurrent_calls=cap,
            reserved_calls=reserved,
        )
        for place, (rate, (_, cap, reserved, hold)) in enumerate(zip(rates, shares, strict=True))
    )
    scenario = Scenario(
        name="shared-group",
        description="Poisson calls of tenants with caps and guaranteed minima",
        seed=20_240_601,
        duration_us=round(40_000 / sum(rates) + 10 * LONGEST_HOLD_US),
        warm_up_us=round(10 * LONGEST_HOLD_US),
        max_concurrent_calls=limit,
        tenants=tenants,
    )
    expected = shared_group(
        limit, [SharingTenant(erlangs, cap, reserved) for erlangs, cap, reserved, _ in shares]
    )
    runs = replicate(scenario, REPLICATIONS)
    reach = float(student.ppf(0.999, REPLICATIONS - 1)) / math.sqrt(REPLICATIONS)
    found = [([run.time_congestion for run in runs], expected.time_congestion)]
    for place, loss in enumerate(expected.tenants):
        rows = [run.tenants[f"tenant-{place}"] for run in runs]
        found.append(([row.blocking for row in rows], loss.call_congestion))
        found.append(([row.carried_erlangs for row in rows], loss.carried_erlangs))
    for observed, right in found:
        sample = np.array(observed, np.float64)
        spread = float(sample.std(ddof=1))
        assert abs(float(sample.mean()) - right) <= reach * spread
        # An interval too wide to notice a wrong answer would prove nothing.
        assert reach * spread < 0.15 * right
