"""A plan: the least ``max_concurrent_calls`` that meets a target, and what is said beside it."""

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from simulator.live.options import only_live
from simulator.planning.aim import ROOM_FOR_ALL, Aim
from simulator.planning.answering import (
    FIRST_REPLICATIONS,
    Answer,
    find_answer,
    rounds_of,
    sure_of,
)
from simulator.planning.concurrency import REPLICATIONS as CONCURRENCY_REPLICATIONS
from simulator.planning.concurrency import concurrency_at
from simulator.planning.estimate import Estimate, gravest
from simulator.planning.explanation import assumptions_of, explanation_of
from simulator.planning.formula import Formula, Question, erlang_b_formula
from simulator.planning.measure import Clock, Point, interval_blocking, measure
from simulator.planning.options import share_of
from simulator.planning.replication import Replications, Traffic
from simulator.planning.result import (
    CurvePoint,
    OfferedInterval,
    Plan,
    PlanRefused,
    Sensitivity,
)
from simulator.planning.sensitivity import REPLICATIONS, Asked, sensitivity_of
from simulator.planning.sharing_formula import sharing_formula
from simulator.planning.target import BLOCKING, WORST_INTERVAL, Target
from simulator.planning.varying_formula import varying_formula
from simulator.scenario import Scenario
from simulator.scenario_file.units import format_duration
from simulator.statistics import tenant_rows
from simulator.traffic import conditions_of

_CURVE_POINTS: Final = 13
_CURVE_REPLICATIONS: Final = 64
"""Of the curve, where every limit is a run of its own."""
_PRECISION_OF_TARGET: Final = 1 / 50

Progress = Callable[[str, int, int], None]
"""Told a stage, how many of its pieces are done, and of how many."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What is asked.

    ``per_tenant``: every configured tenant must meet the target by itself. ``precision``: half the
    length of an interval that is short enough; None: a fiftieth of the target. ``interval_us``:
    length of the clock intervals of which the worst is shown, at most the run's. ``sensitivity``:
    what to vary, None for nothing. ``workers``: threads, None for one a core; they change no
    result.
    """

    target: Target
    confidence: float = 0.95
    per_tenant: bool = False
    interval_us: int | None = None
    precision: float | None = None
    max_replications: int = 256
    sensitivity: Asked | None = None
    workers: int | None = None


def plan(scenario: Scenario, options: PlanOptions, progress: Progress | None = None) -> Plan:
    """Find the least limit. The scenario's own is not used.

    Raises :class:`PlanRefused`, :class:`PlanUnmet`, and :class:`~simulator.trace.TraceInvalid`.
    """
    _refuse(scenario, options)
    floor = least_limit(scenario)
    # The scenario's own limit must be one its reservations fit in; which, does not matter.
    scenario = replace(scenario, max_concurrent_calls=max(floor, scenario.max_concurrent_calls))
    with _threads(options.workers) as pool:
        return _Planner(scenario, options, floor, pool, progress or _silent).plan()


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Tells nobody."""


@contextmanager
def _threads(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(workers or os.cpu_count() or 1)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _refuse(scenario: Scenario, options: PlanOptions) -> None:
    for trouble in only_live(replace(scenario, thresholds=()), "busyhour plan"):
        raise PlanRefused(trouble)
    _refuse_changed_limit(scenario)
    if options.per_tenant and (
        options.target.tenant is not None
        or options.target.statistic not in (BLOCKING, WORST_INTERVAL)
    ):
        raise PlanRefused(
            f"--per-tenant needs a target on {BLOCKING} or {WORST_INTERVAL} of all, not "
            f"{options.target}"
        )
    share_of("--confidence", options.confidence)
    if options.max_replications < 2:
        raise PlanRefused("--max-replications must be at least 2: one run has no interval")
    if options.precision is not None and not 0 < options.precision < 1:
        raise PlanRefused(f"--precision is {options.precision:g}; write a share like 0.001")


def _refuse_changed_limit(scenario: Scenario) -> None:
    """Raises :class:`PlanRefused` where the run does not have one limit, which a plan looks for."""
    for place, change in enumerate(scenario.changes):
        if change.max_concurrent_calls is not None:
            raise PlanRefused(
                f"{scenario.name}: capacity.changes[{place}] sets max_concurrent_calls to "
                f"{change.max_concurrent_calls:,} at {format_duration(change.at_us)}, whatever it "
                "was before, and a plan looks for one limit of the whole run. Plan without the "
                "changes by --set capacity.changes=[], or try values of that one by busyhour sweep "
                f"--vary 'capacity.changes[{place}].max_concurrent_calls=LOW..HIGH'"
            )


def least_limit(scenario: Scenario) -> int:
    """The least limit the scenario's reservations fit in at all times, at least 1."""
    reserved = {each.tenant_id: each.reserved_calls for each in scenario.tenants if each.configured}
    most = sum(reserved.values())
    for change in scenario.changes:
        for name, edit in change.tenants.items():
            if edit.reserved_calls is not None:
                reserved[name] = edit.reserved_calls
        most = max(most, sum(reserved.values()))
    return max(1, most)


