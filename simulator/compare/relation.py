"""Whether two documents are of the same scenario, and which scenario that is.

A scenario's hash covers the text of its file, the overrides and the seed given on the command
line, so runs of one scenario under two seeds have two hashes. What they have in common is found by
reading the scenario file again: it must give each document's hash under that document's seed.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from pathlib import Path

from simulator.commands import shipped_scenarios
from simulator.compare.document import CompareInvalid, Document
from simulator.scenario import Scenario
from simulator.scenario_file import ScenarioInvalid, load_scenario


class Relation(Enum):
    """What two documents have in common."""

    SAME_CALLS = "the same calls"
    SAME_SEED = "the same scenario and seed, but other calls were drawn"
    OTHER_SEED = "the same scenario under another seed"
    UNKNOWN = "perhaps the same scenario, under another seed"


@dataclass(frozen=True, slots=True)
class Related:
    """How two documents belong together; ``scenario`` is the base's, where its file was found."""

    relation: Relation
    scenario: Scenario | None = None


def relate(base: Document, new: Document, named: Path | None) -> Related:
    """How the documents belong together. ``named`` is the scenario file, if the user named it.

    Raises :class:`CompareInvalid` when they are of different scenarios, and ScenarioInvalid when
    the named file is wrong.
    """
    if base.trace_hash and base.trace_hash == new.trace_hash:
        return Related(Relation.SAME_CALLS)
    if base.scenario != new.scenario:
        raise CompareInvalid(
            f"different scenarios: {base.source} is of {base.scenario}, {new.source} of "
            f"{new.scenario}; only runs of one scenario can be compared"
        )
    if base.digest == new.digest and base.seed == new.seed:
        return Related(Relation.SAME_SEED)
    base_overrides, new_overrides = _overrides_of(base), _overrides_of(new)
    if base_overrides != new_overrides:
        raise CompareInvalid(
            f"different scenarios: {base.source} has {_said(base_overrides)}, {new.source} has "
            f"{_said(new_overrides)}"
        )
    for path in _candidates(base, new, named):
        scenario = _loaded(path, base, must_load=path == named)
        other = _loaded(path, new, must_load=path == named)
        if scenario is not None and other is not None:
            same = Relation.SAME_SEED if base.seed == new.seed else Relation.OTHER_SEED
            return Related(same, scenario)
        if scenario is not None or other is not None:
            changed, kept = (new, base) if other is None else (base, new)
            raise CompareInvalid(
                f"different scenarios: {path} is the file of {kept.source}, not that of "
                f"{changed.source}: {_cause(changed, kept)}"
            )
    if named is not None:
        raise CompareInvalid(f"{named}: is the scenario file of neither side: its hash is another")
    if base.seed == new.seed:
        raise CompareInvalid(
            f"different scenarios: the hashes of {base.source} and {new.source} differ although "
            "their seeds do not"
        )
    return Related(Relation.UNKNOWN)


def _cause(changed: Document, kept: Document) -> str:
    if changed.is_baseline:
        return "it has changed since; renew the baselines with `make baselines`"
    if kept.seed != changed.seed:
        return "it was changed in between (another seed belongs on the command line: --seed)"
    return "it was changed in between"


def _said(overrides: Sequence[str]) -> str:
    return " ".join(f"--set {text}" for text in overrides) or "no --set"


def _candidates(base: Document, new: Document, named: Path | None) -> Iterator[Path]:
    if named is not None:
        yield named
        return
    for document in (base, new):
        path = _run_of(document)[0]
        if path is not None:
            yield path
    yield from (path for path in shipped_scenarios() if path.stem == base.scenario)


def _run_of(document: Document) -> tuple[Path | None, list[str]]:
    """The scenario file and the overrides of the command line that made a document."""
    try:
        words = shlex.split(document.command)
    except ValueError:
        return None, []
    if words[:2] != ["busyhour", "run"] or len(words) < 3:
        return None, []
    overrides = [text for option, text in pairwise(words) if option == "--set"]
    return Path(words[2]), overrides


def _overrides_of(document: Document) -> list[str]:
    return [text for text in _run_of(document)[1] if not _is_seed(text)]


def _is_seed(override: str) -> bool:
    return override.partition("=")[0].strip() == "seed"


def _loaded(path: Path, document: Document, *, must_load: bool) -> Scenario | None:
    """The scenario as the document had it, or None when the file is not the document's.

    The seed may have come from the file, an override or the command line: each has a hash.
    """
    overrides = _run_of(document)[1]
    for seed in (None, document.seed):
        try:
            scenario = load_scenario(path, overrides, seed)
        except ScenarioInvalid:
            if must_load:
                raise
            return None
        if scenario.digest == document.digest and scenario.seed == document.seed:
            return scenario
    return None
