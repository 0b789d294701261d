"""How many calls of a tenant fit into the limits that a service shows, and how long. Pure.

Only our own service shows them, in ``GET /api/v1/capacity``. They are what it says of itself and
not what it does, so that they may warn and never stand in for the limit that the probe is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Room:
    """So many ``calls`` fit while nobody else has one; ``words`` name the limits in the way."""

    calls: int
    words: str


def room_shown(capacity: Mapping[str, Any], tenant_id: str) -> Room | None:
    """The room for a tenant in a capacity document; None where it does not say.

    The least of the total limit less what is reserved for the other tenants, and of the tenant's
    own limit.
    """
    try:
        limit = capacity["max_concurrent_calls"]
        tenants = capacity["tenants"]
        row = tenants[tenant_id]
        if not row["configured"]:
            return None
        own = row["max_concurrent_calls"]
        kept = sum(each["reserved_calls"] for name, each in tenants.items() if name != tenant_id)
        room = limit - kept
    except (KeyError, TypeError, AttributeError):
        return None
    words = [f"a total limit of {limit:,}"]
    if kept:
        words.append(f"{kept:,} of them reserved for other tenants")
    if own is not None:
        room = min(room, own)
        words.append(f"a limit of {own:,} for {tenant_id}")
    return Room(room, ", ".join(words))


def limit_warning(capacity: Mapping[str, Any], tenant_id: str, limit: int) -> str | None:
    """Why ``limit`` cannot be right by what the service shows, or None."""
    room = room_shown(capacity, tenant_id)
    if room is None or room.calls == limit:
        return None
    return (
        f"the service shows {room.words}: room for {room.calls:,} calls of {tenant_id}, not for "
        f"{limit:,}; with --limit {limit} it fails if it keeps to what it shows"
    )


def shortest_stay_us(capacity: Mapping[str, Any], *, whole_lives: bool) -> int | None:
    """The shortest deadline that may end a call which is only offered, or leads a whole life.

    None where the service shows none.
    """
    shown = capacity.get("deadlines")
    if not isinstance(shown, Mapping):
        return None
    states = ("pending_us", "accepted_us", "active_us") if whole_lives else ("pending_us",)
    stays = [shown.get(state) for state in states]
    return min((stay for stay in stays if isinstance(stay, int)), default=None)
