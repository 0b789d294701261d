"""How an answer moves when the traffic is not what was thought.

The changed scenarios are drawn from the same seeds, so the same callers call somewhat more often or
longer, and the differences are those of the change.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from simulator.planning.aim import Aim
from simulator.planning.estimate import Estimate, gravest
from simulator.planning.result import (
    NodeLoss,
    PlanUnmet,
    Sensitivity,
    SensitivityRow,
    SlotsNeeded,
)
from simulator.planning.variations import CannotScale, with_holding, with_load, with_redials
from simulator.scenario import FiniteSource, Scenario

REPLICATIONS: Final = 12
"""Differences on the same calls need no more; the table says so, and how sure each row is."""
GROWTH: Final = "growth"
HORIZON_MONTHS: Final = 12
_STEPS_A_ROOT: Final = 4
"""Intervals are some quarters of the root of the slots long."""

_CHANGES: Final = (-0.25, -0.1, 0.1, 0.25)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to vary besides load, holding time and redials.

    ``node_slots``: a node of so many slots is lost. ``growth``: relative growth of the load a
    month, over ``horizon_months``.
    """

    node_slots: int | None = None
    growth: float | None = None
    horizon_months: int = HORIZON_MONTHS


@dataclass(frozen=True, slots=True)
class _Case:
    kind: str
    label: str
    change: float
    scenario: Scenario


AimAt = Callable[[Scenario], Aim]
"""The plan's aim on replications of a changed scenario."""

Step = Callable[[int, int], None]


def sensitivity_of(
    scenario: Scenario,
    aim: Aim,
    aim_at: AimAt,
    asked: Asked,
    answer: int,
    count: int,
    confidence: float,
    step: Step,
) -> Sensitivity:
    """The table, from the first ``count`` replications of ``aim`` and as many of each change."""
    aim = replace(aim, sure=confidence)
    base = _needed(aim, answer, count, step=1)
    guess = answer if base is None else base.slots
    cases, notes = [], []
    makers = {
        "load": _load_cases,
        "holding time": _holding_cases,
        "redial": _redial_cases,
        "growth": _growth_cases,
    }
    for name, maker in makers.items():
        try:
            cases += list(maker(scenario, asked))
        except CannotScale as error:
            notes.append(f"no {name} rows: {error}")
    rows = []
    for done, case in enumerate(cases):
        step(done, len(cases))
        changed = replace(aim_at(case.scenario), sure=confidence)
        rows.append(_row(case, changed, guess, answer, count))
    if any(isinstance(tenant.arrivals, FiniteSource) for tenant in scenario.tenants):
        notes.append("the load of few callers is varied by their number, in whole callers")
    if any(row.needed is None and row.at_answer is not None for row in rows):
        notes.append(
            "none is enough: with room for all, tenants' own limits alone turn away more than the "
            "target allows; those limits have to grow as well"
        )
    return Sensitivity(
        replications=count,
        base=base,
        rows=tuple(row for row in rows if row.kind != GROWTH),
        node=None if asked.node_slots is None else _node(aim, asked.node_slots, answer, count),
        growth=tuple(row for row in rows if row.kind == GROWTH),
        notes=tuple(notes),
    )


def _row(case: _Case, aim: Aim, guess: int, answer: int, count: int) -> SensitivityRow:
    needed = _needed(aim, _guess(case, guess, aim.floor), count)
    return SensitivityRow(
        case.kind, case.label, case.change, needed, _statistic(aim, answer, count)
    )


def _needed(aim: Aim, guess: int, count: int, step: int | None = None) -> SlotsNeeded | None:
    """The least limit that is enough by the average, and between which limits the truth lies.

    Below the first the whole interval of the statistic misses the target, from the second on it
    meets it. None where no limit is enough, or nothing is offered.
    """
    try:
        slots = aim.least(guess, count, surely=False, step=step)
    except PlanUnmet:
        return None
    if slots is None:
        return None
    reach = max(1, math.isqrt(slots) // _STEPS_A_ROOT)
    return SlotsNeeded(
        slots=slots,
        # What meets the target by the average is not known to be too few.
        low=aim.least_possible(slots - reach, count, step=reach) or slots,
        high=aim.least(slots + reach, count, surely=True, step=reach),
    )


def _statistic(aim: Aim, limit: int, count: int) -> Estimate | None:
    """The target's statistic at a limit, None where nothing is offered."""
    try:
        return gravest(aim.estimates(limit, count, aim.sure))
    except PlanUnmet:
        return None


def _guess(case: _Case, base: int, floor: int) -> int:
    """Slots grow about as the load does."""
    factor = 1.0 if case.kind == "redial" else 1 + case.change
    return max(floor, round(base * factor))


def _node(aim: Aim, slots: int, answer: int, count: int) -> NodeLoss:
    left = answer - slots
    return NodeLoss(
        slots=slots,
        left=left,
        with_left=_statistic(aim, left, count) if left >= aim.floor else None,
        needed=answer + slots,
    )


def _load_cases(scenario: Scenario, _asked: Asked) -> Iterator[_Case]:
    for change in _CHANGES:
        yield _Case("load", _label("load", change), change, with_load(scenario, 1 + change))


def _holding_cases(scenario: Scenario, _asked: Asked) -> Iterator[_Case]:
    for change in _CHANGES:
        changed = with_holding(scenario, 1 + change)
        yield _Case("hold", _label("holding time", change), change, changed)


def _redial_cases(scenario: Scenario, _asked: Asked) -> Iterator[_Case]:
    if all(tenant.redial is None for tenant in scenario.tenants):
        return
    for change in _CHANGES:
        changed = with_redials(scenario, 1 + change)
        yield _Case("redial", _label("redial probability", change), change, changed)


def _growth_cases(scenario: Scenario, asked: Asked) -> Iterator[_Case]:
    if asked.growth is None:
        return
    for month in range(1, asked.horizon_months + 1):
        factor = (1 + asked.growth) ** month
        label = f"month {month}: load {100 * (factor - 1):+.1f} %"
        yield _Case(GROWTH, label, factor - 1, with_load(scenario, factor))


def _label(what: str, change: float) -> str:
    return f"{what} {100 * change:+.0f} %"
