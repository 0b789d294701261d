"""The published metrics endpoints, and what operation asks for."""

import msgspec
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from service.api.answers import JSON_TYPE
from service.api.call_routes import response_of
from service.api.models import CapacityDebug, Health, live_metrics_model
from service.api.problems import documented
from service.api.prometheus import SnapshotCollector
from service.api.readings import Readings
from service.api.security import RequireBearer, RequireToken, guarded_router
from service.database import Database

METRICS_PATH = "/api/v1/metrics"


def metrics_routes(readings: Readings, token: RequireToken) -> APIRouter:
    """The three published endpoints; the lane answers the two without a parameter first."""
    router = guarded_router(METRICS_PATH, "metrics", token)
    live_metrics = live_metrics_model()

    @router.get(
        "/live",
        summary="Counters over all tenants",
        response_model=None,
        responses={200: {"model": live_metrics}, **documented(401, 500)},
    )
    async def live() -> Response:
        return response_of(await readings.live("", b""))

    @router.get(
        "/live/{tenant_id}",
        summary="Counters of one tenant",
        response_model=None,
        responses={200: {"model": live_metrics}, **documented(401, 404, 500)},
    )
    async def live_for(tenant_id: str) -> Response:
        return Response(await readings.live_for(tenant_id), media_type=JSON_TYPE)

    @router.get(
        "/capacity/debug",
        summary="The calls that hold a slot",
        response_model=None,
        responses={200: {"model": CapacityDebug}, **documented(401, 500)},
    )
    async def capacity_debug() -> Response:
        return response_of(await readings.capacity_debug("", b""))

    return router


def probe_routes(database: Database) -> APIRouter:
    """Health and readiness. They tell nothing, so they want no token."""
    router = APIRouter(tags=["operation"])

    @router.get(
        "/healthz",
        summary="The process answers",
        response_model=None,
        responses={200: {"model": Health}},
    )
    async def healthz() -> Response:
        return Response(msgspec.json.encode({"status": "ok"}), media_type=JSON_TYPE)

    @router.get(
        "/readyz",
        summary="The process and its database answer",
        response_model=None,
        responses={200: {"model": Health}, **documented(503)},
    )
    async def readyz() -> Response:
        await database.check()
        return Response(msgspec.json.encode({"status": "ready"}), media_type=JSON_TYPE)

    return router


def scrape_routes(
    readings: Readings, collector: SnapshotCollector, guard: RequireBearer | None
) -> APIRouter:
    """``/metrics``: every tenant's id, limits and counters, never a call's. Without a ``guard``
    whoever reaches the port can read it."""
    router = (
        APIRouter(tags=["operation"]) if guard is None else guarded_router("", "operation", guard)
    )

    @router.get(
        "/metrics",
        summary="Prometheus text",
        response_model=None,
        response_class=PlainTextResponse,
        responses=documented(500) if guard is None else documented(401, 500),
    )
    async def metrics() -> Response:
        body = collector.exposition(await readings.snapshot())
        return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
