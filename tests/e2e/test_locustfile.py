"""Scenarios through the real Locust: one process, master and workers, and a worker that dies."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.e2e.running import (
    ROOT,
    SCENARIOS,
    TIMEOUT_S,
    TOKENS,
    Ended,
    busyhour,
    environment,
    service,
)

LOCUSTFILE: Final = ROOT / "simulator" / "locustfile.py"
PATIENT: Final = ("--late", "600")
"""A machine busy with other tests sends late; that is not what is tested here."""

CALLS: Final = """\
version: 1
name: calls
seed: 5
duration: {duration}
capacity: {{max_concurrent_calls: 8}}
tenants:
  acme:
    arrivals: {{type: exact_count, count: {count}}}
    setup: 1s
    hold: {{type: exponential, mean: 20s}}
    redial: {{probability: 0.5, delay: 5s, max_attempts: 3}}
    outcomes: {{failed: 0.2, hung_up: 0.2, referred: 0.3}}
  nobody:
    configured: false
    arrivals: {{type: exact_count, count: 3}}
    hold: 1m
checkpoints: [1m]
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "calls.yaml"
    path.write_text(CALLS.format(duration="2m", count=60), encoding="utf-8")
    return path


def locust(cwd: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", *options],
        cwd=cwd,
        env=environment(**TOKENS, **env),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def result(cwd: Path, name: str = "calls") -> dict[str, Any]:
    path = cwd / "reports" / name / "latest" / "result.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def history(cwd: Path, name: str = "calls") -> list[dict[str, Any]]:
    path = cwd / "reports" / name / "latest" / "history.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def started(cwd: Path, name: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """``busyhour load`` running; what it says goes to ``<name>.out``. Killed if it still lives."""
    with (cwd / f"{name}.out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator.cli", "load", *map(str, arguments)],
            cwd=cwd,
            env=environment(**TOKENS),
            stdout=out,
            stderr=out,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(TIMEOUT_S)


def test_plain_locust_plays_a_scenario_and_judges_it(tmp_path: Path, scenario: Path) -> None:
    with service(tmp_path) as running:
        ended = locust(
            tmp_path,
            "--host",
            running.url,
            BUSYHOUR_SCENARIO=str(scenario),
            BUSYHOUR_SPEED="60",
            BUSYHOUR_CONFIGURE="true",
            BUSYHOUR_LATE_S="600",
        )
        counted = running.capacity()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = result(tmp_path)
    assert found["engine"] == "locust"
    assert found["verdict"] == "pass"
    assert found["observed"]["tenants"]["_unknown"]["rejected_calls_tenant_not_configured"] == 3
    assert found["observed"]["total"]["offered_calls"] == counted["total"]["offered_calls"] >= 63
    assert counted["total"]["in_use"] == 0
    offers = [each for each in history(tmp_path) if each.get("op") == "offer"]
    assert len({each["call_id"] for each in offers}) == counted["total"]["offered_calls"]


def test_a_target_that_is_not_set_up_is_inconclusive(tmp_path: Path, scenario: Path) -> None:
    with service(tmp_path) as running:
        ended = locust(tmp_path, "--host", running.url, BUSYHOUR_SCENARIO=str(scenario))
    assert ended.returncode == 3
    assert "not set up as the scenario says" in ended.stdout


def test_a_wrong_scenario_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("version: 1\nname: wrong\nduration: soon\n", encoding="utf-8")
    ended = locust(tmp_path, BUSYHOUR_SCENARIO=str(path))
    assert ended.returncode == 2
    assert f"{path}:3:" in ended.stderr
    assert "Traceback" not in ended.stderr


def load(cwd: Path, *arguments: object) -> Ended:
    return busyhour("load", *arguments, cwd=cwd)


def test_load_starts_its_own_service_and_hands_on_options(tmp_path: Path, scenario: Path) -> None:
    ended = load(
        tmp_path, scenario, "--speed", 60, *PATIENT,
        "--", "--html", "locust.html", "--csv", "figures", "--json-file", "figures",
    )  # fmt: skip
    assert ended.code == 0, ended.out + ended.err
    assert "PASS calls" in ended.out
    assert (tmp_path / "locust.html").stat().st_size > 0
    assert (tmp_path / "figures_stats.csv").read_text().count("\n") > 4
    names = {row["name"] for row in json.loads((tmp_path / "figures.json").read_text())}
    assert names == {"offer", "accept", "start", "refer", "end"}


def test_a_missed_threshold_has_its_exit_code(tmp_path: Path, scenario: Path) -> None:
    text = scenario.read_text(encoding="utf-8") + 'thresholds: {offered_calls: ["value<1"]}\n'
    scenario.write_text(text, encoding="utf-8")
    ended = load(tmp_path, scenario, "--speed", 60, *PATIENT)
    assert ended.code == 99, ended.out + ended.err


def test_processes_share_the_trace(tmp_path: Path, scenario: Path) -> None:
    ended = load(
        tmp_path, scenario, "--speed", 60, *PATIENT, "--processes", 2, "--master-port", free_port()
    )
    assert ended.code == 0, ended.out + ended.err
    assert "2 of 2 workers" in ended.out


@pytest.mark.parametrize("killed", [False, True], ids=["sound", "one killed"])
def test_master_and_two_workers(tmp_path: Path, killed: bool) -> None:
    scenario = tmp_path / "calls.yaml"
    duration, count = ("10m", 150) if killed else ("2m", 60)
    scenario.write_text(CALLS.format(duration=duration, count=count), encoding="utf-8")
    port = free_port()
    with service(tmp_path) as running, ExitStack() as stack:
        common = [scenario, "--target", running.url, "--speed", 60, *PATIENT, "--master-port", port]
        workers = [
            stack.enter_context(started(tmp_path, f"worker{n}", *common, "--worker"))
            for n in range(2)
        ]
        master = stack.enter_context(
            started(tmp_path, "master", *common, "--master", "--configure", "--expect-workers", 2)
        )
        if killed:
            wait_for_calls(running.client, master)
            os.kill(only_child(workers[0].pid), signal.SIGKILL)
        code = master.wait(TIMEOUT_S)
    said = (tmp_path / "master.out").read_text(encoding="utf-8")
    found = result(tmp_path)
    union = next(each for each in found["invariants"] if each["name"] == "trace.union")
    if not killed:
        assert code == 0, said
        assert union["observed"] == "0 rows by several, 0 by none"
        return
    assert code == 3, said
    assert found["verdict"] == "inconclusive"
    assert "rows were lost" in found["reason"]
    assert "went away" in found["reason"]


def wait_for_calls(client: httpx.Client, master: "subprocess.Popen[str]") -> None:
    """Until calls are made, or the master has ended without any."""
    while master.poll() is None:
        if client.get("/api/v1/capacity").json()["total"]["offered_calls"]:
            return


def only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def test_an_interrupted_run_hangs_up_saves_and_says_so(tmp_path: Path) -> None:
    scenario = tmp_path / "calls.yaml"
    scenario.write_text(CALLS.format(duration="30m", count=400), encoding="utf-8")
    with service(tmp_path) as running:
        options = ["--target", running.url, "--configure", "--speed", 10]
        with started(tmp_path, "load", scenario, *options) as process:
            wait_for_calls(running.client, process)
            process.send_signal(signal.SIGINT)
            code = process.wait(TIMEOUT_S)
        counted = running.capacity()
    assert code == 130, (tmp_path / "load.out").read_text()
    assert counted["total"]["in_use"] == 0
    assert result(tmp_path)["reason"].startswith("interrupted")


def test_several_ways_of_sharing_at_once_are_refused(tmp_path: Path) -> None:
    smoke = SCENARIOS / "smoke.yaml"
    ended = load(tmp_path, smoke, "--processes", 2, "--master")
    assert ended.code == 2
    assert "exclude each other" in ended.err
    ended = load(tmp_path, smoke, "--master")
    assert ended.code == 2
    assert "need --target" in ended.err
