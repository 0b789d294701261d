"""The charts of a report twice over: numbers for the script, and drawings that need none.

A drawing is an SVG stretched to whatever room it has; its labels stand outside it, as text, so
that they keep their size. It serves readers without JavaScript and the printed page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from service.calls import US_PER_SECOND, Reason
from simulator.report.figures import clock, number
from simulator.report.series import Series
from simulator.trace import Conditions, Int64s

MOST_TENANT_BINS: Final = 72
"""Bins of a tenant's own small drawing."""

_HEIGHT: Final = 1000
_TICK_STEPS_S: Final = tuple(
    [step / 10**power for power in range(6, 0, -1) for step in (1, 2, 5)]
    + [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800]
    + [3600 * hours for hours in (1, 2, 3, 4, 6, 12, 24, 48, 120, 240)]
)


@dataclass(frozen=True, slots=True)
class Label:
    """A label of an axis and where it stands, in per cent from the left or the top."""

    text: str
    place: float


@dataclass(frozen=True, slots=True)
class Layer:
    """One drawn path and the class that gives it its look."""

    css_class: str
    path: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as paths in a box ``width`` by ``height``; the warm-up covers the left of it."""

    width: int
    height: int
    layers: tuple[Layer, ...]
    across: tuple[Label, ...]
    upward: tuple[Label, ...]
    warm_up: float


def chart_data(series: Series, conditions: Conditions) -> dict[str, Any]:
    """What the script draws: columns over the bins, instants in seconds."""
    by_reason = series.rejections.sum(axis=1)
    return {
        "start": (series.edges_us / US_PER_SECOND).tolist(),
        "warm_up": conditions.warm_up_us / US_PER_SECOND,
        "limit": series.limit.tolist(),
        "max": series.in_use_max.tolist(),
        "mean": series.in_use_mean.round(2).tolist(),
        "rejections": {
            reason.value: by_reason[:, place].tolist() for place, reason in enumerate(Reason)
        },
    }


def draw_slots(series: Series, conditions: Conditions) -> Drawing:
    """Mean and largest slots in use per bin, and the limit as a step line."""
    highest = int(max(series.in_use_max.max(), series.limit.max(), 1))
    ticks, top = _upward_ticks(highest)
    layers = (
        Layer("mean", _area(series.edges_us, series.in_use_mean.tolist(), None, top)),
        Layer("max", _steps(series.edges_us, series.in_use_max.tolist(), top)),
        Layer("limit", _steps(series.edges_us, series.limit.tolist(), top)),
    )
    return _drawing(series.edges_us, layers, ticks, top, conditions)


def draw_rejections(series: Series, conditions: Conditions) -> Drawing:
    """Rejections per bin, stacked by reason in the order of :class:`Reason`."""
    stacked = np.cumsum(series.rejections.sum(axis=1), axis=1)
    ticks, top = _upward_ticks(int(max(stacked.max(), 1)))
    base: list[int] | None = None
    layers = []
    for place, reason in enumerate(Reason):
        heights = stacked[:, place].tolist()
        layers.append(Layer(reason.value, _area(series.edges_us, heights, base, top)))
        base = heights
    return _drawing(series.edges_us, tuple(layers), ticks, top, conditions)


def draw_tenant(series: Series, place: int) -> str:
    """The path of one tenant's rejections over the run, all reasons, on a scale of its own."""
    edges, counts = _coarser(series.edges_us, series.rejections[:, place].sum(axis=1))
    return _area(edges, counts.tolist(), None, max(1, int(counts.max())))


def _coarser(edges_us: Int64s, counts: Int64s) -> tuple[Int64s, Int64s]:
    group = -(-len(counts) // MOST_TENANT_BINS)
    starts = np.arange(0, len(counts), group)
    return np.append(edges_us[starts], edges_us[-1]), np.add.reduceat(counts, starts)


def _drawing(
    edges_us: Int64s,
    layers: tuple[Layer, ...],
    ticks: Sequence[int],
    top: int,
    conditions: Conditions,
) -> Drawing:
    duration_us = int(edges_us[-1])
    step_us = _across_step_us(duration_us)
    instants = range(0, duration_us + 1, step_us)
    return Drawing(
        width=_HEIGHT,
        height=_HEIGHT,
        layers=layers,
        across=tuple(Label(clock(at), round(100 * at / duration_us, 3)) for at in instants),
        upward=tuple(Label(number(tick), round(100 - 100 * tick / top, 3)) for tick in ticks),
        warm_up=round(100 * min(conditions.warm_up_us / duration_us, 1), 3),
    )


def _upward_ticks(highest: int) -> tuple[list[int], int]:
    """Round ticks from 0 up to 4 or so, and the value at the top edge, a little above all."""
    steps = (step * 10**power for power in range(18) for step in (1, 2, 5))
    step = next(step for step in steps if highest <= 5 * step)
    top = highest + max(1, highest // 16)
    return list(range(0, top + 1, step)), top


def _across_step_us(duration_us: int) -> int:
    steps = (round(step * US_PER_SECOND) for step in _TICK_STEPS_S)
    return next((step for step in steps if duration_us <= 6 * step), duration_us)


def _points(edges_us: Int64s, values: Sequence[float], top: int) -> tuple[list[float], list[float]]:
    across = (edges_us * (_HEIGHT / int(edges_us[-1]))).round(1).tolist()
    upward = [round(_HEIGHT - _HEIGHT * value / top, 1) for value in values]
    return across, upward


def _steps(edges_us: Int64s, values: Sequence[float], top: int) -> str:
    """A line that holds each value over its bin."""
    across, upward = _points(edges_us, values, top)
    turns = (
        f"H{across[place]:g}V{upward[place]:g}"
        for place in range(1, len(upward))
        if upward[place] != upward[place - 1]
    )
    return f"M{across[0]:g},{upward[0]:g}{''.join(turns)}H{across[-1]:g}"


def _area(edges_us: Int64s, values: Sequence[float], base: Sequence[float] | None, top: int) -> str:
    """The room between a step line and the one below it (None: the axis)."""
    upper = _steps(edges_us, values, top)
    if base is None:
        return f"{upper}V{_HEIGHT}H0Z"
    across, upward = _points(edges_us, base, top)
    back = "".join(
        f"V{upward[place]:g}H{across[place]:g}" for place in range(len(upward) - 1, -1, -1)
    )
    return f"{upper}{back}Z"
