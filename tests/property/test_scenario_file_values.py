"""Durations, rates and the scalars of YAML 1.2, over everything that can be written."""

import contextlib
import re
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from simulator.scenario_file.document import Document
from simulator.scenario_file.units import (
    DURATION_PATTERN,
    MAX_DURATION_US,
    POSITIVE_DURATION_PATTERN,
    RATE_PATTERN,
    UnitsInvalid,
    format_duration,
    parse_duration_us,
    parse_rate_per_us,
)

UNITS = [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)]
SMALL_UNITS = [("ms", 1_000), ("us", 1)]


@st.composite
def written_durations(draw: st.DrawFn) -> tuple[str, Fraction]:
    """A duration as a text, and its microseconds."""
    text, total = "", Fraction(0)
    chosen = draw(st.sets(st.sampled_from(UNITS + SMALL_UNITS), min_size=1))
    for unit, unit_us in UNITS + SMALL_UNITS:
        if (unit, unit_us) not in chosen:
            continue
        number = str(draw(st.integers(0, 500)))
        places = {"ms": 3, "us": 0}.get(unit, 6)
        if places and draw(st.booleans()):
            number += "." + "".join(
                draw(st.lists(st.sampled_from("0123456789"), min_size=1, max_size=places))
            )
        text += number + unit
        total += Fraction(number) * unit_us
    return text, total


@given(written_durations())
def test_a_duration_is_the_exact_sum_of_its_parts(written: tuple[str, Fraction]) -> None:
    text, exact_us = written
    assert parse_duration_us(text) == exact_us
    assert re.search(DURATION_PATTERN, text)
    assert bool(re.search(POSITIVE_DURATION_PATTERN, text)) == (exact_us > 0)


@given(st.integers(0, MAX_DURATION_US))
def test_a_duration_survives_being_written(duration_us: int) -> None:
    assert parse_duration_us(format_duration(duration_us)) == duration_us


@given(st.text(alphabet="0123456789.dhmsu -+e/", max_size=12))
def test_the_schema_knows_the_same_durations_and_rates(text: str) -> None:
    try:
        parse_duration_us(text)
        is_duration = True
    except UnitsInvalid as error:
        # too long is no matter of the pattern
        is_duration = "longer than ten years" in str(error)
    assert bool(re.search(DURATION_PATTERN, text)) == is_duration
    try:
        parse_rate_per_us(text)
        is_rate = True
    except UnitsInvalid:
        is_rate = False
    assert bool(re.search(RATE_PATTERN, text)) == is_rate


@given(st.text())
def test_no_text_breaks_the_units(text: str) -> None:
    for parse in (parse_duration_us, parse_rate_per_us):
        with contextlib.suppress(UnitsInvalid):
            assert parse(text) >= 0


@given(
    st.sampled_from(["no", "yes", "on", "off", "y", "n", "12:30:00", "1_000", "2001-01-01", "0b1"])
)
def test_what_older_yaml_read_as_something_else_is_a_text(text: str) -> None:
    assert Document("f", f"a: {text}\n").tree == {"a": text}


@given(st.integers(), st.booleans())
def test_numbers_and_truth_are_what_they_look_like(number: int, truth: bool) -> None:
    tree = Document("f", f"a: {number}\nb: {str(truth).lower()}\nc: '{number}'\n").tree
    assert tree == {"a": number, "b": truth, "c": str(number)}
    assert type(tree["a"]) is int
