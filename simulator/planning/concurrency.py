"""Calls held over the course of a run, and how much that varies from run to run."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from simulator.kernel import KernelRun
from simulator.replicate import replication_seed
from simulator.scenario import Scenario
from simulator.traffic import build_trace

REPLICATIONS: Final = 32
INSTANTS: Final = 60


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Slots in use at an instant: percentiles over replications (interpolated between them)."""

    at_us: int
    percentile_5: float
    median: float
    percentile_95: float


def concurrency_at(
    scenario: Scenario, limit: int, count: int, pool: ThreadPoolExecutor
) -> tuple[Concurrency, ...]:
    """The first ``count`` replications at a limit, at equally spaced instants from the start on."""
    instants = sorted({scenario.duration_us * place // INSTANTS for place in range(INSTANTS)})

    def held(number: int) -> list[int]:
        drawn = replace(
            scenario,
            seed=replication_seed(scenario.seed, number),
            max_concurrent_calls=limit,
            checkpoints_us=tuple(instants),
        )
        trace = build_trace(drawn)
        result = KernelRun(trace.conditions, keep_log=False, compiled=True).play(trace)
        totals = [checkpoint.total for checkpoint in result.checkpoints]
        return [total.pending + total.accepted for total in totals]

    table = np.array(list(pool.map(held, range(count))))
    low, middle, high = np.percentile(table, [5, 50, 95], axis=0).tolist()
    return tuple(map(Concurrency, instants, low, middle, high))
