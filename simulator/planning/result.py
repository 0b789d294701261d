"""What a plan says, as plain data; documents and pages are made from it."""

from dataclasses import dataclass
from enum import StrEnum

from simulator.planning.concurrency import Concurrency
from simulator.planning.estimate import Estimate
from simulator.planning.formula import Formula
from simulator.planning.measure import Point
from simulator.planning.sharing_formula import SharingFormula
from simulator.planning.target import Target
from simulator.planning.varying_formula import VaryingFormula


class Stopped(StrEnum):
    """Why no more replications were made."""

    DECIDED = "decided"
    """The answer meets the target and one slot less does not, each at the confidence asked for."""
    PRECISE = "precise"
    """The interval at the answer is as short as was asked for."""
    BOUNDED = "bounded"
    """The most replications allowed were made."""


@dataclass(frozen=True, slots=True)
class OfferedInterval:
    """Calls in progress, in erlang, in a clock interval if there were always room."""

    from_us: int
    until_us: int
    erlangs: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The target's statistic at a limit (of the worst tenant, when each must meet it)."""

    max_concurrent_calls: int
    value: Estimate


@dataclass(frozen=True, slots=True)
class SensitivityRow:
    """The scenario with one thing changed.

    ``kind``: load, hold, redial, node or growth; ``change`` is the relative change (the slots lost
    for a node). ``needed`` is the least limit whose average meets the target, None where none does
    or more slots are beside the point; the truth lies from ``needed_low`` to ``needed_high`` (None:
    no bound) at the plan's confidence. ``at_answer`` is the target's statistic with the slots of
    the answer (less those lost).
    """

    kind: str
    label: str
    change: float
    needed: int | None
    at_answer: Estimate | None
    needed_low: int | None = None
    needed_high: int | None = None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """``base``: the least limit whose average meets the target as it is, to compare with.

    The truth of it lies from ``base_low`` to ``base_high`` (None: no bound). All rows rest on the
    same ``replications``, fewer than the answer's.
    """

    replications: int
    base: int
    rows: tuple[SensitivityRow, ...]
    notes: tuple[str, ...]
    base_low: int | None = None
    base_high: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The least ``max_concurrent_calls`` that meets a target.

    ``points`` are the answer, the limit below it (unless the answer is the least there can be) and
    the one above, in rising order. ``least_possible`` is the least limit that cannot be ruled out:
    the truth lies between it and ``answer`` at the confidence asked for. ``worst_answer`` is the
    least limit with which the worst clock interval meets the target too; ``with_room_for_all`` what
    is left of the target's statistic where only tenants' own limits reject. ``offered_erlangs`` was
    measured over the window where there is always room. ``concurrency`` is
    that of the answer. ``explanation`` and ``assumptions`` are
    sentences. ``target_values`` is the target's own statistic at each of ``points``, from all
    replications (of the worst tenant, when each must meet it); ``worst_with_room_for_all`` the
    blocking that would be left in the answer's worst interval. ``sharing`` and ``varying`` are
    further formulas, where they have something to say.
    """

    scenario: str
    digest: str
    seed: int
    target: Target
    per_tenant: bool
    confidence: float
    precision: float
    interval_us: int | None
    duration_us: int
    warm_up_us: int
    answer: int
    least_possible: int
    stopped: Stopped
    replications: int
    points: tuple[Point, ...]
    curve: tuple[CurvePoint, ...]
    offered_erlangs: float
    offered: tuple[OfferedInterval, ...]
    concurrency: tuple[Concurrency, ...]
    worst_answer: int | None
    with_room_for_all: Estimate | None
    formula: Formula
    sensitivity: Sensitivity | None
    explanation: tuple[str, ...]
    assumptions: tuple[str, ...]
    target_values: tuple[CurvePoint, ...] = ()
    worst_with_room_for_all: Estimate | None = None
    sharing: SharingFormula | None = None
    varying: VaryingFormula | None = None

    @property
    def at_answer(self) -> Point:
        """The figures at the answer."""
        return next(each for each in self.points if each.max_concurrent_calls == self.answer)


class PlanUnmet(Exception):
    """No limit within the bounds meets the target; the message names the bound and the reason."""


class PlanRefused(ValueError):
    """The scenario or an option cannot be planned for; the message says what would be right."""
