"""How late requests were sent and how long answers took, in numbers that add up over workers."""

from array import array
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from simulator.history import CALL_OPS

_BITS: Final = 7
_HALF: Final = 1 << _BITS - 1


class Histogram(msgspec.Struct):
    """How often times of some length were: microseconds, exact below 128, else within 1.6 %."""

    counts: dict[int, int] = {}
    most_us: int = 0

    def note(self, times_us: npt.NDArray[np.int64]) -> None:
        """Note times, shape (n,); negative ones as none at all."""
        if not len(times_us):
            return
        us = np.maximum(times_us, 0)
        # The exponent of a float is exact for what is below 2**53 us, some 285 years.
        shift = np.maximum(np.frexp(us.astype(np.float64))[1] - _BITS, 0)
        places, counts = np.unique(shift * _HALF + (us >> shift), return_counts=True)
        for place, count in zip(places.tolist(), counts.tolist(), strict=True):
            self.counts[place] = self.counts.get(place, 0) + count
        self.most_us = max(self.most_us, int(us.max()))

    def add(self, other: "Histogram") -> None:
        """Add what was noted elsewhere."""
        for place, count in other.counts.items():
            self.counts[place] = self.counts.get(place, 0) + count
        self.most_us = max(self.most_us, other.most_us)

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def quantile_us(self, share: float) -> int:
        """The least bound of a bucket that so large a share does not exceed; 0 where none is."""
        reached, wanted = 0, share * self.count
        for place in sorted(self.counts):
            reached += self.counts[place]
            if reached >= wanted:
                shift = max(place // _HALF - 1, 0)
                return min((place - shift * _HALF + 1 << shift) - 1, self.most_us)
        return 0


def _by_operation() -> list[Histogram]:
    return [Histogram() for _ in CALL_OPS]


class Meters(msgspec.Struct):
    """What a worker measures. Sends that are behind by more than ``late_us`` are late.

    ``behind`` is from when an event was due (or, if later, from the answer to the event of its call
    ahead of it) to when it was sent; ``latency``, in the order of :data:`CALL_OPS`, from when it
    was due to its answer, or to when it was given up.
    """

    late_us: int
    late: int = 0
    behind: Histogram = msgspec.field(default_factory=Histogram)
    latency: list[Histogram] = msgspec.field(default_factory=_by_operation)

    def note(self, behind_us: "array[int]", latency_us: "Sequence[array[int]]") -> None:
        """Note how far sends were behind, and latencies by operation."""
        behind = np.array(behind_us, np.int64)
        self.behind.note(behind)
        self.late += int(np.count_nonzero(behind > self.late_us))
        for own, times_us in zip(self.latency, latency_us, strict=True):
            own.note(np.array(times_us, np.int64))

    def add(self, other: "Meters") -> None:
        """Add what another worker measured."""
        self.late += other.late
        self.behind.add(other.behind)
        for own, its in zip(self.latency, other.latency, strict=True):
            own.add(its)

    @property
    def sends(self) -> int:
        return self.behind.count

    def latencies(self) -> dict[str, float]:
        """Latencies in milliseconds, by the names that thresholds have for them."""
        found = {}
        for operation, its in zip(CALL_OPS, self.latency, strict=True):
            if its.counts:
                for percent in (50, 95, 99):
                    name = f"{operation}_latency_p{percent}_ms"
                    found[name] = its.quantile_us(percent / 100) / 1000
                found[f"{operation}_latency_max_ms"] = its.most_us / 1000
        return found
