"""Limits of tenants' own beside a simulated plan: the exact formula for caps and minima."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Final

from simulator.analytics.sharing import SharingLoss, SharingTenant, shared_group
from simulator.conditions import SharingPolicy
from simulator.planning import formula_reasons as unknown
from simulator.planning.formula import Formula, FormulaKind, Question, least_slots
from simulator.planning.offered import exact_erlangs, mean_slot_us
from simulator.planning.target import BLOCKING
from simulator.scenario import Poisson, Tenant

_MOST_WORK: Final = 100_000_000
"""Tenants times squared slots of one evaluation, some hundredths of a second."""


def sharing_formula(question: Question) -> Formula | None:
    """What :func:`~simulator.analytics.sharing.shared_group` says, where tenants have own limits.

    None for other statistics than blocking, for traffic that is not Poisson at a constant rate, for
    other ways of sharing, and for groups that are too large to sum over in a moment.
    """
    scenario = question.scenario
    tenants = [tenant for tenant in scenario.tenants if tenant.configured]
    own = any(each.max_concurrent_calls is not None or each.reserved_calls for each in tenants)
    erlangs = exact_erlangs(scenario)
    if (
        not own
        or not erlangs
        or question.target.statistic != BLOCKING
        or scenario.policy is not SharingPolicy.SHARED
    ):
        return None
    most = math.isqrt(_MOST_WORK // len(tenants))
    if question.answer > most:
        return None
    rates = [_rate_per_us(tenant) for tenant in tenants]
    sharing = [_sharing(tenant, rate) for tenant, rate in zip(tenants, rates, strict=True)]

    def value_at(limit: int) -> float:
        return _statistic(shared_group(limit, sharing), tenants, rates, question)

    return Formula(
        kind=FormulaKind.CAPS_AND_MINIMA,
        erlangs=erlangs,
        peak_at_us=None,
        is_measured=False,
        slots=least_slots(question, value_at, most),
        at_answer=value_at(question.answer),
        at_limits=tuple(map(value_at, question.limits)),
        unknown=tuple(
            chain(
                unknown.redial_reasons(scenario),
                unknown.change_reasons(scenario),
                unknown.filling_reasons(scenario),
            )
        ),
    )


def _sharing(tenant: Tenant, rate_per_us: float) -> SharingTenant:
    erlangs = rate_per_us * mean_slot_us(tenant)
    return SharingTenant(erlangs, tenant.max_concurrent_calls, tenant.reserved_calls)


def _rate_per_us(tenant: Tenant) -> float:
    """Of what it may offer: a tenant that is switched off keeps its minimum and offers nothing."""
    if not tenant.enabled:
        return 0.0
    assert isinstance(tenant.arrivals, Poisson)
    return tenant.arrivals.rate_per_us


def _statistic(
    found: SharingLoss, tenants: Sequence[Tenant], rates: Sequence[float], question: Question
) -> float:
    """Blocking of the target's tenant, of the worst one, or of all calls."""
    shares = [each.call_congestion for each in found.tenants]
    if question.target.tenant is not None:
        names = [tenant.tenant_id for tenant in tenants]
        return shares[names.index(question.target.tenant)]
    if question.per_tenant:
        return max(share for share, rate in zip(shares, rates, strict=True) if rate > 0)
    lost = sum(share * rate for share, rate in zip(shares, rates, strict=True))
    return lost / sum(rates)
