"""How a plan's answer moves when the traffic is not what was thought, and as it grows."""

from collections.abc import Sequence
from typing import Final

from simulator.planning.result import (
    NodeLoss,
    Plan,
    Sensitivity,
    SensitivityRow,
    SlotsNeeded,
)
from simulator.report.figures import MINUS, THIN_SPACE, number, signed
from simulator.report.pages import formats
from simulator.report.pages.blocks import (
    Axis,
    Bar,
    Bars,
    Block,
    Cell,
    Chart,
    Column,
    Folded,
    Group,
    Kind,
    Line,
    Mark,
    Section,
    Sentences,
    Shape,
    Table,
    Text,
)
from simulator.report.pages.plan_words import (
    NONE_IS_ENOUGH,
    between_words,
    needed_words,
    slots_words,
    statistic_words,
    target_mark,
    target_percent,
    target_words,
    unit_of,
)

_KINDS: Final = {"load": "Load", "hold": "Holding time", "redial": "Redial probability"}
_FEWEST_DRAWN: Final = 3


def sensitivity_section(plan: Plan) -> Section | None:
    """Tornado charts of the slots needed and of the statistic, and the table of both."""
    found = plan.sensitivity
    if found is None or not (found.rows or found.node):
        return None
    blocks: list[Block] = []
    if found.rows:
        blocks += [_needed(plan, found), _at_answer(plan, found)]
    if found.node is not None:
        blocks.append(_node_text(plan, found.node))
    blocks.append(Folded("All of it in numbers", (_table(plan, found),)))
    if found.notes:
        blocks.append(Sentences(found.notes))
    return Section("sensitivity", "If the traffic is not as thought", tuple(blocks))


def _grouped(found: Sensitivity) -> list[tuple[str, list[SensitivityRow]]]:
    """Rows of each kind that is varied up and down."""
    groups = [
        (words, [row for row in found.rows if row.kind == kind]) for kind, words in _KINDS.items()
    ]
    return [(words, each) for words, each in groups if each]


def _as_it_is(plan: Plan, found: Sensitivity) -> int:
    """What the slots of the rows are compared with."""
    return plan.answer if found.base is None else found.base.slots


