"""The command and the service as processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from typer.testing import CliRunner

from simulator.cli import app

ROOT: Final = Path(__file__).resolve().parent.parent.parent
SCENARIOS: Final = ROOT / "scenarios"
TOKENS: Final = {"BUSYHOUR_ADMIN_TOKEN": "admin-for-tests", "BUSYHOUR_CALL_TOKEN": "call-for-tests"}
VIRTUAL: Final = {"BUSYHOUR_TESTBED": "true", "BUSYHOUR_CLOCK": "virtual"}
TIMEOUT_S: Final = 120

SMALL: Final = """\
version: 1
name: small
seed: 3
duration: 10m
capacity: {max_concurrent_calls: 3}
tenants:
  acme:
    arrivals: {type: exact_count, count: 60}
    hold: 30s
    reserved_calls: 1
  brook:
    arrivals: {type: exact_count, count: 20}
    hold: 30s
    instructions: false
    fallback: true
checkpoints: [3m, 6m]
"""


def environment(**more: str) -> dict[str, str]:
    """The environment without settings of a service, and with these."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BUSYHOUR_", "LOCUST_"))}
    return {**inherited, "PYTHONPATH": str(ROOT), **more}


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def busyhour(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run the command to its end."""
    ended = subprocess.run(
        [sys.executable, "-m", "simulator.cli", *map(str, arguments)],
        cwd=cwd,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def in_process(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> Ended:
    """The command in this process, which starts a second sooner; not for what takes signals."""
    inherited = dict.fromkeys(name for name in os.environ if name.startswith("BUSYHOUR_"))
    with chdir(cwd):
        result = CliRunner().invoke(app, [*map(str, arguments)], env={**inherited, **(env or {})})
    assert "Traceback" not in result.stderr, result.stderr
    return Ended(result.exit_code, result.stdout, result.stderr)


@dataclass(frozen=True, slots=True)
class Running:
    """A service: its address, and a client with both tokens."""

    url: str
    client: httpx.Client

    def call_event(self, path: str, **body: object) -> dict[str, Any]:
        response = self.client.post(f"/api/v1/calls{path}", json=body)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document

    def capacity(self) -> dict[str, Any]:
        document: dict[str, Any] = self.client.get("/api/v1/capacity").json()
        return document


@contextmanager
def service(cwd: Path, **settings: str) -> Iterator[Running]:
    """``busyhour serve`` on a free port, stopped at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator.cli", "serve", "--port", "0"],
        cwd=cwd,
        env=environment(BUSYHOUR_LOG_LEVEL="ERROR", **TOKENS, **settings),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("busyhour listening on "), said
        url = said.rsplit(" ", 1)[1].strip()
        headers = {
            "X-Admin-Token": TOKENS["BUSYHOUR_ADMIN_TOKEN"],
            "X-Call-Token": TOKENS["BUSYHOUR_CALL_TOKEN"],
        }
        with httpx.Client(base_url=url, headers=headers, timeout=30.0) as client:
            yield Running(url, client)
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)
        if process.stdout is not None:
            process.stdout.close()
