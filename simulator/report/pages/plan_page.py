"""The page of a plan: the answer, what was measured around it, and what it rests on."""

from collections.abc import Iterator

from simulator.planning.formula import Formula
from simulator.planning.formula_words import (
    FORMULA_NAMES,
    formula_sentences,
    load_words,
    unknown_to,
)
from simulator.planning.measure import Point
from simulator.planning.plan_text import plan_lines
from simulator.planning.result import Plan
from simulator.planning.target import BLOCKING, WORST_INTERVAL
from simulator.report.figures import fixed, number
from simulator.report.pages import formats
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
    Kind,
    Mark,
    Page,
    Section,
    Sentences,
    Table,
    Text,
    Tile,
)
from simulator.report.pages.origin import origin_facts
from simulator.report.pages.plan_charts import curve_section, day_section, worst_section
from simulator.report.pages.plan_sensitivity import growth_section, sensitivity_section
from simulator.report.pages.plan_words import (
    interval_cell,
    slots_words,
    statistic_words,
    target_percent,
    target_words,
)

CALL_CONGESTION = (
    "Blocking (call congestion) is the share of calls that found no slot, and what callers notice. "
    "Time congestion is the share of time during which every slot was taken, and what a gauge on "
    "the platform shows. They are equal only for calls that come at random at a constant rate "
    "(PASTA: Poisson arrivals see time averages); where calls come in bursts or in one part of the "
    "day, more of them meet a full platform than its share of time."
)


def plan_page(plan: Plan, command: str) -> Page:
    """The page of a plan made by ``command``."""
    sections = (
        curve_section(plan),
        _around_section(plan),
        day_section(plan),
        worst_section(plan),
        _tenant_section(plan),
        sensitivity_section(plan),
        growth_section(plan),
        _formula_section(plan),
        _assumptions_section(plan),
    )
    return Page(
        kind="busyhour plan",
        title=plan.scenario,
        answer=_answer(plan),
        tiles=tuple(_tiles(plan)),
        sections=tuple(section for section in sections if section is not None),
        origin=origin_facts(
            command,
            seed=plan.seed,
            replications=plan.replications,
            scenario_hash=plan.digest,
        ),
    )


def _answer(plan: Plan) -> Answer:
    sure = formats.confidence(plan.confidence)
    if plan.least_possible == plan.answer:
        certainty = plan.explanation[0] if plan.explanation else ""
    else:
        certainty = (
            f"The truth lies between {number(plan.least_possible)} and {slots_words(plan.answer)}, "
            f"each end with {sure} confidence; {number(plan.answer)} is the safe end."
        )
    return Answer(
        figure=number(plan.answer),
        unit="slot" if plan.answer == 1 else "slots",
        words=f"for {target_words(plan)}, with {sure} confidence",
        certainty=certainty,
    )


def _tiles(plan: Plan) -> Iterator[Tile]:
    at = plan.at_answer
    blocking = None if at.blocking is None else at.blocking.value
    congestion = None if at.time_congestion is None else at.time_congestion.value
    occupancy = None if at.occupancy is None else at.occupancy.value
    yield Tile("Blocking", formats.share(blocking), "of calls")
    yield Tile("Time congestion", formats.share(congestion), "of time")
    yield Tile("Offered traffic", _erlangs(plan.offered_erlangs), "E")
    yield Tile("Slots occupied", formats.share(occupancy))
    if at.worst_interval is not None and at.worst_interval.blocking is not None:
        worst = at.worst_interval
        yield Tile(
            "Worst interval",
            formats.share(at.worst_interval.blocking.value),
            formats.span(worst.from_us, worst.until_us),
        )
    if plan.erlang_b.slots is not None:
        yield Tile("Erlang B says", number(plan.erlang_b.slots), "slots")


def _erlangs(value: float) -> str:
    return fixed(value, 1 if value >= 10 else 2)


def _around_section(plan: Plan) -> Section:
    has_worst = any(point.worst_interval is not None for point in plan.points)
    columns = [
        Column("Slots", words=True),
        Column("Blocking (of calls)"),
        Column("Time congestion (of time)"),
        Column("First attempts blocked"),
        Column("Callers lost for good"),
        Column("Occupied"),
    ]
    if has_worst:
        columns.append(Column("Worst interval"))
    at = plan.at_answer
    table = Table(
        key="around",
        caption=(
            f"The answer and its neighbours on the same calls, {number(plan.replications)} runs "
            f"each, with intervals at {formats.confidence(plan.confidence)}"
        ),
        columns=tuple(columns),
        rows=tuple(_around_row(point, has_worst=has_worst) for point in plan.points),
        marked=tuple(
            place
            for place, point in enumerate(plan.points)
            if point.max_concurrent_calls == plan.answer
        ),
        note=(
            f"One run offers {number(round(at.offered_calls))} calls, "
            f"{fixed(plan.offered_erlangs, 2)} erlang if there were always room; with "
            f"{slots_words(plan.answer)} it carries {fixed(at.carried_erlangs, 2)} erlang "
            f"({number(round(at.carried_minutes))} slot minutes), at most "
            f"{number(at.peak_in_use)} calls at once."
        ),
    )
    return Section("calls-and-time", "Calls and time", (table, Text(CALL_CONGESTION)))


