"""Which keys go with which sharing policy: a key of another one would have no effect."""

from typing import Final

from simulator.conditions import POLICY_OF, SharingPolicy
from simulator.scenario_file import model
from simulator.scenario_file.problems import Path, Report
from simulator.statistics import PREEMPTED_CALLS

_POLICY: Final[Path] = ("capacity", "policy")


def check_policy(shape: model.ScenarioShape, report: Report) -> None:
    """Report every key of a tenant, and of a change, that belongs to another policy."""
    policy = SharingPolicy(shape.capacity.policy)
    for key, needed in POLICY_OF.items():
        if needed == policy:
            continue
        message = f"{key} needs capacity.policy: {needed}, and it is {policy}"
        for tenant_id, tenant in shape.tenants.items():
            if key in tenant.model_fields_set:
                report(("tenants", tenant_id, key), message, at_key=True, because_of=_POLICY)
        for place, change in enumerate(shape.capacity.changes):
            for tenant_id, values in (change.tenants or {}).items():
                if key in values.model_fields_set:
                    path = ("capacity", "changes", place, "tenants", tenant_id, key)
                    report(path, message, at_key=True, because_of=_POLICY)
    if policy != SharingPolicy.PRIORITY:
        for key in shape.thresholds:
            if key.partition("{")[0] == PREEMPTED_CALLS:
                report(
                    ("thresholds", key),
                    f"{PREEMPTED_CALLS} needs capacity.policy: {SharingPolicy.PRIORITY}, and it is "
                    f"{policy}",
                    at_key=True,
                    because_of=_POLICY,
                )
