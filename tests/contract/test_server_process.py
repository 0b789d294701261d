"""The service as a process: one line when it listens, one line when it cannot, a clean stop."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOKENS = {"BUSYHOUR_ADMIN_TOKEN": "admin-secret", "BUSYHOUR_CALL_TOKEN": "call-secret"}


def environment(variables: dict[str, str]) -> dict[str, str]:
    """The machine's variables without those of the service, and these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BUSYHOUR_")}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


@contextmanager
def process(
    directory: Path, variables: dict[str, str], port: int = 0
) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "service", "--port", str(port)],
        env=environment(variables),
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def address_of(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line.startswith("busyhour listening on http://127.0.0.1:"), line
    return line.rsplit(" ", 1)[1].strip()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_stops_when_told(tmp_path: Path, stop: signal.Signals) -> None:
    variables = {
        **TOKENS,
        "BUSYHOUR_TESTBED": "true",
        "BUSYHOUR_CLOCK": "virtual",
        "BUSYHOUR_DATABASE_URL": "sqlite+aiosqlite:///busyhour.db",
    }
    with process(tmp_path, variables) as server:
        url = address_of(server)
        with httpx.Client(base_url=url) as client:
            assert client.get("/readyz").status_code == 200
            created = client.post(
                "/api/v1/tenants",
                json={"tenant_id": "acme", "instructions": "hello", "at_us": 0},
                headers={"X-Admin-Token": "admin-secret"},
            )
            assert created.status_code == 201
            answer = client.post(
                "/api/v1/calls",
                json={"call_id": "c", "tenant_id": "acme", "accept": True, "at_us": 1},
                headers={"X-Call-Token": "call-secret", "X-Request-ID": "ab" * 16},
            )
            assert answer.json()["decision"] == "accepted"
            assert answer.headers["x-request-id"] == "ab" * 16
            server.send_signal(stop)
            _, errors = server.communicate(timeout=30)
    assert server.returncode == 0
    records = [json.loads(line) for line in errors.splitlines()]
    assert [record["event"] for record in records][-1] == "stopped"
    loud = [record for record in records if record["level"] == "warning"]
    assert ["TESTBED" in record["event"] for record in loud] == [True]
    made = next(record for record in records if record["event"] == "tenant_created")
    assert made["tenant_id"] == "acme"
    assert made["request_id"] == created.headers["x-request-id"]


def test_a_database_error_is_logged_with_the_request_it_belongs_to(tmp_path: Path) -> None:
    path = tmp_path / "busyhour.db"
    variables = {**TOKENS, "BUSYHOUR_DATABASE_URL": f"sqlite+aiosqlite:///{path}"}
    with process(tmp_path, variables) as server:
        with httpx.Client(base_url=address_of(server)) as client:
            admin = {"X-Admin-Token": "admin-secret"}
            client.post("/api/v1/tenants", json={"tenant_id": "acme"}, headers=admin)
            path.write_bytes(b"no database at all. " * 4096)
            one_id = {"X-Request-ID": "cd" * 16}
            client.post(
                "/api/v1/calls",
                json={"call_id": "c", "tenant_id": "acme", "accept": True},
                headers={"X-Call-Token": "call-secret", **one_id},
            )
            client.post(
                "/api/v1/tenants",
                json={"tenant_id": "other", "instructions": "our secret"},
                headers={**admin, **one_id},
            )
        server.terminate()
        _, errors = server.communicate(timeout=30)
    failed = [
        record for record in map(json.loads, errors.splitlines()) if record["level"] == "error"
    ]
    assert [record["event"] for record in failed] == [
        "instructions_lookup_failed",
        "database_failed",
    ]
    assert {record["request_id"] for record in failed} == {"cd" * 16}
    assert all("not a database" in record["error"] for record in failed)
    assert "our secret" not in errors


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, ["BUSYHOUR_ADMIN_TOKEN", "BUSYHOUR_CALL_TOKEN"]),
        ({"BUSYHOUR_CALL_TOKEN": "c"}, ["BUSYHOUR_ADMIN_TOKEN"]),
        ({**TOKENS, "BUSYHOUR_MAX_CONCURRENT_CALLS": "x"}, ["BUSYHOUR_MAX_CONCURRENT_CALLS"]),
        (
            {**TOKENS, "BUSYHOUR_DATABASE_URL": "sqlite+aiosqlite:////nowhere/at/all.db"},
            ["BUSYHOUR_DATABASE_URL", "unable to open"],
        ),
    ],
)
def test_what_it_needs_is_told_in_one_line(
    tmp_path: Path, variables: dict[str, str], words: list[str]
) -> None:
    with process(tmp_path, variables) as server:
        output, errors = server.communicate(timeout=30)
    assert server.returncode == 2
    assert output == ""
    lines = [line for line in errors.splitlines() if not line.startswith("{")]
    assert len(lines) == 1
    assert lines[0].startswith("busyhour: cannot start: ")
    assert all(word in lines[0] for word in words)


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process(tmp_path, TOKENS, port) as server:
            output, errors = server.communicate(timeout=30)
    assert (server.returncode, output) == (2, "")
    assert errors == (
        f"busyhour: cannot start: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )
