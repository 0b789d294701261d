"""``busyhour policies``: what it prints, what it refuses, and how it leaves."""

import json
import pickle
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app
from simulator.planning.policies.comparing import Options, compare_policies
from simulator.planning.policies.given import Given, asked_of
from simulator.planning.target import Target
from simulator.scenario_file.load import ScenarioSource

SCENARIO = """\
version: 1
name: office
description: three customers, one with a cap and one with a guarantee that is given up for a while
seed: 5
duration: 2h
warm_up: 10m
capacity:
  max_concurrent_calls: 10
  changes:
    - {at: 1h, tenants: {beta: {reserved_calls: 0}}}
    - {at: 90m, tenants: {beta: {reserved_calls: 2}, gone: {enabled: false}}}
tenants:
  acme:
    max_concurrent_calls: 7
    arrivals: {type: poisson, erlangs: 5}
    hold: {type: exponential, mean: 30s}
  beta:
    reserved_calls: 2
    arrivals: {type: poisson, erlangs: 2}
    hold: {type: exponential, mean: 30s}
  gone:
    arrivals: {type: poisson, rate: 10/h}
    hold: 10s
"""


@pytest.fixture
def office(tmp_path: Path) -> Path:
    path = tmp_path / "office.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def invoke(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["policies", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


QUICK = ("--replications", 6)
NO_SLOTS = (*QUICK, "--no-slots")
PLAIN = ("--policy", "caps", "--policy", "trunk reservation")
"""Without priority, which takes long to compile."""


def document_of(*arguments: object) -> dict[str, object]:
    code, printed, complaints = invoke(*arguments, "--json")
    assert (code, complaints) == (0, "")
    document = json.loads(printed)
    assert isinstance(document, dict)
    return document


def named(document: dict[str, object], name: str) -> dict[str, object]:
    policies = document["policies"]
    assert isinstance(policies, list)
    return next(each for each in policies if each["name"] == name)


def test_policies_are_printed_side_by_side(office: Path) -> None:
    code, printed, complaints = invoke(office, *QUICK, "--target", "blocking<0.1", *PLAIN)
    assert (code, complaints) == (0, "")
    for said in (
        "office: 10 slots shared in 5 ways, 6 replications of the same calls",
        "Who loses how much",
        "How unfair",
        "Jain's index",
        "Who is hurt when acme offers 2 times its calls",
        "What it costs: slots needed for blocking<0.1 of every tenant",
        "What each policy sets",
        "- caps: nobody may hold more slots than it needs by itself to meet the target",
        "- trunk reservation: calls of acme are admitted only while some slots stay free",
        "Under as written limits of tenants change during the run",
    ):
        assert said in " ".join(printed.split())
    assert "priority" not in printed


def test_every_policy_hears_the_same_calls(office: Path) -> None:
    document = document_of(
        office, *NO_SLOTS, *PLAIN, "--policy", "mine: tenants.acme.max_concurrent_calls=7"
    )
    policies = document["policies"]
    assert isinstance(policies, list)
    assert len(policies) == 6
    offered = [
        {each["tenant"]: each["offered_calls"] for each in policy["tenants"]} for policy in policies
    ]
    assert all(each == offered[0] for each in offered)
    assert set(offered[0]) == {"acme", "beta", "gone"}
    # What the file says, said again, is the same to the last call.
    written, mine = dict(named(document, "as written")), dict(named(document, "mine"))
    assert written["lost"] == mine["lost"]
    assert written["tenants"] == mine["tenants"]


def test_the_document_is_that_of_the_result_and_the_same_again(office: Path) -> None:
    arguments = (office, *QUICK, "--target", "blocking<0.1", *PLAIN)
    document = document_of(*arguments)
    assert document_of(*arguments, "--workers", 3) == document
    assert document["schema_version"] == 1
    assert document["target"] == "blocking<0.1"
    assert document["protected"] == ["acme", "beta", "gone"]
    assert document["favoured"] == ["beta", "gone"]
    assert document["overload"] == {"tenant": "acme", "factor": 2.0}
    one = named(document, "one pool")
    assert one["over_one_pool"] is None
    slots = one["slots"]
    assert isinstance(slots, dict)
    assert slots["least_possible"] <= slots["needed"] <= slots["surely_enough"]
    assert slots["in_overload"] > slots["needed"]
    assert named(document, "as written")["keys"] == [
        "capacity.max_concurrent_calls=10",
        "tenants.acme.max_concurrent_calls=7",
        "tenants.beta.reserved_calls=2",
    ]


