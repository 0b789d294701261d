"""Durations and rates: what is read, what is refused and with which hint."""

import subprocess
import sys
from fractions import Fraction

import pytest

from simulator.scenario_file.units import (
    UnitsInvalid,
    format_duration,
    parse_duration_us,
    parse_rate_per_us,
)

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("0s", 0),
        ("10us", 10),
        ("250ms", 250_000),
        ("0.001ms", 1),
        ("1.5s", 1_500_000),
        ("0.000001s", 1),
        ("90s", 90 * SECOND),
        ("20m", 1_200 * SECOND),
        ("0.5m", 30 * SECOND),
        ("1h30m", 5_400 * SECOND),
        ("2d", 172_800 * SECOND),
        ("1d2h3m4s5ms6us", 93_784 * SECOND + 5_006),
        ("3650d", 3650 * 86_400 * SECOND),
    ],
)
def test_durations_are_exact(text: str, expected_us: int) -> None:
    assert parse_duration_us(text) == expected_us


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("90", "write 90s"),
        ("1.5", "write 1.5s"),
        ("-5s", "is negative"),
        ("0.5us", "finer than a microsecond"),
        ("1.0000001s", "finer than a microsecond"),
        ("30m1h", "units out of order"),
        ("1h1h", "units out of order"),
        ("", "is not a duration"),
        ("5 s", "is not a duration"),
        ("5S", "is not a duration"),
        ("5sec", "is not a duration"),
        ("1e3s", "is not a duration"),
        ("٥s", "is not a duration"),
        ("5s\n", "is not a duration"),
        ("3650d1us", "longer than ten years"),
        ("9" * 5000 + "d", "longer than ten years"),
    ],
)
def test_what_is_no_duration_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(UnitsInvalid, match=hint):
        parse_duration_us(text)


@pytest.mark.parametrize(
    ("text", "per_second"),
    [
        ("2/s", Fraction(2)),
        ("0.1/s", Fraction(1, 10)),
        ("5/m", Fraction(5, 60)),
        ("300/h", Fraction(1, 12)),
        ("1000/d", Fraction(1000, 86_400)),
    ],
)
def test_rates_are_exact(text: str, per_second: Fraction) -> None:
    assert parse_rate_per_us(text) == per_second / SECOND


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2", "write 2/s"),
        ("2/", "is not a rate"),
        ("2/min", "is not a rate"),
        ("-2/s", "is not a rate"),
        ("1e9/s", "is not a rate"),
        ("9" * 5000 + "/s", "is not a rate"),
    ],
)
def test_what_is_no_rate_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(UnitsInvalid, match=hint):
        parse_rate_per_us(text)


def test_a_duration_is_written_short() -> None:
    assert format_duration(0) == "0s"
    assert format_duration(5_400 * SECOND) == "1h30m"
    assert format_duration(1_000_250_000) == "16m40s250ms"


def test_the_units_need_no_reader_of_files() -> None:
    code = (
        "import sys, simulator.scenario_file.units\n"
        "heavy = {'numpy', 'pydantic', 'ruamel'} & {name.split('.')[0] for name in sys.modules}\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
