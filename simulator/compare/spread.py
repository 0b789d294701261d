"""Replications of a scenario as figures: what chance alone makes of it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count, islice

import numpy as np

from service.calls import COUNTER_NAMES, US_PER_MINUTE, Counter
from simulator.compare.chance import Floats
from simulator.compare.document import STATISTICS, TOTAL, Figure, Figures, Value
from simulator.replicate import play, replication_seed
from simulator.report.comparison import figures
from simulator.scenario import Scenario

Step = Callable[[int, int], None]
"""Told how many replications are done, of how many."""

_SHARES = frozenset(
    {"blocking", "first_attempt_blocking", "eventual_loss", "time_congestion", "occupancy"}
)
"""Statistics that are parts of one whole."""


def replications(
    scenario: Scenario, avoided: Sequence[int], number: int, step: Step
) -> list[Figures]:
    """The counters and statistics of ``number`` kernel runs, none under an ``avoided`` seed.

    Raises :class:`simulator.trace.TraceInvalid`.
    """
    seeds = list(islice(_seeds(scenario.seed, avoided), number))
    runs: list[Figures] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for run in pool.map(lambda seed: _figures(replace(scenario, seed=seed)), seeds):
            runs.append(run)
            step(len(runs), number)
    return runs


def _seeds(seed: int, avoided: Sequence[int]) -> Iterator[int]:
    drawn = (replication_seed(seed, number) for number in count(1))
    return (each for each in drawn if each not in avoided)


def _figures(scenario: Scenario) -> Figures:
    result = play(replace(scenario, checkpoints_us=()))
    found: dict[Figure, Value] = {}

    def take(where: str, row: Mapping[str, Value]) -> None:
        found.update((Figure(where, name), value) for name, value in row.items())

    take(TOTAL, figures(result.total))
    for tenant, row in result.tenants.items():
        take(f"tenants.{tenant}", figures(row))
    statistics = result.statistics.to_dict()
    for tenant, row in statistics.pop("tenants").items():
        take(f"{STATISTICS}.tenants.{tenant}", row)
    take(STATISTICS, statistics)
    return found


def weights(names: Sequence[Figure], runs: Sequence[Figures]) -> Floats:
    """What makes each figure a count, or like one; shape (m,).

    ``runs`` are all runs that are compared, so that no one of them has a say of its own.
    """
    return np.array([_weight(name, runs) for name in names], np.float64)


def _weight(figure: Figure, runs: Sequence[Figures]) -> float:
    if figure.name == COUNTER_NAMES[Counter.ACTIVE_US_TOTAL]:
        return 1 / US_PER_MINUTE
    if figure.is_statistic and figure.name in _SHARES:
        offers = [run.get(Figure(figure.where, "offered_calls")) or 0 for run in runs]
        return sum(offers) / len(offers)
    return 1.0
