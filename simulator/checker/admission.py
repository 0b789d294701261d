"""Over-admission, reservations given away, and rejections while there was room."""

from dataclasses import dataclass

import numpy as np

from simulator.checker.columns import REJECTED_CAPACITY, Bools, Columns, Names
from simulator.checker.judgement import Claim, Findings, more_like_it
from simulator.checker.limits import LimitsOverTime, Range
from simulator.checker.slots import Slots, beyond
from simulator.checker.steps import FOREVER, UNLIMITED, Steps, greatest_among
from simulator.checker.stretch import Evidence
from simulator.checker.windows import first_over
from simulator.trace import Int64s


@dataclass(frozen=True, slots=True)
class Admissions:
    """Judges admissions and capacity rejections of one stretch between restarts.

    ``others_from_us``: from when there may be calls that are not in the history, so that the
    greatest possible number of slots in use is not known.
    """

    columns: Columns
    names: Names
    slots: Slots
    limits: LimitsOverTime
    evidence: Evidence
    others_from_us: int

    def judge(self, found: Findings) -> None:
        admitted = self.slots.windows.admitted
        decided = np.flatnonzero(admitted.sure & (admitted.high_us < FOREVER))
        scopes: list[tuple[str | None, Range]] = []
        if self.limits.total is not None:
            scopes.append((None, self.limits.total))
        for name, ranges in self.limits.tenants.items():
            if int(ranges.cap.least.values.min()) < UNLIMITED:
                scopes.append((name, ranges.cap))
        for tenant, limit in scopes:
            claim = self._too_many(tenant, limit) or self._into_full(tenant, limit, decided)
            if claim is not None:
                found.claims.append(claim)
        if self.limits.total is not None and self._reserves():
            claim = self._into_reserved(self.limits.total, decided)
            if claim is not None:
                found.claims.append(claim)
        self._rejections(found)

    def _reserves(self) -> bool:
        return any(
            int(ranges.reserved.greatest.values.max()) > 0
            for ranges in self.limits.tenants.values()
        )

    # --- over-admission -----------------------------------------------------------------------

    def _too_many(self, tenant: str | None, limit: Range) -> Claim | None:
        """More calls certainly held at once than any limit allowed when the last one got in.

        Of calls that hold a slot at one instant, the one admitted last found all the others
        there. Its admission lies between the latest earliest admission and that instant. Only
        instants at which an admission is over by then need a look: between two of them calls only
        leave, so fewer are held and the last of them may have come earlier.
        """
        admitted, released = self.slots.windows.admitted, self.slots.windows.released
        calls = self.slots.calls_of(tenant)
        calls = calls[admitted.sure[calls]]
        at_us = np.unique(admitted.high_us[calls])
        count = self.slots.just_after(tenant).at(at_us)
        above = count > limit.greatest.at(at_us)
        at_us, count = at_us[above], count[above]
        if not len(at_us):
            return None
        low, high = admitted.low_us[calls], admitted.high_us[calls]
        over = np.where(released.possible[calls], released.low_us[calls], FOREVER)
        most = limit.greatest.greatest(greatest_among(high, over, low, at_us), at_us)
        proven = np.flatnonzero(count > most)
        if not len(proven):
            return None
        instant = int(at_us[proven[0]])
        held = calls[(high <= instant) & (over > instant)]
        return self._over_admission(tenant, int(most[proven[0]]), held, instant)

    def _over_admission(self, tenant: str | None, most: int, held: Int64s, instant: int) -> Claim:
        admitted = self.slots.windows.admitted
        by_low = held[np.argsort(admitted.low_us[held], kind="stable")]
        shown = by_low[len(by_low) - most - 1 :]
        others = len(held) - len(shown)
        return Claim(
            kind="over_admission",
            message=(
                f"{len(shown)} calls certainly hold a slot{_of(tenant)} right after {instant} us, "
                f"and the greatest limit possibly in force was {most}"
            ),
            calls=self._ids(shown),
            bearing=self.evidence.of(shown),
            more=f" ({others} more hold one then)" if others else "",
        )

    def _into_full(self, tenant: str | None, limit: Range, decided: Int64s) -> Claim | None:
        """A call admitted although the scope was full throughout its admission."""
        admitted = self.slots.windows.admitted
        if tenant is not None:
            decided = self.slots.calls_of(tenant)
            decided = decided[admitted.sure[decided]]
        excess = beyond(self.slots.surely(tenant), limit, least=True)
        low, high = admitted.low_us[decided], admitted.high_us[decided]
        wrong = decided[excess.least(low, high) >= 0]
        if not len(wrong):
            return None
        call = first_over(admitted, wrong, self.names)
        window = (int(admitted.low_us[call]), int(admitted.high_us[call]))
        holding = np.append(self._surely_holding(tenant, *window), call)
        taken = int(self.slots.surely(tenant).least(*_windows(window))[0])
        return Claim(
            kind="over_admission",
            message=(
                f"{self.names.calls[call]} was admitted between {window[0]} and {window[1]} us "
                f"although every slot{_of(tenant)} was certainly taken throughout, "
                f"at least {taken}"
            ),
            calls=self._ids(holding),
            bearing=self.evidence.of(holding),
            more=more_like_it(len(wrong)),
            strength=(excess.area(*window),),
        )

    # --- reservations -------------------------------------------------------------------------

    def _into_reserved(self, total: Range, decided: Int64s) -> Claim | None:
        """A call admitted beyond its own minimum although every free slot was kept for others."""
        admitted = self.slots.windows.admitted
        committed = beyond(self.slots.committed(self.limits, "surely"), total, least=True)
        low, high = admitted.low_us[decided], admitted.high_us[decided]
        # Where no slot was free at all it is no reservation that was given away.
        taken = beyond(self.slots.surely(None), total, least=True).least(low, high) >= 0
        full = (committed.least(low, high) >= 0) & ~taken
        given_away = [np.empty(0, np.int64)]
        for name in self.slots.tenants:
            ranges = self.limits.tenants.get(name)
            if ranges is None:
                continue
            own = decided[full & (self.names.tenant_of[decided] == self.slots.tenants.index(name))]
            beyond_own = beyond(self.slots.surely(name), ranges.reserved, least=True)
            given_away.append(
                own[beyond_own.least(admitted.low_us[own], admitted.high_us[own]) >= 0]
            )
        wrong = np.concatenate(given_away)
        if not len(wrong):
            return self._too_much_committed(total)
        return self._given_away(wrong, committed)

    def _given_away(self, wrong: Int64s, committed: Steps) -> Claim:
        admitted = self.slots.windows.admitted
        call = first_over(admitted, wrong, self.names)
        tenant = self.names.tenants[self.names.tenant_of[call]]
        window = (int(admitted.low_us[call]), int(admitted.high_us[call]))
        holding = np.append(self._surely_holding(None, *window), call)
        own = beyond(self.slots.surely(tenant), self.limits.tenants[tenant].reserved, least=True)
        return Claim(
            kind="reservation_given_away",
            message=(
                f"{self.names.calls[call]} of {tenant} was admitted between {window[0]} and "
                f"{window[1]} us although every free slot was reserved for other tenants"
            ),
            calls=self._ids(holding),
            bearing=self.evidence.of(holding),
            more=more_like_it(len(wrong)),
            strength=(committed.area(*window), own.area(*window)),
        )

    def _too_much_committed(self, total: Range) -> Claim | None:
        """Under limits that never change, slots in use and reserved never exceed the total."""
        if not (total.fixed and all(each.reserved.fixed for each in self.limits.tenants.values())):
            return None
        excess = beyond(self.slots.committed(self.limits, "just_after"), total, least=True)
        above = np.flatnonzero(excess.values[1:] > 0)
        if not len(above):
            return None
        instant = int(excess.times[above[0]])
        admitted, released = self.slots.windows.admitted, self.slots.windows.released
        over = np.where(released.possible, released.low_us, FOREVER)
        held = np.flatnonzero(admitted.sure & (admitted.high_us <= instant) & (over > instant))
        return Claim(
            kind="reservation_given_away",
            message=(
                f"right after {instant} us the slots in use and those reserved for tenants that "
                f"use less come to {int(excess.values[above[0] + 1]) + int(total.least.values[0])}"
                f", more than the limit {int(total.least.values[0])}"
            ),
            calls=self._ids(held),
            bearing=self.evidence.of(held),
        )

    # --- false rejections ---------------------------------------------------------------------

    def _rejections(self, found: Findings) -> None:
        rejected = self.slots.windows.rejected_capacity
        calls = np.flatnonzero(rejected.sure & (rejected.high_us < self.others_from_us))
        if not len(calls):
            return
        scopes = np.zeros(len(self.names.calls), np.int64)
        said = np.flatnonzero((self.columns.answer == REJECTED_CAPACITY) & self.columns.sure)
        # Of several answers to one offer the first counts, as it does for the window.
        said = said[np.argsort(-self.columns.high_us[said], kind="stable")]
        scopes[self.columns.call[said]] = self.columns.scopes[said]
        total = self._could_be_full(None, self.limits.total, calls)
        tenant = np.ones(len(calls), np.bool_)
        for number, name in enumerate(self.names.tenants):
            own = np.flatnonzero(self.names.tenant_of[calls] == number)
            ranges = self.limits.of_tenant(name)
            if len(own) and ranges is not None:
                tenant[own] = self._could_be_full(name, ranges.cap, calls[own])
        reserved = self._could_be_reserved(calls)
        named = scopes[calls]
        checks = (
            ("total", (named & 1 > 0) & ~total),
            ("tenant", (named & 2 > 0) & ~tenant),
            ("reserved", (named & 4 > 0) & ~reserved),
            ("any", (named == 0) & ~(total | tenant | reserved)),
        )
        for scope, wrong in checks:
            if wrong.any():
                found.claims.append(self._false_rejection(scope, calls[wrong]))

    def _could_be_full(self, tenant: str | None, limit: Range | None, calls: Int64s) -> Bools:
        if limit is None:
            return np.ones(len(calls), np.bool_)
        rejected = self.slots.windows.rejected_capacity
        excess = beyond(self.slots.possibly(tenant), limit, least=False)
        reached: Bools = excess.greatest(rejected.low_us[calls], rejected.high_us[calls]) >= 0
        return reached

    def _could_be_reserved(self, calls: Int64s) -> Bools:
        if self.limits.total is None or not self.limits.tenants_known:
            return np.ones(len(calls), np.bool_)
        if not self._reserves():
            return np.zeros(len(calls), np.bool_)
        rejected = self.slots.windows.rejected_capacity
        low, high = rejected.low_us[calls], rejected.high_us[calls]
        committed = beyond(
            self.slots.committed(self.limits, "possibly"), self.limits.total, least=False
        )
        could = committed.greatest(low, high) >= 0
        for number, name in enumerate(self.names.tenants):
            own = np.flatnonzero(self.names.tenant_of[calls] == number)
            ranges = self.limits.tenants.get(name)
            if len(own) and ranges is not None:
                beyond_own = beyond(self.slots.possibly(name), ranges.reserved, least=False)
                could[own] &= beyond_own.greatest(low[own], high[own]) >= 0
        return could

    def _false_rejection(self, scope: str, calls: Int64s) -> Claim:
        rejected = self.slots.windows.rejected_capacity
        call = first_over(rejected, calls, self.names)
        tenant = self.names.tenants[self.names.tenant_of[call]]
        low, high = int(rejected.low_us[call]), int(rejected.high_us[call])
        in_scope = tenant if scope == "tenant" else None
        holding = self._possibly_holding(in_scope, low, high)
        window = _windows((low, high))
        possibly = self.slots.possibly(in_scope)
        most = int(possibly.greatest(*window)[0])
        limit: Steps | None = None
        if scope == "tenant":
            ranges = self.limits.of_tenant(tenant)
            limit = None if ranges is None else ranges.cap.least
        elif self.limits.total is not None:
            limit = self.limits.total.least
        least = None if limit is None else int(limit.least(*window)[0])
        under = "" if least is None or least >= UNLIMITED else f" of at least {least}"
        return Claim(
            kind="false_rejection",
            message=(
                f"{self.names.calls[call]} was rejected between {low} and {high} us "
                f"({_scope_words(scope, tenant)}) although at most {most} slots{under}"
                f"{_of(in_scope)} can have been in use at any instant of it"
            ),
            calls=self._ids(np.array([call])),
            bearing=self.evidence.of(np.append(holding, call)),
            more=more_like_it(len(calls)),
            strength=(
                -possibly.area(low, high),
                0 if limit is None else limit.area(low, high),
                -self.slots.committed(self.limits, "possibly").area(low, high),
            ),
        )

    # --- the calls concerned ------------------------------------------------------------------

    def _surely_holding(self, tenant: str | None, low: int, high: int) -> Int64s:
        admitted, released = self.slots.windows.admitted, self.slots.windows.released
        calls = self.slots.calls_of(tenant)
        over = np.where(released.possible[calls], released.low_us[calls], FOREVER)
        sure = admitted.sure[calls] & (admitted.high_us[calls] < high) & (over > low)
        return calls[sure]

    def _possibly_holding(self, tenant: str | None, low: int, high: int) -> Int64s:
        admitted, released = self.slots.windows.admitted, self.slots.windows.released
        calls = self.slots.calls_of(tenant)
        over = np.where(released.sure[calls], released.high_us[calls], FOREVER)
        return calls[admitted.possible[calls] & (admitted.low_us[calls] <= high) & (over >= low)]

    def _ids(self, calls: Int64s) -> tuple[str, ...]:
        return tuple(self.names.calls[call] for call in calls.tolist())


def _of(tenant: str | None) -> str:
    return "" if tenant is None else f" of {tenant}"


def _windows(window: tuple[int, int]) -> tuple[Int64s, Int64s]:
    return np.array([window[0]]), np.array([window[1]])


def _scope_words(scope: str, tenant: str) -> str:
    return {
        "total": "total full",
        "tenant": f"{tenant} full",
        "reserved": "the rest reserved",
        "any": "no scope named",
    }[scope]
