"""``busyhour plan``: from options to an exit code."""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulator.console import ProgressLine, say
from simulator.exit_codes import INCONCLUSIVE, INVALID, PASSED
from simulator.planning.documents import plan_document
from simulator.planning.options import interval_us_of
from simulator.planning.plan import PlanOptions
from simulator.planning.plan import plan as find_plan
from simulator.planning.plan_text import plan_lines
from simulator.planning.result import PlanRefused, PlanUnmet
from simulator.planning.sensitivity import HORIZON_MONTHS, Asked
from simulator.planning.target import TargetInvalid, parse_target
from simulator.report.pages import check_writable, command_text, write
from simulator.report.pages.plan_page import plan_page
from simulator.scenario import Scenario
from simulator.scenario_file import ScenarioInvalid, load_scenario
from simulator.trace import TraceInvalid

_GROWTH: Final = re.compile(r"\s*(?P<percent>[+-]?[0-9]+(\.[0-9]+)?)\s*%\s*/\s*month\s*", re.ASCII)

_MOST_GROWTH: Final = 10
"""Times the load: beyond it a plan from today's traffic says little, and takes long."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """The options of ``busyhour plan`` as they were written."""

    scenario: Path
    overrides: tuple[str, ...]
    seed: int | None
    target: str
    confidence: float
    per_tenant: bool
    worst_interval: str | None
    precision: float | None
    max_replications: int
    node_slots: int | None
    growth: str | None
    horizon_months: int | None
    sensitivity: bool
    workers: int | None
    as_json: bool
    html: Path | None = None


def plan(request: PlanRequest) -> int:
    """Make a plan, print it and write its page; 2 for wrong input, 3 when no limit is enough.

    Raises OSError where the page cannot be written.
    """
    check_writable("--html", request.html)
    progress = ProgressLine(request.scenario.stem, sys.stderr)
    try:
        scenario = load_scenario(request.scenario, request.overrides, request.seed)
        found = find_plan(scenario, _options(request, scenario), progress)
    except ScenarioInvalid as error:
        return _refuse(*error.problems)
    except TargetInvalid as error:
        return _refuse(f"--target: {error}")
    except (PlanRefused, TraceInvalid) as error:
        return _refuse(error)
    except PlanUnmet as error:
        progress.clear()
        say(str(error))
        if request.as_json:
            _print_json({"schema_version": 1, "answer": None, "reason": str(error)})
        return INCONCLUSIVE
    finally:
        progress.clear()
    if request.html is not None:
        write(plan_page(found, _command(request)), request.html)
    if request.as_json:
        _print_json(plan_document(found))
    else:
        print("\n".join(plan_lines(found)), flush=True)
    return PASSED


def _command(request: PlanRequest) -> str:
    """The command to type again."""
    return command_text(
        "plan",
        request.scenario,
        (
            ("--target", request.target),
            ("--confidence", request.confidence),
            ("--per-tenant", request.per_tenant),
            ("--worst-interval", request.worst_interval),
            ("--precision", request.precision),
            ("--max-replications", request.max_replications),
            ("--node-slots", request.node_slots),
            ("--growth", request.growth),
            ("--horizon", request.horizon_months),
            ("--no-sensitivity", not request.sensitivity),
            ("--seed", request.seed),
            ("--set", request.overrides),
            ("--html", request.html),
        ),
    )


def _options(request: PlanRequest, scenario: Scenario) -> PlanOptions:
    """Raises :class:`TargetInvalid` and :class:`PlanRefused`."""
    interval_us = interval_us_of(request.worst_interval, scenario.duration_us)
    tenants = [tenant.tenant_id for tenant in scenario.tenants if tenant.configured]
    target = parse_target(request.target, tenants, has_interval=interval_us is not None)
    if request.growth is None and request.horizon_months is not None:
        raise PlanRefused("--horizon: says for how many months of --growth; give that as well")
    asked = None
    if request.sensitivity:
        months = HORIZON_MONTHS if request.horizon_months is None else request.horizon_months
        asked = Asked(request.node_slots, _growth(request.growth, months), months)
    elif request.node_slots is not None or request.growth is not None:
        raise PlanRefused("--node-slots and --growth have no place beside --no-sensitivity")
    return PlanOptions(
        target=target,
        confidence=request.confidence,
        per_tenant=request.per_tenant,
        interval_us=interval_us,
        precision=request.precision,
        max_replications=request.max_replications,
        sensitivity=asked,
        workers=request.workers,
    )


def _growth(text: str | None, months: int) -> float | None:
    if text is None:
        return None
    match = _GROWTH.fullmatch(text)
    if match is None:
        raise PlanRefused(f"--growth: {text!r} is not a growth; write it like 3%/month")
    growth = float(match["percent"]) / 100
    if not -1 < growth <= 1:
        raise PlanRefused(f"--growth: {text} is not between -100 and 100 per cent a month")
    if (1 + growth) ** months > _MOST_GROWTH:
        raise PlanRefused(
            f"--growth: {text} over {months} months is more than {_MOST_GROWTH} times the load; "
            "shorten --horizon"
        )
    return growth


def _refuse(*problems: object) -> int:
    for problem in problems:
        say(str(problem))
    return INVALID


def _print_json(document: Mapping[str, object]) -> None:
    print(json.dumps(document, allow_nan=False), flush=True)
