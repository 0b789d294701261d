"""Every counter at every read: at least what surely happened before, at most what may have by then.

A read takes effect at one instant between its invocation and its completion. What was completed
before it was invoked counts; what was invoked after it was completed does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from service.calls import COUNTER_NAMES, MINUTES_PROCESSED, UNKNOWN_TENANT, Counter
from simulator.checker.columns import ACCEPT, END, OFFER, REFER, START, Bools, Names
from simulator.checker.judgement import Alarm, Bound, Findings
from simulator.checker.limits import LimitsOverTime
from simulator.checker.reads import GAUGES, IN_USE, Key, Read, in_microseconds
from simulator.checker.slots import Slots
from simulator.checker.steps import FOREVER
from simulator.checker.stretch import Evidence, in_order
from simulator.checker.windows import CLOCK_RATE_TOLERANCE, Effect, Windows
from simulator.history import OPS, Operation
from simulator.trace import Int64s

ACTIVE_US: Final = COUNTER_NAMES[Counter.ACTIVE_US_TOTAL]
TRUNCATION_US: Final = 2
"""Two instants cut to whole microseconds on either side make a duration wrong by this much."""

NEAREST_READS: Final = 20
"""Earlier reads tried, from the nearest, for one after which the figure already went wrong."""

_CHANGED_BY: Final[Mapping[str, tuple[int, ...]]] = {
    COUNTER_NAMES[Counter.OFFERED_CALLS]: (OFFER,),
    COUNTER_NAMES[Counter.REJECTED_CALLS_CAPACITY]: (OFFER,),
    COUNTER_NAMES[Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED]: (OFFER,),
    COUNTER_NAMES[Counter.ACCEPTED_CALLS]: (OFFER, ACCEPT),
    COUNTER_NAMES[Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING]: (OFFER, ACCEPT),
    COUNTER_NAMES[Counter.INSTRUCTIONS_DB_ERRORS]: (OFFER, ACCEPT),
    COUNTER_NAMES[Counter.FALLBACK_INSTRUCTIONS_USED]: (OFFER, ACCEPT),
    COUNTER_NAMES[Counter.STARTED_CALLS]: (START,),
    COUNTER_NAMES[Counter.REFERRED_CALLS]: (REFER,),
    COUNTER_NAMES[Counter.ENDED_CALLS]: (END,),
    COUNTER_NAMES[Counter.FAILED_CALLS]: (END,),
    COUNTER_NAMES[Counter.ABANDONED_PENDING]: (END,),
    COUNTER_NAMES[Counter.ABANDONED_ACCEPTED]: (END,),
    COUNTER_NAMES[Counter.ACTIVE_CALLS]: (START, END),
    ACTIVE_US: (START, END),
    IN_USE: (OFFER, ACCEPT, END),
}

_TOLD_EARLY: Final = ("accepted", "rejected")
"""Decisions on an offer that are otherwise those on an accept."""

_OF_UNKNOWN_TOO: Final = (
    COUNTER_NAMES[Counter.OFFERED_CALLS],
    COUNTER_NAMES[Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED],
)
_OF_OFFERS: Final = (
    COUNTER_NAMES[Counter.OFFERED_CALLS],
    COUNTER_NAMES[Counter.REJECTED_CALLS_CAPACITY],
)


def effects_of(windows: Windows) -> dict[str, Effect]:
    """What each counter counts."""
    failed_lookups = windows.fallback.possible | windows.rejected_instructions.possible
    nobody = np.zeros(len(failed_lookups), np.bool_)
    accept_low = windows.rejected_instructions.low_us
    return {
        COUNTER_NAMES[Counter.OFFERED_CALLS]: windows.offered,
        COUNTER_NAMES[Counter.REJECTED_CALLS_CAPACITY]: windows.rejected_capacity,
        COUNTER_NAMES[Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED]: windows.rejected_tenant,
        COUNTER_NAMES[Counter.ACCEPTED_CALLS]: windows.accepted,
        COUNTER_NAMES[Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING]: windows.rejected_instructions,
        COUNTER_NAMES[Counter.INSTRUCTIONS_DB_ERRORS]: Effect(
            accept_low, windows.rejected_instructions.high_us, failed_lookups, nobody
        ),
        COUNTER_NAMES[Counter.FALLBACK_INSTRUCTIONS_USED]: windows.fallback,
        COUNTER_NAMES[Counter.STARTED_CALLS]: windows.started,
        COUNTER_NAMES[Counter.REFERRED_CALLS]: windows.referred,
        COUNTER_NAMES[Counter.ENDED_CALLS]: windows.ended,
        COUNTER_NAMES[Counter.FAILED_CALLS]: windows.failed,
        COUNTER_NAMES[Counter.ABANDONED_PENDING]: windows.abandoned_pending,
        COUNTER_NAMES[Counter.ABANDONED_ACCEPTED]: windows.abandoned_accepted,
    }


@dataclass(slots=True)
class CounterBounds:
    """Judges the reads of one stretch between restarts against what its calls allow.

    ``base`` are the figures of ``base_read``, a read before the first operation; zero where there
    was none. ``unbounded_from_us``: from when others may have used the service.
    """

    slots: Slots
    names: Names
    limits: LimitsOverTime
    evidence: Evidence
    base: Mapping[Key, float]
    base_read: Read | None
    unbounded_from_us: int
    _effects: dict[str, Effect] = field(default_factory=dict)
    _configured: dict[bool, Bools] = field(default_factory=dict)

    def judge(self, reads: Sequence[Read], found: Findings) -> None:
        self._effects = effects_of(self.slots.windows)
        by_key: dict[Key, list[tuple[Read, float, float]]] = {}
        for read in reads:
            for key, value in read.figures.items():
                unit, figure, slack = in_microseconds(key, value)
                if key[1] == MINUTES_PROCESSED and (key[0], ACTIVE_US) in read.figures:
                    continue
                by_key.setdefault(unit, []).append((read, figure, slack))
        for key, readings in by_key.items():
            self._judge_key(key, readings, found)

    def _judge_key(
        self, key: Key, readings: Sequence[tuple[Read, float, float]], found: Findings
    ) -> None:
        low_us = np.array([read.low_us for read, _, _ in readings], np.int64)
        high_us = np.array([read.high_us for read, _, _ in readings], np.int64)
        low, high = self._bounds(key, low_us, high_us)
        known = high_us < self.unbounded_from_us
        for place, (read, value, slack) in enumerate(readings):
            least, most = float(low[place]), float(high[place]) if known[place] else None
            if place == len(readings) - 1:
                found.bounds.append(Bound(*key, least, most, value))
            too_low = value < least - slack
            if too_low or (most is not None and value > most + slack):
                found.alarms.append(self._alarm(key, read, value, least, most, readings, too_low))
                return

    def _bounds(self, key: Key, low_us: Int64s, high_us: Int64s) -> tuple[Int64s, Int64s]:
        tenant, name = key
        windows = self.slots.windows
        if name in GAUGES:
            if tenant == UNKNOWN_TENANT:
                return np.zeros(len(low_us), np.int64), np.zeros(len(low_us), np.int64)
            if name == IN_USE:
                surely, possibly = self.slots.surely(tenant), self.slots.possibly(tenant)
            else:
                begun, over = windows.started, windows.released
                surely = self.slots.held_surely(begun, over, tenant, 1)
                start = int(self.base.get(key, 0))
                possibly = self.slots.held_possibly(begun, over, tenant, start)
            return surely.least(low_us, high_us), possibly.greatest(low_us, high_us)
        base, left_over = int(self.base.get(key, 0)), self._left_over(tenant)
        if name == ACTIVE_US:
            low, high = self._active_us(tenant, low_us, high_us)
            return low + base, np.where(left_over > 0, FOREVER, high + base)
        sure, possible = self._counted(key)
        effect = self._effects[name]
        done = np.sort(effect.high_us[sure])
        begun_us = np.sort(effect.low_us[possible])
        if name in _OF_OFFERS:
            left_over = 0
        low = np.searchsorted(done, low_us, side="left") + base
        high = np.searchsorted(begun_us, high_us, side="right") + base + left_over
        return low.astype(np.int64), high.astype(np.int64)

    def _left_over(self, tenant: str | None) -> int:
        slots = self.slots
        return slots.left_over_total if tenant is None else slots.left_over.get(tenant, 0)

    def _counted(self, key: Key) -> tuple[Int64s, Int64s]:
        """Which calls surely, and which possibly, count in a tenant's row of a counter."""
        tenant, name = key
        effect, windows = self._effects[name], self.slots.windows
        by_tenant = name in _OF_UNKNOWN_TOO
        if tenant == UNKNOWN_TENANT and by_tenant:
            rejected = windows.rejected_tenant
            surely_not_own = ~self._may_be(configured=True)
            sure = effect.sure & rejected.sure & surely_not_own
            possible = rejected.possible & self._may_be(configured=False)
            return np.flatnonzero(sure), np.flatnonzero(possible)
        own = self.slots.calls_of(tenant)
        own_sure, own_possible = effect.sure[own], effect.possible[own]
        if tenant is not None and by_tenant:
            taken = windows.admitted.sure | windows.rejected_capacity.sure
            own_sure &= taken[own] | ~self._may_be(configured=False)[own]
            own_possible &= self._may_be(configured=True)[own]
        return own[own_sure], own[own_possible]

    def _may_be(self, *, configured: bool) -> Bools:
        """Which calls' tenants may at some time have been configured (or not)."""
        found = self._configured.get(configured)
        if found is None:
            tenants = np.ones(len(self.names.tenants) + 1, np.bool_)
            for number, name in enumerate(self.names.tenants):
                ranges = self.limits.of_tenant(name)
                if ranges is not None and self.limits.tenants_known:
                    ever = ranges.configured.greatest.values.max() == 1
                    ever_not = ranges.configured.least.values.min() == 0
                    tenants[number] = ever if configured else ever_not
            found = self._configured[configured] = tenants[self.names.tenant_of]
        return found

    def _active_us(
        self, tenant: str | None, low_us: Int64s, high_us: Int64s
    ) -> tuple[Int64s, Int64s]:
        """Least and greatest sums of active time, over calls that ended by a read."""
        started, ended = self.slots.windows.started, self.slots.windows.ended
        calls = self.slots.calls_of(tenant)
        sure = calls[ended.sure[calls] & started.sure[calls]]
        least = np.maximum(0, ended.low_us[sure] - started.high_us[sure])
        least = np.maximum(0, (least * (1 - CLOCK_RATE_TOLERANCE)).astype(np.int64) - TRUNCATION_US)
        order = np.argsort(ended.high_us[sure], kind="stable")
        sums = np.concatenate(([0], np.cumsum(least[order])))
        low = sums[np.searchsorted(ended.high_us[sure][order], low_us, side="left")]

        may = calls[ended.possible[calls] & started.possible[calls]]
        begun, over = started.low_us[may], ended.low_us[may]
        until = np.where(ended.sure[may], ended.high_us[may], FOREVER)
        by_over, by_until = np.argsort(over, kind="stable"), np.argsort(until, kind="stable")
        open_count = np.searchsorted(over[by_over], high_us, side="right")
        done_count = np.searchsorted(until[by_until], high_us, side="right")
        begun_sums = np.concatenate(([0], np.cumsum(begun[by_over])))
        done_begun = np.concatenate(([0], np.cumsum(begun[by_until])))
        finished = until[by_until][: int(done_count.max(initial=0))]
        done_until = np.concatenate(([0], np.cumsum(finished)))
        under_way = open_count - done_count
        high = done_until[done_count] - done_begun[done_count]
        high = high + high_us * under_way - (begun_sums[open_count] - done_begun[done_count])
        high = np.ceil(high * (1 + CLOCK_RATE_TOLERANCE)).astype(np.int64)
        return low, high + TRUNCATION_US * open_count

    # --- alarms -------------------------------------------------------------------------------

    def _alarm(
        self,
        key: Key,
        read: Read,
        value: float,
        least: float,
        most: float | None,
        readings: Sequence[tuple[Read, float, float]],
        too_low: bool,
    ) -> Alarm:
        tenant, name = key
        whose = "the total" if tenant is None else tenant
        upto = "" if most is None else f" and at most {most:g}"
        if name == IN_USE:
            kind = "slot_lost" if too_low else "slot_not_returned"
        elif name == ACTIVE_US:
            kind = "minutes_too_low" if too_low else "minutes_too_high"
        else:
            kind = "counted_too_few" if too_low else "counted_twice"
        calls, begin = self._concerned(key, read, value, readings, too_low)
        begin = begin or (None if self.base_read is read else self.base_read)
        shown = [read.operation] if begin is None else [begin.operation, read.operation]
        since = "" if begin is None else f" (counted from the read at {begin.low_us} us)"
        return Alarm(
            kind,
            f"{name} of {whose} reads {value:g}, and must be at least {least:g}{upto}{since}",
            tuple(self.names.calls[call] for call in calls.tolist()),
            in_order([*shown, *self._relevant(calls, key, read.high_us)]),
        )

    def _relevant(self, calls: Int64s, key: Key, until_us: int) -> list[Operation]:
        """The operations of calls that change a figure; all of a call's where those do not tell."""
        tenant, name = key
        changing = {OPS[op] for op in _CHANGED_BY[name]}
        found: list[Operation] = []
        for call in calls.tolist():
            own = self.evidence.of_calls([call], until_us)
            changes = [each for each in own if each.op in changing]
            last = OPS[_CHANGED_BY[name][-1]]
            told = any(each.op == last or each.decision in _TOLD_EARLY for each in changes)
            if not told or any(each.result == "indefinite" for each in changes):
                changes = own
            elif tenant is not None and OPS[OFFER] not in changing:
                # Nothing else says whose call it is.
                changes += [each for each in own if each.op == OPS[OFFER]]
            found += changes
        return found

    def _concerned(
        self,
        key: Key,
        read: Read,
        value: float,
        readings: Sequence[tuple[Read, float, float]],
        too_low: bool,
    ) -> tuple[Int64s, Read | None]:
        """The calls that bound the figure, since the nearest read that still shows it wrong."""
        tenant, name = key
        if name in GAUGES or name == ACTIVE_US:
            begun = self.slots.windows.started if name != IN_USE else self.slots.windows.admitted
            over = self.slots.windows.ended if name == ACTIVE_US else self.slots.windows.released
            calls = self.slots.calls_of(tenant)
            if name == ACTIVE_US:
                shown = over.sure & (over.high_us < read.low_us)
                if not too_low:
                    shown = over.possible & (over.low_us <= read.high_us)
            elif too_low:
                # One may take over from another while the read is under way.
                over_low = np.where(over.possible, over.low_us, FOREVER)
                shown = begun.sure & (begun.high_us <= read.high_us) & (over_low > read.low_us)
            else:
                ended = over.sure & (over.high_us < read.low_us)
                shown = begun.possible & (begun.low_us <= read.high_us) & ~ended
            return calls[shown[calls]], None
        sure, possible = self._counted(key)
        effect = self._effects[name]
        before = [each for each in readings if each[0].high_us < read.low_us]
        for earlier, figure, _ in reversed(before[-NEAREST_READS:]):
            if too_low:
                after = effect.low_us[sure] > earlier.high_us
                between = sure[after & (effect.high_us[sure] < read.low_us)]
                wrong = value - figure < len(between)
            else:
                past = effect.sure[possible] & (effect.high_us[possible] < earlier.low_us)
                between = possible[(effect.low_us[possible] <= read.high_us) & ~past]
                wrong = value - figure > len(between) + self._left_over(tenant)
            if wrong:
                return between, earlier
        if too_low:
            return sure[effect.high_us[sure] < read.low_us], None
        return possible[effect.low_us[possible] <= read.high_us], None
