"""One replication of a scenario, played at any number of limits, and many of them side by side.

The calls of a replication are drawn once and played at every limit that is asked for: common random
numbers, so that two limits differ by what the limit does and not by chance. What a replication
gives is a function of the scenario, the number of the replication and the limit alone.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, TypeVar

import numpy as np

from simulator.compiled import compile_kernel
from simulator.conditions import SharingPolicy
from simulator.kernel import KernelRun
from simulator.planning import held_core
from simulator.planning.ladder import Offers, climb, knows_rules, offers_of, stands_alone
from simulator.replicate import replication_seed
from simulator.results import CallLog, Fate
from simulator.scenario import Scenario
from simulator.statistics import WindowSums, tenant_rows
from simulator.trace import NEVER, CallTrace, Conditions, Int64s
from simulator.traffic import build_trace

MOST_BYTES: Final = 1 << 29
"""Memory for calls that are kept to be played again; the others are drawn again."""

Step = Callable[[int, int], None]
"""Told how many pieces of work are done, of how many."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """One replication at one limit.

    ``served`` and ``lost``, shape (rows, intervals): offers of tenants that may call, and those of
    them rejected for capacity, after the warm-up, by clock interval. Rows are the configured
    tenants, then ``_unknown``.
    """

    sums: WindowSums
    served: Int64s
    lost: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """What a replication offers, where there is always room.

    ``held_us``, shape (intervals,): slot time in each clock interval; ``window_held_us`` after the
    warm-up.
    """

    held_us: Int64s
    window_held_us: int


class Replication:
    """The calls of replication ``number`` of a scenario. ``interval_us`` None: the whole run.

    Raises :class:`~simulator.trace.TraceInvalid`.
    """

    def __init__(self, scenario: Scenario, number: int, interval_us: int | None) -> None:
        drawn = replace(scenario, seed=replication_seed(scenario.seed, number), checkpoints_us=())
        self._drawn = drawn
        trace = build_trace(drawn)
        self._interval_us = interval_us or trace.conditions.duration_us
        free = _played_freely(trace)
        self.traffic = _traffic(trace.conditions, free, self._interval_us)
        self._conditions = trace.conditions
        self._offers: Offers | None = None
        self._trace: CallTrace | None = None
        if stands_alone(trace):
            self._offers = offers_of(trace, free, self._interval_us)
        else:
            self._trace = trace

    @property
    def is_quick(self) -> bool:
        """Whether many limits cost little more than one."""
        return self._offers is not None

    @property
    def nbytes(self) -> int:
        holders = (self._offers, self._trace)
        return sum(
            getattr(holder, name).nbytes
            for holder in holders
            if holder is not None
            for name in holder.__slots__
            if isinstance(getattr(holder, name), np.ndarray)
        )

    def play(self, limits: Sequence[int], conditions: Conditions | None = None) -> list[Played]:
        """The replication at each of the limits.

        ``conditions`` may have other rules of sharing than the scenario (limits, caps, reservations
        and changes of them, the policy and what it goes by), nothing else.
        """
        conditions = self._conditions if conditions is None else conditions
        if self._offers is not None and knows_rules(conditions):
            served = self._offers.served
            rungs = climb(conditions, self._offers, limits)
            return [Played(rung.sums, served, rung.lost) for rung in rungs]
        if self._trace is None:
            # Offers alone are shorter; the whole trace is for rules that only the kernel knows.
            self._trace = build_trace(self._drawn)
        trace = self._trace
        return [
            _play(trace, replace(conditions, max_concurrent_calls=limit), self._interval_us)
            for limit in limits
        ]


def _play(trace: CallTrace, conditions: Conditions, interval_us: int) -> Played:
    by_interval = interval_us < conditions.duration_us
    result = KernelRun(conditions, keep_log=by_interval, compiled=True).play(trace)
    if result.log is None:
        rows = [result.sums.tenants[name] for name in tenant_rows(conditions)[0]]
        served = [[each.offered - each.rejected_tenant] for each in rows]
        lost = [[each.rejected_capacity] for each in rows]
        return Played(result.sums, np.array(served, np.int64), np.array(lost, np.int64))
    log = result.log
    names, row_of_place = tenant_rows(conditions)
    shape = (len(names), -(-conditions.duration_us // interval_us))
    asking = (log.fate > Fate.REJECTED_TENANT) & (log.offered_us >= conditions.warm_up_us)
    row = row_of_place[np.broadcast_to(trace.tenant, len(trace))[asking]]
    cell = row * shape[1] + log.offered_us[asking] // interval_us
    is_lost = log.fate[asking] == Fate.REJECTED_CAPACITY
    served_cells = np.bincount(cell, minlength=shape[0] * shape[1])
    lost_cells = np.bincount(cell[is_lost], minlength=shape[0] * shape[1])
    return Played(result.sums, served_cells.reshape(shape), lost_cells.reshape(shape))


def _played_freely(trace: CallTrace) -> CallLog:
    """What becomes of every call where there is always room for it."""
    conditions = trace.conditions
    everybody = replace(
        conditions,
        max_concurrent_calls=len(trace) + 1,
        policy=SharingPolicy.SHARED,
        tenants=tuple(
            replace(each, max_concurrent_calls=None, reserved_calls=0, leave_free=0, priority=0)
            for each in conditions.tenants
        ),
        changes=tuple(
            replace(
                change,
                max_concurrent_calls=None,
                tenants={
                    name: replace(edit, max_concurrent_calls=None, reserved_calls=None)
                    for name, edit in change.tenants.items()
                },
            )
            for change in conditions.changes
        ),
    )
    log = KernelRun(everybody, compiled=True).play(trace).log
    assert log is not None
    return log


def _traffic(conditions: Conditions, free: CallLog, interval_us: int) -> Traffic:
    held = free.fate >= Fate.REJECTED_INSTRUCTIONS
    end = conditions.duration_us
    since, released = free.offered_us[held], free.released_us[held]
    until = np.where(released == NEVER, end, released.clip(max=end))
    held_us = np.zeros(-(-end // interval_us), np.int64)
    window_held_us = _compiled_spread()(since, until, interval_us, conditions.warm_up_us, held_us)
    return Traffic(held_us, int(window_held_us))


@cache
def _compiled_spread() -> Callable[..., Any]:
    return compile_kernel(held_core.spread)


class Draws:
    """Replications 0, 1, ... of a scenario as they are drawn, kept as far as memory goes.

    ``pool`` has the threads: drawing and playing leave the interpreter's lock. Results do not
    depend on their number.
    """

    def __init__(
        self, scenario: Scenario, interval_us: int | None, pool: ThreadPoolExecutor
    ) -> None:
        self._scenario = scenario
        self._interval_us = interval_us
        self._pool = pool
        self._kept: dict[int, Replication] = {}
        self._kept_bytes = 0
        self._traffic: dict[int, Traffic] = {}
        self.is_quick = False

    def prepare(self, count: int) -> list[Traffic]:
        """What the first ``count`` replications offer."""
        missing = [number for number in range(count) if number not in self._traffic]
        self.each(missing, lambda _number, _replication: None)
        return [self._traffic[number] for number in range(count)]

    def each(
        self, numbers: Sequence[int], work: Callable[[int, Replication], _Result]
    ) -> list[_Result]:
        """Do ``work`` on the replications with these numbers; what it gives, in their order."""

        def one(number: int) -> tuple[Replication, _Result]:
            replication = self._kept.get(number) or Replication(
                self._scenario, number, self._interval_us
            )
            return replication, work(number, replication)

        results = []
        for number, (replication, found) in zip(numbers, self._pool.map(one, numbers), strict=True):
            self._keep(number, replication)
            results.append(found)
        return results

    def _keep(self, number: int, replication: Replication) -> None:
        self.is_quick = replication.is_quick
        self._traffic[number] = replication.traffic
        size = replication.nbytes
        if number not in self._kept and self._kept_bytes + size <= MOST_BYTES:
            self._kept[number] = replication
            self._kept_bytes += size


class Replications:
    """Replications 0, 1, ... of a scenario, each played at a limit at most once."""

    def __init__(
        self, scenario: Scenario, interval_us: int | None, pool: ThreadPoolExecutor
    ) -> None:
        self._draws = Draws(scenario, interval_us, pool)
        self._played: dict[int, list[Played]] = {}

    @property
    def is_quick(self) -> bool:
        """Whether many limits cost little more than one."""
        return self._draws.is_quick

    def prepare(self, count: int) -> list[Traffic]:
        """What the first ``count`` replications offer."""
        return self._draws.prepare(count)

    def play(self, limits: Sequence[int], count: int) -> dict[int, list[Played]]:
        """The first ``count`` replications at each of the limits."""
        missing = [
            tuple(limit for limit in limits if len(self._played.get(limit, ())) <= number)
            for number in range(count)
        ]
        wanted = [number for number in range(count) if missing[number]]
        found = self._draws.each(
            wanted, lambda number, replication: replication.play(missing[number])
        )
        for number, played in zip(wanted, found, strict=True):
            for limit, one in zip(missing[number], played, strict=True):
                self._played.setdefault(limit, []).append(one)
        return {limit: self._played[limit][:count] for limit in limits}
