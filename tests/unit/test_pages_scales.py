"""Axes of pages: places in order, round values inside, drawings where the values are."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.report.pages import Axis, Bar, Bars, Chart, Group, Kind, Line, Mark, Shape
from simulator.report.pages.drawing import bar_rows, draw, in_numbers, mark_labels, script_data
from simulator.report.pages.scales import value_scale, written, x_scale, y_scale

SHARES = st.floats(min_value=1e-7, max_value=1, allow_nan=False)
ANY = st.floats(min_value=-1e6, max_value=1e9, allow_nan=False)


def chart(*lines: Line, y: Axis | None = None, marks: tuple[Mark, ...] = ()) -> Chart:
    xs = tuple(float(place) for place in range(len(lines[0].values)))
    axis = y or Axis("calls", low=0.0, high=10.0)
    return Chart("key", "Title", "Sentence.", Axis("slots"), axis, xs, lines, marks)


@given(st.lists(ANY, min_size=1, max_size=8), st.sampled_from([Kind.NUMBER, Kind.CLOCK]))
def test_a_linear_scale_holds_its_values_in_order(values: list[float], kind: Kind) -> None:
    if kind is Kind.CLOCK:
        values = [abs(value) for value in values]
    scale = value_scale(Axis("", kind), values, ())
    assert scale.low <= min(values)
    assert max(values) <= scale.high
    places = [scale.place(value) for value in sorted(values)]
    assert all(0 <= place <= 1 for place in places)
    assert places == sorted(places)


@given(st.lists(SHARES, min_size=1, max_size=8))
def test_a_log_scale_holds_its_values_in_order(values: list[float]) -> None:
    scale = value_scale(Axis("", Kind.PERCENT, log=True), values, ())
    assert 0 < scale.low < min(values)
    assert max(values) <= scale.high <= 1
    places = [scale.place(value) for value in sorted(values)]
    assert places == sorted(places)
    # Equal factors are equal distances.
    middle = math.sqrt(scale.low * scale.high)
    assert scale.place(middle) == pytest.approx(0.5)


@given(
    st.lists(SHARES, min_size=1, max_size=8),
    st.booleans(),
    st.sampled_from([Kind.NUMBER, Kind.PERCENT]),
)
def test_ticks_are_few_different_and_inside(values: list[float], log: bool, kind: Kind) -> None:
    scale = value_scale(Axis("", kind, log=log), values, ())
    at = [tick.at for tick in scale.ticks]
    assert 1 <= len(at) <= 12
    assert at == sorted(set(at))
    slack = (scale.high - scale.low) / 100
    assert all(scale.low - slack <= each <= scale.high + slack for each in at)
    texts = [tick.text for tick in scale.ticks]
    assert len(set(texts)) == len(texts)
    for tick in scale.ticks:
        number = float(re.sub("[^0-9.]", "", tick.text)) / (100 if kind is Kind.PERCENT else 1)
        assert number == pytest.approx(tick.at, rel=0.01, abs=1e-12)


@given(st.floats(min_value=1, max_value=1e7))
def test_ticks_of_time_are_round(seconds: float) -> None:
    found = Chart(
        "key", "Title", "Sentence.", Axis("", Kind.CLOCK), Axis(""),
        (0.0, seconds), (Line("", (0.0, 1.0)),),
    )  # fmt: skip
    ticks = x_scale(found).ticks
    assert ticks[0].text in ("0:00", "0:00:00")
    assert len({tick.text for tick in ticks}) == len(ticks)
    steps = {round(b.at - a.at, 6) for a, b in pairwise(ticks)}
    assert len(steps) <= 1
    assert all(step in (1, 2, 5, 10, 15, 30) or step % 60 == 0 for step in steps)


@given(SHARES, SHARES)
def test_a_share_of_a_table_has_two_figures(value: float, other: float) -> None:
    assume(0.98 > value / other > 0 or value == other)
    text = written(Axis("", Kind.PERCENT), value)
    figure = float(text.removesuffix("\u202f%"))
    assert figure / 100 == pytest.approx(value, rel=0.051)


def test_a_band_widens_the_scale_but_does_not_crush_its_values() -> None:
    assert value_scale(Axis(""), [10.0], [12.0]).high == pytest.approx(1.06 * 12)
    assert value_scale(Axis(""), [10.0], [math.inf]).high == pytest.approx(1.06 * 10)
    assert value_scale(Axis(""), [10.0], [1e6]).high == pytest.approx(1.06 * 30)


def test_a_line_stands_where_its_values_are() -> None:
    layers = draw(chart(Line("", (0.0, 10.0, 5.0)))).layers
    assert [(each.css_class, each.path) for each in layers] == [
        ("line tone-1", "M0,1000L500,0L1000,500")
    ]


def test_a_step_holds_its_value_and_a_band_goes_around_it() -> None:
    line = Line("", (2.0, 8.0, 8.0), (1.0, 7.0, 7.0), (3.0, 9.0, 9.0), shape=Shape.STEPS)
    band, steps = draw(chart(line)).layers
    assert steps.path == "M0,800H500V200H1000V200"
    assert band.path == "M0,700H500V100H1000V100V300V300H500V900H0Z"


def test_values_that_are_missing_leave_a_gap() -> None:
    (line,) = draw(chart(Line("", (0.0, 10.0, None, 10.0, 0.0)))).layers
    assert line.path == "M0,1000L250,0M750,0L1000,1000"
    rows = in_numbers(chart(Line("calls", (0.0, None)))).rows
    assert [[cell if isinstance(cell, str) else cell.text for cell in row] for row in rows] == [
        ["0", "0"],
        ["1", "–"],
    ]


def test_nothing_is_not_drawn_on_a_log_scale_and_bands_end_at_its_foot() -> None:
    axis = Axis("", Kind.PERCENT, log=True, low=0.002, high=0.1)
    found = chart(Line("", (0.0, 0.05), (0.0, 0.0), (0.01, math.inf)), y=axis)
    scale = y_scale(found)
    (line,) = script_data(found)["lines"]
    assert line["values"] == [None, 0.05]
    assert line["low"] == [scale.low, scale.low]
    assert line["high"] == [0.01, scale.high]


def test_marks_are_drawn_across_and_upward_and_labelled_away_from_the_edge() -> None:
    found = chart(
        Line("", (0.0, 10.0, 5.0)),
        marks=(Mark("target", 2.5, across=True), Mark("answer", 2.0), Mark("least", 0.5)),
    )
    paths = [each.path for each in draw(found).layers if each.css_class.startswith("mark")]
    assert paths == ["M0,750H1000", "M1000,0V1000", "M250,0V1000"]
    labels = mark_labels(found)
    assert [(each["place"], each["turned"]) for each in labels] == [
        (75, False),
        (100, True),
        (25, False),
    ]


def test_bars_go_from_the_base_to_their_values() -> None:
    bars = Bars(
        "key", "Title", "Sentence.", Axis("", low=0.0, high=100.0),
        (Group("a", (Bar(70.0, "70", 60.0, 80.0), Bar(20.0, "20"), Bar(None, "?", beyond=True))),),
        ("If", "Slots"), base=50.0,
    )  # fmt: skip
    up, down, beyond = bar_rows(bars)["groups"][0]["rows"]
    assert (up["from"], up["wide"], up["at"], up["low"], up["reach"]) == (50, 20, 70, 60, 20)
    assert (down["from"], down["wide"]) == (20, 30)
    assert (beyond["from"], beyond["wide"], beyond["beyond"]) == (50, 50, True)


@pytest.mark.parametrize(
    ("xs", "values", "low", "said"),
    [
        ((0.0, 0.0), (1.0, 1.0), None, "x values must rise"),
        ((), (), None, "x values must rise"),
        ((0.0, 1.0), (1.0,), None, "has another length"),
        ((0.0, 1.0), (1.0, 1.0), (0.0, 0.0), "has half a band"),
    ],
)
def test_a_chart_that_cannot_be_drawn_is_refused(
    xs: tuple[float, ...], values: tuple[float, ...], low: tuple[float, ...] | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Chart("key", "Title", "", Axis(""), Axis(""), xs, (Line("line", values, low),))


def test_of_nothing_on_a_log_scale_the_interval_is_drawn() -> None:
    axis = Axis("", Kind.PERCENT, log=True, low=0.002, high=0.1)
    bars = Bars("key", "", "", axis, (Group("a", (Bar(0.0, "0", 0.0, 0.02),)),), ("", ""))
    (row,) = bar_rows(bars)["groups"][0]["rows"]
    assert "at" not in row
    assert row["low"] == 0
    assert 0 < row["reach"] < 100
