"""Limits over time: the least and the greatest value that may have been in force at an instant."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import numpy as np

from simulator.checker.steps import FOREVER, UNLIMITED, Steps
from simulator.history import HistoryHeader, Operation, TenantLimits

UNCONFIGURED = TenantLimits(configured=False)


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the greatest value possibly in force, as functions of time."""

    least: Steps
    greatest: Steps

    @property
    def fixed(self) -> bool:
        """Whether there was only ever one value."""
        return not len(self.least.times) and bool(self.least.values[0] == self.greatest.values[0])


@dataclass(frozen=True, slots=True)
class TenantRanges:
    """A tenant's limits over time.

    ``configured`` is 1 while it was configured, ``open`` while it was enabled as well.
    """

    cap: Range
    reserved: Range
    configured: Range
    open: Range


@dataclass(frozen=True, slots=True)
class Write:
    """A change of limits that took effect in ``[low_us, high_us]``, or, not ``sure``, may have."""

    low_us: int
    high_us: int
    sure: bool
    limit: int | None
    tenants: Mapping[str, TenantLimits]


@dataclass(frozen=True, slots=True)
class LimitsOverTime:
    """All limits of a history.

    ``total`` is None where it is not known. ``tenants`` are those ever named; ``tenants_known``
    whether every other one is not configured.
    """

    total: Range | None
    tenants: Mapping[str, TenantRanges]
    tenants_known: bool

    def of_tenant(self, tenant_id: str) -> TenantRanges | None:
        """A tenant's limits; those of one that never was configured forbid every call."""
        ranges = self.tenants.get(tenant_id)
        if ranges is None and self.tenants_known:
            return _ranges([], UNCONFIGURED, tenant_id)
        return ranges


def limits_over_time(
    header: HistoryHeader,
    changes: Iterable[Operation],
    restarts: Sequence[Operation],
    *,
    tenants_known: bool,
) -> LimitsOverTime:
    """What may have been in force when. ``tenants_known``: the header names all tenants.

    After one of the ``restarts`` the limits are those that it came with, if it tells them. Else
    they may be those of a beginning or those before it: which of them a service keeps is its own
    affair.
    """
    writes = []
    spans = [(each.invoke_us, ended_us(each)) for each in restarts]
    for change in changes:
        if change.result in ("ok", "indefinite"):
            answered = change.result == "ok" and change.complete_us is not None
            low, high = change.invoke_us, change.complete_us if answered else FOREVER
            assert high is not None
            overlaps = any(begin <= high and low <= end for begin, end in spans)
            sure = answered and not overlaps
            writes.append(Write(low, high, sure, change.max_concurrent_calls, change.tenants or {}))
    initial = header.tenants or {}
    writes += _begun_anew(header, restarts, writes)
    writes.sort(key=lambda write: write.low_us)
    total = None
    if header.limit is not None:
        total = possible_values(writes, header.limit, lambda write: write.limit)
    named = dict.fromkeys((*initial, *(name for write in writes for name in write.tenants)))
    if not tenants_known:
        named = dict.fromkeys(initial)
    ranges = {name: _ranges(writes, initial.get(name, UNCONFIGURED), name) for name in named}
    return LimitsOverTime(total, ranges, tenants_known)


def _begun_anew(
    header: HistoryHeader, restarts: Sequence[Operation], changes: Sequence[Write]
) -> list[Write]:
    """What may be in force after each restart."""
    restarts = sorted(restarts, key=lambda each: each.invoke_us)
    spans = [(each.invoke_us, ended_us(each)) for each in restarts]
    told = [each.tenants or {} for each in restarts]
    named = [change.tenants for change in changes]
    nobody = dict.fromkeys(chain(header.tenants or {}, *named, *told), UNCONFIGURED)
    limits, tenants = [header.limit], [nobody | (header.tenants or {})]
    writes: list[Write] = []
    for place, (restart, (begin, end)) in enumerate(zip(restarts, spans, strict=True)):
        others = (*spans[:place], *spans[place + 1 :])
        alone = not any(low <= end and begin <= high for low, high in others)
        if restart.max_concurrent_calls is None:
            writes += [Write(begin, end, False, limit, {}) for limit in limits]
        else:
            limits.append(restart.max_concurrent_calls)
            writes.append(Write(begin, end, alone, limits[-1], {}))
        if restart.tenants is None:
            writes += [Write(begin, end, False, None, each) for each in tenants]
        else:
            tenants.append(nobody | told[place])
            writes.append(Write(begin, end, alone, None, tenants[-1]))
        writes += _changed_since(restart, (begin, end), changes)
    return writes


