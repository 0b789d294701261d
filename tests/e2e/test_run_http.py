"""``busyhour run`` as people and pipelines use it: a process that starts the real service."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.calls import COUNTER_NAMES, MINUTES_PROCESSED
from simulator.engines import Inconclusive, sources
from simulator.engines.http import HttpEngine
from simulator.engines.service_process import ServiceProcess, Tokens
from simulator.engines.sources import OwnService
from tests.e2e.running import SCENARIOS, SMALL, TIMEOUT_S, TOKENS, busyhour, environment
from tests.strategies import Row, conditions, make_trace

KEYS = {
    "schema_version", "scenario", "engine", "verdict", "observed", "expected", "checkpoints",
    "invariants", "expectations", "thresholds", "statistics",
}  # fmt: skip


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_the_smoke_scenario_passes_on_the_real_service(tmp_path: Path) -> None:
    ended = busyhour("run", SCENARIOS / "smoke.yaml", "--json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert ended.err == ""
    (document,) = ended.documents
    assert set(document) >= KEYS
    assert set(document["scenario"]) == {"name", "hash", "seed"}
    assert document["engine"] == "http"
    assert document["verdict"] == "pass"
    assert document["observed"] == document["expected"]
    for row in (document["observed"]["total"], *document["observed"]["tenants"].values()):
        assert set(row) == {*COUNTER_NAMES, MINUTES_PROCESSED}
    assert [checkpoint["ok"] for checkpoint in document["checkpoints"]] == [True] * 3
    written = tmp_path / "reports" / "smoke" / "latest"
    assert json.loads((written / "result.json").read_text()) == document
    assert {path.name for path in written.iterdir()} >= {
        "result.json", "junit.xml", "summary.md", "report.html",
    }  # fmt: skip


def test_several_scenarios_give_a_line_each_and_the_gravest_code(
    small: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SMALL + "expect: {total: {offered_calls: 1}}\n")
    ended = busyhour("run", wrong, small, "--json", cwd=tmp_path)
    assert ended.code == 1
    assert [document["verdict"] for document in ended.documents] == ["fail", "pass"]


def test_the_expected_block_passes_on_the_real_service(small: Path, tmp_path: Path) -> None:
    block = busyhour("expect", small, cwd=tmp_path)
    assert block.code == 0
    pasted = tmp_path / "pasted.yaml"
    pasted.write_text(SMALL + block.out)
    ended = busyhour("run", pasted, cwd=tmp_path)
    assert ended.code == 0, ended.out
    assert ended.out.splitlines()[-1].startswith("PASS small: ")


def test_a_broken_file_is_two_and_nothing_is_printed_or_written(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(SMALL + "colour: red\n")
    ended = busyhour("run", bad, "--json", cwd=tmp_path)
    assert ended.code == 2
    assert ended.out == ""
    assert "bad.yaml:17:1: colour" in ended.err
    assert not (tmp_path / "reports").exists()


def test_missed_thresholds_alone_are_ninety_nine(small: Path, tmp_path: Path) -> None:
    small.write_text(SMALL + 'thresholds: {peak_in_use: ["value<1"]}\n')
    assert busyhour("run", small, "--engine", "inproc", cwd=tmp_path).code == 99


def test_settings_around_the_command_do_not_reach_its_service(small: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BUSYHOUR_PENDING_DEADLINE_S=0.000001\n")
    ended = busyhour("run", small, cwd=tmp_path, env={"BUSYHOUR_ACTIVE_DEADLINE_S": "1", **TOKENS})
    assert ended.code == 0, ended.out


def test_a_reader_that_goes_away_is_no_error(small: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nobody:
        ended = subprocess.run(
            [sys.executable, "-m", "simulator.cli", "run", str(small), "--engine", "inproc"],
            cwd=tmp_path,
            env=environment(),
            stdout=nobody,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert ended.returncode == 141
    assert ended.stderr == b""


@pytest.fixture
def silent_service() -> Iterator[socket.socket]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT_S)
        yield listener


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_one_hundred_and_thirty(
    small: Path, tmp_path: Path, silent_service: socket.socket, stop: signal.Signals
) -> None:
    url = f"http://127.0.0.1:{silent_service.getsockname()[1]}"
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator.cli", "run", str(small), "--target", url, "--json"],
        cwd=tmp_path,
        env=environment(**TOKENS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    connection, _ = silent_service.accept()  # now it waits for an answer
    with connection:
        process.send_signal(stop)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert out == ""
    assert "interrupted" in err
    assert "Traceback" not in err


TRACE = make_trace(conditions(duration_us=100), [Row(offer=1, hold=5), Row(offer=2, hold=5)])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The process ids of the services that were started."""
    pids: list[int] = []

    class Noted(ServiceProcess):
        def __enter__(self) -> Any:
            entered = super().__enter__()
            pids.append(self.pid)
            return entered

    monkeypatch.setattr(sources, "ServiceProcess", Noted)
    return pids


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_service_is_stopped_after_a_run(started: list[int]) -> None:
    assert HttpEngine(OwnService()).run(TRACE).total[0] == 0
    assert len(started) == 1
    assert is_gone(started[0])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_the_service_is_stopped_whatever_ends_the_run(
    started: list[int], error: type[BaseException]
) -> None:
    def interrupt(done: int, total: int) -> None:
        raise error

    with pytest.raises(error):
        HttpEngine(OwnService()).run(TRACE, interrupt)
    assert is_gone(started[0])


STARTS_AND_WAITS = """
import sys
from simulator.engines.service_process import ServiceProcess, Tokens
with ServiceProcess({}, Tokens()) as process:
    process.wait_until_ready()
    print(process.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process that is no child")
def test_the_service_does_not_outlive_a_killed_run(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_AND_WAITS],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        service = os.pidfd_open(int(starter.stdout.readline()))
        try:
            starter.kill()
            assert select.select([service], [], [], TIMEOUT_S)[0] == [service]
        finally:
            os.close(service)


def test_a_service_that_cannot_start_is_quoted() -> None:
    with (
        ServiceProcess({"max_concurrent_calls": "many"}, Tokens()) as process,
        pytest.raises(Inconclusive, match="BUSYHOUR_MAX_CONCURRENT_CALLS"),
    ):
        process.wait_until_ready()
    assert is_gone(process.pid)


def test_a_service_that_dies_during_the_run_makes_it_inconclusive(started: list[int]) -> None:
    def kill(done: int, total: int) -> None:
        os.kill(started[0], signal.SIGKILL)

    with pytest.raises(Inconclusive, match="did not answer"):
        HttpEngine(OwnService()).run(TRACE, kill)
    assert is_gone(started[0])
