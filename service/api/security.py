"""Who may ask: a token for call events, one for administration and metrics, one for scraping."""

import hmac
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from fastapi import APIRouter, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.requests import HTTPConnection

from service.api.problems import ProblemError


class RequireToken(APIKeyHeader):
    """A security dependency: lets a request pass that carries the token in its header.

    The comparison takes the same time whatever was sent. Tokens are compared as bytes, the
    expected one in UTF-8, so that no header can break it.
    """

    def __init__(self, header: str, token: str, scheme_name: str, description: str) -> None:
        super().__init__(name=header, scheme_name=scheme_name, description=description)
        self.header = header.lower().encode()
        self._token = token.encode()

    def check(self, given: bytes | None) -> None:
        """Raise a 401 :class:`ProblemError` unless this is the token."""
        if given is None or not hmac.compare_digest(given, self._token):
            raise _refused(self.model.name, "APIKey")

    async def __call__(self, request: HTTPConnection) -> None:
        given = request.headers.get(self.model.name)
        self.check(None if given is None else given.encode("latin-1"))


def require_admin(token: str) -> RequireToken:
    """The dependency of the administration and metrics endpoints."""
    return RequireToken(
        "X-Admin-Token", token, "require_admin", "Token of the administration and metrics endpoints"
    )


def require_calls(token: str) -> RequireToken:
    """The dependency of the call events."""
    return RequireToken("X-Call-Token", token, "require_call_token", "Token of the call events")


class RequireBearer(HTTPBearer):
    """As :class:`RequireToken`, in the one header that Prometheus sends by itself."""

    def __init__(self, token: str) -> None:
        super().__init__(scheme_name="require_metrics_token", description="Token of /metrics")
        self._token = token.encode()

    async def __call__(self, request: HTTPConnection) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        same = hmac.compare_digest(given.encode("latin-1"), self._token)
        if not same or scheme.lower() != "bearer":
            raise _refused("Authorization", "Bearer")


def _refused(header: str, challenge: str) -> ProblemError:
    return ProblemError(
        401, f"the header {header} is missing or wrong", headers={"WWW-Authenticate": challenge}
    )


class Guard(Protocol):
    """A security dependency of this file."""

    async def __call__(self, request: HTTPConnection) -> None: ...


def guarded_router(prefix: str, tag: str, guard: Guard) -> APIRouter:
    """A router whose every route wants a token, before anything else is asked of the request.

    As a dependency the guard is in the OpenAPI document, and checked only after the framework has
    read and decoded the body; so the route checks it first.
    """

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                await guard(request)
                return await handle(request)

            return guarded

    return APIRouter(
        prefix=prefix, tags=[tag], dependencies=[Security(guard)], route_class=GuardedRoute
    )
