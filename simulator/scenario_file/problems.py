"""What is wrong with a file a user wrote: where it stands and what would be right."""

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

Path = tuple[str | int, ...]
"""Where a value stands in a document: keys, and places in lists."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. ``line`` and ``column`` count from 1; 0 when the place has none: an override has
    neither, a line that is wrong as a whole no column.

    ``key`` is the path of keys, empty for the document itself.
    """

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        places = (self.file, *(str(each) for each in (self.line, self.column) if each))
        place = ":".join(places)
        text = f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"
        # one line each, whatever a key or a value of the file looks like
        return " ".join(text.splitlines())


class Report(Protocol):
    """Told what is wrong with the value at ``path``, or with its key.

    ``because_of`` is another value that the complaint goes by; while that one is itself wrong, the
    complaint would be about what stands in for it, and nothing is said.
    """

    def __call__(
        self, path: Path, message: str, *, at_key: bool = False, because_of: Path | None = None
    ) -> None: ...


class InputInvalid(ValueError):
    """A file cannot be used as it is. ``problems`` has at least one entry, in order of place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ScenarioInvalid(InputInvalid):
    """A scenario file is not a scenario."""


def key_text(path: Path) -> str:
    """``("capacity", "changes", 0, "at")`` as ``capacity.changes[0].at``; odd keys in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        plain = step and step.isprintable() and not set(step) & set('.[] "')
        text += ("." if text else "") + (step if plain else json.dumps(step, ensure_ascii=False))
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'rate'?"`` when a known word is near, else nothing."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def one_of(words: Sequence[str]) -> str:
    """``"a, b or c"``."""
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} or {words[-1]}"
