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
`/healthz` and `/readyz` need no token, and `/metrics` only one of its own where the service is told
to want it (`BUSYHOUR_METRICS_TOKEN`).
"""


def complete_openapi(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """``app.openapi`` with the schemas of the bodies that are decoded outside the framework.

    The framework documents its own form of a 422 for every route with a parameter, though a path
    parameter that is any text cannot be wrong; that form is never sent, and taken out.
    """
    framework_openapi = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = framework_openapi()
            schemas = document["components"]["schemas"]
            for path in document["paths"].values():
                for operation in path.values():
                    if "HTTPValidationError" in str(operation["responses"].get("422")):
                        del operation["responses"]["422"]
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            bodies = (OfferBody, AcceptBody, MomentBody, EndBody, Batch, CallView)
            _, decoded = msgspec.json.schema_components(bodies, ref_template=SCHEMA_PLACE)
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(decoded)
            schemas.update(problem.pop("$defs", {}))
            schemas["Problem"] = problem
            app.openapi_schema = document
        return app.openapi_schema

    return openapi
