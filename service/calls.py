"""The vocabulary of a call: states, events, reasons, scopes and the one list of counters.

Nothing here decides anything. The lifecycle, the admission rule, the oracle, the JSON documents,
the Prometheus names and the array columns all take their words from this file, so that a word
exists once. Standard library only.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

UNKNOWN_TENANT: Final = "_unknown"
"""Reserved tenant id: the one row shared by the offers of every tenant that is not configured."""

US_PER_SECOND: Final = 1_000_000
US_PER_MINUTE: Final = 60_000_000


class State(StrEnum):
    """Where a call stands. ``REJECTED``, ``ABANDONED`` and ``ENDED`` are final."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    ACTIVE = "active"
    ENDED = "ended"
    REJECTED = "rejected"
    ABANDONED = "abandoned"


class Event(IntEnum):
    """What can happen to a call; the values are the order within one call at one instant."""

    OFFER = 0
    ACCEPT = 1
    START = 2
    REFER = 3
    END = 4
    HANGUP = 5
    EXPIRE = 6


class Lookup(StrEnum):
    """What the instructions lookup of an accept found."""

    FOUND = "found"
    MISSING = "missing"
    ERROR = "error"


class Outcome(StrEnum):
    """How a call ended; only ``FAILED`` is counted apart."""

    COMPLETED = "completed"
    HUNG_UP = "hung_up"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a call was rejected; each is a counter of its own."""

    CAPACITY = "capacity"
    TENANT_NOT_CONFIGURED = "tenant_not_configured"
    INSTRUCTIONS_MISSING = "instructions_missing"


class Scope(StrEnum):
    """Which limit was full when a call was rejected for capacity, in the order they are listed."""

    TOTAL = "total"
    TENANT = "tenant"
    RESERVED = "reserved"


SCOPE_SETS: Final[tuple[tuple[Scope, ...], ...]] = tuple(
    tuple(scope for bit, scope in enumerate(Scope) if mask >> bit & 1) for mask in range(8)
)
"""Scopes by bit mask: bit 0 ``total``, bit 1 ``tenant``, bit 2 ``reserved``."""


class Counter(IntEnum):
    """A counter's place in a row of counters. :data:`COUNTERS` says what each one means."""

    ACTIVE_CALLS = 0
    ACCEPTED_CALLS = 1
    REJECTED_CALLS_CAPACITY = 2
    REJECTED_CALLS_TENANT_NOT_CONFIGURED = 3
    REJECTED_CALLS_INSTRUCTIONS_MISSING = 4
    INSTRUCTIONS_DB_ERRORS = 5
    FALLBACK_INSTRUCTIONS_USED = 6
    STARTED_CALLS = 7
    ENDED_CALLS = 8
    FAILED_CALLS = 9
    REFERRED_CALLS = 10
    ACTIVE_US_TOTAL = 11
    OFFERED_CALLS = 12
    ABANDONED_PENDING = 13
    ABANDONED_ACCEPTED = 14


@dataclass(frozen=True, slots=True)
class CounterSpec:
    """One counter: its name in every document, whether it can fall, and what it counts."""

    counter: Counter
    name: str
    help: str
    is_gauge: bool = False
    published: bool = True


COUNTERS: Final[tuple[CounterSpec, ...]] = (
    CounterSpec(
        Counter.ACTIVE_CALLS, "active_calls", "Calls started and not yet ended", is_gauge=True
    ),
    CounterSpec(Counter.ACCEPTED_CALLS, "accepted_calls", "Calls accepted"),
    CounterSpec(
        Counter.REJECTED_CALLS_CAPACITY,
        "rejected_calls_capacity",
        "Calls rejected because no slot was free",
    ),
    CounterSpec(
        Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED,
        "rejected_calls_tenant_not_configured",
        "Calls rejected because their tenant is not configured or disabled",
    ),
    CounterSpec(
        Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING,
        "rejected_calls_instructions_missing",
        "Calls rejected because no instructions were found and no fallback is allowed",
    ),
    CounterSpec(
        Counter.INSTRUCTIONS_DB_ERRORS,
        "instructions_db_errors",
        "Accepts whose instructions lookup failed in the database",
    ),
    CounterSpec(
        Counter.FALLBACK_INSTRUCTIONS_USED,
        "fallback_instructions_used",
        "Calls accepted on fallback instructions",
    ),
    CounterSpec(Counter.STARTED_CALLS, "started_calls", "Calls started"),
    CounterSpec(Counter.ENDED_CALLS, "ended_calls", "Started calls that ended, in whatever way"),
    CounterSpec(Counter.FAILED_CALLS, "failed_calls", "Started calls that ended with an error"),
    CounterSpec(Counter.REFERRED_CALLS, "referred_calls", "Calls referred to another destination"),
    CounterSpec(
        Counter.ACTIVE_US_TOTAL,
        "active_us_total",
        "Microseconds between start and end, over ended calls",
        published=False,
    ),
    CounterSpec(Counter.OFFERED_CALLS, "offered_calls", "Call attempts offered", published=False),
    CounterSpec(
        Counter.ABANDONED_PENDING,
        "abandoned_pending",
        "Calls given up before they were accepted",
        published=False,
    ),
    CounterSpec(
        Counter.ABANDONED_ACCEPTED,
        "abandoned_accepted",
        "Calls given up after they were accepted and before they started",
        published=False,
    ),
)
"""The one list of counters, in row order. The published ones come first, in published order."""

COUNTER_NAMES: Final[tuple[str, ...]] = tuple(spec.name for spec in COUNTERS)
PUBLISHED: Final[tuple[CounterSpec, ...]] = tuple(spec for spec in COUNTERS if spec.published)
"""The eleven published integers; ``minutes_processed`` is derived by :func:`minutes_processed`."""

MINUTES_PROCESSED: Final = "minutes_processed"


def minutes_processed(active_us_total: int) -> float:
    """Minutes of ended calls: whole microseconds divided once, when they are read."""
    return active_us_total / US_PER_MINUTE


def published_figures(row: "list[int] | tuple[int, ...]") -> dict[str, int | float]:
    """The twelve published fields of one counter row, in published order.

    ``row`` holds ``len(COUNTERS)`` integers in :class:`Counter` order.
    """
    figures: dict[str, int | float] = {spec.name: row[spec.counter] for spec in PUBLISHED}
    figures[MINUTES_PROCESSED] = minutes_processed(row[Counter.ACTIVE_US_TOTAL])
    return figures


def all_figures(row: "list[int] | tuple[int, ...]") -> dict[str, int | float]:
    """The twelve published fields, then the four beside them, of one counter row."""
    figures = published_figures(row)
    figures.update({spec.name: row[spec.counter] for spec in COUNTERS if not spec.published})
    return figures
