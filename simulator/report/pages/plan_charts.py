"""The charts of a plan: the statistic against capacity, calls in progress, the worst interval."""

from collections.abc import Iterator
from typing import Final

from simulator.planning.explanation import worst_interval_reasons
from simulator.planning.formula import FormulaKind
from simulator.planning.result import Plan
from simulator.planning.target import BLOCKING
from simulator.report.figures import fixed, number
from simulator.report.pages import formats
from simulator.report.pages.blocks import (
    Axis,
    Cell,
    Chart,
    Column,
    Folded,
    Kind,
    Line,
    Mark,
    Section,
    Shape,
    Table,
    Text,
)
from simulator.report.pages.plan_words import (
    slots_words,
    statistic_words,
    target_mark,
    target_words,
    unit_of,
)

_LOG_FROM: Final = 20
"""A curve whose values differ by more than this factor is drawn on a log scale."""
FORMULA_LABELS: Final = {
    FormulaKind.ERLANG_B: "Erlang B, for the average load",
    FormulaKind.CAPS_AND_MINIMA: "Exact for caps and minima",
    FormulaKind.MODIFIED_OFFERED_LOAD: "Modified offered load, an approximation",
}


def curve_section(plan: Plan) -> Section | None:
    if len(plan.curve) < 2:
        return None
    capacities = [point.max_concurrent_calls for point in plan.curve]
    values = [point.value.value for point in plan.curve]
    above = [value for value in values if value > 0]
    log = len(above) > 1 and max(above) > _LOG_FROM * min(above)
    lines = [
        Line(
            label=f"Simulated, {statistic_words(plan)}",
            values=tuple(values),
            low=tuple(point.value.low for point in plan.curve),
            high=tuple(point.value.high for point in plan.curve),
            shape=Shape.DOTTED_LINE,
        )
    ]
    # What was simulated says how far down a log scale is of interest.
    lines += _formula_lines(plan, min(above) if log else 0.0)
    first, last = plan.curve[0], plan.curve[-1]
    sentence = (
        f"From {number(first.max_concurrent_calls)} to {slots_words(last.max_concurrent_calls)}, "
        f"{statistic_words(plan)} falls from {formats.estimate(first.value)} to "
        f"{formats.estimate(last.value)}; the target is {target_words(plan)}."
    )
    chart = Chart(
        key="curve-chart",
        title=f"{statistic_words(plan).capitalize()} against the number of slots",
        sentence=sentence,
        x=Axis("slots (max_concurrent_calls)"),
        y=Axis(unit_of(plan) + (", log scale" if log else ""), Kind.PERCENT, log=log),
        xs=tuple(map(float, capacities)),
        lines=tuple(lines),
        marks=(
            target_mark(plan),
            Mark(number(plan.answer), float(plan.answer), tone=3),
        ),
        note=_curve_note(plan),
    )
    return Section("curve", "Blocking against capacity", (chart,))


def _curve_note(plan: Plan) -> str:
    note = (
        f"The band is the interval at {formats.confidence(plan.confidence)} from the spread "
        "between runs."
    )
    if plan.curve_replications < plan.replications:
        note += (
            f" The curve rests on {number(plan.curve_replications)} of the "
            f"{number(plan.replications)} runs, so it differs a little from the answer's figures."
        )
    return note


def _formula_lines(plan: Plan, least: float) -> Iterator[Line]:
    """What formulas say that speak of the target, as far as it is not below ``least``."""
    for tone, formula in zip((6, 4), plan.formulas, strict=False):
        is_erlang_b = formula.kind is FormulaKind.ERLANG_B
        if is_erlang_b and not (plan.is_of_all or formula.holds):
            continue
        values = tuple(value if value >= least else None for value in formula.at_limits)
        if any(value is not None for value in values):
            label = FORMULA_LABELS[formula.kind]
            yield Line(label, values, tone=tone, dashed=is_erlang_b)


