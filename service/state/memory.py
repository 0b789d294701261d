"""The call state in memory: the core behind the port."""

from collections.abc import Mapping

from service.calls import Lookup, Outcome
from service.state.base import Answer, CallView, HeldCalls, LimitChange, Snapshot, TenantPolicy
from service.state.core import MemoryCore

__all__ = ["MemoryCore", "MemoryState"]


class MemoryState:
    """A :class:`MemoryCore` behind the port: the same methods, to be awaited."""

    __slots__ = ("core",)

    def __init__(self, core: MemoryCore) -> None:
        self.core = core

    async def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer:
        return self.core.offer(call_id, tenant_id, at_us)

    async def accept(self, call_id: str, lookup: Lookup, at_us: int) -> Answer:
        return self.core.accept(call_id, lookup, at_us)

    async def start(self, call_id: str, at_us: int) -> Answer:
        return self.core.start(call_id, at_us)

    async def refer(self, call_id: str, at_us: int) -> Answer:
        return self.core.refer(call_id, at_us)

    async def end(self, call_id: str, outcome: Outcome, at_us: int) -> Answer:
        return self.core.end(call_id, outcome, at_us)

    async def advance(self, at_us: int) -> None:
        self.core.advance(at_us)

    async def pending_tenant(self, call_id: str) -> str | None:
        return self.core.pending_tenant(call_id)

    async def check_limits(self, change: LimitChange) -> None:
        self.core.check_limits(change)

    async def check_tenant(self, tenant_id: str, policy: TenantPolicy) -> None:
        self.core.check_tenant(tenant_id, policy)

    async def change_limits(self, change: LimitChange, at_us: int) -> None:
        self.core.change_limits(change, at_us)

    async def put_tenant(self, tenant_id: str, policy: TenantPolicy, at_us: int) -> None:
        self.core.put_tenant(tenant_id, policy, at_us)

    async def remove_tenant(self, tenant_id: str, at_us: int) -> None:
        self.core.remove_tenant(tenant_id, at_us)

    async def policies(self) -> Mapping[str, TenantPolicy]:
        return self.core.policies()

    async def call(self, call_id: str) -> CallView | None:
        return self.core.call(call_id)

    async def held(self) -> HeldCalls:
        return self.core.held()

    async def snapshot(self) -> Snapshot:
        return self.core.snapshot()

    async def total_counters(self) -> tuple[int, ...]:
        return self.core.total_counters()

    async def tenant_counters(self, tenant_id: str) -> tuple[int, ...] | None:
        return self.core.tenant_counters(tenant_id)
