"""What a scenario offers, as far as it can be read off it without playing it."""

import math
from itertools import pairwise

import numpy as np

from simulator.analytics.holding import LimitedMean, limited_mean
from simulator.analytics.nonstationary import RateSteps, in_steps
from simulator.scenario import FlashCrowd, Poisson, RateProfile, Scenario, Sinusoid, Tenant
from simulator.traffic.samplers import mean_us

MOST_STEPS = 2_000
"""Steps of a rate that are followed."""

_STEPS_OF_A_PERIOD = 96
_STEPS_OF_A_RAMP = 16


def callers_of(scenario: Scenario) -> list[Tenant]:
    """The tenants whose calls may ask for a slot."""
    return [tenant for tenant in scenario.tenants if tenant.configured and tenant.enabled]


def mean_slot_us(tenant: Tenant) -> float:
    """Mean time in a slot of a call that is answered and talks to its end."""
    return mean_us(tenant.setup) + mean_us(tenant.connect) + mean_us(tenant.hold)


def has_deadlines(scenario: Scenario) -> bool:
    """Whether some state of a call has an end of its own."""
    deadlines = scenario.deadlines
    every = (deadlines.pending_us, deadlines.accepted_us, deadlines.active_us)
    return any(each is not None for each in every)


def exact_erlangs(scenario: Scenario) -> float | None:
    """Sum of rate times mean time in a slot; None when some tenant's is not known like that."""
    if has_deadlines(scenario) or scenario.instruction_faults or scenario.delivery_faults:
        return None
    total = 0.0
    for tenant in callers_of(scenario):
        whole = tenant.patience is None and (tenant.instructions or tenant.fallback)
        if not (isinstance(tenant.arrivals, Poisson) and whole):
            return None
        total += tenant.arrivals.rate_per_us * mean_slot_us(tenant)
    return total


def slot_time(tenant: Tenant) -> LimitedMean:
    """E[min(S, x)] of the time S a call of the tenant holds its slot, in microseconds.

    Setup and connect are taken at their means; they are short beside the holding time.
    """
    if not (tenant.instructions or tenant.fallback):
        return limited_mean(tenant.setup)
    before = mean_us(tenant.setup) + mean_us(tenant.connect)
    held = limited_mean(tenant.hold)
    return lambda x: min(before, x) + held(max(0.0, x - before))


def rate_steps(tenant: Tenant, duration_us: int) -> RateSteps | None:
    """The rate of a tenant's calls over a run, in calls a microsecond.

    None for calls that are not Poisson at a rate that follows a plan, and for more than
    :data:`MOST_STEPS` steps. A wave and a ramp are followed in steps.
    """
    match tenant.arrivals:
        case Poisson(rate):
            return RateSteps((0.0,), (rate,))
        case RateProfile() as profile:
            return _profile_steps(profile, duration_us)
        case Sinusoid(rate, amplitude, period, phase):
            step = period / _STEPS_OF_A_PERIOD
            if duration_us > MOST_STEPS * step:
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


def _profile_steps(profile: RateProfile, duration_us: int) -> RateSteps | None:
    period = profile.repeat_us or duration_us
    rounds = math.ceil(duration_us / period)
    # Nothing is offered from the start of a round to its first step.
    opening = () if profile.starts_us[0] == 0 else ((0, 0.0),)
    steps = (*opening, *zip(profile.starts_us, profile.rates_per_us, strict=True))
    if rounds * len(steps) > MOST_STEPS:
        return None
    return RateSteps(
        tuple(float(number * period + start) for number in range(rounds) for start, _ in steps),
        tuple(rate for _ in range(rounds) for _, rate in steps),
    )


def _crowd_steps(crowd: FlashCrowd) -> RateSteps:
    top, ramp = crowd.at_us + crowd.hold_us, crowd.ramp_us

    def rate(at: float) -> float:
        distance = max(crowd.at_us - at, at - top, 0.0)
        share = max(0.0, 1 - distance / ramp) if ramp else float(distance == 0)
        return crowd.rate_per_us + share * (crowd.peak_rate_per_us - crowd.rate_per_us)

    edges = [
        *np.linspace(crowd.at_us - ramp, crowd.at_us, _STEPS_OF_A_RAMP + 1).tolist(),
        *np.linspace(top, top + ramp, _STEPS_OF_A_RAMP + 1).tolist(),
    ]
    starts = sorted({0.0, *(max(0.0, edge) for edge in edges)})
    middles = [(begin + end) / 2 for begin, end in pairwise(starts)]
    return RateSteps(tuple(starts), (*map(rate, middles), crowd.rate_per_us))
