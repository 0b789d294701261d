"""What the model loses: the log replayed beside runs of the scenario that was fitted to it.

Both are played for the same stretch of time, on the same slots and where there is always room. The
log happened once, so it is held against single runs: the interval is the one in which 95 of 100
further runs of the scenario would lie, mean +- t s sqrt(1 + 1/R), with Student's t for R - 1
degrees of freedom (G. J. Hahn and W. Q. Meeker, "Statistical Intervals", 1991, section 4.7). Of
many such intervals some leave out a log that is none but one more run. So the log is said to differ
only where it lies beyond every run and beyond an interval whose chance to err is shared out over
all measures (Bonferroni).
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final

import numpy as np

from simulator.cdr.recorded import Int64s, RecordedCalls
from simulator.conditions import NEVER, Conditions, TraceTenant
from simulator.fit.fitted import Fitted
from simulator.kernel import KernelResult, KernelRun
from simulator.kernel.run import COMPILE_FROM_ROWS
from simulator.planning.student import t_quantile
from simulator.replay import recorded_trace
from simulator.replicate import replication_seed
from simulator.results import CallLog, Fate
from simulator.scenario import Arrivals, RateProfile, Scenario
from simulator.trace import CallTrace
from simulator.traffic import build_trace

CONFIDENCE: Final = 0.95
MOST_CALLS: Final = 1_000_000
"""Calls of the log that are compared: the first of it."""
MOST_PLAYED: Final = 20_000_000
"""Calls of all runs together; beyond it there are fewer runs, down to :data:`FEWEST_RUNS`."""
FEWEST_RUNS: Final = 5
_TIMES_PLAYED: Final = 8
"""About how often a trace is played, at one limit and another."""
_MINUTE_US: Final = 60_000_000
_QUARTER_US: Final = 15 * _MINUTE_US
_PERCENTILES: Final = (0.5, 0.95, 0.99, 0.999)

Progress = Callable[[int, int], None]
"""Told how many runs are done, of how many."""


class Kind(StrEnum):
    """What a measure counts."""

    CALLS = "calls"
    ERLANGS = "erlang"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of the log, and the same of each run.

    ``low`` and ``high`` bound the interval in which 95 of 100 further runs would lie.
    ``looked_at`` is the number of measures that are looked at together.
    """

    key: str
    name: str
    kind: Kind
    log: float
    runs: tuple[float, ...]
    low: float
    high: float
    looked_at: int = 1

    @property
    def mean(self) -> float:
        return math.fsum(self.runs) / len(self.runs)

    @property
    def side(self) -> int:
        """1 where the log lies above the runs, -1 below, 0 where it could be one of them."""
        reach = _reach(self.runs, 1 - (1 - CONFIDENCE) / self.looked_at)
        above = max(*self.runs, self.mean + reach)
        below = min(*self.runs, self.mean - reach)
        return (self.log > above) - (self.log < below)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The log against ``replications`` runs of the fitted scenario on ``capacity`` slots.

    ``window_us`` is the stretch of time that both were played for, from the log's first call on;
    ``calls`` are the log's calls in it. ``interval_us`` is that of the worst interval.
    """

    capacity: int
    replications: int
    window_us: int
    interval_us: int
    calls: int
    is_whole: bool
    """Whether the stretch is all of the log."""
    measures: tuple[Measure, ...]

    def measure(self, key: str) -> Measure:
        return next(each for each in self.measures if each.key == key)


def compare_log(
    log: RecordedCalls,
    fitted: Fitted,
    scenario: Scenario,
    capacity: int,
    replications: int,
    workers: int,
    progress: Progress = lambda *_: None,
) -> Comparison:
    """Replay the log and play the scenario that ``fitted`` was written as.

    Only the total limit is looked at, and it is ``capacity`` (>= 0); beside it the least limit at
    which no more than the share of calls that ``fitted`` suggests a limit for is rejected. Results
    do not depend on ``workers``. Raises ValueError for fewer than two replications, and
    :class:`~simulator.trace.TraceInvalid`.
    """
    if replications < 2:
        raise ValueError("an interval needs two replications or more")
    grid = fitted.grid
    blocking = fitted.suggestion.blocking
    offers = log.wall_us() - grid.from_us
    window_us = _window_us(offers, grid.window_us)
    interval_us = _QUARTER_US if window_us >= 2 * _QUARTER_US else _MINUTE_US
    kept = offers < window_us
    conditions = Conditions(
        duration_us=window_us,
        max_concurrent_calls=capacity,
        tenants=tuple(map(TraceTenant, log.tenants)),
    )
    # The clock on the wall may go back over calls that were made before.
    recorded = recorded_trace(log, offers, kept, conditions)
    calls = int(kept.sum())
    most = max(FEWEST_RUNS, MOST_PLAYED // max(1, calls))
    replications = min(replications, most)
    # Each trace is short, but there are many: they are worth compiling for together.
    rows = calls * (replications + 1) * _TIMES_PLAYED
    measured = partial(
        _measured,
        capacity=capacity,
        interval_us=interval_us,
        blocking=blocking,
        compiled=True if rows >= COMPILE_FROM_ROWS else None,
    )
    own = measured(recorded)
    played = begun_at(scenario, (grid.from_us + grid.offset_us) % grid.length_us, window_us)

    def run(number: int) -> dict[str, float]:
        drawn = replace(played, seed=replication_seed(scenario.seed, number))
        return measured(build_trace(drawn))

    runs: list[dict[str, float]] = []
    with ThreadPoolExecutor(workers) as pool:
        for found in pool.map(run, range(replications)):
            runs.append(found)
            progress(len(runs), replications)
    compared = measures_of(interval_us, blocking)
    return Comparison(
        capacity=capacity,
        replications=replications,
        window_us=window_us,
        interval_us=interval_us,
        calls=calls,
        is_whole=calls == len(log) and window_us == grid.window_us,
        measures=tuple(
            _measure(key, name, kind, own[key], [each[key] for each in runs], len(compared))
            for key, name, kind in compared
        ),
    )


def measures_of(interval_us: int, blocking: float) -> tuple[tuple[str, str, Kind], ...]:
    """Key, name and kind of what is compared, in order."""
    quarter = "quarter hour" if interval_us == _QUARTER_US else "minute"
    return (
        ("offered_calls", "calls offered", Kind.CALLS),
        ("offered_erlangs", "traffic offered", Kind.ERLANGS),
        ("busiest_minute", "calls in the busiest minute", Kind.CALLS),
        ("busiest_second", "calls in the busiest second", Kind.CALLS),
        ("peak", "most calls at once", Kind.CALLS),
        *(
            (f"in_use_p{place}", f"calls at once, {place} % of the time at most", Kind.CALLS)
            for place in (f"{100 * share:g}" for share in _PERCENTILES)
        ),
        ("blocking", "blocking", Kind.SHARE),
        ("rejected_calls", "calls rejected", Kind.CALLS),
        ("carried_erlangs", "traffic carried", Kind.ERLANGS),
        ("worst_interval", f"calls rejected in the worst {quarter}", Kind.CALLS),
        ("slots_needed", f"slots needed for {100 * blocking:.3g} % blocking", Kind.CALLS),
    )


def _measure(
    key: str, name: str, kind: Kind, log: float, runs: Sequence[float], looked_at: int
) -> Measure:
    mean, reach = math.fsum(runs) / len(runs), _reach(runs, CONFIDENCE)
    high = min(mean + reach, 1.0) if kind is Kind.SHARE else mean + reach
    return Measure(key, name, kind, log, tuple(runs), max(0.0, mean - reach), high, looked_at)


def _reach(runs: Sequence[float], confidence: float) -> float:
    """How far from the mean of some runs a further one lies with that confidence at most."""
    count = len(runs)
    mean = math.fsum(runs) / count
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in runs) / (count - 1))
    return t_quantile(confidence, count - 1) * deviation * math.sqrt(1 + 1 / count)


def _window_us(offers: Int64s, window_us: int) -> int:
    """The log's stretch, or as much of its beginning as can be played."""
    if len(offers) > MOST_CALLS:
        window_us = max(1, min(window_us, int(np.partition(offers, MOST_CALLS)[MOST_CALLS])))
    return window_us


