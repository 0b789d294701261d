"""Traffic that varies by plan beside a simulated plan: modified offered load."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from simulator.analytics.birth_death import Floats
from simulator.analytics.holding import LimitedMean, limited_mean
from simulator.analytics.loss import erlang_b_of
from simulator.analytics.nonstationary import RateSteps, in_steps, offered_load
from simulator.planning.formula import callers_of, own_limit_reasons, redial_reasons
from simulator.planning.target import BLOCKING, TIME_CONGESTION, WORST_INTERVAL, Target
from simulator.scenario import FlashCrowd, Poisson, RateProfile, Scenario, Sinusoid, Tenant
from simulator.traffic.samplers import mean_us

_POINTS: Final = 600
_STEPS_OF_A_PERIOD: Final = 96
_STEPS_OF_A_RAMP: Final = 16
_MOST_STEPS: Final = 2_000
_MOST_SLOTS: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class VaryingFormula:
    """What the modified-offered-load approximation says of the target.

    It is Erlang's B formula of the load at each instant. ``peak_erlangs`` is the largest load,
    at ``peak_at_us``; ``slots`` the least limit with which the target is met (None beyond
    131,072), ``blocking_at_answer`` the target's statistic at the plan's answer. ``reasons``: what
    it does not know of; with ``has_flash_crowd`` the approximation itself is known to be weak.
    """

    slots: int | None
    blocking_at_answer: float
    peak_erlangs: float
    peak_at_us: int
    has_flash_crowd: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """Instants in the window, the stretch of time each stands for, loads and rates there.

    Shapes (n,), ``rates`` (tenants, n) in calls a microsecond.
    """

    instants_us: Floats
    lengths_us: Floats
    load: Floats
    rates: Floats


def varying_formula_for(
    scenario: Scenario,
    target: Target,
    answer: int,
    interval_us: int | None,
    *,
    per_tenant: bool,
) -> VaryingFormula | None:
    """The approximation, where some rate varies by plan and all calls are Poisson.

    None for other arrivals and statistics, and for more than 2,000 steps of a rate.
    """
    callers = callers_of(scenario)
    if target.statistic not in (BLOCKING, WORST_INTERVAL, TIME_CONGESTION):
        return None
    if all(isinstance(tenant.arrivals, Poisson) for tenant in callers):
        return None
    profiles = [rate_steps(tenant, scenario.duration_us) for tenant in callers]
    course = _course(scenario, callers, profiles)
    if course is None:
        return None

    def statistic(slots: int) -> float:
        return _statistic(course, callers, target, slots, interval_us, per_tenant)

    # bisect on "meets the target", which holds from some limit on
    limits = range(_MOST_SLOTS + 1)
    upper = max(2, 2 * answer)
    while upper < _MOST_SLOTS and not target.met_by(statistic(upper)):
        upper *= 2
    slots = bisect_left(
        limits, True, hi=min(upper, _MOST_SLOTS), key=lambda n: target.met_by(statistic(n))
    )
    peak = int(np.argmax(course.load))
    return VaryingFormula(
        slots=slots if target.met_by(statistic(slots)) else None,
        blocking_at_answer=statistic(answer),
        peak_erlangs=float(course.load[peak]),
        peak_at_us=round(course.instants_us[peak]),
        has_flash_crowd=any(isinstance(each.arrivals, FlashCrowd) for each in callers),
        reasons=tuple(_reasons(scenario)),
    )


def rate_steps(tenant: Tenant, duration_us: int) -> RateSteps | None:
    """The rate of a tenant's calls in calls a microsecond; None for what is not Poisson by plan."""
    match tenant.arrivals:
        case Poisson(rate):
            return RateSteps((0.0,), (rate,))
        case RateProfile(starts, rates, None):
            return RateSteps(tuple(map(float, starts)), rates)
        case RateProfile(starts, rates, int(period)):
            times = math.ceil(duration_us / period)
            if times * len(starts) > _MOST_STEPS:
                return None
            shift = [period * time for time in range(times)]
            # Nothing is offered from the start of a round to its first step.
            opening = () if starts[0] == 0 else ((0, 0.0),)
            steps = (*opening, *zip(starts, rates, strict=True))
            return RateSteps(
                tuple(float(begin + start) for begin in shift for start, _ in steps),
                tuple(rate for _ in shift for _, rate in steps),
            )
        case Sinusoid(rate, amplitude, period, phase):
            step = period / _STEPS_OF_A_PERIOD
            if duration_us / step > _MOST_STEPS:
                return None
            return in_steps(
                lambda t: rate * (1 + amplitude * math.sin(2 * math.pi * (t - phase) / period)),
                0.0,
                float(duration_us),
                step,
            )
        case FlashCrowd() as crowd:
            return _crowd_steps(crowd)
        case _:
            return None


