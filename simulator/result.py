"""What a run leaves behind: everything the reports say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from simulator.results import RunOutcome
from simulator.scenario import Scenario
from simulator.statistics import Statistics
from simulator.trace import CallTrace
from simulator.verdict import Judgement


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``low`` to ``high``, both included; ``high`` None: nothing limits it."""

    low: float
    high: float | None

    def __contains__(self, value: float) -> bool:
        return self.low <= value and (self.high is None or value <= self.high)

    def __add__(self, other: "Interval") -> "Interval":
        unlimited = self.high is None or other.high is None
        return Interval(
            self.low + other.low, None if unlimited else (self.high or 0) + (other.high or 0)
        )

    def __str__(self) -> str:
        if self.high is None:
            return f"at least {self.low:.12g}"
        if self.low == self.high:
            return f"{self.low:.12g}"
        return f"{self.low:.12g} to {self.high:.12g}"

    def nearest(self, value: float) -> float:
        """``value``, or the bound it lies beyond."""
        return max(self.low, value if self.high is None else min(value, self.high))


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """What is told of a run in wall-clock time beside its counters, all in JSON's own types.

    ``latency`` has percentiles by operation, ``driver`` how the generator itself did, ``notes``
    what could not be judged, one line each.
    """

    latency: Mapping[str, Mapping[str, int | float]]
    driver: Mapping[str, object]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run, judged. ``target`` is the service's address, or None where there is none.

    ``started_at`` is in UTC, ``duration_s`` is the time it took on the wall, ``versions`` names
    what it ran on, and ``command`` is the command line that repeats it.
    """

    scenario: Scenario
    trace: CallTrace
    trace_hash: str
    engine: str
    target: str | None
    observed: RunOutcome
    expected: RunOutcome
    statistics: Statistics
    judgement: Judgement
    started_at: datetime
    duration_s: float
    versions: Mapping[str, str]
    command: str
    bounds: Mapping[str | None, Mapping[str, Interval]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """Of a run known only within intervals: what its figures may be, by tenant (None: the total)
    and name; ``expected`` then is the nearest allowed value of each."""
    live: LiveFigures | None = None
