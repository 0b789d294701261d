"""``result.json``: its shape, against the schema and against the sample's own figures."""

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any, NoReturn

import jsonschema
import numpy as np
import pytest

from simulator.report.result_json import document, render
from simulator.result import RunResult
from simulator.verdict import Check
from tests.report_samples import (
    HOSTILE,
    OTHER,
    SECOND,
    TOTAL_ROW,
    failing,
    nothing_to_judge,
    passing,
)

PUBLISHED_THEN_BESIDE = [
    "active_calls",
    "accepted_calls",
    "rejected_calls_capacity",
    "rejected_calls_tenant_not_configured",
    "rejected_calls_instructions_missing",
    "instructions_db_errors",
    "fallback_instructions_used",
    "started_calls",
    "ended_calls",
    "failed_calls",
    "referred_calls",
    "minutes_processed",
    "active_us_total",
    "offered_calls",
    "abandoned_pending",
    "abandoned_accepted",
]


def schema() -> Any:
    text = files("simulator.report").joinpath("result.schema.json").read_text("utf-8")
    found = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(found)
    return found


@pytest.mark.parametrize(
    "result",
    [passing(), failing(), passing(HOSTILE), nothing_to_judge()],
    ids=["pass", "fail", "hostile", "nothing"],
)
def test_the_document_is_strict_json_of_the_published_shape(result: RunResult) -> None:
    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is not JSON")

    parsed = json.loads(render(result), parse_constant=refuse)
    jsonschema.validate(parsed, schema())
    assert parsed == document(result)


@pytest.mark.parametrize("key", list(document(passing())))
def test_the_schema_asks_for_every_key(key: str) -> None:
    found = document(failing())
    del found[key]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, schema())


def test_the_schema_refuses_figures_it_does_not_know() -> None:
    found = document(passing())
    found["observed"]["total"]["rejected_calls_other"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, schema())


def test_counters_stand_in_published_order_with_their_own_values() -> None:
    found = document(failing())
    for side in ("observed", "expected"):
        for figures in (found[side]["total"], *found[side]["tenants"].values()):
            assert list(figures) == PUBLISHED_THEN_BESIDE
    assert list(found["expected"]["tenants"]) == ["acme", OTHER, "_unknown"]
    # 70 s on the expected side, 69 on the observed one: 7/6 and 23/20 of a minute.
    assert found["expected"]["total"]["minutes_processed"] == 7 / 6
    assert found["observed"]["total"]["minutes_processed"] == 1.15
    assert found["observed"]["total"]["active_us_total"] == 69 * SECOND
    assert found["observed"]["tenants"]["acme"]["accepted_calls"] == 3
    assert found["expected"]["tenants"]["acme"]["accepted_calls"] == 2


def test_a_checkpoint_shows_both_sides() -> None:
    first, second = document(failing())["checkpoints"]
    one = {"pending": 0, "accepted": 1, "active": 1, "in_use": 1}
    assert (first["at_us"], first["limit"], first["ok"]) == (20 * SECOND, 2, False)
    assert first["expected"]["tenants"] == {"acme": one, OTHER: one}
    assert first["observed"]["tenants"][OTHER] == {
        "pending": 0,
        "accepted": 2,
        "active": 1,
        "in_use": 2,
    }
    assert first["observed"]["total"] == {"pending": 0, "accepted": 3, "active": 2, "in_use": 3}
    assert (second["at_us"], second["limit"], second["ok"]) == (40 * SECOND, 1, True)


def test_a_checkpoint_that_one_side_did_not_reach_is_not_ok() -> None:
    result = passing()
    result = replace(
        result, observed=replace(result.observed, checkpoints=result.observed.checkpoints[1:])
    )
    first, second = document(result)["checkpoints"]
    assert (first["observed"], first["ok"]) == (None, False)
    assert first["expected"]["total"]["in_use"] == 2
    assert second["ok"]
    jsonschema.validate(document(result), schema())


def test_array_scalars_and_figures_that_are_none_become_plain_json() -> None:
    result = passing()
    row = tuple(np.array(TOTAL_ROW))
    check = Check("odd", "threshold", False, float("inf"), np.float64("nan"))
    result = replace(
        result,
        observed=replace(result.observed, total=row),
        judgement=replace(result.judgement, thresholds=(check,)),
    )
    found = json.loads(render(result))
    assert found["observed"]["total"]["offered_calls"] == 7
    assert found["thresholds"][0]["expected"] is None
    assert found["thresholds"][0]["observed"] is None


def test_where_and_when_it_was_made() -> None:
    found = document(passing())
    assert found["schema_version"] == 1
    assert found["scenario"] == {"name": "seven-calls", "hash": "5ce7" * 16, "seed": 7}
    assert found["started_at"] == "2026-03-04T05:06:07.890000Z"
    assert (found["verdict"], found["engine"]) == ("pass", "http")
