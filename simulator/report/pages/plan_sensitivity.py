"""How a plan's answer moves when the traffic is not what was thought, and as it grows."""

from collections.abc import Sequence
from typing import Final

from simulator.planning.result import Plan, Sensitivity, SensitivityRow
from simulator.report.figures import number, signed
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
    slots_words,
    statistic_words,
    target_mark,
    target_percent,
    target_words,
    unit_of,
)

_KINDS: Final = {"load": "Load", "hold": "Holding time", "redial": "Redial probability"}
_NONE: Final = "none is enough"
_FEWEST_DRAWN: Final = 3


def sensitivity_section(plan: Plan) -> Section | None:
    """Tornado charts of the slots needed and of the statistic, and the table of both."""
    found = plan.sensitivity
    if found is None or not found.rows:
        return None
    rows = [row for row in found.rows if row.kind != "growth"]
    blocks: list[Block] = []
    if any(row.kind in _KINDS for row in rows):
        blocks += [_needed(plan, found, rows), _at_answer(plan, found, rows)]
    blocks += [_node_text(plan, row) for row in rows if row.kind == "node"]
    if rows:
        blocks.append(Folded("All of it in numbers", (_table(plan, found, rows),)))
    if found.notes:
        blocks.append(Sentences(found.notes))
    return Section("sensitivity", "If the traffic is not as thought", tuple(blocks))


def _grouped(rows: Sequence[SensitivityRow]) -> list[tuple[str, list[SensitivityRow]]]:
    """Rows of each kind that is varied up and down, the one that moves most first."""
    groups = [(words, [row for row in rows if row.kind == kind]) for kind, words in _KINDS.items()]
    return [(words, each) for words, each in groups if each]


def _needed(plan: Plan, found: Sensitivity, rows: Sequence[SensitivityRow]) -> Bars:
    groups = tuple(
        Group(words, tuple(_needed_bar(found, row) for row in each))
        for words, each in _grouped(rows)
    )
    values = [row.needed for row in rows if row.kind in _KINDS and row.needed is not None]
    low, high = min([found.base, *values]), max([found.base, *values])
    reach = max(1, (high - low) // 20)
    impossible = [row for row in rows if row.kind in _KINDS and row.needed is None]
    sentence = (
        f"By the average, {slots_words(found.base)} meet the target as it is; that is what the "
        "bars start from, without the caution of the answer's interval."
    )
    if impossible and plan.with_room_for_all is not None:
        sentence += (
            " Where none is enough, tenants' own limits turn away more than the target allows; "
            "those limits have to grow as well."
        )
    return Bars(
        key="needed-bars",
        title="Slots needed",
        sentence=sentence,
        axis=Axis("slots", low=float(low - reach), high=float(high + reach)),
        groups=groups,
        heads=("If", "Slots needed"),
        base=float(found.base),
        marks=(Mark(f"{number(found.base)} as it is", float(found.base), tone=6),),
    )


def _needed_bar(found: Sensitivity, row: SensitivityRow) -> Bar:
    change = f"{100 * row.change:+.0f}\u202f%".replace("-", "\u2212")
    if row.needed is None:
        return Bar(None, _NONE, label=change, beyond=True)
    text = f"{number(row.needed)} ({signed(row.needed - found.base) or 0})"
    tone = 2 if row.needed > found.base else 1
    return Bar(float(row.needed), text, label=change, tone=tone)


def _at_answer(plan: Plan, found: Sensitivity, rows: Sequence[SensitivityRow]) -> Bars:
    def bar(row: SensitivityRow) -> Bar:
        change = f"{100 * row.change:+.0f}\u202f%".replace("-", "\u2212")
        each = row.at_answer
        if each is None:
            return Bar(None, "nothing is offered", label=change)
        tone = 1 if plan.target.met_by(each.value) else 2
        return Bar(each.value, formats.estimate(each), each.low, each.high, change, tone)

    known = [row.at_answer.value for row in rows if row.kind in _KINDS and row.at_answer]
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
            Group(words, tuple(bar(row) for row in each)) for words, each in _grouped(rows)
        ),
        heads=("If", f"Interval at {formats.confidence(plan.confidence)}"),
        points=True,
        marks=(Mark(target_percent(plan), plan.target.value),),
        note=(
            f"From {number(found.replications)} runs each, on the same callers as the answer's: "
            "the differences are those of the change."
        ),
    )


