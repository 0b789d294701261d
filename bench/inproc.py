"""The inproc engine beside a bare dict loop that makes the same transitions, in calls per second.

The bare loop is the plain program one would write first: events sorted once by numpy, a dict for
each call with its state and instants, the held calls by state, the total limit and the tenants'
own, and each counter raised for the tenant and for the total. It knows no repeats, reservations,
faults, redials or deadlines, answers nothing and forgets nothing. The barest loop does not even
know which calls are held, nor when they were offered and accepted.

Each round runs all of them, in one process and on one trace, so that a noisy neighbour slows them
alike; their counters are compared.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from service.calls import COUNTERS, Counter, Lookup, Outcome
from service.state.base import TenantPolicy
from service.state.memory import MemoryCore
from simulator.engines.inproc import InprocEngine
from simulator.trace import NEVER, CallTrace, Conditions, TraceTenant

TENANTS = 20
LIMIT = 1000
CAP = 60
ERLANGS = 950
HOLD_S, SETUP_S, CONNECT_S = 120, 2, 1

OFFERED, CAPACITY, ACCEPTED, STARTED, ENDED, ACTIVE, ACTIVE_US = (
    int(counter)
    for counter in (
        Counter.OFFERED_CALLS,
        Counter.REJECTED_CALLS_CAPACITY,
        Counter.ACCEPTED_CALLS,
        Counter.STARTED_CALLS,
        Counter.ENDED_CALLS,
        Counter.ACTIVE_CALLS,
        Counter.ACTIVE_US_TOTAL,
    )
)


def make_trace(calls: int) -> CallTrace:
    """Poisson calls of 20 tenants, 950 erlang on 1000 slots, a cap of 60 for each tenant."""
    rng = np.random.Generator(np.random.SFC64(1))
    gap_us = (HOLD_S + SETUP_S + CONNECT_S) * 1e6 / ERLANGS
    offer_us = np.cumsum(np.ceil(rng.exponential(gap_us, calls))).astype(np.int64)

    def times(mean_s: float) -> np.ndarray:
        return np.ceil(rng.exponential(mean_s * 1e6, calls)).astype(np.int64)

    return CallTrace(
        conditions=Conditions(
            duration_us=int(offer_us[-1]) + 1,
            max_concurrent_calls=LIMIT,
            tenants=tuple(
                TraceTenant(f"tenant-{place:02d}", max_concurrent_calls=CAP)
                for place in range(TENANTS)
            ),
        ),
        tenant=rng.integers(0, TENANTS, calls).astype(np.int32),
        offer_us=offer_us,
        setup_us=times(SETUP_S),
        connect_us=times(CONNECT_S),
        hold_us=times(HOLD_S),
        end_kind=np.zeros(1, np.int8),
        refer_us=np.full(1, NEVER, np.int64),
        patience_us=np.full(1, NEVER, np.int64),
        lookup_draw=np.zeros(1, np.uint32),
        after=np.full(1, NEVER, np.int64),
        after_on=np.zeros(1, np.int8),
        delay_us=np.zeros(1, np.int64),
        attempt=np.zeros(1, np.int32),
    )


def sorted_events(trace: CallTrace) -> tuple[list[int], list[int], list[int]]:
    """Instants, kinds (0 end, 1 accept, 2 start, 3 offer) and rows of all events, in order."""
    accept_us = trace.offer_us + trace.setup_us
    start_us = accept_us + trace.connect_us
    at_us = np.concatenate((start_us + trace.hold_us, accept_us, start_us, trace.offer_us))
    kind = np.repeat(np.arange(4), len(trace))
    row = np.tile(np.arange(len(trace)), 4)
    order = np.lexsort((row, kind, at_us))
    return at_us[order].tolist(), kind[order].tolist(), row[order].tolist()


def barest_loop(trace: CallTrace) -> tuple[int, ...]:
    """A state and a start for each call, and counters: which calls are held, it cannot say."""
    instants, kinds, rows = sorted_events(trace)
    ids = [f"c{row}" for row in range(len(trace))]
    names = [tenant.tenant_id for tenant in trace.conditions.tenants]
    tenant_of = [names[place] for place in trace.tenant.tolist()]
    total = [0] * len(COUNTERS)
    counters = {name: [0] * len(COUNTERS) for name in names}
    used = dict.fromkeys(names, 0)
    in_use = 0
    state: dict[str, str] = {}
    started: dict[str, int] = {}
    for at_us, kind, row in zip(instants, kinds, rows, strict=True):
        call_id, tenant = ids[row], tenant_of[row]
        mine = counters[tenant]
        if kind == 3:
            mine[OFFERED] += 1
            total[OFFERED] += 1
            if in_use >= LIMIT or used[tenant] >= CAP:
                mine[CAPACITY] += 1
                total[CAPACITY] += 1
                state[call_id] = "rejected"
            else:
                in_use += 1
                used[tenant] += 1
                state[call_id] = "pending"
            continue
        now = state[call_id]
        if kind == 1:
            if now == "pending":
                mine[ACCEPTED] += 1
                total[ACCEPTED] += 1
                state[call_id] = "accepted"
        elif kind == 2:
            if now == "accepted":
                mine[STARTED] += 1
                total[STARTED] += 1
                mine[ACTIVE] += 1
                total[ACTIVE] += 1
                state[call_id] = "active"
                started[call_id] = at_us
        elif now == "active":
            mine[ENDED] += 1
            total[ENDED] += 1
            mine[ACTIVE] -= 1
            total[ACTIVE] -= 1
            active_us = at_us - started.pop(call_id)
            mine[ACTIVE_US] += active_us
            total[ACTIVE_US] += active_us
            in_use -= 1
            used[tenant] -= 1
            state[call_id] = "ended"
    return tuple(total)


def bare_loop(trace: CallTrace) -> tuple[int, ...]:
    """A dict for each call, the held ones by state, and counters."""
    instants, kinds, rows = sorted_events(trace)
    ids = [f"c{row}" for row in range(len(trace))]
    names = [tenant.tenant_id for tenant in trace.conditions.tenants]
    tenant_of = [names[place] for place in trace.tenant.tolist()]
    total = [0] * len(COUNTERS)
    counters = {name: [0] * len(COUNTERS) for name in names}
    used = dict.fromkeys(names, 0)
    in_use = 0
    calls: dict[str, dict[str, Any]] = {}
    pending: dict[str, str] = {}
    accepted: dict[str, None] = {}
    active: dict[str, None] = {}
    for at_us, kind, row in zip(instants, kinds, rows, strict=True):
        call_id = ids[row]
        if kind == 3:
            tenant = tenant_of[row]
            mine = counters[tenant]
            mine[OFFERED] += 1
            total[OFFERED] += 1
            if in_use >= LIMIT or used[tenant] >= CAP:
                mine[CAPACITY] += 1
                total[CAPACITY] += 1
                calls[call_id] = {"state": "rejected", "tenant": tenant, "offered_us": at_us}
            else:
                in_use += 1
                used[tenant] += 1
                calls[call_id] = {"state": "pending", "tenant": tenant, "offered_us": at_us}
                pending[call_id] = tenant
            continue
        call = calls[call_id]
        tenant, now = call["tenant"], call["state"]
        mine = counters[tenant]
        if kind == 1:
            if now == "pending":
                mine[ACCEPTED] += 1
                total[ACCEPTED] += 1
                del pending[call_id]
                accepted[call_id] = None
                call["state"] = "accepted"
                call["accepted_us"] = at_us
        elif kind == 2:
            if now == "accepted":
                mine[STARTED] += 1
                total[STARTED] += 1
                mine[ACTIVE] += 1
                total[ACTIVE] += 1
                active[call_id] = None
                call["state"] = "active"
                call["started_us"] = at_us
        elif now == "active":
            mine[ENDED] += 1
            total[ENDED] += 1
            mine[ACTIVE] -= 1
            total[ACTIVE] -= 1
            active_us = at_us - call["started_us"]
            mine[ACTIVE_US] += active_us
            total[ACTIVE_US] += active_us
            in_use -= 1
            used[tenant] -= 1
            del accepted[call_id], active[call_id]
            call["state"] = "ended"
            call["ended_us"] = at_us
    return tuple(total)


def core_loop(trace: CallTrace) -> tuple[int, ...]:
    """The core alone, fed with the same sorted events."""
    instants, kinds, rows = sorted_events(trace)
    ids = [f"c{row}" for row in range(len(trace))]
    names = [tenant.tenant_id for tenant in trace.conditions.tenants]
    tenant_of = [names[place] for place in trace.tenant.tolist()]
    core = MemoryCore(
        LIMIT, tenants={name: TenantPolicy(max_concurrent_calls=CAP) for name in names}
    )
    rejected = set()
    found, completed = Lookup.FOUND, Outcome.COMPLETED
    for at_us, kind, row in zip(instants, kinds, rows, strict=True):
        if kind == 3:
            if core.offer(ids[row], tenant_of[row], at_us).reason is not None:
                rejected.add(row)
        elif row in rejected:
            continue
        elif kind == 1:
            core.accept(ids[row], found, at_us)
        elif kind == 2:
            core.start(ids[row], at_us)
        else:
            core.end(ids[row], completed, at_us)
    return core.total_counters()


def engine(trace: CallTrace) -> tuple[int, ...]:
    return InprocEngine().run(trace).total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    trace = make_trace(arguments.calls)
    runs: dict[str, Callable[[CallTrace], tuple[int, ...]]] = {
        "barest loop": barest_loop,
        "bare dict loop": bare_loop,
        "admission core": core_loop,
        "inproc engine": engine,
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(arguments.rounds):
        totals = set()
        for name, run in runs.items():
            begun = time.perf_counter()
            totals.add(run(trace))
            seconds[name].append(time.perf_counter() - begun)
        if len(totals) != 1:
            raise SystemExit(f"the counters differ: {totals}")
    floor = statistics.median(seconds["bare dict loop"])
    print(f"{arguments.calls:,} calls, medians of {arguments.rounds} rounds")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        rate = arguments.calls / median
        print(f"{name:16} {rate:10,.0f} calls/s  {floor / median:5.2f} of the bare loop")


if __name__ == "__main__":
    main()
