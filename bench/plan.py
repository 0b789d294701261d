"""Plans and sweeps beside the same written with SimPy and with Ciw, and how both cores are used.

Run it on a quiet machine: `python -m bench.plan`, or with `--quick` for a third of the sweep. Ciw
comes with `make peers`, into a directory of its own.

The scenario is 1,000 erlang of Poisson calls for an hour, five minutes of it warm-up. Calls of 36 s
make about 100,000 offers a replication. The plan is for blocking below 1 % to a precision of 0.001
at 95 %; the sweep has 50 capacities of 30 replications, each drawn once and played at all of them.
The peers answer a smaller plan, of 100 erlang, from as many replications and by the same halving of
a bracket; at 1,000 erlang one hour at one capacity is timed, and multiplied by how many of them the
plan and the sweep here play.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from simulator.planning.plan import PlanOptions, plan
from simulator.planning.replication import Played, Replication
from simulator.planning.sensitivity import Asked
from simulator.planning.sweep import GridPoint, Sweep, sweep
from simulator.planning.target import Target
from simulator.planning.tasks import on_threads
from simulator.scenario import Exponential, Poisson, Redial, Scenario, Tenant
from simulator.trace import Conditions

ERLANGS = 1_000
HOLD_S = 36
THREE_MINUTES_S = 180
HOUR_US = 3_600_000_000
TARGET = Target("blocking", 0.01, True)
PRECISE = PlanOptions(TARGET, precision=0.001)
LIMITS = range(950, 1050, 2)

_Found = TypeVar("_Found")

PEERS = ("simpy", "ciw")
PEERS_DIRECTORY = Path(sys.prefix) / "bench-peers"
SMALL_ERLANGS, SMALL_REPLICATIONS = 100, 16
PEER_SLOTS = 1_029


def scenario(erlangs: float = ERLANGS, hold_s: float = HOLD_S, limit: int = ERLANGS) -> Scenario:
    hold_us = 1e6 * hold_s
    return Scenario(
        name="bench",
        description="a busy hour",
        seed=1,
        duration_us=HOUR_US,
        warm_up_us=HOUR_US // 12,
        max_concurrent_calls=limit,
        tenants=(Tenant("acme", Poisson(erlangs / hold_us), hold=Exponential(hold_us)),),
    )


def with_redials(base: Scenario) -> Scenario:
    redial = Redial(0.5, Exponential(30e6), 4)
    return replace(base, tenants=tuple(replace(each, redial=redial) for each in base.tenants))


def timed(work: Callable[[], _Found]) -> tuple[float, float, _Found]:
    """Seconds on the clock, seconds of processor, and what came of it."""
    begin, used = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - begin, time.process_time() - used, found


def plans(rounds: int) -> float:
    """Seconds of the plan to a precision of 0.001."""
    print("| plan for 1,000 erlang | slots | replications | seconds | processor |")
    print("|---|---|---|---|---|")
    cases = (
        ("precision 0.001", scenario(), PRECISE),
        ("the same, calls of three minutes", scenario(hold_s=THREE_MINUTES_S), PRECISE),
        ("the first with sensitivity", scenario(), replace(PRECISE, sensitivity=Asked())),
        ("the first with redials", with_redials(scenario()), PRECISE),
    )
    seconds = []
    for name, subject, options in cases:
        runs = [timed(partial(plan, subject, options)) for _ in range(rounds)]
        wall, used, found = min(runs, key=lambda run: run[0])
        print(
            f"| {name} | {found.answer:,} | {found.replications} | {wall:.2f} | {used:.2f} |",
            flush=True,
        )
        seconds.append(wall)
    return seconds[0]


def swept(replications: int, workers: int) -> Sweep:
    points = [GridPoint((str(limit),), (), scenario(limit=limit)) for limit in LIMITS]
    return sweep(points, ["capacity"], replications, on_threads(workers), lambda *_: None)


def sweep_alone(replications: int) -> None:
    """For a process of its own, which sends nothing back."""
    swept(replications, 1)


def sweeps(rounds: int, replications: int) -> float:
    """Seconds of the sweep on two cores.

    Beside it the same work in two processes, which share nothing: what the machine has to give just
    then, whatever else it does.
    """
    assert swept(4, 1) == swept(4, 2)
    one, two, apart = [], [], []
    halves = [replications // 2, replications - replications // 2]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(sweep_alone, [2, 2], chunksize=1)
        for _ in range(rounds):
            one.append(timed(partial(swept, replications, 1))[0])
            two.append(timed(partial(swept, replications, 2))[0])
            apart.append(timed(partial(pool.map, sweep_alone, halves, chunksize=1))[0])
    print(
        f"\nSweep of {len(LIMITS)} capacities x {replications} replications: {min(one):.2f} s on "
        f"one core, {min(two):.2f} s on two, {min(one) / min(two):.2f} times as fast; halved "
        f"between two processes {min(apart):.2f} s, {min(one) / min(apart):.2f} times as fast.",
        flush=True,
    )
    return min(two)


def peer(name: str, *arguments: object) -> dict[str, float]:
    """What a peer found, and in how many seconds, in a process of its own."""
    found = subprocess.run(
        [sys.executable, "-m", "bench.peers", name, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PEERS_DIRECTORY)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, float] = json.loads(found.stdout)
    return answer


def small_plans(rounds: int) -> None:
    print(f"\n| plan for {SMALL_ERLANGS} erlang, {SMALL_REPLICATIONS} replications | slots | s |")
    print("|---|---|---|")
    subject = scenario(SMALL_ERLANGS, THREE_MINUTES_S)
    options = PlanOptions(TARGET, max_replications=SMALL_REPLICATIONS)
    runs = [timed(partial(plan, subject, options)) for _ in range(rounds)]
    wall, _, found = min(runs, key=lambda run: run[0])
    print(
        f"| busyhour: the safe end of {found.least_possible} to {found.answer}, and more "
        f"| {found.answer} | {wall:.2f} |",
        flush=True,
    )
    for name in PEERS:
        answer = peer(name, "plan", SMALL_ERLANGS, THREE_MINUTES_S, SMALL_REPLICATIONS)
        print(
            f"| {name}, the average alone | {answer['slots']} | {answer['seconds']:.2f} |",
            flush=True,
        )


def plays_of_a_plan() -> int:
    """How many replications the plan plays at how many limits."""
    played = [0]
    original = Replication.play

    def play(
        self: Replication, limits: Sequence[int], conditions: Conditions | None = None
    ) -> list[Played]:
        played[0] += len(limits)
        return original(self, limits, conditions)

    Replication.play = play  # type: ignore[method-assign]
    try:
        plan(scenario(), replace(PRECISE, workers=1))
    finally:
        Replication.play = original  # type: ignore[method-assign]
    return played[0]


def peers_at_length(plan_s: float, sweep_s: float, replications: int) -> None:
    plays = plays_of_a_plan()
    swept = len(LIMITS) * replications
    print(
        f"\n| one hour of 1,000 erlang at one capacity | s | the plan's {plays:,} | to ours "
        f"| the sweep's {swept:,} | to ours |"
    )
    print("|---|---|---|---|---|---|")
    for name in PEERS:
        one = peer(name, "hour", ERLANGS, HOLD_S, PEER_SLOTS)["seconds"]
        print(
            f"| {name} | {one:.2f} | {plays * one:,.0f} | {plays * one / plan_s:,.0f} "
            f"| {swept * one:,.0f} | {swept * one / sweep_s:,.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the sweep, one round")
    arguments = parser.parse_args()
    if not PEERS_DIRECTORY.is_dir():
        sys.exit(
            f"there is no {PEERS_DIRECTORY}: `make peers` installs what plans are compared with"
        )
    rounds, replications = (1, 10) if arguments.quick else (5, 30)
    # Compiles, or loads what was compiled.
    for subject in (scenario(), with_redials(scenario())):
        Replication(subject, 0, None).play([1_000])
    print(f"{os.cpu_count()} cores\n")
    plan_s = plans(rounds)
    small_plans(rounds)
    sweep_s = sweeps(rounds, replications)
    peers_at_length(plan_s, sweep_s, replications)


if __name__ == "__main__":
    main()
