"""A failed run as a scenario of a few calls, beside its reports."""

from pathlib import Path
from typing import Final

from simulator.result import RunResult
from simulator.results import Engine
from simulator.shrink import MOST_PLAYS, Fails, fails_on, shrink
from simulator.trace import CallTrace
from simulator.verdict import Check

FILE_NAME: Final = "reproduce.yaml"

SERVICE_PLAYS: Final = 25
"""Traces tried at most where each one starts a service of its own."""

_OWN_TO_THE_SCENARIO: Final = ("scenario", "threshold")


def write_reproduction(result: RunResult, engine: Engine, directory: Path) -> Path | None:
    """Write ``reproduce.yaml`` for a run that broke an oracle check or an invariant.

    None for any other run, and where no part of the calls can be played again: a service that was
    given by its address remembers them. Raises OSError.
    """
    from simulator.scenario_file.given_calls import scenario_text

    failed = _first_failed(result)
    limit = result.trace.conditions.max_concurrent_calls
    if failed is None or not len(result.trace) or limit < 1:
        return None
    found = _player(result, engine)
    if found is None:
        return None
    fails, plays = found
    smallest = shrink(result.trace, fails, plays=plays)
    path = directory / FILE_NAME
    description = (
        f"{len(smallest)} of the {len(result.trace)} calls of {result.scenario.name} "
        f"that still make it fail; there, {failed.name} was {failed.observed} "
        f"and must be {failed.expected}"
    )
    name = f"{result.scenario.name[:50]}-reproduce"
    path.write_text(scenario_text(smallest, name, description), encoding="utf-8")
    return path


def _first_failed(result: RunResult) -> Check | None:
    judgement = result.judgement
    checks = (*judgement.expectations, *judgement.invariants)
    return next(
        (check for check in checks if not check.ok and check.kind not in _OWN_TO_THE_SCENARIO),
        None,
    )


def _player(result: RunResult, engine: Engine) -> tuple[Fails, int] | None:
    """How to play parts of the trace, and how often: without HTTP where that fails as well."""
    from simulator.engines import Inconclusive
    from simulator.engines.http import HttpEngine
    from simulator.engines.inproc import InprocEngine

    if not isinstance(engine, HttpEngine):
        return fails_on(engine), MOST_PLAYS
    quick = fails_on(InprocEngine())
    if quick(result.trace):
        return quick, MOST_PLAYS
    if engine.target_url is not None:
        return None
    slow = fails_on(engine)

    def fails(trace: CallTrace) -> bool:
        try:
            return slow(trace)
        except Inconclusive:
            # A service that did not answer this time shows nothing.
            return False

    return fails, SERVICE_PLAYS
