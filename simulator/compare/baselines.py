"""Baselines: what the oracle expects of the shipped scenarios, kept to compare runs with.

``python -m simulator.compare.baselines DIRECTORY`` renews them. They come from the oracle and
never from a run, so a fault of a service cannot become what later runs are held against.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import simulator
from simulator.commands import shipped_scenarios
from simulator.compare.document import ORACLE
from simulator.console import ProgressLine, say
from simulator.exit_codes import INVALID, PASSED
from simulator.live.options import only_live
from simulator.oracle import expect
from simulator.report.comparison import figures
from simulator.report.result_json import SCHEMA_VERSION
from simulator.results import Held, Progress
from simulator.scenario import Scenario
from simulator.scenario_file import ScenarioInvalid, load_scenario
from simulator.statistics import statistics_of
from simulator.trace import TraceInvalid, trace_hash
from simulator.traffic import build_trace
from simulator.verdict import judge

DIRECTORY: Final = Path("reports/baselines")


def baseline_of(scenario: Scenario, progress: Progress | None = None) -> dict[str, Any]:
    """What a sound run of the scenario comes to, in the words of ``result.json``.

    Counters and checkpoints are the oracle's, statistics and verdict follow from them. Nothing in
    it depends on when, where or with which versions it was made. Raises
    :class:`simulator.trace.TraceInvalid`.
    """
    trace = build_trace(scenario)
    expected = expect(trace, progress)
    statistics = statistics_of(trace, expected.log)
    judgement = judge(
        trace=trace,
        observed=expected,
        expected=expected,
        statistics=statistics,
        expect=scenario.expect,
        thresholds=scenario.thresholds,
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": {"name": scenario.name, "hash": scenario.digest, "seed": scenario.seed},
        "engine": ORACLE,
        "verdict": judgement.verdict.value,
        "reason": judgement.reason,
        "trace_hash": trace_hash(trace),
        "expected": {
            "total": figures(expected.total),
            "tenants": {name: figures(row) for name, row in expected.tenants.items()},
        },
        "checkpoints": [
            {
                "at_us": state.at_us,
                "expected": {
                    "limit": state.limit,
                    "total": _held(state.total),
                    "tenants": {name: _held(held) for name, held in state.tenants.items()},
                },
            }
            for state in expected.checkpoints
        ],
        "statistics": statistics.to_dict(),
    }


def _held(held: Held) -> dict[str, int]:
    return {
        "pending": held.pending,
        "accepted": held.accepted,
        "active": held.active,
        "in_use": held.pending + held.accepted,
    }


def render(document: Mapping[str, Any]) -> str:
    """The document as text: a row of figures to a line, so that a change shows as few lines."""
    return _rendered(document, 0) + "\n"


def _rendered(value: object, depth: int) -> str:
    is_nested = isinstance(value, dict | list) and any(
        isinstance(each, dict | list)
        for each in (value.values() if isinstance(value, dict) else value)
    )
    if not is_nested:
        return json.dumps(value, allow_nan=False)
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        lines = [
            f"{inner}{json.dumps(key)}: {_rendered(each, depth + 1)}" for key, each in value.items()
        ]
        return "{\n" + ",\n".join(lines) + f"\n{outer}}}"
    assert isinstance(value, list)
    lines = [f"{inner}{_rendered(each, depth + 1)}" for each in value]
    return "[\n" + ",\n".join(lines) + f"\n{outer}]"


def baseline_directories() -> list[Path]:
    """Where baselines are looked for: here, beside the package, and inside an installed one."""
    package = Path(simulator.__file__).resolve().parent
    return [DIRECTORY, package.parent / DIRECTORY, package / "baselines"]


def baseline_scenarios() -> Iterator[Scenario]:
    """The shipped scenarios that can be played in virtual time. Raises ScenarioInvalid."""
    for path in shipped_scenarios():
        scenario = load_scenario(path)
        if not any(only_live(scenario, ORACLE)):
            yield scenario


def renew(directory: Path) -> Iterator[str]:
    """Write the baselines of all shipped scenarios; says of each, in one line, what came of it.

    A baseline whose scenario is gone goes too. Raises ScenarioInvalid, TraceInvalid and OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kept = set()
    for scenario in baseline_scenarios():
        path = directory / f"{scenario.name}.json"
        kept.add(path)
        progress = ProgressLine(scenario.name, sys.stderr)
        try:
            document = baseline_of(scenario, lambda d, n, told=progress: told("oracle", d, n))
        finally:
            progress.clear()
        text = render(document).encode("ascii")
        before = path.read_bytes() if path.exists() else None
        if before == text:
            yield f"{path}: as it was"
            continue
        part = path.with_suffix(".part")
        part.write_bytes(text)
        part.replace(path)
        yield f"{path}: {'new' if before is None else 'renewed'}"
    for path in sorted(set(directory.glob("*.json")) - kept):
        path.unlink()
        yield f"{path}: removed, no scenario of that name is shipped"


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        say("usage: python -m simulator.compare.baselines DIRECTORY")
        return INVALID
    try:
        for line in renew(Path(arguments[0])):
            print(line, flush=True)
    except ScenarioInvalid as error:
        for problem in error.problems:
            say(str(problem))
        return INVALID
    except (OSError, TraceInvalid) as error:
        say(str(error))
        return INVALID
    return PASSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
