"""Limits of a run in the words of the service: whole policies, and what a change makes of them."""

from collections.abc import Mapping
from dataclasses import replace

from service.state.base import Deadlines, LimitChange, TenantPolicy
from simulator.trace import Conditions, LimitsChange


def starting_policies(conditions: Conditions) -> dict[str, TenantPolicy]:
    """The policy of each configured tenant as the run starts, in trace order."""
    return {
        tenant.tenant_id: TenantPolicy(
            enabled=tenant.enabled,
            max_concurrent_calls=tenant.max_concurrent_calls,
            reserved_calls=tenant.reserved_calls,
            fallback_allowed=tenant.fallback,
        )
        for tenant in conditions.tenants
        if tenant.configured
    }


def has_deadlines(conditions: Conditions) -> bool:
    """Whether any state expires."""
    return service_deadlines(conditions) != Deadlines()


def service_deadlines(conditions: Conditions, speed: float = 1.0) -> Deadlines:
    """The deadlines of a service that plays the run ``speed`` times as fast as it is written."""

    def sooner(deadline_us: int | None) -> int | None:
        return None if deadline_us is None else max(1, round(deadline_us / speed))

    return Deadlines(
        sooner(conditions.pending_deadline_us),
        sooner(conditions.accepted_deadline_us),
        sooner(conditions.active_deadline_us),
    )


def limit_change(change: LimitsChange, policies: Mapping[str, TenantPolicy]) -> LimitChange:
    """A planned change as the service takes it, given the policies in force before it."""
    tenants = {}
    for tenant_id, new in change.tenants.items():
        policy = policies[tenant_id]
        if new.max_concurrent_calls is not None:
            cap = None if isinstance(new.max_concurrent_calls, str) else new.max_concurrent_calls
            policy = replace(policy, max_concurrent_calls=cap)
        if new.reserved_calls is not None:
            policy = replace(policy, reserved_calls=new.reserved_calls)
        if new.enabled is not None:
            policy = replace(policy, enabled=new.enabled)
        tenants[tenant_id] = policy
    return LimitChange(change.max_concurrent_calls, tenants)
