"""The JSON Schema that editors use: current, valid, and neither too wide nor too narrow."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from simulator.scenario_file import json_schema

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SHIPPED = sorted(SCENARIOS.rglob("*.yaml"))


def tree_of(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema())


def test_the_committed_schema_is_current() -> None:
    committed = (SCENARIOS / "scenario.schema.json").read_text(encoding="utf-8")
    assert committed == json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_a_copy_may_be_changed() -> None:
    json_schema().clear()
    assert json_schema()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenarios_fit(validator: jsonschema.Draft202012Validator, path: Path) -> None:
    assert [error.message for error in validator.iter_errors(tree_of(path))] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("name", "with space"),
        ("duration", 90),
        ("duration", "0s"),
        ("duration", "1h 30m"),
        ("drain", "no"),
        ("seed", -1),
        ("seed", 1.5),
        ("warmup", "5m"),
        ("warm_up", None),
        ("tenants", {}),
        ("capacity.max_concurrent_calls", 0),
        ("capacity.max_concurrent_calls", True),
        ("capacity.changes", [{"at": "5m"}]),
        ("capacity.deadlines", {"pending": "0s"}),
        ("tenants.acme.hold", "3"),
        ("tenants.acme.hold", {"type": "lognormal", "mean": "3m"}),
        ("tenants.acme.hold", {"type": "uniform", "low": "1s", "cv": 0.5}),
        ("tenants.acme.hold", {"type": "uniform", "low": "1s", "high": "2s", "cv": 0.5}),
        ("tenants.acme.hold", {"type": "erlang", "mean": "1s"}),
        ("tenants.acme.hold", {"type": "hyperexponential", "mean": "1s", "cv": 0.9}),
        ("tenants.acme.hold", {"type": "empirical", "values": ["1s"], "file": "x.csv"}),
        (
            "tenants.acme.hold",
            {"type": "mixture", "parts": [{"type": "exponential", "mean": "1s"}]},
        ),
        ("tenants.acme.arrivals", {"type": "poisson"}),
        ("tenants.acme.arrivals", {"type": "poisson", "rate": "1/s", "erlangs": 3}),
        ("tenants.acme.arrivals", {"type": "exact_count", "count": 1, "erlangs": 3}),
        ("tenants.acme.arrivals", {"type": "batch", "size": 2, "erlangs": 3}),
        ("tenants.acme.arrivals", {"type": "renewal", "rate": "1/s", "cv": 1}),
        (
            "tenants.acme.arrivals",
            {"type": "trace", "file": "x.csv", "columns": {"start": "t", "hold": "d"}},
        ),
        ("tenants.acme.arrivals", {"type": "poison", "rate": "1/s"}),
        ("tenants.acme.outcomes", {"failed": 1.1}),
        ("tenants.acme.max_concurrent_calls", "none"),
        ("tenants._unknown", {"arrivals": {"type": "exact_count", "count": 1}, "hold": "1s"}),
        ("tenants.fine", {"arrivals": {"type": "exact_count", "count": 1}}),
        ("faults", [{"kind": "event_lost", "event": "offer", "probability": 1}]),
        ("faults", [{"kind": "event_reordered", "event": "end", "probability": 1}]),
        ("faults", [{"kind": "event_late", "event": "end", "probability": 1}]),
        ("checkpoints", {"every": "0s"}),
        ("expect.total", {"accepted_call": 1}),
        ("expect.total", {"accepted_calls": {}}),
        ("thresholds", {"blockin": ["value<1"]}),
        ("thresholds", {"occupancy{tenant:acme}": ["value<1"]}),
        ("thresholds", {"blocking": ["p95<1"]}),
        ("thresholds", {"blocking": []}),
    ],
)
def test_usual_mistakes_do_not(
    validator: jsonschema.Draft202012Validator, path: str, value: Any
) -> None:
    tree = copy.deepcopy(tree_of(SCENARIOS / "smoke.yaml"))
    holder = tree
    *steps, last = path.split(".")
    for step in steps:
        holder = holder[step]
    holder[last] = value
    assert not validator.is_valid(tree)


def test_a_finite_source_has_no_redials(validator: jsonschema.Draft202012Validator) -> None:
    tree = tree_of(SCENARIOS / "smoke.yaml")
    tree["tenants"]["bakery"]["arrivals"] = {"type": "finite_source", "sources": 3, "think": "1m"}
    assert not validator.is_valid(tree)
    del tree["tenants"]["bakery"]["redial"]
    assert validator.is_valid(tree)
