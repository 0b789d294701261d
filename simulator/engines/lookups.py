"""What an accept finds when it looks up the tenant's instructions."""

from service.calls import Lookup
from simulator.trace import Conditions, LookupFault


class LookupPlan:
    """The planned lookup results of a run's conditions; tenants by place in ``conditions``."""

    def __init__(self, conditions: Conditions) -> None:
        self.base = tuple(
            Lookup.FOUND if tenant.instructions else Lookup.MISSING for tenant in conditions.tenants
        )
        """What each tenant's lookup finds when no fault decides."""
        self.faulty = tuple(
            tuple(
                fault
                for fault in conditions.lookup_faults
                if fault.tenants is None or tenant.tenant_id in fault.tenants
            )
            for tenant in conditions.tenants
        )
        """The faults that can concern each tenant, in listed order."""

    def planned(self, tenant: int, draw: int, at_us: int) -> Lookup | None:
        """What a fault makes of the accept heard at ``at_us``, or None when none decides."""
        return decided_by(self.faulty[tenant], draw, at_us)


def decided_by(faults: tuple[LookupFault, ...], draw: int, at_us: int) -> Lookup | None:
    """The result of the fault in force at ``at_us`` whose span ``draw`` falls in, or None.

    The faults in force take consecutive spans of [0, 2**32), in order.
    """
    reached = 0
    for fault in faults:
        if fault.from_us <= at_us < fault.until_us:
            reached += fault.span
            if draw < reached:
                return fault.result
    return None
