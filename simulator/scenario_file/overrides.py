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
    schema = scenario_schema() if overrides else {}
    for text in overrides:
        key, equals, value_text = text.partition("=")
        path = path_of(key.strip())
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
        _lay(document, path, value.tree, schema)


def path_of(key: str) -> Path:
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


def _lay(document: Document, path: Path, value: Any, schema: dict[str, Any]) -> None:
    """Lay one value over the document, with the mappings it needs on its way."""
    holder: Any = document.tree
    trodden: Path = ()
    for depth, wanted in enumerate(path):
        step = _found_step(holder, wanted)
        here = (*trodden, step)
        last = depth == len(path) - 1
        known = known_keys(schema, document.tree, trodden)
        if isinstance(holder, dict) and step not in holder:
            # ids of tenants are open: one can be added whole, but not a part of one
            if step not in known and (known or not last):
                break
            for later in reversed(path[depth + 1 :]):
                value = {str(later): value}
            last = True
        elif isinstance(holder, list):
            if not isinstance(step, int) or step >= len(holder):
                break
        elif not isinstance(holder, dict):
            break
        if last:
            holder[step] = value
            document.overridden.add(here)
            return
        holder, trodden = holder[step], here
    _refuse(document, here, holder, known)


def _found_step(holder: Any, step: str | int) -> str | int:
    """``0`` is a place in a list and a key in a mapping."""
    if isinstance(holder, list) and isinstance(step, str) and step.isascii() and step.isdigit():
        return int(step)
    return str(step) if isinstance(holder, dict) else step


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
