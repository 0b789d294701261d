"""Errors as problem documents (RFC 9457), whoever raised them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from service.clock import ClockBackwards, ClockError
from service.database import reason_of
from service.state.base import LimitsInvalid, TenantUnknown
from service.tenants import TenantExists

PROBLEM_TYPE: Final = "application/problem+json"


class ProblemError(HTTPException):
    """An error answer. ``code`` is a word that a program can act on, ``errors`` what is wrong with
    the request, as ``{"loc": [...], "msg": "..."}``."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code
        self.errors = errors

    def body(self, instance: str) -> bytes:
        """The document; ``instance`` is the path of the request."""
        return problem_body(self.status_code, self.detail, instance, self.code, self.errors)


class FieldFault(BaseModel):
    model_config = ConfigDict(extra="allow")

    loc: list[str | int]
    msg: str


class Problem(BaseModel):
    """How every error looks (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str | None = None
    errors: list[FieldFault] | None = None


def problem_body(
    status: int,
    detail: str,
    instance: str,
    code: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """A problem document as JSON; ``code`` and ``errors`` only when there are some."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
    }
    if code is not None:
        document["code"] = code
    if errors:
        document["errors"] = errors
    return msgspec.json.encode(document)


def as_problem(error: Exception, method: str = "POST") -> ProblemError | None:
    """The problem that a known error is told as; None for an error nobody planned for.

    ``method`` is that of the request: a DELETE brings its time in the query, others in the body.
    """
    match error:
        case ProblemError():
            return error
        case HTTPException(status_code=400):
            # The framework's word for a body that it cannot decode; nothing else says 400.
            return malformed("is not JSON in UTF-8 that can be read", [])
        case HTTPException():
            return ProblemError(error.status_code, error.detail, headers=error.headers)
        case RequestValidationError():
            faults = [
                {"loc": list(fault["loc"]), "msg": fault["msg"], "type": fault["type"]}
                for fault in error.errors()
            ]
            return ProblemError(422, "the request does not fit", errors=faults)
        case ClockBackwards():
            return ProblemError(409, str(error), code="clock_backwards")
        case ClockError():
            return malformed(str(error), ["at_us"], "query" if method == "DELETE" else "body")
        case LimitsInvalid():
            return ProblemError(
                422, str(error), code="limits_invalid", errors=[{"loc": [], "msg": str(error)}]
            )
        case TenantUnknown():
            return ProblemError(404, str(error), code="unknown_tenant")
        case TenantExists():
            return ProblemError(409, str(error), code="tenant_exists")
        case SQLAlchemyError():
            return ProblemError(
                503, "the database does not answer; nothing changed", code="database_unavailable"
            )
        case _:
            return None


def malformed(message: str, path: Sequence[str | int], part: str = "body") -> ProblemError:
    """A 422 about one place of a request's ``part``."""
    fault = {"loc": [part, *path], "msg": message}
    return ProblemError(422, "the request does not fit", errors=[fault])


HANDLED: Final[tuple[type[Exception], ...]] = (
    HTTPException,
    RequestValidationError,
    ClockError,
    LimitsInvalid,
    TenantUnknown,
    TenantExists,
    SQLAlchemyError,
)
"""The exceptions of which :func:`as_problem` makes a problem."""


def told(error: Exception, method: str, path: str, log: Any) -> ProblemError | None:
    """As :func:`as_problem`; what the operator must know is logged."""
    problem = as_problem(error, method)
    if isinstance(error, SQLAlchemyError):
        log.error("database_failed", path=path, error=reason_of(error))
    return problem


def problem_responder(log: Any) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The exception handler of the application for every type in :data:`HANDLED`."""

    async def respond(request: Request, error: Exception) -> Response:
        path = request.url.path
        problem = told(error, request.method, path, log)
        assert problem is not None, "registered for the types in HANDLED only"
        return Response(problem.body(path), problem.status_code, problem.headers, PROBLEM_TYPE)

    return respond


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route that may answer with these problems, for the OpenAPI document."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }
