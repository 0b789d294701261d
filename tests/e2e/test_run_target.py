"""``busyhour run --target``: a service somebody else runs is judged, and left as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running import SMALL, TOKENS, VIRTUAL, Ended, Running, busyhour, service


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Running]:
    with service(tmp_path, BUSYHOUR_MAX_CONCURRENT_CALLS="3", **VIRTUAL) as running:
        yield running


def run(path: Path, running: Running, *options: str, **env: str) -> Ended:
    return busyhour(
        "run", path, "--target", running.url, "--json", *options,
        cwd=path.parent, env={**TOKENS, **env},
    )  # fmt: skip


def inconclusive(ended: Ended) -> str:
    assert ended.code == 3, ended.out
    (document,) = ended.documents
    assert document["verdict"] == "inconclusive"
    reason: str = document["reason"]
    assert reason.splitlines()[0] in ended.err
    return reason


def test_an_idle_target_is_set_up_judged_by_differences_and_judged_again(
    small: Path, target: Running
) -> None:
    first = run(small, target, "--configure")
    assert first.code == 0, first.err
    after_first = target.capacity()
    assert after_first["total"]["offered_calls"] == 80
    assert after_first["max_concurrent_calls"] == 3

    # Nothing need be changed any more, and what was counted before does not matter.
    second = run(small, target)
    assert second.code == 0, second.err
    (document,) = second.documents
    assert document["observed"]["total"]["offered_calls"] == 80
    assert document["target"] == target.url
    assert target.capacity()["total"]["offered_calls"] == 160
    assert target.capacity()["at_us"] > after_first["at_us"]


def test_without_leave_nothing_is_changed_and_the_difference_is_named(
    small: Path, target: Running
) -> None:
    before = target.capacity()
    assert "tenants.acme.configured is false there, true here" in inconclusive(run(small, target))
    assert target.capacity() == before

    assert run(small, target, "--configure").code == 0
    target.client.patch(
        "/api/v1/capacity",
        json={"max_concurrent_calls": 4, "at_us": target.capacity()["at_us"]},
    ).raise_for_status()
    reason = inconclusive(run(small, target))
    assert "max_concurrent_calls is 4 there, 3 here" in reason
    assert "--configure" in reason


def test_slots_kept_for_a_tenant_the_scenario_does_not_know_need_leave_to_be_given_up(
    small: Path, target: Running
) -> None:
    assert run(small, target, "--configure").code == 0
    at_us = target.capacity()["at_us"]
    target.client.post(
        "/api/v1/tenants", json={"tenant_id": "other", "reserved_calls": 1, "at_us": at_us}
    ).raise_for_status()
    assert "tenants.other.reserved_calls" in inconclusive(run(small, target))
    assert run(small, target, "--configure").code == 0
    other = target.capacity()["tenants"]["other"]
    assert (other["configured"], other["reserved_calls"]) == (True, 0)


def test_limits_that_change_during_the_run_need_leave_too(small: Path, target: Running) -> None:
    assert run(small, target, "--configure").code == 0
    changing = small.with_name("changing.yaml")
    changing.write_text(
        SMALL.replace(
            "capacity: {max_concurrent_calls: 3}",
            "capacity: {max_concurrent_calls: 3, changes: [{at: 5m, max_concurrent_calls: 2}]}",
        )
    )
    assert "--configure" in inconclusive(run(changing, target))
    assert run(changing, target, "--configure").code == 0
    assert target.capacity()["max_concurrent_calls"] == 2


def test_a_busy_target_is_left_alone(small: Path, target: Running) -> None:
    assert run(small, target, "--configure").code == 0
    at_us = target.capacity()["at_us"]
    admitted = target.call_event("", call_id="mine", tenant_id="acme", at_us=at_us)
    assert admitted["decision"] == "admitted"
    before = target.capacity()
    assert "in use: 1 calls" in inconclusive(run(small, target))
    assert target.capacity() == before


def test_a_target_on_the_system_clock_cannot_be_exact(small: Path, tmp_path: Path) -> None:
    with service(tmp_path, BUSYHOUR_MAX_CONCURRENT_CALLS="3") as running:
        assert "system clock" in inconclusive(run(small, running, "--configure"))


def test_a_wrong_token_and_a_closed_door_are_inconclusive(small: Path, target: Running) -> None:
    assert "token" in inconclusive(run(small, target, BUSYHOUR_ADMIN_TOKEN="wrong"))
    nobody = Running("http://127.0.0.1:1", target.client)
    assert "did not answer" in inconclusive(run(small, nobody))


def test_other_deadlines_than_the_scenarios_are_named_and_nothing_is_sent(
    small: Path, target: Running
) -> None:
    small.write_text(SMALL.replace("calls: 3}", "calls: 3, deadlines: {active: 1m}}"))
    before = target.capacity()
    assert inconclusive(run(small, target, "--configure")) == (
        f"{target.url} lets calls stay active for ever, the scenario for 1m; "
        "start it with BUSYHOUR_ACTIVE_DEADLINE_S=60.000000"
    )
    assert target.capacity() == before


def test_deadlines_the_scenario_lacks_are_named_and_agreeing_ones_are_played(
    small: Path, tmp_path: Path
) -> None:
    settings = {"BUSYHOUR_MAX_CONCURRENT_CALLS": "3", "BUSYHOUR_ACTIVE_DEADLINE_S": "60"}
    with service(tmp_path, **settings, **VIRTUAL) as running:
        assert inconclusive(run(small, running, "--configure")) == (
            f"{running.url} lets calls stay active for 1m, the scenario for ever; "
            "start it without BUSYHOUR_ACTIVE_DEADLINE_S"
        )
        small.write_text(SMALL.replace("calls: 3}", "calls: 3, deadlines: {active: 1m}}"))
        agreed = run(small, running, "--configure")
        assert agreed.code == 0, agreed.err


def test_live_deadlines_are_those_of_the_scenario_over_the_speed(
    small: Path, tmp_path: Path
) -> None:
    small.write_text(SMALL.replace("calls: 3}", "calls: 3, deadlines: {active: 1m}}"))
    with service(tmp_path, BUSYHOUR_ACTIVE_DEADLINE_S="60") as running:
        live = ("--configure", "--engine", "live", "--speed", "60")
        assert inconclusive(run(small, running, *live)) == (
            f"{running.url} lets calls stay active for 1m, the scenario for 1s at speed 60; "
            "start it with BUSYHOUR_ACTIVE_DEADLINE_S=1.000000"
        )
