"""Bodies of administration, checked strictly: nothing is coerced, nothing unknown is ignored.

And how the answers look, for the OpenAPI document; they are written without these models.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
)
from pydantic_core import PydanticCustomError

from service.api.events import ID_RULE, MAX_AT_US, MAX_ID_LENGTH, valid_id
from service.calls import (
    COUNTERS,
    MINUTES_PROCESSED,
    PUBLISHED,
    UNKNOWN_TENANT,
    CounterSpec,
    Reason,
    Scope,
)
from service.state.base import Deadlines, Decision

MAX_CALLS = 1_000_000_000
MAX_TEXT_LENGTH = 100_000


def _checked_id(text: str) -> str:
    if not valid_id(text):
        raise PydanticCustomError("id", ID_RULE)
    if text == UNKNOWN_TENANT:
        raise PydanticCustomError("id", "is reserved for the tenants that are not configured")
    return text


TenantId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, strict=True),
    AfterValidator(_checked_id),
]
Calls = Annotated[int, Field(ge=0, le=MAX_CALLS)]
AtUs = Annotated[
    int, Field(ge=0, le=MAX_AT_US, description="The change's time; on the virtual clock only")
]
Instructions = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH)]


class StrictBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class TenantFields(StrictBody):
    """A tenant's policy."""

    enabled: bool = True
    max_concurrent_calls: Calls | None = None
    reserved_calls: Calls = 0
    fallback_allowed: bool = False


def _no_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class TenantChange(TenantFields):
    """What changes of a tenant's policy; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra=_no_defaults)

    def given(self) -> dict[str, Any]:
        """The policy fields that the body names."""
        return {name: getattr(self, name) for name in self.model_fields_set if name != "at_us"}


class TenantPatch(TenantChange):
    at_us: AtUs | None = None


class TenantCreate(TenantFields):
    tenant_id: TenantId
    instructions: Instructions | None = None
    at_us: AtUs | None = None


class CapacityPatch(StrictBody):
    """Limits that change together, or not at all; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra=_no_defaults)

    max_concurrent_calls: Calls = 0
    tenants: dict[TenantId, TenantChange] = Field(default_factory=dict)
    at_us: AtUs | None = None


class InstructionsPut(StrictBody):
    text: Instructions
    at_us: AtUs | None = None


class Tenant(BaseModel):
    """A configured tenant and its policy."""

    tenant_id: str
    enabled: bool
    max_concurrent_calls: int | None
    reserved_calls: int
    fallback_allowed: bool


class Tenants(BaseModel):
    tenants: list[Tenant]


class StoredInstructions(BaseModel):
    tenant_id: str
    text: str


class Health(BaseModel):
    status: str


class EventAnswer(BaseModel):
    """What an event did. A rejection is an answer too, and says why."""

    decision: Decision | None
    reason: Reason | None
    scopes: list[Scope]
    fallback: bool


class ItemAnswer(EventAnswer):
    status: Literal[200]


class ItemRefusal(BaseModel):
    status: int
    code: str


class BatchAnswer(BaseModel):
    """One answer an event, in their order."""

    answers: list[ItemAnswer | ItemRefusal]


class ActiveCall(BaseModel):
    call_id: str
    status: Literal["RUNNING"]


class CapacityDebug(BaseModel):
    """The calls that hold a slot. The accepted ones include the active ones."""

    active_count: int
    active_calls: list[ActiveCall]
    accepted_count: int
    accepted_call_ids: list[str]
    pending_count: int
    pending_call_ids: list[str]
    pending_by_tenant_count: dict[str, int]
    pending_by_tenant: dict[str, list[str]]
    pending_tenant_by_call_id_count: int
    pending_tenant_by_call_id: dict[str, str]


def live_metrics_model() -> type[BaseModel]:
    """The twelve published fields, from the one list of counters."""
    return create_model("LiveMetrics", **_figures(PUBLISHED))


def capacity_model() -> type[BaseModel]:
    """Limits, slots and counters: of the total, each tenant and ``_unknown``."""
    slots: dict[str, Any] = dict.fromkeys(("in_use", "pending", "accepted", "active"), (int, ...))
    row = {**slots, **_figures(COUNTERS)}
    policy: dict[str, Any] = {
        name: (field.annotation, ...)
        for name, field in Tenant.model_fields.items()
        if name != "tenant_id"
    }
    tenant: Any = create_model("TenantRow", configured=(bool, ...), **policy, **row)
    return create_model(
        "Capacity",
        at_us=(int, ...),
        instance=(str, Field(description="Another one: the service began anew")),
        clock=(str, ...),
        testbed=(bool, ...),
        max_concurrent_calls=(int, ...),
        deadlines=(_deadlines_model(), ...),
        total=(create_model("TotalRow", **row), ...),
        tenants=(dict[str, tenant], ...),
    )


def _deadlines_model() -> Any:
    """How long a call may stay in each state, in microseconds; null: for ever."""
    times: dict[str, Any] = {field.name: (int | None, ...) for field in fields(Deadlines)}
    return create_model("Deadlines", **times)


def _figures(counters: Sequence[CounterSpec]) -> dict[str, Any]:
    fields: dict[str, Any] = {spec.name: (int, Field(description=spec.help)) for spec in counters}
    fields[MINUTES_PROCESSED] = (float, Field(description="Minutes of the calls that ended"))
    return fields
