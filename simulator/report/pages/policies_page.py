"""The page of a comparison of sharing policies: who loses how much, how unfairly, at what cost."""

from collections.abc import Iterator, Sequence
from typing import Final

from simulator.planning.policies.result import (
    ONE_POOL,
    Comparison,
    Difference,
    Parameters,
    PolicyOutcome,
    Slots,
    TenantOutcome,
)
from simulator.report.figures import NOTHING, THIN_SPACE, fixed, number, signed
from simulator.report.pages import formats
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

MOST_OPEN_ROWS: Final = 60
"""More bars than these are folded; the table beside them says the same."""
MOST_TENANTS: Final = 60

_SAME: Final = 1
_MORE: Final = 2
_LESS: Final = 3
_LEGEND: Final = (
    "+ (red) loses more than one pool, − (green) less, both beyond chance; blue does not differ."
)
_READING: Final = (
    "Every policy was played on the very same calls of every run, so what differs between two "
    "policies is what the policies do. A call is lost when it is blocked (no slot for it) or "
    "preempted (it held a slot and had to give way). Signs and colours compare with one pool that "
    "all tenants share freely, beyond chance, allowing for the number of tenants. Blocking counts calls, not time; a tenant with few calls has a wide interval."
)
_FAIRNESS: Final = (
    "Jain's index is 1 when all tenants get the same share of their calls through and 1/n when one "
    "of n gets everything. A tenant that is worse off than with a pool of its own has no reason to "
    "share."
)


def policies_page(found: Comparison, command: str) -> Page:
    """The page of a comparison made by ``command``."""
    sections = (
        _loss_section(found),
        _tenants_section(found),
        _unfairness_section(found),
        _overload_section(found),
        _cost_section(found),
        _parameters_section(found),
        Section("reading", "How to read this", (Text(_READING), Sentences(found.notes))),
    )
    limits = sorted({each.max_concurrent_calls for each in found.policies})
    slots = " to ".join(number(limit) for limit in dict.fromkeys((limits[0], limits[-1])))
    return Page(
        kind="busyhour policies",
        title=found.scenario,
        lede=(
            f"{slots} slots shared among {number(len(found.loads))} tenants in "
            f"{number(len(found.policies))} ways, on the same calls"
        ),
        tiles=tuple(_tiles(found, slots)),
        sections=tuple(section for section in sections if section is not None),
        origin=origin_facts(
            command,
            seed=found.seed,
            replications=found.replications,
            scenario_hash=found.digest,
        ),
    )


def _tiles(found: Comparison, slots: str) -> Iterator[Tile]:
    offered = sum(load.offered_erlangs for load in found.loads)
    yield Tile("Slots", slots)
    yield Tile("Offered traffic", fixed(offered, 1), "E")
    yield Tile("Target for each tenant", f"{100 * found.target.value:g}{THIN_SPACE}%", "lost")
    for words, pick in (("Least lost", min), ("Most lost", max)):
        known = [(each.lost.value, each.name) for each in found.policies if each.lost is not None]
        if len(known) > 1:
            value, name = pick(known)
            yield Tile(words, formats.share(value), name)


def _target_mark(found: Comparison) -> Mark:
    return Mark(f"{100 * found.target.value:g}{THIN_SPACE}%", found.target.value, tone=6)


def _tone(difference: Difference | None) -> int:
    """More than in one pool, less, or no difference beyond chance."""
    if difference is None or not difference.is_sure:
        return _SAME
    return _MORE if difference.value > 0 else _LESS


def _sign(difference: Difference | None) -> str:
    """The tone as a sign behind a figure."""
    return {_MORE: f"{THIN_SPACE}+", _LESS: f"{THIN_SPACE}−"}.get(_tone(difference), "")


def _against_cell(difference: Difference | None) -> Cell:
    if difference is None:
        return Cell(NOTHING, sort=0.0)
    low, high = signed(100 * difference.low, 2), signed(100 * difference.high, 2)
    below = f"{low} to {high}{THIN_SPACE}%" + ("" if difference.is_sure else ", may be chance")
    return Cell(f"{signed(100 * difference.value, 2)}{THIN_SPACE}%", difference.value, below=below)


