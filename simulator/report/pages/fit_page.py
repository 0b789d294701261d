"""The page of a fit: the scenario against the log it was fitted to."""

from collections.abc import Iterator
from typing import Final

from simulator.analytics.loss import erlang_b
from simulator.cdr.recorded import RecordedCalls
from simulator.fit.comparison import Comparison
from simulator.fit.fitted import Dispersion, DispersionRow, Fitted
from simulator.fit.words import dispersion_words, when
from simulator.report.figures import fixed, number
from simulator.report.pages.blocks import (
    Answer,
    Axis,
    Bar,
    Bars,
    Block,
    Cell,
    Code,
    Column,
    Folded,
    Group,
    Mark,
    Page,
    Section,
    Sentences,
    Table,
    Text,
    Tile,
)
from simulator.report.pages.fit_comparison import comparison_section
from simulator.report.pages.fit_rates import rate_section
from simulator.report.pages.fit_times import (
    MOST_TENANTS,
    holding_section,
    percent_of,
    ringing_section,
)
from simulator.report.pages.formats import spaced
from simulator.report.pages.origin import origin_facts
from simulator.scenario_file.units import format_duration

_LONGEST_SCENARIO: Final = 60_000
"""Characters: a longer one stands in its file alone, so that the page stays small."""


def fit_page(
    fitted: Fitted,
    log: RecordedCalls,
    comparison: Comparison | None,
    *,
    name: str,
    command: str,
    scenario: str = "",
) -> Page:
    """The page of a fit made by ``command``; ``scenario`` is the file's text, shown folded."""
    sections = (
        _mind_section(fitted),
        None if comparison is None else comparison_section(comparison),
        rate_section(fitted),
        holding_section(fitted),
        ringing_section(fitted),
        _dispersion_section(fitted),
        _redial_section(fitted),
        _tenant_section(fitted),
        _reading_section(log),
        _assumptions_section(fitted, scenario),
    )
    named = {
        f"file {place}": f"{each.path.name}, {each.lines} lines, SHA-256 {each.sha256}"
        for place, each in enumerate(log.files, 1)
    }
    return Page(
        kind="busyhour fit",
        title=name,
        lede=f"{number(len(log))} calls, {fitted.span}",
        answer=_answer(fitted),
        tiles=tuple(_tiles(fitted, log, comparison)),
        sections=tuple(section for section in sections if section is not None),
        origin=origin_facts(command, seed=fitted.seed, **named),
    )


def _answer(fitted: Fitted) -> Answer:
    suggestion = fitted.suggestion
    return Answer(
        figure=number(suggestion.slots),
        unit="slot" if suggestion.slots == 1 else "slots",
        words=(
            f"for {percent_of(suggestion.blocking)} blocking in the busiest step, "
            f"{when(fitted, suggestion.busiest_from_us)} to "
            f"{when(fitted, suggestion.busiest_until_us)}"
        ),
        certainty=(
            "By formula, for the traffic of this log: a place to begin. busyhour plan with the "
            "fitted scenario finds the limit by simulation."
        ),
    )


def _tiles(fitted: Fitted, log: RecordedCalls, comparison: Comparison | None) -> Iterator[Tile]:
    answered = log.answered
    yield Tile("Calls", number(len(log)), f"of {len(fitted.tenants)} tenants")
    yield Tile("Answered", percent_of(float(answered.mean())))
    if answered.any():
        yield Tile("Mean holding time", fixed(float(log.hold_us[answered].mean()) / 1e6, 1), "s")
    yield Tile("Busiest step", fixed(fitted.suggestion.erlangs, 1), "E")
    if fitted.dispersion.rows:
        yield Tile("Peakedness", f"{fitted.dispersion.peakedness:.2f}", "Poisson: 1")
    if comparison is not None:
        needed = comparison.measure("slots_needed").log
        share = percent_of(fitted.suggestion.blocking)
        yield Tile("Slots the log needs", number(int(needed)), f"to lose {share} of its calls")


def _mind_section(fitted: Fitted) -> Section | None:
    if not fitted.warnings:
        return None
    return Section("mind", "Before you use it", (Sentences(tuple(map(spaced, fitted.warnings))),))


def _dispersion_section(fitted: Fitted) -> Section | None:
    dispersion, suggestion = fitted.dispersion, fitted.suggestion
    if not dispersion.rows:
        return None
    blocks: list[Block] = [
        _dispersion_bars(dispersion),
        Text(
            "An index of 1 is Poisson traffic, which scenarios draw. Above it calls come in "
            "bunches. What counts is how far counts lie from a parabola through the block named, "
            "so neither a whole hour that is busy nor a rate that rises, falls or turns within it "
            "does."
        ),
    ]
    if dispersion.peakedness > 1:
        rows = (
            (
                "as Poisson traffic (Erlang B)",
                number(suggestion.slots_poisson),
                percent_of(erlang_b(suggestion.erlangs, suggestion.slots_poisson)),
            ),
            (
                f"peakedness {dispersion.peakedness:.2f} (Hayward)",
                number(suggestion.slots_peaked),
                percent_of(suggestion.blocking_peaked),
            ),
        )
        blocks.append(
            Table(
                key="peaked-table",
                caption=f"What bunches cost in the busiest step, {suggestion.erlangs:.4g} erlang",
                columns=(
                    Column("Calls", words=True),
                    Column(f"Slots for {percent_of(suggestion.blocking)}"),
                    Column(f"Blocking with {number(suggestion.slots_poisson)} slots"),
                ),
                rows=rows,
                note=(
                    "Peakedness is variance over mean of calls in progress, read off counts in "
                    "intervals of about twice the mean time a call holds its slot: "
                    "1 + (index − 1) / 2."
                ),
            )
        )
    return Section("bunches", "Do calls come in bunches?", tuple(blocks))


