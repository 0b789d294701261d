"""The virtual-time kernel beside its floor and its peer, and what each feature costs.

Run it on a quiet machine: `python -m bench.kernel`, or with `--quick` for a tenth of the calls. The
scenario is 20 tenants with a stream for each purpose, 950 erlang on 1000 slots, a cap for each
tenant, drawn setup, connect and hold times and outcomes. The floor is drawing three random numbers
a call (a gap, a holding time, a tenant) and doing nothing with them. The peer is SimPy with a
Timeout and a callback for each of offer, accept, start and end, the leanest form it has.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from service.calls import Event, Lookup
from simulator.kernel import KernelRun
from simulator.replicate import CHUNK_CALLS, replicate, run_scenario
from simulator.scenario import (
    Deadlines,
    DeliveryFault,
    Exponential,
    InstructionFault,
    Outcomes,
    Poisson,
    Redial,
    Scenario,
    Tenant,
)
from simulator.trace import CallTrace, DeliveryAction
from simulator.traffic import build_trace, conditions_of, iter_chunks

TENANTS = 20
ERLANGS = 950
LIMIT = 1000
SETUP_US, CONNECT_US, HOLD_US = 2e6, 1e6, 180e6
LIFE_US = SETUP_US + CONNECT_US + HOLD_US


def scenario(calls: int, erlangs: float = ERLANGS, **tenant: Any) -> Scenario:
    """About ``calls`` calls; ``tenant`` replaces fields of every tenant."""
    gap_us = LIFE_US / erlangs
    plain = Tenant(
        tenant_id="",
        arrivals=Poisson(1 / (gap_us * TENANTS)),
        setup=Exponential(SETUP_US),
        connect=Exponential(CONNECT_US),
        hold=Exponential(HOLD_US),
        outcomes=Outcomes(failed=0.03, hung_up=0.05),
        max_concurrent_calls=60,
    )
    return Scenario(
        name="bench",
        description="20 tenants on 1000 slots",
        seed=1,
        duration_us=round(calls * gap_us),
        max_concurrent_calls=LIMIT,
        tenants=tuple(
            replace(plain, tenant_id=f"tenant-{place:02d}", **tenant) for place in range(TENANTS)
        ),
    )


def best(rounds: int, work: Callable[[], object]) -> float:
    """Seconds of the quickest round: what the neighbours on the machine disturb least."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def raw_draws(calls: int) -> None:
    rng = np.random.Generator(np.random.SFC64(1))
    for begin in range(0, calls, CHUNK_CALLS):
        size = min(CHUNK_CALLS, calls - begin)
        rng.standard_exponential(size)
        rng.standard_exponential(size)
        rng.integers(0, TENANTS, size)


class SimPyPeer:
    """The same lifecycle on SimPy: caps, the total limit, counters by tenant, exact minutes."""

    def __init__(self, trace: CallTrace) -> None:
        import simpy

        self.env = simpy.Environment()
        names = ("tenant", "offer_us", "setup_us", "connect_us", "hold_us", "end_kind")
        self.rows = zip(*(trace.column(name).tolist() for name in names), strict=True)
        self.in_use = [0] * TENANTS
        self.total = 0
        self.offered = [0] * TENANTS
        self.rejected = [0] * TENANTS
        self.accepted = [0] * TENANTS
        self.started = [0] * TENANTS
        self.ended = [0] * TENANTS
        self.failed = [0] * TENANTS
        self.active_us = [0] * TENANTS
        self.next_offer()

    def run(self) -> "SimPyPeer":
        self.env.run()
        return self

    def next_offer(self) -> None:
        row = next(self.rows, None)
        if row is not None:
            later = self.env.timeout(row[1] - self.env.now, row)
            later.callbacks.append(self.offer)

    def offer(self, event: Any) -> None:
        row = event.value
        tenant = row[0]
        self.offered[tenant] += 1
        if self.total >= LIMIT or self.in_use[tenant] >= 60:
            self.rejected[tenant] += 1
        else:
            self.total += 1
            self.in_use[tenant] += 1
            self.env.timeout(row[2], row).callbacks.append(self.accept)
        self.next_offer()

    def accept(self, event: Any) -> None:
        row = event.value
        self.accepted[row[0]] += 1
        self.env.timeout(row[3], row).callbacks.append(self.start)

    def start(self, event: Any) -> None:
        row = event.value
        self.started[row[0]] += 1
        self.env.timeout(row[4], row).callbacks.append(self.end)

    def end(self, event: Any) -> None:
        tenant, _, _, _, hold_us, kind = event.value
        self.ended[tenant] += 1
        self.failed[tenant] += kind == 2
        self.active_us[tenant] += hold_us
        self.total -= 1
        self.in_use[tenant] -= 1


@dataclass(frozen=True)
class Figures:
    """Nanoseconds a row of the trace."""

    rows: int
    generation: float
    kernel: float
    pipeline: float


def figures(subject: Scenario, rounds: int, **run: Any) -> Figures:
    trace = build_trace(subject)
    rows = len(trace)

    def generate() -> None:
        for _ in iter_chunks(subject, CHUNK_CALLS):
            pass

    def play() -> None:
        KernelRun(trace.conditions, compiled=True, **run).play(trace)

    def pipeline() -> None:
        kernel = KernelRun(conditions_of(subject), compiled=True, **run)
        for chunk in iter_chunks(subject, CHUNK_CALLS):
            kernel.feed(chunk)
        kernel.finish()

    times = (best(rounds, work) / rows * 1e9 for work in (generate, play, pipeline))
    return Figures(rows, *times)


