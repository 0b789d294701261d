"""The Locust adapter beside a bare FastHttpUser (and wrk, where installed) on the same service.

The adapter plays a scenario whose calls are all due at once, so it sends as fast as it can; the
bare users do the same without due times, records or a history. Rounds alternate between them.
Rates are requests over the time in which they were sent, each from one process.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from simulator.engines.service_process import ServiceProcess, Tokens, service_settings
from simulator.load.command import LOCUSTFILE
from simulator.load.settings import LoadSettings
from simulator.scenario_file import load_scenario
from simulator.traffic import build_trace

BARE = Path(__file__).resolve().parent / "support" / "bare_locustfile.py"
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


def adapter_rate(settings: LoadSettings, directory: Path) -> float:
    """Requests a second from the first invocation to the last completion of the history."""
    said = run(
        locust("-f", str(LOCUSTFILE), "--host", settings.url), settings.to_environment(), directory
    )
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


def bare_rate(settings: LoadSettings, users: int, seconds: int, directory: Path) -> float:
    run(
        locust("-f", str(BARE), "--host", settings.url, "-u", str(users), "-r", str(users),
               "-t", f"{seconds}s", "--stop-timeout", "10", "--json-file", "bare"),
        settings.to_environment(), directory,
    )  # fmt: skip
    rows = json.loads((directory / "bare.json").read_text(encoding="utf-8"))
    begun = min(row["start_time"] for row in rows)
    ended = max(row["last_request_timestamp"] for row in rows)
    return float(sum(row["num_requests"] for row in rows) / (ended - begun))


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
    parser.add_argument("--users", type=int, default=100, help="bare users; the adapter's bound")
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
            rounds = []
            for _ in range(arguments.rounds):
                adapter = adapter_rate(settings, directory)
                rounds.append((adapter, bare_rate(settings, arguments.users, 6, directory)))
            floor = wrk_rate(settings, 5, directory)
    for place, what in enumerate(("Locust adapter, whole calls", "bare FastHttpUser, whole calls")):
        print(f"{what:32s} {statistics.median(each[place] for each in rounds):9,.0f} requests/s")
    print(
        "adapter over bare FastHttpUser:  "
        f"{statistics.median(mine / bare for mine, bare in rounds):9.2f} (median of rounds)"
    )
    if floor is not None:
        print(f"{'wrk, offers only':32s} {floor:9,.0f} requests/s")


if __name__ == "__main__":
    main()
