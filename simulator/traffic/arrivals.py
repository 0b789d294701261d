"""Arrivals: when a tenant's independent calls are offered, for every process a scenario can name.

Gaps are rounded to whole microseconds before they are added up, so that the size of a block changes
nothing. Processes whose rate varies are in :mod:`simulator.traffic.varying_arrivals`.
"""

from typing import Final

import numpy as np

from simulator.scenario import (
    Arrivals,
    Batch,
    Deterministic,
    Distribution,
    ExactCount,
    Exponential,
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
from simulator.trace import Int64s
from simulator.traffic.arrival_process import ArrivalProcess, RunningSums
from simulator.traffic.samplers import ParametersInvalid, mean_us, round_us, sampler
from simulator.traffic.streams import Streams
from simulator.traffic.varying_arrivals import (
    MmppProcess,
    SinusoidProcess,
    flash_crowd,
    rate_profile,
)


def arrival_process(arrivals: Arrivals, duration_us: int, streams: Streams) -> ArrivalProcess:
    """The named process at its start.

    Raises :class:`~simulator.traffic.samplers.ParametersInvalid` when its parameters mean nothing.
    """
    match arrivals:
        case Poisson(rate):
            return _poisson(rate, duration_us, streams)
        case Regular(gap):
            return RenewalProcess(duration_us, Deterministic(gap), streams)
        case Renewal(gap):
            return RenewalProcess(duration_us, gap, streams)
        case Batch():
            return _batches(arrivals, duration_us, streams)
        case RateProfile():
            return rate_profile(arrivals, duration_us, streams)
        case FlashCrowd():
            return flash_crowd(arrivals, duration_us, streams)
        case Sinusoid():
            return SinusoidProcess(arrivals, duration_us, streams)
        case Mmpp():
            return MmppProcess(arrivals, duration_us, streams)
        case ExactCount(count):
            return ExactCountProcess(count, duration_us, streams)
        case TraceArrivals():
            return ListedProcess(duration_us, logged_offers(arrivals))
        case FiniteSource():
            return ListedProcess(duration_us, _first_offers(arrivals, streams))


class RenewalProcess(ArrivalProcess):
    """``batch`` calls after every drawn gap, the first ones one gap after the start."""

    def __init__(
        self, duration_us: int, gap: Distribution, streams: Streams, batch: int = 1
    ) -> None:
        fill = sampler(gap, streams, "arrivals")
        mean = mean_us(gap)
        if mean < 1:
            raise ParametersInvalid(f"the mean gap is {mean} us, it must be at least 1 us")
        super().__init__(duration_us, duration_us / mean * batch)
        self._sums = RunningSums(fill)
        self._batch = batch

    def _next(self, size: int) -> Int64s:
        instants = self._before_end(self._sums.next(max(1, size // self._batch)))
        return instants if self._batch == 1 else np.repeat(instants, self._batch)


def _poisson(rate: float, duration_us: int, streams: Streams, batch: int = 1) -> ArrivalProcess:
    if rate < 0:
        raise ParametersInvalid(f"the rate is {rate} per us, it must be >= 0")
    if rate == 0:
        return ListedProcess(duration_us, np.empty(0, dtype=np.int64))
    return RenewalProcess(duration_us, Exponential(1 / rate), streams, batch)


def _batches(batch: Batch, duration_us: int, streams: Streams) -> ArrivalProcess:
    if batch.size < 1:
        raise ParametersInvalid(f"the batch size is {batch.size}, it must be at least 1")
    match batch.rate_per_us, batch.gap_us:
        case float() | int() as rate, None:
            return _poisson(rate, duration_us, streams, batch.size)
        case None, float() | int() as gap:
            return RenewalProcess(duration_us, Deterministic(gap), streams, batch.size)
        case _:
            raise ParametersInvalid("batches need either a rate or a gap")


class ListedProcess(ArrivalProcess):
    """Arrivals that are all known when the run starts: int64 us, sorted."""

    def __init__(self, duration_us: int, instants: Int64s) -> None:
        self._instants = instants[: np.searchsorted(instants, duration_us)]
        super().__init__(duration_us, float(len(self._instants)))

    def _next(self, size: int) -> Int64s:
        offers, self._instants = self._instants[:size], self._instants[size:]
        self.done = len(self._instants) == 0
        return offers


def logged_order(log: TraceArrivals) -> Int64s:
    """The order of a log's calls by time, equal instants as they are listed."""
    return np.argsort(np.array(log.offer_us, dtype=np.int64), kind="stable")


def logged_offers(log: TraceArrivals) -> Int64s:
    """The offers of a log in order, int64 us."""
    if log.hold_us is not None and len(log.hold_us) != len(log.offer_us):
        raise ParametersInvalid(
            f"a log of {len(log.offer_us)} offers needs as many holding times, "
            f"not {len(log.hold_us)}"
        )
    offers = np.array(log.offer_us, dtype=np.int64)[logged_order(log)]
    if len(offers) and offers[0] < 0:
        raise ParametersInvalid(f"a logged offer lies at {offers[0]} us, before the start")
    return offers


def _first_offers(finite: FiniteSource, streams: Streams) -> Int64s:
    """Each source's first call, one think time after the start; sorted, which numbers them."""
    if finite.sources < 0:
        raise ParametersInvalid(f"the number of sources is {finite.sources}, it must be >= 0")
    thinks = np.empty(finite.sources)
    sampler(finite.think, streams, "think/first")(thinks)
    return np.sort(round_us(thinks))


_UNITS: Final = 2.0**50


class ExactCountProcess(ArrivalProcess):
    """``count`` independent uniform instants of the run, given in order without being held.

    Renyi's representation: with unit exponentials E_j the i-th smallest of n uniforms on [0, 1) is
    1 - exp(-sum over j <= i of E_j / (n - j + 1)). The sum is held in whole units of 2**-50.
    """

    def __init__(self, count: int, duration_us: int, streams: Streams) -> None:
        if count < 0:
            raise ParametersInvalid(f"the count is {count}, it must be >= 0")
        super().__init__(duration_us, float(count))
        self._fill = sampler(Exponential(_UNITS), streams, "arrivals")
        self._left = count
        self._sum = 0

    def _next(self, size: int) -> Int64s:
        size = min(size, self._left)
        steps = np.empty(size)
        self._fill(steps)
        steps /= np.arange(self._left, self._left - size, -1)
        sums = np.rint(steps).astype(np.int64)
        sums[0] += self._sum
        np.cumsum(sums, out=sums)
        self._sum = int(sums[-1])
        self._left -= size
        self.done = self._left == 0
        instants = -np.expm1(sums / -_UNITS) * self.duration_us
        return np.minimum(instants.astype(np.int64), self.duration_us - 1)