def _table(plan: Plan, found: Sensitivity, rows: Sequence[SensitivityRow]) -> Table:
    return Table(
        key="sensitivity-table",
        caption=f"By the average of {number(found.replications)} runs each",
        columns=(
            Column("If", words=True),
            Column("Slots needed"),
            Column("More"),
            Column(f"{statistic_words(plan).capitalize()} with {slots_words(plan.answer)}"),
        ),
        rows=(
            ("as it is (by the average)", number(found.base), "0", "–"),
            *(_row(plan, found, row) for row in rows),
        ),
    )


def _node_text(plan: Plan, row: SensitivityRow) -> Text:
    lost = round(-row.change)
    if row.at_answer is None or row.needed is None:
        return Text(f"A lost node of {slots_words(lost)} leaves fewer than the scenario needs.")
    return Text(
        f"With a node of {slots_words(lost)} lost, {number(plan.answer - lost)} are left and "
        f"{statistic_words(plan)} is {formats.estimate(row.at_answer)}; {slots_words(row.needed)} "
        f"keep {number(plan.answer)} in that case."
    )


def _row(plan: Plan, found: Sensitivity, row: SensitivityRow) -> tuple[Cell | str, ...]:
    # A lost node is made up for from the answer itself, the rest is compared by averages.
    base = plan.answer if row.kind == "node" else found.base
    needed = _NONE if row.needed is None else number(row.needed)
    more = "–" if row.needed is None else signed(row.needed - base)
    return (
        row.label.replace("-", "\u2212") if row.kind in _KINDS else row.label,
        needed,
        more,
        formats.estimate_cell(row.at_answer),
    )


def growth_section(plan: Plan) -> Section | None:
    """What each month of growth needs, and what comes of keeping the answer."""
    found = plan.sensitivity
    months = [] if found is None else [row for row in found.rows if row.kind == "growth"]
    if found is None or not months:
        return None
    parts = (_growth_needed(plan, found, months), _growth_at_answer(plan, months))
    table = Table(
        key="growth-table",
        caption="Month by month",
        columns=(
            Column("Month", words=True),
            Column("Load"),
            Column("Slots needed"),
            Column(f"{statistic_words(plan).capitalize()} with {slots_words(plan.answer)}"),
        ),
        rows=tuple(
            (
                number(month),
                f"{100 * row.change:+.1f}\u202f%".replace("-", "\u2212"),
                _NONE if row.needed is None else number(row.needed),
                formats.estimate_cell(row.at_answer),
            )
            for month, row in enumerate(months, 1)
        ),
    )
    return Section("growth", "Growth", (*parts, Folded("Month by month", (table,))))


def _growth_needed(
    plan: Plan, found: Sensitivity, months: Sequence[SensitivityRow]
) -> Chart | Text:
    """A chart of the months that can be met; where these are but a few, a sentence says it all."""
    needed: list[float | None] = [float(found.base), *(_float(row.needed) for row in months)]
    if sum(value is not None for value in needed) < _FEWEST_DRAWN:
        return Text(_needed_sentence(plan, months))
    names = ("as it is", *(row.label.partition(": ")[2] for row in months))
    texts = (
        f"{_NONE if value is None else number(int(value))} ({name})"
        for value, name in zip(needed, names, strict=True)
    )
    return Chart(
        key="growth-needed",
        title="Slots needed by month",
        sentence=_needed_sentence(plan, months),
        x=Axis("months from now"),
        y=_slots_around([*needed, float(plan.answer)]),
        xs=tuple(map(float, range(len(needed)))),
        lines=(
            Line(
                "Slots needed, by the average",
                tuple(needed),
                shape=Shape.DOTTED_LINE,
                texts=tuple(texts),
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
    growth = f"{100 * last.change:+.0f}\u202f%".replace("-", "\u2212")
    if last.needed is not None:
        return (
            f"{slots_words(last.needed)} are needed in month {len(months)}, "
            f"with the load at {growth}."
        )
    first = next(month for month, row in enumerate(months, 1) if row.needed is None)
    needed = months[first - 2].needed if first > 1 else None
    text = "" if needed is None else f"Month {first - 1} needs {slots_words(needed)}. "
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


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)


def _slots_around(values: Sequence[float | None]) -> Axis:
    """An axis around values whose distance from 0 does not matter."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    room = max(1.0, (high - low) / 10)
    return Axis("slots", low=max(0.0, low - room), high=high + room)