def _loss_section(found: Comparison) -> Section:
    with_preempted = any(each.preempted_calls for each in found.policies)
    with_limit = len({each.max_concurrent_calls for each in found.policies}) > 1
    figure = Bars(
        key="lost-bars",
        title="Calls lost, of all calls offered",
        sentence=_LEGEND,
        axis=Axis("share of calls", Kind.PERCENT),
        groups=tuple(
            Group(
                each.name,
                (
                    Bar(
                        None if each.lost is None else each.lost.value,
                        f"{formats.estimate(each.lost)}{_sign(each.over_one_pool)}",
                        None if each.lost is None else each.lost.low,
                        None if each.lost is None else each.lost.high,
                        tone=_tone(each.over_one_pool),
                    ),
                ),
            )
            for each in found.policies
        ),
        heads=("Policy", f"Lost, interval at {formats.confidence(found.confidence)}"),
    )
    columns = [
        Column("Policy", words=True),
        Column("Lost"),
        Column("Against one pool"),
        Column("First attempts blocked"),
        Column("Carried, E"),
        Column("Occupied"),
    ]
    if with_preempted:
        columns.append(Column("Preempted a run"))
    if with_limit:
        columns.append(Column("Slots"))
    rows = []
    for each in found.policies:
        occupancy = None if each.occupancy is None else each.occupancy.value
        row: list[Cell | str] = [
            each.name,
            formats.estimate_cell(each.lost),
            _against_cell(each.over_one_pool),
            formats.estimate_cell(each.first_attempt_blocking),
            Cell(fixed(each.carried_erlangs, 2), sort=each.carried_erlangs),
            Cell(formats.share(occupancy), sort=-1.0 if occupancy is None else occupancy),
        ]
        if with_preempted:
            row.append(Cell(fixed(each.preempted_calls, 1), sort=each.preempted_calls))
        if with_limit:
            row.append(number(each.max_concurrent_calls))
        rows.append(tuple(row))
    table = Table("lost-table", "The same with more", tuple(columns), tuple(rows), sortable=True)
    return Section("lost", "Who loses how much", (figure, table))


def _of(policy: PolicyOutcome, tenant: str) -> TenantOutcome | None:
    return next((each for each in policy.tenants if each.tenant == tenant), None)


def _tenants_section(found: Comparison) -> Section:
    shown = found.loads[:MOST_TENANTS]
    groups = []
    for load in shown:
        bars = []
        for policy in found.policies:
            one = _of(policy, load.tenant)
            lost = None if one is None else one.lost
            against = None if one is None else one.over_one_pool
            bars.append(
                Bar(
                    None if lost is None else lost.value,
                    f"{formats.estimate(lost)}{_sign(against)}",
                    None if lost is None else lost.low,
                    None if lost is None else lost.high,
                    policy.name,
                    _tone(against),
                )
            )
        groups.append(Group(load.tenant, tuple(bars)))
    figure = Bars(
        key="tenant-bars",
        title="Calls of each tenant that are lost under each policy",
        sentence=_LEGEND,
        axis=Axis("share of the tenant's calls", Kind.PERCENT),
        groups=tuple(groups),
        heads=("Tenant", "Policy and share lost"),
        marks=(_target_mark(found),),
    )
    left_out = len(found.loads) - len(shown)
    table = Table(
        key="tenants-table",
        caption="Lost by tenant and policy; + and − mark what differs from one pool beyond chance",
        columns=(Column("Tenant", words=True), *(Column(each.name) for each in found.policies)),
        rows=tuple(
            (load.tenant, *(_lost_cell(_of(policy, load.tenant)) for policy in found.policies))
            for load in shown
        ),
        note=f"{number(left_out)} more tenants are in the file of --output." if left_out else "",
    )
    many = len(shown) * len(found.policies) > MOST_OPEN_ROWS
    drawn: Block = Folded("As bars with intervals", (figure,)) if many else figure
    return Section("tenants", "Each tenant", (table, drawn))