def day_section(plan: Plan) -> Section | None:
    held = plan.concurrency
    if not held:
        return None
    busiest = max(held, key=lambda each: each.percentile_95)
    chart = Chart(
        key="concurrency-chart",
        title="Calls in progress over the run",
        sentence=(
            f"With {slots_words(plan.answer)}, nineteen runs in twenty hold at most "
            f"{number(round(busiest.percentile_95))} calls at the fullest instant looked at "
            f"({formats.time_of(formats.seconds_of(busiest.at_us), with_seconds=False)}), where "
            f"the median is {number(round(busiest.median))}."
        ),
        x=Axis("time since the start of the run, h:mm", Kind.CLOCK),
        y=Axis("slots in use"),
        xs=tuple(formats.seconds_of(each.at_us) for each in held),
        lines=(
            Line(
                label="Median, and 5th to 95th percentile of the runs",
                values=tuple(each.median for each in held),
                low=tuple(each.percentile_5 for each in held),
                high=tuple(each.percentile_95 for each in held),
            ),
        ),
        marks=(Mark(f"limit {number(plan.answer)}", float(plan.answer), across=True),),
        note=(
            "Each instant is looked at by itself, across runs: a single run reaches the limit now "
            "and then, at other instants each time."
        ),
    )
    return Section("day", "Calls in progress", (chart,))


def worst_section(plan: Plan) -> Section | None:
    intervals = plan.at_answer.intervals
    if not intervals or not plan.offered:
        return None
    edges = [formats.seconds_of(each.from_us) for each in intervals]
    edges.append(formats.seconds_of(intervals[-1].until_us))
    values = [None if each.blocking is None else each.blocking.value for each in intervals]
    lows = [None if each.blocking is None else each.blocking.low for each in intervals]
    highs = [None if each.blocking is None else each.blocking.high for each in intervals]
    spans = tuple(formats.span(each.from_us, each.until_us) for each in intervals)
    clock = Axis("time since the start of the run, h:mm", Kind.CLOCK)
    blocking = Chart(
        key="interval-chart",
        title="Blocking by clock interval",
        sentence=_worst_sentence(plan),
        x=clock,
        y=Axis("share of calls", Kind.PERCENT),
        xs=tuple(edges),
        lines=(
            Line(
                label="Blocking in the interval",
                values=(*values, values[-1]),
                low=(*lows, lows[-1]),
                high=(*highs, highs[-1]),
                shape=Shape.STEPS,
            ),
        ),
        marks=(target_mark(plan),),
        low=True,
    )
    erlangs = tuple(each.erlangs for each in plan.offered)
    offered = Chart(
        key="offered-chart",
        title="Traffic offered by clock interval",
        sentence=(
            f"Calls in progress if there were always room: {fixed(plan.offered_erlangs, 1)} erlang "
            f"over the run after the warm-up, {fixed(max(erlangs), 1)} in the busiest interval."
        ),
        x=clock,
        y=Axis("erlang", low=0.0),
        xs=tuple(edges),
        lines=(Line("Offered", (*erlangs, erlangs[-1]), tone=3, shape=Shape.AREA),),
        marks=(
            Mark(f"{slots_words(plan.answer)}", float(plan.answer), across=True),
            Mark("average", plan.offered_erlangs, across=True, tone=6),
        ),
        low=True,
    )
    table = Table(
        key="intervals",
        caption="Clock intervals at the answer",
        columns=(Column("Interval", words=True), Column("Offered, E"), Column("Blocking")),
        rows=tuple(
            (
                span,
                Cell(fixed(found.erlangs, 1), sort=found.erlangs),
                formats.estimate_cell(each.blocking),
            )
            for span, found, each in zip(spans, plan.offered, intervals, strict=True)
        ),
        sortable=True,
    )
    why = _worst_reasons(plan)
    folded = Folded("All intervals", (table,))
    return Section("worst", "Worst interval", (blocking, *why, offered, folded))


def _worst_reasons(plan: Plan) -> tuple[Text, ...]:
    worst = plan.at_answer.worst_interval
    reasons = list(worst_interval_reasons(plan))
    if worst is None or not reasons:
        return ()
    named = f"{formats.span(worst.from_us, worst.until_us)} {reasons[0]}"
    return tuple(map(Text, [named, *reasons[1:]]))


def _worst_sentence(plan: Plan) -> str:
    at = plan.at_answer
    worst = at.worst_interval
    if worst is None or worst.blocking is None or at.blocking is None:
        return "No calls were offered in any interval."
    sentence = (
        f"In the worst one, {formats.span(worst.from_us, worst.until_us)}, "
        f"{formats.estimate(worst.blocking)} of calls are blocked, against "
        f"{formats.share(at.blocking.value)} over the whole run."
    )
    if plan.worst_answer is not None:
        sentence += (
            f" For it to be within the target as well, {slots_words(plan.worst_answer)} are "
            f"needed ({plan.worst_answer - plan.answer:+d})."
        )
    elif plan.target.statistic == BLOCKING:
        sentence += " No number of slots brings it within the target: tenants' own limits bind."
    return sentence
