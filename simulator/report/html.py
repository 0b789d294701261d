"""``report.html``: one page that needs nothing but itself, for people.

The page is written whole on this side: without JavaScript every table and drawing is there, and
the script only puts interactive charts in the place of the drawings.
"""

import json
from typing import Any, Final

from service.calls import COUNTER_NAMES, MINUTES_PROCESSED, Counter, Reason
from simulator.report import figures
from simulator.report.charts import chart_data, draw_rejections, draw_slots
from simulator.report.comparison import (
    REJECTED_AS,
    compare_checkpoints,
    compare_tenants,
    compare_total,
)
from simulator.report.frame import data_of, environment, source_of, text_of, verbatim
from simulator.report.live_lines import LATENCY_HEADER, driver_lines, latency_rows
from simulator.report.page_tables import (
    MOST_TENANTS,
    REASON_WORDS,
    check_groups,
    checkpoint_rows,
    rejected_tenants,
    spans,
    tenant_rows,
)
from simulator.report.series import Series, limit_steps, series_of
from simulator.report.statistics_lines import statistic_lines
from simulator.result import LiveFigures, RunResult
from simulator.verdict import Verdict

MOST_FAILURES: Final = 200
"""Failed checks listed one by one."""
MOST_SPANS: Final = 24
"""Rows of the table that says the charts in numbers."""

_VERDICTS: Final = {
    Verdict.PASS: "Pass",
    Verdict.FAIL: "Fail",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.THRESHOLDS_FAILED: "Thresholds failed",
}


def render(result: RunResult) -> bytes:
    """The page, as UTF-8."""
    series = series_of(result.trace, result.observed.log)
    template = environment().get_template("page.html.j2")
    page = template.render(
        **_frame(series, result), **_top(result), **_over_time(series, result), **_figures(result)
    )
    return page.encode("utf-8", "backslashreplace")


def _frame(series: Series, result: RunResult) -> dict[str, Any]:
    """Styles, scripts and the data they draw, with the hashes that let only these scripts run."""
    chart_script = text_of("vendor/uPlot.iife.min.js")
    page_script = text_of("page.js")
    data = json.dumps(
        chart_data(series, result.trace.conditions), separators=(",", ":"), allow_nan=False
    )
    return {
        "styles": verbatim(text_of("vendor/uPlot.min.css") + text_of("page.css")),
        "chart_script": verbatim(chart_script),
        "chart_licence": verbatim("uPlot\n" + text_of("vendor/LICENSE").strip()),
        "page_script": verbatim(page_script),
        "script_sources": verbatim(f"{source_of(chart_script)} {source_of(page_script)}"),
        # Only numbers and our own words are in it; escaped all the same, so that it stays so.
        "data": data_of(data),
    }


def _top(result: RunResult) -> dict[str, Any]:
    """The verdict, the figures people ask for first, and what failed."""
    judgement = result.judgement
    statistics = result.statistics
    checks = (*judgement.expectations, *judgement.invariants, *judgement.thresholds)
    total = {line.counter: line.observed for line in compare_total(result).lines}
    limits = sorted({limit for _, limit in limit_steps(result.trace.conditions)})
    limit = "–".join(map(figures.number, dict.fromkeys((limits[0], limits[-1]))))
    tiles = (
        ("Offered calls", figures.number(total[COUNTER_NAMES[Counter.OFFERED_CALLS]]), ""),
        ("Blocking", figures.percent(statistics.blocking), ""),
        ("Time congestion", figures.percent(statistics.time_congestion), ""),
        ("Peak in use", figures.number(statistics.peak_in_use), f"of {limit}"),
        ("Carried traffic", figures.fixed(statistics.carried_erlangs, 1), "E"),
        ("Minutes processed", figures.fixed(total[MINUTES_PROCESSED], 1), ""),
    )
    return {
        "result": result,
        "scenario": result.scenario,
        "verdict": {"key": judgement.verdict.value, "word": _VERDICTS[judgement.verdict]},
        "tiles": [dict(zip(("label", "figure", "beside"), tile, strict=True)) for tile in tiles],
        "failed": [check for check in checks if not check.ok],
        "most_failures": MOST_FAILURES,
        "started_at": f"{result.started_at:%Y-%m-%d %H:%M:%S}",
    }