def _needed(plan: Plan, found: Sensitivity) -> Bars:
    base = _as_it_is(plan, found)
    groups = tuple(
        Group(words, tuple(_needed_bar(base, row) for row in each))
        for words, each in _grouped(found)
    )
    known = [row.needed for row in found.rows if row.needed is not None]
    ends = [base, *(each.low for each in known), *(each.high or each.slots for each in known)]
    low, high = min(ends), max(ends)
    room = max(1, (high - low) // 20)
    return Bars(
        key="needed-bars",
        title="Slots needed",
        sentence=_needed_words(plan, found),
        axis=Axis("slots", low=float(low - room), high=float(high + room)),
        groups=groups,
        heads=("If", f"Slots needed, and between at {formats.confidence(plan.confidence)}"),
        base=float(base),
        marks=(Mark(f"{number(base)} as it is", float(base), tone=6),),
    )


def _needed_words(plan: Plan, found: Sensitivity) -> str:
    if found.base is None:
        return (
            f"These {number(found.replications)} runs meet the target with no number of slots as "
            f"it is; bars start from the answer, {number(plan.answer)}."
        )
    return (
        f"By the average of {number(found.replications)} runs, {slots_words(found.base.slots)} "
        f"({between_words(found.base)}) meet the target as it is; that is what the bars start "
        "from, without the caution of the answer's interval."
    )


def _needed_bar(base: int, row: SensitivityRow) -> Bar:
    needed = row.needed
    if needed is None:
        return Bar(None, NONE_IS_ENOUGH, label=_change(row), beyond=True)
    high = needed.slots if needed.high is None else needed.high
    return Bar(
        float(needed.slots),
        needed_words(needed),
        float(needed.low),
        float(high),
        label=_change(row),
        tone=2 if needed.slots > base else 1,
    )


def _change(row: SensitivityRow, decimals: int = 0) -> str:
    """``−25 %``."""
    return f"{100 * row.change:+.{decimals}f}{THIN_SPACE}%".replace("-", MINUS)


def _at_answer(plan: Plan, found: Sensitivity) -> Bars:
    def bar(row: SensitivityRow) -> Bar:
        each = row.at_answer
        if each is None:
            return Bar(None, "nothing is offered", label=_change(row))
        tone = 1 if plan.target.met_by(each.value) else 2
        return Bar(each.value, formats.estimate(each), each.low, each.high, _change(row), tone)

    known = [row.at_answer.value for row in found.rows if row.at_answer]
    above = [value for value in known if value > 0]
    log = bool(above) and max(above) > 10 * min([plan.target.value, *above])
    return Bars(
        key="at-answer-bars",
        title=f"{statistic_words(plan).capitalize()} if you keep {slots_words(plan.answer)}",
        sentence=f"The target is {target_words(plan)}; what misses it is in another colour.",
        axis=Axis(
            f"{unit_of(plan)}, log scale" if log else unit_of(plan),
            Kind.PERCENT,
            log=log,
        ),
        groups=tuple(
            Group(words, tuple(bar(row) for row in each)) for words, each in _grouped(found)
        ),
        heads=("If", f"Interval at {formats.confidence(plan.confidence)}"),
        points=True,
        marks=(Mark(target_percent(plan), plan.target.value),),
        note=(
            f"From {number(found.replications)} runs each, on the same callers as the answer's: "
            "the differences are those of the change."
        ),
    )


def _table(plan: Plan, found: Sensitivity) -> Table:
    base = found.base
    rows: list[tuple[Cell | str, ...]] = [
        ("as it is (by the average)", _needed_cell(base), "–" if base is None else "0", "–")
    ]
    for row in found.rows:
        more = "–"
        if row.needed is not None and base is not None:
            more = signed(row.needed.slots - base.slots)
        label = row.label.replace("-", MINUS).replace(" %", f"{THIN_SPACE}%")
        rows.append((label, _needed_cell(row.needed), more, formats.estimate_cell(row.at_answer)))
    if (node := found.node) is not None:
        rows.append(
            (
                f"a node of {slots_words(node.slots)} lost",
                number(node.needed),
                signed(node.slots),
                formats.estimate_cell(node.with_left),
            )
        )
    return Table(
        key="sensitivity-table",
        caption=f"By the average of {number(found.replications)} runs each",
        columns=(
            Column("If", words=True),
            Column("Slots needed"),
            Column("More"),
            Column(f"{statistic_words(plan).capitalize()} with {slots_words(plan.answer)}"),
        ),
        rows=tuple(rows),
    )


def _needed_cell(needed: SlotsNeeded | None) -> Cell:
    """The slots, and between which they lie below them."""
    if needed is None:
        return Cell(NONE_IS_ENOUGH)
    return Cell(number(needed.slots), float(needed.slots), below=between_words(needed))


def _node_text(plan: Plan, node: NodeLoss) -> Text:
    if node.with_left is None:
        return Text(f"A lost node of {slots_words(node.slots)} leaves fewer than can be planned.")
    return Text(
        f"With a node of {slots_words(node.slots)} lost, {number(node.left)} are left and "
        f"{statistic_words(plan)} is {formats.estimate(node.with_left)}; "
        f"{slots_words(node.needed)} keep {number(plan.answer)} in that case."
    )


def growth_section(plan: Plan) -> Section | None:
    """What each month of growth needs, and what comes of keeping the answer."""
    found = plan.sensitivity
    if found is None or not found.growth:
        return None
    parts = (_growth_needed(plan, found), _growth_at_answer(plan, found.growth))
    table = Table(
        key="growth-table",
        caption="Slots needed, and what comes of keeping the answer",
        columns=(
            Column("Month", words=True),
            Column("Load"),
            Column("Slots needed"),
            Column(f"{statistic_words(plan).capitalize()} with {slots_words(plan.answer)}"),
        ),
        rows=tuple(
            (
                number(month),
                _change(row, 1),
                _needed_cell(row.needed),
                formats.estimate_cell(row.at_answer),
            )
            for month, row in enumerate(found.growth, 1)
        ),
    )
    return Section("growth", "Growth", (*parts, Folded("Month by month", (table,))))


def _growth_needed(plan: Plan, found: Sensitivity) -> Chart | Text:
    """A chart of the months that can be met; where these are but a few, a sentence says it all."""
    months = found.growth
    needed = [found.base, *(row.needed for row in months)]
    if sum(each is not None for each in needed) < _FEWEST_DRAWN:
        return Text(_needed_sentence(plan, months))
    names = ("as it is", *(row.label.partition(": ")[2] for row in months))
    values = tuple(None if each is None else float(each.slots) for each in needed)
    # An end that is not known bounds no band.
    bounded = [
        None if each is None or each.high is None else (each.low, each.high) for each in needed
    ]
    low = tuple(None if ends is None else float(ends[0]) for ends in bounded)
    high = tuple(None if ends is None else float(ends[1]) for ends in bounded)
    return Chart(
        key="growth-needed",
        title="Slots needed by month",
        sentence=_needed_sentence(plan, months),
        x=Axis("months from now"),
        y=_slots_around([*values, *low, *high, float(plan.answer)]),
        xs=tuple(map(float, range(len(needed)))),
        lines=(
            Line(
                "Slots needed, by the average",
                values,
                low,
                high,
                shape=Shape.DOTTED_LINE,
                texts=tuple(
                    f"{needed_words(each)}, {name}"
                    for each, name in zip(needed, names, strict=True)
                ),
            ),
        ),
        marks=(Mark(f"{slots_words(plan.answer)}", float(plan.answer), across=True, tone=3),),
        low=True,
    )


def _growth_at_answer(plan: Plan, months: Sequence[SensitivityRow]) -> Chart:
    estimates = [row.at_answer for row in months]
    return Chart(
        key="growth-at-answer",
        title=f"{statistic_words(plan).capitalize()} by month with {slots_words(plan.answer)}",
        sentence=_kept_sentence(plan, months),
        x=Axis("months from now"),
        y=Axis(unit_of(plan), Kind.PERCENT),
        xs=tuple(map(float, range(1, len(months) + 1))),
        lines=(
            Line(
                label=f"With {slots_words(plan.answer)}",
                values=tuple(None if each is None else each.value for each in estimates),
                low=tuple(None if each is None else each.low for each in estimates),
                high=tuple(None if each is None else each.high for each in estimates),
                shape=Shape.DOTTED_LINE,
            ),
        ),
        marks=(target_mark(plan),),
        low=True,
    )


def _needed_sentence(plan: Plan, months: Sequence[SensitivityRow]) -> str:
    last = months[-1]
    if last.needed is not None:
        return (
            f"{slots_words(last.needed.slots)} ({between_words(last.needed)}) are needed in month "
            f"{len(months)}, with the load at {_change(last)}."
        )
    first = next(month for month, row in enumerate(months, 1) if row.needed is None)
    needed = months[first - 2].needed if first > 1 else None
    text = ""
    if needed is not None:
        text = f"Month {first - 1} needs {slots_words(needed.slots)} ({between_words(needed)}). "
    text += f"From month {first} on no number of slots meets the target"
    if plan.with_room_for_all is None:
        return f"{text}."
    return f"{text}: tenants' own limits turn away more than it allows, and have to grow as well."


def _kept_sentence(plan: Plan, months: Sequence[SensitivityRow]) -> str:
    missed = [
        month
        for month, row in enumerate(months, 1)
        if row.at_answer is not None and not plan.target.met_by(row.at_answer.value)
    ]
    if not missed:
        return f"{slots_words(plan.answer)} last for all {len(months)} months."
    if missed[0] == 1:
        return f"{slots_words(plan.answer)} miss the target from the first month on."
    return f"{slots_words(plan.answer)} last for {missed[0] - 1} of {len(months)} months."


def _slots_around(values: Sequence[float | None]) -> Axis:
    """An axis around values whose distance from 0 does not matter."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    room = max(1.0, (high - low) / 10)
    return Axis("slots", low=max(0.0, low - room), high=high + room)
