"""Tenants, limits and instructions: strict at the edge, changed whole or not at all."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.service_under_test import VIRTUAL, Client, event, offer, running

POLICY = {
    "enabled": True,
    "max_concurrent_calls": None,
    "reserved_calls": 0,
    "fallback_allowed": False,
}


async def limits_of(client: Client) -> dict[str, Any]:
    document = await client.capacity()
    return {
        "total": document["max_concurrent_calls"],
        **{
            tenant_id: {name: row[name] for name in POLICY}
            for tenant_id, row in document["tenants"].items()
            if row["configured"]
        },
    }


async def test_a_tenant_from_creation_to_removal() -> None:
    async with running() as client:
        created = await client.post("/api/v1/tenants", {"tenant_id": "acme", "reserved_calls": 2})
        assert created.status_code == 201
        assert created.json() == {"tenant_id": "acme", **POLICY, "reserved_calls": 2}
        assert (await client.get("/api/v1/tenants/acme")).json() == created.json()
        assert (await client.get("/api/v1/tenants")).json() == {"tenants": [created.json()]}
        again = await client.post("/api/v1/tenants", {"tenant_id": "acme"})
        assert (again.status_code, again.json()["code"]) == (409, "tenant_exists")
        changed = await client.patch("/api/v1/tenants/acme", {"max_concurrent_calls": 5})
        assert changed.json() == {
            "tenant_id": "acme",
            **POLICY,
            "reserved_calls": 2,
            "max_concurrent_calls": 5,
        }
        lifted = await client.patch("/api/v1/tenants/acme", {"max_concurrent_calls": None})
        assert lifted.json() == created.json()
        assert (await client.delete("/api/v1/tenants/acme")).status_code == 204
        for response in (
            await client.get("/api/v1/tenants/acme"),
            await client.delete("/api/v1/tenants/acme"),
            await client.patch("/api/v1/tenants/acme", {"enabled": False}),
            await client.put("/api/v1/tenants/acme/instructions", {"text": "x"}),
            await client.get("/api/v1/tenants/acme/instructions"),
        ):
            assert (response.status_code, response.json()["code"]) == (404, "unknown_tenant")


async def test_limits_change_together_or_not_at_all() -> None:
    async with running(max_concurrent_calls=10) as client:
        await client.tenant("acme", reserved_calls=4, max_concurrent_calls=6)
        await client.tenant("globex")
        good = await client.patch(
            "/api/v1/capacity",
            {"max_concurrent_calls": 8, "tenants": {"globex": {"reserved_calls": 3}}},
        )
        assert good.status_code == 200
        assert good.json() == await client.capacity() | {"at_us": good.json()["at_us"]}
        before = await limits_of(client)
        assert before["total"] == 8
        assert before["globex"]["reserved_calls"] == 3
        for document, status in (
            ({"max_concurrent_calls": 6}, 422),
            ({"tenants": {"globex": {"reserved_calls": 5}}}, 422),
            ({"tenants": {"globex": {"enabled": False}, "acme": {"max_concurrent_calls": 3}}}, 422),
            ({"max_concurrent_calls": 9, "tenants": {"nobody": {"enabled": True}}}, 404),
        ):
            refused = await client.patch("/api/v1/capacity", document)
            assert refused.status_code == status, document
            assert await limits_of(client) == before
        created = await client.post(
            "/api/v1/tenants", {"tenant_id": "initech", "reserved_calls": 2}
        )
        assert created.status_code == 422
        assert await limits_of(client) == before


async def test_a_limit_below_use_drops_nobody_and_admits_nobody() -> None:
    async with running(max_concurrent_calls=3) as client:
        await client.tenant("acme")
        await client.batch(*(offer(call_id, accept=True) for call_id in "abc"))
        await client.patch("/api/v1/capacity", {"max_concurrent_calls": 1})
        assert (await client.capacity())["total"]["in_use"] == 3
        for ended, decision in (("a", "rejected"), ("b", "rejected"), ("c", "admitted")):
            await client.batch(event("end", ended))
            assert (await client.batch(offer(f"after {ended}")))[0]["decision"] == decision


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"tenant_id": ""},
        {"tenant_id": "t" * 201},
        {"tenant_id": "_unknown"},
        {"tenant_id": "a\tb"},
        {"tenant_id": "a/b"},
        {"tenant_id": ".."},
        {"tenant_id": 7},
        {"tenant_id": "t", "enabled": 1},
        {"tenant_id": "t", "enabled": "yes"},
        {"tenant_id": "t", "enabled": None},
        {"tenant_id": "t", "reserved_calls": True},
        {"tenant_id": "t", "reserved_calls": "1"},
        {"tenant_id": "t", "reserved_calls": 1.0},
        {"tenant_id": "t", "reserved_calls": -1},
        {"tenant_id": "t", "max_concurrent_calls": False},
        {"tenant_id": "t", "instructions": ""},
        {"tenant_id": "t", "colour": "red"},
        {"tenant_id": "t", "at_us": 5},
        [],
    ],
    ids=str,
)
async def test_a_tenant_is_checked_strictly(document: object) -> None:
    async with running() as client:
        response = await client.post("/api/v1/tenants", document)
        assert response.status_code == 422
        assert response.json()["errors"][0]["loc"][0] == "body"
        assert (await client.get("/api/v1/tenants")).json() == {"tenants": []}


@pytest.mark.parametrize(
    "document",
    [
        {"max_concurrent_calls": None},
        {"max_concurrent_calls": True},
        {"max_concurrent_calls": -1},
        {"limit": 3},
        {"tenants": {"acme": {"enabled": 0}}},
        {"tenants": {"acme": {"tenant_id": "x"}}},
        {"tenants": {"acme": {"at_us": 1}}},
        {"tenants": []},
    ],
    ids=str,
)
async def test_a_change_of_limits_is_checked_strictly(document: object) -> None:
    async with running() as client:
        await client.tenant("acme")
        before = await limits_of(client)
        assert (await client.patch("/api/v1/capacity", document)).status_code == 422
        assert await limits_of(client) == before


async def test_instructions_are_used_as_soon_as_they_change() -> None:
    async with running(instructions_cache_s=1000) as client:
        await client.tenant("acme", instructions=None)
        url = "/api/v1/tenants/acme/instructions"
        for number, (method, found) in enumerate(
            (("get", False), ("put", True), ("delete", False), ("put", True))
        ):
            response = await (
                client.put(url, {"text": "hello"})
                if method == "put"
                else getattr(client, method)(url)
            )
            assert response.status_code == {"get": 404, "put": 200, "delete": 204}[method]
            for attempt in range(2):  # once from the database, once from the cache
                (answer,) = await client.batch(offer(f"{number}.{attempt}", accept=True))
                assert answer["decision"] == ("accepted" if found else "rejected")
        assert (await client.get(url)).json() == {"tenant_id": "acme", "text": "hello"}
        await client.delete(url)
        assert (await client.delete(url)).json()["code"] == "no_instructions"


async def test_a_tenant_created_again_has_no_old_instructions() -> None:
    async with running() as client:
        await client.tenant("acme")
        await client.batch(offer("c", accept=True))
        await client.delete("/api/v1/tenants/acme")
        await client.tenant("acme", instructions=None)
        assert (await client.batch(offer("d", accept=True)))[0]["reason"] == "instructions_missing"


async def test_tenants_survive_a_restart_and_the_total_limit_does_not(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'busyhour.db'}"
    async with running(database_url=url, max_concurrent_calls=10) as client:
        await client.tenant("acme", reserved_calls=2, max_concurrent_calls=3)
        await client.tenant("gone")
        await client.patch(
            "/api/v1/capacity",
            {"max_concurrent_calls": 5, "tenants": {"acme": {"fallback_allowed": True}}},
        )
        await client.delete("/api/v1/tenants/gone")
    async with running(database_url=url, max_concurrent_calls=10) as client:
        assert await limits_of(client) == {
            "total": 10,
            "acme": {
                "enabled": True,
                "max_concurrent_calls": 3,
                "reserved_calls": 2,
                "fallback_allowed": True,
            },
        }
        text = (await client.get("/api/v1/tenants/acme/instructions")).json()["text"]
        assert text == "answer politely"


async def test_on_the_virtual_clock_changes_carry_their_time() -> None:
    async with running(max_concurrent_calls=1, **VIRTUAL) as client:
        assert (await client.post("/api/v1/tenants", {"tenant_id": "acme"})).status_code == 422
        await client.tenant("acme", at_us=10)
        before = await client.capacity()
        assert before["at_us"] == 10
        url = "/api/v1/tenants/acme"
        for response, status in (
            (await client.patch("/api/v1/capacity", {"max_concurrent_calls": 9}), 422),
            (await client.patch("/api/v1/capacity", {"max_concurrent_calls": 9, "at_us": 9}), 409),
            (await client.patch(url, {"enabled": False, "at_us": 9}), 409),
            (await client.put(url + "/instructions", {"text": "x", "at_us": 9}), 409),
            (await client.delete(url + "/instructions", params={"at_us": 9}), 409),
            (await client.delete(url), 422),
            (await client.delete(url, params={"at_us": 9}), 409),
            # Refused for its content: the time that came with it does not pass either.
            (await client.patch(url, {"reserved_calls": 2, "at_us": 50}), 422),
        ):
            assert response.status_code == status
        assert await client.capacity() == before
        # New instructions are a change at their time, though they change no limit and no call.
        assert (
            await client.put(url + "/instructions", {"text": "x", "at_us": 11})
        ).status_code == 200
        assert (await client.capacity())["at_us"] == 11
        assert (await client.delete(url, params={"at_us": 12})).status_code == 204
        assert (await client.capacity())["at_us"] == 12
