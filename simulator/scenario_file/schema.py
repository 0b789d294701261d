"""The JSON Schema of scenario files: what pydantic derives from the model, tightened.

Pydantic says which keys there are and what each may hold. Added here is what several keys of one
mapping say together (a rate or erlangs, not both), the names of counters and statistics, and that
an empty value is never one.
"""

import copy
from functools import cache
from typing import Any, Final

from service.calls import COUNTER_NAMES, MINUTES_PROCESSED
from simulator.scenario_file.fields import TAG
from simulator.scenario_file.judging import (
    LATENCY_NAMES,
    STATISTIC_NAMES,
    TENANT_STATISTIC_NAMES,
    THRESHOLD_PATTERN,
)
from simulator.scenario_file.model import ScenarioShape

Json = dict[str, Any]

TENANT_ID_PATTERN: Final = r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"
_DISTRIBUTION: Final = "#/$defs/Distribution"
_OFFERED: Final = ("rate", "erlangs")


def scenario_schema() -> Json:
    """A fresh copy of the schema, free to be changed."""
    return copy.deepcopy(_schema())


@cache
def _schema() -> Json:
    schema = ScenarioShape.model_json_schema()
    defs: Json = schema.pop("$defs")
    _inline_weights(defs)
    schema["$defs"] = defs
    schema = _tidied(schema)
    defs = schema["$defs"]
    distribution = defs["RedialShape"]["properties"]["delay"]
    defs["Distribution"] = {
        "description": "a duration, or a distribution of durations",
        "oneOf": distribution["oneOf"],
    }
    schema = _with_distribution_named(schema, distribution["oneOf"])
    _add_rules(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "busyhour scenario",
        **schema,
    }


def _inline_weights(defs: Json) -> None:
    """A mixture's part is a distribution with one more key beside its own."""
    weight = defs["Part"]["properties"]["weight"]
    parts = []
    for branch in defs["Part"]["properties"][TAG]["oneOf"]:
        if "$ref" not in branch:
            # a bare duration has no room for a weight
            continue
        name = branch["$ref"].rsplit("/", 1)[1]
        shape = copy.deepcopy(defs[name])
        shape["properties"]["weight"] = weight
        shape["required"] = [*shape.get("required", []), "weight"]
        defs[f"Weighted{name}"] = shape
        parts.append({"$ref": f"#/$defs/Weighted{name}"})
    defs["Part"] = {"description": defs["Part"]["description"], "oneOf": parts}


def _tidied(node: Any, *, names: bool = False) -> Any:
    """Without titles, nulls and defaults (which are those of the model, not of the file).

    ``names``: the keys of ``node`` are names of keys, not keywords.
    """
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {key: _tidied(item) for key, item in node.items()}
    out = {
        key: _tidied(item, names=key in ("properties", "$defs"))
        for key, item in node.items()
        if key not in ("title", "discriminator", "default")
    }
    if "anyOf" in out:
        out["anyOf"] = [branch for branch in out["anyOf"] if branch != {"type": "null"}]
        if len(out["anyOf"]) == 1:
            out = {**out.pop("anyOf")[0], **out}
    return out


