"""The laws one document must obey by itself. Each document is one snapshot of the service.

Nothing hidden is assumed: a law that needs a number which is not shown is stated as the
inequality that holds whatever that number is.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from service.calls import COUNTERS, MINUTES_PROCESSED, Counter, minutes_processed
from simulator.watch.documents import Capacity, CapacityRow, Debug, Figures, Live

TOTAL: Final = "total"
DEBUG: Final = "debug"

_RELATIVE_ERROR: Final = 1e-9
"""Of a float that was divided once; anything real is far larger."""

_SHOWN_IDS: Final = 3


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken law: its name, whose document or row it was, and the figures that prove it."""

    law: str
    scope: str
    message: str


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What is wrong unless somebody did something rare that no document shows."""

    scope: str
    message: str


def name_of(counter: Counter) -> str:
    return COUNTERS[counter].name


_AT_MOST: Final = (
    (Counter.STARTED_CALLS, Counter.ACCEPTED_CALLS),
    (Counter.ENDED_CALLS, Counter.STARTED_CALLS),
    (Counter.FAILED_CALLS, Counter.ENDED_CALLS),
    (Counter.REFERRED_CALLS, Counter.STARTED_CALLS),
    (Counter.FALLBACK_INSTRUCTIONS_USED, Counter.ACCEPTED_CALLS),
)
"""The first never exceeds the second."""


def live_laws(live: Live, limit: int | None) -> Iterator[Violation]:
    """``limit`` is the total limit as the user gave it, or None."""
    scope = TOTAL if live.tenant_id is None else f"tenant {live.tenant_id}"
    yield from figures_laws(scope, live.figures)
    active = live.figures[Counter.ACTIVE_CALLS]
    if limit is not None and active > limit:
        yield _over(scope, active, name_of(Counter.ACTIVE_CALLS), limit)


def figures_laws(scope: str, figures: Figures) -> Iterator[Violation]:
    """The laws between the counters of one scope."""
    for counter, value in figures.counters.items():
        if value < 0:
            yield Violation("never-negative", scope, f"{name_of(counter)} is {value}")
    if figures.minutes < 0:
        yield Violation("never-negative", scope, f"{MINUTES_PROCESSED} is {figures.minutes}")
    for less, more in _AT_MOST:
        if figures[less] > figures[more]:
            yield Violation(
                "counter-order",
                scope,
                f"{_said(figures, less)} is more than {_said(figures, more)}",
            )
    if (
        figures[Counter.ACTIVE_CALLS]
        != figures[Counter.STARTED_CALLS] - figures[Counter.ENDED_CALLS]
    ):
        yield Violation(
            "active-is-started-less-ended",
            scope,
            f"{_said(figures, Counter.ACTIVE_CALLS)}, but "
            f"{_said(figures, Counter.STARTED_CALLS)} and {_said(figures, Counter.ENDED_CALLS)}",
        )
    settled = (
        figures[Counter.FALLBACK_INSTRUCTIONS_USED]
        + figures[Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING]
    )
    if figures[Counter.INSTRUCTIONS_DB_ERRORS] > settled:
        yield Violation(
            "errors-end-in-fallback-or-rejection",
            scope,
            f"{_said(figures, Counter.INSTRUCTIONS_DB_ERRORS)}, but only {settled} accepts "
            "used fallback instructions or were rejected for missing ones",
        )


def debug_laws(debug: Debug, limit: int | None) -> Iterator[Violation]:
    """The id sets against each other and against their counts."""
    for name, ids, count in (
        ("active", debug.active, debug.active_count),
        ("accepted", debug.accepted, debug.accepted_count),
        ("pending", debug.pending, debug.pending_count),
        ("pending_tenant_by_call_id", debug.tenant_of_pending, debug.tenant_of_pending_count),
    ):
        if len(ids) != count:
            yield Violation(
                "count-is-length", DEBUG, f"{name}: the count is {count}, the list has {len(ids)}"
            )
        if len(set(ids)) != len(ids):
            twice = [call_id for call_id, times in Tally(ids).items() if times > 1]
            yield Violation("listed-once", DEBUG, f"{name} lists {_shown(twice)} more than once")
    stray = set(debug.active) - set(debug.accepted)
    if stray:
        yield Violation(
            "active-within-accepted", DEBUG, f"active and not accepted: {_shown(stray)}"
        )
    both = set(debug.pending) & (set(debug.accepted) | set(debug.active))
    if both:
        yield Violation("pending-apart", DEBUG, f"pending and accepted at once: {_shown(both)}")
    yield from _pending_laws(debug)
    held = len(set(debug.pending) | set(debug.accepted) | set(debug.active))
    if limit is not None and held > limit:
        yield _over(DEBUG, held, "calls held", limit)


def _pending_laws(debug: Debug) -> Iterator[Violation]:
    """The three ways in which the debug document tells the tenants of the pending calls."""
    if set(debug.tenant_of_pending) != set(debug.pending):
        odd = set(debug.tenant_of_pending) ^ set(debug.pending)
        yield Violation(
            "pending-told-alike",
            DEBUG,
            f"in one of pending_call_ids and pending_tenant_by_call_id only: {_shown(odd)}",
        )
    listed = {
        (call_id, tenant_id)
        for tenant_id, ids in debug.pending_by_tenant.items()
        for call_id in ids
    }
    if listed != set(debug.tenant_of_pending.items()):
        odd = {call_id for call_id, _ in listed ^ set(debug.tenant_of_pending.items())}
        yield Violation(
            "pending-told-alike",
            DEBUG,
            f"pending_by_tenant and pending_tenant_by_call_id differ on {_shown(odd)}",
        )
    counted = {tenant_id: len(ids) for tenant_id, ids in debug.pending_by_tenant.items()}
    for tenant_id in sorted(counted.keys() | debug.pending_by_tenant_count.keys()):
        length, count = counted.get(tenant_id, 0), debug.pending_by_tenant_count.get(tenant_id, 0)
        if length != count:
            yield Violation(
                "count-is-length",
                DEBUG,
                f"pending_by_tenant {tenant_id}: the count is {count}, the list has {length}",
            )


def capacity_laws(capacity: Capacity, limit: int | None) -> Iterator[Violation]:
    """The conservation laws of every row, and the total as the sum of the rows."""
    yield from _row_laws(TOTAL, capacity.total)
    for tenant_id, row in capacity.tenants.items():
        yield from _row_laws(f"tenant {tenant_id}", row)
    yield from _sum_laws(capacity)
    if limit is not None and capacity.total.slots.in_use > limit:
        yield _over(TOTAL, capacity.total.slots.in_use, "slots in use", limit)


def _row_laws(scope: str, row: CapacityRow) -> Iterator[Violation]:
    slots, figures = row.slots, row.figures
    yield from figures_laws(scope, figures)
    for name, value in (("pending", slots.pending), ("in_use", slots.in_use)):
        if value < 0:
            yield Violation("never-negative", scope, f"{name} is {value}")
    if slots.in_use != slots.pending + slots.accepted:
        yield Violation(
            "slots-by-state",
            scope,
            f"in_use is {slots.in_use}, but {slots.pending} pending and {slots.accepted} accepted",
        )
    if slots.active != figures[Counter.ACTIVE_CALLS]:
        yield Violation(
            "slots-by-state",
            scope,
            f"{slots.active} slots are active, but {_said(figures, Counter.ACTIVE_CALLS)}",
        )
    went = (
        slots.pending
        + figures[Counter.ACCEPTED_CALLS]
        + figures[Counter.REJECTED_CALLS_CAPACITY]
        + figures[Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED]
        + figures[Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING]
        + figures[Counter.ABANDONED_PENDING]
    )
    if figures[Counter.OFFERED_CALLS] != went:
        yield Violation(
            "offered-calls-conserved",
            scope,
            f"{_said(figures, Counter.OFFERED_CALLS)}, but {went} are pending, accepted, rejected "
            "or abandoned before the accept",
        )
    went = (
        figures[Counter.STARTED_CALLS]
        + (slots.accepted - slots.active)
        + figures[Counter.ABANDONED_ACCEPTED]
    )
    if figures[Counter.ACCEPTED_CALLS] != went:
        yield Violation(
            "accepted-calls-conserved",
            scope,
            f"{_said(figures, Counter.ACCEPTED_CALLS)}, but {went} started, wait to start or were "
            "abandoned after the accept",
        )
    minutes = minutes_processed(figures[Counter.ACTIVE_US_TOTAL])
    if abs(minutes - figures.minutes) > _RELATIVE_ERROR * max(1.0, abs(minutes)):
        yield Violation(
            "minutes-are-microseconds",
            scope,
            f"{MINUTES_PROCESSED} is {figures.minutes}, but "
            f"{_said(figures, Counter.ACTIVE_US_TOTAL)} are {minutes} minutes",
        )


def _sum_laws(capacity: Capacity) -> Iterator[Violation]:
    rows = capacity.tenants.values()
    total = capacity.total
    named = [
        (spec.name, total.figures[spec.counter], [row.figures[spec.counter] for row in rows])
        for spec in COUNTERS
    ]
    named += [
        ("in_use", total.slots.in_use, [row.slots.in_use for row in rows]),
        ("pending", total.slots.pending, [row.slots.pending for row in rows]),
    ]
    for name, value, parts in named:
        if value != sum(parts):
            yield Violation(
                "total-is-sum", TOTAL, f"{name} is {value}, the sum of all rows {sum(parts)}"
            )


def _over(scope: str, value: int, what: str, limit: int) -> Violation:
    return Violation("within-limit", scope, f"{what}: {value}, the limit is {limit}")


def _said(figures: Figures, counter: Counter) -> str:
    return f"{name_of(counter)} {figures[counter]}"


def _shown(ids: Iterable[str]) -> str:
    """A few ids, and how many more there are."""
    ordered = sorted(ids)
    shown = ", ".join(ordered[:_SHOWN_IDS])
    more = len(ordered) - _SHOWN_IDS
    return f"{shown} and {more} more" if more > 0 else shown
