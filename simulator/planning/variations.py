"""The same scenario with more traffic, longer calls, or callers who try again more often."""

from collections.abc import Callable
from dataclasses import replace

from simulator.scenario import (
    Arrivals,
    Batch,
    Deterministic,
    Distribution,
    Empirical,
    ExactCount,
    FiniteSource,
    FlashCrowd,
    Mixture,
    Mmpp,
    Pareto,
    Poisson,
    RateProfile,
    Regular,
    Renewal,
    Scenario,
    Sinusoid,
    Tenant,
    TraceArrivals,
    Uniform,
)


class CannotScale(ValueError):
    """The traffic is given call by call, so there is no rate to scale; the message says whose."""


def with_load(scenario: Scenario, factor: float) -> Scenario:
    """Every tenant's calls come ``factor`` times as often. Raises :class:`CannotScale`."""
    return _each(scenario, lambda tenant: replace(tenant, arrivals=_more(tenant, factor)))


def with_holding(scenario: Scenario, factor: float) -> Scenario:
    """Every call that starts lasts ``factor`` times as long; setup and connect stay."""
    return _each(scenario, lambda tenant: _longer(tenant, factor))


def with_redials(scenario: Scenario, factor: float) -> Scenario:
    """Rejected callers try again with ``factor`` times the probability, at most 1."""

    def change(tenant: Tenant) -> Tenant:
        if tenant.redial is None:
            return tenant
        probability = min(1.0, tenant.redial.probability * factor)
        return replace(tenant, redial=replace(tenant.redial, probability=probability))

    return _each(scenario, change)


def _each(scenario: Scenario, change: Callable[[Tenant], Tenant]) -> Scenario:
    return replace(scenario, tenants=tuple(change(tenant) for tenant in scenario.tenants))


def _longer(tenant: Tenant, factor: float) -> Tenant:
    arrivals = tenant.arrivals
    if isinstance(arrivals, TraceArrivals) and arrivals.hold_us is not None:
        holds = tuple(round(hold * factor) for hold in arrivals.hold_us)
        tenant = replace(tenant, arrivals=replace(arrivals, hold_us=holds))
    return replace(tenant, hold=scaled(tenant.hold, factor))


def scaled(distribution: Distribution, factor: float) -> Distribution:
    """The distribution of ``factor`` times the value."""
    match distribution:
        case Deterministic(value_us=value):
            return Deterministic(value * factor)
        case Uniform(low_us=low, high_us=high):
            return Uniform(low * factor, high * factor)
        case Pareto(low_us=low, high_us=high):
            return replace(distribution, low_us=low * factor, high_us=high * factor)
        case Empirical(values_us=values):
            return Empirical(tuple(value * factor for value in values))
        case Mixture(parts=parts):
            return Mixture(tuple((weight, scaled(part, factor)) for weight, part in parts))
        case _:
            return replace(distribution, mean_us=distribution.mean_us * factor)


def _more(tenant: Tenant, factor: float) -> Arrivals:
    arrivals = tenant.arrivals
    match arrivals:
        case Poisson() | Sinusoid():
            return replace(arrivals, rate_per_us=arrivals.rate_per_us * factor)
        case Regular(gap_us=gap):
            return Regular(gap / factor)
        case Renewal(gap=between):
            return Renewal(scaled(between, 1 / factor))
        case RateProfile(rates_per_us=rates) | Mmpp(rates_per_us=rates):
            return replace(arrivals, rates_per_us=tuple(rate * factor for rate in rates))
        case FlashCrowd(rate_per_us=rate, peak_rate_per_us=peak):
            return replace(arrivals, rate_per_us=rate * factor, peak_rate_per_us=peak * factor)
        case Batch(rate_per_us=rate_of_batches, gap_us=between_batches):
            return replace(
                arrivals,
                rate_per_us=None if rate_of_batches is None else rate_of_batches * factor,
                gap_us=None if between_batches is None else between_batches / factor,
            )
        case FiniteSource(sources=sources):
            return replace(arrivals, sources=max(1, round(sources * factor)))
        case ExactCount(count=count):
            return ExactCount(round(count * factor))
        case TraceArrivals():
            raise CannotScale(f"the calls of {tenant.tenant_id!r} are read from a log")
