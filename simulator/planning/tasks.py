"""A sweep as independent pieces of work, and the plainest way to get them done.

A task is the calls of one replication, drawn once and played at every point of the grid that has
the same calls. What it gives is a function of the task alone, so it does not matter who does it,
where, and in what order; tasks and what they give can be pickled.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from simulator.conditions import SharingPolicy
from simulator.planning.replication import Played, Replication
from simulator.scenario import Scenario
from simulator.traffic import conditions_of


@dataclass(frozen=True, slots=True)
class Task:
    """Replication ``replication`` of scenarios that differ in how slots are shared only.

    ``interval_us`` is the length of clock intervals, None for none.
    """

    scenarios: tuple[Scenario, ...]
    replication: int
    interval_us: int | None


Step = Callable[[int, int], None]
"""Told how many tasks are done, of how many."""

Scheduler = Callable[[Sequence[Task], Step], Iterator[tuple[Played, ...]]]
"""Gets tasks done and gives what they come to, in their order."""


def same_calls(scenario: Scenario) -> tuple[Scenario, str]:
    """What the calls of a scenario follow from, to compare: all that shares out slots is gone."""
    tenants = tuple(
        replace(each, max_concurrent_calls=None, reserved_calls=0, leave_free=0, priority=0)
        for each in scenario.tenants
    )
    calls = replace(
        scenario,
        max_concurrent_calls=0,
        policy=SharingPolicy.SHARED,
        tenants=tenants,
        changes=(),
        checkpoints_us=(),
        expect=(),
        thresholds=(),
    )
    return calls, repr(scenario.changes)


def run_task(task: Task) -> tuple[Played, ...]:
    """Play the task: one outcome for each of its scenarios, in their order."""
    replication = Replication(task.scenarios[0], task.replication, task.interval_us)
    by_conditions: dict[Scenario, list[int]] = {}
    for place, scenario in enumerate(task.scenarios):
        same = replace(scenario, max_concurrent_calls=0, changes=())
        by_conditions.setdefault(same, []).append(place)
    outcomes: dict[int, Played] = {}
    for places in by_conditions.values():
        limits = [task.scenarios[place].max_concurrent_calls for place in places]
        conditions = replace(conditions_of(task.scenarios[places[0]]), checkpoints_us=())
        outcomes.update(zip(places, replication.play(limits, conditions), strict=True))
    return tuple(outcomes[place] for place in range(len(task.scenarios)))


def on_threads(workers: int | None = None) -> Scheduler:
    """The scheduler of this machine: threads, one a core unless said otherwise.

    Drawing and playing leave the interpreter's lock, so threads run side by side and share what
    was compiled.
    """

    def run(tasks: Sequence[Task], step: Step) -> Iterator[tuple[Played, ...]]:
        pool = ThreadPoolExecutor(workers or os.cpu_count() or 1)
        try:
            for done, outcome in enumerate(pool.map(run_task, tasks), start=1):
                step(done, len(tasks))
                yield outcome
        finally:
            pool.shutdown(cancel_futures=True)

    return run
