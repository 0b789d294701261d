"""The two tokens: one for call events, one for administration and metrics."""

import hmac

from fastapi.security import APIKeyHeader
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
            raise ProblemError(
                401,
                f"the header {self.model.name} is missing or wrong",
                headers={"WWW-Authenticate": "APIKey"},
            )

    async def __call__(self, request: HTTPConnection) -> str | None:
        given = request.headers.get(self.model.name)
        self.check(None if given is None else given.encode("latin-1"))
        return None


def require_admin(token: str) -> RequireToken:
    """The dependency of the administration and metrics endpoints."""
    return RequireToken(
        "X-Admin-Token", token, "require_admin", "Token of the administration and metrics endpoints"
    )


def require_calls(token: str) -> RequireToken:
    """The dependency of the call events."""
    return RequireToken("X-Call-Token", token, "require_call_token", "Token of the call events")
