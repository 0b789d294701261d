"""The tables of the HTML page as plain rows; the template only sets them."""

from collections.abc import Sequence
from typing import Any, Final

from service.calls import COUNTER_NAMES, MINUTES_PROCESSED, Counter, Reason
from simulator.report.charts import draw_tenant
from simulator.report.comparison import REJECTED_AS, CheckpointLine, Comparison, figures
from simulator.report.figures import NOTHING, number
from simulator.report.series import Series
from simulator.result import RunResult
from simulator.results import CheckpointState
from simulator.verdict import Check, Judgement

MOST_TENANTS: Final = 60
"""Tenants shown one by one; ``result.json`` has them all."""
MOST_LISTED: Final = 300
"""Checks of one kind listed one by one, broken ones first."""
MOST_OPEN_ROWS: Final = 24
"""Longer tables in which nothing is wrong are folded."""

REASON_WORDS: Final = {
    Reason.CAPACITY: "No slot free",
    Reason.TENANT_NOT_CONFIGURED: "Tenant not configured",
    Reason.INSTRUCTIONS_MISSING: "Instructions missing",
}
_OFFERED: Final = COUNTER_NAMES[Counter.OFFERED_CALLS]
_TENANT_COLUMNS: Final = (
    _OFFERED,
    COUNTER_NAMES[Counter.ACCEPTED_CALLS],
    COUNTER_NAMES[Counter.ENDED_CALLS],
    COUNTER_NAMES[Counter.FAILED_CALLS],
)
_BAR_WIDTH: Final = 1000


def rejected_tenants(series: Series, result: RunResult) -> tuple[list[dict[str, Any]], int]:
    """Observed rejections of each tenant by reason, most first, and how many are left out."""
    rows = []
    for tenant, counters in result.observed.tenants.items():
        row = figures(counters)
        counts = [int(row[REJECTED_AS[reason]]) for reason in Reason]
        if sum(counts):
            rows.append((tenant, counts, int(row[_OFFERED])))
    rows.sort(key=lambda row: -sum(row[1]))
    highest = max((sum(counts) for _, counts, _ in rows), default=1)
    place = {tenant: at for at, tenant in enumerate(series.tenants)}
    shown = [
        {
            "tenant": tenant,
            "path": draw_tenant(series, place[tenant]) if tenant in place else "",
            "counts": counts,
            "all": sum(counts),
            "share": sum(counts) / offered if offered else None,
            "bar": _bar(counts, highest),
        }
        for tenant, counts, offered in rows[:MOST_TENANTS]
    ]
    return shown, len(rows) - len(shown)


def _bar(counts: Sequence[int], highest: int) -> list[dict[str, Any]]:
    parts = []
    start = 0
    for reason, count in zip(Reason, counts, strict=True):
        end = start + round(_BAR_WIDTH * count / highest)
        if end > start:
            parts.append({"key": reason.value, "start": start, "end": end})
        start = end
    return parts


def spans(series: Series) -> list[dict[str, Any]]:
    """What the charts show, a row for each of a few long bins."""
    by_reason = series.rejections.sum(axis=1)
    return [
        {
            "at_us": int(series.edges_us[place]),
            "mean": float(series.in_use_mean[place]),
            "largest": int(series.in_use_max[place]),
            "limit": int(series.limit[place]),
            "counts": by_reason[place].tolist(),
        }
        for place in range(len(series))
    ]


def tenant_rows(comparisons: Sequence[Comparison], result: RunResult) -> list[dict[str, Any]]:
    """One line for each tenant: its limits as the run began, counters and statistics."""
    settings = {tenant.tenant_id: tenant for tenant in result.trace.conditions.tenants}
    rows = []
    for comparison in comparisons:
        tenant = comparison.tenant or ""
        observed = {line.counter: line.observed for line in comparison.lines}
        own = settings.get(tenant)
        statistics = result.statistics.tenants.get(tenant)
        cap = own.max_concurrent_calls if own else None
        rows.append(
            {
                "tenant": tenant,
                "limit": "none" if own and cap is None else number(cap),
                "reserved": number(own.reserved_calls) if own else NOTHING,
                "figures": [observed[name] for name in _TENANT_COLUMNS],
                "minutes": observed[MINUTES_PROCESSED],
                "blocking": statistics.blocking if statistics else None,
                "peak": statistics.peak_in_use if statistics else None,
                "carried": statistics.carried_erlangs if statistics else None,
                "differing": comparison.differing,
            }
        )
    return rows


def checkpoint_rows(lines: Sequence[CheckpointLine]) -> dict[str, Any]:
    """Slots of the total at each checkpoint, and the tenants that differ there."""
    rows = [
        {
            "at_us": line.at_us,
            "limit": line.limit,
            "ok": line.ok,
            "pairs": [
                {"observed": observed, "expected": expected}
                for observed, expected in zip(
                    _slots(line.observed), _slots(line.expected), strict=True
                )
            ],
            "tenants": ", ".join(name for name, _, _ in line.differing_tenants[:MOST_TENANTS]),
        }
        for line in lines
    ]
    broken = sum(not line.ok for line in lines)
    return {"rows": rows, "broken": broken, "fold": len(rows) > MOST_OPEN_ROWS and not broken}


def _slots(state: CheckpointState | None) -> tuple[int | None, ...]:
    if state is None:
        return (None, None, None, None)
    total = state.total
    return (total.pending, total.accepted, total.active, total.pending + total.accepted)


def check_groups(judgement: Judgement) -> list[dict[str, Any]]:
    """Expectations and invariants by kind; those that stand in tables of their own only counted."""
    by_kind: dict[str, list[Check]] = {}
    for check in (*judgement.expectations, *judgement.invariants):
        by_kind.setdefault(check.kind, []).append(check)
    titles = {
        "oracle": ("Counters against their expected values", False),
        "checkpoint": ("State at the checkpoints and at the end", False),
        "scenario": ("What the scenario expects", True),
        "invariant": ("Invariants", True),
    }
    groups = []
    for kind, checks in by_kind.items():
        title, listed = titles.get(kind, (kind, True))
        broken = sum(not check.ok for check in checks)
        words = (
            f"{number(broken)} of {number(len(checks))} broken."
            if broken
            else f"All {number(len(checks))} hold."
        )
        rows = sorted(checks, key=lambda check: check.ok) if listed else []
        groups.append(
            {
                "kind": kind,
                "title": title,
                "broken": broken,
                "words": words,
                "rows": rows[:MOST_LISTED],
                "fold": len(rows) > MOST_OPEN_ROWS,
            }
        )
    return groups
