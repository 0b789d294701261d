"""A document against the model: every value that is wrong, in words, and a model to go on with.

Checks of what several keys say together need a whole model. So what is wrong is taken out of the
document (or replaced by something harmless where it cannot be left out) until the rest holds.
"""

import copy
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from simulator.conditions import MOST_CALLS
from simulator.scenario_file.document import Document
from simulator.scenario_file.fields import SAID, TAG, shown
from simulator.scenario_file.model import ScenarioShape
from simulator.scenario_file.problems import Path, Problem, did_you_mean, one_of
from simulator.scenario_file.schema import scenario_schema
from simulator.scenario_file.schema_walk import branch_kinds, known_keys, what_belongs

_HARMLESS: Final[dict[Path, Any]] = {
    ("version",): 1,
    ("name",): "unnamed",
    ("duration",): "3650d",
    ("capacity",): {"max_concurrent_calls": MOST_CALLS},
    ("capacity", "max_concurrent_calls"): MOST_CALLS,
    ("tenants",): {"unnamed": {"arrivals": {"type": "exact_count", "count": 0}, "hold": "1s"}},
    ("tenants", "*"): {"arrivals": {"type": "exact_count", "count": 0}, "hold": "1s"},
    ("tenants", "*", "arrivals"): {"type": "exact_count", "count": 0},
    ("tenants", "*", "hold"): "1s",
    ("capacity", "changes", "*"): {"at": "0s", "max_concurrent_calls": MOST_CALLS},
    ("faults", "*"): {"kind": "event_late", "event": "end", "probability": 0, "delay": "1s"},
}
"""What stands in for a required value that is wrong: nothing else can be wrong because of it."""

_ROUNDS: Final = 12


class Validated:
    """A model of what is right in a document, and the problems of what is not.

    ``stand_ins`` are the places whose value is not the document's own.
    """

    def __init__(self, document: Document) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._schema: dict[str, Any] | None = None
        self._tree: dict[str, Any] = copy.deepcopy(document.tree)
        self.stand_ins: set[Path] = set()
        self._refuse_empty(self._tree, ())
        self.shape = self._settle()

    def is_own(self, path: Path) -> bool:
        """Whether the value at ``path`` is the document's own, and nothing in it was taken out."""
        return not any(
            path[: len(other)] == other or other[: len(path)] == path for other in self.stand_ins
        )

    def _settle(self) -> ScenarioShape:
        for _ in range(_ROUNDS):
            try:
                return ScenarioShape.model_validate(self._tree)
            except ValidationError as error:
                details = error.errors(include_url=False)
            places = [(self._path(detail["loc"]), detail) for detail in details]
            for path, detail in places:
                if self.is_own(path):
                    self._report(path, detail)
            for path, detail in places:
                self._take_out(path, missing=detail["type"] == "missing")
        raise AssertionError("a document could not be brought into shape")

    def _path(self, loc: tuple[str | int, ...]) -> Path:
        return tuple(step for step in loc if not (isinstance(step, str) and step.startswith(TAG)))

    def _refuse_empty(self, value: Any, path: Path) -> None:
        items = (
            list(value.items())
            if isinstance(value, dict)
            else list(enumerate(value))
            if isinstance(value, list)
            else []
        )
        for step, item in reversed(items):
            here = (*path, step)
            if item is None:
                self.problems.append(
                    self._document.problem(
                        here, "has no value; give it one or leave the key out", at_key=True
                    )
                )
                self._take_out(here, missing=False)
            else:
                self._refuse_empty(item, here)

    def _take_out(self, path: Path, *, missing: bool) -> None:
        """Remove what is wrong at ``path``, or put something harmless in its place."""
        general = tuple(
            "*" if isinstance(step, int) or (place == 1 and path[0] == "tenants") else step
            for place, step in enumerate(path)
        )
        self.stand_ins.add(path)
        if not path:
            raise AssertionError("the document itself is not a mapping")
        holder: Any = self._tree
        for step in path[:-1]:
            try:
                holder = holder[step]
            except (KeyError, IndexError, TypeError):
                return
        last: Any = path[-1]
        if general in _HARMLESS and isinstance(holder, dict | list):
            holder[last] = copy.deepcopy(_HARMLESS[general])
        elif missing or (isinstance(holder, dict) and last not in holder):
            self._take_out(path[:-1], missing=False)
        elif isinstance(holder, dict):
            del holder[last]
        elif isinstance(holder, list):
            # without one item the others would stand in a wrong place
            self._take_out(path[:-1], missing=False)

    def _report(self, path: Path, detail: ErrorDetails) -> None:
        at_key = detail["type"] in ("missing", "extra_forbidden")
        message = self._message(path, detail)
        if detail["type"].startswith("union_tag"):
            value = self._document.at(path)
            if isinstance(value, dict):
                path = (*path, "kind" if path[0] == "faults" else "type")
        self.problems.append(self._document.problem(path, message, at_key=at_key))

    def _message(self, path: Path, detail: ErrorDetails) -> str:
        kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
        if kind == SAID:
            return str(context["message"])
        if kind == "extra_forbidden":
            known = known_keys(self._its_schema(), self._document.tree, path[:-1])
            return f"is not a key here{did_you_mean(str(path[-1]), known)} (known: {one_of(known)})"
        if kind == "missing":
            wanted = what_belongs(self._its_schema(), self._document.tree, path)
            return f"is missing{': ' + wanted if wanted else ''}"
        if kind.startswith("union_tag"):
            return self._union_message(path, given)
        return _plain_message(kind, given, context)

    def _union_message(self, path: Path, given: Any) -> str:
        known = branch_kinds(self._its_schema(), self._document.tree, path)
        if not isinstance(given, dict):
            return f"must be a mapping, not {shown(given)}"
        word = "kind" if path[0] == "faults" else "type"
        if word not in given:
            return f"is missing: one of {one_of(known)}"
        name = given[word]
        near = did_you_mean(name, known) if isinstance(name, str) else ""
        return f"{shown(name)} is not known{near} (known: {one_of(known)})"

    def _its_schema(self) -> dict[str, Any]:
        if self._schema is None:
            self._schema = scenario_schema()
        return self._schema


def _plain_message(kind: str, given: Any, context: dict[str, Any]) -> str:
    """One of pydantic's own error types in plain words."""
    bounds = {
        "greater_than": ("gt", "above"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "below"),
        "less_than_equal": ("le", "at most"),
    }
    if kind in bounds:
        limit, words = bounds[kind]
        bound = context[limit]
        said = f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
        return f"must be {words} {said}, not {shown(given)}"
    wanted = {
        "int_type": "a whole number",
        "float_type": "a number",
        "finite_number": "a finite number",
        "bool_type": "true or false",
        "string_type": "a text",
        "list_type": "a list",
        "dict_type": "a mapping of keys to values",
        "model_type": "a mapping of keys to values",
        "literal_error": str(context.get("expected", "")),
        "string_too_short": "a text that is not empty",
        "string_too_long": f"at most {context.get('max_length', 0)} characters long",
        "string_pattern_mismatch": "letters, digits, '.', '_' and '-', 1 to 64 of them, "
        "the first a letter or digit",
    }.get(kind)
    if kind == "too_short":
        return f"must not be empty: at least {context['min_length']}"
    if wanted is None:
        raise AssertionError(f"no words for the error type {kind}")
    if kind == "int_type" and isinstance(given, float):
        return f"must be a whole number, not {given}"
    hint = ""
    if kind in ("int_type", "float_type", "bool_type") and isinstance(given, str):
        hint = " (a text)"
    return f"must be {wanted}, not {shown(given)}{hint}"
