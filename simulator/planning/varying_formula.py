"""Traffic that varies by plan beside a simulated plan: modified offered load."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Final

import numpy as np

from simulator.analytics.birth_death import Floats
from simulator.analytics.loss import erlang_b_of
from simulator.analytics.nonstationary import RateSteps, offered_load
from simulator.planning import formula_reasons as unknown
from simulator.planning.formula import Formula, FormulaKind, Question, least_slots
from simulator.planning.offered import MOST_STEPS, callers_of, rate_steps, slot_time
from simulator.planning.target import BLOCKING, TIME_CONGESTION, WORST_INTERVAL
from simulator.scenario import Poisson, Tenant

_POINTS: Final = 600
_MOST_SLOTS: Final = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """Instants in the window, the stretch of time each stands for, load and rates there.

    Shapes (n,), ``rates_per_us`` (tenants, n). No stretch reaches over the end of a clock interval.
    """

    instants_us: Floats
    lengths_us: Floats
    load: Floats
    rates_per_us: Floats


def varying_formula(question: Question) -> Formula | None:
    """Modified offered load, where some rate varies by plan and all calls are Poisson.

    None for other arrivals, for statistics of first attempts and of callers, and for more than
    2,000 steps of a rate.
    """
    callers = callers_of(question.scenario)
    if question.target.statistic not in (BLOCKING, WORST_INTERVAL, TIME_CONGESTION):
        return None
    if all(isinstance(tenant.arrivals, Poisson) for tenant in callers):
        return None
    course = _course(question, callers)
    if course is None:
        return None

    def value_at(slots: int) -> float:
        return _statistic(course, callers, slots, question)

    scenario = question.scenario
    peak = int(np.argmax(course.load))
    return Formula(
        kind=FormulaKind.MODIFIED_OFFERED_LOAD,
        erlangs=float(course.load[peak]),
        peak_at_us=round(course.instants_us[peak]),
        is_measured=False,
        slots=least_slots(question, value_at, _MOST_SLOTS),
        at_answer=value_at(question.answer),
        at_limits=tuple(map(value_at, question.limits)),
        unknown=tuple(
            chain(
                unknown.crowd_reasons(scenario),
                unknown.redial_reasons(scenario),
                unknown.own_limit_reasons(scenario),
                unknown.change_reasons(scenario),
                unknown.shortened_reasons(scenario),
            )
        ),
    )


def _course(question: Question, callers: Sequence[Tenant]) -> _Course | None:
    scenario = question.scenario
    begin, end = float(scenario.warm_up_us), float(scenario.duration_us)
    profiles: list[RateSteps] = []
    for tenant in callers:
        profile = rate_steps(tenant, scenario.duration_us)
        if profile is None:
            return None
        profiles.append(profile)
    clock = range(0, scenario.duration_us, question.interval_us or scenario.duration_us)
    edges = {float(at) for at in clock}.union(*(profile.starts for profile in profiles))
    inside = sorted({begin, end, *(at for at in edges if begin < at < end)})
    if len(inside) > MOST_STEPS or begin >= end:
        return None
    longest = (end - begin) / _POINTS
    bounds = [begin]
    for since, until in pairwise(inside):
        bounds += np.linspace(since, until, math.ceil((until - since) / longest) + 1)[1:].tolist()
    cuts = np.array(bounds)
    instants = (cuts[1:] + cuts[:-1]) / 2
    rates = np.array([profile.at(instants) for profile in profiles])
    if not rates.any():
        return None
    load = sum(
        offered_load(profile, slot_time(tenant), instants)
        for tenant, profile in zip(callers, profiles, strict=True)
    )
    return _Course(instants, np.diff(cuts), np.asarray(load), rates)


def _statistic(course: _Course, callers: Sequence[Tenant], slots: int, question: Question) -> float:
    """Shares of calls lost weigh the blocking of an instant by what is offered then."""
    full = erlang_b_of(course.load, slots)
    if question.target.statistic == TIME_CONGESTION:
        return float(np.average(full, weights=course.lengths_us))
    chosen = _chosen(course, callers, question) * course.lengths_us
    offered, lost = chosen, chosen * full
    if question.target.statistic == WORST_INTERVAL and question.interval_us is not None:
        _, first = np.unique(course.instants_us // question.interval_us, return_index=True)
        offered = np.add.reduceat(offered, first, axis=1)
        lost = np.add.reduceat(lost, first, axis=1)
    else:
        offered, lost = offered.sum(axis=1), lost.sum(axis=1)
    return float((lost[offered > 0] / offered[offered > 0]).max(initial=0.0))


def _chosen(course: _Course, callers: Sequence[Tenant], question: Question) -> Floats:
    """Rates of the target's tenant, of each, or of all together, shape (one or more, n)."""
    if question.per_tenant:
        return course.rates_per_us
    wanted = question.target.tenant
    named = [wanted is None or tenant.tenant_id == wanted for tenant in callers]
    together: Floats = course.rates_per_us[named].sum(axis=0, keepdims=True)
    return together
