"""Plans and sweeps as JSON and CSV: the same keys and columns every time."""

import csv
import io
from dataclasses import asdict
from typing import Any, Final

from simulator.planning.estimate import Estimate
from simulator.planning.measure import Point
from simulator.planning.result import Plan
from simulator.planning.sweep import Sweep

SCHEMA_VERSION: Final = 1


def plan_document(plan: Plan) -> dict[str, Any]:
    """The fields of :class:`Plan`, the target as its text. Times are in microseconds."""
    return {"schema_version": SCHEMA_VERSION, **asdict(plan), "target": str(plan.target)}


def sweep_document(sweep: Sweep) -> dict[str, Any]:
    """The fields of :class:`Sweep`; each point's values by key. Times are in microseconds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": sweep.scenario,
        "keys": list(sweep.keys),
        "replications": sweep.replications,
        "confidence": sweep.confidence,
        "interval_us": sweep.interval_us,
        "points": [
            {
                "values": dict(zip(sweep.keys, point.values, strict=True)),
                "overrides": list(point.overrides),
                "seed": point.seed,
                "digest": point.digest,
                "figures": asdict(point.figures),
            }
            for point in sweep.points
        ],
    }


_SHARES: Final = (
    "blocking",
    "first_attempt_blocking",
    "eventual_loss",
    "time_congestion",
    "occupancy",
)


def sweep_csv(sweep: Sweep) -> str:
    """One row a point: its values, the figures with their intervals, then blocking by tenant.

    A share has columns NAME, NAME_low and NAME_high; one that is not defined is left empty.
    """
    tenants = list(dict.fromkeys(name for point in sweep.points for name in point.figures.tenants))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = [*sweep.keys, "max_concurrent_calls", "replications", "offered_calls"]
    for name in (*_SHARES, *(["worst_interval_blocking"] if sweep.interval_us else [])):
        header += _named(name)
    header += ["carried_erlangs", "carried_minutes", "peak_in_use"]
    for tenant in tenants:
        header += _named(f"blocking{{tenant:{tenant}}}")
    writer.writerow(header)
    for point in sweep.points:
        row = [*point.values, *_row(point.figures, has_interval=sweep.interval_us is not None)]
        for tenant in tenants:
            found = point.figures.tenants.get(tenant)
            row += _cells(None if found is None else found.blocking)
        writer.writerow(row)
    return text.getvalue()


def _row(figures: Point, *, has_interval: bool) -> list[object]:
    row: list[object] = [
        figures.max_concurrent_calls,
        figures.replications,
        repr(figures.offered_calls),
    ]
    for name in _SHARES:
        row += _cells(getattr(figures, name))
    if has_interval:
        worst = figures.worst_interval
        row += _cells(None if worst is None else worst.blocking)
    return [
        *row,
        repr(figures.carried_erlangs),
        repr(figures.carried_minutes),
        figures.peak_in_use,
    ]


def _named(name: str) -> list[str]:
    return [name, f"{name}_low", f"{name}_high"]


def _cells(estimate: Estimate | None) -> list[str]:
    if estimate is None:
        return ["", "", ""]
    return [repr(estimate.value), repr(estimate.low), repr(estimate.high)]
