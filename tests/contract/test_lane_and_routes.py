"""The fast lane and the documented routes behind it answer alike, to the last header."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from service.api.edge import MAX_BODY_BYTES
from service.state.base import Answer
from service.state.memory import MemoryCore, MemoryState
from tests.contract.service_under_test import ADMIN, CALLER, VIRTUAL, running

REQUEST_ID = {"X-Request-ID": "0123456789abcdef0123456789abcdef"}


@dataclass
class Case:
    """One request, after these events have been applied."""

    name: str
    path: str
    body: bytes | None = None
    status: int = 200
    before: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=lambda: dict(CALLER))
    method: str = "POST"
    virtual: bool = False


OFFERED = [{"event": "offer", "call_id": "c", "tenant_id": "acme"}]
ACCEPTED = [*OFFERED, {"event": "accept", "call_id": "c"}]
STARTED = [*ACCEPTED, {"event": "start", "call_id": "c"}]
AT_FIVE = [{"event": "tick", "at_us": 5}]
OFFER = b'{"call_id":"c","tenant_id":"acme"}'

CASES = [
    Case("offer", "/api/v1/calls", OFFER),
    Case("offer again", "/api/v1/calls", OFFER, before=STARTED),
    Case("offer and accept", "/api/v1/calls", OFFER[:-1] + b',"accept":true}'),
    Case("offer of an unknown tenant", "/api/v1/calls", b'{"call_id":"c","tenant_id":"?"}'),
    Case(
        "offer of another tenant",
        "/api/v1/calls",
        b'{"call_id":"c","tenant_id":"globex"}',
        status=409,
        before=OFFERED,
    ),
    Case(
        "offer without room",
        "/api/v1/calls",
        b'{"call_id":"d","tenant_id":"acme"}',
        before=OFFERED,
    ),
    Case("accept", "/api/v1/calls/c/accept", b"{}", before=OFFERED),
    Case("accept without a body", "/api/v1/calls/c/accept", before=OFFERED),
    Case("start", "/api/v1/calls/c/start", b"{}", before=ACCEPTED),
    Case("start too early", "/api/v1/calls/c/start", status=409, before=OFFERED),
    Case("refer", "/api/v1/calls/c/refer", before=STARTED),
    Case("end", "/api/v1/calls/c/end", before=STARTED),
    Case("end as failed", "/api/v1/calls/c/end", b'{"outcome":"failed"}', before=STARTED),
    Case("hang up", "/api/v1/calls/c/end", b'{"outcome":"hung_up"}', before=OFFERED),
    Case("unknown call", "/api/v1/calls/nobody/end", status=404),
    Case("an id in percent encoding", "/api/v1/calls/%63/accept", before=OFFERED),
    Case("an id with a slash", "/api/v1/calls/c%2Fd/accept", status=404),
    Case("an unknown event", "/api/v1/calls/c/answer", status=404),
    Case("an empty id", "/api/v1/calls//accept", status=404),
    Case("batch", "/api/v1/calls/events", b'{"events":[{"event":"start","call_id":"c"}]}'),
    Case("empty batch", "/api/v1/calls/events", b'{"events":[]}'),
    Case("malformed batch", "/api/v1/calls/events", b'{"events":[{"event":"?"}]}', status=422),
    Case("no JSON", "/api/v1/calls", b"{", status=422),
    Case("no UTF-8", "/api/v1/calls", b'{"call_id":"\xff"}', status=422),
    Case("no body where one is needed", "/api/v1/calls", status=422),
    Case("an unknown field", "/api/v1/calls/c/end", b'{"result":1}', status=422),
    Case("a time of its own", "/api/v1/calls/c/end", b'{"at_us":1}', status=422),
    Case("a planned lookup", "/api/v1/calls/c/accept", b'{"lookup":"error"}', status=422),
    Case("no token", "/api/v1/calls", OFFER, status=401, headers={}),
    Case("a wrong token", "/api/v1/calls", OFFER, 401, headers={"X-Call-Token": "admin-secret"}),
    Case("the other token", "/api/v1/calls", OFFER, status=401, headers=dict(ADMIN)),
    Case("a malformed body without a token", "/api/v1/calls", b"{", status=401, headers={}),
    Case("too large", "/api/v1/calls", b" " * (MAX_BODY_BYTES + 1), status=413),
    Case("wrong method", "/api/v1/calls/c/accept", status=405, method="PUT"),
    Case("live", "/api/v1/metrics/live", method="GET", headers=dict(ADMIN), before=STARTED),
    Case("live without token", "/api/v1/metrics/live", method="GET", headers={}, status=401),
    Case("debug", "/api/v1/metrics/capacity/debug", None, 200, STARTED, dict(ADMIN), "GET"),
    Case(
        "debug with the other token",
        "/api/v1/metrics/capacity/debug",
        method="GET",
        status=401,
    ),
    Case("virtual offer", "/api/v1/calls", OFFER[:-1] + b',"at_us":7}', virtual=True),
    Case("virtual offer without a time", "/api/v1/calls", OFFER, status=422, virtual=True),
    Case("virtual start without a body", "/api/v1/calls/c/start", status=422, virtual=True),
    Case(
        "virtual offer in the past",
        "/api/v1/calls",
        OFFER[:-1] + b',"at_us":4}',
        status=409,
        before=AT_FIVE,
        virtual=True,
    ),
    Case(
        "virtual accept in the past",
        "/api/v1/calls/c/accept",
        b'{"at_us":4}',
        status=409,
        before=AT_FIVE,
        virtual=True,
    ),
]


async def ask(case: Case, *, lane: bool) -> httpx.Response:
    overrides: dict[str, Any] = VIRTUAL if case.virtual else {}
    async with running(lane=lane, max_concurrent_calls=1, **overrides) as client:
        at_us = {"at_us": 0} if case.virtual else {}
        for tenant_id in ("acme", "globex"):
            await client.tenant(tenant_id, **at_us)
        if case.before:
            await client.batch(*case.before)
        return await client.http.request(
            case.method, case.path, content=case.body, headers={**case.headers, **REQUEST_ID}
        )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_both_answer_alike(case: Case) -> None:
    by_lane = await ask(case, lane=True)
    by_route = await ask(case, lane=False)
    assert by_lane.status_code == by_route.status_code == case.status, by_lane.text
    assert by_lane.content == by_route.content
    assert sorted(by_lane.headers.raw) == sorted(by_route.headers.raw)
    assert by_lane.headers["x-request-id"] == REQUEST_ID["X-Request-ID"]
    kind = "application/json" if case.status == 200 else "application/problem+json"
    assert by_lane.headers["content-type"] == kind


class Broken(MemoryState):
    async def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer:
        raise RuntimeError("a mistake")


@pytest.mark.parametrize("lane", [True, False])
async def test_a_mistake_in_the_service_is_a_problem(lane: bool) -> None:
    async with running(lane=lane, state=Broken(MemoryCore(1))) as client:
        response = await client.post("/api/v1/calls", {"call_id": "c", "tenant_id": "t"})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "internal_error"
    assert "mistake" not in response.text
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("lane", [True, False])
async def test_a_full_memory_sheds_offers(lane: bool) -> None:
    state = MemoryState(MemoryCore(9, max_remembered_calls=1))
    async with running(lane=lane, state=state) as client:
        for call_id, status in (("a", 200), ("b", 503), ("a", 200)):
            response = await client.post("/api/v1/calls", {"call_id": call_id, "tenant_id": "t"})
            assert response.status_code == status
        assert (await client.batch({"event": "offer", "call_id": "b", "tenant_id": "t"})) == [
            {"status": 503, "code": "call_memory_full"}
        ]
        assert (await client.live())["rejected_calls_tenant_not_configured"] == 1


@pytest.mark.parametrize("lane", [True, False])
async def test_a_body_that_hides_its_length_is_bounded_too(lane: bool) -> None:
    async def chunks() -> Any:
        for _ in range(MAX_BODY_BYTES // 65536 + 1):
            yield b" " * 65536

    async with running(lane=lane) as client:
        response = await client.http.post("/api/v1/calls", content=chunks(), headers=CALLER)
    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.parametrize("token", [b"caf\xc3\xa9", b"\xff\xfe", b""])
async def test_a_token_of_any_bytes_is_just_wrong(lane: bool, token: bytes) -> None:
    async with running(lane=lane) as client:
        for path, header in (
            ("/api/v1/calls/c/end", b"X-Call-Token"),
            ("/api/v1/metrics/capacity/debug", b"X-Admin-Token"),
        ):
            method = "POST" if b"Call" in header else "GET"
            response = await client.http.request(method, path, headers=[(header, token)])
            assert response.status_code == 401


async def test_a_token_may_hold_any_character() -> None:
    async with running(call_token="clé", **VIRTUAL) as client:
        response = await client.http.post(
            "/api/v1/calls/c/end",
            json={"at_us": 0},
            headers=[(b"X-Call-Token", "clé".encode())],
        )
        assert response.status_code == 404


@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.parametrize("given", [None, "not an id", "x" * 500])
async def test_a_request_without_a_usable_id_gets_one(lane: bool, given: str | None) -> None:
    async with running(lane=lane) as client:
        seen = set()
        for _ in range(3):
            headers = {**CALLER, **({} if given is None else {"X-Request-ID": given})}
            response = await client.http.post("/api/v1/calls/c/end", headers=headers)
            seen.add(response.headers["x-request-id"])
    assert len(seen) == 3
    assert all(len(request_id) == 32 for request_id in seen)
