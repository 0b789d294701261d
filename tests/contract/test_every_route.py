"""What holds for every route: the token, problem documents, and its place in the OpenAPI page."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import jsonschema
import pytest
from fastapi.routing import APIRoute, APIRouter
from starlette.routing import BaseRoute

from service.api.problems import Problem
from service.app import create_app
from tests.contract.service_under_test import ADMIN, CALLER, running, settings

WITHOUT_TOKEN = {"/healthz", "/readyz", "/metrics"}
EXPECTED = {
    "GET /api/v1/metrics/live",
    "GET /api/v1/metrics/live/{tenant_id}",
    "GET /api/v1/metrics/capacity/debug",
    "POST /api/v1/calls",
    "POST /api/v1/calls/events",
    "GET /api/v1/calls/{call_id}",
    "POST /api/v1/calls/{call_id}/accept",
    "POST /api/v1/calls/{call_id}/start",
    "POST /api/v1/calls/{call_id}/refer",
    "POST /api/v1/calls/{call_id}/end",
    "GET /api/v1/capacity",
    "PATCH /api/v1/capacity",
    "GET /api/v1/tenants",
    "POST /api/v1/tenants",
    "GET /api/v1/tenants/{tenant_id}",
    "PATCH /api/v1/tenants/{tenant_id}",
    "DELETE /api/v1/tenants/{tenant_id}",
    "GET /api/v1/tenants/{tenant_id}/instructions",
    "PUT /api/v1/tenants/{tenant_id}/instructions",
    "DELETE /api/v1/tenants/{tenant_id}/instructions",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
}


def document() -> dict[str, Any]:
    return create_app(settings()).fastapi.openapi()


def operations() -> list[tuple[str, str]]:
    return [(method.upper(), path) for path, item in document()["paths"].items() for method in item]


def test_the_openapi_document_has_every_route() -> None:
    assert {f"{method} {path}" for method, path in operations()} == EXPECTED


def test_the_openapi_document_names_the_token_of_every_route() -> None:
    openapi = document()
    schemes = openapi["components"]["securitySchemes"]
    assert {(name, scheme["name"], scheme["in"]) for name, scheme in schemes.items()} == {
        ("require_admin", "X-Admin-Token", "header"),
        ("require_call_token", "X-Call-Token", "header"),
    }
    for path, item in openapi["paths"].items():
        for operation in item.values():
            if path in WITHOUT_TOKEN:
                assert "security" not in operation
            else:
                of_calls = path.startswith("/api/v1/calls")
                name = "require_call_token" if of_calls else "require_admin"
                assert operation["security"] == [{name: []}]
                assert "401" in operation["responses"]


def test_the_openapi_document_refers_to_nothing_that_is_missing() -> None:
    openapi = document()
    names = set(re.findall(r"'#/components/schemas/([^']+)'", str(openapi)))
    assert names <= set(openapi["components"]["schemas"])
    assert {"OfferBody", "Batch", "EventAnswer", "LiveMetrics", "CapacityDebug"} <= names


def test_every_documented_error_is_a_problem_and_every_answer_has_a_schema() -> None:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                if int(status) >= 400:
                    assert set(content) == {"application/problem+json"}, (method, path, status)
                elif path == "/metrics":
                    assert set(content) == {"text/plain"}
                elif status != "204":
                    assert content["application/json"]["schema"], (method, path)


def test_the_schema_of_a_change_promises_no_defaults() -> None:
    schemas = document()["components"]["schemas"]
    for name in ("TenantPatch", "TenantChange", "CapacityPatch"):
        assert not any("default" in field for field in schemas[name]["properties"].values())
    assert schemas["TenantCreate"]["properties"]["enabled"]["default"] is True


async def test_the_documented_schemas_describe_what_is_sent_and_answered() -> None:
    openapi = document()

    def schema(path: str, method: str, part: str) -> dict[str, Any]:
        operation = openapi["paths"][path][method]
        content = (operation["requestBody"] if part == "request" else operation["responses"][part])[
            "content"
        ]
        found: dict[str, Any] = content["application/json"]["schema"]
        return {**found, "components": openapi["components"]}

    events = [
        {"event": "offer", "call_id": "c", "tenant_id": "acme", "accept": True},
        {"event": "start", "call_id": "c"},
        {"event": "tick", "at_us": 3},
        {"event": "start", "call_id": "nobody"},
    ]
    path = "/api/v1/calls/events"
    jsonschema.validate({"events": events}, schema(path, "post", "request"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"events": [{"event": "ring"}]}, schema(path, "post", "request"))
    async with running() as client:
        await client.tenant("acme")
        answers = await client.post(path, {"events": events})
        jsonschema.validate(answers.json(), schema(path, "post", "200"))
        for template in (path for method, path in operations() if method == "GET"):
            if template != "/metrics":
                path = template.format(tenant_id="acme", call_id="c")
                told, described = (await client.get(path)).json(), schema(template, "get", "200")
                jsonschema.validate(told, described)
                name = described["$ref"].rpartition("/")[2]
                fields = openapi["components"]["schemas"][name]["properties"]
                assert list(told) == list(fields), template
        row = (await client.capacity())["tenants"]["acme"]
        assert set(row) == set(openapi["components"]["schemas"]["TenantRow"]["properties"])


def test_no_route_stands_outside_the_document() -> None:
    def within(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
        for route in routes:
            included = getattr(route, "original_router", None)
            if isinstance(included, APIRouter):
                yield from within(included.routes)
            elif isinstance(route, APIRoute):
                yield route

    routes = {
        f"{method} {route.path}"
        for route in within(create_app(settings()).fastapi.routes)
        for method in route.methods or ()
    }
    assert routes == EXPECTED


@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.parametrize("headers", [{}, {"X-Admin-Token": "x", "X-Call-Token": "x"}])
async def test_without_its_token_every_route_answers_401(
    lane: bool, headers: dict[str, str]
) -> None:
    async with running(lane=lane) as client:
        await client.tenant("acme")
        before = await client.capacity()
        for method, path in operations():
            url = path.format(tenant_id="acme", call_id="c")
            response = await client.http.request(method, url, headers=headers)
            if path in WITHOUT_TOKEN:
                assert response.status_code == 200
            else:
                assert response.status_code == 401, (method, path)
                assert response.headers["content-type"] == "application/problem+json"
                assert response.headers["www-authenticate"]
                assert Problem.model_validate(response.json()).instance == url
        assert await client.capacity() | {"at_us": 0} == before | {"at_us": 0}


@pytest.mark.parametrize("lane", [True, False])
async def test_the_token_is_asked_for_before_anything_else(lane: bool) -> None:
    """Who has no token learns nothing of what is wrong with the rest of the request."""
    async with running(lane=lane) as client:
        for method, path in operations():
            if path not in WITHOUT_TOKEN:
                response = await client.http.request(
                    method,
                    path.format(tenant_id="a", call_id="c") + "?at_us=soon",
                    content=b"{",
                    headers={"Content-Type": "application/json"},
                )
                assert response.status_code == 401, (method, path)


async def test_scraping_may_have_a_token_of_its_own() -> None:
    async with running(metrics_token="scrape-secret") as client:
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer admin-secret"}, 401),
            ({"Authorization": "Basic scrape-secret"}, 401),
            ({"Authorization": "scrape-secret"}, 401),
            ({"Authorization": "Bearer "}, 401),
            (ADMIN, 401),
            ({"Authorization": "Bearer scrape-secret"}, 200),
            ({"Authorization": "bearer scrape-secret"}, 200),
        ):
            response = await client.http.get("/metrics", headers=headers)
            assert response.status_code == status, headers
            if status == 401:
                assert Problem.model_validate(response.json()).instance == "/metrics"
                assert response.headers["www-authenticate"] == "Bearer"
        operation = client.app.fastapi.openapi()["paths"]["/metrics"]["get"]
        assert operation["security"] == [{"require_metrics_token": []}]
        scraper = {"X-Admin-Token": "scrape-secret"}
        assert (await client.http.get("/api/v1/metrics/live", headers=scraper)).status_code == 401


async def test_one_token_does_not_open_the_other_half() -> None:
    async with running() as client:
        for method, path in operations():
            if path not in WITHOUT_TOKEN:
                other = ADMIN if path.startswith("/api/v1/calls") else CALLER
                url = path.format(tenant_id="acme", call_id="c")
                response = await client.http.request(method, url, headers=other)
                assert response.status_code == 401, (method, path)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/metrics", 404),
        ("GET", "/api/v1/metrics/live/", 404),
        ("POST", "/api/v1/calls/", 404),
        ("POST", "/api/v1/metrics/live", 405),
        ("DELETE", "/api/v1/calls", 405),
        ("GET", "/api/v1/calls/c/accept", 405),
        ("BREW", "/api/v1/capacity", 405),
        ("DELETE", "/api/v1/tenants/acme?at_us=soon", 422),
        ("DELETE", "/api/v1/tenants/acme?at_us=-1", 422),
        ("POST", "/api/v1/tenants", 422),
        ("PATCH", "/api/v1/capacity", 422),
    ],
)
async def test_errors_of_the_framework_are_problems_too(
    method: str, path: str, status: int
) -> None:
    async with running() as client:
        response = await client.http.request(method, path, headers={**ADMIN, **CALLER})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(response.json())
    assert (problem.status, problem.type) == (status, "about:blank")
    assert problem.instance == path.partition("?")[0]
    assert bool(problem.errors) == (status == 422)


@pytest.mark.parametrize(
    "body", [b"{", b'{"tenants":"\xff"}', b"[" * 100_000, b'{"at_us":' + b"9" * 5000 + b"}"]
)
async def test_a_body_that_is_no_json_is_a_422_of_its_own(body: bytes) -> None:
    async with running() as client:
        response = await client.http.patch(
            "/api/v1/capacity",
            content=body,
            headers={**ADMIN, "Content-Type": "application/json"},
        )
    assert response.status_code == 422
    (fault,) = Problem.model_validate(response.json()).errors or []
    assert fault.loc[0] == "body"
