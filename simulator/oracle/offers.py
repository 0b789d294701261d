"""Which offers of a trace are admitted, by counting the intervals that contain their instant.

An admitted call holds one slot over the half-open interval [offer, release). The slots in use at an
offer are the intervals of earlier offers that contain its instant; a call of length zero contains
none, so it holds nobody up. Offers are walked by (instant, attempt, row); a dependent row joins the
walk when the interval of its predecessor is known.

Under the policy priority an offer may cut the interval of an admitted call short. The interval is
then [offer, cut), and what follows the call follows the cut.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from service.calls import Lookup, Scope
from simulator.oracle.lives import ENDLESS, Lives
from simulator.oracle.precedence import Precedence
from simulator.results import Progress
from simulator.trace import (
    NEVER,
    AfterOn,
    CallTrace,
    Conditions,
    Int64s,
    LimitsChange,
    SharingPolicy,
)

_STEP: Final = 1 << 16

NOT_MADE: Final = 0
NO_TENANT: Final = 1
NO_SLOT: Final = 2
ADMITTED: Final = 3

LOOKUPS: Final = tuple(Lookup)
"""Lookup results by the codes of :attr:`Offers.lookup`."""

TOTAL, TENANT, RESERVED = (1 << bit for bit, _ in enumerate(Scope))
"""Bits of a scope mask, in the order of :class:`service.calls.Scope`."""


@dataclass(frozen=True, slots=True, eq=False)
class Offers:
    """What became of each row's offer; shapes (n,).

    ``answer`` is one of NOT_MADE, NO_TENANT, NO_SLOT and ADMITTED; ``lookup`` a place in LOOKUPS,
    meaningful for admitted rows whose accept is heard; ``offered_us`` is ENDLESS when not made.
    ``cut_us`` is when an admitted call gave way (ENDLESS: it did not) and ``taken_by`` the row it
    gave way to, None under policies that make nobody give way.
    """

    answer: npt.NDArray[np.int8]
    scopes: npt.NDArray[np.int8]
    lookup: npt.NDArray[np.int8]
    offered_us: Int64s
    cut_us: Int64s
    taken_by: Int64s | None


class _Lookups:
    """What the instructions lookup of an accept finds, by tenant, instant and draw."""

    def __init__(self, conditions: Conditions) -> None:
        self._base = [
            LOOKUPS.index(Lookup.FOUND if tenant.instructions else Lookup.MISSING)
            for tenant in conditions.tenants
        ]
        self._faults = [
            [
                (fault.from_us, fault.until_us, fault.span, LOOKUPS.index(fault.result))
                for fault in conditions.lookup_faults
                if fault.tenants is None or tenant.tenant_id in fault.tenants
            ]
            for tenant in conditions.tenants
        ]

    def find(self, tenant: int, at_us: int, draw: int) -> int:
        """The place in LOOKUPS of what an accept of the tenant at ``at_us`` finds."""
        reach = 0
        for from_us, until_us, span, result in self._faults[tenant]:
            if from_us <= at_us < until_us:
                reach += span
                if draw < reach:
                    return result
        return self._base[tenant]


class _Slots:
    """The limits in force and the intervals that reach beyond the instant of the walk."""

    def __init__(self, conditions: Conditions) -> None:
        tenants = conditions.tenants
        self.open = [tenant.configured and tenant.enabled for tenant in tenants]
        self._place = {tenant.tenant_id: place for place, tenant in enumerate(tenants)}
        self._limit = conditions.max_concurrent_calls
        self._caps = [tenant.max_concurrent_calls for tenant in tenants]
        self._reserved = [tenant.reserved_calls if tenant.configured else 0 for tenant in tenants]
        self._reserved_in_all = sum(self._reserved)
        self._in_use = [0] * len(tenants)
        self._total = 0
        self._leave_free = [tenant.leave_free for tenant in tenants]
        self._releases: list[tuple[int, int, int]] = []
        self._precedence: Precedence | None = None
        if conditions.policy == SharingPolicy.PRIORITY:
            self._precedence = Precedence([tenant.priority for tenant in tenants])

    def change(self, change: LimitsChange) -> None:
        if change.max_concurrent_calls is not None:
            self._limit = change.max_concurrent_calls
        for tenant_id, new in change.tenants.items():
            place = self._place[tenant_id]
            if new.max_concurrent_calls is not None:
                cap = new.max_concurrent_calls
                self._caps[place] = None if isinstance(cap, str) else cap
            if new.reserved_calls is not None:
                self._reserved[place] = new.reserved_calls
                self._reserved_in_all = sum(self._reserved)
            if new.enabled is not None:
                self.open[place] = new.enabled

    def pass_to(self, at_us: int) -> None:
        """Leave out the intervals that do not contain ``at_us``."""
        releases = self._releases
        while releases and releases[0][0] <= at_us:
            _, tenant, row = heapq.heappop(releases)
            if self._precedence is not None and self._precedence.was_cut(row):
                continue
            self._in_use[tenant] -= 1
            self._total -= 1

    def full(self, tenant: int) -> int:
        """The scopes without room for the tenant, as a bit mask."""
        mask = 0
        cap = self._caps[tenant]
        if cap is not None and self._in_use[tenant] >= cap:
            mask = TENANT
        if self._total >= self._limit:
            return mask | TOTAL
        if self._limit - self._total <= self._leave_free[tenant]:
            mask |= RESERVED
        # max(n, r) <= n + r: most offers are far enough from the limit to skip the exact sum.
        if (
            self._total + self._reserved_in_all >= self._limit
            and self._in_use[tenant] >= self._reserved[tenant]
            and sum(map(max, self._in_use, self._reserved)) >= self._limit
        ):
            mask |= RESERVED
        return mask

    def hold(self, row: int, tenant: int, until_us: int) -> None:
        self._in_use[tenant] += 1
        self._total += 1
        if self._precedence is not None:
            self._precedence.hold(row, tenant, until_us)
        if until_us < ENDLESS:
            heapq.heappush(self._releases, (until_us, tenant, row))

    def make_room(self, tenant: int, at_us: int) -> int:
        """The row that gives way to an offer of the tenant that finds no slot, or NEVER.

        It helps only where one call less leaves room: not when more are held than the limit.
        """
        if self._precedence is None or self._total > self._limit:
            return NEVER
        row, other = self._precedence.cut_below(tenant, at_us)
        if row != NEVER:
            self._in_use[other] -= 1
            self._total -= 1
        return row


class _Queue:
    """Offers in order: independent rows as the trace has them, dependents as they become known."""

    def __init__(self, trace: CallTrace) -> None:
        n = len(trace)
        self._after = np.broadcast_to(trace.after, n)
        self._attempt = np.broadcast_to(trace.attempt, n)
        self._on = np.broadcast_to(trace.after_on, n)
        self._delay = np.broadcast_to(trace.delay_us, n)
        self._duration_us = trace.conditions.duration_us
        first = np.flatnonzero(self._after < 0)
        self._offer = np.broadcast_to(trace.offer_us, n)
        order = np.lexsort((first, self._attempt[first], self._offer[first]))
        self._first = first[order]
        self._later: list[tuple[int, int, int]] = []
        self._due: dict[int, int] = {}
        self.successors: dict[int, list[int]] = {}
        for row in np.flatnonzero(self._after >= 0).tolist():
            self.successors.setdefault(int(self._after[row]), []).append(row)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(instant, row) of each offer; rows added meanwhile by :meth:`finish` take their place."""
        later = self._later
        rows = self._first
        for start in range(0, len(rows), _STEP):
            part = rows[start : start + _STEP]
            instants, attempts = self._offer[part].tolist(), self._attempt[part].tolist()
            for at_us, attempt, row in zip(instants, attempts, part.tolist(), strict=True):
                while later and later[0] < (at_us, attempt, row):
                    yield from self._next_later()
                if at_us < self._duration_us:
                    yield at_us, row
        while later:
            yield from self._next_later()

    def _next_later(self) -> Iterator[tuple[int, int]]:
        """The first of the dependents, unless another instant was found for it since."""
        due_us, _, dependent = heapq.heappop(self._later)
        if self._due[dependent] == due_us:
            yield due_us, dependent

    def finish(self, row: int, at_us: int, *, rejected: bool) -> None:
        """Offer what waits for ``row``, which finished at ``at_us``.

        ``rejected`` says that it was for want of a slot or of instructions. Said again of the same
        row, it holds in place of what was said before.
        """
        for successor in self.successors.get(row, ()):
            self._due[successor] = ENDLESS
            if self._on[successor] == AfterOn.FINISHED or rejected:
                due_us = at_us + int(self._delay[successor])
                if due_us < self._duration_us:
                    self._due[successor] = due_us
                    heapq.heappush(self._later, (due_us, int(self._attempt[successor]), successor))


