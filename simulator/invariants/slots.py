"""Laws about slots, read off the log of single calls: who was let in, and who was not.

A call that was admitted held its slot from its offer to its release. From the log alone the slots
in use just before any offer can be rebuilt, hence whether each limit had room for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from service.calls import SCOPE_SETS, Scope
from simulator.conditions import MOST_PRIORITY, SharingPolicy
from simulator.results import CallLog, Fate
from simulator.trace import NEVER, CallTrace, Conditions, Int64s

Bools = npt.NDArray[np.bool_]

_NO_CAP: Final = 2**62
_NOBODY: Final = 2**62


@dataclass(frozen=True, slots=True)
class Finding:
    """A law, whether it held, and if not where it was first broken and how often."""

    name: str
    formula: str
    ok: bool
    detail: str = ""


def finding(name: str, formula: str, breaches: Iterable[str]) -> Finding:
    """The finding about a law that was broken in these places (none: it held)."""
    places = iter(breaches)
    first = next(places, None)
    if first is None:
        return Finding(name, formula, True)
    others = sum(1 for _ in places)
    return Finding(name, formula, False, f"{first} (and {others} more)" if others else first)


class _Timeline:
    """Values that change at given instants; from each on, changes of that instant included."""

    def __init__(self, first: int) -> None:
        self._instants: list[int] = []
        self._values = [first]

    def set(self, at_us: int, value: int) -> None:
        self._instants.append(at_us)
        self._values.append(value)

    def ever(self) -> bool:
        """Whether the value is above zero at any time."""
        return max(self._values) > 0

    def at(self, instants: Int64s) -> Int64s:
        """The value at each instant."""
        places = np.searchsorted(np.array(self._instants, np.int64), instants, side="right")
        return np.array(self._values, np.int64)[places]


class _Limits:
    """The limits in force over time: the total, and cap and reservation of each tenant's place."""

    def __init__(self, conditions: Conditions) -> None:
        tenants = conditions.tenants
        place = {tenant.tenant_id: place for place, tenant in enumerate(tenants)}
        self.total = _Timeline(conditions.max_concurrent_calls)
        self.caps = [_Timeline(_cap(tenant.max_concurrent_calls)) for tenant in tenants]
        self.reserved = [
            _Timeline(tenant.reserved_calls if tenant.configured else 0) for tenant in tenants
        ]
        for change in conditions.changes:
            if change.max_concurrent_calls is not None:
                self.total.set(change.at_us, change.max_concurrent_calls)
            for tenant_id, new in change.tenants.items():
                if new.max_concurrent_calls is not None:
                    cap = _cap(new.max_concurrent_calls)
                    self.caps[place[tenant_id]].set(change.at_us, cap)
                if new.reserved_calls is not None:
                    self.reserved[place[tenant_id]].set(change.at_us, new.reserved_calls)


def _cap(cap: int | str | None) -> int:
    return cap if isinstance(cap, int) else _NO_CAP


class _Intervals:
    """Slots held over time by some calls: how many were held when an offer was made.

    Positions number the offers of a run in the order they are made. A slot freed at t is free for
    every offer at t. A call of length zero is taken and freed at once, so only offers behind it may
    count it as freed: the earlier ones do not count it as taken. A slot that was given up for
    another call is free from that call's position ``given_up`` on (_NOBODY: it was not).
    """

    def __init__(
        self, position: Int64s, offered_us: Int64s, released_us: Int64s, given_up: Int64s
    ) -> None:
        self._taken = position
        stayed = given_up == _NOBODY
        instant = stayed & (released_us == offered_us)
        self._passed = position[instant]
        self._freed = np.sort(released_us[stayed & ~instant & (released_us != NEVER)])
        self._given_up = np.sort(given_up[~stayed])

    def before(self, position: Int64s, at_us: Int64s) -> Int64s:
        """Slots in use just before the admission of the offers at these positions and instants."""
        taken = np.searchsorted(self._taken, position, side="left")
        passed = np.searchsorted(self._passed, position, side="left")
        freed = np.searchsorted(self._freed, at_us, side="right")
        given_up = np.searchsorted(self._given_up, position, side="right")
        return (taken - passed - freed - given_up).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Offers:
    """The offers that asked for a slot, in order; shapes (m,), and the full scopes of each.

    ``given_up`` is the position of the call that took an admitted call's slot over, or _NOBODY.
    ``less_important`` are the held calls that could have been ended for an offer.
    """

    row: Int64s
    tenant: Int64s
    at_us: Int64s
    admitted: Bools
    in_use: Int64s
    limit: Int64s
    full: npt.NDArray[np.int8]
    given_up: Int64s
    less_important: Int64s


