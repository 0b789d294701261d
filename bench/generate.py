"""What drawing traffic costs: nanoseconds a call by stage, beside the raw draws alone.

Run by hand: ``python -m bench.generate [calls]``. The scenario is the plain one: twenty tenants
with Poisson arrivals, exponential setup and connect times, lognormal holding times, and an outcome
that is sometimes a failure. CPU time of one core, the best of several rounds, because a neighbour
can only add to it.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from service.calls import Event, Lookup
from simulator.scenario import (
    DeliveryFault,
    Exponential,
    InstructionFault,
    Lognormal,
    Outcomes,
    Poisson,
    Redial,
    Scenario,
    Tenant,
)
from simulator.trace import DeliveryAction
from simulator.trace_check import check_trace
from simulator.traffic import build_trace, iter_chunks
from simulator.traffic.arrivals import arrival_process
from simulator.traffic.columns import Columns, Layout, Part, Rows
from simulator.traffic.merge import merge_runs
from simulator.traffic.streams import Streams
from simulator.traffic.windows import windows

CHUNK_CALLS = 2**17
ROUNDS = 5
TENANTS = 20


def plain_scenario(calls: int) -> Scenario:
    """About ``calls`` calls at 5 a second, unequally shared between the tenants."""
    rates = [5e-6 * 2 * (k + 1) / (TENANTS * (TENANTS + 1)) for k in range(TENANTS)]
    tenants = tuple(
        Tenant(
            f"tenant-{k}",
            Poisson(rate),
            Lognormal(180e6, 1.2),
            setup=Exponential(2e6),
            connect=Exponential(1e6),
            outcomes=Outcomes(failed=0.05),
        )
        for k, rate in enumerate(rates)
    )
    return Scenario("plain", "", 1, round(calls / 5e-6), 1000, tenants)


def best(work: Callable[[], int]) -> float:
    """Nanoseconds of CPU time for each of the calls that ``work`` says it did."""
    spent = []
    for _ in range(ROUNDS):
        begun = time.process_time_ns()
        done = work()
        spent.append((time.process_time_ns() - begun) / done)
    return min(spent)


def raw_draws(calls: int) -> Callable[[], int]:
    """The floor: four exponentials or normals and a uniform a call, into memory kept for them."""
    generator = np.random.Generator(np.random.SFC64(1))
    space = np.empty(CHUNK_CALLS // TENANTS)

    def work() -> int:
        done = 0
        while done < calls:
            for _ in range(3):
                generator.standard_exponential(out=space)
            generator.standard_normal(out=space)
            np.exp(space, out=space)
            generator.random(out=space)
            done += len(space)
        return done

    return work


def stages(scenario: Scenario) -> dict[str, float]:
    """Each stage by itself on one chunk."""
    duration = scenario.duration_us
    streams = [Streams(scenario.seed, tenant.tenant_id) for tenant in scenario.tenants]

    def draw_arrivals() -> int:
        processes = [
            arrival_process(tenant.arrivals, duration, each)
            for tenant, each in zip(scenario.tenants, streams, strict=True)
        ]
        return sum(len(block) for window in windows(processes, CHUNK_CALLS) for block in window)

    processes = [
        arrival_process(tenant.arrivals, duration, each)
        for tenant, each in zip(scenario.tenants, streams, strict=True)
    ]
    offers = next(windows(processes, CHUNK_CALLS))
    instants = np.concatenate(offers)
    size = len(instants)
    _, order = merge_runs(instants, TENANTS, compiled=True)
    parts, stop = [], 0
    for place, (tenant, block) in enumerate(zip(scenario.tenants, offers, strict=True)):
        parts.append(Part(Rows(tenant, place, streams[place]), stop, stop + len(block)))
        stop += len(block)
    layout, columns = Layout(parts, order), Columns(scenario)
    chunk = next(iter_chunks(scenario, CHUNK_CALLS))

    def each(work: Callable[[], object], rows: int = size) -> float:
        def repeated() -> int:
            for _ in range(10):
                work()
            return 10 * rows

        return best(repeated)

    return {
        "arrivals, cut into windows": best(draw_arrivals),
        "merge by buckets (numba)": each(lambda: merge_runs(instants, TENANTS, compiled=True)),
        "  instead: stable argsort": each(lambda: merge_runs(instants, TENANTS, compiled=False)),
        "column tenant": each(lambda: columns.tenant(layout)),
        "column setup, exponential": each(lambda: columns.duration("setup", layout)),
        "column connect, exponential": each(lambda: columns.duration("connect", layout)),
        "column hold, lognormal": each(lambda: columns.hold_and_refer(layout)),
        "column end_kind": each(lambda: columns.end_kind(layout)),
        "trace check": each(lambda: check_trace(chunk), len(chunk)),
    }


def features(scenario: Scenario) -> dict[str, Scenario]:
    """The plain scenario with one thing more; nanoseconds are for each row, redials included."""

    def with_each(change: Callable[[Tenant], Tenant]) -> Scenario:
        return replace(scenario, tenants=tuple(change(tenant) for tenant in scenario.tenants))

    referred = Outcomes(failed=0.05, referred=0.03)
    redial = Redial(0.6, Exponential(10e6), 4)
    lookup_fault = InstructionFault(Lookup.ERROR, 0, scenario.duration_us, 0.1)
    lost = DeliveryFault(Event.END, DeliveryAction.LOST, 0.01)
    return {
        "patience": with_each(lambda tenant: replace(tenant, patience=Exponential(20e6))),
        "referrals": with_each(lambda tenant: replace(tenant, outcomes=referred)),
        "instruction faults": replace(scenario, instruction_faults=(lookup_fault,)),
        "one delivery fault": replace(scenario, delivery_faults=(lost,)),
        "redials": with_each(lambda tenant: replace(tenant, redial=redial)),
    }


def consume(scenario: Scenario) -> Callable[[], int]:
    return lambda: sum(len(chunk) for chunk in iter_chunks(scenario, CHUNK_CALLS))


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    scenario = plain_scenario(calls)
    print(f"{calls:,} calls, chunks of {CHUNK_CALLS:,}; ns a call")
    print(f"{best(raw_draws(calls)):8.1f}  raw draws alone (floor)")
    print(f"{best(consume(scenario)):8.1f}  iter_chunks, everything")
    print(f"{best(lambda: len(build_trace(scenario))):8.1f}  build_trace")
    for name, cost in stages(scenario).items():
        print(f"{cost:8.1f}    {name}")
    for name, richer in features(scenario).items():
        print(f"{best(consume(richer)):8.1f}  iter_chunks with {name}")


if __name__ == "__main__":
    main()
