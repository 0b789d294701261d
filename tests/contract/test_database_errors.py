"""Real database errors: a table that is gone, a file that is no database any more."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from service.app import create_app
from service.state.base import LimitsInvalid
from tests.contract.service_under_test import event, offer, running, settings


def drop(path: Path, table: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"DROP TABLE {table}")
    connection.commit()
    connection.close()


async def test_a_lost_table_counts_as_errors_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "busyhour.db"
    async with running(database_url=f"sqlite+aiosqlite:///{path}") as client:
        await client.tenant("acme")
        await client.tenant("soft", fallback_allowed=True)
        drop(path, "instructions")
        answers = await client.batch(
            offer("a"),
            event("accept", "a"),
            event("accept", "a"),
            offer("b", accept=True),
            offer("s", "soft", accept=True),
        )
        assert [(answer["decision"], answer["reason"]) for answer in answers] == [
            ("admitted", None),
            ("rejected", "instructions_missing"),
            ("rejected", "instructions_missing"),
            ("rejected", "instructions_missing"),
            ("accepted", None),
        ]
        assert answers[4]["fallback"] is True
        live = await client.live()
        assert live["instructions_db_errors"] == 3
        assert live["rejected_calls_instructions_missing"] == 2
        assert live["fallback_instructions_used"] == 1
        # An error is not remembered: once the table is back the next accept finds what is there.
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE instructions (tenant_id TEXT PRIMARY KEY, text TEXT)")
        connection.execute("INSERT INTO instructions VALUES ('acme', 'back')")
        connection.commit()
        connection.close()
        assert (await client.batch(offer("c", accept=True)))[0]["decision"] == "accepted"
        assert (await client.live())["instructions_db_errors"] == 3


async def test_a_file_overwritten_with_garbage(tmp_path: Path) -> None:
    path = tmp_path / "busyhour.db"
    async with running(database_url=f"sqlite+aiosqlite:///{path}") as client:
        await client.tenant("acme")
        path.write_bytes(b"no database at all. " * 4096)
        (answer,) = await client.batch(offer("c", accept=True))
        assert answer["reason"] == "instructions_missing"
        assert (await client.live())["instructions_db_errors"] == 1
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "database_unavailable")
        assert (await client.get("/healthz")).status_code == 200


async def test_a_change_that_cannot_be_stored_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "busyhour.db"
    async with running(database_url=f"sqlite+aiosqlite:///{path}") as client:
        await client.tenant("acme", reserved_calls=1)
        before = await client.capacity()
        drop(path, "tenants")
        for response in (
            await client.post("/api/v1/tenants", {"tenant_id": "new"}),
            await client.patch("/api/v1/tenants/acme", {"enabled": False}),
            await client.patch(
                "/api/v1/capacity",
                {"max_concurrent_calls": 7, "tenants": {"acme": {"reserved_calls": 0}}},
            ),
            await client.delete("/api/v1/tenants/acme"),
        ):
            assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
        assert await client.capacity() | {"at_us": 0} == before | {"at_us": 0}
        # The removal failed in its second statement: the first one is undone as well.
        text = (await client.get("/api/v1/tenants/acme/instructions")).json()["text"]
        assert text == "answer politely"


async def test_a_file_that_is_no_database_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "busyhour.db"
    path.write_bytes(b"no database at all. " * 4096)
    app = create_app(settings(database_url=f"sqlite+aiosqlite:///{path}"))
    with pytest.raises(SQLAlchemyError):
        async with app.running():
            pass


async def test_a_schema_of_a_newer_version_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "busyhour.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.commit()
    connection.close()
    app = create_app(settings(database_url=f"sqlite+aiosqlite:///{path}"))
    with pytest.raises(SQLAlchemyError, match="9999"):
        async with app.running():
            pass


async def test_stored_reservations_that_do_not_fit_stop_the_start(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'busyhour.db'}"
    async with running(database_url=url, max_concurrent_calls=5) as client:
        await client.tenant("acme", reserved_calls=4)
    app = create_app(settings(database_url=url, max_concurrent_calls=3))
    with pytest.raises(LimitsInvalid):
        async with app.running():
            pass
