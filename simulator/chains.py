"""Dependent calls: redials after a rejection, and a finite source's next calls."""

from abc import ABC, abstractmethod

import numpy as np

from simulator.samplers import Fill, round_us, sampler
from simulator.scenario import FiniteSource, Redial, Tenant
from simulator.streams import Streams
from simulator.trace import AfterOn, Int64s


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
        powers = redial.probability ** np.arange(redial.max_attempts - 1, 0, -1, dtype=np.float64)
        self._powers = powers
        self._chance = streams.open("redial")
        self._delay = sampler(redial.delay, streams, "redial_delay")

    def lengths(self, offers: Int64s) -> Int64s:
        chance = self._chance.random(len(offers))
        return len(self._powers) - np.searchsorted(self._powers, chance, side="right")

    def delays(self, count: int) -> Int64s:
        return _at_least_one(self._delay, count)


def _at_least_one(fill: Fill, count: int) -> Int64s:
    values = np.empty(count)
    fill(values)
    return np.maximum(round_us(values), 1)


def chain_of(tenant: Tenant, duration_us: int, streams: Streams) -> Chain | None:
    """What follows on the tenant's independent calls, None when nothing does."""
    if tenant.redial is not None:
        return RedialChain(tenant.redial, streams)
    return None
