"""From played replications to what is said of a policy."""

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.planning.estimate import Estimate, ratio
from simulator.planning.policies.paired import Counted, difference, jain_index
from simulator.planning.policies.playing import Tally
from simulator.planning.policies.result import (
    Difference,
    Fairness,
    PolicyOutcome,
    Slots,
    TenantOutcome,
)
from simulator.planning.policies.rules import Policy, keys_of, parameters_of
from simulator.planning.target import of_total


@dataclass(frozen=True, slots=True)
class Beside:
    """What a policy is measured against; None for what it is itself, or was not played."""

    one_pool: Tally | None
    own_pools: Tally | None
    overloaded: Tally | None
    overloader: str | None


def outcome_of(
    policy: Policy, tally: Tally, beside: Beside, confidence: float, slots: Slots | None
) -> PolicyOutcome:
    """All that is said of one policy."""
    callers = tally.callers()
    tenants = tuple(
        _tenant(name, tally, beside, confidence, looked_at=len(callers)) for name in callers
    )
    sums = [each.sums for each in tally.played]
    total, count = tally.sums(None), len(tally.played)
    parts, wholes = zip(*(of_total("first_attempt_blocking", each) for each in sums), strict=True)
    window_us = sums[0].window_us
    return PolicyOutcome(
        name=policy.name,
        rule=policy.rule,
        max_concurrent_calls=policy.limit,
        parameters=tuple(
            each for each in parameters_of(policy.scenario) if each.tenant in set(callers)
        ),
        keys=keys_of(policy.scenario),
        offered_calls=sum(each.offered for each in total) / count,
        blocking=_estimate(tally.blocked(None), confidence),
        first_attempt_blocking=ratio(parts, wholes, confidence),
        lost=_estimate(tally.lost(None), confidence),
        over_one_pool=_over(tally, beside.one_pool, None, confidence, 1),
        preempted_calls=sum(each.preempted for each in total) / count,
        carried_erlangs=sum(each.slot_us for each in total) / count / window_us,
        occupancy=ratio(
            [each.slot_us for each in total], [each.limit_us for each in sums], confidence
        ),
        tenants=tenants,
        fairness=_fairness(tally, tenants, confidence),
        slots=slots,
    )


def _tenant(
    name: str, tally: Tally, beside: Beside, confidence: float, looked_at: int
) -> TenantOutcome:
    sums, count = tally.sums(name), len(tally.played)
    hurt = None
    if beside.overloaded is not None and name != beside.overloader:
        hurt = difference(
            beside.overloaded.lost(name), tally.lost(name), confidence, max(1, looked_at - 1)
        )
    return TenantOutcome(
        tenant=name,
        offered_calls=sum(each.offered for each in sums) / count,
        blocking=_estimate(tally.blocked(name), confidence),
        lost=_estimate(tally.lost(name), confidence),
        preempted_calls=sum(each.preempted for each in sums) / count,
        carried_erlangs=sum(each.slot_us for each in sums) / count / tally.played[0].sums.window_us,
        peak_in_use=max(each.peak_in_use for each in sums),
        over_one_pool=_over(tally, beside.one_pool, name, confidence, looked_at),
        over_own_pools=_over(tally, beside.own_pools, name, confidence, looked_at),
        by_overload=hurt,
    )


def _over(
    tally: Tally, other: Tally | None, name: str | None, confidence: float, looked_at: int
) -> Difference | None:
    if other is None:
        return None
    return difference(tally.lost(name), other.lost(name), confidence, looked_at)


def _fairness(tally: Tally, tenants: tuple[TenantOutcome, ...], confidence: float) -> Fairness:
    lost: Mapping[str, float] = {
        each.tenant: each.lost.value for each in tenants if each.lost is not None
    }
    average = tally.lost(None).share
    worst = max(lost, key=lambda name: lost[name], default=None)
    ratio_ = unequal = None
    if worst is not None and average:
        ratio_ = lost[worst] / average
        apart = difference(tally.lost(worst), tally.lost(None), confidence, len(lost))
        unequal = apart is not None and apart.is_sure and apart.value > 0
    return Fairness(
        jain_index=jain_index([1 - share for share in lost.values()]),
        worst_tenant=worst if average else None,
        worst_over_average=ratio_,
        unequal=bool(unequal),
        worse_than_own_pools=_worse(tenants, "over_own_pools"),
        hurt_by_overload=_worse(tenants, "by_overload"),
    )


def _worse(tenants: tuple[TenantOutcome, ...], what: str) -> tuple[str, ...]:
    found: list[str] = []
    for each in tenants:
        apart: Difference | None = getattr(each, what)
        if apart is not None and apart.is_sure and apart.value > 0:
            found.append(each.tenant)
    return tuple(found)


def _estimate(counted: Counted, confidence: float) -> Estimate | None:
    return ratio(counted.lost, counted.offered, confidence)
