"""Administration: limits, tenants and their instructions."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response

from service.api.answers import JSON_TYPE
from service.api.documents import tenant_document, tenants_document
from service.api.events import MAX_AT_US
from service.api.models import (
    CapacityPatch,
    InstructionsPut,
    StoredInstructions,
    Tenant,
    TenantCreate,
    TenantPatch,
    Tenants,
    capacity_model,
)
from service.api.problems import ProblemError, documented
from service.api.readings import Readings
from service.api.security import RequireToken, guarded_router
from service.state.base import TenantPolicy
from service.tenants import LimitPatch, TenantDirectory

AtUsQuery = Annotated[int | None, Query(ge=0, le=MAX_AT_US)]


def _json(document: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, media_type=JSON_TYPE)


def capacity_routes(
    directory: TenantDirectory, readings: Readings, token: RequireToken
) -> APIRouter:
    router = guarded_router("/api/v1/capacity", "capacity", token)
    document: dict[int | str, Any] = {200: {"model": capacity_model()}}

    @router.get(
        "",
        summary="Limits, slots and counters of everything, from one snapshot",
        response_model=None,
        responses={**document, **documented(401, 500)},
    )
    async def capacity() -> Response:
        return _json(await readings.capacity())

    @router.patch(
        "",
        summary="Change limits, all together or not at all",
        response_model=None,
        responses={**document, **documented(401, 404, 409, 413, 422, 500, 503)},
    )
    async def change(body: CapacityPatch) -> Response:
        total = (
            body.max_concurrent_calls if "max_concurrent_calls" in body.model_fields_set else None
        )
        tenants = {tenant_id: fields.given() for tenant_id, fields in body.tenants.items()}
        await directory.change(LimitPatch(total, tenants), body.at_us)
        return _json(await readings.capacity())

    return router


def tenant_routes(directory: TenantDirectory, token: RequireToken) -> APIRouter:
    router = guarded_router("/api/v1/tenants", "tenants", token)
    changes = documented(401, 404, 409, 413, 422, 500, 503)

    @router.get(
        "",
        summary="All tenants",
        response_model=None,
        responses={200: {"model": Tenants}, **documented(401, 500)},
    )
    async def tenants() -> Response:
        return _json(tenants_document(await directory.policies()))

    @router.post(
        "",
        status_code=201,
        summary="Configure a tenant",
        response_model=None,
        responses={201: {"model": Tenant}, **documented(401, 409, 413, 422, 500, 503)},
    )
    async def create(body: TenantCreate) -> Response:
        policy = TenantPolicy(
            enabled=body.enabled,
            max_concurrent_calls=body.max_concurrent_calls,
            reserved_calls=body.reserved_calls,
            fallback_allowed=body.fallback_allowed,
        )
        await directory.create(body.tenant_id, policy, body.instructions, body.at_us)
        return _json(tenant_document(body.tenant_id, policy), 201)

    @router.get(
        "/{tenant_id}",
        summary="One tenant",
        response_model=None,
        responses={200: {"model": Tenant}, **documented(401, 404, 500)},
    )
    async def tenant(tenant_id: str) -> Response:
        return _json(tenant_document(tenant_id, await directory.policy(tenant_id)))

    @router.patch(
        "/{tenant_id}",
        summary="Change a tenant",
        response_model=None,
        responses={200: {"model": Tenant}, **changes},
    )
    async def change(tenant_id: str, body: TenantPatch) -> Response:
        await directory.change(LimitPatch(tenants={tenant_id: body.given()}), body.at_us)
        return _json(tenant_document(tenant_id, await directory.policy(tenant_id)))

    @router.delete(
        "/{tenant_id}",
        status_code=204,
        summary="Remove a tenant; its counters stay",
        response_model=None,
        responses=changes,
    )
    async def remove(tenant_id: str, at_us: AtUsQuery = None) -> Response:
        await directory.remove(tenant_id, at_us)
        return Response(status_code=204)

    return router


def instructions_routes(directory: TenantDirectory, token: RequireToken) -> APIRouter:
    router = guarded_router("/api/v1/tenants/{tenant_id}/instructions", "tenants", token)
    changes = documented(401, 404, 409, 413, 422, 500, 503)

    @router.get(
        "",
        summary="A tenant's instructions",
        response_model=None,
        responses={200: {"model": StoredInstructions}, **documented(401, 404, 500, 503)},
    )
    async def instructions(tenant_id: str) -> Response:
        text = await directory.instructions(tenant_id)
        if text is None:
            raise _no_instructions(tenant_id)
        return _json({"tenant_id": tenant_id, "text": text})

    @router.put(
        "",
        summary="Set them",
        response_model=None,
        responses={200: {"model": StoredInstructions}, **changes},
    )
    async def put(tenant_id: str, body: InstructionsPut) -> Response:
        await directory.put_instructions(tenant_id, body.text, body.at_us)
        return _json({"tenant_id": tenant_id, "text": body.text})

    @router.delete(
        "", status_code=204, summary="Remove them", response_model=None, responses=changes
    )
    async def remove(tenant_id: str, at_us: AtUsQuery = None) -> Response:
        if not await directory.remove_instructions(tenant_id, at_us):
            raise _no_instructions(tenant_id)
        return Response(status_code=204)

    return router


def _no_instructions(tenant_id: str) -> ProblemError:
    return ProblemError(404, f"tenant {tenant_id!r} has no instructions", code="no_instructions")
