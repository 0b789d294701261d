"""The http engine beside its floor and its peer: a day of traffic through the real service.

Run it on a quiet machine with two cores: `python -m bench.http_engine`, or with `--quick` for a
tenth of the calls. Every run is checked against the oracle to the last counter, or it does not
count. The floor is the same trace on the same core without HTTP (the inproc engine): the service
can do no less. The peer is what a driver does that sends one request an event and waits for its
answer, on the same client library and the same service.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import httpx

from simulator.engines.http import HttpEngine
from simulator.engines.inproc import InprocEngine
from simulator.engines.schedule import CHANGE, Schedule
from simulator.engines.service_process import ServiceProcess, Tokens, service_settings
from simulator.oracle import expect
from simulator.results import RunOutcome
from simulator.scenario_file import load_scenario
from simulator.trace import CallTrace
from simulator.traffic import build_trace

LONG_DAY = Path(__file__).resolve().parent.parent / "scenarios" / "long-day.yaml"
PEER_EVENTS = 2_000
EVENT_PATHS = ("", "/accept", "/start", "/refer", "/end", "/end")


def long_day(part: int) -> CallTrace:
    """The first 1/part of the scenario."""
    scenario = load_scenario(LONG_DAY)
    duration_us = scenario.duration_us // part
    return build_trace(
        dataclasses.replace(
            scenario,
            duration_us=duration_us,
            checkpoints_us=tuple(at for at in scenario.checkpoints_us if at < duration_us),
            changes=tuple(change for change in scenario.changes if change.at_us < duration_us),
        )
    )


def check(observed: RunOutcome, expected: RunOutcome) -> None:
    if observed.total != expected.total or dict(observed.tenants) != dict(expected.tenants):
        raise SystemExit("the counters are wrong, so the speed means nothing")


def http_seconds(trace: CallTrace, expected: RunOutcome) -> float:
    """From the first request on; the service is up already."""
    with HttpEngine().launch(trace) as launched:
        launched.wait_until_ready()
        begin = time.perf_counter()
        observed = launched.run()
        seconds = time.perf_counter() - begin
    check(observed, expected)
    return seconds


def inproc_seconds(trace: CallTrace, expected: RunOutcome) -> float:
    begin = time.perf_counter()
    observed = InprocEngine().run(trace)
    seconds = time.perf_counter() - begin
    check(observed, expected)
    return seconds


def single_event_rate(trace: CallTrace) -> float:
    """Events a second, one request each over one kept connection."""
    tokens = Tokens()
    tenants = [tenant.tenant_id for tenant in trace.conditions.tenants]
    with ServiceProcess(service_settings(trace), tokens) as process:
        url = process.wait_until_ready()
        admin, call = {"X-Admin-Token": tokens.admin}, {"X-Call-Token": tokens.call}
        with httpx.Client(base_url=f"{url}/api/v1", timeout=60.0) as client:
            for tenant_id in tenants:
                new = {"tenant_id": tenant_id, "instructions": "Answer.", "at_us": 0}
                client.post("/tenants", json=new, headers=admin).raise_for_status()
            begin, sent = time.perf_counter(), 0
            for at_us, kind, row in Schedule(trace):
                if kind >= CHANGE or sent == PEER_EVENTS:
                    break
                body: dict[str, object] = {"at_us": at_us}
                path = f"/calls/c{row}{EVENT_PATHS[kind]}"
                if kind == 0:
                    path = "/calls"
                    body |= {"call_id": f"c{row}", "tenant_id": tenants[trace.tenant[row]]}
                client.post(path, json=body, headers=call)
                sent += 1
            return sent / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    trace = long_day(10 if options.quick else 1)
    calls = len(trace)
    expected = expect(trace)
    print(f"{calls:,} calls of long-day, the quickest of {options.rounds} rounds")
    floor = min(inproc_seconds(trace, expected) for _ in range(options.rounds))
    ours = min(http_seconds(trace, expected) for _ in range(options.rounds))
    peer = single_event_rate(trace)
    events = sum(1 for _, kind, _ in Schedule(trace) if kind < CHANGE)
    rows = (
        ("http engine, batches", calls / ours, ours),
        ("floor: inproc, no HTTP", calls / floor, floor),
        ("peer: one httpx request an event", peer * calls / events, events / peer),
    )
    for name, rate, seconds in rows:
        print(f"  {name:<34}{rate:>10,.0f} calls/s {seconds:>9.1f} s")


if __name__ == "__main__":
    main()
