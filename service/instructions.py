"""A tenant's instructions: the port to where they are kept, and the cache in front of it."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.calls import Lookup
from service.database import INSTRUCTIONS, Database, reason_of
from service.logs import get_logger

MAX_CACHED_TENANTS: Final = 100_000
"""Tenants whose result is kept at most; beyond it the one that was looked up first is dropped."""


class InstructionsSource(Protocol):
    """Where instructions are kept."""

    async def fetch(self, tenant_id: str) -> str | None:
        """A tenant's instructions, None without. Raises :class:`SQLAlchemyError`."""
        ...


class SqlInstructions:
    """The instructions table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fetch(self, tenant_id: str) -> str | None:
        query = select(INSTRUCTIONS.c.text).where(INSTRUCTIONS.c.tenant_id == tenant_id)
        async with self._database.begin() as connection:
            text: str | None = (await connection.execute(query)).scalar_one_or_none()
        return text

    async def put(self, tenant_id: str, text: str) -> None:
        """Write a tenant's instructions, whether it had some or not. Raises as :meth:`fetch`."""
        async with self._database.begin() as connection:
            await write_instructions(connection, tenant_id, text)

    async def remove(self, tenant_id: str) -> bool:
        """Whether there were any. Raises as :meth:`fetch`."""
        async with self._database.begin() as connection:
            done = await connection.execute(
                delete(INSTRUCTIONS).where(INSTRUCTIONS.c.tenant_id == tenant_id)
            )
        return done.rowcount > 0


async def write_instructions(connection: AsyncConnection, tenant_id: str, text: str | None) -> None:
    """Replace a tenant's instructions within a transaction; None removes them."""
    await connection.execute(delete(INSTRUCTIONS).where(INSTRUCTIONS.c.tenant_id == tenant_id))
    if text is not None:
        await connection.execute(insert(INSTRUCTIONS).values(tenant_id=tenant_id, text=text))


class InstructionsCache:
    """What lookups found, for ``lifetime_s`` seconds of ``monotonic``; 0 keeps nothing.

    Lookups of one tenant that run at the same time share one query. An error is never kept: the
    next accept asks again.
    """

    def __init__(
        self,
        source: InstructionsSource,
        lifetime_s: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        max_tenants: int = MAX_CACHED_TENANTS,
    ) -> None:
        self._source = source
        self._lifetime_s = lifetime_s
        self._monotonic = monotonic
        self._max_tenants = max_tenants
        self._kept: dict[str, tuple[Lookup, float]] = {}
        self._running: dict[str, asyncio.Task[Lookup]] = {}
        self._log = get_logger("service.instructions")

    def cached(self, tenant_id: str) -> Lookup | None:
        """What is known without asking: found, missing, or None."""
        kept = self._kept.get(tenant_id)
        if kept is None:
            return None
        if self._monotonic() < kept[1]:
            return kept[0]
        del self._kept[tenant_id]
        return None

    async def lookup(self, tenant_id: str) -> Lookup:
        """Found, missing or error; asks the source when nothing is known."""
        known = self.cached(tenant_id)
        if known is not None:
            return known
        task = self._running.get(tenant_id)
        if task is None:
            task = asyncio.create_task(self._ask(tenant_id))
            self._running[tenant_id] = task
        # A caller that gives up must not take the query away from the others.
        return await asyncio.shield(task)

    def forget(self, tenant_id: str) -> None:
        """Call it after every change of a tenant's instructions.

        A query that was under way may have read what stood before: its result is handed to those
        who wait for it, and not kept.
        """
        self._kept.pop(tenant_id, None)
        self._running.pop(tenant_id, None)

    async def _ask(self, tenant_id: str) -> Lookup:
        try:
            text = await self._source.fetch(tenant_id)
        except SQLAlchemyError as error:
            self._log.error(
                "instructions_lookup_failed", tenant_id=tenant_id, error=reason_of(error)
            )
            found = Lookup.ERROR
        else:
            found = Lookup.MISSING if text is None else Lookup.FOUND
        finally:
            current = self._running.get(tenant_id) is asyncio.current_task()
            if current:
                del self._running[tenant_id]
        if current and found is not Lookup.ERROR and self._lifetime_s > 0:
            if len(self._kept) >= self._max_tenants:
                del self._kept[next(iter(self._kept))]
            self._kept[tenant_id] = (found, self._monotonic() + self._lifetime_s)
        return found
