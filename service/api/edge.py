"""The middleware around the routes: body limit, unexpected errors, latency; and request ids."""

import itertools
import secrets
from time import perf_counter
from typing import Any, Final

from asgi_correlation_id import correlation_id
from asgi_correlation_id.middleware import is_valid_uuid4
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.latency import Latency
from service.api.problems import PROBLEM_TYPE, ProblemError
from service.logs import get_logger

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""A request body's size at most."""

REQUEST_ID_HEADER: Final = "X-Request-ID"


class RequestIds:
    """Ids for requests that bring none: random for the process, then counted."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._count = itertools.count(1)

    def new(self) -> str:
        """32 hexadecimal digits."""
        return f"{self._prefix}{next(self._count):016x}"

    def given_or_new(self, given: bytes | None) -> str:
        """The id that the request brought, if it is one, else a new one; it is the logs' id too."""
        request_id = given.decode("latin-1") if given else ""
        if not request_id or not is_valid_uuid4(request_id):
            request_id = self.new()
        correlation_id.set(request_id)
        return request_id


def too_large() -> ProblemError:
    return ProblemError(413, f"a body may have {MAX_BODY_BYTES} bytes at most", code="too_large")


def declared_length(headers: list[tuple[bytes, bytes]]) -> int:
    """The body's length as its header tells; 0 when it does not."""
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def unexpected_problem() -> ProblemError:
    return ProblemError(
        500, "an unexpected error; the log has it under this request id", code="internal_error"
    )


def problem_messages(problem: ProblemError, instance: str) -> tuple[Message, Message]:
    """A problem as the two messages of an ASGI response."""
    body = problem.body(instance)
    headers = [
        (b"content-length", str(len(body)).encode()),
        (b"content-type", PROBLEM_TYPE.encode()),
    ]
    for name, value in (problem.headers or {}).items():
        headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    return (
        {"type": "http.response.start", "status": problem.status_code, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


class Edge:
    """Stands between the request id and the routes."""

    def __init__(self, app: ASGIApp, latency: Latency) -> None:
        self._app = app
        self._latency = latency
        self._log: Any = get_logger("service.http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 0
        received = 0

        async def limited_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise too_large()
            return message

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async def tell(problem: ProblemError) -> None:
            for message in problem_messages(problem, scope["path"]):
                await watched_send(message)

        try:
            if declared_length(scope["headers"]) > MAX_BODY_BYTES:
                await tell(too_large())
            else:
                await self._app(scope, limited_receive, watched_send)
        except ClientDisconnect:
            pass  # nobody is left to be answered
        except Exception:
            self._log.exception("request_broke", method=scope["method"], path=scope["path"])
            if status == 0:
                await tell(unexpected_problem())
            else:
                raise
        finally:
            # The route is in the scope once it was found.
            route = getattr(scope.get("route"), "path", "(none)")
            self._latency.observe(scope["method"], route, status, perf_counter() - started)
