"""A plan and a sweep beside the same written with SimPy, and how both use two cores.

Run it on a quiet machine: `python -m bench.plan`, or with `--quick` for a third of the sweep.
The scenario is 1,000 erlang of Poisson calls of 36 s for an hour, five minutes of it warm-up: about
100,000 offers a replication. The plan is for blocking below 1 % to a precision of 0.001 at 95 %;
the sweep has 50 capacities of 30 replications. The peer plays one replication at one capacity with
a Timeout and a callback for each offer and each release, the leanest form SimPy has; what it needs
for the plan or the sweep is that time as often as a replication is played at a capacity there.
"""

import argparse
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from simulator.planning.plan import PlanOptions, plan
from simulator.planning.replication import Played, Replications
from simulator.planning.sensitivity import Asked
from simulator.planning.sweep import GridPoint, sweep
from simulator.planning.target import Target
from simulator.planning.tasks import on_threads
from simulator.scenario import Exponential, Poisson, Redial, Scenario, Tenant

ERLANGS = 1_000
HOLD_US = 36e6
HOUR_US = 3_600_000_000
TARGET = Target("blocking", 0.01, True)


def scenario(limit: int = ERLANGS, *, redials: bool = False) -> Scenario:
    redial = Redial(0.5, Exponential(30e6), 4) if redials else None
    return Scenario(
        name="bench",
        description="a busy hour of 1,000 erlang",
        seed=1,
        duration_us=HOUR_US,
        warm_up_us=HOUR_US // 12,
        max_concurrent_calls=limit,
        tenants=(
            Tenant("acme", Poisson(ERLANGS / HOLD_US), hold=Exponential(HOLD_US), redial=redial),
        ),
    )


class SimPyHour:
    """One replication at one capacity; blocking after the warm-up."""

    def __init__(self, limit: int, seed: int) -> None:
        import simpy

        self.env = simpy.Environment()
        self.draw = random.Random(seed).expovariate
        self.limit = limit
        self.in_use = self.offered = self.rejected = 0
        self.env.timeout(self.draw(ERLANGS / HOLD_US)).callbacks.append(self.offer)

    def run(self) -> float:
        self.env.run(until=HOUR_US)
        return self.rejected / self.offered

    def offer(self, _event: Any) -> None:
        counts = self.env.now >= HOUR_US // 12
        self.offered += counts
        if self.in_use >= self.limit:
            self.rejected += counts
        else:
            self.in_use += 1
            self.env.timeout(self.draw(1 / HOLD_US)).callbacks.append(self.release)
        self.env.timeout(self.draw(ERLANGS / HOLD_US)).callbacks.append(self.offer)

    def release(self, _event: Any) -> None:
        self.in_use -= 1


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds on the clock, seconds of processor, and what came of it."""
    begin, used = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - begin, time.process_time() - used, found


def count_plays(counted: list[int]) -> Callable[..., dict[int, list[Played]]]:
    """:meth:`Replications.play` that says how many replications it played at how many limits."""
    original = Replications.play

    def play(self: Replications, limits: Any, count: int) -> dict[int, list[Played]]:
        known = {limit: len(self._played.get(limit, ())) for limit in limits}
        found = original(self, limits, count)
        counted[0] += sum(max(0, count - known[limit]) for limit in limits)
        return found

    return play


def plans(rounds: int) -> None:
    print("| plan for 1,000 erlang | slots | replications | seconds | processor |")
    print("|---|---|---|---|---|")
    cases = (
        ("precision 0.001", scenario(), PlanOptions(TARGET, precision=0.001)),
        (
            "the same, with sensitivity",
            scenario(),
            PlanOptions(TARGET, precision=0.001, sensitivity=Asked()),
        ),
        (
            "redials, precision 0.001",
            scenario(redials=True),
            PlanOptions(TARGET, precision=0.001),
        ),
    )
    for name, subject, options in cases:
        runs = [timed(partial(plan, subject, options)) for _ in range(rounds)]
        wall, used, found = min(runs, key=lambda run: run[0])
        print(
            f"| {name} | {found.answer:,} | {found.replications} | {wall:.2f} | {used:.2f} |",
            flush=True,
        )


def sweeps(rounds: int, replications: int) -> None:
    points = [GridPoint((str(c),), (), scenario(c)) for c in range(950, 1050, 2)]

    def go(workers: int) -> Any:
        return sweep(points, ["capacity"], replications, on_threads(workers), lambda *_: None)

    assert go(1) == go(2)
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, times in found.items():
            times.append(timed(partial(go, workers))[0])
    one, two = min(found[1]), min(found[2])
    print(
        f"\nSweep of 50 capacities x {replications} replications: {one:.2f} s on one core, "
        f"{two:.2f} s on two, {one / two:.2f} times as fast; two independent loops of plain "
        f"arithmetic ran {machine(rounds):.2f} times as fast as one after the other."
    )
    peer(50 * replications, "this sweep", two)


def spin(turns: int) -> float:
    values = np.arange(1_000.0)
    total = 0.0
    for _ in range(turns):
        total += float(values @ values)
    return total


def machine(rounds: int) -> float:
    """How much faster two processes do two things here than one does them in turn."""
    turns = 400_000
    context = multiprocessing.get_context("spawn")
    ratios = []
    with context.Pool(2) as pool:
        pool.map(spin, [1, 1])
        for _ in range(rounds):
            one = timed(lambda: [pool.apply(spin, (turns,)) for _ in range(2)])[0]
            ratios.append(one / timed(lambda: pool.map(spin, [turns, turns], chunksize=1))[0])
    return max(ratios)


def peer(plays: int, what: str, ours_s: float) -> None:
    wall = min(timed(lambda: SimPyHour(1_029, 1).run())[0] for _ in range(2))
    print(
        f"SimPy plays one replication at one capacity in {wall:.2f} s; {what} plays "
        f"{plays:,}, which it would do in {plays * wall:,.0f} s, {plays * wall / ours_s:,.0f} "
        "times as long.",
        flush=True,
    )


def plays_of_a_plan() -> int:
    counted = [0]
    original = Replications.play
    Replications.play = count_plays(counted)  # type: ignore[method-assign]
    try:
        plan(scenario(), PlanOptions(TARGET, precision=0.001))
    finally:
        Replications.play = original  # type: ignore[method-assign]
    return counted[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the sweep, one round")
    arguments = parser.parse_args()
    rounds, replications = (1, 10) if arguments.quick else (3, 30)
    # Compiles, or loads what was compiled.
    with ThreadPoolExecutor(1) as pool:
        for redials in (False, True):
            Replications(scenario(redials=redials), None, pool).play([1_000], 1)
    print(f"{os.cpu_count()} cores\n")
    plans(rounds)
    wall, _, _ = timed(lambda: plan(scenario(), PlanOptions(TARGET, precision=0.001)))
    peer(plays_of_a_plan(), "this plan", wall)
    sweeps(rounds, replications)


if __name__ == "__main__":
    main()
