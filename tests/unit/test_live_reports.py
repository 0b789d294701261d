"""How the documents show a run whose figures are known only within intervals."""

import json
from dataclasses import replace
from pathlib import Path

from simulator.console import report_lines
from simulator.report import html, markdown, result_json
from simulator.result import Interval, LiveFigures, RunResult
from simulator.run import Report
from tests.report_samples import passing

PERCENTILES = {"count": 7, "p50_ms": 1.5, "p95_ms": 2.5, "p99_ms": 3.5, "max_ms": 4.5}
LIVE = LiveFigures(
    latency={"offer": PERCENTILES},
    driver={
        "speed": 60.0, "sends": 20, "late_sends": 2, "late_ms": 50.0, "held_back": 1,
        "dropped": 3, "indefinite": 4, "failed": 5, "refused": 6,
        "lag": {**PERCENTILES, "p99_ms": 8.25}, "longest_stall_ms": 9.5, "cpu_share": 0.25,
        "wall_s": 1.0, "restarts": 1,
    },
    notes=("one <b>note</b>",),
)  # fmt: skip


def live() -> RunResult:
    """Three calls were accepted: two to five are allowed; 70 s of talk, 60 s to any number."""
    bounds: dict[str | None, dict[str, Interval]] = {
        None: {
            "accepted_calls": Interval(2, 5),
            "active_us_total": Interval(60_000_000, None),
            "ended_calls": Interval(3, 3),
            "failed_calls": Interval(2, 4),
        }
    }
    return replace(passing(), engine="live", bounds=bounds, live=LIVE)


def test_the_json_has_intervals_where_more_than_one_value_is_allowed() -> None:
    document = json.loads(result_json.render(live()))
    total = document["expected"]["total"]
    assert total["accepted_calls"] == {"min": 2, "max": 5}
    assert total["minutes_processed"] == {"min": 1.0, "max": None}
    assert total["ended_calls"] == 3
    assert document["observed"]["total"]["accepted_calls"] == 3
    assert document["latency"] == {"offer": PERCENTILES}
    assert document["driver"]["dropped"] == 3
    assert document["notes"] == ["one <b>note</b>"]
    assert document["checkpoints"] == []
    assert "latency" not in json.loads(result_json.render(passing()))


def test_the_summary_shows_intervals_and_what_lies_outside() -> None:
    summary = markdown.render(live()).decode()
    assert "| `accepted_calls` | 3 | 2 to 5 | 0 |" in summary
    assert "| `failed_calls` | 1 | 2 to 4 | **−1** |" in summary
    assert "| `minutes_processed` | 1.167 | ≥ 1 | 0 |" in summary
    assert "| lag of the driver | 7 | 1.5 | 2.5 | 8.2 | 4.5 |" in summary
    assert "| Late sends | 2 of 20 |" in summary
    assert "lag of the driver" not in markdown.render(passing()).decode()


def test_the_page_says_what_the_driver_did_and_trusts_no_note() -> None:
    page = html.render(live()).decode()
    assert "lag of the driver" in page
    assert "one &lt;b&gt;note&lt;/b&gt;" in page
    assert "what its own answers allow" in page
    assert 'id="live"' not in html.render(passing()).decode()


def test_the_terminal_marks_only_what_lies_outside(tmp_path: Path) -> None:
    lines = list(report_lines(Report(live(), tmp_path)))
    of = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert of["accepted_calls"].split() == ["accepted_calls", "3", "2", "..", "5"]
    assert of["failed_calls"].endswith("<--")
    assert "lag p99 8.2 ms, 2 of 20 sends late, 3 dropped, 4 indefinite" in "\n".join(lines)
