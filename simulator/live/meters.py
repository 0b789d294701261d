"""What a driver measures of the service and of itself: latencies, lag, stalls, use of a CPU."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

US_PER_MS: Final = 1000

OPERATIONS: Final = ("offer", "accept", "start", "refer", "end")


class Instants:
    """A growing column of int64 microseconds."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: array[int] = array("q")

    def add(self, value_us: int) -> None:
        self.values.append(value_us)

    def spread(self) -> "Spread":
        return Spread.of(self.values)


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of n times, in milliseconds: the smallest value that so many do not exceed."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @staticmethod
    def of(values_us: "array[int]") -> "Spread":
        if not values_us:
            return Spread(0, 0.0, 0.0, 0.0, 0.0)
        values = np.frombuffer(values_us, np.int64)
        found = np.percentile(values, (50, 95, 99, 100), method="inverted_cdf") / US_PER_MS
        return Spread(len(values), *(float(each) for each in found))


@dataclass(frozen=True, slots=True)
class DriverFigures:
    """How the driver itself did.

    ``lag`` is the scheduling error: from when an event was due (or, if later, from the answer to
    the event of its call before it) to when it was sent. ``late_sends`` had more of it than
    ``late_ms``. ``held_back`` events waited longer than that for the answer to the event ahead.
    ``dropped`` offers were never sent. Of all requests, those sent again included, ``answered`` got
    an answer, ``refused`` a refusal; the others ``failed`` or are ``indefinite``.
    ``longest_stall_ms`` is the longest time in which the driver did nothing at all, and
    ``cpu_share`` its share of one processor.
    """

    lag: Spread
    late_ms: float
    sends: int
    late_sends: int
    held_back: int
    dropped: int
    answered: int
    indefinite: int
    failed: int
    refused: int
    longest_stall_ms: float
    cpu_share: float
    wall_s: float
    speed: float

    @property
    def late_share(self) -> float:
        return self.late_sends / self.sends if self.sends else 0.0


@dataclass(slots=True)
class Meters:
    """Counts of a run that is under way."""

    late_us: int
    lag: Instants = field(default_factory=Instants)
    latency: Mapping[str, Instants] = field(
        default_factory=lambda: {name: Instants() for name in OPERATIONS}
    )
    sends: int = 0
    late_sends: int = 0
    held_back: int = 0
    dropped: int = 0
    results: dict[str, int] = field(default_factory=dict)
    longest_stall_us: int = 0

    def sent(self, due_us: int, ready_us: int, at_us: int) -> None:
        """Note a send at ``at_us`` that was due, and possible from ``ready_us`` on."""
        lag_us = max(0, at_us - max(due_us, ready_us))
        self.sends += 1
        self.lag.add(lag_us)
        if lag_us > self.late_us:
            self.late_sends += 1
        if ready_us - due_us > self.late_us:
            self.held_back += 1

    def figures(self, *, cpu_s: float, wall_s: float, speed: float) -> DriverFigures:
        return DriverFigures(
            lag=self.lag.spread(),
            late_ms=self.late_us / US_PER_MS,
            sends=self.sends,
            late_sends=self.late_sends,
            held_back=self.held_back,
            dropped=self.dropped,
            answered=self.results.get("ok", 0) + self.results.get("refused", 0),
            indefinite=self.results.get("indefinite", 0),
            failed=self.results.get("failed", 0),
            refused=self.results.get("refused", 0),
            longest_stall_ms=self.longest_stall_us / US_PER_MS,
            cpu_share=cpu_s / wall_s if wall_s else 0.0,
            wall_s=wall_s,
            speed=speed,
        )

    def latencies(self) -> dict[str, Spread]:
        """Of the operations that were sent: from when they were due to their answer, or to when
        they were given up."""
        return {
            name: instants.spread() for name, instants in self.latency.items() if instants.values
        }
