"""The composition root: settings in, the service as an ASGI application out."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send

from service.api.admin_routes import capacity_routes, instructions_routes, tenant_routes
from service.api.call_routes import call_routes
from service.api.edge import REQUEST_ID_HEADER, Edge, RequestIds
from service.api.handlers import CallHandlers
from service.api.lane import CALLS_PATH, HotEndpoint, Lane
from service.api.latency import Latency
from service.api.metrics_routes import (
    METRICS_PATH,
    metrics_routes,
    probe_routes,
    scrape_routes,
)
from service.api.openapi import DESCRIPTION, complete_openapi
from service.api.problems import HANDLED, problem_responder
from service.api.prometheus import SnapshotCollector
from service.api.readings import Readings
from service.api.security import RequireBearer, RequireToken, require_admin, require_calls
from service.clock import Clock, SystemClock, VirtualClock
from service.database import Database
from service.instructions import InstructionsCache, SqlInstructions
from service.logs import get_logger
from service.settings import Settings, microseconds
from service.state.base import CallState, Deadlines
from service.state.memory import MemoryCore, MemoryState
from service.tenants import TenantDirectory

_INSTANCE_BYTES: Final = 8


class Service:
    """The running parts behind one ASGI application.

    ``fastapi`` is the application without the fast lane in front of it; both answer alike.
    """

    def __init__(self, settings: Settings, state: CallState, clock: Clock) -> None:
        self._settings = settings
        self._database = Database(settings.database_url)
        cache = InstructionsCache(
            SqlInstructions(self._database), float(settings.instructions_cache_s)
        )
        self._directory = TenantDirectory(state, clock, self._database, cache)
        registry = CollectorRegistry()
        latency = Latency(registry)
        request_ids = RequestIds()
        parts = _Parts(
            calls=CallHandlers(state, clock, cache, testbed=settings.testbed),
            readings=Readings(
                state, clock, testbed=settings.testbed, instance=secrets.token_hex(_INSTANCE_BYTES)
            ),
            admin=require_admin(settings.admin_token.get_secret_value()),
            caller=require_calls(settings.call_token.get_secret_value()),
        )
        scraper = (
            None
            if settings.metrics_token is None
            else RequireBearer(settings.metrics_token.get_secret_value())
        )
        self.fastapi = FastAPI(
            title="busyhour",
            description=DESCRIPTION,
            lifespan=lambda _app: self.running(),
            redirect_slashes=False,
        )
        for error in HANDLED:
            self.fastapi.add_exception_handler(error, problem_responder(get_logger("service.http")))
        # The one added last is the outermost: every answer of the edge has a request id.
        self.fastapi.add_middleware(Edge, latency=latency)
        self.fastapi.add_middleware(
            CorrelationIdMiddleware, header_name=REQUEST_ID_HEADER, generator=request_ids.new
        )
        for router in (
            call_routes(parts.calls, parts.readings, parts.caller),
            metrics_routes(parts.readings, parts.admin),
            capacity_routes(self._directory, parts.readings, parts.admin),
            instructions_routes(self._directory, parts.admin),
            tenant_routes(self._directory, parts.admin),
            probe_routes(self._database),
            scrape_routes(parts.readings, SnapshotCollector(registry), scraper),
        ):
            self.fastapi.include_router(router)
        self.fastapi.openapi = complete_openapi(self.fastapi)  # type: ignore[method-assign]
        self._lane = Lane(
            self.fastapi, _exact_endpoints(parts), _call_endpoints(parts), latency, request_ids
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._lane(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Schema brought up to date and tenants in force; closes the database at the end.

        Raises :class:`sqlalchemy.exc.SQLAlchemyError` when the database cannot be used, and
        :class:`service.state.base.LimitsInvalid` when the stored tenants reserve more than there
        is.
        """
        log = get_logger("service")
        if self._settings.testbed:
            log.warning(
                "TESTBED MODE: callers may plan lookups"
                + (" and set the time" if self._settings.clock == "virtual" else "")
                + "; never in production",
                clock=self._settings.clock,
            )
        try:
            await self._database.migrate()
            await self._directory.load()
            log.info(
                "started",
                max_concurrent_calls=self._settings.max_concurrent_calls,
                metrics_open=self._settings.metrics_token is None,
            )
            yield
        finally:
            await self._database.close()
            log.info("stopped")


@dataclass(frozen=True, slots=True)
class _Parts:
    calls: CallHandlers
    readings: Readings
    admin: RequireToken
    caller: RequireToken


def _exact_endpoints(parts: _Parts) -> Mapping[tuple[str, str], HotEndpoint]:
    endpoints = (
        HotEndpoint("POST", CALLS_PATH, parts.caller, parts.calls.offer),
        HotEndpoint("POST", CALLS_PATH + "/events", parts.caller, parts.calls.batch),
        HotEndpoint("GET", METRICS_PATH + "/live", parts.admin, parts.readings.live),
        HotEndpoint(
            "GET", METRICS_PATH + "/capacity/debug", parts.admin, parts.readings.capacity_debug
        ),
    )
    return {(endpoint.method, endpoint.route): endpoint for endpoint in endpoints}


def _call_endpoints(parts: _Parts) -> Mapping[str, HotEndpoint]:
    handlers = {
        "accept": parts.calls.accept,
        "start": parts.calls.start,
        "refer": parts.calls.refer,
        "end": parts.calls.end,
    }
    return {
        event: HotEndpoint("POST", f"{CALLS_PATH}/{{call_id}}/{event}", parts.caller, handler)
        for event, handler in handlers.items()
    }


def create_app(
    settings: Settings, *, state: CallState | None = None, clock: Clock | None = None
) -> Service:
    """Build the service. ``state`` and ``clock`` default to what the settings say.

    The application does nothing before its lifespan has run, or :meth:`Service.running` is entered.
    """
    if clock is None:
        clock = VirtualClock() if settings.clock == "virtual" else SystemClock()
    if state is None:
        state = MemoryState(
            MemoryCore(
                settings.max_concurrent_calls,
                deadlines=Deadlines(
                    pending_us=_optional_us(settings.pending_deadline_s),
                    accepted_us=_optional_us(settings.accepted_deadline_s),
                    active_us=_optional_us(settings.active_deadline_s),
                ),
                call_id_retention_us=microseconds(settings.call_id_retention_s),
                max_remembered_calls=settings.max_remembered_calls,
            )
        )
    return Service(settings, state, clock)


def _optional_us(seconds: Decimal | None) -> int | None:
    return None if seconds is None else microseconds(seconds)