def _lost_cell(one: TenantOutcome | None) -> Cell:
    if one is None or one.lost is None:
        return Cell(NOTHING)
    text = f"{formats.share(one.lost.value)}{_sign(one.over_one_pool)}"
    below = formats.interval(one.lost.low, one.lost.high)
    return Cell(text, one.lost.value, below=below)


def _unfairness_section(found: Comparison) -> Section:
    rows = []
    for each in found.policies:
        fair = each.fairness
        worst = None if fair.worst_tenant is None else _of(each, fair.worst_tenant)
        times = fair.worst_over_average
        rows.append(
            (
                each.name,
                fair.worst_tenant or NOTHING,
                formats.estimate_cell(None if worst is None else worst.lost),
                Cell(
                    NOTHING if times is None else fixed(times, 2),
                    sort=0.0 if times is None else times,
                    below="" if times is None or fair.unequal else "may be chance",
                ),
                fixed(fair.jain_index, 4),
                _who(fair.worse_than_own_pools, found),
            )
        )
    drawn = [each for each in found.policies if each.fairness.worst_over_average is not None]
    figure = Bars(
        key="unfair-bars",
        title="How many times the average share the worst-off tenant loses",
        sentence="1 would be a tenant that loses no more than all together; red is beyond chance.",
        axis=Axis("times the average"),
        groups=tuple(
            Group(
                each.name,
                (
                    Bar(
                        each.fairness.worst_over_average,
                        _times(each),
                        tone=_MORE if each.fairness.unequal else _SAME,
                    ),
                ),
            )
            for each in drawn
        ),
        heads=("Policy", "Times, and who"),
        marks=(Mark("1", 1.0, tone=6),),
    )
    table = Table(
        key="unfair-table",
        caption="The worst-off tenant of each policy",
        columns=(
            Column("Policy", words=True),
            Column("Worst off", words=True),
            Column("Loses"),
            Column("Times the average"),
            Column("Jain's index"),
            Column("Worse off than with a pool of its own", words=True),
        ),
        rows=tuple(rows),
    )
    blocks: tuple[Block, ...] = (figure, table) if drawn else (table,)
    return Section("unfairness", "How unfair", (*blocks, Text(_FAIRNESS)))


def _times(policy: PolicyOutcome) -> str:
    fair = policy.fairness
    return f"{fixed(fair.worst_over_average, 2)} ({fair.worst_tenant})"


def _who(names: Sequence[str], found: Comparison) -> str:
    if not names:
        return "nobody"
    if len(names) == len(found.loads) and len(names) > 2:
        return "everybody"
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} tenants"


def _overload_section(found: Comparison) -> Section | None:
    if found.overload is None:
        return None
    rows = []
    for each in found.policies:
        hurt = [one for one in each.tenants if one.by_overload is not None]
        most = max(hurt, key=lambda one: _value(one.by_overload), default=None)
        count = len(each.fairness.hurt_by_overload)
        is_hurt = most is not None and _value(most.by_overload) > 0
        rows.append(
            (
                each.name,
                most.tenant if most is not None and is_hurt else NOTHING,
                _against_cell(most.by_overload if most is not None and is_hurt else None),
                "nobody" if count == 0 else f"{count} of {len(hurt)} others",
            )
        )
    name, factor = found.overload.tenant, found.overload.factor
    table = Table(
        key="overload-table",
        caption=f"{name} offers {factor:g} times its calls; nobody's parameters change",
        columns=(
            Column("Policy", words=True),
            Column("Hurt most", words=True),
            Column("Loses more"),
            Column("Hurt beyond chance"),
        ),
        rows=tuple(rows),
    )
    return Section("overload", "If one tenant overloads", (table,))


def _value(difference: Difference | None) -> float:
    return 0.0 if difference is None else difference.value


def _cost_section(found: Comparison) -> Section | None:
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


def _parameters_section(found: Comparison) -> Section:
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