def begun_at(scenario: Scenario, begin_us: int, duration_us: int) -> Scenario:
    """The scenario as it goes on from an instant of its profiles, from empty as a log begins."""
    return replace(
        scenario,
        duration_us=duration_us,
        warm_up_us=0,
        tenants=tuple(
            replace(tenant, arrivals=_turned(tenant.arrivals, begin_us))
            for tenant in scenario.tenants
        ),
        checkpoints_us=(),
        expect=(),
        thresholds=(),
    )


def _turned(arrivals: Arrivals, begin_us: int) -> Arrivals:
    """A rate profile from ``begin_us`` on; other arrivals are alike at all times."""
    if not isinstance(arrivals, RateProfile):
        return arrivals
    steps = list(zip(arrivals.starts_us, arrivals.rates_per_us, strict=True))
    before = [step for step in steps if step[0] <= begin_us]
    turned = [(0, before[-1][1])] + [(at - begin_us, rate) for at, rate in steps if at > begin_us]
    if arrivals.repeat_us is not None:
        turned += [(at + arrivals.repeat_us - begin_us, rate) for at, rate in before]
        turned = [step for step in turned if step[0] < arrivals.repeat_us]
    starts, rates = zip(*turned, strict=True)
    return RateProfile(starts, rates, arrivals.repeat_us)


