"""Requests that overlap: changes stand in line, and a slow lookup never turns time back."""

import asyncio
import json
from pathlib import Path

import pytest

from service.api.handlers import CallHandlers
from service.clock import VirtualClock
from service.instructions import InstructionsCache
from service.state.base import TenantPolicy
from service.state.memory import MemoryCore, MemoryState
from tests.contract.service_under_test import offer, running


@pytest.mark.parametrize("in_memory", [True, False])
async def test_changes_that_fit_alone_are_not_let_in_together(
    tmp_path: Path, in_memory: bool
) -> None:
    file = "" if in_memory else f"/{tmp_path / 'busyhour.db'}"
    url = f"sqlite+aiosqlite://{file}"
    async with running(database_url=url, max_concurrent_calls=10) as client:
        ids = [f"t{number}" for number in range(5)]
        responses = await asyncio.gather(
            *(
                client.post("/api/v1/tenants", {"tenant_id": tenant_id, "reserved_calls": 4})
                for tenant_id in ids
            )
        )
        statuses = [response.status_code for response in responses]
        assert sorted(statuses) == [201, 201, 422, 422, 422]
        stored = (await client.get("/api/v1/tenants")).json()["tenants"]
        made = [tenant_id for tenant_id, s in zip(ids, statuses, strict=True) if s == 201]
        assert sorted(tenant["tenant_id"] for tenant in stored) == sorted(made)


async def test_lookups_and_changes_share_the_one_connection_of_a_database_in_memory() -> None:
    async with running(instructions_cache_s=0, max_concurrent_calls=1000) as client:
        for number in range(4):
            await client.tenant(f"t{number}")
        changes = (
            client.put(f"/api/v1/tenants/t{number % 4}/instructions", {"text": f"text {number}"})
            for number in range(20)
        )
        accepts = (
            client.batch(offer(f"c{number}", f"t{number % 4}", accept=True)) for number in range(40)
        )
        changed, answered = await asyncio.gather(asyncio.gather(*changes), asyncio.gather(*accepts))
        assert {response.status_code for response in changed} == {200}
        assert {answer["decision"] for (answer,) in answered} == {"accepted"}
        assert (await client.live())["instructions_db_errors"] == 0


class SlowSource:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def fetch(self, tenant_id: str) -> str | None:
        self.asked.set()
        await self.gate.wait()
        return "text"


async def test_time_that_passed_during_a_lookup_is_not_turned_back() -> None:
    source, clock = SlowSource(), VirtualClock()
    state = MemoryState(MemoryCore(9, tenants={"acme": TenantPolicy()}))
    handlers = CallHandlers(state, clock, InstructionsCache(source, 60), testbed=True)

    def body(**fields: object) -> bytes:
        return json.dumps(fields).encode()

    one = asyncio.create_task(
        handlers.offer("", body(call_id="one", tenant_id="acme", accept=True, at_us=5))
    )
    await source.asked.wait()
    await handlers.offer("", body(call_id="two", tenant_id="acme", at_us=8))
    source.gate.set()
    assert json.loads((await one).body)["decision"] == "accepted"
    view = await state.call("one")
    assert view is not None
    assert (view.offered_us, view.accepted_us, clock.now_us()) == (5, 8, 8)
