"""A grid over keys of a scenario: replications at every point, with intervals.

All points use the same seeds, so points with the same calls differ by their limits alone, and the
others by as little as can be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from simulator.live.options import only_live
from simulator.planning.measure import Clock, Point, measure
from simulator.planning.replication import Played
from simulator.planning.result import PlanRefused
from simulator.planning.tasks import Scheduler, Step, Task, same_calls
from simulator.planning.vary import Axis, Choice, grid, said_of_vary
from simulator.scenario import Scenario
from simulator.scenario_file import Problem, ScenarioInvalid
from simulator.scenario_file.load import ScenarioSource
from simulator.statistics import tenant_rows
from simulator.traffic import conditions_of


@dataclass(frozen=True, slots=True)
class GridPoint:
    """One combination of values. ``values`` are as written, in the order of the axes."""

    values: tuple[str, ...]
    overrides: tuple[str, ...]
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """What was found at one combination of values; ``digest`` is that of its scenario."""

    values: tuple[str, ...]
    overrides: tuple[str, ...]
    seed: int
    digest: str
    figures: Point


@dataclass(frozen=True, slots=True)
class Sweep:
    """All points of a grid, the last key fastest."""

    scenario: str
    keys: tuple[str, ...]
    replications: int
    confidence: float
    interval_us: int | None
    points: tuple[SweepPoint, ...]


def grid_points(
    source: ScenarioSource, axes: Sequence[Axis], overrides: Sequence[str], seed: int | None
) -> list[GridPoint]:
    """The scenario of every combination.

    Raises :class:`~simulator.scenario_file.ScenarioInvalid` with the problems of all of them, and
    :class:`PlanRefused` for what only runs in wall-clock time.
    """
    points: list[GridPoint] = []
    problems: dict[Problem, Problem] = {}
    for choices in grid(axes):
        laid = tuple(text for choice in choices for text in choice.overrides)
        try:
            scenario = source.scenario([*overrides, *laid], seed)
        except ScenarioInvalid as error:
            for problem in error.problems:
                # Said once, of the first point that has it.
                problems.setdefault(problem, _said_of(problem, axes, choices))
            continue
        points.append(GridPoint(tuple(choice.label for choice in choices), laid, scenario))
    if problems:
        raise ScenarioInvalid(problems.values())
    for point in points:
        for trouble in only_live(replace(point.scenario, thresholds=()), "busyhour sweep"):
            raise PlanRefused(trouble)
    return points


def _said_of(problem: Problem, axes: Sequence[Axis], choices: Sequence[Choice]) -> Problem:
    named = said_of_vary(problem, axes)
    if named.file != problem.file:
        return named
    where = ", ".join(
        f"{axis.key}={choice.label}" for axis, choice in zip(axes, choices, strict=True)
    )
    return replace(problem, message=f"{problem.message} (where {where})")


def sweep(
    points: Sequence[GridPoint],
    keys: Sequence[str],
    replications: int,
    scheduler: Scheduler,
    step: Step,
    *,
    confidence: float = 0.95,
    interval_us: int | None = None,
) -> Sweep:
    """Play ``replications`` (>= 2) of every point.

    Results do not depend on the scheduler. Raises :class:`~simulator.trace.TraceInvalid`, and
    ValueError for fewer replications or no points.
    """
    if replications < 2 or not points:
        raise ValueError("a sweep needs at least 2 replications and a point")
    groups: dict[object, list[int]] = {}
    for place, point in enumerate(points):
        groups.setdefault(same_calls(point.scenario), []).append(place)
    work = [(places, number) for places in groups.values() for number in range(replications)]
    tasks = [
        Task(tuple(points[place].scenario for place in places), number, interval_us)
        for places, number in work
    ]
    played: list[list[Played]] = [[] for _ in points]
    for (places, _), outcome in zip(work, scheduler(tasks, step), strict=True):
        for place, one in zip(places, outcome, strict=True):
            played[place].append(one)
    return Sweep(
        scenario=points[0].scenario.name,
        keys=tuple(keys),
        replications=replications,
        confidence=confidence,
        interval_us=interval_us,
        points=tuple(
            _found(point, found, confidence, interval_us)
            for point, found in zip(points, played, strict=True)
        ),
    )


def _found(
    point: GridPoint, played: Sequence[Played], confidence: float, interval_us: int | None
) -> SweepPoint:
    scenario = point.scenario
    rows = tenant_rows(conditions_of(scenario))[0]
    clock = Clock(scenario.duration_us, interval_us)
    figures = measure(scenario.max_concurrent_calls, played, rows, clock, confidence)
    return SweepPoint(point.values, point.overrides, scenario.seed, scenario.digest, figures)
