"""The live driver beside a bare FastHttpUser (and wrk, where installed) on the same service.

The driver plays Poisson traffic of four events a call in an open loop: at the full rate, and at
half of it, where its scheduling error counts. Locust and wrk send as fast as they can. Run it on a
quiet machine with two cores; the client uses one of them, the service the other.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from simulator.engines.service_process import ServiceProcess, Tokens, service_settings
from simulator.live.engine import GivenTargets, LiveEngine
from simulator.live.meters import DriverFigures
from simulator.live.options import LiveSettings
from simulator.scenario import Exponential, Poisson, Scenario, Tenant
from simulator.traffic import build_trace

LOCUSTFILE = Path(__file__).resolve().parent / "support" / "bare_locustfile.py"
EVENTS_A_CALL = 4
WRK_OFFERS = """\
local n = 0
request = function()
  n = n + 1
  return wrk.format("POST", "/api/v1/calls",
    {["X-Call-Token"] = os.getenv("BUSYHOUR_CALL_TOKEN"), ["Content-Type"] = "application/json"},
    '{"call_id":"w' .. n .. '","tenant_id":"stranger"}')
end
"""


def scenario_of(events_per_s: float, seconds: float) -> Scenario:
    """Calls of which an offer, an accept, a start and an end are due, 50 ms to 2 s apart."""
    tenant = Tenant(
        "acme",
        Poisson(events_per_s / EVENTS_A_CALL / 1e6),
        hold=Exponential(5e5),
        setup=Exponential(5e4),
        connect=Exponential(5e4),
    )
    return Scenario("bench", "", 1, round(seconds * 1e6), 1_000_000, (tenant,))


def drive(url: str, tokens: Tokens, events_per_s: float, seconds: float) -> DriverFigures:
    scenario = scenario_of(events_per_s, seconds)
    targets = GivenTargets((url,), tokens.admin, tokens.call, configure=True)
    with tempfile.TemporaryDirectory() as directory:
        engine = LiveEngine(LiveSettings(speed=1.0), targets)
        return engine.play(scenario, build_trace(scenario), Path(directory)).driver


def told(name: str, rate: float, seconds: float, figures: DriverFigures) -> str:
    # The first and the last calls ramp up and down beside the time that is driven.
    cpu_us = figures.cpu_share * figures.wall_s * 1e6 / figures.sends
    return (
        f"{name:32s} {figures.sends / seconds:9,.0f} events/s of {rate:,.0f}  {cpu_us:6.1f} us of "
        f"client CPU an event  lag p50 {figures.lag.p50_ms:.2f} p99 {figures.lag.p99_ms:.2f} "
        f"max {figures.lag.max_ms:.1f} ms  {figures.late_sends} late, {figures.dropped} dropped"
    )


def locust_rate(url: str, environment: dict[str, str], seconds: int, directory: str) -> float:
    """Requests a second of fifty users that make calls as fast as they can."""
    prefix = Path(directory) / "locust"
    command = [
        sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--host", url,
        "-u", "50", "-r", "50", "-t", f"{seconds}s", "--json-file", str(prefix),
    ]  # fmt: skip
    subprocess.run(command, env=environment, cwd=directory, capture_output=True, check=False)
    rows = json.loads(prefix.with_suffix(".json").read_text(encoding="utf-8"))
    requests = sum(row["num_requests"] for row in rows)
    first = min(row["start_time"] for row in rows)
    last = max(row["last_request_timestamp"] for row in rows)
    return float(requests / (last - first))


def wrk_rate(url: str, environment: dict[str, str], seconds: int, directory: str) -> float | None:
    if shutil.which("wrk") is None:
        return None
    script = Path(directory) / "offers.lua"
    script.write_text(WRK_OFFERS, encoding="utf-8")
    command = ["wrk", "-t1", "-c50", f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(
        command, env=environment, cwd=directory, capture_output=True, text=True, check=False
    )
    found = re.search(r"Requests/sec:\s*([\d.]+)", said.stdout)
    return float(found[1]) if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=5000.0, help="call events a second")
    parser.add_argument("--seconds", type=int, default=10, help="length of one measurement")
    arguments = parser.parse_args()
    rate, seconds = arguments.rate, arguments.seconds
    tokens = Tokens()
    trace = build_trace(scenario_of(rate, seconds))
    settings = service_settings(trace, speed=1.0)
    environment = {
        **os.environ,
        "BUSYHOUR_ADMIN_TOKEN": tokens.admin,
        "BUSYHOUR_CALL_TOKEN": tokens.call,
    }
    with (
        ServiceProcess(settings, tokens) as process,
        tempfile.TemporaryDirectory() as directory,
    ):
        url = process.wait_until_ready()
        drive(url, tokens, rate / 10, 1.0)
        for name, share in (("live driver", 1.0), ("live driver at half the rate", 0.5)):
            figures = drive(url, tokens, rate * share, seconds)
            print(told(name, rate * share, seconds, figures), flush=True)
        print(
            f"{'bare FastHttpUser, one process':32s} "
            f"{locust_rate(url, environment, seconds, directory):9,.0f} requests/s",
            flush=True,
        )
        floor = wrk_rate(url, environment, seconds, directory)
        if floor is not None:
            print(f"{'wrk, offers only':32s} {floor:9,.0f} requests/s")


if __name__ == "__main__":
    main()
