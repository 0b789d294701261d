"""A service that somebody kills and starts again under a live run, each a process of its own."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from simulator.checker import check_history
from simulator.history import read_history
from tests.e2e.running import TIMEOUT_S, TOKENS, Ended, environment, in_process

LONG = """\
version: 1
name: long
seed: 5
duration: 2h
capacity: {max_concurrent_calls: 3}
tenants:
  acme:
    arrivals: {type: poisson, rate: 1/s}
    hold: 2s
"""
HEADERS = {"X-Admin-Token": TOKENS["BUSYHOUR_ADMIN_TOKEN"]}


class Restartable:
    """A service that keeps its address, and in a file its tenants, from start to start."""

    def __init__(self, directory: Path, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._directory = directory
        self._environment = environment(
            BUSYHOUR_LOG_LEVEL="ERROR", BUSYHOUR_MAX_CONCURRENT_CALLS="3", **TOKENS, **settings
        )

    def __enter__(self) -> "Restartable":
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "simulator.cli", "serve", "--port", str(self._port)],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("busyhour listening on ")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(TIMEOUT_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def total(self) -> dict[str, Any]:
        document: dict[str, Any] = httpx.get(
            self.url + "/api/v1/capacity", headers=HEADERS, timeout=30
        ).json()
        return dict(document["total"])


def restarted_under(service: Restartable, path: Path) -> Ended:
    """A live run that ends when the service was killed, started again and heard of calls since."""
    command = [sys.executable, "-m", "simulator.cli", "run", str(path), "--engine", "live"]
    command += ["--speed", "10", "--target", service.url, "--configure"]
    with subprocess.Popen(
        command,
        cwd=path.parent,
        env=environment(**TOKENS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for killed in (False, True):
                while service.total()["offered_calls"] < 20:
                    assert process.poll() is None
                if not killed:
                    service.kill()
                    service.start()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
    assert "Traceback" not in err
    return Ended(process.returncode, out, err)


def test_a_restarted_service_is_no_failed_one(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(LONG)
    database = "sqlite+aiosqlite:///busyhour.db"
    with Restartable(tmp_path, BUSYHOUR_DATABASE_URL=database) as service:
        ended = restarted_under(service, path)
        assert service.total()["in_use"] == 0
    assert ended.code == 130, ended.out + ended.err
    (directory,) = (tmp_path / "reports/long").iterdir()
    history = read_history(directory / "history.jsonl")
    assert not history.truncated
    (restart,) = [each for each in history.operations if each.op == "restart"]
    assert restart.unexpected
    assert check_history(history).alarms == ()
    assert in_process("check", directory, cwd=tmp_path).code == 3