def _over_time(series: Series, result: RunResult) -> dict[str, Any]:
    """Both charts, in drawings, sentences and numbers."""
    conditions = result.trace.conditions
    rejected, rejected_left_out = rejected_tenants(series, result)
    coarse = series_of(result.trace, result.observed.log, MOST_SPANS)
    return {
        "slots": draw_slots(series, conditions),
        "rejections": draw_rejections(series, conditions),
        "slots_sentence": _slots_sentence(series),
        "rejections_sentence": _rejections_sentence(series, result),
        "rejected_any": bool(series.rejections.any()),
        "reasons": [{"key": reason.value, "words": REASON_WORDS[reason]} for reason in Reason],
        "rejected_tenants": rejected,
        "rejected_left_out": rejected_left_out,
        "bin_width": figures.width(int(series.edges_us[1])),
        "span_width": figures.width(int(coarse.edges_us[1])),
        "spans": spans(coarse),
    }


def _slots_sentence(series: Series) -> str:
    place = int(series.in_use_max.argmax())
    largest, limit = int(series.in_use_max[place]), int(series.limit[place])
    slot_us = float((series.in_use_mean * (series.edges_us[1:] - series.edges_us[:-1])).sum())
    mean = slot_us / int(series.edges_us[-1])
    low, high = int(series.limit.min()), int(series.limit.max())
    limits = f"of {figures.number(limit)}"
    changed = (
        f" The limit changed during the run, between {figures.number(low)} and"
        f" {figures.number(high)}."
        if low != high
        else ""
    )
    if largest == 0:
        return f"No slot was ever in use, of {figures.number(high)}.{changed}"
    return (
        f"At most {figures.number(largest)} {limits} slots were in use, first at about"
        f" {figures.clock(int(series.edges_us[place]))}; {figures.fixed(mean, 1)} on average over"
        f" the run.{changed}"
    )


def _rejections_sentence(series: Series, result: RunResult) -> str:
    total = {line.counter: line.observed for line in compare_total(result).lines}
    counts = {reason: total[REJECTED_AS[reason]] or 0 for reason in Reason}
    rejected = sum(counts.values())
    if not rejected:
        return "No call was rejected."
    parts = "; ".join(
        f"{REASON_WORDS[reason].lower()}: {figures.number(count)}"
        for reason, count in counts.items()
        if count
    )
    sentence = (
        f"{figures.number(rejected)} of {figures.number(total['offered_calls'])} offers were"
        f" rejected ({parts})."
    )
    by_bin = series.rejections.sum(axis=(1, 2))
    if by_bin.any():
        worst = int(by_bin.argmax())
        sentence += (
            f" Most in one step, {figures.number(int(by_bin[worst]))}, came at about"
            f" {figures.clock(int(series.edges_us[worst]))}."
        )
    late = int(series.rejections_after_end.sum())
    if late:
        sentence += f" {figures.number(late)} fell after the end of the run and are not drawn."
    return sentence


def _figures(result: RunResult) -> dict[str, Any]:
    """Counters, tenants, checkpoints, checks and statistics."""
    comparisons = compare_tenants(result)
    # Tenants that differ stand first when there are too many to show all.
    shown = sorted(comparisons, key=lambda comparison: not comparison.differing)[:MOST_TENANTS]
    return {
        "total": compare_total(result),
        "statistics": statistic_lines(result.statistics),
        "tenants_all": len(comparisons),
        "tenants_differing": sum(bool(comparison.differing) for comparison in comparisons),
        "tenants_left_out": len(comparisons) - len(shown),
        "tenant_rows": tenant_rows(shown, result),
        "differing_tenants": [comparison for comparison in shown if comparison.differing],
        "equal_tenants": [comparison for comparison in shown if not comparison.differing],
        "checkpoints": checkpoint_rows(compare_checkpoints(result)),
        "thresholds": result.judgement.thresholds,
        "live": None if result.live is None else _live(result.live),
        "groups": check_groups(result.judgement),
    }


def _live(live: LiveFigures) -> dict[str, Any]:
    return {
        "header": LATENCY_HEADER,
        "latencies": latency_rows(live),
        "lines": driver_lines(live),
        "notes": live.notes,
    }
