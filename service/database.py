"""The database: its tables, its connections and the way to the newest schema."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.resources import files
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    Text,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import StaticPool

METADATA: Final = MetaData()

TENANTS: Final = Table(
    "tenants",
    METADATA,
    Column("tenant_id", String(200), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("max_concurrent_calls", BigInteger, nullable=True),
    Column("reserved_calls", BigInteger, nullable=False),
    Column("fallback_allowed", Boolean, nullable=False),
)
"""Configured tenants with their policy; the columns are named as the policy's fields."""

INSTRUCTIONS: Final = Table(
    "instructions",
    METADATA,
    Column("tenant_id", String(200), primary_key=True),
    Column("text", Text, nullable=False),
)
"""What a tenant's calls are answered with. A tenant without a row has no instructions."""


class Database:
    """One engine. ``url`` is an asynchronous SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        in_memory = make_url(url).database in (None, "", ":memory:")
        options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
        self._engine = create_async_engine(url, **options)
        # A database in memory is one connection. Two tasks on it at once would end each other's
        # transactions, so they take turns.
        self._turn: AbstractAsyncContextManager[Any] = (
            asyncio.Lock() if in_memory else nullcontext()
        )

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction, committed at the end of the block.

        Raises :class:`sqlalchemy.exc.SQLAlchemyError` whatever goes wrong in the database.
        """
        async with self._turn, self._engine.begin() as connection:
            yield connection

    async def check(self) -> None:
        """Read from a table, as a lookup would. Raises as :meth:`begin`."""
        async with self.begin() as connection:
            await connection.execute(select(INSTRUCTIONS.c.tenant_id).limit(1))

    async def migrate(self) -> None:
        """Bring the schema to the newest revision that is shipped. Raises as :meth:`begin`, for a
        revision that is not shipped too: that of a newer version of the service."""
        async with self.begin() as connection:
            await connection.run_sync(_upgrade)

    async def close(self) -> None:
        await self._engine.dispose()


def reason_of(error: SQLAlchemyError) -> str:
    """What the database said, without the statement and its values."""
    return str(getattr(error, "orig", None) or error)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(files("service") / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SQLAlchemyError(
            f"its schema is not of this version of the service: {error}"
        ) from None
