"""What is typed after an option of ``busyhour erlang``: numbers, shares, durations, streams.

Every function raises :class:`QuestionInvalid` with the option, what was typed and what would be
right.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

from simulator.scenario_file.units import UnitsInvalid, parse_duration_us, parse_rate_per_us

SECOND_US: Final = 1_000_000
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)


class QuestionInvalid(ValueError):
    """What was asked makes no sense; the message says what would be right."""


# --- numbers --------------------------------------------------------------------------------


def number(option: str, text: str, what: str = "a number", like: str = "1.5") -> float:
    """A decimal number; ``what`` and ``like`` say in a complaint what it should be."""
    if not _NUMBER.fullmatch(text.strip()):
        raise QuestionInvalid(f"{option}: {text!r} is not {what}; write it like {like}")
    return float(text)


def erlangs(option: str, text: str, like: str = "12.5") -> float:
    """Traffic, like ``12.5``."""
    return number(option, text, "a number of erlangs", like)


def share(option: str, text: str) -> float:
    """A part of a whole, like ``0.01`` or ``1%``."""
    digits = text.strip().removesuffix("%").rstrip()
    if not _NUMBER.fullmatch(digits):
        raise QuestionInvalid(f"{option}: {text!r} is not a share; write it like 0.01 or 1%")
    if digits != text.strip():
        return float(Decimal(digits) / 100)
    if float(digits) > 1:
        raise QuestionInvalid(
            f"{option} is {digits}, a share is at most 1; write {digits}% for {digits} in a hundred"
        )
    return float(digits)


def blocking_share(option: str, text: str) -> float:
    """A share of blocked calls, where a bare 1 is more likely one in a hundred than every call."""
    found = share(option, text)
    if found == 1 and "%" not in text:
        raise QuestionInvalid(f"{option} is {text}, every call; write 1% for one in a hundred")
    return found


def count(option: str, text: str) -> int:
    """A whole number, 0 or more."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal()):
        raise QuestionInvalid(f"{option}: {text!r} is not a whole number, 0 or more")
    return int(digits)


def seconds(option: str, text: str) -> float:
    """A duration, like ``3m``."""
    try:
        return parse_duration_us(text) / SECOND_US
    except UnitsInvalid as error:
        raise QuestionInvalid(f"{option}: {error}") from None


# --- numbers together -----------------------------------------------------------------------


def streams(
    option: str, texts: Sequence[str], keys: Sequence[str]
) -> dict[str, tuple[float, dict[str, int]]]:
    """``NAME=ERLANGS,key=N,...`` texts by name."""
    found: dict[str, tuple[float, dict[str, int]]] = {}
    shape = "NAME=ERLANGS" + "".join(f"[,{key}=N]" for key in keys)
    for text in texts:
        first, *more = text.split(",")
        name, equals, traffic = first.partition("=")
        if not (name.strip() and equals):
            raise QuestionInvalid(f"{option}: {text!r} is not {shape}")
        if name in found:
            raise QuestionInvalid(f"{option}: {name!r} is given twice")
        counts: dict[str, int] = {}
        for part in more:
            key, equals, digits = part.partition("=")
            if not equals or key not in keys or key in counts:
                raise QuestionInvalid(f"{option} {name}: {part!r} does not fit {shape}")
            counts[key] = count(f"{option} {name}: {key}", digits)
        found[name] = (erlangs(f"{option} {name}", traffic), counts)
    return found


def primary(text: str) -> tuple[float, int]:
    """``ERLANGS:SERVERS`` of a group that sends on what it blocks."""
    traffic, colon, servers = text.partition(":")
    if not colon:
        raise QuestionInvalid(f"--primary: {text!r} is not ERLANGS:SERVERS, like 30:25")
    option = f"--primary {text}"
    return erlangs(option, traffic), count(option, servers)


def rate_step(text: str) -> tuple[float, float]:
    """Seconds and calls a second of ``START=RATE``."""
    start, equals, rate = text.partition("=")
    if not equals:
        raise QuestionInvalid(f"--rate: {text!r} is not START=RATE, like 10m=5/s")
    try:
        per_us = parse_rate_per_us(rate)
    except UnitsInvalid as error:
        raise QuestionInvalid(f"--rate: {error}") from None
    return seconds("--rate", start), float(per_us * SECOND_US)


@contextmanager
def naming(names: Mapping[str, str]) -> Iterator[None]:
    """Complaints of a formula name what was typed.

    ``names`` are beginnings of complaints and what to say instead; the first that fits is taken.
    """
    try:
        yield
    except ValueError as error:
        message = str(error)
        for said, typed in names.items():
            if message.startswith(said):
                message = f"{typed}{message.removeprefix(said)}"
                break
        raise QuestionInvalid(message) from None


def stream_names(argument: str, option: str, found: Sequence[str]) -> Mapping[str, str]:
    """For :func:`naming`, of the streams of a formula."""
    names: dict[str, str] = {}
    for place, name in enumerate(found):
        names[f"{argument}[{place}].offered_erlangs"] = f"{option} {name}: its traffic"
        names[f"{argument}[{place}]."] = f"{option} {name}: "
    return names
