"""``summary.md``: the verdict and the figures behind it, for a pull request or a chat."""

import re
from collections.abc import Iterable
from typing import Final

from simulator.report.comparison import Comparison, compare_checkpoints, compare_tenants
from simulator.report.comparison import compare_total as total_of
from simulator.report.figures import clock, elapsed, number, signed
from simulator.report.live_lines import LATENCY_HEADER, driver_lines, latency_rows
from simulator.report.statistics_lines import statistic_lines
from simulator.result import LiveFigures, RunResult
from simulator.verdict import Check, Verdict

MOST_FAILURES: Final = 50
"""Failed checks listed one by one; ``result.json`` has them all."""

_VERDICTS: Final = {
    Verdict.PASS: "✅ Pass",
    Verdict.FAIL: "❌ Fail",
    Verdict.INCONCLUSIVE: "❔ Inconclusive",
    Verdict.THRESHOLDS_FAILED: "⚠️ Thresholds failed",
}


def render(result: RunResult) -> bytes:
    blocks = [
        f"# {_VERDICTS[result.judgement.verdict]}: {text(result.scenario.name)}",
        text(result.judgement.reason),
        *([text(result.scenario.description)] if result.scenario.description else []),
        *_failures(result),
        "## Counters of the whole run",
        _counters(total_of(result)),
        _agreement(result),
        "## Statistics",
        _statistics(result),
        *_thresholds(result.judgement.thresholds),
        *_live(result.live),
        "## How this was made",
        _origin(result),
    ]
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "backslashreplace")


def _failures(result: RunResult) -> list[str]:
    judgement = result.judgement
    checks = (*judgement.expectations, *judgement.invariants, *judgement.thresholds)
    failed = [check for check in checks if not check.ok]
    if not failed:
        return []
    rows = [
        (code(check.name), _side(check.expected), _side(check.observed), text(check.detail))
        for check in failed[:MOST_FAILURES]
    ]
    blocks = [
        f"## Failed checks ({number(len(failed))})",
        table(("Check", "Expected", "Observed", "Detail"), "lrrl", rows),
    ]
    if len(failed) > MOST_FAILURES:
        more = number(len(failed) - MOST_FAILURES)
        blocks.append(f"{more} more are in `result.json`.")
    return blocks


def _counters(comparison: Comparison) -> str:
    rows = [
        (
            code(line.counter),
            number(line.observed),
            number(line.expected),
            number(line.difference) if line.equal else f"**{signed(line.difference, 6)}**",
        )
        for line in comparison.lines
    ]
    return table(("Counter", "Observed", "Expected", "Difference"), "lrrr", rows)


def _agreement(result: RunResult) -> str:
    tenants = compare_tenants(result)
    differing = [comparison for comparison in tenants if comparison.differing]
    checkpoints = compare_checkpoints(result)
    wrong = [line for line in checkpoints if not line.ok]
    sentences = []
    if differing:
        names = ", ".join(code(comparison.tenant or "") for comparison in differing[:MOST_FAILURES])
        sentences.append(f"{len(differing)} of {len(tenants)} tenants differ: {names}.")
    else:
        sentences.append(f"All {len(tenants)} tenants agree in every counter.")
    if wrong:
        times = ", ".join(clock(line.at_us) for line in wrong[:MOST_FAILURES])
        sentences.append(f"{len(wrong)} of {len(checkpoints)} checkpoints differ: at {times}.")
    elif checkpoints:
        sentences.append(f"All {len(checkpoints)} checkpoints agree.")
    return " ".join(sentences)


def _statistics(result: RunResult) -> str:
    lines = statistic_lines(result.statistics)
    rows = [(line.label, line.text, line.meaning) for line in lines]
    return table(("Statistic", "Value", "Meaning"), "lrl", rows)


def _thresholds(checks: Iterable[Check]) -> list[str]:
    rows = [
        (
            code(check.name),
            _side(check.expected),
            _side(check.observed),
            "met" if check.ok else "**not met**",
        )
        for check in checks
    ]
    header = ("Threshold", "Required", "Observed", "Result")
    return ["## Thresholds", table(header, "lrrl", rows)] if rows else []


def _live(live: LiveFigures | None) -> list[str]:
    if live is None:
        return []
    blocks = [
        "## Answers and driver",
        "Latency counts from the instant an event was due, whenever it was sent.",
        table(LATENCY_HEADER, "lrrrrr", latency_rows(live)),
        table(("Driver", "Value", "Meaning"), "lrl", driver_lines(live)),
    ]
    return blocks + [text(note) for note in live.notes]


def _origin(result: RunResult) -> str:
    versions = ", ".join(f"{text(name)} {text(value)}" for name, value in result.versions.items())
    target = [("Target", code(result.target))] if result.target else []
    rows = [
        ("Command", code(result.command)),
        ("Engine", code(result.engine)),
        *target,
        ("Run covered", clock(result.scenario.duration_us)),
        ("Call attempts in the trace", number(len(result.trace))),
        ("Seed", code(str(result.scenario.seed))),
        ("Scenario hash", code(result.scenario.digest)),
        ("Trace hash", code(result.trace_hash)),
        ("Started", f"{result.started_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Took", elapsed(result.duration_s)),
        ("Versions", versions),
    ]
    return table(("", ""), "ll", rows)


def table(header: tuple[str, ...], align: str, rows: Iterable[tuple[str, ...]]) -> str:
    """A table of cells that are Markdown already; ``align`` has one of l and r per column."""
    rule = ["---:" if side == "r" else ":---" for side in align]
    lines = (header, rule, *rows)
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(markdown: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\|", markdown)


def text(plain: str) -> str:
    """Plain text that Markdown shows as it is, on one line."""
    line = _one_line(plain)
    line = re.sub(r"([\\`*\[\]<>|~&$])", r"\\\1", line)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])|^[#+-]", r"\\\g<0>", line)


def code(plain: str) -> str:
    """Plain text as a code span, on one line."""
    line = _one_line(plain)
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _one_line(plain: str) -> str:
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)
    return "".join(" " if c in "\n\r\t" else s for c, s in zip(plain, shown, strict=True))


def _side(value: str | int | float | None) -> str:
    return number(value, 6) if not isinstance(value, str) else text(value)
