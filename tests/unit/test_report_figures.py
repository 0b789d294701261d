"""How figures are written: every way of writing one can be read back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.report.figures import (
    clock,
    elapsed,
    fixed,
    number,
    percent,
    signed,
    width,
)


def read(text: str) -> Decimal:
    return Decimal(text.replace("\u202f", "").replace("\u2212", "-").replace("%", ""))


@given(st.integers(-(10**15), 10**15))
def test_integers_are_written_whole_in_groups_of_three(value: int) -> None:
    text = number(value)
    assert read(text) == value
    assert read(signed(value)) == value
    assert signed(value).startswith("+") == (value > 0)
    groups = text.removeprefix("\u2212").split("\u202f")
    assert all(len(group) == 3 for group in groups[1:])
    assert 1 <= len(groups[0]) <= 3


@given(st.floats(-1e12, 1e12), st.integers(0, 6))
def test_decimals_are_rounded_to_the_places_asked_for(value: float, places: int) -> None:
    half = Decimal(10) ** -places / 2 + Decimal("1e-6")
    assert abs(read(number(value, places)) - Decimal(value)) <= half
    assert read(fixed(value, places)) == read(number(value, places))
    assert len(fixed(value, places).partition(".")[2]) == places


@given(st.integers(0, 10**13))
def test_instants_of_a_run_can_be_read_back(at_us: int) -> None:
    hours, minutes, seconds = clock(at_us).split(":")
    assert len(minutes) == 2
    assert (int(hours) * 3600 + int(minutes) * 60 + Decimal(seconds)) * 1_000_000 == at_us


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"),
        (0.0, "0.00\u202f%"),
        (0.00004, "<\u202f0.01\u202f%"),
        (1 / 3, "33.33\u202f%"),
        (1.0, "100.00\u202f%"),
        (float("nan"), "nan"),
    ],
)
def test_shares(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (-0.0004, "0"),
        (-0.25, "\u22120.25"),
        (1234.5, "1\u202f234.5"),
        ("as is", "as is"),
    ],
)
def test_odd_figures(value: float | str | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("width_us", "text"),
    [
        (10_000_000, "10\u202fs"),
        (300_000_000, "5\u202fmin"),
        (7_200_000_000, "2\u202fh"),
        (250_000, "250\u202fms"),
        (20, "20\u202fµs"),
    ],
)
def test_widths(width_us: int, text: str) -> None:
    assert width(width_us) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0.40 s"), (12.34, "12.3 s"), (200.4, "3 min 20 s")]
)
def test_elapsed(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text
