"""What a run leaves behind: everything the reports say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from simulator.results import RunOutcome
from simulator.scenario import Scenario
from simulator.statistics import Statistics
from simulator.trace import CallTrace
from simulator.verdict import Judgement


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
