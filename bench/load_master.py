"""What bounds the number of Locust workers: the master's work for each request that it hears of.

From a packed report to a line of the history on disk, in this one process; judging comes after a
run and is measured by ``bench.checker``.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from simulator.load.answers import Answer
from simulator.load.coordinator import RELEASE, Coordinator
from simulator.load.history import header_of
from simulator.load.messages import Plan, Report, packed, report_in
from simulator.load.player import Sent
from simulator.load.reading import Done
from simulator.load.record import RunRecord
from simulator.load.shares import share_of
from simulator.scenario_file import load_scenario
from simulator.trace import CallTrace
from simulator.traffic import build_trace

SCENARIO = """\
version: 1
name: heard
seed: 1
duration: 1000s
capacity: {{max_concurrent_calls: 1000000}}
tenants:
  acme:
    arrivals: {{type: exact_count, count: {calls}}}
    hold: 1s
"""
ANSWERS = [Answer("ok", name) for name in ("admitted", "accepted", "started", "ended")]
KINDS = (0, 1, 2, 4)
IN_A_REPORT = 2000


class Idle:
    """A master that asks nothing of its own, and is ahead of all workers."""

    origin_us = 0

    def done(self) -> Done:
        return Done([], 1 << 60, 1 << 60)


def reports_of(trace: CallTrace, plan: Plan) -> list[tuple[int, dict[str, bytes]]]:
    """What one worker tells, packed, and when; requests take a microsecond."""
    sent = [
        Sent(row, kind, 100 * row + at, 100 * row + at + 1, at)
        for row in share_of(trace, plan.share, plan.shares).tolist()
        for at, kind in enumerate(KINDS)
    ]
    found = []
    for number, first in enumerate(range(0, len(sent), IN_A_REPORT)):
        part = sent[first : first + IN_A_REPORT]
        told_us = part[-1].complete_us
        report = Report(plan.run, plan.share, number, told_us, told_us, part, ANSWERS)
        found.append((told_us, packed(report)))
    return found


def master_us(trace: CallTrace, workers: int, directory: Path) -> float:
    """Microseconds of the master's CPU a request."""
    coordinator = Coordinator(
        trace, "hash", run="bench", shares=workers, speed=1.0, prefix="b", late_us=1
    )
    names = frozenset(map(str, range(workers)))
    for name in names:
        coordinator.hello(name, "hash", RELEASE, same_kernel=True)
        while not coordinator.clock_read(name, 0, 0, 0):
            pass
    coordinator.begin(0)
    told: list[tuple[int, str, dict[str, bytes]]] = []
    for name in names:
        plan = coordinator.plan_for(name)
        assert plan is not None
        told += [(told_us, name, data) for told_us, data in reports_of(trace, plan)]
    told.sort(key=lambda each: each[0])
    header = header_of(trace.conditions, speed=1.0, url="http://bench", about={})
    record = RunRecord(trace, header, directory, coordinator, Idle(), prefix="b", speed=1.0)
    begun = time.process_time()
    for at, (_, name, data) in enumerate(told):
        coordinator.report(name, report_in(data))
        if at % workers == 0:
            record.keep(names)
    record.keep(names)
    record.abandon()
    return (time.process_time() - begun) / (len(KINDS) * len(trace)) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        scenario = directory / "heard.yaml"
        scenario.write_text(SCENARIO.format(calls=arguments.calls), encoding="utf-8")
        trace = build_trace(load_scenario(scenario))
        found = [master_us(trace, arguments.workers, directory) for _ in range(arguments.rounds)]
    spent_us = statistics.median(found)
    print(f"master of {arguments.workers} workers: {spent_us:.1f} us of its CPU a request")
    print(f"so with one core it hears of {1e6 / spent_us:,.0f} requests/s")


if __name__ == "__main__":
    main()