def _crowd_steps(crowd: FlashCrowd) -> RateSteps:
    base, peak = crowd.rate_per_us, crowd.peak_rate_per_us
    top = crowd.at_us + crowd.hold_us
    count = _STEPS_OF_A_RAMP if crowd.ramp_us else 0
    part = crowd.ramp_us / max(count, 1)
    up = [
        (crowd.at_us - crowd.ramp_us + part * place, base + (peak - base) * (place + 0.5) / count)
        for place in range(count)
    ]
    down = [
        (top + part * place, peak + (base - peak) * (place + 0.5) / count) for place in range(count)
    ]
    steps = dict([*up, (float(crowd.at_us), peak), *down, (float(top + crowd.ramp_us), base)])
    # A crowd that is there from the start on has begun before it.
    begun = [rate for at, rate in steps.items() if at <= 0]
    later = {at: rate for at, rate in steps.items() if at > 0}
    return RateSteps((0.0, *later), (begun[-1] if begun else base, *later.values()))


def slot_time(tenant: Tenant) -> LimitedMean:
    """E[min(S, x)] of the time S a call of the tenant holds its slot, in microseconds.

    Setup and connect are taken at their means; they are short beside the holding time.
    """
    if not (tenant.instructions or tenant.fallback):
        return limited_mean(tenant.setup)
    before = mean_us(tenant.setup) + mean_us(tenant.connect)
    held = limited_mean(tenant.hold)
    return lambda x: min(before, x) + held(max(0.0, x - before))


def _course(
    scenario: Scenario, callers: Sequence[Tenant], profiles: Sequence[RateSteps | None]
) -> _Course | None:
    known = [profile for profile in profiles if profile is not None]
    edges = {at for each in known for at in each.starts}
    window = float(scenario.warm_up_us), float(scenario.duration_us)
    inside = sorted({*window, *(at for at in edges if window[0] < at < window[1])})
    if len(known) < len(profiles) or len(inside) > _MOST_STEPS or window[0] >= window[1]:
        return None
    longest = (window[1] - window[0]) / _POINTS
    instants: list[float] = []
    lengths: list[float] = []
    for begin, end in pairwise(inside):
        parts = math.ceil((end - begin) / longest)
        length = (end - begin) / parts
        instants += [begin + length * (part + 0.5) for part in range(parts)]
        lengths += [length] * parts
    at = np.array(instants)
    load = np.zeros(len(at))
    for tenant, profile in zip(callers, known, strict=True):
        load += offered_load(profile, slot_time(tenant), at)
    rates = np.array([profile.at(at) for profile in known])
    return _Course(at, np.array(lengths), load, rates) if rates.sum() > 0 else None


def _statistic(
    course: _Course,
    callers: Sequence[Tenant],
    target: Target,
    slots: int,
    interval_us: int | None,
    per_tenant: bool,
) -> float:
    full = erlang_b_of(course.load, slots)
    if target.statistic == TIME_CONGESTION:
        return float(full @ course.lengths_us / course.lengths_us.sum())
    names = [tenant.tenant_id for tenant in callers]
    if target.tenant is not None:
        chosen = [course.rates[[name == target.tenant for name in names]].sum(axis=0)]
    elif per_tenant:
        chosen = list(course.rates)
    else:
        chosen = [course.rates.sum(axis=0)]
    places: Floats = np.zeros(len(full))
    if target.statistic == WORST_INTERVAL and interval_us:
        places = course.instants_us // interval_us
    shares = []
    for rate in chosen:
        calls = rate * course.lengths_us
        for place in np.unique(places):
            here = places == place
            if (offered := calls[here].sum()) > 0:
                shares.append(float(calls[here] @ full[here] / offered))
    return max(shares, default=0.0)


def _reasons(scenario: Scenario) -> Iterator[str]:
    yield from redial_reasons(scenario)
    yield from own_limit_reasons(scenario)
    if scenario.changes:
        yield "limits or tenants change during the run"
    deadlines = scenario.deadlines
    if (
        any(tenant.patience is not None for tenant in callers_of(scenario))
        or (deadlines.pending_us, deadlines.accepted_us, deadlines.active_us) != (None, None, None)
        or scenario.instruction_faults
        or scenario.delivery_faults
    ):
        yield "some calls end early or late, by patience, deadlines or faults"
