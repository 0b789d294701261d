"""The call events as documented routes."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from service.api.answers import JSON_TYPE, Reply
from service.api.events import AcceptBody, Batch, EndBody, MomentBody, OfferBody
from service.api.handlers import CallHandlers
from service.api.lane import CALLS_PATH, Handler
from service.api.models import BatchAnswer, EventAnswer
from service.api.problems import documented
from service.api.readings import Readings
from service.api.security import RequireToken, guarded_router

SCHEMA_PLACE = "#/components/schemas/{name}"


def response_of(reply: Reply) -> Response:
    return Response(reply.body, reply.status, media_type=reply.content_type)


def call_routes(handlers: CallHandlers, readings: Readings, token: RequireToken) -> APIRouter:
    """The routes of :class:`CallHandlers`; in front of them the lane answers the POST ones."""
    router = guarded_router(CALLS_PATH, "calls", token)

    def event(path: str, handler: Handler, body: type, summary: str, *, needs_body: bool) -> None:
        router.add_api_route(
            path,
            _endpoint_of_call(handler) if "{" in path else _endpoint(handler),
            methods=["POST"],
            name=handler.__name__,
            summary=summary,
            response_model=None,
            responses={
                200: {"model": BatchAnswer if body is Batch else EventAnswer},
                **documented(401, 404, 409, 413, 422, 500, 503),
            },
            openapi_extra=_request_body(body, required=needs_body),
        )

    event("", handlers.offer, OfferBody, "Offer a call", needs_body=True)
    event("/events", handlers.batch, Batch, "Many events, in order", needs_body=True)
    event("/{call_id}/accept", handlers.accept, AcceptBody, "Accept a call", needs_body=False)
    event("/{call_id}/start", handlers.start, MomentBody, "Start a call", needs_body=False)
    event("/{call_id}/refer", handlers.refer, MomentBody, "Refer a call", needs_body=False)
    event("/{call_id}/end", handlers.end, EndBody, "End a call, or hang up", needs_body=False)

    @router.get(
        "/{call_id}",
        summary="One call",
        response_model=None,
        responses={
            200: {"content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/CallView"}}}},
            **documented(401, 404, 500),
        },
    )
    async def call(call_id: str) -> Response:
        view = await readings.call(call_id)
        return Response(msgspec.json.encode(view), media_type=JSON_TYPE)

    return router


def _endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return response_of(await handler("", await request.body()))

    return endpoint


def _endpoint_of_call(handler: Handler) -> Callable[[str, Request], Awaitable[Response]]:
    async def endpoint(call_id: str, request: Request) -> Response:
        return response_of(await handler(call_id, await request.body()))

    return endpoint


def _request_body(body: type, *, required: bool) -> dict[str, Any]:
    schema = {"$ref": SCHEMA_PLACE.format(name=body.__name__)}
    return {"requestBody": {"required": required, "content": {JSON_TYPE: {"schema": schema}}}}