def _offers(trace: CallTrace, log: CallLog) -> _Offers:
    n = len(trace)
    asked = np.flatnonzero((log.fate != Fate.NOT_MADE) & (log.fate != Fate.REJECTED_TENANT))
    attempt = np.broadcast_to(trace.attempt, n)[asked]
    row = asked[np.lexsort((asked, attempt, log.offered_us[asked]))]
    tenant = np.broadcast_to(trace.tenant, n)[row].astype(np.int64)
    at_us, released_us = log.offered_us[row], log.released_us[row]
    admitted = log.fate[row] != Fate.REJECTED_CAPACITY
    position = np.arange(len(row))

    given_up = np.full(len(row), _NOBODY, np.int64)
    if log.preempted_by is not None:
        position_of = np.full(n, _NOBODY, np.int64)
        position_of[row] = position
        taker = log.preempted_by[row]
        given_up = np.where(taker == NEVER, _NOBODY, position_of[taker])

    def intervals(chosen: Bools) -> _Intervals:
        return _Intervals(position[chosen], at_us[chosen], released_us[chosen], given_up[chosen])

    limits = _Limits(trace.conditions)
    limit, in_use = limits.total.at(at_us), intervals(admitted).before(position, at_us)
    by_tenant = [intervals(admitted & (tenant == place)) for place in range(len(limits.caps))]
    own, caps = np.zeros(len(row), np.int64), np.zeros(len(row), np.int64)
    reserved = np.zeros(len(row), np.int64)
    for place, held in enumerate(by_tenant):
        mine = tenant == place
        own[mine] = held.before(position[mine], at_us[mine])
        caps[mine] = limits.caps[place].at(at_us[mine])
        reserved[mine] = limits.reserved[place].at(at_us[mine])
    spoken_for = in_use
    if any(timeline.ever() for timeline in limits.reserved):
        spoken_for = np.zeros(len(row), np.int64)
        for held, timeline in zip(by_tenant, limits.reserved, strict=True):
            spoken_for += np.maximum(held.before(position, at_us), timeline.at(at_us))
    total_full = in_use >= limit
    full = (
        total_full * _bit(Scope.TOTAL)
        | (own >= caps) * _bit(Scope.TENANT)
        | (~total_full & (own >= reserved) & (spoken_for >= limit)) * _bit(Scope.RESERVED)
    )
    leave_free = np.array([each.leave_free for each in trace.conditions.tenants], np.int64)[tenant]
    full |= (~total_full & (limit - in_use <= leave_free)) * _bit(Scope.RESERVED)
    less_important = np.zeros(len(row), np.int64)
    rank = importance(trace.conditions)[tenant]
    if trace.conditions.policy == SharingPolicy.PRIORITY:
        for level in np.unique(rank).tolist():
            below = intervals(admitted & (rank < level))
            mine = rank == level
            less_important[mine] = below.before(position[mine], at_us[mine])
    return _Offers(
        row, tenant, at_us, admitted, in_use, limit, full.astype(np.int8), given_up, less_important
    )


def importance(conditions: Conditions) -> Int64s:
    """How important each tenant's calls are, shape (tenants,): more is more important."""
    return np.array(
        [-(each.priority or MOST_PRIORITY + 1) for each in conditions.tenants], np.int64
    )


def _bit(scope: Scope) -> int:
    return 1 << list(Scope).index(scope)


def _words(mask: int) -> str:
    return ", ".join(SCOPE_SETS[mask]) or "none"


def slot_findings(trace: CallTrace, log: CallLog) -> tuple[Finding, ...]:
    """The laws of admission: nobody was let in past a full limit, nor kept out of a free slot.

    Under the policy priority there are two more, about who gives way.
    """
    offers = _offers(trace, log)
    rejected = ~offers.admitted
    given = log.scopes[offers.row]
    laws: Sequence[tuple[str, str, Bools, str]] = (
        (
            "slots.total",
            "in_use <= max_concurrent_calls right after each admission",
            offers.admitted & (offers.full & _bit(Scope.TOTAL) != 0),
            "admitted",
        ),
        (
            "slots.tenant",
            "a tenant's in_use <= its max_concurrent_calls right after each admission",
            offers.admitted & (offers.full & _bit(Scope.TENANT) != 0),
            "admitted",
        ),
        (
            "slots.reserved",
            "no admission into slots reserved for others",
            offers.admitted & (offers.full & _bit(Scope.RESERVED) != 0),
            "admitted",
        ),
        (
            "slots.needless",
            "no capacity rejection while every scope had room",
            rejected & (offers.full == 0),
            "rejected for capacity",
        ),
        (
            "slots.scopes",
            "a capacity rejection names the scopes that were full, all of them and no other",
            rejected & (offers.full != 0) & (given != offers.full),
            "rejected for capacity",
        ),
        *_priority_laws(trace.conditions, offers),
    )
    return tuple(
        finding(name, formula, _calls(trace, offers, given, np.flatnonzero(broken), done))
        for name, formula, broken, done in laws
    )


def _priority_laws(
    conditions: Conditions, offers: _Offers
) -> Iterator[tuple[str, str, Bools, str]]:
    if conditions.policy != SharingPolicy.PRIORITY:
        return
    rank = importance(conditions)[offers.tenant]
    gave_way = offers.given_up != _NOBODY
    taker = np.where(gave_way, offers.given_up, 0)
    # Without the call that gave way all slots but one were taken.
    needless = (rank >= rank[taker]) | (offers.in_use[taker] + 1 != offers.limit[taker])
    yield (
        "preemption.needless",
        "a call gives way only to a more important one, and only where every slot was taken",
        gave_way & needless,
        "ended for another call",
    )
    could_help = offers.in_use == offers.limit
    yield (
        "preemption.missed",
        "nobody is turned away for the total alone while a less important call is held, unless"
        " more are held than the limit",
        ~offers.admitted
        & (offers.full == _bit(Scope.TOTAL))
        & could_help
        & (offers.less_important > 0),
        "rejected for capacity",
    )


def _calls(
    trace: CallTrace,
    offers: _Offers,
    given: npt.NDArray[np.int8],
    broken: npt.NDArray[np.intp],
    done: str,
) -> Iterator[str]:
    for place in broken.tolist():
        tenant = trace.conditions.tenants[int(offers.tenant[place])].tenant_id
        named = "" if offers.admitted[place] else f", named {_words(int(given[place]))}"
        yield (
            f"call {offers.row[place]} of {tenant} offered at {offers.at_us[place]} us was {done}:"
            f" {offers.in_use[place]} of {offers.limit[place]} slots in use,"
            f" full scopes {_words(int(offers.full[place]))}{named}"
        )
