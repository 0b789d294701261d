"""The published metrics endpoints, and what operation asks for."""

import msgspec
from fastapi import APIRouter, Response, Security
from prometheus_client import CONTENT_TYPE_LATEST

from service.api.answers import JSON_TYPE
from service.api.call_routes import response_of
from service.api.models import CapacityDebug, live_metrics_model
from service.api.problems import documented
from service.api.prometheus import SnapshotCollector
from service.api.readings import Readings
from service.api.security import RequireToken
from service.database import Database

METRICS_PATH = "/api/v1/metrics"


def metrics_routes(readings: Readings, token: RequireToken) -> APIRouter:
    """The three published endpoints; the lane answers the two without a parameter first."""
    router = APIRouter(prefix=METRICS_PATH, tags=["metrics"], dependencies=[Security(token)])
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


def operation_routes(
    readings: Readings, collector: SnapshotCollector, database: Database
) -> APIRouter:
    """Health, readiness and Prometheus. None of them wants a token, so that probes and scrapers
    need none; ``/metrics`` names tenants and counts, never calls. Keep it inside."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="The process answers", response_model=None)
    async def healthz() -> Response:
        return Response(msgspec.json.encode({"status": "ok"}), media_type=JSON_TYPE)

    @router.get(
        "/readyz",
        summary="The process and its database answer",
        response_model=None,
        responses=documented(503),
    )
    async def readyz() -> Response:
        await database.check()
        return Response(msgspec.json.encode({"status": "ready"}), media_type=JSON_TYPE)

    @router.get("/metrics", summary="Prometheus text", response_model=None)
    async def metrics() -> Response:
        body = collector.exposition(await readings.snapshot())
        return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
