"""A comparison for people, a table of what moved, and for machines."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from service.calls import COUNTER_NAMES, Counter
from simulator.compare.comparing import Comparison, Difference, Missing, Outcome, Status
from simulator.compare.document import CHECKPOINTS, STATISTICS, TOTAL, Document, Value
from simulator.report.figures import clock

SCHEMA_VERSION: Final = 1
"""Of the printed document; a change of its shape raises it."""

_IN_MICROSECONDS: Final = COUNTER_NAMES[Counter.ACTIVE_US_TOTAL]
_MOST_ROWS: Final = 40
_DIGITS: Final = 6

_SAID: Final = {
    Outcome.SAME: "SAME",
    Outcome.WITHIN_CHANCE: "WITHIN CHANCE",
    Outcome.MOVED: "MOVED",
    Outcome.NOT_JUDGED: "NOT JUDGED",
}


def lines(comparison: Comparison) -> Iterator[str]:
    """What is printed; the outcome comes last."""
    base, new = comparison.base, comparison.new
    yield f"base  {_described(base)}"
    yield f"new   {_described(new)}"
    yield comparison.rule
    shown = [each for each in comparison.differences if each.status is not Status.WITHIN_CHANCE]
    yield from _table(shown[:_MOST_ROWS], by_chance=comparison.replications > 0)
    if len(shown) > _MOST_ROWS:
        yield f"  and {len(shown) - _MOST_ROWS:,} more figures: --json has them all"
    for gone in comparison.missing:
        yield f"  {_gone(gone)} is not in {gone.source}"
    if base.verdict != new.verdict:
        yield f"  verdict: {base.verdict} ({base.reason}), now {new.verdict} ({new.reason})"
    elif comparison.verdict is Status.MOVED:
        broken = new if new.breaks_rules else base
        yield f"  verdict: {broken.verdict} on both sides, but rules are broken in {broken.source}"
    yield f"{_SAID[comparison.outcome]} {new.scenario}: {_summary(comparison)}"


def document(comparison: Comparison) -> dict[str, Any]:
    """The comparison in JSON's own types."""
    return {
        "schema_version": SCHEMA_VERSION,
        "outcome": comparison.outcome.value,
        "rule": comparison.rule,
        "base": _side(comparison.base),
        "new": _side(comparison.new),
        "verdict_status": None if comparison.verdict is None else comparison.verdict.value,
        "other_calls": comparison.other_calls,
        "replications": comparison.replications,
        "false_alarm": comparison.false_alarm,
        "figures_compared": comparison.compared,
        "differences": [_entry(each) for each in comparison.differences],
        "missing": [
            {"where": gone.where, "figure": gone.name, "not_in": gone.source}
            for gone in comparison.missing
        ],
    }


def _side(side: Document) -> dict[str, Any]:
    return {
        "source": side.source,
        "scenario": {"name": side.scenario, "hash": side.digest, "seed": side.seed},
        "trace_hash": side.trace_hash,
        "engine": side.engine,
        "verdict": side.verdict,
        "reason": side.reason,
    }


def _entry(each: Difference) -> dict[str, Any]:
    chance = each.chance
    return {
        "where": each.figure.where,
        "figure": each.figure.name,
        "base": each.base,
        "new": each.new,
        "difference": each.difference,
        "relative": each.relative,
        "status": each.status.value,
        "chance": None if chance is None else {"min": chance[0], "max": chance[1]},
    }


def _described(side: Document) -> str:
    what = "baseline" if side.is_baseline else f"engine {side.engine}"
    return f"{side.source} ({side.scenario}, {what}, seed {side.seed}, verdict {side.verdict})"


def _summary(comparison: Comparison) -> str:
    if comparison.new.figures is None or comparison.base.figures is None:
        return "nothing to compare"
    count = len(comparison.differences)
    parts = [f"{count:,} of {comparison.compared:,} figures differ"]
    for status, word in (
        (Status.MOVED, "beyond chance"),
        (Status.WITHIN_CHANCE, "within chance"),
        (Status.NOT_JUDGED, "not judged"),
    ):
        number = sum(each.status is status for each in comparison.differences)
        if comparison.replications and number:
            parts.append(f"{number:,} {word}")
    if comparison.missing:
        parts.append(f"{len(comparison.missing):,} missing")
    if comparison.base.verdict != comparison.new.verdict:
        parts.append("the verdict changed")
    elif comparison.verdict is Status.MOVED:
        parts.append("checks broke")
    if comparison.other_calls:
        parts.append("the calls are others")
    return ", ".join(parts)


def _table(differences: Sequence[Difference], *, by_chance: bool) -> Iterator[str]:
    if not differences:
        return
    heading = ("where", "figure", "base", "new", "difference", "relative")
    table: list[tuple[str, ...]] = [(*heading, "by chance") if by_chance else heading]
    for each in differences:
        row = (
            place(each.figure.where),
            each.figure.name,
            _figure(each.base),
            _figure(each.new),
            _figure(each.difference, signed=True),
            "-" if each.relative is None else f"{100 * each.relative:+,.3g} %",
        )
        table.append((*row, _chance(each)) if by_chance else row)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells_of in table:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells_of, widths, strict=True))
        ]
        yield f"  {'  '.join(cells)}".rstrip()


def _chance(each: Difference) -> str:
    if each.chance is None:
        return "-"
    low, high = each.chance
    if isinstance(each.base, int) and isinstance(each.new, int):
        return f"{math.ceil(low):,}..{math.floor(high):,}"
    return f"{_figure(low)}..{_figure(high)}"


def _figure(value: Value, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    sign = "+" if signed else ""
    if isinstance(value, int):
        return f"{value:{sign},}"
    return f"{value:{sign},.{_DIGITS}g}"


def place(where: str) -> str:
    """A place as people call it: ``checkpoints.60000000.tenants.acme`` is ``acme at 0:01:00``."""
    kind, _, rest = where.partition(".")
    if kind == CHECKPOINTS:
        at_us, _, inner = rest.partition(".")
        return f"{place(inner)} at {clock(int(at_us))}"
    if kind == STATISTICS:
        return f"{place(rest or TOTAL)}, statistics"
    return rest if kind == "tenants" else where


def _gone(gone: Missing) -> str:
    return place(gone.where) if gone.name is None else f"{gone.name} of {place(gone.where)}"
