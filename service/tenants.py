"""Tenants and limits: kept in the database, in force in the call state.

Admission never queries: policies are pushed into the state when the service starts and whenever
one changes. A change is checked first, then committed to the database, then put in force, one
change at a time. So a refused change and a database that is away leave everything as it was.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.clock import Clock, ClockBackwards
from service.database import INSTRUCTIONS, TENANTS, Database
from service.instructions import InstructionsCache, SqlInstructions, write_instructions
from service.logs import get_logger
from service.state.base import CallState, LimitChange, TenantPolicy, TenantUnknown


class TenantExists(ValueError):
    """A tenant of this id is configured already; nothing changed."""


@dataclass(frozen=True, slots=True)
class LimitPatch:
    """A partial change: the new total limit (None leaves it), and per tenant the policy fields
    that change, by their names in :class:`TenantPolicy`."""

    max_concurrent_calls: int | None = None
    tenants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class TenantDirectory:
    """All changes of tenants, limits and instructions go through here.

    Every method that changes something takes ``at_us`` as the request brought it (None on the
    system clock) and raises :class:`service.clock.ClockError` when it does not fit the clock,
    :class:`sqlalchemy.exc.SQLAlchemyError` when the database fails; nothing changed then.
    """

    def __init__(
        self, state: CallState, clock: Clock, database: Database, cache: InstructionsCache
    ) -> None:
        self._state = state
        self._clock = clock
        self._database = database
        self._cache = cache
        self._instructions = SqlInstructions(database)
        self._one_change = asyncio.Lock()
        self._log = get_logger("service.tenants")

    async def load(self) -> None:
        """Put every stored tenant in force. Raises :class:`LimitsInvalid` when they do not fit."""
        async with self._one_change:
            async with self._database.begin() as connection:
                rows = (await connection.execute(select(TENANTS))).mappings().all()
            now_us = self._clock.now_us()
            for row in rows:
                columns = dict(row)
                await self._state.put_tenant(
                    columns.pop("tenant_id"), TenantPolicy(**columns), now_us
                )

    async def policies(self) -> Mapping[str, TenantPolicy]:
        """The policy in force of every configured tenant."""
        return await self._state.policies()

    async def policy(self, tenant_id: str) -> TenantPolicy:
        """One tenant's policy. Raises :class:`TenantUnknown`."""
        return _policy_of(await self._state.policies(), tenant_id)

    async def create(
        self, tenant_id: str, policy: TenantPolicy, text: str | None, at_us: int | None
    ) -> None:
        """Configure a new tenant. Raises :class:`TenantExists` or :class:`LimitsInvalid`."""
        async with self._one_change:
            self._check_time(at_us)
            if tenant_id in await self._state.policies():
                raise TenantExists(f"tenant {tenant_id!r} is configured already")
            await self._state.check_tenant(tenant_id, policy)
            try:
                async with self._database.begin() as connection:
                    row = {"tenant_id": tenant_id, **asdict(policy)}
                    await connection.execute(insert(TENANTS).values(row))
                    await write_instructions(connection, tenant_id, text)
            except IntegrityError:
                raise TenantExists(f"tenant {tenant_id!r} is in the database already") from None
            self._cache.forget(tenant_id)
            await self._state.put_tenant(tenant_id, policy, self._moment(at_us))
        self._log.info("tenant_created", tenant_id=tenant_id, **asdict(policy))

    async def change(self, patch: LimitPatch, at_us: int | None) -> None:
        """Change limits, whole. Raises :class:`TenantUnknown` or :class:`LimitsInvalid`."""
        async with self._one_change:
            self._check_time(at_us)
            policies = await self._state.policies()
            changed = {
                tenant_id: replace(_policy_of(policies, tenant_id), **fields)
                for tenant_id, fields in patch.tenants.items()
            }
            change = LimitChange(patch.max_concurrent_calls, changed)
            await self._state.check_limits(change)
            if changed:
                async with self._database.begin() as connection:
                    for tenant_id, policy in changed.items():
                        await connection.execute(
                            update(TENANTS)
                            .where(TENANTS.c.tenant_id == tenant_id)
                            .values(**asdict(policy))
                        )
            await self._state.change_limits(change, self._moment(at_us))
        self._log.info(
            "limits_changed",
            max_concurrent_calls=patch.max_concurrent_calls,
            tenants={tenant_id: asdict(policy) for tenant_id, policy in changed.items()},
        )

    async def remove(self, tenant_id: str, at_us: int | None) -> None:
        """Remove a tenant and its instructions. Raises :class:`TenantUnknown`."""
        async with self._one_change:
            self._check_time(at_us)
            await self.policy(tenant_id)
            async with self._database.begin() as connection:
                for table in (INSTRUCTIONS, TENANTS):
                    await connection.execute(delete(table).where(table.c.tenant_id == tenant_id))
            self._cache.forget(tenant_id)
            await self._state.remove_tenant(tenant_id, self._moment(at_us))
        self._log.info("tenant_removed", tenant_id=tenant_id)

    async def instructions(self, tenant_id: str) -> str | None:
        """A tenant's instructions as stored. Raises :class:`TenantUnknown`."""
        await self.policy(tenant_id)
        return await self._instructions.fetch(tenant_id)

    async def put_instructions(self, tenant_id: str, text: str, at_us: int | None) -> None:
        """Raises :class:`TenantUnknown`."""
        async with self._one_change:
            self._check_time(at_us)
            await self.policy(tenant_id)
            await self._instructions.put(tenant_id, text)
            self._cache.forget(tenant_id)
            self._moment(at_us)
        self._log.info("instructions_changed", tenant_id=tenant_id)

    async def remove_instructions(self, tenant_id: str, at_us: int | None) -> bool:
        """Whether there were any. Raises :class:`TenantUnknown`."""
        async with self._one_change:
            self._check_time(at_us)
            await self.policy(tenant_id)
            existed = await self._instructions.remove(tenant_id)
            self._cache.forget(tenant_id)
            if existed:
                self._moment(at_us)
        self._log.info("instructions_removed", tenant_id=tenant_id, existed=existed)
        return existed

    def _check_time(self, at_us: int | None) -> None:
        """Raise what the clock would raise for ``at_us``, and leave the clock where it stands."""
        if at_us is None or self._clock.kind == "system":
            self._clock.take(at_us)
        elif at_us < (now_us := self._clock.now_us()):
            raise ClockBackwards(f"at_us {at_us} is earlier than the last time {now_us}")

    def _moment(self, at_us: int | None) -> int:
        """The instant a committed change counts at.

        While the database was busy a call event may have brought a later time; the change then
        counts at that one.
        """
        return self._clock.take(None if at_us is None else max(at_us, self._clock.now_us()))


def _policy_of(policies: Mapping[str, TenantPolicy], tenant_id: str) -> TenantPolicy:
    policy = policies.get(tenant_id)
    if policy is None:
        raise TenantUnknown(f"tenant {tenant_id!r} is not configured")
    return policy