def _with_distribution_named(node: Any, branches: list[Any]) -> Any:
    if isinstance(node, list):
        return [_with_distribution_named(item, branches) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("oneOf") == branches and "a distribution of" not in node.get("description", ""):
        rest = {key: item for key, item in node.items() if key != "oneOf"}
        return {**rest, "$ref": _DISTRIBUTION}
    return {key: _with_distribution_named(item, branches) for key, item in node.items()}


def _exactly_one(*groups: tuple[str, ...]) -> list[Json]:
    """Each group of keys whole, and no key of another group."""
    return [
        {
            "required": list(group),
            "properties": {key: False for other in groups for key in other if key not in group},
        }
        for group in groups
    ]


def _add_rules(schema: Json) -> None:
    defs = schema["$defs"]
    for weighted in ("", "Weighted"):
        defs[f"{weighted}UniformShape"]["oneOf"] = _exactly_one(("low", "high"), ("mean", "cv"))
        defs[f"{weighted}ErlangShape"]["oneOf"] = _exactly_one(("phases",), ("cv",))
        defs[f"{weighted}ParetoShape"]["oneOf"] = _exactly_one(("low",), ("mean",))
        defs[f"{weighted}EmpiricalShape"]["oneOf"] = _exactly_one(("values",), ("file", "column"))
    for kind in ("Poisson", "Sinusoid", "FlashCrowd"):
        defs[f"{kind}Shape"]["oneOf"] = _exactly_one(("rate",), ("erlangs",))
    defs["RegularShape"]["oneOf"] = _exactly_one(("every",), ("rate",), ("erlangs",))
    defs["BatchShape"]["oneOf"] = _exactly_one(("every",), ("rate",))
    defs["RenewalShape"]["oneOf"] = _exactly_one(
        ("gap",), *((offered, "distribution", "cv") for offered in _OFFERED)
    )
    defs["ProfileShape"]["oneOf"] = _exactly_one(
        ("rates",), *(("shape", offered) for offered in _OFFERED)
    )
    peaks = _exactly_one(("peak_rate",), ("peak_factor",))
    defs["FlashCrowdShape"]["allOf"] = [{"oneOf": peaks}]
    defs["LogShape"]["if"] = {"required": ["tenant"]}
    defs["LogShape"]["then"] = {"properties": {"columns": {"required": ["tenant"]}}}
    _add_tenant_rules(defs)
    _add_judging_rules(defs, schema)


def _add_tenant_rules(defs: Json) -> None:
    defs["TenantShape"]["if"] = {
        "properties": {
            "arrivals": {
                "properties": {"type": {"const": "trace"}, "columns": {"required": ["hold"]}},
                "required": ["type", "columns"],
            }
        },
        "required": ["arrivals"],
    }
    defs["TenantShape"]["then"] = {"properties": {"hold": False}}
    defs["TenantShape"]["else"] = {"required": ["hold"]}
    defs["TenantShape"]["allOf"] = [
        {
            "if": {
                "properties": {"arrivals": {"properties": {"type": {"const": "finite_source"}}}},
                "required": ["arrivals"],
            },
            "then": {"properties": {"redial": False}},
        }
    ]
    for name, event in (("EventLost", "offer"), ("EventLate", "offer")):
        _without(defs[name]["properties"]["event"], event)
    for event in ("offer", "end", "hang_up"):
        _without(defs["EventReordered"]["properties"]["event"], event)
    defs["Change"]["anyOf"] = [{"required": ["max_concurrent_calls"]}, {"required": ["tenants"]}]
    defs["TenantChange"]["minProperties"] = 1
    defs["Range"]["minProperties"] = 1


def _without(event: Json, name: str) -> None:
    event["enum"] = [known for known in event["enum"] if known != name]


def _add_judging_rules(defs: Json, schema: Json) -> None:
    counters = {"enum": [*COUNTER_NAMES, MINUTES_PROCESSED]}
    expect = defs["Expect"]["properties"]
    expect["total"]["propertyNames"] = counters
    expect["tenants"]["additionalProperties"]["propertyNames"] = counters
    schema["properties"]["tenants"]["propertyNames"] = {
        "pattern": TENANT_ID_PATTERN,
        "not": {"const": "_unknown"},
    }
    thresholds = schema["properties"]["thresholds"]
    thresholds["additionalProperties"]["items"]["pattern"] = THRESHOLD_PATTERN
    ofall, ofone = "|".join((*STATISTIC_NAMES, *LATENCY_NAMES)), "|".join(TENANT_STATISTIC_NAMES)
    thresholds["propertyNames"] = {"pattern": rf"^(({ofall})|({ofone})\{{tenant:.+\}})$"}
