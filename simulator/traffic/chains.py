"""Dependent calls: redials after a rejection, and a finite source's next calls."""

from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from simulator.scenario import FiniteSource, Redial, Tenant
from simulator.trace import AfterOn, Int64s
from simulator.traffic.samplers import Fill, ParametersInvalid, mean_us, round_us, sampler
from simulator.traffic.streams import Streams

MOST_DEPENDENTS: Final = 200_000_000
"""The most calls a finite source may make: they are drawn, and held in memory, all at once."""


class Chain(ABC):
    """The calls that follow on a tenant's independent calls, drawn in the order of those."""

    after_on: AfterOn
    kind: str
    """Prefix of the purposes of the dependents' own streams."""

    @abstractmethod
    def lengths(self, offers: Int64s) -> Int64s:
        """How many dependents each of the next independent calls has; shape of ``offers``."""

    @abstractmethod
    def delays(self, count: int) -> Int64s:
        """The delays, in us and at least 1, of the dependents that :meth:`lengths` announced."""


class RedialChain(Chain):
    """How often a caller would try again if it was rejected every time.

    Of a uniform draw u, at least k redials follow when u < probability**k: a geometric number, cut
    at ``max_attempts - 1``.
    """

    after_on = AfterOn.REJECTED
    kind = "redial/"

    def __init__(self, redial: Redial, streams: Streams) -> None:
        if not 0 <= redial.probability <= 1 or redial.max_attempts < 1:
            raise ParametersInvalid("redials need 0 <= probability <= 1 and max_attempts >= 1")
        if redial.backoff < 1:
            raise ParametersInvalid("the backoff of redials must be at least 1")
        exponents = np.arange(redial.max_attempts - 1, 0, -1, dtype=np.float64)
        self._powers = redial.probability**exponents
        self._chance = streams.open("redial")
        self._delay = sampler(redial.delay, streams, "redial_delay")
        self._backoff = redial.backoff
        self._lengths = np.empty(0, dtype=np.int64)

    def lengths(self, offers: Int64s) -> Int64s:
        chance = self._chance.random(len(offers))
        lengths = len(self._powers) - np.searchsorted(self._powers, chance, side="right")
        self._lengths = lengths
        return lengths

    def delays(self, count: int) -> Int64s:
        """Of each chain the first delay is as drawn, every further one ``backoff`` times more."""
        if self._backoff == 1:
            return _at_least_one(self._delay, count)
        lengths = self._lengths
        before = np.arange(count) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        values = np.empty(count)
        self._delay(values)
        # A factor beyond the longest instant only stands for never, and must not overflow.
        with np.errstate(over="ignore"):
            values *= np.power(self._backoff, before.astype(np.float64))
        return np.maximum(round_us(values), 1)


class FiniteSourceChain(Chain):
    """A source's calls after its first, each one think time after the last one finished.

    Calls themselves take time, so a source makes at most as many as fit when they take none: think
    times are drawn until they alone reach the end of the run.
    """

    after_on = AfterOn.FINISHED
    kind = "next/"

    _BLOCK: Final = 1024

    def __init__(self, finite: FiniteSource, duration_us: int, streams: Streams) -> None:
        most = most_calls_of(finite, duration_us)
        if most > MOST_DEPENDENTS:
            raise ParametersInvalid(
                f"{finite.sources} sources with a mean think time of {mean_us(finite.think)} us "
                f"may make {most:.3g} calls in the run, more than {MOST_DEPENDENTS:,}"
            )
        self._duration_us = duration_us
        self._fill = sampler(finite.think, streams, "think")
        self._thinks = np.empty(0, dtype=np.int64)
        self._sums = np.zeros(1, dtype=np.int64)
        self._delays = np.empty(0, dtype=np.int64)

    def lengths(self, offers: Int64s) -> Int64s:
        lengths = np.empty(len(offers), dtype=np.int64)
        used, kept = 0, []
        for place, left in enumerate((self._duration_us - offers).tolist()):
            # The think time that reaches the end is used up, and no call follows on it.
            last = self._reach(used, left)
            lengths[place] = last - 1 - used
            kept.append(self._thinks[used : last - 1])
            used = last
        self._delays = np.concatenate([self._delays, *kept])
        self._thinks = self._thinks[used:]
        self._sums = self._sums[used:]
        return lengths

    def _reach(self, used: int, left: int) -> int:
        """The number of think times after which those beyond the first ``used`` reach ``left``."""
        while self._sums[-1] < self._sums[used] + left:
            thinks = _at_least_one(self._fill, max(self._BLOCK, len(self._thinks)))
            self._thinks = np.concatenate([self._thinks, thinks])
            self._sums = np.concatenate([self._sums, self._sums[-1] + np.cumsum(thinks)])
        return int(np.searchsorted(self._sums, self._sums[used] + left))

    def delays(self, count: int) -> Int64s:
        delays, self._delays = self._delays[:count], self._delays[count:]
        return delays


def most_calls_of(finite: FiniteSource, duration_us: int) -> float:
    """How many calls the sources make in a run if their calls take no time, on average."""
    return finite.sources * (duration_us / max(mean_us(finite.think), 1.0))


def _at_least_one(fill: Fill, count: int) -> Int64s:
    values = np.empty(count)
    fill(values)
    return np.maximum(round_us(values), 1)


def chain_of(tenant: Tenant, duration_us: int, streams: Streams) -> Chain | None:
    """What follows on the tenant's independent calls, None when nothing does.

    Raises :class:`~simulator.traffic.samplers.ParametersInvalid`.
    """
    match tenant.arrivals, tenant.redial:
        case FiniteSource() as finite, None:
            return FiniteSourceChain(finite, duration_us, streams)
        case FiniteSource(), _:
            raise ParametersInvalid("a finite source already calls again: it cannot redial as well")
        case _, Redial() as redial:
            return RedialChain(redial, streams)
        case _:
            return None
