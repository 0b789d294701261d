"""A chart drawn without a script, and the same for the script; bars as shares of their room.

A drawing is an SVG stretched to whatever room it has; its labels stand outside it, as text, so
that they keep their size.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from simulator.report.charts import Drawing, Label, Layer
from simulator.report.pages.blocks import Bars, Cell, Chart, Column, Line, Mark, Shape, Table
from simulator.report.pages.scales import Scale, bars_scale, x_scale, y_scale

_SIDE: Final = 1000
MOST_ROWS: Final = 120
"""Rows of the table that says a chart in numbers."""

Point = tuple[float, float]


def draw(chart: Chart) -> Drawing:
    """The chart as paths, marks included."""
    across, upward = x_scale(chart), y_scale(chart)
    layers: list[Layer] = []
    for line in chart.lines:
        if line.low is not None and line.high is not None:
            path = _band(line, chart.xs, across, upward)
            layers.append(Layer(f"band tone-{line.tone}", path))
    for mark in chart.marks:
        place = (upward if mark.across else across).place(mark.at)
        path = f"M0,{_down(place):g}H{_SIDE}" if mark.across else f"M{_right(place):g},0V{_SIDE}"
        layers.append(Layer(f"mark tone-{mark.tone}", path))
    for line in chart.lines:
        layers += _layers(line, chart.xs, across, upward)
    return Drawing(
        width=_SIDE,
        height=_SIDE,
        layers=tuple(layer for layer in layers if layer.path),
        across=tuple(Label(t.text, round(100 * across.place(t.at), 2)) for t in across.ticks),
        upward=tuple(Label(t.text, round(100 - 100 * upward.place(t.at), 2)) for t in upward.ticks),
        warm_up=0.0,
    )


def mark_labels(chart: Chart) -> list[dict[str, Any]]:
    """Labels of marks inside the drawing: where they stand in per cent, and towards which side."""
    across, upward = x_scale(chart), y_scale(chart)
    return [
        {
            "text": mark.label,
            "across": mark.across,
            "tone": mark.tone,
            "place": round(
                100 * (1 - upward.place(mark.at) if mark.across else across.place(mark.at)), 2
            ),
            "turned": not mark.across and across.place(mark.at) > 0.7,
        }
        for mark in chart.marks
    ]


def script_data(chart: Chart) -> dict[str, Any]:
    """What the script draws, with everything it has to write already written."""
    across, upward = x_scale(chart), y_scale(chart)
    return {
        "x": {
            **_axis(across),
            "values": list(chart.xs),
            "texts": list(map(across.written, chart.xs)),
        },
        "y": _axis(upward),
        "lines": [_line(line, upward) for line in chart.lines],
        "marks": [
            {"label": mark.label, "at": mark.at, "across": mark.across, "tone": mark.tone}
            for mark in chart.marks
        ],
        "low": chart.low,
    }


def in_numbers(chart: Chart) -> Table:
    """The chart as a table."""
    across, upward = x_scale(chart), y_scale(chart)
    every = -(-len(chart.xs) // MOST_ROWS)
    places = range(0, len(chart.xs), every)
    return Table(
        key=f"{chart.key}-in-numbers",
        caption=chart.title if every == 1 else f"{chart.title}, every {every} steps",
        columns=(Column(chart.x.label, words=True), *(Column(line.label) for line in chart.lines)),
        rows=tuple(
            (
                across.written(chart.xs[place]),
                *(Cell(_said(line, place, upward)) for line in chart.lines),
            )
            for place in places
        ),
    )


def bar_rows(bars: Bars) -> dict[str, Any]:
    """Bars as per cent of their room, with ticks and marks."""
    scale = bars_scale(bars)
    base = 0.0 if bars.axis.log else scale.place(bars.base)
    groups = []
    for group in bars.groups:
        rows = []
        for bar in group.bars:
            row: dict[str, Any] = {"text": bar.text, "label": bar.label, "tone": bar.tone}
            if scale.has(bar.value):
                assert bar.value is not None
                place = scale.place(bar.value)
                row |= {
                    "from": _percent(min(base, place)),
                    "wide": _percent(abs(place - base)),
                    "at": _percent(place),
                }
            elif bar.beyond:
                row |= {"from": _percent(base), "wide": _percent(1 - base), "beyond": True}
            if bar.value is not None and bar.low is not None and bar.high is not None:
                # Of a value of 0 on a log scale there is at least the end of its interval.
                low, high = scale.place(bar.low), scale.place(bar.high)
                row |= {"low": _percent(low), "reach": _percent(high - low)}
            rows.append(row)
        groups.append({"label": group.label, "rows": rows})
    marks = [
        {
            "label": mark.label,
            "at": _percent(scale.place(mark.at)),
            "tone": mark.tone,
            "turned": scale.place(mark.at) > 0.5,
        }
        for mark in bars.marks
    ]
    ticks = [{"text": tick.text, "at": _percent(scale.place(tick.at))} for tick in scale.ticks]
    return {"groups": groups, "marks": marks, "ticks": ticks}


def _percent(part: float) -> float:
    return round(100 * part, 2)


def _axis(scale: Scale) -> dict[str, Any]:
    return {
        "low": scale.low,
        "high": scale.high,
        "log": scale.axis.log,
        "label": scale.axis.label,
        "ticks": [tick.at for tick in scale.ticks],
        "labels": [tick.text for tick in scale.ticks],
    }


def _line(line: Line, upward: Scale) -> dict[str, Any]:
    data: dict[str, Any] = {
        "label": line.label,
        "values": [value if upward.has(value) else None for value in line.values],
        "texts": [_said(line, place, upward) for place in range(len(line.values))],
        "tone": line.tone,
        "shape": line.shape.value,
        "dashed": line.dashed,
    }
    if line.low is not None and line.high is not None:
        data["low"] = [_cut(value, upward) for value in line.low]
        data["high"] = [_cut(value, upward) for value in line.high]
    return data


def _cut(value: float | None, scale: Scale) -> float | None:
    return None if value is None else min(scale.high, max(scale.low, value))


def _said(line: Line, place: int, scale: Scale) -> str:
    if line.texts is not None:
        return line.texts[place]
    value = line.values[place]
    if value is None:
        return "–"
    text = scale.written(value)
    if line.low is None or line.high is None:
        return text
    low, high = line.low[place], line.high[place]
    if low is None or high is None:
        return text
    return f"{text} ({scale.written(low)} to {scale.written(high)})"


def _right(place: float) -> float:
    return round(_SIDE * place, 1)


def _down(place: float) -> float:
    return round(_SIDE * (1 - place), 1)


def _runs(values: Sequence[float | None], scale: Scale) -> Iterator[list[int]]:
    """Places of values that can be drawn, in runs without a gap."""
    run: list[int] = []
    for place, value in enumerate(values):
        if scale.has(value):
            run.append(place)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _points(
    run: Sequence[int], values: Sequence[float | None], xs: Sequence[float], x: Scale, y: Scale
) -> list[Point]:
    return [(_right(x.place(xs[at])), _down(y.place(values[at] or 0.0))) for at in run]


def _layers(line: Line, xs: Sequence[float], x: Scale, y: Scale) -> Iterator[Layer]:
    look = f"tone-{line.tone}{' dashed' if line.dashed else ''}"
    runs = [_points(run, line.values, xs, x, y) for run in _runs(line.values, y)]
    if line.shape is Shape.AREA:
        filled = (f"{_joined(run, steps=True)}V{_SIDE}H{run[0][0]:g}Z" for run in runs)
        yield Layer(f"area {look}", "".join(filled))
    elif line.shape is not Shape.DOTS:
        steps = line.shape is Shape.STEPS
        yield Layer(f"line {look}", "".join(_joined(run, steps=steps) for run in runs))
    if line.shape in (Shape.DOTS, Shape.DOTTED_LINE):
        yield Layer(f"dots {look}", "".join(f"M{a:g},{b:g}h0" for run in runs for a, b in run))


def _joined(points: Sequence[Point], *, steps: bool) -> str:
    (left, up), *rest = points
    if steps:
        return f"M{left:g},{up:g}" + "".join(f"H{a:g}V{b:g}" for a, b in rest)
    return f"M{left:g},{up:g}" + "".join(f"L{a:g},{b:g}" for a, b in rest)


def _band(line: Line, xs: Sequence[float], x: Scale, y: Scale) -> str:
    assert line.low is not None
    assert line.high is not None
    paths = []
    steps = line.shape in (Shape.STEPS, Shape.AREA)
    for run in _band_runs(line):
        top = [(_right(x.place(xs[at])), _down(y.place(line.high[at] or 0.0))) for at in run]
        bottom = [(_right(x.place(xs[at])), _down(y.place(line.low[at] or 0.0))) for at in run]
        if not steps:
            back = "".join(f"L{a:g},{b:g}" for a, b in reversed(bottom))
            paths.append(f"{_joined(top, steps=False)}{back}Z")
            continue
        # Backwards, each step turns at the place where the one before it ends.
        back = f"V{bottom[-1][1]:g}" + "".join(f"V{b:g}H{a:g}" for a, b in reversed(bottom[:-1]))
        paths.append(f"{_joined(top, steps=True)}{back}Z")
    return "".join(paths)


def _band_runs(line: Line) -> Iterator[list[int]]:
    """Places where both ends of the band are known, in runs without a gap."""
    assert line.low is not None
    assert line.high is not None
    run: list[int] = []
    for place, (low, high) in enumerate(zip(line.low, line.high, strict=True)):
        if low is not None and high is not None:
            run.append(place)
        elif run:
            yield run
            run = []
    if run:
        yield run


def mark_key(marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Marks as they stand in the key below a drawing."""
    return [{"label": mark.label, "tone": mark.tone} for mark in marks]