def _measured(
    trace: CallTrace, capacity: int, interval_us: int, blocking: float, compiled: bool | None
) -> dict[str, float]:
    """All measures of one trace."""
    conditions = trace.conditions

    def played(limit: int, *, keep_log: bool) -> KernelResult:
        limited = replace(conditions, max_concurrent_calls=limit)
        return KernelRun(limited, keep_log=keep_log, compiled=compiled).play(trace)

    def is_met(limit: int) -> bool:
        return (played(limit, keep_log=False).statistics.blocking or 0.0) <= blocking

    free, held = (played(limit, keep_log=True) for limit in (len(trace) + 1, capacity))
    assert free.log is not None
    assert held.log is not None
    offers = free.log.offered_us[free.log.fate != Fate.NOT_MADE]
    rejected = held.log.offered_us[held.log.fate == Fate.REJECTED_CAPACITY]
    statistics = held.statistics
    return {
        "offered_calls": float(len(offers)),
        "offered_erlangs": free.statistics.carried_erlangs,
        "busiest_minute": float(most_within(offers, _MINUTE_US)),
        "busiest_second": float(most_within(offers, 1_000_000)),
        "peak": float(free.statistics.peak_in_use),
        **_percentiles(free.log, conditions.duration_us),
        "blocking": statistics.blocking or 0.0,
        "rejected_calls": float(len(rejected)),
        "carried_erlangs": statistics.carried_erlangs,
        "worst_interval": float(most_within(rejected, interval_us)),
        "slots_needed": float(_least_meeting(is_met, free.statistics.peak_in_use)),
    }


def _least_meeting(is_met: Callable[[int], bool], enough: int) -> int:
    """The limit up to ``enough``, at which it is met, from which on it is, by bisection."""
    too_few, least = -1, enough
    while least - too_few > 1:
        middle = (too_few + least) // 2
        if is_met(middle):
            least = middle
        else:
            too_few = middle
    return least


def most_within(instants_us: Int64s, interval_us: int) -> int:
    """The most instants (>= 0) that lie in one clock interval [k i, (k + 1) i)."""
    if not len(instants_us):
        return 0
    intervals = np.sort(instants_us // interval_us)
    edges = np.flatnonzero(np.diff(intervals)) + 1
    return int(np.diff(np.concatenate(([0], edges, [len(intervals)]))).max())


def _percentiles(log: CallLog, end: int) -> dict[str, float]:
    held = log.fate >= Fate.REJECTED_INSTRUCTIONS
    until = np.where(log.released_us[held] == NEVER, end, log.released_us[held])
    time_us = time_at(log.offered_us[held], until, end)
    share = time_us.cumsum() / max(1, end)
    levels = np.minimum(
        np.searchsorted(share, np.array(_PERCENTILES) - 1e-12), max(0, len(time_us) - 1)
    )
    return {
        f"in_use_p{100 * each:g}": float(level)
        for each, level in zip(_PERCENTILES, levels.tolist(), strict=True)
    }


def time_at(since_us: Int64s, until_us: Int64s, end: int) -> Int64s:
    """How long exactly k of the calls [since, until) were there in [0, end), shape (most + 1,).

    ``since_us`` and ``until_us`` have shape (n,), both >= 0.
    """
    since, until = np.sort(since_us.clip(max=end)), np.sort(until_us.clip(max=end))
    instants = np.sort(np.concatenate((since, until, [0, end])))
    there = np.searchsorted(since, instants[:-1], side="right") - np.searchsorted(
        until, instants[:-1], side="right"
    )
    # Whole microseconds, and so exact in a float up to 2**53 of them.
    time_us: Int64s = np.bincount(there, weights=np.diff(instants), minlength=1).astype(np.int64)
    return time_us
