"""The locustfile under the real Locust, against a service on the system clock."""

import copy
import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.running import ROOT, TIMEOUT_S, TOKENS, Running, environment, service


def locust(cwd: Path, url: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "locust", "-f", str(ROOT / "simulator" / "locustfile.py"),
            "--headless", "-u", "10", "-r", "10", "-t", "3s", "--only-summary",
        ],
        cwd=cwd,
        env=environment(BUSYHOUR_URL=url, **{**TOKENS, **env}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )  # fmt: skip


def add_tenant(running: Running) -> None:
    running.client.post(
        "/api/v1/tenants", json={"tenant_id": "acme", "instructions": "Be brief."}
    ).raise_for_status()


def test_calls_are_made_and_the_laws_hold(tmp_path: Path) -> None:
    with service(tmp_path) as running:
        add_tenant(running)
        ended = locust(tmp_path, running.url)
        counted = running.capacity()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "laws hold" in ended.stdout
    acme = counted["tenants"]["acme"]
    assert acme["ended_calls"] > 0
    assert acme["in_use"] == 0


def test_figures_that_cannot_be_read_are_inconclusive(tmp_path: Path) -> None:
    with service(tmp_path) as running:
        ended = locust(tmp_path, running.url, BUSYHOUR_ADMIN_TOKEN="wrong")
    assert ended.returncode == 3
    assert "inconclusive" in ended.stdout


# In a process of its own: importing Locust patches sockets and threads.
BREACHES = """
import json, sys
from simulator.locustfile import breaches
print(json.dumps([list(breaches(*case)) for case in json.load(sys.stdin)]))
"""
BROKEN = (
    ("total", "accepted_calls", "conservation.offered"),
    ("acme", "ended_calls", "conservation.active"),
    ("acme", "offered_calls", "the rows add up"),
    ("live", "minutes_processed", "published figures"),
)


def test_each_broken_law_is_named(tmp_path: Path) -> None:
    with service(tmp_path) as running:
        add_tenant(running)
        capacity = running.capacity()
        live = running.client.get("/api/v1/metrics/live").json()
    cases = [(capacity, live)]
    for row, counter, _ in BROKEN:
        wrong_capacity, wrong_live = copy.deepcopy((capacity, live))
        rows = {"total": wrong_capacity["total"], "live": wrong_live, **wrong_capacity["tenants"]}
        rows[row][counter] += 1
        cases.append((wrong_capacity, wrong_live))
    ended = subprocess.run(
        [sys.executable, "-c", BREACHES],
        input=json.dumps(cases),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    sound, *broken = json.loads(ended.stdout)
    assert sound == []
    for found, (_, _, law) in zip(broken, BROKEN, strict=True):
        assert any(law in breach for breach in found), found
