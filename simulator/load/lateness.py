"""How late requests were sent, counted in a few numbers that can be added up over workers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

_BUCKETS: Final = 48


def _no_counts() -> list[int]:
    return [0] * _BUCKETS


@dataclass(slots=True)
class Lateness:
    """Sends by how far they were behind their due instants; bucket k holds [2**(k-1), 2**k) us.

    ``late`` counts those behind by more than ``limit_us``.
    """

    limit_us: int
    late: int = 0
    worst_us: int = 0
    counts: list[int] = field(default_factory=_no_counts)

    def note(self, behind_us: int) -> None:
        self.counts[min(max(behind_us, 0).bit_length(), _BUCKETS - 1)] += 1
        if behind_us > self.limit_us:
            self.late += 1
        if behind_us > self.worst_us:
            self.worst_us = behind_us

    @property
    def sends(self) -> int:
        return sum(self.counts)

    def add(self, late: int, worst_us: int, counts: Sequence[int]) -> None:
        """Add what another worker counted."""
        self.late += late
        self.worst_us = max(self.worst_us, worst_us)
        self.counts = [a + b for a, b in zip(self.counts, counts, strict=True)]

    def quantile_us(self, share: float) -> int:
        """An upper bound of the given quantile, within a factor of two; 0 without sends."""
        reached, wanted = 0, share * self.sends
        for bucket, count in enumerate(self.counts):
            reached += count
            if count and reached >= wanted:
                return int(min((1 << bucket) - 1, max(self.worst_us, 0)))
        return 0
