"""Replications: the same scenario under seeds of its own, for intervals around a statistic."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import numpy as np

from simulator.kernel import KernelResult, KernelRun
from simulator.scenario import Scenario
from simulator.statistics import Statistics
from simulator.traffic import conditions_of, iter_chunks

CHUNK_CALLS: Final = 1 << 19


def replication_seed(seed: int, replication: int) -> int:
    """The seed of a replication; replication 0 is the scenario as it stands."""
    if replication == 0:
        return seed
    return int(np.random.SeedSequence((seed, replication)).generate_state(1, np.uint64)[0] >> 1)


def play(scenario: Scenario, chunk_calls: int = CHUNK_CALLS) -> KernelResult:
    """One run on the kernel, chunk by chunk, without its log."""
    run = KernelRun(conditions_of(scenario), keep_log=False)
    for chunk in iter_chunks(scenario, chunk_calls):
        run.feed(chunk)
    return run.finish()


def run_scenario(scenario: Scenario, chunk_calls: int = CHUNK_CALLS) -> Statistics:
    """One run on the kernel, for its statistics alone."""
    return play(scenario, chunk_calls).statistics


def replicate(scenario: Scenario, replications: int, workers: int = 1) -> list[Statistics]:
    """Statistics of replications 0, 1, ... of a scenario, on ``workers`` threads.

    Drawing calls and playing them both leave the interpreter's lock, so threads run side by side.
    Results do not depend on ``workers``. Raises ValueError unless both numbers are at least 1.
    """
    if replications < 1 or workers < 1:
        raise ValueError("replications and workers must be at least 1")
    scenarios = [
        replace(scenario, seed=replication_seed(scenario.seed, number))
        for number in range(replications)
    ]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run_scenario, scenarios))
