"""The guide to scenario files tells the truth: its examples load, and no key is left out."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.calls import COUNTER_NAMES
from simulator.oracle import expect
from simulator.scenario_file import json_schema, load_scenario
from simulator.traffic import build_trace

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guides" / "scenario-files.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
WHOLE = [text for text in BLOCKS if text.startswith("version")]
PARTS = [text for text in BLOCKS if not text.startswith(("version", "#"))]

SECTIONS = {"arrivals": "Arrivals", "hold": "Distributions", "faults": "Faults"}
"""The key of the file that the examples in a section's table are for."""

BASE = """
version: 1
name: example
duration: 1h
tenants:
  acme: {hold: 1m, arrivals: {type: poisson, rate: 1/m}}
  brook: {hold: 1m, arrivals: {type: poisson, rate: 1/m}}
"""


def examples() -> Iterator[tuple[str, str]]:
    for key, title in SECTIONS.items():
        section = GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]
        for example in re.findall(r"^\| `\w+` \| `(\{.*?\})` \|", section, re.MULTILINE):
            yield key, example


EXAMPLES = list(examples())


def loads(text: str, directory: Path) -> None:
    path = directory / "example.yaml"
    path.write_text(text, encoding="utf-8")
    load_scenario(path)


@pytest.mark.parametrize("text", WHOLE, ids=[f"file{place}" for place in range(len(WHOLE))])
def test_whole_files_load(text: str, tmp_path: Path) -> None:
    loads(text, tmp_path)


@pytest.mark.parametrize("part", PARTS, ids=[part.partition(":")[0] for part in PARTS])
def test_parts_load_in_a_file(part: str, tmp_path: Path) -> None:
    limit = "" if part.startswith("capacity") else "capacity: {max_concurrent_calls: 9}\n"
    loads(BASE + limit + part, tmp_path)


def test_each_table_has_its_examples() -> None:
    kinds = {
        key: len([example for section, example in EXAMPLES if section == key]) for key in SECTIONS
    }
    # A trace needs its file, and a bare duration has no type.
    assert kinds == {"arrivals": 10, "hold": 11, "faults": 9}


@pytest.mark.parametrize(
    ("key", "example"),
    EXAMPLES,
    ids=[f"{key}-{re.findall('[a-z_]+', example)[1]}" for key, example in EXAMPLES],
)
def test_examples_in_tables_load(key: str, example: str, tmp_path: Path) -> None:
    tenant = {"hold": "1m", "arrivals": "{type: poisson, rate: 1/m}"}
    faults = f"faults: [{example}]\n" if key == "faults" else ""
    if key in tenant:
        tenant[key] = example
    lines = "".join(f"    {name}: {value}\n" for name, value in tenant.items())
    loads(
        "version: 1\nname: example\nduration: 1h\ncapacity: {max_concurrent_calls: 9}\n"
        f"tenants:\n  acme:\n{lines}{faults}",
        tmp_path,
    )


def keys_and_kinds(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from keys_and_kinds(each)
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties", {})
    yield from properties
    yield from (
        each["const"] for each in properties.values() if isinstance(each, dict) and "const" in each
    )
    for each in schema.values():
        yield from keys_and_kinds(each)


def test_every_key_and_kind_stands_in_it() -> None:
    named = set(re.findall(r"[A-Za-z_0-9]+", GUIDE))
    wanted = {str(word) for word in keys_and_kinds(json_schema())}
    assert len(wanted) > 60
    assert sorted(wanted - named) == []


def test_the_calls_given_one_by_one_come_to_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "last-slot.yaml"
    path.write_text(WHOLE[-1], encoding="utf-8")
    scenario = load_scenario(path)
    total = dict(zip(COUNTER_NAMES, expect(build_trace(scenario)).total, strict=True))
    assert {each.counter: (each.low, each.high) for each in scenario.expect} == {
        counter: (total[counter], total[counter])
        for counter in (
            "offered_calls",
            "accepted_calls",
            "rejected_calls_capacity",
            "failed_calls",
        )
    }
