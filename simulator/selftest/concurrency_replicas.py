"""Two replicas that share everything but the limit."""

import asyncio
from dataclasses import replace

from service.calls import Lookup, Outcome
from service.state.base import (
    Answer,
    CallView,
    HeldCalls,
    LimitChange,
    Occupancy,
    Snapshot,
    TenantPolicy,
    TenantSnapshot,
)
from simulator.selftest.concurrency_states import OpenCore, OpenState


class TwoReplicas(OpenState):
    """Two cores behind one address, each with the whole limit to itself; offers alternate."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._cores = (self.core, OpenCore(limit))
        self._offers = 0

    def _core_of(self, call_id: str) -> OpenCore:
        first, second = self._cores
        return second if second.call(call_id) is not None else first

    async def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer:
        core = self._core_of(call_id)
        if core.call(call_id) is None:
            core = self._cores[self._offers % 2]
            self._offers += 1
        await asyncio.sleep(0)
        return core.offer(call_id, tenant_id, core.not_before(at_us))

    async def accept(self, call_id: str, lookup: Lookup, at_us: int) -> Answer:
        return self._core_of(call_id).accept(call_id, lookup, at_us)

    async def start(self, call_id: str, at_us: int) -> Answer:
        return self._core_of(call_id).start(call_id, at_us)

    async def refer(self, call_id: str, at_us: int) -> Answer:
        return self._core_of(call_id).refer(call_id, at_us)

    async def end(self, call_id: str, outcome: Outcome, at_us: int) -> Answer:
        return self._core_of(call_id).end(call_id, outcome, at_us)

    async def advance(self, at_us: int) -> None:
        for core in self._cores:
            core.advance(at_us)

    async def pending_tenant(self, call_id: str) -> str | None:
        return self._core_of(call_id).pending_tenant(call_id)

    async def change_limits(self, change: LimitChange, at_us: int) -> None:
        for core in self._cores:
            core.change_limits(change, at_us)

    async def put_tenant(self, tenant_id: str, policy: TenantPolicy, at_us: int) -> None:
        for core in self._cores:
            core.put_tenant(tenant_id, policy, at_us)

    async def remove_tenant(self, tenant_id: str, at_us: int) -> None:
        for core in self._cores:
            core.remove_tenant(tenant_id, at_us)

    async def call(self, call_id: str) -> CallView | None:
        return self._core_of(call_id).call(call_id)

    async def held(self) -> HeldCalls:
        one, other = (core.held() for core in self._cores)
        return HeldCalls(
            {**one.pending, **other.pending},
            {
                tenant_id: one.pending_by_tenant.get(tenant_id, ())
                + other.pending_by_tenant.get(tenant_id, ())
                for tenant_id in one.pending_by_tenant.keys() | other.pending_by_tenant.keys()
            },
            one.accepted + other.accepted,
            one.active + other.active,
        )

    async def snapshot(self) -> Snapshot:
        one, other = (core.snapshot() for core in self._cores)
        return replace(
            one,
            at_us=max(one.at_us, other.at_us),
            total=_sum(one.total, other.total),
            tenants={
                tenant_id: _sum(row, other.tenants[tenant_id])
                for tenant_id, row in one.tenants.items()
            },
            decisions={
                key: one.decisions.get(key, 0) + other.decisions.get(key, 0)
                for key in one.decisions.keys() | other.decisions.keys()
            },
        )

    async def total_counters(self) -> tuple[int, ...]:
        one, other = (core.total_counters() for core in self._cores)
        return _row_sum(one, other)

    async def tenant_counters(self, tenant_id: str) -> tuple[int, ...] | None:
        one, other = (core.tenant_counters(tenant_id) for core in self._cores)
        return None if one is None or other is None else _row_sum(one, other)


def _row_sum(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _sum(one: TenantSnapshot, other: TenantSnapshot) -> TenantSnapshot:
    slots, more = one.occupancy, other.occupancy
    return TenantSnapshot(
        one.policy,
        Occupancy(
            slots.pending + more.pending,
            slots.accepted + more.accepted,
            slots.active + more.active,
        ),
        _row_sum(one.counters, other.counters),
    )
