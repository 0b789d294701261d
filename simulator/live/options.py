"""How a trace is driven in wall-clock time, and which scenarios only that can play."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulator.scenario import Scenario


LEAST_SPEED: Final = 1e-3
MOST_SPEED: Final = 1e6
SPEEDS: Final = "0.001 to 1000000"
"""The speeds at which instants of a trace stay instants of a clock, and these in words."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How a trace is driven.

    ``speed`` is trace time over wall-clock time. An event that is not answered in ``timeout_s`` is
    given up, and sent again up to ``retries`` times. A send is late with more lag than ``late_s``.
    At most ``most_open`` requests are under way at once: an offer beyond them is dropped.
    ``shared_limit``: the targets are replicas with one limit and one set of counters between them.
    """

    speed: float = 60.0
    timeout_s: float = 5.0
    retries: int = 1
    late_s: float = 0.05
    most_open: int = 1000
    shared_limit: bool = False


def only_live(scenario: "Scenario", engine: str) -> Iterator[str]:
    """What of a scenario ``engine``, in virtual time, cannot play: one line each."""
    # Known where scenario files are read; nobody else needs the list.
    from simulator.scenario_file.judging import LATENCY_NAMES

    if scenario.kills:
        yield (
            f"{scenario.name}: faults of kind service_killed need --engine live: {engine} has no "
            "service that outlives a call"
        )
    if scenario.cancel_faults:
        yield (
            f"{scenario.name}: faults of kind client_cancelled need --engine live: with {engine} "
            "no request is ever under way when a client leaves"
        )
    latencies = [each.statistic for each in scenario.thresholds if each.statistic in LATENCY_NAMES]
    if latencies:
        yield (
            f"{scenario.name}: the threshold on {latencies[0]} needs --engine live: {engine} runs "
            "in virtual time, in which nothing takes any"
        )


def needs_own_service(scenario: "Scenario") -> Iterator[str]:
    """Why the scenario cannot be played on a service that somebody else runs: one line each."""
    if scenario.kills:
        yield (
            f"{scenario.name}: faults of kind service_killed need a service that is started for "
            "the run; leave --target out"
        )
