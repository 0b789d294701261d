"""Scenarios through the real Locust: one process, master and workers, and what may befall them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from simulator.engines.service_process import ServiceProcess, Tokens
from simulator.history import read_history
from tests.e2e.running import (
    ROOT,
    TIMEOUT_S,
    TOKENS,
    Ended,
    Running,
    busyhour,
    environment,
    service,
)

Process = subprocess.Popen[str]

LOCUSTFILE: Final = ROOT / "simulator" / "locustfile.py"
PATIENT: Final = ("--late", "10m")
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


def result(cwd: Path, name: str = "calls") -> dict[str, Any]:
    path = cwd / "reports" / name / "latest" / "result.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def offers(cwd: Path) -> list[str]:
    """The calls offered in the latest history, one for each offer."""
    history = read_history(cwd / "reports" / "calls" / "latest" / "history.jsonl")
    assert not history.truncated
    return [each.call_id or "" for each in history.operations if each.op == "offer"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def started(cwd: Path, name: str, *command: object, **env: str) -> Iterator[Process]:
    """A command running; what it says goes to ``<name>.out``. Interrupted if it still lives."""
    with (cwd / f"{name}.out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, command)],
            cwd=cwd,
            env=environment(**TOKENS, **env),
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


def said(cwd: Path, name: str) -> str:
    """What a command that was started has said."""
    return (cwd / f"{name}.out").read_text(encoding="utf-8")


def load(cwd: Path, *arguments: object) -> Ended:
    return busyhour("load", *arguments, cwd=cwd, env=TOKENS)


LOAD: Final = ("simulator.cli", "load")


def wait_until(reached: Callable[[], bool]) -> None:
    """Look at a state until it is reached; the pause leaves the processor to who works on it."""
    by = time.monotonic() + TIMEOUT_S
    while not reached():
        assert time.monotonic() < by
        time.sleep(0.02)


def wait_for_calls(running: Running, run: Process) -> None:
    """Until calls are made, or the run has ended without any."""
    wait_until(lambda: run.poll() is not None or running.capacity()["total"]["offered_calls"] > 0)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def only_child(pid: int) -> int:
    (child,) = children_of(pid)
    return child


def test_plain_locust_plays_a_scenario_from_its_page_again_and_again(
    tmp_path: Path, scenario: Path
) -> None:
    port = free_port()
    variables = {
        "BUSYHOUR_SCENARIO": str(scenario),
        "BUSYHOUR_SPEED": "60",
        "BUSYHOUR_CONFIGURE": "true",
        "BUSYHOUR_LATE_S": "600",
    }
    options = ("--host", "{}", "--web-host", "127.0.0.1", "--web-port", port)
    with service(tmp_path) as running, ExitStack() as stack:
        command = ["locust", "-f", LOCUSTFILE, *(str(each).format(running.url) for each in options)]
        locust = stack.enter_context(started(tmp_path, "locust", *command, **variables))
        page = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0))
        wait_until(lambda: is_there(page))
        for number in (1, 2):
            before = running.capacity()["total"]["offered_calls"]
            page.post("/swarm", data={"user_count": 1, "spawn_rate": 1}).raise_for_status()
            wait_for_results(tmp_path, number)
            wait_until(lambda: page.get("/stats/requests").json()["state"] == "stopped")
            found, total = result(tmp_path), running.capacity()["total"]
            made = total["offered_calls"] - before
            assert found["engine"] == "locust"
            assert found["verdict"] == "pass"
            assert found["observed"]["total"]["offered_calls"] == made >= 63
            unknown = found["observed"]["tenants"]["_unknown"]
            assert unknown["rejected_calls_tenant_not_configured"] == 3
            assert len(offers(tmp_path)) == len(set(offers(tmp_path))) == made
            assert total["in_use"] == 0
        locust.send_signal(signal.SIGTERM)
        assert locust.wait(TIMEOUT_S) == 0


def wait_for_results(cwd: Path, number: int) -> None:
    reports = cwd / "reports" / "calls"
    wait_until(lambda: len(list(reports.glob("20*/result.json"))) == number)


def is_there(page: httpx.Client) -> bool:
    try:
        page.get("/").raise_for_status()
    except httpx.TransportError:
        return False
    return True


def test_a_target_that_is_not_set_up_is_inconclusive(tmp_path: Path, scenario: Path) -> None:
    with service(tmp_path) as running:
        ended = load(tmp_path, scenario, "--target", running.url, "--json")
    assert ended.code == 3
    (document,) = ended.documents
    assert document["verdict"] == "inconclusive"
    assert "not set up as the scenario says" in document["reason"]
    assert document["reason"] in ended.err


@pytest.mark.parametrize(
    ("variables", "wrong_is"),
    [
        ({"BUSYHOUR_SCENARIO": "wrong.yaml"}, "wrong.yaml:3:"),
        ({"BUSYHOUR_URL": "nowhere"}, "BUSYHOUR_URL: 'nowhere' is no address"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(
    tmp_path: Path, variables: dict[str, str], wrong_is: str
) -> None:
    wrong = "version: 1\nname: wrong\nduration: soon\n"
    (tmp_path / "wrong.yaml").write_text(wrong, encoding="utf-8")
    with started(tmp_path, "locust", "locust", "-f", LOCUSTFILE, "--headless", **variables) as run:
        assert run.wait(TIMEOUT_S) == 2
    assert wrong_is in said(tmp_path, "locust")
    assert "Traceback" not in said(tmp_path, "locust")


def test_load_prints_one_document_and_hands_on_options(tmp_path: Path, scenario: Path) -> None:
    ended = load(
        tmp_path, scenario, "--speed", 60, *PATIENT, "--json",
        "--", "--html", "locust.html", "--csv", "figures", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.out + ended.err
    (document,) = ended.documents
    assert document == result(tmp_path)
    assert document["verdict"] == "pass"
    assert (tmp_path / "locust.html").stat().st_size > 0
    assert (tmp_path / "figures_stats.csv").read_text().count("\n") > 4


def test_processes_share_the_trace_and_a_missed_threshold_has_its_exit_code(
    tmp_path: Path, scenario: Path
) -> None:
    text = scenario.read_text(encoding="utf-8") + 'thresholds: {offered_calls: ["value<1"]}\n'
    scenario.write_text(text, encoding="utf-8")
    ended = load(
        tmp_path, scenario, "--speed", 60, *PATIENT, "--processes", 2, "--master-port", free_port(),
        "--", "--json-file", "figures",
    )  # fmt: skip
    assert ended.code == 99, ended.out + ended.err
    names = {row["name"] for row in json.loads((tmp_path / "figures.json").read_text())}
    assert names == {"offer", "accept", "start", "refer", "end"}
    assert "2 of 2 workers" in ended.out
    assert "THRESHOLDS FAILED calls" in ended.out
    assert union(tmp_path) == "0 rows by several, 0 by none"


def test_a_service_that_checks_and_then_acts_is_a_failure(tmp_path: Path, scenario: Path) -> None:
    tokens = Tokens(*TOKENS.values())
    settings = {"testbed": "true", "max_concurrent_calls": "8"}
    program = ("simulator.selftest.concurrency", "check-then-act")
    with ServiceProcess(settings, tokens, program=program) as process:
        url = process.wait_until_ready()
        # All calls in half a second: many come into the moment between the check and the act.
        ended = load(tmp_path, scenario, "--target", url, "--configure", "--speed", 240, *PATIENT)
    assert ended.code == 1, ended.out + ended.err
    assert "FAIL calls: history.over_admission is broken" in ended.out


def union(cwd: Path) -> str:
    found = result(cwd)["invariants"]
    (observed,) = [each["observed"] for each in found if each["name"] == "trace.union"]
    return str(observed)


@contextmanager
def master_and_workers(
    cwd: Path, scenario: Path, speed: int = 60
) -> Iterator[tuple[Running, Process, list[Process]]]:
    """A service, a master and two workers, each a command of its own."""
    with service(cwd) as running, ExitStack() as stack:
        common = [*LOAD, scenario, "--target", running.url, "--master-port", free_port()]
        workers = [
            stack.enter_context(started(cwd, f"worker{n}", *common, "--worker")) for n in range(2)
        ]
        as_master = [*common, "--master", "--configure", "--expect-workers", 2]
        as_master += ["--speed", speed, *PATIENT]
        yield running, stack.enter_context(started(cwd, "master", *as_master)), workers


def test_master_and_two_workers(tmp_path: Path, scenario: Path) -> None:
    with master_and_workers(tmp_path, scenario) as (running, master, workers):
        assert master.wait(TIMEOUT_S) == 0, said(tmp_path, "master")
        assert [each.wait(TIMEOUT_S) for each in workers] == [0, 0]
        made = running.capacity()["total"]["offered_calls"]
    assert union(tmp_path) == "0 rows by several, 0 by none"
    assert len(offers(tmp_path)) == len(set(offers(tmp_path))) == made
    # In wall-clock time minutes are known within what the answers allow.
    found = result(tmp_path)
    allowed = found["expected"]["total"]["minutes_processed"]
    assert 0 < allowed["min"] < allowed["max"]
    assert allowed["min"] <= found["observed"]["total"]["minutes_processed"] <= allowed["max"]


@pytest.fixture
def long_scenario(tmp_path: Path) -> Path:
    """Five minutes, and longer than any of these tests lets it live."""
    path = tmp_path / "calls.yaml"
    path.write_text(CALLS.format(duration="5m", count=100), encoding="utf-8")
    return path


def test_a_worker_that_dies_leaves_the_run_inconclusive(
    tmp_path: Path, long_scenario: Path
) -> None:
    with master_and_workers(tmp_path, long_scenario) as (running, master, workers):
        wait_for_calls(running, master)
        os.kill(only_child(workers[0].pid), signal.SIGKILL)
        code = master.wait(TIMEOUT_S)
    assert code == 3, said(tmp_path, "master")
    found = result(tmp_path)
    assert found["verdict"] == "inconclusive"
    assert "rows were lost" in found["reason"]
    assert "went away" in found["reason"]


def test_a_master_that_is_killed_leaves_a_history_that_can_be_judged(
    tmp_path: Path, long_scenario: Path
) -> None:
    with master_and_workers(tmp_path, long_scenario, speed=8) as (running, master, workers):
        wait_for_offers(tmp_path, 1)
        os.kill(only_child(master.pid), signal.SIGKILL)
        assert master.wait(TIMEOUT_S) == 3
        # Nobody tells the workers: they notice, while two more runs are killed.
        kill_runs_with_services_of_their_own(tmp_path, long_scenario)
        assert_sound(tmp_path, cut_off=2, whole_or_not=1)
        assert [each.wait(TIMEOUT_S) for each in workers] == [3, 3]
        assert running.capacity()["total"]["in_use"] == 0
    assert "Locust was ended by SIGKILL before there was a result" in said(tmp_path, "forked")
    assert "Locust was ended by SIGKILL before there was a result" in said(tmp_path, "master")
    for n in range(2):
        assert "the master has been silent" in said(tmp_path, f"worker{n}")


def kill_runs_with_services_of_their_own(cwd: Path, scenario: Path) -> None:
    """Of one Locust is killed, of the other the command; all else ends by itself."""
    forks = ["--processes", 1, "--master-port", free_port()]
    with (
        started(cwd, "forked", *LOAD, scenario, "--speed", 8, *forks) as forked,
        started(cwd, "alone", *LOAD, scenario, "--speed", 8) as alone,
    ):
        wait_for_offers(cwd, 3)
        left = descendants_of(forked.pid) + descendants_of(alone.pid)
        (locust,) = [pid for pid in children_of(forked.pid) if children_of(pid)]
        os.kill(locust, signal.SIGKILL)
        alone.kill()
        assert forked.wait(TIMEOUT_S) == 3
        wait_until(lambda: not any(runs(pid) for pid in left))


def wait_for_offers(cwd: Path, runs: int) -> None:
    """Until so many histories say of offers that everything before them is there."""

    def are_there() -> bool:
        texts = [path.read_text() for path in (cwd / "reports" / "calls").glob("*/history.jsonl")]
        return sum('"offer"' in each.rpartition("settled")[0] for each in texts) >= runs

    wait_until(are_there)


def descendants_of(pid: int) -> list[int]:
    children = children_of(pid)
    return children + [each for child in children for each in descendants_of(child)]


def runs(pid: int) -> bool:
    """Whether a process works; one that is over and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def assert_sound(cwd: Path, *, cut_off: int, whole_or_not: int) -> None:
    """``busyhour check`` judges what killed runs left, and finds nothing wrong with it.

    What Locust was killed over is cut off. A Locust that outlives its command ends in order, and
    its history is whole if it still reached the service, which ends by itself as well.
    """
    cut = 0
    histories = list((cwd / "reports" / "calls").glob("20*/history.jsonl"))
    assert len(histories) == cut_off + whole_or_not
    for path in histories:
        judged = busyhour("check", path, cwd=cwd)
        truncated = read_history(path).truncated
        cut += truncated
        assert judged.code == (3 if truncated else 0), judged.out
        if truncated:
            assert "the history is cut off; what is whole of it raises no alarm" in judged.out
    assert cut >= cut_off


def test_an_interrupted_run_hangs_up_saves_and_says_so(tmp_path: Path, long_scenario: Path) -> None:
    with service(tmp_path) as running:
        options = ["--target", running.url, "--configure", "--speed", 10]
        with started(tmp_path, "load", *LOAD, long_scenario, *options) as process:
            wait_for_calls(running, process)
            process.send_signal(signal.SIGINT)
            code = process.wait(TIMEOUT_S)
        counted = running.capacity()
    assert code == 130, said(tmp_path, "load")
    assert counted["total"]["in_use"] == 0
    assert result(tmp_path)["reason"].startswith("interrupted")
