"""A service for one test: in memory, with its lifespan entered, and clients with the tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from service.app import Service, create_app
from service.clock import Clock
from service.settings import Settings
from service.state.base import CallState

ADMIN = {"X-Admin-Token": "admin-secret"}
CALLER = {"X-Call-Token": "call-secret"}


def settings(**overrides: Any) -> Settings:
    """Settings that take nothing from a ``.env`` file."""
    values = {"admin_token": "admin-secret", "call_token": "call-secret", **overrides}
    return Settings(_env_file=None, **values)


@dataclass
class Client:
    """HTTP calls to the service, with the tokens."""

    http: httpx.AsyncClient
    app: Service

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.http.get(path, headers={**ADMIN, **CALLER}, **more)

    async def post(self, path: str, document: object = None, **more: Any) -> httpx.Response:
        return await self.http.post(path, json=document, headers={**ADMIN, **CALLER}, **more)

    async def patch(self, path: str, document: object) -> httpx.Response:
        return await self.http.patch(path, json=document, headers=ADMIN)

    async def put(self, path: str, document: object) -> httpx.Response:
        return await self.http.put(path, json=document, headers=ADMIN)

    async def delete(self, path: str, **more: Any) -> httpx.Response:
        return await self.http.delete(path, headers=ADMIN, **more)

    async def tenant(self, tenant_id: str, **fields: Any) -> None:
        """Configure a tenant, with instructions unless ``instructions=None`` is given."""
        document = {"tenant_id": tenant_id, "instructions": "answer politely", **fields}
        if document["instructions"] is None:
            del document["instructions"]
        response = await self.post("/api/v1/tenants", document)
        assert response.status_code == 201, response.text

    async def batch(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        response = await self.post("/api/v1/calls/events", {"events": list(events)})
        assert response.status_code == 200, response.text
        answers: list[dict[str, Any]] = response.json()["answers"]
        assert len(answers) == len(events)
        return answers

    async def live(self) -> dict[str, Any]:
        document: dict[str, Any] = (await self.get("/api/v1/metrics/live")).json()
        return document

    async def capacity(self) -> dict[str, Any]:
        response = await self.get("/api/v1/capacity")
        assert response.status_code == 200
        document: dict[str, Any] = response.json()
        return document


@asynccontextmanager
async def running(
    *,
    lane: bool = True,
    state: CallState | None = None,
    own_clock: Clock | None = None,
    **overrides: Any,
) -> AsyncIterator[Client]:
    """A running service. ``lane=False`` talks to the framework's routes directly.

    ``overrides`` are settings; ``own_clock`` is used in place of the clock they name.
    """
    app = create_app(settings(**overrides), state=state, clock=own_clock)
    transport = httpx.ASGITransport(app=app if lane else app.fastapi)
    async with (
        app.running(),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as http,
    ):
        yield Client(http, app)


VIRTUAL: dict[str, Any] = {"testbed": True, "clock": "virtual"}
"""Settings of a service in which every request brings its time."""


def offer(call_id: str, tenant_id: str = "acme", **more: Any) -> dict[str, Any]:
    return {"event": "offer", "call_id": call_id, "tenant_id": tenant_id, **more}


def event(name: str, call_id: str, **more: Any) -> dict[str, Any]:
    return {"event": name, "call_id": call_id, **more}
