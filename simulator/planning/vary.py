"""What a sweep varies: ``KEY=VALUES`` for any key of a scenario, and the grid of several such.

Values are separated by commas: ranges ``80..140:5`` (both ends included, the step 1 unless given),
factors ``x0.8`` of what the scenario says, and values as the file would write them. In a key ``*``
stands for every tenant, or whatever else there is at that place.
"""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NoReturn

from simulator.scenario_file.document import OVERRIDE, Document
from simulator.scenario_file.load import ScenarioSource
from simulator.scenario_file.overrides import apply_overrides, path_of
from simulator.scenario_file.problems import (
    Path,
    Problem,
    ScenarioInvalid,
    key_text,
    one_of,
)
from simulator.scenario_file.schema import scenario_schema
from simulator.scenario_file.schema_walk import is_whole_number
from simulator.scenario_file.units import (
    DURATION_PATTERN,
    RATE_PATTERN,
    format_duration,
    parse_duration_us,
)

VARY: Final = "--vary"
MOST_POINTS: Final = 100_000

_NUMBER: Final = r"[+-]?[0-9]+(?:\.[0-9]+)?"
_RANGE: Final = re.compile(
    rf"(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})(?::(?P<step>{_NUMBER}))?", re.ASCII
)
_FACTOR: Final = re.compile(r"x(?P<factor>[0-9]+(?:\.[0-9]+)?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of an axis: how it is shown, and the overrides that set it."""

    label: str
    overrides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """A key that varies, as it was written."""

    key: str
    choices: tuple[Choice, ...]


def axes_of(texts: Sequence[str], source: ScenarioSource, overrides: Sequence[str]) -> list[Axis]:
    """The axes of ``--vary`` texts on a scenario under ``overrides``.

    Raises :class:`~simulator.scenario_file.ScenarioInvalid` with every problem found.
    """
    document = source.document(overrides)
    problems: list[Problem] = []
    axes: list[Axis] = []
    for text in texts:
        key, equals, values = text.partition("=")
        key = key.strip()
        if not equals or not path_of(key) or not values.strip():
            problems.append(
                _problem(
                    "",
                    f"{text!r} is not KEY=VALUES, like capacity.max_concurrent_calls=80..140:5",
                )
            )
        elif any(axis.key == key for axis in axes):
            problems.append(_problem(key, "is varied twice"))
        else:
            try:
                axes.append(Axis(key, tuple(_choices(key, values, document))))
            except ScenarioInvalid as error:
                problems += error.problems
    points = math.prod(len(axis.choices) for axis in axes)
    if points > MOST_POINTS:
        problems.append(_problem("", f"{points:,} points are more than {MOST_POINTS:,}"))
    if problems:
        raise ScenarioInvalid(problems)
    return axes


def grid(axes: Sequence[Axis]) -> Iterator[tuple[Choice, ...]]:
    """Every combination, the last axis fastest."""
    return itertools.product(*(axis.choices for axis in axes))


def said_of_vary(problem: Problem, axes: Sequence[Axis]) -> Problem:
    """A problem of an override, which came from the option that wrote it."""
    first = [re.split(r"[.\[]", axis.key)[0] for axis in axes]
    came_from_here = problem.file == OVERRIDE and re.split(r"[.\[]", problem.key)[0] in first
    return replace(problem, file=VARY) if came_from_here else problem


def _problem(key: str, message: str) -> Problem:
    return Problem(VARY, 0, 0, key, message)


def _invalid(key: str, message: str) -> ScenarioInvalid:
    return ScenarioInvalid([_problem(key, message)])


def _choices(key: str, values: str, document: Document) -> Iterator[Choice]:
    shown: set[str] = set()
    for item in split_values(values):
        for label, texts in _item(key, item, document):
            if label in shown:
                raise _invalid(key, f"has {label} twice")
            shown.add(label)
            yield Choice(label, texts)


def split_values(values: str) -> list[str]:
    """Parts between commas that stand outside brackets, braces and quotes."""
    parts, depth, quote, part = [], 0, "", ""
    for sign in values:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        if sign == "," and depth == 0 and not quote:
            parts.append(part.strip())
            part = ""
        else:
            part += sign
    return [*parts, part.strip()]


def _item(key: str, item: str, document: Document) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not item:
        raise _invalid(key, "has an empty value between its commas")
    if match := _FACTOR.fullmatch(item):
        yield item, tuple(_multiplied(key, Decimal(match["factor"]), document))
        return
    if ".." in item and not item.startswith(("[", "{", '"', "'")):
        for value in _range(key, item):
            yield value, tuple(f"{place}={value}" for place in places_of(key, document))
        return
    yield item, tuple(f"{place}={item}" for place in places_of(key, document))


def _range(key: str, item: str) -> Iterator[str]:
    match = _RANGE.fullmatch(item)
    if match is None:
        raise _invalid(key, f"{item!r} is not a range of numbers; write it like 80..140:5")
    low, high, step = (Decimal(match[name] or "1") for name in ("low", "high", "step"))
    if step <= 0:
        raise _invalid(key, f"{item!r} has a step of {step}; it must be above zero")
    if low > high:
        raise _invalid(key, f"{item!r} is empty: it starts above its end")
    count = int((high - low) / step) + 1
    if count > MOST_POINTS:
        raise _invalid(key, f"{item!r} has {count:,} values, more than {MOST_POINTS:,}")
    for place in range(count):
        yield format(low + place * step, "f")


def places_of(key: str, document: Document, *, existing: bool = False) -> list[str]:
    """The keys ``key`` stands for; ``existing`` leaves out those the scenario does not write."""
    path = path_of(key)
    found: list[Path] = [()]
    for place, step in enumerate(path):
        if step != "*":
            found = [(*each, step) for each in found]
            continue
        opened = []
        for each in found:
            holder = document.at(_indexed(each, document))
            names: Sequence[str | int] = ()
            if isinstance(holder, dict):
                names = list(holder)
            elif isinstance(holder, list):
                names = range(len(holder))
            opened += [(*each, name) for name in names]
        if not opened:
            raise _invalid(
                key, f"there is nothing at {key_text(path[:place]) or 'the top'} to vary"
            )
        found = opened
    if existing:
        found = [each for each in found if document.at(_indexed(each, document)) is not None]
    return [key_text(each) for each in found]


def _indexed(path: Path, document: Document) -> Path:
    """The path with plain numbers as places where lists stand."""
    steps: list[str | int] = []
    for step in path:
        holder = document.at(tuple(steps))
        if isinstance(holder, list) and isinstance(step, str) and step.isdecimal():
            step = int(step)
        steps.append(step)
    return tuple(steps)


def _multiplied(key: str, factor: Decimal, document: Document) -> Iterator[str]:
    places = places_of(key, document, existing=True)
    if not places:
        _refuse_unwritten(key, document)
    for place in places:
        path = _indexed(path_of(place), document)
        yield f"{place}={_product(place, document.at(path), factor, path, document)}"


def _refuse_unwritten(key: str, document: Document) -> NoReturn:
    """An unknown key is reported with the nearest one, a known one as what it is."""
    laid = document.copy()
    laid.problems = []
    apply_overrides(laid, [f"{places_of(key, document)[0]}=0"])
    if laid.problems:
        raise ScenarioInvalid([replace(problem, file=VARY) for problem in laid.problems])
    raise _invalid(key, "is not written in the scenario, so there is nothing to multiply")


def _product(key: str, value: Any, factor: Decimal, path: Path, document: Document) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        product = value * factor
        if product == int(product) or is_whole_number(scenario_schema(), document.tree, path):
            return str(math.floor(Fraction(product) + Fraction(1, 2)))
        return format(product, "f")
    if isinstance(value, float):
        return format(Decimal(repr(value)) * factor, "f")
    if isinstance(value, str) and re.fullmatch(DURATION_PATTERN, value, re.ASCII):
        return format_duration(round(parse_duration_us(value) * Fraction(factor)))
    if isinstance(value, str) and re.fullmatch(RATE_PATTERN, value, re.ASCII):
        number, unit = value.split("/")
        return f"{format(Decimal(number) * factor, 'f')}/{unit}"
    if isinstance(value, dict):
        raise _invalid(key, f"has several keys; multiply one of them: {one_of(list(value))}")
    raise _invalid(key, f"is {value!r}, which is not a number, a duration or a rate to multiply")
