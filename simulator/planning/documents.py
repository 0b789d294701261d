"""Plans as JSON: plain mappings, the same keys every time."""

from dataclasses import asdict
from typing import Any, Final

from simulator.planning.result import Plan

SCHEMA_VERSION: Final = 1


def plan_document(plan: Plan) -> dict[str, Any]:
    """The fields of :class:`Plan`, the target as its text. Times are in microseconds."""
    return {"schema_version": SCHEMA_VERSION, **asdict(plan), "target": str(plan.target)}
