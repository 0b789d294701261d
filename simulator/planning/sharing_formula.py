"""Limits of tenants' own beside a simulated plan: the exact formula for caps and minima."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from simulator.analytics.sharing import SharingLoss, SharingTenant, shared_group
from simulator.conditions import SharingPolicy
from simulator.planning.formula import callers_of, exact_erlangs, other_reasons
from simulator.planning.search import least_meeting
from simulator.planning.target import BLOCKING, Target
from simulator.scenario import Poisson, Scenario, Tenant
from simulator.traffic.samplers import mean_us

_MOST_WORK: Final = 4e8
"""Tenants times squared slots of one evaluation, about a tenth of a second."""
_MOST_SLOTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class SharingFormula:
    """What :func:`~simulator.analytics.sharing.shared_group` says of the target.

    ``slots``: the least limit with which it meets the target, None where none does that could be
    looked at; ``blocking_at_answer``: the target's statistic at the plan's answer. ``applies`` when
    its assumptions hold; else ``reasons`` says what it does not know of.
    """

    slots: int | None
    blocking_at_answer: float
    applies: bool
    reasons: tuple[str, ...]


def sharing_formula_for(
    scenario: Scenario, target: Target, answer: int, floor: int, *, per_tenant: bool
) -> SharingFormula | None:
    """The exact formula, where a tenant has a limit or a minimum of its own.

    None for other statistics than blocking, for traffic that is not Poisson, for other ways of
    sharing, and for groups that are too large to sum over in a moment.
    """
    tenants = [tenant for tenant in scenario.tenants if tenant.configured]
    own = any(each.max_concurrent_calls is not None or each.reserved_calls for each in tenants)
    if (
        not own
        or target.statistic != BLOCKING
        or scenario.policy is not SharingPolicy.SHARED
        or exact_erlangs(scenario) is None
        or not callers_of(scenario)
        or _work(tenants, answer) > _MOST_WORK
    ):
        return None
    sharing = [_sharing(tenant) for tenant in tenants]
    rates = [_rate_per_us(tenant) for tenant in tenants]

    def blocking(limit: int) -> float:
        return _statistic(shared_group(limit, sharing), tenants, rates, target, per_tenant)

    most = min(_MOST_SLOTS, 2 * max(answer, floor))
    while most > answer and _work(tenants, most) > _MOST_WORK:
        most -= max(1, (most - answer) // 2)
    slots = None
    if target.met_by(blocking(most)):
        slots = least_meeting(
            lambda limits: [target.met_by(blocking(limit)) for limit in limits],
            answer,
            floor=floor,
            ceiling=most,
            step=4,
            width=1,
        )
    reasons = tuple(other_reasons(scenario))
    return SharingFormula(slots, blocking(answer), not reasons, reasons)


def _work(tenants: Sequence[Tenant], limit: int) -> float:
    return len(tenants) * float(limit) ** 2


def _sharing(tenant: Tenant) -> SharingTenant:
    hold_us = mean_us(tenant.setup) + mean_us(tenant.connect) + mean_us(tenant.hold)
    return SharingTenant(
        _rate_per_us(tenant) * hold_us, tenant.max_concurrent_calls, tenant.reserved_calls
    )


def _rate_per_us(tenant: Tenant) -> float:
    """Of what it may offer: a tenant that is switched off keeps its minimum and offers nothing."""
    if not tenant.enabled:
        return 0.0
    assert isinstance(tenant.arrivals, Poisson)
    return tenant.arrivals.rate_per_us


def _statistic(
    found: SharingLoss,
    tenants: Sequence[Tenant],
    rates: Sequence[float],
    target: Target,
    per_tenant: bool,
) -> float:
    """Blocking of the target's tenant, of the worst one, or of all calls."""
    by_tenant = {
        tenant.tenant_id: (loss.call_congestion, rate)
        for tenant, loss, rate in zip(tenants, found.tenants, rates, strict=True)
    }
    if target.tenant is not None:
        return by_tenant[target.tenant][0]
    if per_tenant:
        return max(share for share, rate in by_tenant.values() if rate > 0)
    return sum(share * rate for share, rate in by_tenant.values()) / sum(rates)
