"""What administration reads, as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from service.calls import all_figures
from service.state.base import Snapshot, TenantPolicy, TenantSnapshot


def tenant_document(tenant_id: str, policy: TenantPolicy) -> dict[str, Any]:
    return {"tenant_id": tenant_id, **asdict(policy)}


def tenants_document(policies: Mapping[str, TenantPolicy]) -> dict[str, Any]:
    return {"tenants": [tenant_document(*item) for item in policies.items()]}


def capacity_document(
    snapshot: Snapshot, at_us: int, clock: str, testbed: bool, instance: str
) -> dict[str, Any]:
    """Limits, slots and counters of everything, all from this one snapshot; ``at_us``: the time.

    ``instance`` names the process since its start: calls and counters of another one are gone.
    A row that is not configured (removed tenants, and the shared row of unknown ones) shows a
    policy that admits nobody.
    """
    return {
        "at_us": at_us,
        "instance": instance,
        "clock": clock,
        "testbed": testbed,
        "max_concurrent_calls": snapshot.max_concurrent_calls,
        "deadlines": asdict(snapshot.deadlines),
        "total": _figures(snapshot.total),
        "tenants": {
            tenant_id: {
                "configured": tenant.policy is not None,
                **asdict(tenant.policy or TenantPolicy(enabled=False)),
                **_figures(tenant),
            }
            for tenant_id, tenant in snapshot.tenants.items()
        },
    }


def _figures(tenant: TenantSnapshot) -> dict[str, Any]:
    slots = tenant.occupancy
    return {
        "in_use": slots.in_use,
        "pending": slots.pending,
        "accepted": slots.accepted,
        "active": slots.active,
        **all_figures(tenant.counters),
    }
