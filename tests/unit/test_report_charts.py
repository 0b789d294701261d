"""The drawings of a report: a path read back gives the values it was drawn from."""

import re
from dataclasses import replace

import numpy as np
import pytest

from service.calls import Reason
from simulator.report.charts import (
    MOST_TENANT_BINS,
    chart_data,
    draw_rejections,
    draw_slots,
    draw_tenant,
)
from simulator.report.series import Series, series_of
from simulator.results import LOG_COLUMNS, CallLog
from tests.report_samples import passing
from tests.strategies import make_trace

Point = tuple[float, float]


def corners(path: str) -> list[Point]:
    """The corners of a path of M, H, V and Z, absolute."""
    across, upward = 0.0, 0.0
    found: list[Point] = []
    for command, figures in re.findall(r"([MHVZ])([^MHVZ]*)", path):
        if command == "M":
            across, upward = map(float, figures.split(","))
        elif command == "H":
            across = float(figures)
        elif command == "V":
            upward = float(figures)
        found.append((across, upward))
    return found


def heights(path: str, bins: int, top: float) -> list[float]:
    """The value that a step line or the upper side of an area shows in the middle of each bin."""
    line: list[Point] = []
    for corner in corners(path):
        if line and corner[0] < line[-1][0]:
            break
        line.append(corner)
    shown = []
    for place in range(bins):
        middle = (place + 0.5) * 1000 / bins
        before = [upward for across, upward in line if across <= middle]
        shown.append((1000 - before[-1]) * top / 1000)
    return shown


def sample() -> Series:
    result = passing()
    return series_of(result.trace, result.observed.log, 60)


def top_of(labels: tuple[float, float], ticks: tuple[float, float]) -> float:
    """The value at the top edge, from two labels and where they stand."""
    (low, high), (low_place, high_place) = labels, ticks
    per_cent = (high - low) / (low_place - high_place)
    return low + per_cent * low_place


def test_slots_can_be_read_back_from_the_drawing() -> None:
    series = sample()
    drawing = draw_slots(series, passing().trace.conditions)
    first, *_, last = drawing.upward
    top = top_of((float(first.text), float(last.text)), (first.place, last.place))
    # Both slots from 0:05 to 0:23, then one or two, as the story of the sample tells it.
    assert [layer.css_class for layer in drawing.layers] == ["mean", "max", "limit"]
    largest = heights(drawing.layers[1].path, 60, top)
    expected = [0] + [1] * 4 + [2] * 18 + [1] * 2 + [2] * 3 + [1] + [2] * 2 + [1] * 7
    expected += [0] * 12 + [1] * 10
    assert np.round(largest, 1).tolist() == expected
    assert np.round(heights(drawing.layers[2].path, 60, top), 1).tolist() == [2] * 30 + [1] * 30


def test_rejections_are_stacked_without_gaps() -> None:
    series = sample()
    drawing = draw_rejections(series, passing().trace.conditions)
    assert [layer.css_class for layer in drawing.layers] == [reason.value for reason in Reason]
    first, *_, last = drawing.upward
    top = top_of((float(first.text), float(last.text)), (first.place, last.place))
    tallest = np.round(heights(drawing.layers[-1].path, 60, top), 1)
    assert np.flatnonzero(tallest).tolist() == [10, 12, 31]
    assert np.round(heights(drawing.layers[0].path, 60, top), 1).nonzero()[0].tolist() == [10]


@pytest.mark.parametrize("bins", [1, 7, 60])
def test_everything_drawn_stays_in_its_box(bins: int) -> None:
    result = passing()
    series = series_of(result.trace, result.observed.log, bins)
    conditions = result.trace.conditions
    for drawing in (draw_slots(series, conditions), draw_rejections(series, conditions)):
        for layer in drawing.layers:
            for across, upward in corners(layer.path):
                assert 0 <= across <= drawing.width
                assert 0 <= upward <= drawing.height
        for label in (*drawing.across, *drawing.upward):
            assert 0 <= label.place <= 100
        assert drawing.across[0].text == "0:00:00"
        assert drawing.upward[0].place == 100


def test_a_tenants_drawing_is_on_its_own_scale() -> None:
    series = sample()
    assert len(series) <= MOST_TENANT_BINS
    shown = heights(draw_tenant(series, 0), 60, 1.0)
    assert np.flatnonzero(np.round(shown, 3)).tolist() == [10]
    assert max(shown) == 1.0


def test_data_for_the_script_has_a_value_for_each_bin() -> None:
    result = passing()
    series = sample()
    data = chart_data(series, replace(result.trace.conditions, warm_up_us=1_500_000))
    assert len(data["start"]) == 61
    assert (data["start"][0], data["start"][-1], data["warm_up"]) == (0, 60, 1.5)
    for column in ("limit", "max", "mean"):
        assert len(data[column]) == 60
    assert {reason: sum(counts) for reason, counts in data["rejections"].items()} == {
        "capacity": 1,
        "tenant_not_configured": 1,
        "instructions_missing": 1,
    }


def test_an_empty_run_can_be_drawn() -> None:
    result = passing()
    trace = make_trace(result.trace.conditions, [])
    log = CallLog(*(getattr(result.observed.log, name)[:0] for name in LOG_COLUMNS))
    series = series_of(trace, log)
    assert not series.in_use_max.any()
    drawing = draw_slots(series, trace.conditions)
    assert len(drawing.upward) >= 2
