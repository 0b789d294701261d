"""The fast lane: the hot endpoints answered in front of the framework.

The framework costs more than a call event itself. So the few endpoints that carry a call's events,
and the two that are polled, are recognised by their path here and handed straight to the handlers
that their documented routes use as well. Everything else goes on to the application.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.answers import Reply
from service.api.edge import (
    MAX_BODY_BYTES,
    RequestIds,
    declared_length,
    problem_messages,
    too_large,
    unexpected_problem,
)
from service.api.latency import Latency
from service.api.problems import told
from service.api.security import RequireToken
from service.logs import get_logger

CALLS_PATH: Final = "/api/v1/calls"

Handler = Callable[[str, bytes], Awaitable[Reply]]
"""From the call id in the path (empty without) and the body to the reply."""


@dataclass(frozen=True, slots=True)
class HotEndpoint:
    """One endpoint of the lane. ``route`` is the template that its latency is counted under."""

    method: str
    route: str
    token: RequireToken
    handler: Handler


class Lane:
    """An ASGI application in front of ``app``.

    ``exact`` are endpoints by method and path; ``of_a_call`` are the POST endpoints of one call,
    by the last part of their path.
    """

    def __init__(
        self,
        app: ASGIApp,
        exact: Mapping[tuple[str, str], HotEndpoint],
        of_a_call: Mapping[str, HotEndpoint],
        latency: Latency,
        request_ids: RequestIds,
    ) -> None:
        self._app = app
        self._exact = exact
        self._of_a_call = of_a_call
        self._latency = latency
        self._request_ids = request_ids
        self._log: Any = get_logger("service.http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            endpoint = self._exact.get((scope["method"], path))
            if endpoint is not None:
                await self._serve(endpoint, "", scope, receive, send)
                return
            if path.startswith(CALLS_PATH) and scope["method"] == "POST":
                parts = path[len(CALLS_PATH) :].split("/")
                if len(parts) == 3 and parts[1] and not parts[0]:
                    endpoint = self._of_a_call.get(parts[2])
                    if endpoint is not None:
                        await self._serve(endpoint, parts[1], scope, receive, send)
                        return
        await self._app(scope, receive, send)

    async def _serve(
        self, endpoint: HotEndpoint, call_id: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        started = perf_counter()
        headers = scope["headers"]
        given_id = token = None
        for name, value in headers:
            if name == endpoint.token.header and token is None:
                token = value
            elif name == b"x-request-id" and given_id is None:
                given_id = value
        request_id = (b"x-request-id", self._request_ids.given_or_new(given_id).encode())
        try:
            if declared_length(headers) > MAX_BODY_BYTES:
                raise too_large()
            endpoint.token.check(token)
            body = await _read(receive)
            if body is None:
                return
            reply = await endpoint.handler(call_id, body)
        except Exception as error:
            problem = told(error, scope["method"], scope["path"], self._log)
            if problem is None:
                self._log.exception("request_broke", method=scope["method"], path=scope["path"])
                problem = unexpected_problem()
            status = problem.status_code
            start, end = problem_messages(problem, scope["path"])
            start["headers"].append(request_id)
        else:
            status = reply.status
            start = {
                "type": "http.response.start",
                "status": status,
                "headers": [*reply.headers, request_id],
            }
            end = {"type": "http.response.body", "body": reply.body}
        await send(start)
        await send(end)
        self._latency.observe(endpoint.method, endpoint.route, status, perf_counter() - started)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when the client went away. Raises a 413 :class:`ProblemError`."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        chunks = [body]
        size = len(body)
        while message.get("more_body", False):
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > MAX_BODY_BYTES:
                raise too_large()
        body = b"".join(chunks)
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    return body
