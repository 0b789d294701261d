"""``busyhour watch`` and ``busyhour probe`` against real services, sound and broken."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from simulator.engines.service_process import ServiceProcess, Tokens
from simulator.scenario_file import load_scenario
from simulator.selftest.concurrency import CONCURRENCY_BUGS
from simulator.selftest.concurrency_runner import SCENARIO, run_live_selftest
from tests.e2e.running import (
    SCENARIOS,
    TOKENS,
    VIRTUAL,
    Ended,
    Running,
    busyhour,
    environment,
    service,
)

LIMIT = 3


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[Running]:
    with service(tmp_path, BUSYHOUR_MAX_CONCURRENT_CALLS=str(LIMIT)) as running:
        create_tenant(running.client)
        yield running


def create_tenant(client: httpx.Client) -> None:
    document = {"tenant_id": "acme", "instructions": "answer"}
    client.post("/api/v1/tenants", json=document).raise_for_status()


@contextmanager
def broken(name: str) -> Iterator[str]:
    """One of the gallery, with a tenant."""
    settings = {"max_concurrent_calls": str(LIMIT), "log_level": "ERROR"}
    tokens = Tokens(TOKENS["BUSYHOUR_ADMIN_TOKEN"], TOKENS["BUSYHOUR_CALL_TOKEN"])
    program = ("simulator.selftest.concurrency", name)
    with ServiceProcess(settings, tokens, program=program) as process:
        url = process.wait_until_ready()
        with httpx.Client(base_url=url, headers={"X-Admin-Token": tokens.admin}) as client:
            create_tenant(client)
        yield url


def probe(url: str, cwd: Path, *options: object, limit: int = LIMIT, **env: str) -> Ended:
    return busyhour(
        "probe", "--target", url, "--limit", limit, *options, cwd=cwd, env={**TOKENS, **env}
    )


def watch(url: str, cwd: Path, *options: object, **env: str) -> Ended:
    return busyhour(
        "watch", "--target", url, "--interval", "1ms", *options, cwd=cwd, env={**TOKENS, **env}
    )


def test_a_sound_service_admits_exactly_what_fits(sound: Running, tmp_path: Path) -> None:
    ended = probe(sound.url, tmp_path, "--rounds", 3, "--json")
    assert ended.code == 0, ended.out + ended.err
    (document,) = ended.documents
    assert document["verdict"] == "pass"
    assert document["problems"] == document["not_ended"] == document["warnings"] == []
    assert ended.err == ""
    by_size = {burst["burst"]: burst for burst in document["bursts"]}
    assert {"N-1", "N", "N+1", "10 N"} <= by_size.keys()
    for burst in by_size.values():
        due = min(burst["calls"], LIMIT)
        assert burst["admitted_min"] == burst["admitted_max"] == due
        assert burst["rejected"] == 3 * (burst["calls"] - due)
    assert sound.capacity()["total"]["in_use"] == 0


def test_a_limit_that_is_not_the_services_is_told(sound: Running, tmp_path: Path) -> None:
    low = probe(sound.url, tmp_path, "--rounds", 1, limit=LIMIT - 1)
    assert low.code == 1
    assert f"{LIMIT} calls were admitted at once, the limit is {LIMIT - 1}" in low.out
    high = probe(sound.url, tmp_path, "--rounds", 1, limit=LIMIT + 1)
    assert high.code == 1
    assert "rejected while there was room" in high.out
    for ended, wrong in ((low, LIMIT - 1), (high, LIMIT + 1)):
        assert f"room for {LIMIT} calls of acme, not for {wrong};" in ended.err
    assert sound.capacity()["total"]["in_use"] == 0


def test_the_probe_leaves_a_service_alone_that_is_in_use(sound: Running, tmp_path: Path) -> None:
    sound.call_event("", call_id="somebody", tenant_id="acme")
    before = sound.capacity()["total"]
    ended = probe(sound.url, tmp_path)
    assert ended.code == 3
    assert "somebody" in ended.out
    assert sound.capacity()["total"] == before


def test_what_the_probe_cannot_tell_is_inconclusive(sound: Running, tmp_path: Path) -> None:
    assert "--tenant" in probe(sound.url, tmp_path, "--tenant", "nobody").out
    wrong = probe(sound.url, tmp_path, BUSYHOUR_ADMIN_TOKEN="wrong")
    assert (wrong.code, "BUSYHOUR_ADMIN_TOKEN" in wrong.out) == (3, True)
    wrong = probe(sound.url, tmp_path, BUSYHOUR_CALL_TOKEN="wrong")
    assert (wrong.code, "BUSYHOUR_CALL_TOKEN" in wrong.out) == (3, True)
    nobody = probe("http://127.0.0.1:1", tmp_path)
    assert (nobody.code, "did not answer" in nobody.out) == (3, True)
    assert probe("nowhere", tmp_path).code == 2
    with service(tmp_path, **VIRTUAL) as virtual:
        ended = probe(virtual.url, tmp_path, limit=100)
    assert (ended.code, "virtual clock" in ended.out) == (3, True)
    hasty = {"BUSYHOUR_MAX_CONCURRENT_CALLS": str(LIMIT), "BUSYHOUR_PENDING_DEADLINE_S": "0.0001"}
    with service(tmp_path, **hasty) as expiring:
        create_tenant(expiring.client)
        ended = probe(expiring.url, tmp_path)
    assert (ended.code, "ends calls by itself" in ended.out) == (3, True)


def test_an_interrupted_probe_ends_its_calls(sound: Running, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "simulator.cli", "probe", "--target", sound.url),
            *("--limit", str(LIMIT), "--rounds", "100000"),
        ],
        cwd=tmp_path,
        env=environment(**TOKENS),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        while sound.capacity()["total"]["offered_calls"] == 0:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, out
    assert "INTERRUPTED" in out
    assert sound.capacity()["total"]["in_use"] == 0


@pytest.mark.parametrize(
    "name", [one.name for one in CONCURRENCY_BUGS if one.name != "stale-limit"]
)
def test_the_probe_catches_what_is_broken(name: str, tmp_path: Path) -> None:
    with broken(name) as url:
        ended = probe(url, tmp_path, "--rounds", 1, "--json")
    assert ended.code == 1, ended.out + ended.err
    assert ended.documents[0]["problems"]


def test_the_probe_catches_a_limit_that_is_stale(tmp_path: Path) -> None:
    with broken("stale-limit") as url:
        assert probe(url, tmp_path, "--rounds", 1).code == 0
        admin = {"X-Admin-Token": TOKENS["BUSYHOUR_ADMIN_TOKEN"]}
        httpx.patch(
            f"{url}/api/v1/capacity", json={"max_concurrent_calls": 2}, headers=admin
        ).raise_for_status()
        ended = probe(url, tmp_path, "--rounds", 1, limit=2)
    assert ended.code == 1
    assert "3 calls were admitted at once, the limit is 2" in ended.out


def test_a_sound_service_is_watched_without_alarm(sound: Running, tmp_path: Path) -> None:
    for number in range(LIMIT + 2):
        sound.call_event("", call_id=f"c{number}", tenant_id="acme")
    sound.call_event("/c0/accept")
    sound.call_event("/c0/start")
    before = sound.capacity()["total"]
    ended = watch(sound.url, tmp_path, "--count", 5, "--limit", LIMIT, "--tenant", "acme", "--json")
    assert ended.code == 0, ended.out + ended.err
    events = ended.documents
    assert [event["event"] for event in events] == ["poll"] * 5 + ["end"]
    assert events[0]["total"]["rejected_calls_capacity"] == 2
    assert (events[0]["in_use"], events[0]["active_count"]) == (LIMIT, 1)
    assert events[-1]["verdict"] == "pass"
    assert sound.capacity()["total"] == before


def test_more_calls_than_the_limit_given_are_an_alarm(sound: Running, tmp_path: Path) -> None:
    for number in range(LIMIT):
        sound.call_event("", call_id=f"c{number}", tenant_id="acme")
    options = ("--count", 5, "--limit", LIMIT - 1)
    ended = watch(sound.url, tmp_path, *options)
    assert ended.code == 1
    assert f"calls held: {LIMIT}, the limit is {LIMIT - 1}" in ended.out
    first = watch(sound.url, tmp_path, *options, "--fail-fast", "--json")
    assert first.code == 1
    assert first.documents[-1]["polls"] == 1
    shown = on_a_terminal("watch", "--target", sound.url, *options, "--tenant", "acme")
    # What is wrong scrolls above the table, so that no small terminal hides it.
    assert shown.index("VIOLATION within-limit") < shown.index("rejected_calls_capacity")
    assert shown.rstrip().endswith("FAIL: 5 polls, 10 violations")


def on_a_terminal(*arguments: object) -> str:
    """What the command writes to a terminal of 24 lines."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "simulator.cli", *map(str, arguments)],
        env=environment(TERM="xterm", **TOKENS),
        stdout=theirs,
    ):
        os.close(theirs)
        shown = b""
        # Linux says that nobody writes any more with an error.
        with suppress(OSError):
            while read := os.read(ours, 65536):
                shown += read
    os.close(ours)
    return shown.decode()


