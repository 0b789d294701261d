"""The Locust adapter beside a bare FastHttpUser (and wrk, where installed) on the same service.

The adapter plays a scenario whose calls are all due at once, so it sends as fast as it can; the
bare users do the same without due times or records. Rounds alternate between them. On a machine
with other work the requests a second of client CPU are the steadier figure. Then whole runs, with
a master and worker processes: requests over the time in which they were sent.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from simulator.engines.service_process import ServiceProcess, Tokens, service_settings
from simulator.load.command import LOCUSTFILE
from simulator.load.reading import ServiceReader
from simulator.load.settings import LoadSettings
from simulator.scenario_file import load_scenario
from simulator.traffic import build_trace

COST = Path(__file__).resolve().parent / "support" / "locust_cost.py"
SCENARIO = """\
version: 1
name: saturated
seed: 1
duration: 1s
capacity: {{max_concurrent_calls: 1000000}}
tenants:
  acme:
    arrivals: {{type: exact_count, count: {calls}}}
    hold: 1s
"""
WRK_OFFERS = """\
local n = 0
request = function()
  n = n + 1
  local id = "w" .. tostring({}):sub(8) .. n
  return wrk.format("POST", "/api/v1/calls",
    {["X-Call-Token"] = os.getenv("BUSYHOUR_CALL_TOKEN"), ["Content-Type"] = "application/json"},
    '{"call_id":"' .. id .. '","tenant_id":"stranger"}')
end
"""


def run(command: list[str], environment: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=cwd, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def locust(*options: str) -> list[str]:
    return [sys.executable, "-m", "locust", "--headless", "--only-summary", *options]


def adapter_rate(settings: LoadSettings, directory: Path, workers: int = 0) -> float:
    """Requests a second from the first invocation to the last completion of the history."""
    options = ["-f", str(LOCUSTFILE), "--host", settings.url]
    if workers:
        port = str(free_port())
        options += ["--processes", str(workers), "--master-port", port, "--master-bind-port", port]
    said = run(locust(*options), settings.to_environment(), directory)
    latest = directory / "reports" / "saturated" / "latest" / "history.jsonl"
    if not latest.exists():
        raise SystemExit(f"the adapter did not finish:\n{said}")
    first, last, requests = 2**62, 0, 0
    with latest.open(encoding="utf-8") as lines:
        for line in lines:
            operation = json.loads(line)
            if operation.get("call_id") is not None:
                requests += 1
                first = min(first, operation["invoke_us"])
                last = max(last, operation["complete_us"])
    shutil.rmtree(directory / "reports")
    return requests / (last - first) * 1e6


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def cost(what: str, settings: LoadSettings, users: int, calls: int) -> tuple[float, float]:
    """Requests a second, and microseconds of the client's CPU a request."""
    command = [sys.executable, str(COST), what, str(users), str(4 * calls)]
    said = run(command, settings.to_environment(), COST.parent)
    spent = json.loads(said.strip().splitlines()[-1])
    return spent["requests"] / spent["wall_s"], spent["cpu_s"] / spent["requests"] * 1e6


def wrk_rate(settings: LoadSettings, seconds: int, directory: Path) -> float | None:
    if shutil.which("wrk") is None:
        return None
    script = directory / "offers.lua"
    script.write_text(WRK_OFFERS, encoding="utf-8")
    command = ["wrk", "-t1", "-c50", f"-d{seconds}s", "-s", str(script), settings.url]
    said = run(command, settings.to_environment(), directory)
    found = re.search(r"Requests/sec:\s*([\d.]+)", said)
    return float(found[1]) if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, help="calls in one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--users", type=int, default=20, help="bare users; as many as the adapter has"
    )
    parser.add_argument(
        "--workers", type=int, nargs="*", default=[1, 2, 3], help="worker processes to measure"
    )
    arguments = parser.parse_args()
    tokens = Tokens()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        scenario = directory / "saturated.yaml"
        scenario.write_text(SCENARIO.format(calls=arguments.calls), encoding="utf-8")
        trace = build_trace(load_scenario(scenario))
        speed = 1000.0
        with ServiceProcess(service_settings(trace, speed=speed), tokens) as process:
            settings = LoadSettings(
                scenario, speed=speed, late_s=600.0, configure=True,
                url=process.wait_until_ready(), admin_token=tokens.admin, call_token=tokens.call,
            )  # fmt: skip
            reader = ServiceReader(trace, settings.url, tokens.admin, tokens.call)
            reader.prepare("bench-", may_change=True, speed=speed)
            reader.close()
            users, calls = arguments.users, arguments.calls
            rounds = [
                (cost("adapter", settings, users, calls), cost("bare", settings, users, calls))
                for _ in range(arguments.rounds)
            ]
            spread = {n: adapter_rate(settings, directory, n) for n in arguments.workers}
            floor = wrk_rate(settings, 5, directory)
    for place, what in enumerate(("Locust adapter, one process", "bare FastHttpUser, one process")):
        rate, cpu_us = (statistics.median(each[place][n] for each in rounds) for n in (0, 1))
        print(f"{what:32s} {rate:9,.0f} requests/s  {cpu_us:6.0f} us of client CPU a request")
    for n, what in enumerate(("requests/s", "requests a second of client CPU")):
        ratios = [(a[0] / b[0], b[1] / a[1])[n] for a, b in rounds]
        print(f"adapter over bare, {what}: {statistics.median(ratios):.2f} (median of rounds)")
    for workers, rate in spread.items():
        print(f"{f'adapter, master and {workers} workers':32s} {rate:9,.0f} requests/s")
    if floor is not None:
        print(f"{'wrk, offers only':32s} {floor:9,.0f} requests/s")


if __name__ == "__main__":
    main()
