"""The limits, and what every tenant has: its policy, its slots and its counter row."""

from collections.abc import Mapping

from service.admission import check_limits, full_scopes
from service.calls import UNKNOWN_TENANT
from service.lifecycle import Transition
from service.state.base import LimitChange, TenantPolicy, TenantSnapshot, TenantUnknown
from service.state.records import Ledger


class Ledgers:
    """Every tenant's ledger, the shared one of the tenants that are not configured, and the total.

    The total has slots in use and a row; how many of them are pending, the held calls know.
    ``committed`` is the sum over all tenants j of max(n_j, reserved_j), kept up to date slot by
    slot because every admission asks for it.
    """

    __slots__ = ("by_tenant", "committed", "limit", "total", "unknown")

    def __init__(self, limit: int, tenants: Mapping[str, TenantPolicy]) -> None:
        check_limits(limit, tenants)
        self.limit = limit
        self.by_tenant = {name: Ledger(name, policy) for name, policy in tenants.items()}
        self.unknown = Ledger(UNKNOWN_TENANT)
        self.total = Ledger("")
        self.committed = self._sum_committed()

    def refused(self, tenant_id: str) -> Ledger:
        """The row of a tenant that may not call: its own if configured, else the shared one."""
        return self.configured(tenant_id) or self.unknown

    # --- slots and counters -------------------------------------------------------------------

    def full_scopes(self, ledger: Ledger) -> int:
        """The scopes that are full for a tenant's next call, as :data:`SCOPE_SETS` numbers them."""
        return full_scopes(
            self.limit,
            self.total.in_use,
            ledger.cap,
            ledger.in_use,
            ledger.reserved,
            self.committed,
        )

    def take_slot(self, ledger: Ledger) -> None:
        if ledger.in_use >= ledger.reserved:
            self.committed += 1
        ledger.in_use += 1
        self.total.in_use += 1

    def free_slot(self, ledger: Ledger) -> None:
        ledger.in_use -= 1
        self.total.in_use -= 1
        if ledger.in_use >= ledger.reserved:
            self.committed -= 1

    def count(self, ledger: Ledger, move: Transition) -> None:
        """Count a transition, and with it its counters, for the tenant and in the total."""
        ledger.happened[move] += 1
        self.total.happened[move] += 1

    def add_active_us(self, ledger: Ledger, active_us: int) -> None:
        ledger.active_us += active_us
        self.total.active_us += active_us

    # --- configuration ------------------------------------------------------------------------

    def configured(self, tenant_id: str) -> Ledger | None:
        ledger = self.by_tenant.get(tenant_id)
        return None if ledger is None or ledger.policy is None else ledger

    def check(self, change: LimitChange) -> None:
        """Raise :class:`LimitsInvalid` or :class:`TenantUnknown` if a change cannot be made."""
        policies = self.policies()
        for tenant_id, policy in change.tenants.items():
            if tenant_id not in policies:
                raise TenantUnknown(f"tenant {tenant_id!r} is not configured")
            policies[tenant_id] = policy
        limit = change.max_concurrent_calls
        check_limits(self.limit if limit is None else limit, policies)

    def apply(self, change: LimitChange) -> None:
        """Make a change that :meth:`check` let through."""
        if change.max_concurrent_calls is not None:
            self.limit = change.max_concurrent_calls
        for tenant_id, policy in change.tenants.items():
            self.by_tenant[tenant_id].configure(policy)
        self.committed = self._sum_committed()

    def check_tenant(self, tenant_id: str, policy: TenantPolicy) -> None:
        """Raise :class:`LimitsInvalid` if a tenant cannot have this policy."""
        check_limits(self.limit, {**self.policies(), tenant_id: policy})

    def configure(self, tenant_id: str, policy: TenantPolicy | None) -> None:
        """Give a tenant a policy, or take its configuration away; its row stays as it is."""
        if tenant_id not in self.by_tenant:
            self.by_tenant[tenant_id] = Ledger(tenant_id)
        self.by_tenant[tenant_id].configure(policy)
        self.committed = self._sum_committed()

    def snapshots(self) -> dict[str, TenantSnapshot]:
        """Every tenant that ever was configured, and ``_unknown``."""
        rows = {tenant_id: ledger.snapshot() for tenant_id, ledger in self.by_tenant.items()}
        rows[UNKNOWN_TENANT] = self.unknown.snapshot()
        return rows

    def policies(self) -> dict[str, TenantPolicy]:
        """The policy of every configured tenant."""
        return {
            tenant_id: ledger.policy
            for tenant_id, ledger in self.by_tenant.items()
            if ledger.policy is not None
        }

    def pending_calls(self) -> dict[str, tuple[str, ...]]:
        """The pending calls of each tenant that has some, in order of entry."""
        return {
            tenant_id: tuple(ledger.pending_calls)
            for tenant_id, ledger in self.by_tenant.items()
            if ledger.pending_calls
        }

    def _sum_committed(self) -> int:
        return sum(max(ledger.in_use, ledger.reserved) for ledger in self.by_tenant.values())
