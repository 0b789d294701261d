"""Every counter at every read: at least what surely happened before, at most what may have by then.

A read takes effect at one instant between its invocation and its completion. What was completed
before it was invoked counts; what was invoked after it was completed does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from service.calls import COUNTER_NAMES, MINUTES_PROCESSED, UNKNOWN_TENANT, Counter
from simulator.checker.columns import Bools, Names
from simulator.checker.judgement import Bound, Claim, Findings
from simulator.checker.limits import LimitsOverTime
from simulator.checker.reads import GAUGES, IN_USE, Key, Read, in_microseconds, whose
from simulator.checker.slots import Slots
from simulator.checker.steps import FOREVER, Steps
from simulator.checker.stretch import Evidence
from simulator.checker.windows import CLOCK_RATE_TOLERANCE, Effect, Windows
from simulator.trace import Int64s

ACTIVE_US: Final = COUNTER_NAMES[Counter.ACTIVE_US_TOTAL]
TRUNCATION_US: Final = 2
"""Two instants cut to whole microseconds on either side make a duration wrong by this much."""

NEAREST_READS: Final = 20
"""Earlier reads tried, from the nearest, for one after which the figure already went wrong."""
Reading = tuple[Read, float, float]
"""A read, a figure of it in the units of its bounds, and how far rounding may have moved it."""

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

    ``first_call`` (none or one) was asked of before all others: a read after that is not where the
    counters began, even where nothing else bears on it. ``base`` are the figures of a read before
    the first operation, zero where there was none;
    ``unbounded_from_us``: from when others may have used the service.
    """

    slots: Slots
    names: Names
    limits: LimitsOverTime
    evidence: Evidence
    first_call: Int64s
    base: Mapping[Key, float]
    unbounded_from_us: int
    _effects: dict[str, Effect] = field(default_factory=dict)
    _configured: dict[bool, Bools] = field(default_factory=dict)

    def judge(self, reads: Sequence[Read], found: Findings) -> None:
        self._effects = effects_of(self.slots.windows)
        by_key: dict[Key, list[Reading]] = {}
        for read in reads:
            for key, value in read.figures.items():
                unit, figure, slack = in_microseconds(key, value)
                if key[1] == MINUTES_PROCESSED and (key[0], ACTIVE_US) in read.figures:
                    continue
                by_key.setdefault(unit, []).append((read, figure, slack))
        for key, readings in by_key.items():
            self._judge_key(key, readings, found)

    def _judge_key(self, key: Key, readings: Sequence[Reading], found: Findings) -> None:
        low_us = np.array([read.low_us for read, _, _ in readings], np.int64)
        high_us = np.array([read.high_us for read, _, _ in readings], np.int64)
        low, high = self._bounds(key, low_us, high_us)
        known = high_us < self.unbounded_from_us
        value = np.array([value for _, value, _ in readings])
        slack = np.array([slack for _, _, slack in readings])
        for too_low, wrong in (
            (True, value < low - slack),
            (False, known & (value > high + slack)),
        ):
            claim = self._growth(key, readings, wrong, known, too_low)
            if claim is not None:
                found.claims.append(claim)
            elif wrong.any():
                first = int(np.argmax(wrong))
                bound = int(low[first] if too_low else high[first])
                found.claims.append(self._claim(key, readings[first], bound, too_low))
        most = float(high[-1]) if known[-1] else None
        found.bounds.append(Bound(*key, float(low[-1]), most, readings[-1][1]))

    def _bounds(self, key: Key, low_us: Int64s, high_us: Int64s) -> tuple[Int64s, Int64s]:
        tenant, name = key
        if name in GAUGES:
            if tenant == UNKNOWN_TENANT:
                return np.zeros(len(low_us), np.int64), np.zeros(len(low_us), np.int64)
            surely, possibly = self._held(key)
            return surely.least(low_us, high_us), possibly.greatest(low_us, high_us)
        base = int(self.base.get(key, 0))
        if name == ACTIVE_US:
            low, high = self._active_us(tenant, low_us, high_us)
            return low + base, np.where(self._left_over(key) > 0, FOREVER, high + base)
        sure, possible = self._counted(key)
        effect = self._effects[name]
        done = np.sort(effect.high_us[sure])
        begun_us = np.sort(effect.low_us[possible])
        low = np.searchsorted(done, low_us, side="left") + base
        high = np.searchsorted(begun_us, high_us, side="right") + base + self._left_over(key)
        return low.astype(np.int64), high.astype(np.int64)

    def _held(self, key: Key) -> tuple[Steps, Steps]:
        """How many calls surely, and how many possibly, count in a gauge."""
        tenant, name = key
        if name == IN_USE:
            return self.slots.surely(tenant), self.slots.possibly(tenant)
        begun, over = self.slots.windows.started, self.slots.windows.released
        start = int(self.base.get(key, 0))
        return (
            self.slots.held_surely(begun, over, tenant, 1),
            self.slots.held_possibly(begun, over, tenant, start),
        )

    def _left_over(self, key: Key) -> int:
        """How many calls from before the history may yet count."""
        tenant, name = key
        if name in _OF_OFFERS:
            return 0
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

    # --- claims -------------------------------------------------------------------------------

    def _claim(self, key: Key, reading: Reading, bound: int, too_low: bool) -> Claim:
        """A figure that is wrong by all that happened before it."""
        tenant, name = key
        read, value, _ = reading
        strength: tuple[int, ...] = ()
        if name in GAUGES and tenant != UNKNOWN_TENANT:
            surely, possibly = self._held(key)
            held = surely if too_low else possibly
            strength = ((1 if too_low else -1) * held.area(read.low_us, read.high_us),)
        calls = self._concerned(key, read, too_low)
        must = f"must be at least {bound}" if too_low else f"can be at most {bound}"
        return Claim(
            _kind(name, too_low),
            f"{name} of {whose(tenant)} reads {value:.15g} at {read.low_us} us, and {must}",
            self._ids(calls),
            self.evidence.of(np.append(calls, self.first_call), read.operation),
            strength=strength,
        )

    def _concerned(self, key: Key, read: Read, too_low: bool) -> Int64s:
        """The calls that bound a figure."""
        tenant, name = key
        if name not in GAUGES and name != ACTIVE_US:
            sure, possible = self._counted(key)
            effect = self._effects[name]
            if too_low:
                return sure[effect.high_us[sure] < read.low_us]
            return possible[effect.low_us[possible] <= read.high_us]
        windows = self.slots.windows
        begun = windows.admitted if name == IN_USE else windows.started
        over = windows.ended if name == ACTIVE_US else windows.released
        over_by_then = over.sure & (over.high_us < read.low_us)
        if name == ACTIVE_US:
            shown = over_by_then if too_low else over.possible & (over.low_us <= read.high_us)
        elif too_low:
            until = np.where(over.possible, over.low_us, FOREVER)
            shown = begun.sure & (begun.high_us < read.high_us) & (until > read.low_us)
        else:
            shown = begun.possible & (begun.low_us <= read.high_us) & ~over_by_then
        calls = self.slots.calls_of(tenant)
        return calls[shown[calls]]

    def _growth(
        self, key: Key, readings: Sequence[Reading], wrong: Bools, known: Bools, too_low: bool
    ) -> Claim | None:
        """A counter that grew by too little or too much from one read to a later one.

        Looked for between each read and the last one before it, and between the first read that
        is wrong in itself and the nearest before it: this takes the fewest operations to prove.
        """
        if key[1] in GAUGES or key[1] == ACTIVE_US:
            return None
        if not too_low and self._left_over(key):
            # Calls from before the history may count at any time; only its beginning tells of them.
            return None
        sure, possible = self._counted(key)
        effect = self._effects[key[1]]
        low_us = np.array([read.low_us for read, _, _ in readings], np.int64)
        high_us = np.array([read.high_us for read, _, _ in readings], np.int64)
        value = np.array([value for _, value, _ in readings])
        by_end = np.argsort(high_us, kind="stable")
        ended = np.searchsorted(high_us[by_end], low_us, side="left")
        later = np.flatnonzero(ended > 0)
        earlier = by_end[ended[later] - 1]
        grew = value[later] - value[earlier]
        if too_low:
            # Those that were over by the later read, less all that may have begun by the earlier.
            least = np.searchsorted(np.sort(effect.high_us[sure]), low_us[later], side="left")
            least -= np.searchsorted(np.sort(effect.low_us[sure]), high_us[earlier], side="right")
            off = np.flatnonzero(grew < least)
        else:
            past = possible[effect.sure[possible]]
            most = np.searchsorted(
                np.sort(effect.low_us[possible]), high_us[later], side="right"
            ) - np.searchsorted(np.sort(effect.high_us[past]), low_us[earlier], side="left")
            off = np.flatnonzero(known[later] & (grew > most))
        pairs = [(int(earlier[place]), int(later[place])) for place in off[:1].tolist()]
        if wrong.any():
            first = int(np.argmax(wrong))
            before = np.flatnonzero(high_us < low_us[first])[::-1]
            pairs += [(place, first) for place in before[:NEAREST_READS].tolist()]
        for begin, end in dict.fromkeys(pairs):
            claim = self._growth_claim(key, readings[begin], readings[end], too_low)
            if claim is not None:
                return claim
        return None

    def _growth_claim(
        self, key: Key, earlier: Reading, later: Reading, too_low: bool
    ) -> Claim | None:
        sure, possible = self._counted(key)
        effect = self._effects[key[1]]
        begin, end = earlier[0], later[0]
        grew = later[1] - earlier[1]
        if too_low:
            between = sure[
                (effect.low_us[sure] > begin.high_us) & (effect.high_us[sure] < end.low_us)
            ]
            bound, wrong = len(between), grew < len(between)
        else:
            past = effect.sure[possible] & (effect.high_us[possible] < begin.low_us)
            between = possible[(effect.low_us[possible] <= end.high_us) & ~past]
            bound, wrong = len(between), grew > len(between)
        if not wrong:
            return None
        must = "must have grown by at least" if too_low else "can have grown by at most"
        return Claim(
            _kind(key[1], too_low),
            f"{key[1]} of {whose(key[0])} grew by {grew:.15g}, from {earlier[1]:.15g} at "
            f"{begin.low_us} us to {later[1]:.15g} at {end.low_us} us, and {must} {bound}",
            self._ids(between),
            self.evidence.of(
                np.append(between, self.first_call),
                begin.operation,
                end.operation,
                since_base=False,
            ),
        )

    def _ids(self, calls: Int64s) -> tuple[str, ...]:
        return tuple(self.names.calls[call] for call in calls.tolist())


def _kind(name: str, too_low: bool) -> str:
    if name == IN_USE:
        return "slot_lost" if too_low else "slot_not_returned"
    if name == ACTIVE_US:
        return "minutes_too_low" if too_low else "minutes_too_high"
    return "counted_too_few" if too_low else "counted_twice"