def test_a_result_can_be_pickled(office: Path) -> None:
    given = Given(ScenarioSource(office), (), None, asked_of(["caps"]))
    options = Options(Target("blocking", 0.1, True), replications=3, has_slots=False)
    found = compare_policies(given, options)
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize("name", ["caps", "guaranteed minimum", "trunk reservation"])
def test_the_keys_printed_of_a_policy_give_it_back(office: Path, name: str) -> None:
    found = named(document_of(office, *NO_SLOTS, "--policy", name), name)
    keys = found["keys"]
    assert isinstance(keys, list)
    again = document_of(office, *NO_SLOTS, "--policy", f"{name}: {', '.join(keys)}")
    for what in ("parameters", "keys", "tenants", "fairness"):
        assert named(again, name)[what] == found[what]


def test_a_policy_of_another_kind_puts_the_files_own_aside(office: Path) -> None:
    """Also where the file, and --set, say of tenants what that kind has no place for."""
    text = office.read_text(encoding="utf-8").replace(
        "capacity:", "thresholds: {preempted_calls: ['value>=0']}\ncapacity:\n  policy: priority"
    )
    for keys in (
        "beta: {reserved_calls: 2}, ",
        "    - {at: 1h, tenants: {beta: {reserved_calls: 0}}}\n",
        "    reserved_calls: 2\n",
    ):
        assert keys in text
        text = text.replace(keys, "")
    office.write_text(text, encoding="utf-8")
    document = document_of(
        office, *NO_SLOTS, "--set", "tenants.beta.priority=1",
        "--policy", "trunk reservation: tenants.acme.leave_free=4",
    )  # fmt: skip
    assert named(document, "as written")["keys"] == [
        "capacity.max_concurrent_calls=10",
        "capacity.policy=priority",
        "tenants.acme.max_concurrent_calls=7",
        "tenants.beta.priority=1",
    ]
    reserved = named(document, "trunk reservation")["parameters"]
    assert isinstance(reserved, list)
    assert [each["leave_free"] for each in reserved] == [4, 0, 0]
    assert {each["max_concurrent_calls"] for each in reserved} == {None}


def test_a_built_in_policy_with_keys_keeps_the_rest_as_derived(office: Path) -> None:
    document = document_of(office, *NO_SLOTS, *PLAIN)
    changed = document_of(
        office, *NO_SLOTS, "--policy", "caps: tenants.acme.max_concurrent_calls=3"
    )
    before, after = named(document, "caps")["keys"], named(changed, "caps")["keys"]
    assert isinstance(before, list)
    assert isinstance(after, list)
    assert "tenants.acme.max_concurrent_calls=3" in after
    acme = [key for key in before if key.startswith("tenants.acme.")]
    assert set(before) - set(acme) == set(after) - {"tenants.acme.max_concurrent_calls=3"}


def test_those_protected_are_preferred_and_alone_must_meet_the_target(office: Path) -> None:
    arguments = (office, *QUICK, "--policy", "trunk reservation", "--overload", "beta=x3")
    document = document_of(*arguments, "--protect", "gone", "--target", "blocking<0.05")
    assert document["protected"] == document["favoured"] == ["gone"]
    assert document["overload"] == {"tenant": "beta", "factor": 3.0}
    reserved = named(document, "trunk reservation")["parameters"]
    assert isinstance(reserved, list)
    assert {each["tenant"] for each in reserved if each["leave_free"]} == {"acme", "beta"}
    same = document_of(*arguments, "--target", "blocking{tenant:gone}<0.05")
    assert same == document
    everybody = document_of(*arguments, "--target", "blocking<0.05")
    for name in ("one pool", "trunk reservation"):
        few, many = named(document, name)["slots"], named(everybody, name)["slots"]
        assert isinstance(few, dict)
        assert isinstance(many, dict)
        assert few["needed"] <= many["needed"]


def test_nobody_need_overload(office: Path) -> None:
    document = document_of(office, *QUICK, *PLAIN, "--overload", "none")
    assert document["overload"] is None
    code, printed, _ = invoke(office, *QUICK, *PLAIN, "--overload", "none")
    assert code == 0
    assert "Who is hurt" not in printed
    assert "overload" not in printed


