"""What a call trace is played against: limits, tenants, faults and the window of the run.

The words that a trace, its check and everybody who plays it share.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

from service.calls import Lookup

NEVER: Final = -1
"""An instant or a row that does not exist."""

MAX_US: Final = 2**45
"""The longest duration and the latest instant of a trace, about 407 days in microseconds.

Drawn values are capped here. A call's own instants stay far below 2**63, and so does a sum over
calls as long as their number times their mean duration stays below 292,000 years.
"""

MOST_CALLS: Final = 1_000_000_000
"""The largest limit there may be, in total and of a tenant."""

UNLIMITED: Final = "unlimited"
"""What stands in a change for a cap that is lifted."""

MOST_PRIORITY: Final = 100
"""The number of the least important priority that can be given; 1 is the most important."""

CALL_MEMORY_US: Final = 3_600_000_000
"""How long the service remembers a finished call; an offer made again must come within it."""


class SharingPolicy(StrEnum):
    """How tenants share the slots. A tenant's own cap holds under each of them."""

    SHARED = "shared"
    """One pool with guaranteed minimums: :mod:`service.admission`. Every engine plays it."""
    TRUNK_RESERVATION = "trunk_reservation"
    """A call is admitted only if at least its tenant's ``leave_free`` slots stay free after it."""
    PRIORITY = "priority"
    """A call that finds all slots taken ends one of less importance and takes its slot."""


POLICY_OF: Final = {
    "reserved_calls": SharingPolicy.SHARED,
    "leave_free": SharingPolicy.TRUNK_RESERVATION,
    "priority": SharingPolicy.PRIORITY,
}
"""What may be set for a tenant under one policy alone, by its name."""


class AfterOn(IntEnum):
    """When a dependent row is offered, counted from its predecessor."""

    NONE = 0
    REJECTED = 1
    """Rejected for capacity or for missing instructions (a redial)."""
    FINISHED = 2
    """Finished in any way, every rejection included (a finite source's next call)."""


class EndKind(IntEnum):
    """How a call that started ends, as a column; see :class:`service.calls.Outcome`."""

    COMPLETED = 0
    HUNG_UP = 1
    FAILED = 2


class DeliveryAction(IntEnum):
    """What happens to one event on its way to the service."""

    LOST = 0
    LATE = 1
    """Delivered ``delay_us`` after it was due; a reordered event is one later than the next."""
    DOUBLED = 2
    """Delivered when due and once more ``delay_us`` later."""


@dataclass(frozen=True, slots=True)
class TraceTenant:
    """A tenant as the run starts. Rows refer to tenants by place in ``Conditions.tenants``.

    ``reserved_calls`` may be above 0 under the shared policy alone, ``leave_free`` under trunk
    reservation, ``priority`` under priority: 1 is the most important, and 0 (none given) is less
    important than any that is given.
    """

    tenant_id: str
    configured: bool = True
    enabled: bool = True
    max_concurrent_calls: int | None = None
    reserved_calls: int = 0
    instructions: bool = True
    fallback: bool = False
    leave_free: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class TenantLimitsChange:
    """New values for one configured tenant. ``max_concurrent_calls`` 'unlimited' lifts the cap;
    None leaves a value as it is."""

    max_concurrent_calls: int | str | None = None
    reserved_calls: int | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class LimitsChange:
    """A change of limits and tenants at one instant, applied whole."""

    at_us: int
    max_concurrent_calls: int | None = None
    tenants: Mapping[str, TenantLimitsChange] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LookupFault:
    """Accepts of the tenants at ``from_us <= t < until_us`` find ``result`` when chance says so.

    Of an accept's draw u in [0, 2**32), the faults in force for it (in listed order) take
    consecutive spans of ``span`` each, starting at 0; a draw beyond them all finds what the tenant
    has. ``span`` is round(probability * 2**32).
    """

    result: Lookup
    from_us: int
    until_us: int
    span: int
    tenants: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a trace is played against: limits, tenants, faults, and the window of the run.

    Deadlines are how long a call may stay in a state, or None. Checkpoints lie in
    [0, duration_us), sorted and distinct. ``changes`` are in file order, sorted by time.
    """

    duration_us: int
    max_concurrent_calls: int
    tenants: tuple[TraceTenant, ...]
    warm_up_us: int = 0
    drain: bool = True
    pending_deadline_us: int | None = None
    accepted_deadline_us: int | None = None
    active_deadline_us: int | None = None
    changes: tuple[LimitsChange, ...] = ()
    checkpoints_us: tuple[int, ...] = ()
    lookup_faults: tuple[LookupFault, ...] = ()
    policy: SharingPolicy = SharingPolicy.SHARED

    @property
    def configured_ids(self) -> tuple[str, ...]:
        """Ids of the tenants that have a row of their own, in order; the rest share _unknown."""
        return tuple(tenant.tenant_id for tenant in self.tenants if tenant.configured)


class TraceInvalid(ValueError):
    """A trace contradicts itself; the message says which row and what would be right."""


def require_shared_policy(conditions: Conditions) -> None:
    """For whoever has a service behind it, which knows the shared policy alone.

    Raises :class:`TraceInvalid` for any other.
    """
    if conditions.policy != SharingPolicy.SHARED:
        raise TraceInvalid(
            f"the policy {conditions.policy} is played by the engine kernel alone; a service knows "
            f"only {SharingPolicy.SHARED}"
        )
