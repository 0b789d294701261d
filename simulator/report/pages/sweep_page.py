"""The page of a sweep: lines or a heat map of what was varied, and every point in a table."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from simulator.planning.estimate import Estimate
from simulator.planning.measure import Point
from simulator.planning.sweep import Sweep, SweepPoint
from simulator.report.figures import fixed, number
from simulator.report.pages import formats
from simulator.report.pages.blocks import (
    Axis,
    Block,
    Cell,
    Chart,
    Column,
    Folded,
    Kind,
    Line,
    Page,
    Section,
    Shape,
    Table,
    Text,
    Tile,
)
from simulator.report.pages.origin import origin_facts
from simulator.report.pages.plan_page import CALL_CONGESTION
from simulator.report.pages.plan_words import interval_cell

MOST_LINES: Final = 6
MOST_ROWS: Final = 600
"""Points in the table; files written with ``--output`` have them all."""
MOST_TENANT_ROWS: Final = 40
MOST_TENANTS: Final = 40

_LOG_FROM: Final = 20
_NUMBER: Final = re.compile(r"x?([+-]?[0-9]+(?:\.[0-9]+)?)", re.ASCII)

Statistic = Callable[[Point], Estimate | None]


def sweep_page(sweep: Sweep, command: str) -> Page:
    """The page of a sweep made by ``command``."""
    sections = (
        _varied_section(sweep),
        _tenants_section(sweep),
        _points_section(sweep),
        Section("reading", "How to read this", (Text(CALL_CONGESTION), Text(_INTERVALS))),
    )
    first = sweep.points[0]
    seeds = sorted({point.seed for point in sweep.points})
    return Page(
        kind="busyhour sweep",
        title=sweep.scenario,
        lede=f"{' × '.join(sweep.keys)}",
        tiles=(
            Tile("Points", number(len(sweep.points))),
            Tile("Runs of each point", number(sweep.replications)),
            Tile("Intervals at", formats.confidence(sweep.confidence)),
            *_extremes(sweep),
        ),
        sections=tuple(section for section in sections if section is not None),
        origin=origin_facts(
            command,
            seed=", ".join(map(str, seeds)),
            replications=sweep.replications,
            scenario_hash_of_the_first_point=first.digest,
        ),
    )


_INTERVALS: Final = (
    "Intervals come from the spread between runs, not between calls: losses come in clusters. All "
    "points were drawn from the same seeds, so points with the same calls differ by their limits "
    "alone, and differences between points are surer than their intervals one by one say."
)


def _blocking(point: Point) -> Estimate | None:
    return point.blocking


def _time_congestion(point: Point) -> Estimate | None:
    return point.time_congestion


def _worst(point: Point) -> Estimate | None:
    return None if point.worst_interval is None else point.worst_interval.blocking


def _extremes(sweep: Sweep) -> list[Tile]:
    known = [
        (point.figures.blocking.value, point)
        for point in sweep.points
        if point.figures.blocking is not None
    ]
    if len(known) < 2:
        return []
    least, most = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
    return [
        Tile("Least blocking", formats.share(least[0]), f"at {', '.join(least[1].values)}"),
        Tile("Most blocking", formats.share(most[0]), f"at {', '.join(most[1].values)}"),
    ]


def _varied_section(sweep: Sweep) -> Section | None:
    if len(sweep.points) < 2 or len(sweep.keys) > 2:
        return None
    blocks: list[Block] = []
    if len(sweep.keys) == 1:
        blocks += _one_key(sweep)
    else:
        blocks += _two_keys(sweep)
    return Section("varied", "What it comes to", tuple(blocks))


def _one_key(sweep: Sweep) -> list[Block]:
    axis, xs, points = _along(sweep.keys[0], [(p.values[0], p) for p in sweep.points])
    lines = [
        _line("Blocking, of calls", points, _blocking, tone=1),
        _line("Time congestion, of time", points, _time_congestion, tone=3, dashed=True),
    ]
    if sweep.interval_us is not None:
        lines.append(_line("Blocking in the worst interval", points, _worst, tone=2))
    ends = [point.figures.blocking for point in (points[0], points[-1])]
    chart = Chart(
        key="shares",
        title="Blocking and time congestion",
        sentence=(
            f"From {sweep.keys[0]} {points[0].values[0]} to {points[-1].values[0]}, blocking goes "
            f"from {formats.estimate(ends[0])} to {formats.estimate(ends[1])}."
        ),
        x=axis,
        y=_share_axis([value for line in lines for value in line.values]),
        xs=xs,
        lines=tuple(lines),
        note=f"Bands are intervals at {formats.confidence(sweep.confidence)}.",
    )
    occupancy = Chart(
        key="occupancy",
        title="Occupancy",
        sentence="The share of all slots that hold a call, over the window after the warm-up.",
        x=axis,
        y=Axis("share of slots", Kind.PERCENT),
        xs=xs,
        lines=(_line("Occupied slots", points, lambda point: point.occupancy, tone=4),),
        low=True,
    )
    return [chart, occupancy]


def _two_keys(sweep: Sweep) -> list[Block]:
    values = [list(dict.fromkeys(p.values[place] for p in sweep.points)) for place in (0, 1)]
    blocks: list[Block] = []
    along = 0 if len(values[0]) >= len(values[1]) else 1
    other = 1 - along
    if len(values[along]) >= 2 and len(values[other]) <= MOST_LINES:
        blocks.append(_lines_by_other(sweep, along, other, values[other]))
    blocks += [
        _heat("heat-blocking", "Blocking (of calls)", sweep, values, _blocking),
        Folded(
            "Time congestion as a map",
            (_heat("heat-time", "Time congestion (of time)", sweep, values, _time_congestion),),
        ),
    ]
    if sweep.interval_us is not None:
        worst = _heat("heat-worst", "Blocking in the worst interval", sweep, values, _worst)
        blocks.append(Folded("The worst interval as a map", (worst,)))
    return blocks


def _lines_by_other(sweep: Sweep, along: int, other: int, names: Sequence[str]) -> Chart:
    lines, axis, xs = [], Axis(sweep.keys[along]), tuple[float, ...]()
    for tone, name in enumerate(names, 1):
        mine = [(p.values[along], p) for p in sweep.points if p.values[other] == name]
        axis, xs, points = _along(sweep.keys[along], mine)
        label = f"{sweep.keys[other]} {name}"
        lines.append(_line(label, points, _blocking, tone=tone, dashed=tone % 2 == 0))
    return Chart(
        key="lines",
        title=f"Blocking by {sweep.keys[along]}",
        sentence=f"One line for each {sweep.keys[other]}: {', '.join(names)}.",
        x=axis,
        y=_share_axis([value for line in lines for value in line.values]),
        xs=xs,
        lines=tuple(lines),
        note=f"Bands are intervals at {formats.confidence(sweep.confidence)}.",
    )


def _along(
    key: str, pairs: Sequence[tuple[str, SweepPoint]]
) -> tuple[Axis, tuple[float, ...], list[SweepPoint]]:
    """An axis for the values of a key: numbers where they all are, else names in their order."""
    matches = [_NUMBER.fullmatch(text) for text, _ in pairs]
    numbers = [float(match[1]) for match in matches if match is not None]
    if len(numbers) < len(pairs) or len(set(numbers)) < len(numbers):
        names = tuple(text for text, _ in pairs)
        places = tuple(float(place) for place in range(len(pairs)))
        return Axis(key, Kind.NAMES, names=names), places, [point for _, point in pairs]
    order = sorted(range(len(pairs)), key=numbers.__getitem__)
    factors = all(text.startswith("x") for text, _ in pairs)
    axis = Axis(f"{key}, times what the scenario says" if factors else key)
    return axis, tuple(numbers[place] for place in order), [pairs[place][1] for place in order]


def _line(
    label: str,
    points: Sequence[SweepPoint],
    statistic: Statistic,
    *,
    tone: int,
    dashed: bool = False,
) -> Line:
    found = [statistic(point.figures) for point in points]
    return Line(
        label=label,
        values=tuple(None if each is None else each.value for each in found),
        low=tuple(None if each is None else each.low for each in found),
        high=tuple(None if each is None else each.high for each in found),
        tone=tone,
        shape=Shape.DOTTED_LINE,
        dashed=dashed,
        texts=tuple(formats.estimate(each) for each in found),
    )


def _share_axis(values: Sequence[float | None]) -> Axis:
    above = [value for value in values if value is not None and value > 0]
    log = len(above) > 1 and max(above) > _LOG_FROM * min(above)
    return Axis("share, log scale" if log else "share", Kind.PERCENT, log=log)


def _heat(
    key: str,
    title: str,
    sweep: Sweep,
    values: Sequence[Sequence[str]],
    statistic: Statistic,
) -> Table:
    found = {point.values: statistic(point.figures) for point in sweep.points}
    shade = _shades([each.value for each in found.values() if each is not None])
    return Table(
        key=key,
        caption=(
            f"{title} by {sweep.keys[0]} (down) and {sweep.keys[1]} (across); the stronger the "
            "shade, the more"
        ),
        columns=(Column("", words=True), *(Column(name) for name in values[1])),
        rows=tuple(
            (name, *(_heat_cell(found.get((name, each)), shade) for each in values[1]))
            for name in values[0]
        ),
    )


def _shades(values: Sequence[float]) -> Callable[[float], float]:
    """How dark a value is, in [0, 1]: its rank among all, which spreads the shades evenly."""
    order = sorted(set(values))
    if len(order) < 2:
        return lambda _value: 0.0
    rank = {value: place / (len(order) - 1) for place, value in enumerate(order)}
    return lambda value: rank[value]


def _heat_cell(found: Estimate | None, shade: Callable[[float], float]) -> Cell:
    if found is None:
        return Cell("–")
    below = formats.interval(found.low, found.high)
    return Cell(formats.share(found.value), found.value, shade(found.value), below)


def _points_section(sweep: Sweep) -> Section:
    has_worst = sweep.interval_us is not None
    heads = [
        "Blocking (of calls)",
        "Time congestion (of time)",
        "First attempts blocked",
        "Callers lost for good",
    ]
    if has_worst:
        heads.append("Worst interval")
    shown = sweep.points[:MOST_ROWS]
    left_out = len(sweep.points) - len(shown)
    table = Table(
        key="points-table",
        caption=f"Every point, {number(sweep.replications)} runs each",
        columns=(
            *(Column(key, words=True) for key in sweep.keys),
            *(Column(head) for head in heads),
            Column("Occupied"),
            Column("Carried, E"),
            Column("Most at once"),
        ),
        rows=tuple(_point_row(point, has_worst=has_worst) for point in shown),
        sortable=True,
        filterable=len(shown) > 8,
        note=f"{number(left_out)} more points are in the files of --output." if left_out else "",
    )
    return Section("points", "All points", (table,))


def _point_row(point: SweepPoint, *, has_worst: bool) -> tuple[Cell | str, ...]:
    figures = point.figures
    row: list[Cell | str] = [_value_cell(value) for value in point.values]
    row += [
        formats.estimate_cell(figures.blocking),
        formats.estimate_cell(figures.time_congestion),
        formats.estimate_cell(figures.first_attempt_blocking),
        formats.estimate_cell(figures.eventual_loss),
    ]
    if has_worst:
        row.append(interval_cell(figures.worst_interval))
    occupancy = None if figures.occupancy is None else figures.occupancy.value
    return (
        *row,
        Cell(formats.share(occupancy), sort=-1.0 if occupancy is None else occupancy),
        Cell(fixed(figures.carried_erlangs, 2), sort=figures.carried_erlangs),
        Cell(number(figures.peak_in_use), sort=float(figures.peak_in_use)),
    )


def _value_cell(value: str) -> Cell:
    match = _NUMBER.fullmatch(value)
    return Cell(value, sort=None if match is None else float(match[1]))


def _tenants_section(sweep: Sweep) -> Section | None:
    tenants = list(dict.fromkeys(name for point in sweep.points for name in point.figures.tenants))
    if len(tenants) < 2 or len(sweep.points) > MOST_TENANT_ROWS:
        return None
    shown = tenants[:MOST_TENANTS]
    found = [
        [
            None if name not in point.figures.tenants else point.figures.tenants[name].blocking
            for name in shown
        ]
        for point in sweep.points
    ]
    shade = _shades([each.value for row in found for each in row if each is not None])
    left_out = len(tenants) - len(shown)
    table = Table(
        key="tenants-table",
        caption="Blocking of each tenant; the stronger the shade, the more",
        columns=(
            Column(", ".join(sweep.keys), words=True),
            *(Column(name) for name in shown),
        ),
        rows=tuple(
            (", ".join(point.values), *(_tenant_cell(each, shade) for each in row))
            for point, row in zip(sweep.points, found, strict=True)
        ),
        note=f"{number(left_out)} more tenants are in the files of --output." if left_out else "",
    )
    return Section("tenants", "Tenants", (table,))


def _tenant_cell(found: Estimate | None, shade: Callable[[float], float]) -> Cell:
    return Cell("–") if found is None else Cell(formats.share(found.value), heat=shade(found.value))
