"""What ``busyhour fit --json`` prints: reading, fit and comparison as plain data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from simulator.cdr.recorded import RecordedCalls
from simulator.fit.comparison import Comparison
from simulator.fit.fitted import Fitted

SCHEMA_VERSION: Final = 1


def fit_document(
    log: RecordedCalls,
    fitted: Fitted,
    comparison: Comparison | None,
    output: Path,
    page: Path | None,
) -> Mapping[str, Any]:
    """One JSON object; times in microseconds, shares from 0 to 1."""
    suggestion = fitted.suggestion
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": str(output),
        "page": None if page is None else str(page),
        "log": {
            "files": [
                {
                    "path": str(each.path),
                    "bytes": each.nbytes,
                    "lines": each.lines,
                    "sha256": each.sha256,
                }
                for each in log.files
            ],
            "calls": len(log),
            "ends": {end.name.lower(): count for end, count in log.ends.items()},
            "from": None if log.clock is None else log.clock.origin.isoformat(),
            "first_us": log.from_us,
            "last_us": log.until_us - 1,
            "broken_lines": log.broken.count,
            "broken_examples": [str(each) for each in log.broken.examples],
            "notes": list(log.notes),
        },
        "fitted": {
            "cycle": fitted.grid.cycle.value,
            "duration_us": fitted.duration_us,
            "busiest_from_us": suggestion.busiest_from_us,
            "busiest_until_us": suggestion.busiest_until_us,
            "busiest_erlangs": suggestion.erlangs,
            "max_concurrent_calls": suggestion.slots,
            "blocking": suggestion.blocking,
            "peakedness": fitted.dispersion.peakedness,
            "tenants": {
                each.tenant_id: {
                    "name": each.name,
                    "offers": each.offers,
                    "answered": each.answered,
                    "hold": each.hold.chosen_name,
                    "hold_us_mean": each.hold.mean_us,
                    "hold_cv": each.hold.cv,
                    "slot_us_mean": each.slot_us_mean,
                }
                for each in fitted.tenants
            },
            "notes": list(fitted.notes),
            "warnings": list(fitted.warnings),
        },
        "comparison": None if comparison is None else _compared(comparison),
    }


def _compared(comparison: Comparison) -> dict[str, Any]:
    return {
        "max_concurrent_calls": comparison.capacity,
        "replications": comparison.replications,
        "window_us": comparison.window_us,
        "interval_us": comparison.interval_us,
        "calls": comparison.calls,
        "measures": {
            each.key: {
                "log": each.log,
                "mean": each.mean,
                "low": each.low,
                "high": each.high,
                "runs": list(each.runs),
            }
            for each in comparison.measures
        },
    }
