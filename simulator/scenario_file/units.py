"""Durations and rates as people write them, converted exactly.

A duration is one or more numbers with a unit, the larger unit first: ``90s``, ``1h30m``, ``250ms``,
``1.5s``, ``2d``. A rate is a number of calls per unit of time: ``2/s``, ``5/m``, ``300/h``,
``1000/d``. No float takes part in the conversion of a duration.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

UNIT_US: Final = {
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}

MAX_DURATION_US: Final = 3650 * UNIT_US["d"]
"""Ten years: sums of a few such durations stay far inside int64."""

_DECIMALS: Final = {"d": 6, "h": 6, "m": 6, "s": 6, "ms": 3, "us": 0}
"""Decimals a unit may have, so that every text that fits the pattern is a whole microsecond."""


def _part(unit: str) -> str:
    places = _DECIMALS[unit]
    fraction = rf"(\.[0-9]{{1,{places}}})?" if places else ""
    return rf"([0-9]+{fraction}{unit})?"


DURATION_PATTERN: Final = rf"^(?=[0-9]){''.join(_part(unit) for unit in UNIT_US)}$"
POSITIVE_DURATION_PATTERN: Final = rf"^(?=.*[1-9]){DURATION_PATTERN[1:]}"
RATE_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?/[smhd]$"

_DURATION: Final = re.compile(DURATION_PATTERN, re.ASCII)
_PIECE: Final = re.compile(r"([0-9.]+)([a-z]+)", re.ASCII)
_RATE: Final = re.compile(RATE_PATTERN, re.ASCII)
_LONGEST_RATE: Final = 40
_BARE: Final = re.compile(r"[+-]?[0-9.]+", re.ASCII)


class UnitsInvalid(ValueError):
    """A text is not a duration or a rate; the message says what would be right."""


def parse_duration_us(text: str) -> int:
    """Microseconds of a duration such as ``1h30m``. Raises :class:`UnitsInvalid`."""
    if not _DURATION.fullmatch(text):
        raise UnitsInvalid(_what_is_wrong(text))
    total = sum(
        (Decimal(number) * UNIT_US[unit] for number, unit in _PIECE.findall(text)), Decimal(0)
    )
    if total > MAX_DURATION_US:
        raise UnitsInvalid(f"{text!r} is longer than ten years (3650d)")
    return int(total)


def parse_rate_per_us(text: str) -> Fraction:
    """Calls per microsecond of a rate such as ``300/h``. Raises :class:`UnitsInvalid`."""
    if not _RATE.fullmatch(text) or len(text) > _LONGEST_RATE:
        if _BARE.fullmatch(text):
            raise UnitsInvalid(
                f"{text!r} has no unit of time; write {text}/s, {text}/m or {text}/h"
            )
        raise UnitsInvalid(f"{text!r} is not a rate; write it like 2/s, 5/m, 300/h or 1000/d")
    number, unit = text.split("/")
    return Fraction(number) / UNIT_US[unit]


def format_duration(duration_us: int) -> str:
    """The shortest text :func:`parse_duration_us` reads as ``duration_us`` (>= 0)."""
    parts = []
    rest = duration_us
    for unit, unit_us in UNIT_US.items():
        count, rest = divmod(rest, unit_us)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _what_is_wrong(text: str) -> str:
    if _BARE.fullmatch(text) and not text.startswith("-"):
        number = text.lstrip("+")
        return f"{text!r} has no unit; write {number}s, {number}m or {number}ms"
    if text.startswith("-"):
        return f"{text!r} is negative; a duration is zero or more, like 90s"
    if re.fullmatch(r"([0-9]+(\.[0-9]+)?(d|h|m|s|ms|us))+", text, re.ASCII):
        if any(
            len(number.partition(".")[2]) > _DECIMALS[unit] for number, unit in _PIECE.findall(text)
        ):
            return f"{text!r} is finer than a microsecond"
        return f"{text!r} has its units out of order; write the larger ones first, each once: 1h30m"
    return f"{text!r} is not a duration; write it like 90s, 20m, 1h30m, 250ms or 2d"
