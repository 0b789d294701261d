"""Where values lie on an axis, and the round values beside it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from simulator.report.figures import THIN_SPACE, number
from simulator.report.pages.blocks import Axis, Bars, Chart, Kind, Shape
from simulator.report.pages.formats import share, time_of

_MOST_TICKS: Final = 7
_MOST_NAMES: Final = 8
_CLOCK_STEPS_S: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600 * hours for hours in (1, 2, 3, 4, 6, 12, 24, 48, 120, 240)),
)
_DAY_S: Final = 86_400
_ROOM: Final = 1.06
"""How much higher than its largest value a chart is."""
_HIGHEST_SHARE: Final = 1.0
_LEAST_LENGTH: Final = 1e-200


@dataclass(frozen=True, slots=True)
class Tick:
    """A round value and how it is written."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis with its ends known. ``place`` of a value is 0 at ``low`` and 1 at ``high``."""

    axis: Axis
    low: float
    high: float
    ticks: tuple[Tick, ...]

    def place(self, value: float) -> float:
        """Where a value lies, cut to [0, 1]."""
        if self.axis.log:
            if value <= self.low:
                return 0.0
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, part))

    def has(self, value: float | None) -> bool:
        """Whether a value can be drawn at all."""
        return value is not None and math.isfinite(value) and not (self.axis.log and value <= 0)

    def written(self, value: float) -> str:
        """A value as it stands in tables and beside the pointer."""
        return written(self.axis, value)


def written(axis: Axis, value: float) -> str:
    """A value of an axis in full."""
    match axis.kind:
        case Kind.PERCENT:
            return share(value)
        case Kind.CLOCK:
            return time_of(value, with_seconds=value % 60 != 0)
        case Kind.NAMES:
            return axis.names[round(value)]
        case _:
            return number(int(value) if value == int(value) else value)


def x_scale(chart: Chart) -> Scale:
    """From the first to the last of the chart's places, half a place more for names and dots."""
    low, high = chart.xs[0], chart.xs[-1]
    if chart.x.kind is Kind.NAMES:
        low, high = -0.5, len(chart.x.names) - 0.5
    elif low == high:
        low, high = low - 1, high + 1
    elif any(line.shape in (Shape.DOTS, Shape.DOTTED_LINE) for line in chart.lines):
        low, high = low - (high - low) / 40, high + (high - low) / 40
    return _scale(chart.x, low, high)


def y_scale(chart: Chart) -> Scale:
    """Over all values, bands and marks across."""
    values = [mark.at for mark in chart.marks if mark.across]
    bands = []
    for line in chart.lines:
        values += [value for value in line.values if value is not None]
        bands += [value for ends in (line.low, line.high) if ends for value in ends if value]
    return value_scale(chart.y, values, bands)


def bars_scale(bars: Bars) -> Scale:
    """Over all bars, their intervals, the base and the marks."""
    every = [bar for group in bars.groups for bar in group.bars]
    values = [bar.value for bar in every if bar.value is not None]
    values += [mark.at for mark in bars.marks]
    ends = [end for bar in every for end in (bar.low, bar.high) if end is not None]
    base = [] if bars.axis.log else [bars.base]
    return value_scale(bars.axis, values + base, ends)


def value_scale(axis: Axis, values: Sequence[float], ends: Sequence[float]) -> Scale:
    """From 0 (or round values around them on a log scale) to a little above the largest.

    ``ends`` of bands widen the scale as far as that leaves room for the values themselves.
    """
    values = [value for value in values if math.isfinite(value)]
    if axis.log:
        return _log_scale(axis, values, ends)
    largest = max(values, default=0.0)
    reach = max((end for end in ends if math.isfinite(end)), default=largest)
    top = max(largest, min(reach, 3 * largest) if largest > 0 else reach)
    least = min([*values, *(end for end in ends if math.isfinite(end))], default=0.0)
    low = (0.0 if least >= 0 else _ROOM * least) if axis.low is None else axis.low
    if axis.high is not None:
        high = axis.high
    elif axis.kind is Kind.PERCENT:
        high = min(_HIGHEST_SHARE, _ROOM * top) if top <= 1 else _ROOM * top
    else:
        high = low + _ROOM * (top - low)
    if high - low < _LEAST_LENGTH:
        high = low + (0.01 if axis.kind is Kind.PERCENT else 1.0)
    return _scale(axis, low, high)


def _log_scale(axis: Axis, values: Sequence[float], ends: Sequence[float]) -> Scale:
    above = [value for value in values if value > 0]
    least, largest = min(above, default=0.001), max(above, default=0.1)
    inside = [end for end in ends if least / 4 <= end <= 4 * largest]
    low = min([least, *inside]) if axis.low is None else axis.low
    high = max([largest, *inside]) if axis.high is None else axis.high
    low, high = _rounded_down(low), _ROOM * high
    if axis.kind is Kind.PERCENT:
        high = min(high, _HIGHEST_SHARE)
    return _scale(axis, low, high if high > low else 10 * low)


def _rounded_down(value: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is below a value."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in (0.5, 1, 2, 5) if step * power < value * 0.999)


def _scale(axis: Axis, low: float, high: float) -> Scale:
    return Scale(axis, low, high, tuple(_ticks(axis, low, high)))


def _ticks(axis: Axis, low: float, high: float) -> Iterable[Tick]:
    if axis.kind is Kind.NAMES:
        every = -(-len(axis.names) // _MOST_NAMES)
        return [Tick(float(at), axis.names[at]) for at in range(0, len(axis.names), every)]
    if axis.log:
        return [Tick(at, _short(axis, at, at)) for at in _log_values(low, high)]
    step = _step(axis, high - low)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [
        Tick(place * step, _short(axis, place * step, step)) for place in range(first, last + 1)
    ]


def _step(axis: Axis, length: float) -> float:
    if axis.kind is Kind.CLOCK:
        steps = (step for step in _CLOCK_STEPS_S if length <= _MOST_TICKS * step)
        return next(steps, _DAY_S * math.ceil(length / (_MOST_TICKS * _DAY_S)))
    power = 10.0 ** math.floor(math.log10(length / _MOST_TICKS))
    return next(
        step * power for step in (1, 2, 5, 10) if length <= _MOST_TICKS * step * power * 1.001
    )


def _log_values(low: float, high: float) -> list[float]:
    decades = math.log10(high / low)
    steps: tuple[int, ...] = (1,) if decades > 4 else ((1, 3) if decades > 2 else (1, 2, 5))
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [value for value in values if low * 0.999 <= value <= high * 1.001]


def _short(axis: Axis, value: float, step: float) -> str:
    """A round value as it stands beside the axis."""
    if axis.kind is Kind.CLOCK:
        return time_of(value, with_seconds=step % 60 != 0)
    factor = 100 if axis.kind is Kind.PERCENT else 1
    decimals = max(0, -math.floor(math.log10(abs(factor * step)) + 1e-9))
    text = number(round(factor * value, decimals), decimals)
    return f"{text}{THIN_SPACE}%" if axis.kind is Kind.PERCENT else text
