"""Blocking of simulated Poisson traffic against Erlang's loss formula.

The interval is over replications: losses come in clusters, so a binomial interval over calls would
be several times too narrow. Seeds are fixed, so each case passes or fails for good.
"""

import math

import numpy as np
import pytest
from scipy.stats import t as student

from simulator.analytics import erlang_b
from simulator.replicate import replicate
from simulator.scenario import (
    Deterministic,
    Distribution,
    Exponential,
    Gamma,
    Poisson,
    Scenario,
    Tenant,
)

HOLD_US = 60_000_000.0
REPLICATIONS = 12


def scenario(erlangs: float, servers: int, hold: Distribution, calls: int) -> Scenario:
    gap_us = HOLD_US / erlangs
    return Scenario(
        name="loss-system",
        description="Poisson calls on one group of slots",
        seed=20_240_601,
        duration_us=round(calls * gap_us + 10 * HOLD_US),
        warm_up_us=round(10 * HOLD_US),
        max_concurrent_calls=servers,
        tenants=(Tenant("all", arrivals=Poisson(1 / gap_us), hold=hold),),
    )


@pytest.mark.parametrize(
    ("erlangs", "servers", "hold"),
    [
        (0.5, 1, Exponential(HOLD_US)),
        (5.0, 5, Exponential(HOLD_US)),
        (8.0, 12, Gamma(HOLD_US, cv=2.0)),
        (20.0, 15, Deterministic(HOLD_US)),
        (50.0, 55, Exponential(HOLD_US)),
    ],
)
def test_blocking_and_congestion_are_those_of_erlang(
    erlangs: float, servers: int, hold: Distribution
) -> None:
    runs = replicate(scenario(erlangs, servers, hold, calls=8_000), REPLICATIONS)
    expected = erlang_b(erlangs, servers)
    reach = float(student.ppf(0.999, REPLICATIONS - 1)) / math.sqrt(REPLICATIONS)
    carried = erlangs * (1 - expected)
    for found, right in (
        ([run.blocking for run in runs], expected),
        ([run.time_congestion for run in runs], expected),  # arrivals see time averages
        ([run.carried_erlangs for run in runs], carried),
    ):
        sample = np.array(found, np.float64)
        spread = float(sample.std(ddof=1))
        assert abs(float(sample.mean()) - right) <= reach * spread
        # An interval too wide to notice a wrong answer would prove nothing.
        assert reach * spread < 0.25 * right


@pytest.mark.parametrize(
    ("erlangs", "servers"), [(0.0, 0), (0.0, 3), (1e-9, 1), (3.7, 0), (2.5, 4), (40.0, 60)]
)
def test_erlang_b_is_the_ratio_it_is_defined_as(erlangs: float, servers: int) -> None:
    terms = [erlangs**k / math.factorial(k) for k in range(servers + 1)]
    assert erlang_b(erlangs, servers) == pytest.approx(terms[-1] / math.fsum(terms), rel=1e-12)


def test_erlang_b_neither_overflows_nor_loses_large_systems() -> None:
    assert erlang_b(1.0, 10_000) == 0.0
    assert erlang_b(1e6, 10) == pytest.approx(1 - 10 / 1e6, rel=1e-9)
    # With as many slots as erlangs, B tends to sqrt(2 / (pi n)).
    assert erlang_b(1e5, 100_000) == pytest.approx(math.sqrt(2 / (math.pi * 1e5)), rel=1e-2)


@pytest.mark.parametrize(
    ("erlangs", "servers"), [(-1.0, 1), (math.inf, 1), (math.nan, 1), (1.0, -1)]
)
def test_erlang_b_refuses_what_has_no_meaning(erlangs: float, servers: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        erlang_b(erlangs, servers)
