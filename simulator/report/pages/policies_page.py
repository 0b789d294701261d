"""The page of a comparison of sharing policies: who loses how much, how unfairly, at what cost."""

from collections.abc import Iterator, Sequence
from typing import Final

from simulator.planning.policies.result import (
    Comparison,
    Difference,
    PolicyOutcome,
    TenantOutcome,
)
from simulator.report.figures import NOTHING, THIN_SPACE, fixed, number
from simulator.report.pages import formats
from simulator.report.pages.blocks import (
    Axis,
    Bar,
    Bars,
    Block,
    Cell,
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
from simulator.report.pages.policies_cost import MOST_TENANTS, cost_section, parameters_section

MOST_OPEN_ROWS: Final = 90
"""More bars than these are folded; the table beside them says the same."""

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
    "all tenants share freely, beyond chance, allowing for the number of tenants. Blocking counts "
    "calls, not time; a tenant with few calls has a wide interval."
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
        cost_section(found),
        parameters_section(found),
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
    below = f"{_points(difference.low)} to {_points(difference.high)}{THIN_SPACE}%"
    below += "" if difference.is_sure else ", may be chance"
    return Cell(f"{_points(difference.value)}{THIN_SPACE}%", difference.value, below=below)


def _points(value: float) -> str:
    """A difference of shares in per cent, with its sign."""
    text = fixed(100 * value, 2)
    return f"{'+' if value > 0 and text != '0.00' else ''}{text}"


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
