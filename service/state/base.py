"""The port of the call state: answers, snapshots and the protocol every backend obeys.

Admission and counting are one atomic step behind this port. A backend answers with an
:class:`Answer`; there is one shared instance for each thing it can say, so answering allocates
nothing and the HTTP layer can keep one ready-made body for each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from service.calls import Lookup, Outcome, Reason, Scope, State


class Decision(StrEnum):
    """What an event did to a call."""

    ADMITTED = "admitted"
    ACCEPTED = "accepted"
    STARTED = "started"
    REFERRED = "referred"
    ENDED = "ended"
    ABANDONED = "abandoned"
    REJECTED = "rejected"


class Refusal(StrEnum):
    """Why an event was not taken at all; a refusal changes nothing and counts in nothing."""

    UNKNOWN_CALL = "unknown_call"
    OTHER_TENANT = "other_tenant"
    WRONG_STATE = "wrong_state"
    CALL_MEMORY_FULL = "call_memory_full"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an event did (``decision``), or why it was not taken (``refusal``): exactly one is set.

    ``fallback`` is true for an accept on fallback instructions.
    """

    decision: Decision | None = None
    reason: Reason | None = None
    scopes: tuple[Scope, ...] = ()
    fallback: bool = False
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """What admission and accept need to know of a configured tenant.

    ``max_concurrent_calls`` is None for a tenant without a limit of its own.
    """

    enabled: bool = True
    max_concurrent_calls: int | None = None
    reserved_calls: int = 0
    fallback_allowed: bool = False


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One change of limits, applied whole or not at all.

    ``max_concurrent_calls`` is the new total limit, or None to leave it. ``tenants`` gives the
    whole new policy of each tenant it names.
    """

    max_concurrent_calls: int | None = None
    tenants: Mapping[str, TenantPolicy] = field(default_factory=dict)


class LimitsInvalid(ValueError):
    """``reserved <= cap`` or ``sum of reserved <= limit`` would not hold; nothing changed."""


class TenantUnknown(LookupError):
    """A change names a tenant that is not configured; nothing changed."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Slots by state, of one tenant or the total. ``accepted`` includes ``active``."""

    pending: int = 0
    accepted: int = 0
    active: int = 0

    @property
    def in_use(self) -> int:
        return self.pending + self.accepted


@dataclass(frozen=True, slots=True)
class TenantSnapshot:
    """One tenant's policy (None when it is not configured), slots and counter row."""

    policy: TenantPolicy | None
    occupancy: Occupancy
    counters: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a call may stay in a state before it expires, in microseconds; None: for ever.

    ``accepted_us`` runs from the accept to the start, ``active_us`` from the start to the end.
    """

    pending_us: int | None = None
    accepted_us: int | None = None
    active_us: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Limits, slots and counters of everything at one instant.

    ``tenants`` holds every tenant that ever was configured and ``_unknown``; ``total`` is the sum.
    """

    at_us: int
    max_concurrent_calls: int
    deadlines: Deadlines
    total: TenantSnapshot
    tenants: Mapping[str, TenantSnapshot]
    decisions: Mapping[tuple[Reason, tuple[Scope, ...]], int]
    """Offers rejected and accepts rejected, by reason and full scopes."""


@dataclass(frozen=True, slots=True)
class HeldCalls:
    """The calls that hold a slot, by state: ids in the order they entered it.

    ``accepted`` includes ``active``; ``pending`` maps each call to its tenant, and
    ``pending_by_tenant`` each tenant that has pending calls to those.
    """

    pending: Mapping[str, str]
    pending_by_tenant: Mapping[str, tuple[str, ...]]
    accepted: tuple[str, ...]
    active: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallView:
    """One remembered call, as ``GET /api/v1/calls/{call_id}`` shows it; instants in us."""

    call_id: str
    tenant_id: str
    state: State
    reason: Reason | None
    scopes: tuple[Scope, ...]
    offered_us: int
    accepted_us: int | None
    started_us: int | None
    finished_us: int | None


class CallState(Protocol):
    """Every backend of the call state. ``at_us`` never decreases from one call to the next.

    Repeating an event gives its first answer again and changes nothing. Before an event is
    applied, the deadlines that fell due are (strictly earlier ones before an event of a call,
    those of the same instant too before an offer and at :meth:`advance`).
    """

    async def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer: ...

    async def accept(self, call_id: str, lookup: Lookup, at_us: int) -> Answer: ...

    async def start(self, call_id: str, at_us: int) -> Answer: ...

    async def refer(self, call_id: str, at_us: int) -> Answer: ...

    async def end(self, call_id: str, outcome: Outcome, at_us: int) -> Answer: ...

    async def advance(self, at_us: int) -> None:
        """Apply every deadline due at or before ``at_us``."""
        ...

    async def pending_tenant(self, call_id: str) -> str | None:
        """The tenant of a call that is pending, else None: whether an accept needs a lookup."""
        ...

    async def check_limits(self, change: LimitChange) -> None:
        """Raise what :meth:`change_limits` would raise; change nothing."""
        ...

    async def check_tenant(self, tenant_id: str, policy: TenantPolicy) -> None:
        """Raise what :meth:`put_tenant` would raise; change nothing."""
        ...

    async def change_limits(self, change: LimitChange, at_us: int) -> None:
        """Apply a change whole. Raises :class:`LimitsInvalid` or :class:`TenantUnknown`."""
        ...

    async def put_tenant(self, tenant_id: str, policy: TenantPolicy, at_us: int) -> None:
        """Configure a tenant, or change it. Raises :class:`LimitsInvalid`."""
        ...

    async def remove_tenant(self, tenant_id: str, at_us: int) -> None:
        """Forget a tenant's configuration; its row stays. Raises :class:`TenantUnknown`."""
        ...

    async def policies(self) -> Mapping[str, TenantPolicy]:
        """The policy in force of every configured tenant."""
        ...

    async def call(self, call_id: str) -> CallView | None: ...

    async def held(self) -> HeldCalls:
        """The calls that hold a slot; the same object as before while nothing has changed."""
        ...

    async def snapshot(self) -> Snapshot: ...

    async def total_counters(self) -> tuple[int, ...]: ...

    async def tenant_counters(self, tenant_id: str) -> tuple[int, ...] | None:
        """A configured tenant's counter row, or None when it is not configured."""
        ...
