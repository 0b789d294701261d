"""What a plan says, as plain data; documents and pages are made from it."""

from dataclasses import dataclass
from enum import StrEnum

from simulator.planning.concurrency import Concurrency
from simulator.planning.estimate import Estimate
from simulator.planning.formula import Formula
from simulator.planning.measure import Point
from simulator.planning.target import Target


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
class SlotsNeeded:
    """``slots`` is the least limit whose average meets the target.

    The truth lies from ``low`` to ``high`` at the plan's confidence; ``high`` is None where these
    replications show no limit to be enough.
    """

    slots: int
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class SensitivityRow:
    """The scenario with one thing changed.

    ``kind``: load, hold, redial or growth; ``change`` is the relative change. ``needed`` is None
    where no limit is enough. ``at_answer`` is the target's statistic with the slots of the answer,
    None where nothing is offered.
    """

    kind: str
    label: str
    change: float
    needed: SlotsNeeded | None
    at_answer: Estimate | None


@dataclass(frozen=True, slots=True)
class NodeLoss:
    """The answer with a node of ``slots`` slots lost.

    ``with_left`` is the target's statistic with those that are left, None where the scenario cannot
    do with so few; ``needed`` keeps the answer's slots in that case.
    """

    slots: int
    left: int
    with_left: Estimate | None
    needed: int


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How the answer moves when the traffic is not what was thought.

    ``base`` is what is needed as it is, to compare with; None where these replications meet the
    target by the average at no limit. ``rows`` vary load, holding time and
    redials, ``growth`` has a row a month. All rest on the same ``replications``, fewer than the
    answer's. ``notes`` are sentences.
    """

    replications: int
    base: SlotsNeeded | None
    rows: tuple[SensitivityRow, ...]
    node: NodeLoss | None
    growth: tuple[SensitivityRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The least ``max_concurrent_calls`` that meets a target.

    ``points`` are the answer, the limit below it (unless the answer is the least there can be) and
    the one above, in rising order; ``target_values`` is the target's own statistic at each of them.
    ``curve`` is that statistic at more limits, from ``curve_replications`` of them.
    ``least_possible`` is the least limit that cannot be ruled out: the truth lies between it and
    ``answer`` at the confidence asked for. ``worst_answer`` is the least limit with which the worst
    clock interval meets the target too. ``with_room_for_all`` is what is left of the target's
    statistic where only tenants' own limits reject, ``worst_with_room_for_all`` the blocking that
    is left in the answer's worst interval. ``offered_erlangs`` was measured over the window where
    there is always room.
    ``concurrency`` is that of the answer. ``formulas`` are Erlang B, then the one that knows more
    of the scenario, if there is any. ``explanation`` and ``assumptions`` are sentences.
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
    target_values: tuple[CurvePoint, ...]
    curve: tuple[CurvePoint, ...]
    curve_replications: int
    offered_erlangs: float
    offered: tuple[OfferedInterval, ...]
    concurrency: tuple[Concurrency, ...]
    worst_answer: int | None
    with_room_for_all: Estimate | None
    worst_with_room_for_all: Estimate | None
    formulas: tuple[Formula, ...]
    sensitivity: Sensitivity | None
    explanation: tuple[str, ...]
    assumptions: tuple[str, ...]

    @property
    def at_answer(self) -> Point:
        """The figures at the answer."""
        return next(each for each in self.points if each.max_concurrent_calls == self.answer)

    @property
    def target_at_answer(self) -> Estimate:
        """The target's statistic at the answer."""
        found = (each for each in self.target_values if each.max_concurrent_calls == self.answer)
        return next(found).value

    @property
    def erlang_b(self) -> Formula:
        """What Erlang B says."""
        return self.formulas[0]

    @property
    def is_of_all(self) -> bool:
        """Whether the target speaks of all calls together."""
        return not self.per_tenant and self.target.tenant is None


class PlanUnmet(Exception):
    """No limit within the bounds meets the target; the message names the bound and the reason."""


class PlanRefused(ValueError):
    """The scenario or an option cannot be planned for; the message says what would be right."""
