"""A comparison of sharing policies as JSON: the same keys every time."""

from dataclasses import asdict
from typing import Any

from simulator.planning.documents import SCHEMA_VERSION
from simulator.planning.policies.result import Comparison


def comparison_document(found: Comparison) -> dict[str, Any]:
    """The fields of :class:`Comparison`, the target as its text. Times are in microseconds."""
    return {"schema_version": SCHEMA_VERSION, **asdict(found), "target": str(found.target)}
