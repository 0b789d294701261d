"""``busyhour run --engine live`` as a process, against real services, sound and broken ones.

Nothing here depends on how quick the machine is: a loaded one makes a run inconclusive, so what is
asserted is what holds regardless: no alarm, a whole history, an exit code that is documented.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

from simulator.checker import check_history
from simulator.history import read_history
from tests.e2e.running import (
    ROOT,
    SCENARIOS,
    TIMEOUT_S,
    TOKENS,
    VIRTUAL,
    Ended,
    busyhour,
    environment,
    service,
)

PASSED_OR_NOT_SURE = (0, 3)

SMALL = """\
version: 1
name: small
seed: 5
duration: 20s
capacity: {max_concurrent_calls: 3}
tenants:
  acme:
    arrivals: {type: exact_count, count: 60}
    setup: 100ms
    hold: {type: exponential, mean: 1500ms}
    outcomes: {referred: 0.2}
    max_concurrent_calls: 2
  brook:
    arrivals: {type: exact_count, count: 40}
    hold: {type: exponential, mean: 1s}
checkpoints: [10s]
faults:
  - {kind: event_doubled, event: end, probability: 0.3, delay: 200ms}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def live(path: Path, *options: object, **env: str) -> Ended:
    return busyhour(
        "run", path, "--engine", "live", "--speed", 10, *options,
        cwd=path.parent, env={**TOKENS, **env},
    )  # fmt: skip


def latest(path: Path, name: str = "small") -> Path:
    return path.parent / "reports" / name / "latest"


