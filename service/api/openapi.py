"""The OpenAPI document: what the framework knows of the routes, and the bodies it does not."""

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import FastAPI

from service.api.call_routes import SCHEMA_PLACE
from service.api.events import AcceptBody, Batch, EndBody, MomentBody, OfferBody
from service.api.problems import Problem
from service.state.base import CallView

DESCRIPTION = """\
Admission of calls against limits, live counters, and the tenants they belong to.

A rejection is a decision, answered with 200; errors are problem documents (RFC 9457).
`/healthz`, `/readyz` and `/metrics` need no token.
"""


def complete_openapi(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """``app.openapi`` with the schemas of the bodies that are decoded outside the framework."""
    framework_openapi = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = framework_openapi()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            bodies = (OfferBody, AcceptBody, MomentBody, EndBody, Batch, CallView)
            _, decoded = msgspec.json.schema_components(bodies, ref_template=SCHEMA_PLACE)
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(decoded)
            schemas.update(problem.pop("$defs", {}))
            schemas["Problem"] = problem
            app.openapi_schema = document
        return app.openapi_schema

    return openapi
