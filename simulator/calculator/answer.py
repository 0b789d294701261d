"""An answer of ``busyhour erlang``: keys with their units, printed as text or JSON."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulator.console import say
from simulator.exit_codes import INVALID, PASSED

Value = str | int | float | None
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked and what came out; ``rows`` is one entry for each stream or instant."""

    formula: str
    holds_for: str
    given: Row
    result: Row
    rows: tuple[Row, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "formula": self.formula,
            "holds_for": self.holds_for,
            "given": dict(self.given),
            "result": dict(self.result),
        }
        if self.rows:
            document["rows"] = [dict(row) for row in self.rows]
        return document


def ask(question: Callable[[], Answer], options: Mapping[str, str], *, as_json: bool) -> int:
    """Print the answer; gives the exit code.

    ``options`` says by which option an argument of the formula was given, so that a complaint about
    the argument names the option.
    """
    try:
        answer = question()
    except ValueError as error:
        argument, is_, rest = str(error).partition(" is ")
        say(f"{options.get(argument, argument)}{is_}{rest}")
        return INVALID
    if as_json:
        print(json.dumps(answer.to_dict(), allow_nan=False), flush=True)
    else:
        print("\n".join(_lines(answer)), flush=True)
    return PASSED


# --- what is printed ------------------------------------------------------------------------

_UNITS: Final = {"_erlangs": "erlang", "_s": "s"}


def _lines(answer: Answer) -> list[str]:
    lines = [f"{answer.formula} ({answer.holds_for})"]
    width = max(len(_label(key)) for key in (*answer.given, *answer.result))
    for part in (answer.given, answer.result):
        lines.append("")
        lines += [f"  {_label(key):{width}}  {_shown(key, value)}" for key, value in part.items()]
    if answer.rows:
        keys = list(answer.rows[0])
        table = [[_heading(key) for key in keys]]
        table += [[_figure(row[key]) for key in keys] for row in answer.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines.append("")
        lines += [
            "  " + "  ".join(cell.rjust(size) for cell, size in zip(row, widths, strict=True))
            for row in table
        ]
    return lines


def _unit(key: str) -> tuple[str, str]:
    """A key without its unit, and the unit."""
    for ending, unit in _UNITS.items():
        if key.endswith(ending):
            return key.removesuffix(ending), unit
    return key, ""


def _label(key: str) -> str:
    return _unit(key)[0].replace("_", " ")


def _heading(key: str) -> str:
    name, unit = _unit(key)
    return f"{name.replace('_', ' ')} [{unit}]" if unit else name.replace("_", " ")


def _shown(key: str, value: Value) -> str:
    return f"{_figure(value)} {_unit(key)[1]}".rstrip()


def _figure(value: Value) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