def offers_of(trace: CallTrace, lives: Lives, progress: Progress | None = None) -> Offers:
    """Walk the offers of a trace and say which are made, which admitted, and what lookups find.

    ``progress`` is told of rows offered so far, of all rows.
    """
    conditions = trace.conditions
    n = len(trace)
    slots, queue, lookups = _Slots(conditions), _Queue(trace), _Lookups(conditions)
    changes = iter((*conditions.changes, LimitsChange(ENDLESS)))
    change = next(changes)
    fallback = [tenant.fallback for tenant in conditions.tenants]
    tenants = np.broadcast_to(trace.tenant, n).tolist()
    draws = np.broadcast_to(trace.lookup_draw, n).tolist()
    accepts, releases = lives.accept_us.tolist(), lives.release_us.tolist()
    answer, scopes, lookup = bytearray(n), bytearray(n), bytearray(n)
    offered, cut = np.full(n, ENDLESS, np.int64), np.full(n, ENDLESS, np.int64)
    taken_by = np.full(n, NEVER, np.int64)
    found = LOOKUPS.index(Lookup.FOUND)

    for made, (at_us, row) in enumerate(queue):
        if progress is not None and made % _STEP == 0:
            progress(made, n)
        while change.at_us <= at_us:
            slots.change(change)
            change = next(changes)
        offered[row] = at_us
        tenant = tenants[row]
        if not slots.open[tenant]:
            answer[row] = NO_TENANT
            queue.finish(row, at_us, rejected=False)
            continue
        slots.pass_to(at_us)
        mask = slots.full(tenant)
        if mask == TOTAL and (gone := slots.make_room(tenant, at_us)) != NEVER:
            cut[gone], taken_by[gone], mask = at_us, row, 0
            queue.finish(gone, at_us, rejected=False)
        if mask:
            answer[row], scopes[row] = NO_SLOT, mask
            queue.finish(row, at_us, rejected=True)
            continue
        answer[row] = ADMITTED
        until = releases[row]
        refused = False
        if accepts[row] < ENDLESS:
            lookup[row] = result = lookups.find(tenant, at_us + accepts[row], draws[row])
            refused = result != found and not fallback[tenant]
            if refused:
                until = accepts[row]
        slots.hold(row, tenant, min(at_us + until, ENDLESS))
        if until < ENDLESS:
            queue.finish(row, at_us + until, rejected=refused)
    if progress is not None:
        progress(n, n)
    as_int8 = [np.frombuffer(column, np.int8) for column in (answer, scopes, lookup)]
    preempts = conditions.policy == SharingPolicy.PRIORITY
    return Offers(as_int8[0], as_int8[1], as_int8[2], offered, cut, taken_by if preempts else None)