def _dispersion_bars(dispersion: Dispersion) -> Bars:
    worst = max(dispersion.rows, key=lambda row: row.index)
    return Bars(
        key="dispersion-bars",
        title="Variance over mean of the number of calls",
        sentence=f"At its largest: {dispersion_words(worst)}.",
        axis=Axis("index of dispersion"),
        groups=tuple(Group(_row_name(row), tuple(_bars(row))) for row in dispersion.rows),
        heads=("Intervals", "Index"),
        points=True,
        marks=(Mark("Poisson", 1.0),),
    )


def _row_name(row: DispersionRow) -> str:
    if row.across:
        return f"{format_duration(row.interval_us)}, from one cycle to the next"
    return f"{format_duration(row.interval_us)}, within {format_duration(row.block_us)}"


def _bars(row: DispersionRow) -> Iterator[Bar]:
    chance = "p < 0.0001" if row.p_value < 0.0001 else f"p = {row.p_value:.2g}"
    yield Bar(row.index, f"{row.index:.3f} ({chance})", label="Log")
    yield Bar(
        1.0,
        f"{row.low:.3f} to {row.high:.3f}",
        low=row.low,
        high=row.high,
        label="Poisson, 95 %",
        tone=2,
    )


def _redial_section(fitted: Fitted) -> Section | None:
    redials = fitted.redials
    if redials is None:
        return None
    table = Table(
        key="redial-table",
        caption=f"Callers who called again within {format_duration(redials.window_us)}",
        columns=(
            Column("The call was", words=True),
            Column("Calls"),
            Column("Called again"),
            Column("Share"),
            Column("Mean delay"),
        ),
        rows=tuple(
            (
                row.end.replace("_", " "),
                number(row.again.whole),
                number(row.again.part),
                Cell(
                    percent_of(row.again.value),
                    sort=row.again.value,
                    below=f"{percent_of(row.again.low)} to {percent_of(row.again.high)}",
                ),
                f"{number(row.delay_us_mean / 1e6, 1)} s" if row.again.part else "–",
            )
            for row in redials.after
        ),
        note="Calls so near the end of the log that a redial may lie beyond it are left out.",
    )
    taken = (
        f"{number(redials.removed)} offers are redials of refused calls and no arrivals of the "
        "scenario: it makes them itself when it refuses a call."
        if redials.refused
        else "The scenario redials only calls it refuses, and the log has none; what callers did "
        f"after {redials.basis} calls stands in the scenario as a comment. All redials of the log "
        "stay among the arrivals."
    )
    return Section(
        "redials",
        "Calling again",
        (
            table,
            Text(
                f"{taken} {percent_of(redials.control.value)} of answered callers called again "
                "within the same time, so about as many would have anyway."
            ),
        ),
    )


def _tenant_section(fitted: Fitted) -> Section:
    tenants = sorted(fitted.tenants, key=lambda each: -each.offers)
    length = fitted.grid.length_us
    rows = tuple(
        (
            each.name,
            Cell(number(each.offers), sort=each.offers),
            Cell(number(each.first_attempts), sort=each.first_attempts),
            Cell(percent_of(each.answered_share), sort=each.answered_share),
            Cell(
                fixed(each.rates.expected_calls(length) / length * each.slot_us_mean, 2),
                sort=each.rates.expected_calls(length) * each.slot_us_mean,
            ),
            Cell(
                f"{len(each.rates.starts_us)}{', shared' if each.rates.shared else ''}",
                sort=len(each.rates.starts_us),
            ),
            f"{each.hold.chosen_name}{', pooled' if each.hold.pooled else ''}",
            Cell(fixed(each.hold.distance, 3), sort=each.hold.distance),
        )
        for each in tenants[:MOST_TENANTS]
    )
    rest = len(tenants) - len(rows)
    return Section(
        "tenants",
        "Tenants",
        (
            Table(
                key="tenants-table",
                caption="What was fitted to each tenant",
                columns=(
                    Column("Tenant", words=True),
                    Column("Calls"),
                    Column("Arrivals"),
                    Column("Answered"),
                    Column("Mean traffic, E"),
                    Column("Steps"),
                    Column("Holding time", words=True),
                    Column("Distance"),
                ),
                rows=rows,
                sortable=len(rows) > 1,
                filterable=len(rows) > 10,
                note=f"{number(rest)} smaller tenants are left out here." if rest else "",
            ),
        ),
    )


def _reading_section(log: RecordedCalls) -> Section | None:
    blocks: list[Block] = []
    if log.notes:
        blocks.append(Sentences(tuple(map(spaced, log.notes))))
    if log.broken.count:
        blocks.append(
            Table(
                key="broken-table",
                caption=f"Lines that are no calls: {number(log.broken.count)}",
                columns=(Column("File", words=True), Column("Line"), Column("Why", words=True)),
                rows=tuple(
                    (each.file, number(each.line), f"{each.key}: {each.message}".strip(": "))
                    for each in log.broken.examples
                ),
                note=(
                    "The first of them; no broken line is part of the fit."
                    if log.broken.count > len(log.broken.examples)
                    else "No broken line is part of the fit."
                ),
            )
        )
    return Section("reading", "Reading the log", tuple(blocks)) if blocks else None


def _assumptions_section(fitted: Fitted, scenario: str) -> Section:
    blocks: list[Block] = [Sentences(tuple(map(spaced, fitted.notes)))]
    if scenario and len(scenario) <= _LONGEST_SCENARIO:
        blocks.append(Folded("The fitted scenario", (Code(scenario),)))
    return Section("assumptions", "What it rests on", tuple(blocks))
