"""``result.json``: everything a run found, for machines. Its shape is an interface.

``result.schema.json`` beside this file describes it. A change of shape raises ``SCHEMA_VERSION``.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from simulator.report.comparison import compare_checkpoints, expected_figures
from simulator.result import Interval, LiveFigures, RunResult
from simulator.results import CheckpointState, Held, RunOutcome
from simulator.verdict import Check

SCHEMA_VERSION: Final = 1


def document(result: RunResult) -> dict[str, Any]:
    """The document of one run: plain strings, integers, finite floats, lists and dicts only."""
    scenario = result.scenario
    judgement = result.judgement
    whole = {
        "schema_version": SCHEMA_VERSION,
        "scenario": {"name": scenario.name, "hash": scenario.digest, "seed": scenario.seed},
        "engine": result.engine,
        "verdict": judgement.verdict.value,
        "reason": judgement.reason,
        "observed": _counters(result.observed, {}),
        "expected": _counters(result.expected, result.bounds),
        "checkpoints": _checkpoints(result),
        "invariants": [_check(check) for check in judgement.invariants],
        "expectations": [_check(check) for check in judgement.expectations],
        "thresholds": [_check(check) for check in judgement.thresholds],
        "statistics": result.statistics.to_dict(),
        "trace_hash": result.trace_hash,
        "versions": dict(result.versions),
        "started_at": result.started_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "duration_s": result.duration_s,
        "target": result.target,
        "command": result.command,
        **_live(result.live),
    }
    return {key: _plain(value) for key, value in whole.items()}


def render(result: RunResult) -> bytes:
    """The document as indented ASCII, so that no reader can trip over an encoding."""
    return json.dumps(document(result), indent=2, allow_nan=False).encode("ascii") + b"\n"


def _counters(
    outcome: RunOutcome, bounds: Mapping[str | None, Mapping[str, Interval]]
) -> dict[str, Any]:
    def row_of(tenant: str | None, row: Sequence[int]) -> dict[str, Any]:
        return {
            name: {"min": figure.low, "max": figure.high}
            if isinstance(figure, Interval)
            else figure
            for name, figure in expected_figures(row, bounds.get(tenant, {})).items()
        }

    return {
        "total": row_of(None, outcome.total),
        "tenants": {name: row_of(name, row) for name, row in outcome.tenants.items()},
    }


def _live(live: LiveFigures | None) -> dict[str, Any]:
    """What only a run in wall-clock time has."""
    if live is None:
        return {}
    return {"latency": live.latency, "driver": live.driver, "notes": live.notes}


def _checkpoints(result: RunResult) -> list[dict[str, Any]]:
    return [
        {
            "at_us": line.at_us,
            "limit": line.limit,
            "observed": _slots(line.observed),
            "expected": _slots(line.expected),
            "ok": line.ok,
        }
        for line in compare_checkpoints(result)
    ]


def _slots(state: CheckpointState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "limit": state.limit,
        "total": _held(state.total),
        "tenants": {name: _held(held) for name, held in state.tenants.items()},
    }


def _held(held: Held) -> dict[str, int]:
    return {
        "pending": held.pending,
        "accepted": held.accepted,
        "active": held.active,
        "in_use": held.pending + held.accepted,
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "kind": check.kind,
        "ok": check.ok,
        "expected": check.expected,
        "observed": check.observed,
        "detail": check.detail,
    }


def _plain(value: object) -> Any:
    """The value in JSON's own types: array scalars unwrapped, a figure that is none as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    item = getattr(value, "item", None)
    figure = item() if item is not None else value
    return None if isinstance(figure, float) and not math.isfinite(figure) else figure
