"""The comparison itself: every figure of two documents, and what each difference means."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np

from simulator.compare.chance import judge_difference
from simulator.compare.document import Document, Figure, Figures, Value
from simulator.compare.relation import Related, Relation, relate
from simulator.compare.spread import Step, replications, weights
from simulator.live.options import only_live


class Status(StrEnum):
    """What a difference means."""

    MOVED = "moved"
    WITHIN_CHANCE = "within_chance"
    NOT_JUDGED = "not_judged"


class Outcome(StrEnum):
    """What a whole comparison came to."""

    SAME = "same"
    WITHIN_CHANCE = "within_chance"
    MOVED = "moved"
    NOT_JUDGED = "not_judged"


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that is not the same on both sides.

    ``chance`` is what the new value may be by chance alone, both ends included; None where no
    chance is involved or it is not known.
    """

    figure: Figure
    base: Value
    new: Value
    status: Status
    chance: tuple[float, float] | None = None

    @property
    def difference(self) -> int | float | None:
        return None if self.base is None or self.new is None else self.new - self.base

    @property
    def relative(self) -> float | None:
        """The difference as a share of the base value; None of a base of 0."""
        return None if not self.base or self.difference is None else self.difference / self.base


@dataclass(frozen=True, slots=True)
class Missing:
    """What one side does not have: one figure, or with ``name`` None all of ``where``."""

    where: str
    name: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two documents compared by ``rule``.

    ``compared`` is the number of figures both sides have, ``differences`` those that differ.
    ``false_alarm`` bounds how often two sound runs are found to have moved; 0 where any difference
    counts, None where nothing was judged by chance.
    """

    base: Document
    new: Document
    rule: str
    verdict: Status | None
    compared: int = 0
    differences: tuple[Difference, ...] = ()
    missing: tuple[Missing, ...] = ()
    other_calls: bool = False
    replications: int = 0
    false_alarm: float | None = None

    @property
    def outcome(self) -> Outcome:
        found = {each.status for each in self.differences} | {self.verdict}
        if Status.MOVED in found or self.missing or self.other_calls:
            return Outcome.MOVED
        if Status.NOT_JUDGED in found:
            return Outcome.NOT_JUDGED
        return Outcome.WITHIN_CHANCE if Status.WITHIN_CHANCE in found else Outcome.SAME


_SAME_CALLS: Final = "the same calls: any difference counts"
_SAME_SEED: Final = (
    "the same scenario and seed drew other calls, which is a difference in itself: busyhour or "
    "numpy is of another version"
)
_WALL_CLOCK: Final = (
    "in wall-clock time the same calls give other figures from run to run, by an amount that no "
    "rule tells: differences are not judged, only whether checks broke"
)
_UNKNOWN: Final = (
    "other seeds, and no scenario file at hand is that of both sides: differences cannot be "
    "judged; name the file with --scenario"
)
_NO_RESULT: Final = "came to no result"


@dataclass(frozen=True, slots=True)
class Chance:
    """How chance is measured: by so many replications, told to ``step``; ``scenario``, if named."""

    replications: int
    step: Step
    scenario: Path | None = None


def compare(base: Document, new: Document, chance: Chance) -> Comparison:
    """Compare two documents.

    Raises :class:`~simulator.compare.document.CompareInvalid` for different scenarios,
    ScenarioInvalid for a named file that is wrong, and TraceInvalid for a scenario that cannot be
    played.
    """
    for side in (base, new):
        if side.figures is None:
            rule = f"{side.source} {_NO_RESULT}: {side.reason}"
            return Comparison(base, new, rule, Status.NOT_JUDGED)
    related = relate(base, new, chance.scenario)
    if base.is_wall_clock or new.is_wall_clock:
        return _not_judged(base, new, _WALL_CLOCK)
    if related.relation is Relation.OTHER_SEED:
        return _by_chance(base, new, related, chance)
    if related.relation is Relation.UNKNOWN:
        return _not_judged(base, new, _UNKNOWN)
    other_calls = related.relation is Relation.SAME_SEED
    whole = _exactly(base, new, _SAME_SEED if other_calls else _SAME_CALLS)
    verdict = Status.MOVED if base.verdict != new.verdict else None
    return replace(whole, verdict=verdict, other_calls=other_calls, false_alarm=0.0)


def _exactly(base: Document, new: Document, rule: str) -> Comparison:
    """Every figure, any difference of which is one that moved; the verdict is left to others."""
    before, after = base.figures or {}, new.figures or {}
    both = [figure for figure in before if figure in after]
    return Comparison(
        base,
        new,
        rule,
        verdict=None,
        compared=len(both),
        differences=tuple(
            Difference(figure, before[figure], after[figure], Status.MOVED)
            for figure in both
            if before[figure] != after[figure]
        ),
        missing=(*_missing(before, after, new.source), *_missing(after, before, base.source)),
    )


def _missing(there: Figures, here: Figures, source: str) -> list[Missing]:
    """What ``there`` has and ``here``, the document ``source``, has not."""
    places = {figure.where for figure in here}
    gone: dict[Missing, None] = {}
    for figure in there:
        if figure.where not in places:
            gone[Missing(figure.where, None, source)] = None
        elif figure not in here:
            gone[Missing(figure.where, figure.name, source)] = None
    return list(gone)


def _not_judged(base: Document, new: Document, rule: str) -> Comparison:
    """Counters and statistics as they are. A check that broke counts all the same."""
    whole = _exactly(_without_checkpoints(base), _without_checkpoints(new), rule)
    return replace(
        whole,
        verdict=_verdict(base, new, Status.NOT_JUDGED),
        differences=tuple(replace(each, status=Status.NOT_JUDGED) for each in whole.differences),
    )


def _verdict(base: Document, new: Document, otherwise: Status) -> Status | None:
    """What a change of verdict means where figures differ by chance.

    A rule that holds under every seed is not broken by chance; what the scenario expects of its
    own seed, and thresholds, follow from the figures, which are judged themselves.
    """
    if base.breaks_rules != new.breaks_rules:
        return Status.MOVED
    return otherwise if base.verdict != new.verdict else None


def _without_checkpoints(document: Document) -> Document:
    figures = document.figures or {}
    kept = {figure: value for figure, value in figures.items() if not figure.is_checkpoint}
    return replace(document, figures=kept)


def _by_chance(base: Document, new: Document, related: Related, chance: Chance) -> Comparison:
    scenario = related.scenario
    assert scenario is not None
    if (trouble := next(only_live(scenario, "kernel"), None)) is not None:
        return _not_judged(
            base, new, f"other seeds, and chance cannot be measured in virtual time: {trouble}"
        )
    base, new = _without_checkpoints(base), _without_checkpoints(new)
    number = 2 * (chance.replications // 2)
    runs = replications(scenario, (base.seed, new.seed), number, chance.step)
    whole = _exactly(base, new, "")
    judged, false_alarm = _judged(whole, runs)
    rule = (
        f"other seeds: what {number // 2} pairs of replications of {scenario.name} do not reach "
        f"is beyond chance; two sound runs are suspected once in {round(1 / false_alarm)} "
        "comparisons at most"
    )
    return replace(
        whole,
        rule=rule,
        verdict=_verdict(base, new, Status.WITHIN_CHANCE),
        differences=judged,
        replications=number,
        false_alarm=false_alarm,
    )


def _judged(whole: Comparison, runs: Sequence[Figures]) -> tuple[tuple[Difference, ...], float]:
    """The differences with their meaning. A figure that some run does not have is not judged."""
    before, after = whole.base.figures or {}, whole.new.figures or {}
    everybody = (before, after, *runs)
    names = [
        figure
        for figure in before
        if all(
            isinstance(value := run.get(figure), int | float) and value >= 0 for run in everybody
        )
    ]
    if not names:
        unjudged = (replace(each, status=Status.NOT_JUDGED) for each in whole.differences)
        return tuple(unjudged), 1 / (1 + len(runs) // 2)
    table = np.array([[run[name] for name in names] for run in everybody], np.float64)
    found = judge_difference(table[0], table[1], table[2:], weights(names, everybody))
    place = {name: position for position, name in enumerate(names)}
    judged = []
    for each in whole.differences:
        at = place.get(each.figure)
        if at is None:
            judged.append(replace(each, status=Status.NOT_JUDGED))
            continue
        judged.append(
            replace(
                each,
                status=Status.MOVED if found.beyond[at] else Status.WITHIN_CHANCE,
                chance=(float(found.low[at]), float(found.high[at])),
            )
        )
    return tuple(judged), found.false_alarm