def _changed_since(
    restart: Operation, span: tuple[int, int], changes: Sequence[Write]
) -> list[Write]:
    """Anything, where a change may have come before the limits that a restart tells were read.

    Then what they were until that change is not known. They are told by ``end`` at the latest.
    """
    begin, end = span
    within = [each for each in changes if each.low_us <= end and begin <= each.high_us]
    total = restart.max_concurrent_calls is not None
    total &= any(each.limit is not None for each in within)
    names = [name for name in restart.tenants or {} if any(name in each.tenants for each in within)]
    if not (total or names):
        return []
    least, most = TenantLimits(0, 0, False), TenantLimits(None, UNLIMITED, True)
    # A microsecond early, so that the restart's own word replaces it.
    return [
        Write(begin - 1, begin - 1, False, limit if total else None, dict.fromkeys(names, each))
        for limit, each in ((0, least), (UNLIMITED, most))
    ]


def ended_us(restart: Operation) -> int:
    """When a restart was over at the latest."""
    return restart.invoke_us if restart.complete_us is None else restart.complete_us


def _ranges(writes: Sequence[Write], initial: TenantLimits, tenant_id: str) -> TenantRanges:
    def over_time(value: Callable[[TenantLimits], int]) -> Range:
        return possible_values(
            writes,
            value(initial),
            lambda write: value(write.tenants[tenant_id]) if tenant_id in write.tenants else None,
        )

    return TenantRanges(
        cap=over_time(
            lambda each: (
                UNLIMITED if each.max_concurrent_calls is None else each.max_concurrent_calls
            )
        ),
        reserved=over_time(lambda each: each.reserved_calls if each.configured else 0),
        configured=over_time(lambda each: int(each.configured)),
        open=over_time(lambda each: int(each.configured and each.enabled)),
    )


def possible_values(
    writes: Sequence[Write], initial: int, value_of: Callable[[Write], int | None]
) -> Range:
    """The values possibly in force, of writes sorted by ``low_us`` that name one (not None).

    A value may be in force from the invocation of its write until the completion of the first sure
    write that was invoked after its own was completed.
    """
    named = [(write, value) for write in writes if (value := value_of(write)) is not None]
    if not named:
        return Range(_constant(initial), _constant(initial))
    lows = np.array([write.low_us for write, _ in named], np.int64)
    replaced = [write.high_us if write.sure else FOREVER for write, _ in named]
    next_sure = [*list(accumulate(reversed(replaced), min))[::-1], FOREVER]
    spans = [(-1, next_sure[0], initial)]
    for write, value in named:
        after = int(np.searchsorted(lows, write.high_us, side="right"))
        spans.append((write.low_us, next_sure[after], value))
    greatest = _highest(spans)
    negated = _highest([(low, high, -value) for low, high, value in spans])
    return Range(Steps(negated.times, -negated.values), greatest)


def _constant(value: int) -> Steps:
    return Steps(np.empty(0, np.int64), np.array([value], np.int64))


def _highest(spans: Sequence[tuple[int, int, int]]) -> Steps:
    """The greatest value of all spans ``(low, high, value)``, both ends included."""
    times = sorted({low for low, _, _ in spans} | {h + 1 for _, h, _ in spans if h < FOREVER})
    waiting = sorted(spans)
    heap: list[tuple[int, int]] = []
    values, place = [], 0
    for time_us in times:
        while place < len(waiting) and waiting[place][0] <= time_us:
            _, high, value = waiting[place]
            heapq.heappush(heap, (-value, high))
            place += 1
        while heap[0][1] < time_us:
            heapq.heappop(heap)
        values.append(-heap[0][0])
    return Steps(np.array(times[1:], np.int64), np.array(values, np.int64))