def test_what_cannot_be_watched_is_inconclusive(sound: Running, tmp_path: Path) -> None:
    wrong = watch(sound.url, tmp_path, BUSYHOUR_ADMIN_TOKEN="wrong")
    assert (wrong.code, "does not take the token" in wrong.out) == (3, True)
    nobody = watch("http://127.0.0.1:1", tmp_path)
    assert (nobody.code, "did not answer" in nobody.out) == (3, True)
    other = watch(f"{sound.url}/healthz", tmp_path)
    assert (other.code, "no such service" in other.out) == (3, True)
    assert watch(sound.url, tmp_path, "--interval", "0s").code == 2
    assert watch(sound.url, tmp_path, "--interval", "soon").code == 2


def test_a_leaked_slot_is_seen_from_outside(tmp_path: Path) -> None:
    with broken("cancelled-end-leaks") as url:
        assert watch(url, tmp_path, "--count", 2).code == 0
        assert probe(url, tmp_path, "--rounds", 1).code == 1
        ended = watch(url, tmp_path, "--count", 2)
    assert ended.code == 1
    assert "accepted-calls-conserved" in ended.out


def test_a_watch_survives_a_restart_and_ends_with_its_verdict(tmp_path: Path) -> None:
    settings = {"max_concurrent_calls": str(LIMIT), "log_level": "ERROR"}
    tokens = Tokens(TOKENS["BUSYHOUR_ADMIN_TOKEN"], TOKENS["BUSYHOUR_CALL_TOKEN"])
    with ServiceProcess(settings, tokens) as first:
        url = first.wait_until_ready()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulator.cli", "watch", "--target", url),
                *("--json", "--interval", "20ms", "--count", "5000"),
            ],
            cwd=tmp_path,
            env=environment(**TOKENS),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            lines = map(json.loads, process.stdout)
            assert next(lines)["event"] == "poll"
            first.__exit__(None, None, None)
            assert any(line.get("kind") == "unreachable" for line in lines)
            with ServiceProcess(settings, tokens, httpx.URL(url).port or 0) as second:
                second.wait_until_ready()
                assert any(line["event"] == "restart" for line in lines)
                assert next(lines)["event"] == "poll"
                process.send_signal(signal.SIGINT)
                *_, end = lines
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.communicate()
    assert (end["event"], end["verdict"], end["violations"]) == ("end", "pass", 0)
    assert end["restarts"] == 1


@pytest.mark.soak
def test_probe_and_live_engine_each_catch_the_whole_gallery() -> None:
    report = run_live_selftest(load_scenario(SCENARIOS / "live" / f"{SCENARIO}.yaml"))
    assert (report.sound.probe, report.sound.live) == (None, None)
    assert [catch.service.name for catch in report.catches if not catch.caught] == []
    assert len(report.catches) == len(CONCURRENCY_BUGS)


def test_probe_and_live_engine_catch_a_race_and_leave_a_sound_service_alone() -> None:
    scenario = load_scenario(
        SCENARIOS / "live" / f"{SCENARIO}.yaml", ["duration=1m", "capacity.changes=[]"]
    )
    report = run_live_selftest(scenario, gallery=CONCURRENCY_BUGS[:1])
    assert report.ok
    assert report.catches[0].service.name == "check-then-act"
