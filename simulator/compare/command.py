"""``busyhour compare``: find both sides, compare, print; gives the exit code."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from simulator.compare.baselines import baseline_directories
from simulator.compare.comparing import Chance, Outcome, compare
from simulator.compare.document import CompareInvalid, Document, read_document
from simulator.compare.printing import document, lines
from simulator.console import ProgressLine, say
from simulator.exit_codes import FAILED, INCONCLUSIVE, INVALID, PASSED
from simulator.run import LATEST, LATEST_NOTE
from simulator.scenario_file import ScenarioInvalid
from simulator.scenario_file.problems import did_you_mean
from simulator.trace import TraceInvalid

RESULT: Final = "result.json"

_CODES: Final = {
    Outcome.SAME: PASSED,
    Outcome.WITHIN_CHANCE: PASSED,
    Outcome.MOVED: FAILED,
    Outcome.NOT_JUDGED: INCONCLUSIVE,
}


def run_compare(
    base: str, new: str, *, replications: int, scenario: Path | None, as_json: bool
) -> int:
    """Compare what two arguments name, and print it."""
    progress = ProgressLine("replications", sys.stderr)
    try:
        comparison = compare(
            find(base),
            find(new),
            Chance(replications, lambda done, total: progress("playing", done, total), scenario),
        )
    except ScenarioInvalid as error:
        for problem in error.problems:
            say(str(problem))
        return INVALID
    except (CompareInvalid, TraceInvalid) as error:
        progress.clear()
        say(str(error))
        return INVALID
    finally:
        progress.clear()
    if as_json:
        print(json.dumps(document(comparison), allow_nan=False), flush=True)
    else:
        print("\n".join(lines(comparison)), flush=True)
    return _CODES[comparison.outcome]


def find(argument: str) -> Document:
    """The document an argument names: a file, the directory of a run, or a baseline's scenario.

    A file, or a directory with a result, goes before a baseline of the same name. Raises
    :class:`CompareInvalid`.
    """
    path = Path(argument)
    for candidate in _results(path):
        if candidate.is_file():
            return read_document(candidate)
    baselines = {
        each.stem: each
        for directory in reversed(baseline_directories())
        for each in directory.glob("*.json")
    }
    if argument in baselines:
        found = read_document(baselines[argument])
        if not found.is_baseline:
            raise CompareInvalid(f"{found.source}: is no baseline: it was not made by the oracle")
        return found
    if path.is_dir():
        raise CompareInvalid(f"{argument}: there is no {RESULT} in this directory")
    if path.exists():
        return read_document(path)
    if path.suffix == ".json" or len(path.parts) != 1:
        raise CompareInvalid(f"{argument}: no such file or directory")
    known = ", ".join(sorted(baselines)) or "none"
    raise CompareInvalid(
        f"{argument}: no such file or directory, and no baseline of that name"
        f"{did_you_mean(argument, baselines)} (baselines: {known})"
    )


def _results(path: Path) -> Iterator[Path]:
    """Where the result may be that a path names, the likeliest first."""
    yield path
    yield path / RESULT
    note = path.parent / LATEST_NOTE
    if path.name == LATEST and note.is_file():
        # Where a file system has no links, the note beside them says which run is the latest.
        yield path.parent / note.read_text(encoding="utf-8").strip() / RESULT