def test_calls_from_a_log_cannot_be_multiplied(office: Path) -> None:
    log = office.parent / "calls.csv"
    rows = [f"{second}" for second in range(600, 7000, 40)]
    log.write_text("\n".join(["start", *rows]) + "\n", encoding="utf-8")
    code, printed, complaints = invoke(
        office, *NO_SLOTS, *PLAIN, "--overload", "gone=x2",
        "--set", "tenants.gone.arrivals={type: trace, file: calls.csv, columns: {start: start}}",
    )  # fmt: skip
    assert (code, complaints) == (0, "")
    assert "No overload was played: the calls of 'gone' are read from a log." in printed


def test_the_result_is_written_where_it_is_asked_for(office: Path) -> None:
    path = office.parent / "policies.json"
    code, printed, _ = invoke(office, *NO_SLOTS, *PLAIN, "--output", path, "--json")
    assert code == 0
    assert path.read_text(encoding="utf-8") == printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "cps"), "did you mean 'caps'"),
        (("--policy", "gold"), "for one of your own write 'NAME: KEY=VALUE, KEY=VALUE'"),
        (("--policy", "caps:"), "has no keys"),
        (("--policy", ": tenants.acme.reserved_calls=1"), "has no name"),
        (("--policy", "mine: tenants.acme"), "'tenants.acme' is not KEY=VALUE"),
        (("--policy", "caps", "--policy", "caps"), "is given twice"),
        (("--policy", "as written: tenants.acme.reserved_calls=1"), "choose another name"),
        (("--policy", "one pool: tenants.acme.reserved_calls=1"), "measured by"),
        (("--policy", "mine: tenants.acme.hold=3s"), "changes the calls themselves"),
        (("--policy", "mine: seed=4"), "changes the calls themselves"),
        (
            ("--policy", "mine: capacity.changes=[{at: 1h, tenants: {acme: {enabled: false}}}]"),
            "changes the calls themselves",
        ),
        (
            ("--policy", "mine: tenants.acm.reserved_calls=1"),
            "--policy 'mine': tenants.acm: is not in the scenario; did you mean 'acme'?",
        ),
        (
            ("--policy", "mine: tenants.acme.reserved_calls=8"),
            "--policy 'mine': tenants.acme.reserved_calls: 8 reserved slots are more than",
        ),
        (
            ("--policy", "mine: tenants.acme.leave_free=2"),
            "--policy 'mine': tenants.acme.leave_free: leave_free needs capacity.policy",
        ),
        (
            ("--policy", "mine: capacity.changes=[{at: 1h, max_concurrent_calls: 5}]"),
            "compared at one limit for the whole run",
        ),
        (
            ("--set", "capacity.changes=[{at: 1h, max_concurrent_calls: 5}]"),
            "compared at one limit for the whole run",
        ),
        (("--protect", "acm"), "did you mean 'acme'"),
        (("--overload", "acme"), "'acme' is not TENANT=xFACTOR"),
        (("--overload", "acm=x2"), "did you mean 'acme'"),
        (("--overload", "acme=x1"), "must be a factor above 1"),
        (("--target", "time_congestion<0.1"), "write blocking<0.1"),
        (("--target", "blockng<0.1"), "did you mean 'blocking'"),
        (("--confidence", "95"), "write a share like 0.95"),
        (("--output", "policies.csv"), "must end in .json"),
        (("--output", "nowhere/policies.json"), "there is no directory nowhere"),
        (("--set", "tenants.acme.hld=3s"), "did you mean 'hold'"),
        (
            ("--set", "tenants.beta.enabled=false", "--set", "tenants.gone.enabled=false"),
            "something to share from two on",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(
    office: Path, arguments: tuple[object, ...], said: str
) -> None:
    code, printed, complaints = invoke(office, *NO_SLOTS, *arguments)
    assert code == 2
    assert said in complaints
    assert not printed


def test_the_help_names_every_built_in_policy() -> None:
    from simulator.planning.policies.rules import BUILT_IN

    printed = " ".join(invoke("--help")[1].replace("│", " ").split())
    assert f"Built in: {', '.join(BUILT_IN)}." in printed