def assert_sound(ended: Ended, reports: Path) -> None:
    """No alarm, and everything that was asked is in the history."""
    assert ended.code in PASSED_OR_NOT_SURE, ended.out + ended.err
    history = read_history(reports / "history.jsonl")
    assert not history.truncated
    assert check_history(history).alarms == ()
    document = json.loads((reports / "result.json").read_text())
    schema = json.loads((ROOT / "simulator/report/result.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert document["engine"] == "live"
    assert all(check["ok"] for check in document["invariants"])
    assert all(check["ok"] for check in document["expectations"])
    offers = {each.call_id for each in history.operations if each.op == "offer"}
    assert document["observed"]["total"]["offered_calls"] <= len(offers)
    assert document["latency"]["offer"]["count"] > 0


def test_a_service_of_its_own_is_driven_and_judged(small: Path) -> None:
    ended = live(small)
    assert_sound(ended, latest(small))
    assert "lag p99" in ended.out
    summary = (latest(small) / "summary.md").read_text()
    assert "lag of the driver" in summary
    assert "lag of the driver" in (latest(small) / "report.html").read_text()


@pytest.mark.parametrize(
    "name", ["live-lost-events", "live-retries", "live-cancelled", "live-redial-backoff"]
)
def test_shipped_faults_raise_no_alarm(name: str, tmp_path: Path) -> None:
    ended = busyhour(
        "run", SCENARIOS / "live" / f"{name}.yaml", "--engine", "live", "--set", "duration=1m",
        cwd=tmp_path,
    )  # fmt: skip
    assert_sound(ended, tmp_path / "reports" / name / "latest")


def test_a_restart_in_the_middle_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "killed.yaml"
    path.write_text(
        SMALL.replace("name: small", "name: killed")
        + "  - {kind: service_killed, at: 8s, restart_after: 1s}\n"
    )
    ended = live(path)
    assert_sound(ended, latest(path, "killed"))
    document = json.loads((latest(path, "killed") / "result.json").read_text())
    assert document["driver"]["restarts"] == 1
    assert document["notes"]


def test_a_given_target_is_set_up_driven_and_left_empty(small: Path, tmp_path: Path) -> None:
    with service(tmp_path, BUSYHOUR_MAX_CONCURRENT_CALLS="3") as running:
        refused = live(small, "--target", running.url)
        assert refused.code == 3
        assert "tenants.acme.configured is false there, true here" in refused.err
        assert_sound(live(small, "--target", running.url, "--configure"), latest(small))
        assert running.capacity()["total"]["in_use"] == 0
        # What it counted before does not matter, and call ids are new.
        assert_sound(live(small, "--target", running.url, "--seed", 9), latest(small))
        assert running.capacity()["total"]["offered_calls"] == 200


def test_two_services_with_limits_of_their_own(small: Path, tmp_path: Path) -> None:
    with (
        service(tmp_path, BUSYHOUR_MAX_CONCURRENT_CALLS="3") as one,
        service(tmp_path, BUSYHOUR_MAX_CONCURRENT_CALLS="3") as other,
    ):
        ended = live(small, "--target", one.url, "--target", other.url, "--configure")
        assert ended.code in PASSED_OR_NOT_SURE, ended.out + ended.err
        for number in (1, 2):
            history = read_history(latest(small) / f"history-{number}.jsonl")
            assert not history.truncated
            assert check_history(history).alarms == ()
        offered = [each.capacity()["total"]["offered_calls"] for each in (one, other)]
        by_name = one.url.replace("127.0.0.1", "localhost")
        same = live(small, "--target", one.url, "--target", by_name)
        assert (same.code, "are one service" in same.err) == (3, True)
        shared = live(small, "--target", one.url, "--target", by_name, "--shared-limit")
        assert_sound(shared, latest(small))
    assert offered == [50, 50]


@contextmanager
def broken_service(name: str, cwd: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator.selftest.concurrency", name],
        cwd=cwd,
        env=environment(BUSYHOUR_LOG_LEVEL="ERROR", BUSYHOUR_MAX_CONCURRENT_CALLS="3", **TOKENS),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("busyhour listening on "), said
        yield said.rsplit(" ", 1)[1].strip()
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)
        if process.stdout is not None:
            process.stdout.close()


CROWD = """\
version: 1
name: crowd
seed: 5
duration: 20s
capacity: {max_concurrent_calls: 3}
tenants:
  acme:
    arrivals: {type: batch, size: 12, every: 4s}
    hold: 2s
"""


def test_a_race_for_the_last_slot_is_proven(tmp_path: Path) -> None:
    path = tmp_path / "crowd.yaml"
    path.write_text(CROWD)
    with broken_service("sound", tmp_path) as url:
        ended = live(path, "--target", url, "--configure")
        assert_sound(ended, latest(path, "crowd"))
    with broken_service("check-then-act", tmp_path) as url:
        ended = live(path, "--target", url, "--configure")
    assert ended.code == 1, ended.out + ended.err
    assert "over_admission" in ended.out


def test_bad_targets_are_inconclusive_and_say_why(small: Path, tmp_path: Path) -> None:
    assert "did not answer" in live(small, "--target", "http://127.0.0.1:1").err
    with service(tmp_path, BUSYHOUR_MAX_CONCURRENT_CALLS="3") as running:
        for name in TOKENS:
            wrong = live(small, "--target", running.url, "--configure", **{name: "wrong"})
            assert wrong.code == 3
            assert "token" in wrong.err
    with service(tmp_path, **VIRTUAL) as running:
        ended = live(small, "--target", running.url)
        assert ended.code == 3
        assert "virtual clock" in ended.err


def test_an_interrupted_run_keeps_its_history_and_frees_its_slots(
    small: Path, tmp_path: Path
) -> None:
    small.write_text(SMALL.replace("duration: 20s", "duration: 2h"))
    with service(tmp_path, BUSYHOUR_MAX_CONCURRENT_CALLS="3") as running:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "simulator.cli", "run", str(small), "--engine", "live",
                "--target", running.url, "--configure", "--speed", "200",
            ],
            cwd=tmp_path,
            env=environment(**TOKENS),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        while running.capacity()["total"]["offered_calls"] < 3:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 130
        assert "Traceback" not in err
        assert "interrupted; what was measured is in reports/small/" in err
        assert running.capacity()["total"]["in_use"] == 0
    (path,) = (tmp_path / "reports" / "small").glob("*/history.jsonl")
    history = read_history(path)
    assert not history.truncated
    assert check_history(history).alarms == ()


def test_what_only_live_plays_is_refused_elsewhere(tmp_path: Path) -> None:
    for name, said in (
        ("live-restart", "service_killed need --engine live"),
        ("live-cancelled", "client_cancelled need --engine live"),
        ("live-smoke", "offer_latency_p50_ms needs --engine live"),
    ):
        ended = busyhour(
            "run", SCENARIOS / "live" / f"{name}.yaml", "--engine", "inproc", cwd=tmp_path
        )
        assert ended.code == 2
        assert said in ended.err
    ended = busyhour(
        "run", SCENARIOS / "live" / "live-restart.yaml", "--engine", "live",
        "--target", "http://127.0.0.1:1", cwd=tmp_path, env=TOKENS,
    )  # fmt: skip
    assert ended.code == 2
    assert "leave --target out" in ended.err


@pytest.mark.soak
def test_two_hundred_live_runs_raise_no_alarm(small: Path, tmp_path: Path) -> None:
    with service(tmp_path, BUSYHOUR_MAX_CONCURRENT_CALLS="3") as running:
        for seed in range(200):
            ended = live(small, "--target", running.url, "--configure", "--seed", seed)
            assert_sound(ended, latest(small))
