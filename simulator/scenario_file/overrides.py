"""Values laid over a scenario file: ``capacity.max_concurrent_calls=50``.

They are laid over the document before it is checked, so they are checked like the file itself.
"""

import difflib
import re
from collections.abc import Sequence
from typing import Any, Final

from simulator.scenario_file.document import OVERRIDE, Document
from simulator.scenario_file.problems import Path, Problem, key_text, one_of
from simulator.scenario_file.schema import scenario_schema
from simulator.scenario_file.schema_walk import known_keys

_STEP: Final = re.compile(r'"([^"]+)"|([^".\[\]]+)|\[([0-9]+)\]')


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Lay every override over ``document``; what is wrong with one goes to its problems."""
    for text in overrides:
        key, equals, value_text = text.partition("=")
        path = _path(key.strip())
        if not equals or not path:
            document.problems.append(
                Problem(OVERRIDE, 0, 0, "", f"{text!r} is not key=value, like tenants.acme.hold=3m")
            )
            continue
        value = Document(OVERRIDE, value_text.strip())
        if value.problems:
            document.problems += [
                Problem(OVERRIDE, 0, 0, key_text(path), problem.message)
                for problem in value.problems
            ]
            continue
        _lay(document, path, value.tree)


def _path(key: str) -> Path:
    """The steps of ``a.b.0.c`` or ``a."b.c"[0]``; empty when it is not a path."""
    steps: list[str | int] = []
    place = 0
    while place < len(key):
        if steps and key[place] == ".":
            place += 1
        elif steps and key[place] != "[":
            return ()
        match = _STEP.match(key, place)
        if match is None:
            return ()
        quoted, plain, number = match.groups()
        steps.append(int(number) if number else (quoted or plain))
        place = match.end()
    return tuple(steps)


def _lay(document: Document, path: Path, value: Any) -> None:
    holder = document.tree
    trodden: Path = ()
    for step in path[:-1]:
        below = _below(holder, step)
        if below is None:
            known = known_keys(scenario_schema(), document.tree, trodden)
            if not isinstance(holder, dict) or step not in known:
                _refuse(document, (*trodden, step), holder, known)
                return
            below = {}
            holder[step] = below
        trodden = (*trodden, _found_step(holder, step))
        holder = below
    last = _found_step(holder, path[-1])
    here = (*trodden, last)
    if isinstance(holder, dict) and isinstance(last, str):
        known = known_keys(scenario_schema(), document.tree, trodden)
        if last not in holder and known and last not in known:
            _refuse(document, here, holder, known)
            return
        holder[last] = value
    elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
        holder[last] = value
    else:
        _refuse(document, here, holder, ())
        return
    document.overridden.add(here)


def _found_step(holder: Any, step: str | int) -> str | int:
    """``0`` is a place in a list and a key in a mapping."""
    if isinstance(holder, list) and isinstance(step, str) and step.isascii() and step.isdigit():
        return int(step)
    return str(step) if isinstance(holder, dict) else step


def _below(holder: Any, step: str | int) -> Any:
    try:
        return holder[_found_step(holder, step)]
    except (KeyError, IndexError, TypeError):
        return None


def _refuse(document: Document, path: Path, holder: Any, known: Sequence[str]) -> None:
    words = list(dict.fromkeys([*(holder if isinstance(holder, dict) else ()), *known]))
    if isinstance(holder, list):
        hint = f"; the list has {len(holder)} entries, counted from 0"
    elif words:
        near = difflib.get_close_matches(str(path[-1]), words, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f" (known: {one_of(words)})"
    else:
        hint = ""
    document.problems.append(
        Problem(OVERRIDE, 0, 0, key_text(path), f"is not in the scenario{hint}")
    )
