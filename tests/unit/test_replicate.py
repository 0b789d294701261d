"""Replications and chunked runs of a scenario with everything that crosses a chunk's border."""

from dataclasses import replace

import pytest

from service.calls import Event, Lookup
from simulator.kernel import KernelRun
from simulator.replicate import replicate, replication_seed, run_scenario
from simulator.scenario import (
    DeliveryFault,
    Exponential,
    FiniteSource,
    InstructionFault,
    Poisson,
    Redial,
    Scenario,
    Tenant,
)
from simulator.trace import DeliveryAction
from simulator.traffic import build_trace

DURATION_US = 3_600_000_000

BUSY = Scenario(
    name="busy",
    description="redials, sources and faults on too few slots",
    seed=7,
    duration_us=DURATION_US,
    warm_up_us=DURATION_US // 10,
    max_concurrent_calls=12,
    tenants=(
        Tenant(
            "callers",
            arrivals=Poisson(0.2e-6),
            hold=Exponential(60e6),
            setup=Exponential(2e6),
            redial=Redial(0.8, Exponential(40e6), 4),
        ),
        Tenant("sources", arrivals=FiniteSource(6, Exponential(90e6)), hold=Exponential(50e6)),
    ),
    checkpoints_us=tuple(range(0, DURATION_US, DURATION_US // 7)),
    instruction_faults=(InstructionFault(Lookup.ERROR, 0, DURATION_US, 0.2),),
    delivery_faults=(DeliveryFault(Event.END, DeliveryAction.LATE, 0.1, delay_us=30_000_000),),
)


@pytest.mark.parametrize("chunk_calls", [1, 37, 500, 10**6])
def test_chunks_of_a_scenario_give_the_statistics_of_its_whole_trace(chunk_calls: int) -> None:
    trace = build_trace(BUSY)
    whole = KernelRun(trace.conditions).play(trace).statistics
    assert whole.blocking  # the case is worth chunking
    assert run_scenario(BUSY, chunk_calls) == whole


def test_replications_differ_and_do_not_depend_on_the_workers() -> None:
    alone = replicate(BUSY, 4, workers=1)
    assert replicate(BUSY, 4, workers=3) == alone
    assert len({run.carried_erlangs for run in alone}) == 4
    assert alone[0] == run_scenario(BUSY)
    assert alone[2] == run_scenario(replace(BUSY, seed=replication_seed(BUSY.seed, 2)))


def test_seeds_of_neighbours_do_not_meet() -> None:
    seeds = [replication_seed(seed, number) for seed in range(50) for number in range(1, 50)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(("replications", "workers"), [(0, 1), (1, 0)])
def test_less_than_one_is_refused(replications: int, workers: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        replicate(BUSY, replications, workers)
