"""Arrivals: when a tenant's calls are offered, block by block in time order.

Every process gives whole microseconds in [0, duration), and the same ones whatever the block size:
gaps are rounded before they are added up, and what has to be added up as real numbers (expected
calls, in processes whose rate varies) is held in whole units of 2**-30 expected calls.
"""

from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from simulator.samplers import Fill, Floats, mean_us, round_us, sampler
from simulator.scenario import (
    Arrivals,
    Batch,
    Distribution,
    ExactCount,
    Exponential,
    Deterministic,
    FiniteSource,
    FlashCrowd,
    Mmpp,
    Poisson,
    RateProfile,
    Regular,
    Renewal,
    Sinusoid,
    TraceArrivals,
)
from simulator.streams import Streams
from simulator.trace import Int64s

MAX_BLOCK: Final = 2**17
"""Gaps in a block: times the largest gap, 2**45, they still add up below 2**63."""


class ArrivalsInvalid(ValueError):
    """Parameters of an arrival process mean nothing; the message says what would be right."""


class ArrivalProcess(ABC):
    """One tenant's independent arrivals in [0, duration_us).

    ``expected_calls`` is their mean number, for choosing block sizes. ``done`` is true once the
    last arrival was given.
    """

    def __init__(self, duration_us: int, expected_calls: float) -> None:
        self.duration_us = duration_us
        self.expected_calls = expected_calls
        self.done = False

    def block(self, size: int) -> Int64s:
        """About ``size`` further arrivals, int64 us, sorted. Empty only when there are no more."""
        while not self.done:
            offers = self._next(min(size, MAX_BLOCK))
            if len(offers):
                return offers
        return np.empty(0, np.int64)

    @abstractmethod
    def _next(self, size: int) -> Int64s:
        """The next arrivals before the end; sets ``done`` with the last ones."""

    def _before_end(self, instants: Int64s) -> Int64s:
        """The sorted ``instants`` before the end; ``done`` once one lies at or beyond it."""
        if len(instants) and instants[-1] >= self.duration_us:
            self.done = True
            return instants[: np.searchsorted(instants, self.duration_us)]
        return instants


class _Gaps:
    """Running sums of drawn gaps."""

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self._last = 0

    def next(self, size: int) -> Int64s:
        gaps = np.empty(size)
        self._fill(gaps)
        instants = round_us(gaps)
        instants[0] += self._last
        np.cumsum(instants, out=instants)
        self._last = int(instants[-1])
        return instants


class _RenewalProcess(ArrivalProcess):
    """``size`` calls after every gap; one for all processes but batches."""

    def __init__(self, duration_us: int, gap: Distribution, streams: Streams, size: int = 1):
        mean = mean_us(gap)
        if not mean >= 1:
            raise ArrivalsInvalid(f"the mean gap is {mean} us, it must be at least 1 us")
        super().__init__(duration_us, duration_us / mean * size)
        self._gaps = _Gaps(sampler(gap, streams, "arrivals"))
        self._size = size

    def _next(self, size: int) -> Int64s:
        instants = self._before_end(self._gaps.next(max(1, size // self._size)))
        return instants if self._size == 1 else np.repeat(instants, self._size)


class _NoArrivals(ArrivalProcess):
    def __init__(self, duration_us: int) -> None:
        super().__init__(duration_us, 0.0)
        self.done = True

    def _next(self, size: int) -> Int64s:  # noqa: ARG002
        return np.empty(0, np.int64)


def arrival_process(arrivals: Arrivals, duration_us: int, streams: Streams) -> ArrivalProcess:
    """The process a scenario names, at its start. Raises :class:`ArrivalsInvalid`."""
    match arrivals:
        case Poisson(rate):
            return _poisson(rate, duration_us, streams)
        case Regular(gap):
            return _RenewalProcess(duration_us, Deterministic(gap), streams)
        case Renewal(gap):
            return _RenewalProcess(duration_us, gap, streams)
        case _:
            raise ArrivalsInvalid(f"{arrivals}")


def _poisson(rate: float, duration_us: int, streams: Streams, size: int = 1) -> ArrivalProcess:
    if rate < 0:
        raise ArrivalsInvalid(f"the rate is {rate} per us, it must be >= 0")
    if rate == 0:
        return _NoArrivals(duration_us)
    return _RenewalProcess(duration_us, Exponential(1 / rate), streams, size)
