"""``busyhour policies``: from options to an exit code."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulator.console import ProgressLine, say
from simulator.exit_codes import INVALID, PASSED
from simulator.planning.options import share_of
from simulator.planning.policies.comparing import Options, compare_policies
from simulator.planning.policies.document import comparison_document
from simulator.planning.policies.given import Given, asked_of
from simulator.planning.policies.result import Comparison, Overload
from simulator.planning.policies.text import comparison_lines
from simulator.planning.result import PlanRefused
from simulator.planning.target import TargetInvalid, parse_target
from simulator.report.pages import check_writable, command_text, write
from simulator.report.pages.policies_page import policies_page
from simulator.scenario_file import ScenarioInvalid
from simulator.scenario_file.load import ScenarioSource
from simulator.trace import TraceInvalid

_OVERLOAD: Final = re.compile(r"(?P<tenant>.+)=x(?P<factor>[0-9]+(\.[0-9]+)?)", re.ASCII)
_NOBODY: Final = "none"
_MOST_OVERLOAD: Final = 100.0


@dataclass(frozen=True, slots=True)
class PoliciesRequest:
    """The options of ``busyhour policies`` as they were written."""

    scenario: Path
    overrides: tuple[str, ...]
    seed: int | None
    target: str
    policies: tuple[str, ...]
    protect: tuple[str, ...]
    overload: str | None
    slots: bool
    replications: int
    confidence: float
    output: tuple[Path, ...]
    workers: int | None
    as_json: bool
    html: Path | None = None


def policies(request: PoliciesRequest) -> int:
    """Compare, write and print; 2 for wrong input.

    Raises OSError where a file cannot be written.
    """
    check_writable("--html", request.html)
    progress = ProgressLine(request.scenario.stem, sys.stderr)
    try:
        found = _compared(request, progress)
    except ScenarioInvalid as error:
        for problem in error.problems:
            say(str(problem))
        return INVALID
    except TargetInvalid as error:
        say(f"--target: {error}")
        return INVALID
    except (PlanRefused, TraceInvalid) as error:
        say(str(error))
        return INVALID
    finally:
        progress.clear()
    document = json.dumps(comparison_document(found), allow_nan=False)
    for path in request.output:
        path.write_text(document + "\n", encoding="utf-8")
    if request.html is not None:
        write(policies_page(found, _command(request)), request.html)
    print(document if request.as_json else "\n".join(comparison_lines(found)), flush=True)
    return PASSED


def _command(request: PoliciesRequest) -> str:
    """The command to type again."""
    return command_text(
        "policies",
        request.scenario,
        (
            ("--target", request.target),
            ("--policy", request.policies),
            ("--protect", request.protect),
            ("--overload", request.overload),
            ("--no-slots", not request.slots),
            ("--replications", request.replications),
            ("--confidence", request.confidence),
            ("--seed", request.seed),
            ("--set", request.overrides),
            ("--output", request.output),
            ("--html", request.html),
        ),
    )


def _compared(request: PoliciesRequest, progress: ProgressLine) -> Comparison:
    """Raises ScenarioInvalid, TargetInvalid, PlanRefused and TraceInvalid."""
    for path in request.output:
        if path.suffix != ".json":
            raise PlanRefused(f"--output: {path} must end in .json")
        if not path.parent.is_dir():
            raise PlanRefused(f"--output: there is no directory {path.parent}")
    share_of("--confidence", request.confidence)
    asked = asked_of(request.policies)
    given = Given(ScenarioSource(request.scenario), request.overrides, request.seed, asked)
    tenants = [each.tenant_id for each in given.scenario().tenants if each.configured]
    options = Options(
        target=parse_target(request.target, tenants, has_interval=False),
        protected=request.protect,
        overload=_overload(request.overload),
        has_overload=request.overload != _NOBODY,
        has_slots=request.slots,
        replications=request.replications,
        confidence=request.confidence,
        workers=request.workers,
    )
    return compare_policies(given, options, progress)


def _overload(text: str | None) -> Overload | None:
    if text is None or text == _NOBODY:
        return None
    match = _OVERLOAD.fullmatch(text.strip())
    if match is None:
        raise PlanRefused(f"--overload: {text!r} is not TENANT=xFACTOR, like acme=x2, or none")
    factor = float(match["factor"])
    if not 1 < factor <= _MOST_OVERLOAD:
        raise PlanRefused(
            f"--overload: {text!r} must be a factor above 1, at most {_MOST_OVERLOAD:g}"
        )
    return Overload(match["tenant"].strip(), factor)
