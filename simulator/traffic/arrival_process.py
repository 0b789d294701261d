"""What every arrival process has in common: blocks of whole microseconds up to the run's end."""

from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from simulator.trace import Int64s
from simulator.traffic.samplers import Fill, round_us

MAX_BLOCK: Final = 2**17
"""Gaps in a block: times the largest gap, 2**45, they still add up below 2**63."""


class ArrivalProcess(ABC):
    """One tenant's independent arrivals in [0, duration_us).

    ``expected_calls`` is their mean number, for choosing block sizes. ``done`` is true once the
    last arrival was given.
    """

    def __init__(self, duration_us: int, expected_calls: float) -> None:
        self.duration_us = duration_us
        self.expected_calls = expected_calls
        self.done = expected_calls == 0

    def block(self, size: int) -> Int64s:
        """About ``size`` further arrivals, int64 us, sorted. Empty only when there are no more.

        The same arrivals follow one another whatever the sizes asked for.
        """
        while not self.done:
            offers = self._next(min(size, MAX_BLOCK))
            if len(offers):
                return offers
        return np.empty(0, dtype=np.int64)

    @abstractmethod
    def _next(self, size: int) -> Int64s:
        """The next arrivals before the end; sets ``done`` with the last ones."""

    def _before_end(self, instants: Int64s) -> Int64s:
        """The sorted ``instants`` before the end; ``done`` once one lies at or beyond it."""
        if len(instants) and instants[-1] >= self.duration_us:
            self.done = True
            return instants[: np.searchsorted(instants, self.duration_us)]
        return instants


class RunningSums:
    """Sums of drawn values, each rounded to a whole number before it is added."""

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self._last = 0

    def next(self, size: int) -> Int64s:
        """The next ``size`` sums, int64."""
        values = np.empty(size)
        self._fill(values)
        sums = round_us(values)
        sums[0] += self._last
        np.cumsum(sums, out=sums)
        self._last = int(sums[-1])
        return sums