def _around_row(point: Point, *, has_worst: bool) -> tuple[Cell | str, ...]:
    row: list[Cell | str] = [
        number(point.max_concurrent_calls),
        formats.estimate_cell(point.blocking),
        formats.estimate_cell(point.time_congestion),
        formats.estimate_cell(point.first_attempt_blocking),
        formats.estimate_cell(point.eventual_loss),
        formats.share(None if point.occupancy is None else point.occupancy.value),
    ]
    if has_worst:
        row.append(interval_cell(point.worst_interval))
    return tuple(row)


def _tenant_section(plan: Plan) -> Section | None:
    tenants = plan.at_answer.tenants
    if len(tenants) < 2:
        return None
    found = {name: each.blocking for name, each in tenants.items() if each.blocking is not None}
    # Blocking of a tenant is no measure for a target on something else.
    is_compared = plan.target.statistic in (BLOCKING, WORST_INTERVAL)
    over = [name for name, blocking in found.items() if not plan.target.met_by(blocking.value)]
    sentence = f"The target is of {statistic_words(plan)}, which is known of all calls only."
    if is_compared:
        above = f"above {target_percent(plan)} by"
        sentence = f"All {len(tenants)} are within {target_percent(plan)} by themselves."
        if len(over) == 1:
            sentence = f"{over[0]} is {above} itself."
        elif over:
            sentence = f"{len(over)} of {len(tenants)} are {above} themselves."
    figure = Bars(
        key="tenant-bars",
        title=f"Blocking of each tenant with {slots_words(plan.answer)}",
        sentence=sentence,
        axis=Axis("share of the tenant's calls", Kind.PERCENT),
        groups=tuple(
            Group(
                name,
                (
                    Bar(
                        None if blocking is None else blocking.value,
                        formats.estimate(blocking),
                        None if blocking is None else blocking.low,
                        None if blocking is None else blocking.high,
                    ),
                ),
            )
            for name, blocking in ((name, each.blocking) for name, each in tenants.items())
        ),
        heads=("Tenant", f"Blocking, interval at {formats.confidence(plan.confidence)}"),
        points=True,
        marks=(Mark(target_percent(plan), plan.target.value),) if is_compared else (),
    )
    has_worst = any(each.worst_interval is not None for each in tenants.values())
    columns = [
        Column("Tenant", words=True),
        Column("Blocking"),
        Column("Carried, E"),
        Column("Most at once"),
    ]
    if has_worst:
        columns.append(Column("Worst interval"))
    rows = []
    for name, each in tenants.items():
        row: list[Cell | str] = [
            name,
            formats.estimate_cell(each.blocking),
            Cell(fixed(each.carried_erlangs, 2), sort=each.carried_erlangs),
            Cell(number(each.peak_in_use), sort=float(each.peak_in_use)),
        ]
        if has_worst:
            row.append(interval_cell(each.worst_interval))
        rows.append(tuple(row))
    table = Table(
        "tenants-table", "Tenants at the answer", tuple(columns), tuple(rows), sortable=True
    )
    return Section("tenants", "Tenants", (figure, Folded("More of each tenant", (table,))))


def _formula_section(plan: Plan) -> Section:
    simulated: tuple[Cell | str, ...] = (
        "simulation",
        number(plan.answer),
        formats.estimate_cell(plan.target_at_answer),
        f"{fixed(plan.offered_erlangs, 2)} E on average, measured",
    )
    table = Table(
        key="formula-table",
        caption=f"What formulas say of {target_words(plan)}",
        columns=(
            Column("", words=True),
            Column("Slots"),
            Column(f"{statistic_words(plan).capitalize()} with {slots_words(plan.answer)}"),
            Column("The load it goes by", words=True),
        ),
        rows=(simulated, *(_formula_row(formula) for formula in plan.formulas)),
    )
    blocks: list[Block] = [table, *map(Text, formula_sentences(plan))]
    if unknown := tuple(unknown_to(plan.formulas)):
        blocks += [Text("What a formula does not know of:"), Sentences(unknown)]
    return Section("formula", "Formulas beside it", tuple(blocks))


def _formula_row(formula: Formula) -> tuple[Cell | str, ...]:
    return (
        FORMULA_NAMES[formula.kind],
        "–" if formula.slots is None else number(formula.slots),
        formats.share(formula.at_answer),
        load_words(formula),
    )


def _assumptions_section(plan: Plan) -> Section:
    return Section(
        "assumptions",
        "Assumptions",
        (
            Sentences(plan.assumptions),
            Folded(
                "The plan as it is printed",
                (Code("\n".join(plan_lines(plan))),),
                on_paper=False,
            ),
        ),
    )
