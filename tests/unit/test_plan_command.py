"""``busyhour plan``: what it prints, what it refuses, and how it leaves."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app

SCENARIO = """\
version: 1
name: office
description: two customers, the second calls in the second half hour only
seed: 5
duration: 1h
warm_up: 5m
capacity: {max_concurrent_calls: 1}
tenants:
  acme:
    arrivals: {type: poisson, erlangs: 6}
    hold: {type: exponential, mean: 30s}
    redial: {probability: 0.5, delay: 10s, max_attempts: 3}
  beta:
    max_concurrent_calls: 8
    arrivals:
      type: profile
      rates: [{from: 0s, rate: 1/h}, {from: 30m, rate: 8/m}]
    hold: {type: exponential, mean: 30s}
"""


@pytest.fixture
def office(tmp_path: Path) -> Path:
    path = tmp_path / "office.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def invoke(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["plan", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


QUICK = ("--max-replications", 16)


def test_a_plan_says_what_holds_and_why(office: Path) -> None:
    code, printed, complaints = invoke(
        office, "--target", "blocking<0.05", "--worst-interval", "15m", *QUICK,
        "--node-slots", 4, "--growth", "3%/month", "--horizon", 2,
    )  # fmt: skip
    assert (code, complaints) == (0, "")
    for said in (
        "slots for blocking<0.05",
        "time congestion",
        "In the worst interval, ",
        "Erlang B",
        "rejected callers try again (acme): they come back while it is still full [both].",
        "the rate varies over the run",
        "modified offered load",
        "load +10 %",
        "redial probability -25 %",
        "a node of 4 slots lost",
        "month 2: load +6.1 %",
        "With room for all, blocking would still be",
        "Assumptions:",
    ):
        assert said in " ".join(printed.split())


def test_the_document_has_it_all_and_is_the_same_again(office: Path) -> None:
    arguments = (office, "--target", "blocking<0.05", "--worst-interval", "15m", *QUICK, "--json")
    code, printed, _ = invoke(*arguments)
    assert code == 0
    document = json.loads(printed)
    answer = document["answer"]
    assert [point["max_concurrent_calls"] for point in document["points"]] == [
        answer - 1,
        answer,
        answer + 1,
    ]
    at = document["points"][1]
    assert at["blocking"]["high"] < 0.05
    assert at["worst_interval"]["blocking"]["value"] > at["blocking"]["value"]
    assert at["worst_interval"]["from_us"] >= 30 * 60_000_000
    assert document["worst_answer"] > answer
    assert set(at["tenants"]) == {"acme", "beta"}
    assert {row["kind"] for row in document["sensitivity"]["rows"]} == {"load", "hold", "redial"}
    values = [point["value"]["value"] for point in document["curve"]]
    assert values == sorted(values, reverse=True)
    assert [each["kind"] for each in document["formulas"]] == ["erlang_b", "modified_offered_load"]
    assert document["formulas"][0]["unknown"]
    assert [len(each["at_limits"]) for each in document["formulas"]] == 2 * [len(values)]
    at_answer = [each["value"] for each in document["target_values"]]
    assert at_answer == [point["blocking"] for point in document["points"]]
    held = document["concurrency"]
    assert [each["at_us"] for each in held] == [minute * 60_000_000 for minute in range(60)]
    assert held[0]["percentile_95"] <= 1  # at the start it is empty
    assert all(
        0 <= each["percentile_5"] <= each["median"] <= each["percentile_95"] <= answer
        for each in held
    )
    late = sum(each["median"] for each in held[45:]) / 15
    assert late > sum(each["median"] for each in held[10:25]) / 15  # beta calls late only
    assert invoke(*arguments, "--workers", 3)[1] == printed


def test_every_tenant_by_itself_needs_more(office: Path) -> None:
    together = invoke(office, "--target", "blocking<0.05", *QUICK, "--no-sensitivity", "--json")
    apart = invoke(
        office, "--target", "blocking<0.05", "--per-tenant", *QUICK, "--no-sensitivity", "--json",
        "--set", "tenants.beta.max_concurrent_calls=unlimited",
    )  # fmt: skip
    assert together[0] == apart[0] == 0
    document = json.loads(apart[1])
    at = document["points"][1]
    assert all(tenant["blocking"]["high"] < 0.05 for tenant in at["tenants"].values())
    values = {each["max_concurrent_calls"]: each["value"] for each in document["target_values"]}
    worst = max(tenant["blocking"]["value"] for tenant in at["tenants"].values())
    assert values[document["answer"]]["value"] == worst
    assert document["answer"] > json.loads(together[1])["answer"]
    below = document["points"][0]
    assert any(tenant["blocking"]["high"] > 0.05 for tenant in below["tenants"].values())


def test_a_target_out_of_reach_names_what_bounds_it(office: Path) -> None:
    code, printed, complaints = invoke(
        office, "--target", "blocking{tenant:beta}<0.001", *QUICK, "--json"
    )
    assert code == 3
    assert "with room for all" in complaints
    assert "limits of their own" in complaints
    assert json.loads(printed)["answer"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--target", "blockng<0.01"), "busyhour: --target: 'blockng' is not a statistic"),
        (("--target", "blockng<0.01"), "did you mean 'blocking'"),
        (("--target", "blocking<0.01", "--worst-interval", "15"), "--worst-interval: '15' has no"),
        (("--target", "blocking<0.01", "--worst-interval", "2h"), "longer than the run"),
        (("--target", "blocking<0.01", "--worst-interval", "0s"), "longer than nothing"),
        (("--target", "blocking<0.01", "--confidence", "95"), "write a share like 0.95"),
        (("--target", "blocking<0.01", "--confidence", "0.5"), "write a share like 0.95"),
        (("--target", "blocking<0.01", "--precision", "0"), "write a share like 0.001"),
        (("--target", "blocking<0.01", "--growth", "3%"), "write it like 3%/month"),
        (("--target", "blocking<0.01", "--growth", "300%/month"), "between -100 and 100"),
        (("--target", "blocking<0.01", "--growth", "50%/month"), "shorten --horizon"),
        (("--target", "blocking<0.01", "--horizon", 3), "of --growth; give that as well"),
        (("--target", "time_congestion<0.01", "--per-tenant"), "--per-tenant needs a target"),
        (
            ("--target", "blocking<0.01", "--no-sensitivity", "--node-slots", 3),
            "no place beside --no-sensitivity",
        ),
        (
            (
                "--target", "blocking<0.01",
                "--set", "capacity.changes=[{at: 1m, max_concurrent_calls: 3}]",
            ),
            "capacity.changes[0] sets max_concurrent_calls to 3 at 1m",
        ),
        (("--target", "blocking<0.01", "--set", "tenants.acme.hld=3s"), "did you mean 'hold'"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused(
    office: Path, arguments: tuple[object, ...], said: str
) -> None:
    code, printed, complaints = invoke(office, *arguments)
    assert code == 2
    assert said in complaints
    assert not printed


def test_nothing_offered_is_no_plan(office: Path) -> None:
    code, _, complaints = invoke(
        office, "--target", "blocking<0.05", *QUICK,
        "--set", "tenants.acme.enabled=false", "--set", "tenants.beta.enabled=false",
    )  # fmt: skip
    assert code == 3
    assert "nothing was offered" in complaints
