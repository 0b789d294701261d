"""What formulas are asked beside a simulated plan, what they answer, and Erlang B."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from simulator.analytics.loss import erlang_b, servers_for_blocking
from simulator.planning import formula_reasons as unknown
from simulator.planning.offered import exact_erlangs
from simulator.planning.search import least_meeting
from simulator.planning.target import Target
from simulator.scenario import Scenario


class FormulaKind(StrEnum):
    """Which formula."""

    ERLANG_B = "erlang_b"
    """Erlang's B formula of the average load."""
    CAPS_AND_MINIMA = "caps_and_minima"
    """The exact product form for caps and guaranteed minima."""
    MODIFIED_OFFERED_LOAD = "modified_offered_load"
    """Erlang's B formula of the load at each instant: an approximation."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a formula is asked about a plan.

    ``answer`` is the plan's, ``limits`` those of its curve, ``floor`` the least limit there can be.
    ``interval_us`` is the length of clock intervals, None for none; ``measured_erlangs`` what is
    offered where there is always room.
    """

    scenario: Scenario
    target: Target
    per_tenant: bool
    interval_us: int | None
    answer: int
    limits: tuple[int, ...]
    floor: int
    measured_erlangs: float

    @property
    def is_of_all(self) -> bool:
        """Whether the target speaks of all calls together."""
        return not self.per_tenant and self.target.tenant is None


@dataclass(frozen=True, slots=True)
class Formula:
    """What a formula says of a plan's target.

    ``slots`` is the least limit that meets it, None where none does that was looked at. The
    target's statistic is ``at_answer`` with the slots of the answer, and ``at_limits`` with those
    of the points of the plan's curve. ``erlangs`` is the load it goes by: the average, or the
    largest of a load that it follows, which that is at ``peak_at_us`` (else None). ``is_measured``:
    no product of rate and mean gives that load, so it was measured where there is always room.
    ``unknown`` is what the formula does not know of, one sentence each; where there is nothing, its
    assumptions hold.
    """

    kind: FormulaKind
    erlangs: float
    peak_at_us: int | None
    is_measured: bool
    slots: int | None
    at_answer: float
    at_limits: tuple[float, ...]
    unknown: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether it is exact here."""
        return not self.unknown and self.kind is not FormulaKind.MODIFIED_OFFERED_LOAD


def erlang_b_formula(question: Question) -> Formula:
    """Erlang B of the traffic offered; of all calls together, whatever the target speaks of."""
    scenario, value = question.scenario, question.target.value
    exact = exact_erlangs(scenario)
    erlangs = question.measured_erlangs if exact is None else exact
    reasons = tuple(
        chain(
            unknown.arrival_reasons(scenario),
            unknown.redial_reasons(scenario),
            unknown.own_limit_reasons(scenario),
            unknown.change_reasons(scenario),
            unknown.filling_reasons(scenario),
        )
    )
    # Where nothing else stands in the way, every tenant loses alike.
    if reasons and not question.is_of_all:
        reasons = ("one tenant by itself: it speaks of all calls together", *reasons)
    try:
        slots: int | None = servers_for_blocking(erlangs, value)
    except ValueError:
        slots = None
    return Formula(
        kind=FormulaKind.ERLANG_B,
        erlangs=erlangs,
        peak_at_us=None,
        is_measured=exact is None,
        slots=slots,
        at_answer=erlang_b(erlangs, question.answer),
        at_limits=tuple(erlang_b(erlangs, limit) for limit in question.limits),
        unknown=reasons,
    )


def least_slots(question: Question, value_at: Callable[[int], float], most: int) -> int | None:
    """The least limit up to ``most`` whose ``value_at`` meets the target; None for none."""
    return least_meeting(
        lambda limits: [question.target.met_by(value_at(limit)) for limit in limits],
        question.answer,
        floor=question.floor,
        ceiling=most,
        step=max(1, math.isqrt(question.answer) // 2),
        width=1,
    )