class _Planner:
    """One plan under way."""

    def __init__(
        self,
        scenario: Scenario,
        options: PlanOptions,
        floor: int,
        pool: ThreadPoolExecutor,
        progress: Progress,
    ) -> None:
        self._scenario = scenario
        self._options = options
        self._pool = pool
        self._progress = progress
        self._clock = Clock(scenario.duration_us, options.interval_us)
        self._precision = options.precision or options.target.value * _PRECISION_OF_TARGET
        self._rounds = rounds_of(options.max_replications)
        self._aim = Aim(
            target=options.target,
            each_of=tuple(t.tenant_id for t in scenario.tenants if t.configured)
            if options.per_tenant
            else (),
            rows=tenant_rows(conditions_of(scenario))[0],
            floor=floor,
            sure=sure_of(options.confidence, self._rounds),
            replications=Replications(scenario, options.interval_us, pool),
        )

    def plan(self) -> Plan:
        options, scenario, aim = self._options, self._scenario, self._aim
        found = find_answer(
            scenario.name,
            aim,
            self._rounds,
            self._clock,
            options.confidence,
            self._precision,
            lambda done, total: self._progress("replications", done, total),
        )
        answer, count = found.limit, found.replications
        limits = [limit for limit in (answer - 1, answer, answer + 1) if limit >= aim.floor]
        played = aim.replications.play(limits, count)
        points = {
            limit: measure(limit, played[limit], aim.rows, self._clock, options.confidence)
            for limit in limits
        }
        curve_count = count if aim.replications.is_quick else min(count, _CURVE_REPLICATIONS)
        curve = self._curve(answer, curve_count)
        traffic = aim.replications.prepare(count)
        window_us = scenario.duration_us - scenario.warm_up_us
        erlangs = sum(each.window_held_us for each in traffic) / count / window_us
        plan = Plan(
            scenario=scenario.name,
            digest=scenario.digest,
            seed=scenario.seed,
            target=options.target,
            per_tenant=options.per_tenant,
            confidence=options.confidence,
            precision=self._precision,
            interval_us=options.interval_us,
            duration_us=scenario.duration_us,
            warm_up_us=scenario.warm_up_us,
            answer=answer,
            least_possible=aim.least_not_missed(answer, count),
            stopped=found.stopped,
            replications=count,
            points=tuple(points.values()),
            target_values=tuple(self._value_at(limit, count) for limit in limits),
            curve=curve,
            curve_replications=curve_count,
            offered_erlangs=erlangs,
            offered=self._offered(traffic),
            concurrency=concurrency_at(
                scenario, answer, min(count, CONCURRENCY_REPLICATIONS), self._pool
            ),
            worst_answer=self._worst_answer(found),
            with_room_for_all=self._with_room_for_all(count),
            worst_with_room_for_all=self._worst_with_room_for_all(points[answer], count),
            formulas=self._formulas(answer, curve, erlangs),
            sensitivity=self._sensitivity(answer, min(count, REPLICATIONS)),
            explanation=(),
            assumptions=(),
        )
        return replace(
            plan,
            explanation=tuple(explanation_of(plan)),
            assumptions=tuple(assumptions_of(plan, scenario)),
        )

    def _formulas(
        self, answer: int, curve: tuple[CurvePoint, ...], erlangs: float
    ) -> tuple[Formula, ...]:
        question = Question(
            scenario=self._scenario,
            target=self._options.target,
            per_tenant=self._options.per_tenant,
            interval_us=self._options.interval_us,
            answer=answer,
            limits=tuple(point.max_concurrent_calls for point in curve),
            floor=self._aim.floor,
            measured_erlangs=erlangs,
        )
        further = (sharing_formula(question), varying_formula(question))
        return (erlang_b_formula(question), *(each for each in further if each is not None))

    def _worst_answer(self, found: Answer) -> int | None:
        options = self._options
        if options.interval_us is None or options.target.statistic != BLOCKING:
            return None
        worst = replace(self._aim, target=replace(options.target, statistic=WORST_INTERVAL))
        roughly = worst.least(
            found.limit, min(found.replications, FIRST_REPLICATIONS), surely=False
        )
        return worst.least(roughly or found.limit, found.replications, surely=True, step=1)

    @property
    def _is_bounded_elsewhere(self) -> bool:
        """Whether calls may be turned away where there is room for all."""
        limited = any(each.max_concurrent_calls is not None for each in self._scenario.tenants)
        return limited or bool(self._scenario.changes)

    def _with_room_for_all(self, count: int) -> Estimate | None:
        if not self._is_bounded_elsewhere:
            return None
        return self._value_at(ROOM_FOR_ALL, count).value

    def _worst_with_room_for_all(self, at_answer: Point, count: int) -> Estimate | None:
        """What is left of blocking in the worst clock interval of the answer."""
        worst, interval_us = at_answer.worst_interval, self._options.interval_us
        if worst is None or interval_us is None or not self._is_bounded_elsewhere:
            return None
        played = self._aim.replications.play([ROOM_FOR_ALL], count)[ROOM_FOR_ALL]
        blocking = interval_blocking(played, slice(None), self._options.confidence)
        return blocking[worst.from_us // interval_us]

    def _curve(self, answer: int, count: int) -> tuple[CurvePoint, ...]:
        step = max(1, round(math.sqrt(answer) / 4))
        reach = _CURVE_POINTS // 2
        limits = [answer + step * place for place in range(-reach, reach + 1)]
        limits = [limit for limit in limits if limit >= self._aim.floor]
        self._aim.replications.play(limits, count)
        return tuple(self._value_at(limit, count) for limit in limits)

    def _value_at(self, limit: int, count: int) -> CurvePoint:
        estimates = self._aim.estimates(limit, count, self._options.confidence)
        return CurvePoint(limit, gravest(estimates))

    def _offered(self, traffic: list[Traffic]) -> tuple[OfferedInterval, ...]:
        if self._options.interval_us is None:
            return ()
        found = []
        for place in range(len(traffic[0].held_us)):
            since, until = self._clock.bounds(place)
            held_us = sum(int(each.held_us[place]) for each in traffic) / len(traffic)
            found.append(OfferedInterval(since, until, held_us / (until - since)))
        return tuple(found)

    def _sensitivity(self, answer: int, count: int) -> Sensitivity | None:
        asked = self._options.sensitivity
        if asked is None:
            return None

        def aim_at(changed: Scenario) -> Aim:
            drawn = Replications(changed, self._options.interval_us, self._pool)
            return replace(self._aim, replications=drawn)

        return sensitivity_of(
            self._scenario,
            self._aim,
            aim_at,
            asked,
            answer,
            count,
            self._options.confidence,
            lambda done, total: self._progress("sensitivity", done, total),
        )
