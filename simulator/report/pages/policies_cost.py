"""What sharing policies cost in slots, and what they set for each tenant."""

from collections.abc import Sequence
from typing import Final

from simulator.planning.policies.result import (
    ONE_POOL,
    Comparison,
    Parameters,
    PolicyOutcome,
    Slots,
)
from simulator.report.figures import NOTHING, THIN_SPACE, fixed, number, signed
from simulator.report.pages.blocks import (
    Axis,
    Bar,
    Bars,
    Block,
    Cell,
    Code,
    Column,
    Fact,
    Facts,
    Folded,
    Group,
    Mark,
    Section,
    Sentences,
    Table,
)

MOST_TENANTS: Final = 60


def cost_section(found: Comparison) -> Section | None:
    """The slots each policy needs, with what they lie between; None where none were sought."""
    priced = [(each, each.slots) for each in found.policies if each.slots is not None]
    if not priced:
        return None
    everybody = len(found.protected) == len(found.loads)
    who = "every tenant" if everybody else ", ".join(found.protected)
    target = f"{100 * found.target.value:g}{THIN_SPACE}%"
    bound = "less than" if found.target.is_strict else "at most"
    figure = Bars(
        key="cost-bars",
        title="Slots needed",
        sentence=(
            f"The least with which {who} loses {bound} {target} by the average, and between what "
            "is possible and what is surely enough."
        ),
        axis=Axis("slots", low=_lowest(priced)),
        groups=tuple(Group(each.name, (_cost_bar(slots),)) for each, slots in priced),
        heads=("Policy", "Slots, and between"),
        base=0.0,
        points=True,
        marks=_one_pool_mark(priced),
    )
    strained = found.overload is not None
    columns = [
        Column("Policy", words=True),
        Column("Slots"),
        Column("Between"),
        Column("Over one pool"),
        Column("Over own pools"),
    ]
    if strained:
        columns.append(Column("For the rest in overload"))
    rows = []
    for each, slots in priced:
        row: list[Cell | str] = [
            each.name,
            _count(slots.needed),
            _range(slots),
            NOTHING if slots.over_one_pool is None else signed(slots.over_one_pool),
            NOTHING if slots.over_own_pools is None else signed(slots.over_own_pools),
        ]
        if strained:
            row.append(_count(slots.in_overload))
        rows.append(tuple(row))
    table = Table("cost-table", "The same in numbers", tuple(columns), tuple(rows))
    reasons = tuple(
        f"{each.name}: no number of slots is enough; {slots.why_none}."
        for each, slots in priced
        if slots.why_none is not None
    )
    blocks: tuple[Block, ...] = (figure, table)
    if reasons:
        blocks = (*blocks, Sentences(reasons))
    return Section("cost", "What it costs in slots", blocks)


def _lowest(priced: Sequence[tuple[PolicyOutcome, Slots]]) -> float:
    """Slots differ little against their number: the axis begins near the least."""
    known = [
        float(value)
        for _, slots in priced
        for value in (slots.needed, slots.least_possible, slots.surely_enough)
        if value is not None
    ]
    if not known:
        return 0.0
    return max(0.0, min(known) - max(1.0, (max(known) - min(known)) / 6))


def _cost_bar(slots: Slots) -> Bar:
    if slots.needed is None:
        return Bar(None, "none is enough", beyond=True)
    low = slots.least_possible if slots.least_possible is not None else slots.needed
    high = slots.surely_enough
    between = f"{number(low)} or more" if high is None else f"{number(low)} to {number(high)}"
    return Bar(
        float(slots.needed),
        f"{number(slots.needed)} ({between})",
        low=float(low),
        high=float(slots.needed if high is None else high),
    )


def _one_pool_mark(priced: Sequence[tuple[PolicyOutcome, Slots]]) -> tuple[Mark, ...]:
    needed = [slots.needed for each, slots in priced if each.name == ONE_POOL]
    return tuple(Mark("one pool", float(each), tone=6) for each in needed if each is not None)


def _count(value: int | None) -> Cell:
    return Cell("none", sort=float(2**53)) if value is None else Cell(number(value), float(value))


def _range(slots: Slots) -> str:
    if slots.least_possible is None:
        return NOTHING
    if slots.surely_enough is None:
        return f"{number(slots.least_possible)} or more"
    return f"{number(slots.least_possible)} to {number(slots.surely_enough)}"


def parameters_section(found: Comparison) -> Section:
    """The rule of each policy and what it sets for each tenant."""
    shown = found.loads[:MOST_TENANTS]
    table = Table(
        key="parameters-table",
        caption="What each policy sets for each tenant",
        columns=(
            Column("Tenant", words=True),
            Column("Offers, E"),
            Column("Needs alone"),
            *(Column(each.name, words=True) for each in found.policies),
        ),
        rows=tuple(
            (
                load.tenant,
                fixed(load.offered_erlangs, 1),
                number(load.own_need),
                *(_set(policy, load.tenant) for policy in found.policies),
            )
            for load in shown
        ),
    )
    rules = Facts(tuple(Fact(each.name, f"{each.rule}.") for each in found.policies))
    keys = [f"# {each.name}\n" + "\n".join(each.keys) for each in found.policies if each.keys]
    blocks: tuple[Block, ...] = (rules, table)
    if keys:
        blocks = (*blocks, Folded("As keys of a scenario file", (Code("\n\n".join(keys)),)))
    return Section("parameters", "What each policy sets", blocks)


def _set(policy: PolicyOutcome, tenant: str) -> str:
    own: Parameters | None = next(
        (each for each in policy.parameters if each.tenant == tenant), None
    )
    if own is None:
        return NOTHING
    parts = []
    if own.max_concurrent_calls is not None:
        parts.append(f"at most {number(own.max_concurrent_calls)}")
    if own.reserved_calls:
        parts.append(f"keeps {number(own.reserved_calls)}")
    if own.leave_free:
        parts.append(f"leaves {number(own.leave_free)} free")
    if own.priority is not None:
        parts.append(f"rank {own.priority}")
    return ", ".join(parts) or NOTHING
