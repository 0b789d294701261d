"""A YAML 1.2 document as plain values that still know where they stand.

ruamel.yaml composes the nodes; scalars are resolved here by the YAML 1.2 core schema alone
(``no`` is a text, ``1_000`` and ``12:30`` too), because its resolvers also know older forms. Keys
are always texts.
"""

import copy
import math
import re
import warnings
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from simulator.scenario_file.problems import Path, Problem, key_text

_NULLS: Final = {"", "~", "null", "Null", "NULL"}
_BOOLS: Final = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INT: Final = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL_OR_HEX: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INFINITY: Final = re.compile(r"[-+]?\.(inf|Inf|INF)", re.ASCII)
_NAN: Final = {".nan", ".NaN", ".NAN"}
_LONGEST_INT: Final = 40
"""Digits of a whole number; longer ones are left a text, which no key takes for a number."""

OVERRIDE: Final = "--set"
MOST_VALUES: Final = 200_000


class _TooLarge(Exception):
    """The document has more values than a scenario needs."""


class Document:
    """The values of one file, and the place of each.

    ``tree`` is plain dicts, lists and scalars. ``problems`` holds what is wrong with the YAML
    itself, duplicate keys included; when it is not empty, ``tree`` may still be worth checking.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.overridden: set[Path] = set()
        self.tree: Any = None
        self._root: Node | None = None
        self._open: set[int] = set()
        self._count = 0
        try:
            self._root = _compose(text)
            if self._root is not None:
                self.tree = self._value(self._root, ())
        except YAMLError as error:
            self._refuse_yaml(error)
        except RecursionError:
            self.problems.append(Problem(file, 1, 1, "", "is nested too deeply for a scenario"))
        except _TooLarge:
            message = f"has more than {MOST_VALUES} values; do aliases stand inside aliases?"
            self.problems.append(Problem(file, 1, 1, "", message))

    def copy(self) -> "Document":
        """A document that can be changed by itself; the places are those of this one."""
        twin = copy.copy(self)
        twin.problems = list(self.problems)
        twin.overridden = set(self.overridden)
        twin.tree = copy.deepcopy(self.tree)
        return twin

    def place(self, path: Path, *, at_key: bool = False) -> tuple[str, int, int]:
        """File, line and column of the value at ``path`` (of its key with ``at_key``).

        A path that goes beyond the document has the place of the last thing on it that exists;
        anything at or below an override has the place ``--set``.
        """
        if any(path[:length] in self.overridden for length in range(1, len(path) + 1)):
            return (OVERRIDE, 0, 0)
        node, key = self._root, None
        for step in path:
            found = _child(node, step)
            if found is None:
                # what is missing is looked for at the key of what should hold it
                at_key = True
                break
            key, node = found
        mark_of = key if at_key and key is not None else node
        if mark_of is None:
            return (self.file, 1, 1)
        return (self.file, mark_of.start_mark.line + 1, mark_of.start_mark.column + 1)

    def at(self, path: Path) -> Any:
        """The value at ``path``, or None."""
        value = self.tree
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        return Problem(*self.place(path, at_key=at_key), key_text(path), message)

    def _value(self, node: Node, path: Path) -> Any:
        # an alias becomes a copy, so that each place can be changed by itself; copies of copies
        # could grow without end
        self._count += 1
        if self._count > MOST_VALUES:
            raise _TooLarge
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._refuse(node, path, "refers to itself; an alias cannot stand inside its anchor")
            return None
        self._open.add(id(node))
        value = (
            self._mapping(node, path)
            if isinstance(node, MappingNode)
            else [self._value(item, (*path, i)) for i, item in enumerate(node.value)]
        )
        self._open.remove(id(node))
        return value

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        first_line: dict[str, int] = {}
        for key, item in node.value:
            if not isinstance(key, ScalarNode):
                self._refuse(key, path, "a key must be a plain text")
                continue
            name = str(key.value)
            here = (*path, name)
            if name in values:
                line = first_line[name]
                self._refuse(key, here, f"stands twice; the first is on line {line}")
                continue
            first_line[name] = key.start_mark.line + 1
            values[name] = self._value(item, here)
        return values

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        text = str(node.value)
        tag = str(node.tag)
        if not tag.startswith("tag:yaml.org,2002:"):
            self._refuse(node, path, f"has the tag {tag}; a scenario uses no tags")
            return text
        if node.style is not None or tag == "tag:yaml.org,2002:str":
            return text
        return plain_scalar(text)

    def _refuse(self, node: Node, path: Path, message: str) -> None:
        mark = node.start_mark
        self.problems.append(
            Problem(self.file, mark.line + 1, mark.column + 1, key_text(path), message)
        )

    def _refuse_yaml(self, error: YAMLError) -> None:
        line, column, message = 1, 1, str(error).splitlines()[0]
        if isinstance(error, MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            if mark is not None:
                line, column = mark.line + 1, mark.column + 1
            said = [part for part in (error.context, error.problem) if part]
            message = ", ".join(said) or message
        self.problems.append(Problem(self.file, line, column, "", f"is not YAML: {message}"))


def plain_scalar(text: str) -> Any:
    """An unquoted scalar by the YAML 1.2 core schema."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return int(text) if len(text) <= _LONGEST_INT else text
    if _OCTAL_OR_HEX.fullmatch(text) and len(text) <= _LONGEST_INT:
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITY.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if text in _NAN else text


def _compose(text: str) -> Node | None:
    with warnings.catch_warnings():
        # an anchor may be used anew further down; ruamel.yaml warns of it, YAML allows it
        warnings.simplefilter("ignore")
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    return node


def _child(node: Node | None, step: str | int) -> tuple[Node | None, Node] | None:
    """Key node (None in a list) and value node of one step down, or None when there is none."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == step:
                return key, value
    elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None
