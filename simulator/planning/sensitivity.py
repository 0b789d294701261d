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
from simulator.planning.result import PlanUnmet, Sensitivity, SensitivityRow
from simulator.planning.variations import CannotScale, with_holding, with_load, with_redials
from simulator.scenario import FiniteSource, Scenario

REPLICATIONS: Final = 12
"""Differences on the same calls need no more; the table says so, and how sure each row is."""
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
    horizon_months: int = 12


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
    base = aim.least(answer, count, surely=False, step=1) or answer
    aim = replace(aim, sure=confidence)
    base_low, base_high = _bounds(aim, base, count)
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
    rows = [_node_row(aim, asked.node_slots, answer, count, confidence)] if asked.node_slots else []
    varied = []
    for done, case in enumerate(cases):
        step(done, len(cases))
        changed = replace(aim_at(case.scenario), sure=confidence)
        varied.append(_row(case, changed, base, answer, count, confidence))
    at = sum(case.kind != "growth" for case in cases)
    if any(isinstance(tenant.arrivals, FiniteSource) for tenant in scenario.tenants):
        notes.append("the load of few callers is varied by their number, in whole callers")
    if any(row.needed is None and row.at_answer is not None for row in varied):
        notes.append(
            "none is enough: with room for all, tenants' own limits alone turn away more than that"
        )
    return Sensitivity(
        replications=count,
        base=base,
        rows=(*varied[:at], *rows, *varied[at:]),
        notes=tuple(notes),
        base_low=base_low,
        base_high=base_high,
    )


def _row(
    case: _Case, aim: Aim, base: int, answer: int, count: int, confidence: float
) -> SensitivityRow:
    low = high = None
    try:
        needed = aim.least(_guess(case, base, aim.floor), count, surely=False)
        at_answer: Estimate | None = gravest(aim.estimates(answer, count, confidence))
        if needed is not None:
            low, high = _bounds(aim, needed, count)
    except PlanUnmet:
        needed = at_answer = None
    return SensitivityRow(case.kind, case.label, case.change, needed, at_answer, low, high)


def _bounds(aim: Aim, needed: int, count: int) -> tuple[int | None, int | None]:
    """Between which limits the least that is enough lies, as far as ``count`` replications tell.

    Below the first the whole interval of the statistic misses the target, from the second on it
    meets it.
    """
    step = max(1, math.isqrt(needed) // _STEPS_A_ROOT)
    high = aim.least(needed + step, count, surely=True, step=step)
    return aim.least_possible(needed - step, count, step=step), high


def _guess(case: _Case, base: int, floor: int) -> int:
    """Slots grow about as the load does."""
    factor = 1 + case.change if case.kind in {"load", "hold", "growth"} else 1.0
    return max(floor, round(base * factor))


def _node_row(aim: Aim, slots: int, answer: int, count: int, confidence: float) -> SensitivityRow:
    """The slots of the answer less those of a node, and with one node more to lose."""
    left = answer - slots
    at_answer = gravest(aim.estimates(left, count, confidence)) if left >= aim.floor else None
    return SensitivityRow(
        "node", f"a node of {slots:,} slots lost", -float(slots), answer + slots, at_answer
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
        yield _Case("growth", label, factor - 1, with_load(scenario, factor))


def _label(what: str, change: float) -> str:
    return f"{what} {100 * change:+.0f} %"