def variants(calls: int) -> list[tuple[str, Scenario, dict[str, Any]]]:
    base = scenario(calls)
    duration = base.duration_us
    every = tuple(range(0, duration, max(1, duration // 200)))
    lookup = InstructionFault(Lookup.ERROR, 0, duration, 0.1)
    late = DeliveryFault(Event.END, DeliveryAction.LATE, 0.02, delay_us=3_000_000)
    overload = 1.3 * ERLANGS
    redial = Redial(0.6, Exponential(20e6), 4)
    return [
        ("plain: caps, outcomes, all statistics", base, {}),
        ("without caps", scenario(calls, max_concurrent_calls=None), {}),
        ("overload (1,235 erlang)", scenario(calls, overload), {}),
        ("with reservations", scenario(calls, reserved_calls=40), {}),
        ("with 200 checkpoints", replace(base, checkpoints_us=every), {}),
        ("with per-row log", base, {"keep_log": True}),
        ("with patience", scenario(calls, patience=Exponential(30e6)), {}),
        ("with referrals", scenario(calls, outcomes=Outcomes(0.03, 0.05, 0.1)), {}),
        ("with deadlines", replace(base, deadlines=Deadlines(30_000_000, None, None)), {}),
        ("with lookup faults", replace(base, instruction_faults=(lookup,)), {}),
        ("with late ends", replace(base, delivery_faults=(late,)), {}),
        ("overload with redials", scenario(calls, overload, redial=redial), {}),
        (
            "overload with redials and faults",
            replace(
                scenario(calls, overload, redial=redial),
                instruction_faults=(lookup,),
                delivery_faults=(late,),
            ),
            {},
        ),
    ]


def features(calls: int, rounds: int) -> Figures:
    plain = None
    print("| scenario | rows | generation ns | kernel ns | both in chunks ns | rows/s |")
    print("|---|---|---|---|---|---|")
    for name, subject, run in variants(calls):
        found = figures(subject, rounds, **{"keep_log": False, **run})
        plain = plain or found
        print(
            f"| {name} | {found.rows:,} | {found.generation:.0f} | {found.kernel:.0f} "
            f"| {found.pipeline:.0f} | {1e9 / found.pipeline:,.0f} |",
            flush=True,
        )
    assert plain is not None
    return plain


def comparison(plain: Figures, calls: int, rounds: int) -> None:
    trace = build_trace(scenario(calls // 10))
    peer_ns = best(rounds, lambda: SimPyPeer(trace).run()) / len(trace) * 1e9
    floor_ns = best(rounds, lambda: raw_draws(calls)) / calls * 1e9
    peer = SimPyPeer(trace).run()
    ours = KernelRun(trace.conditions).play(trace).total
    theirs = (sum(peer.accepted), sum(peer.rejected))
    print("\n| what | ns a call | calls/s | to the pipeline |")
    print("|---|---|---|---|")
    for name, value in (
        ("floor: three raw draws", floor_ns),
        ("generation and kernel in chunks", plain.pipeline),
        ("SimPy, Timeout and callbacks, trace ready", peer_ns),
    ):
        print(f"| {name} | {value:,.0f} | {1e9 / value:,.0f} | {value / plain.pipeline:.2f} |")
    print(
        f"\nOf {len(trace):,} calls the kernel accepted {ours[1]:,} and rejected {ours[2]:,}, "
        f"SimPy {theirs[0]:,} and {theirs[1]:,} (it orders what happens at one microsecond "
        "as it was scheduled)."
    )


def scaling(calls: int, rounds: int) -> None:
    subject = scenario(calls)
    replications = 8
    one, two = [], []
    for _ in range(rounds):
        one.append(best(1, lambda: replicate(subject, replications, workers=1)))
        two.append(best(1, lambda: replicate(subject, replications, workers=2)))
    print(
        f"\n{replications} replications of {calls:,} calls: {min(one):.2f} s on one core, "
        f"{min(two):.2f} s on two, {min(one) / min(two):.2f} times as fast "
        f"({os.cpu_count()} cores here)."
    )


def peak_memory_kb() -> int:
    """Most memory of this process so far.

    Linux hands the figure of ``getrusage`` on from the process that started this one, so it is
    read from the process's own status there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
        if found is not None:
            return int(found.group(1))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def memory(calls: int) -> None:
    """Peak memory of one run, in a process of its own."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "bench.kernel", "--one-run", str(calls)]
    peak_kb = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(
        f"\n{calls:,} calls in chunks: {peak_kb / 1e6:.2f} GB at the most, "
        f"{time.perf_counter() - begin:.0f} s."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls, two rounds")
    parser.add_argument("--calls", type=int, default=2_000_000, help="calls in one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-calls", type=int, default=100_000_000, help="0 leaves it out")
    parser.add_argument("--one-run", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one_run:
        run_scenario(scenario(arguments.one_run))
        print(peak_memory_kb())
        return
    calls, rounds, most = arguments.calls, arguments.rounds, arguments.memory_calls
    if arguments.quick:
        calls, rounds, most = calls // 10, 2, most // 10
    run_scenario(scenario(CHUNK_CALLS))  # compiles, or loads what was compiled
    plain = features(calls, rounds)
    comparison(plain, calls, rounds)
    scaling(calls, rounds)
    if most:
        memory(most)


if __name__ == "__main__":
    main()
