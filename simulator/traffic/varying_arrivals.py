"""Poisson arrivals whose rate varies: with the time of day, in a crowd, or by a hidden state.

Where the rate can be integrated in closed form, unit-rate arrivals are drawn on the axis of
expected calls and carried back to time (inversion); the sinusoid is thinned. Both are exact. Places
on the axis of expected calls are whole units of 2**-30 calls, so that nothing real-valued is ever
added up and the size of a block changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from simulator.scenario import Exponential, FlashCrowd, Mmpp, RateProfile, Sinusoid
from simulator.trace import Int64s
from simulator.traffic.arrival_process import ArrivalProcess, RunningSums
from simulator.traffic.samplers import Floats, ParametersInvalid, round_us, sampler
from simulator.traffic.streams import Streams

_UNIT: Final = 2.0**-30
_MOST_CALLS: Final = 2.0**32
"""Expected calls of one process: in units of 2**-30 they stay below 2**62."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time in us in which the rate (calls per us) changes linearly."""

    start: float
    end: float
    first_rate: float
    last_rate: float

    @property
    def calls(self) -> float:
        return (self.end - self.start) * (self.first_rate + self.last_rate) / 2

    def within(self, start: float, end: float) -> "Piece":
        """The part of the piece in [start, end]; of length zero when there is none."""
        low, high = max(self.start, start), min(self.end, end)
        if low >= high:
            return Piece(low, low, 0.0, 0.0)
        slope = (self.last_rate - self.first_rate) / (self.end - self.start)
        return Piece(
            low,
            high,
            self.first_rate + slope * (low - self.start),
            self.first_rate + slope * (high - self.start),
        )


class PiecewiseProcess(ArrivalProcess):
    """Poisson arrivals at a piecewise linear rate, by inversion; pieces adjoin, from 0 on.

    With ``repeat`` the pieces follow one another again and again, else they reach to the end. In a
    piece of first rate r and slope s, the instant x after its start with y expected calls solves
    r x + s x**2 / 2 = y: x = 2 y / (r + sqrt(r**2 + 2 s y)).
    """

    def __init__(
        self, pieces: Sequence[Piece], duration_us: int, streams: Streams, *, repeat: bool
    ) -> None:
        pieces = [piece for piece in pieces if piece.end > piece.start]
        if any(min(piece.first_rate, piece.last_rate) < 0 for piece in pieces):
            raise ParametersInvalid("rates must be >= 0")
        self._starts = np.array([piece.start for piece in pieces])
        self._ends = np.array([piece.end for piece in pieces])
        self._rates = np.array([piece.first_rate for piece in pieces])
        rises = np.array([piece.last_rate - piece.first_rate for piece in pieces])
        self._slopes = rises / (self._ends - self._starts)
        self._calls = np.cumsum([0.0] + [piece.calls for piece in pieces])
        self._length = float(self._ends[-1]) if repeat else None
        whole = float(self._calls[-1])
        super().__init__(duration_us, whole * duration_us / (self._length or duration_us))
        if self.expected_calls > _MOST_CALLS:
            raise ParametersInvalid(f"{self.expected_calls:.3g} expected calls are too many")
        self._sums = RunningSums(sampler(Exponential(1 / _UNIT), streams, "arrivals"))

    def _next(self, size: int) -> Int64s:
        calls: Floats = self._sums.next(size) * np.float64(_UNIT)
        whole = self._calls[-1]
        if self._length is None:
            instants = np.where(calls < whole, self._invert(calls), self.duration_us)
        else:
            rest: Floats = np.remainder(calls, whole)
            rounds = np.rint((calls - rest) / whole)
            instants = rounds * self._length + self._invert(rest)
        return self._before_end(round_us(instants))

    def _invert(self, calls: Floats) -> Floats:
        """The instants up to which ``calls`` are expected."""
        # side="right" steps over pieces of rate zero, which hold no calls.
        piece = np.searchsorted(self._calls[1:-1], calls, side="right")
        rate, slope = self._rates[piece], self._slopes[piece]
        beyond = calls - self._calls[piece]
        root = np.sqrt(np.maximum(rate * rate + 2 * slope * beyond, 0.0))
        # Rate and root are both zero only at the very start of a ramp from zero.
        divisor = np.where(rate + root > 0, rate + root, 1.0)
        instants: Floats = self._starts[piece] + 2 * beyond / divisor
        np.minimum(instants, self._ends[piece], out=instants)
        return instants


def rate_profile(profile: RateProfile, duration_us: int, streams: Streams) -> ArrivalProcess:
    """The process of a profile; before its first start the rate is zero."""
    starts, rates = profile.starts_us, profile.rates_per_us
    if len(starts) != len(rates) or not starts:
        raise ParametersInvalid("a profile needs one rate for each of its starts, at least one")
    if starts[0] < 0 or any(late <= early for early, late in pairwise(starts)):
        raise ParametersInvalid("the starts of a profile must be >= 0 and rise")
    if profile.repeat_us is not None and profile.repeat_us <= starts[-1]:
        raise ParametersInvalid("a profile must repeat after its last start")
    horizon = profile.repeat_us or duration_us
    edges = [0, *starts, max(horizon, starts[-1])]
    pieces = [
        Piece(start, end, rate, rate).within(0, horizon)
        for (start, end), rate in zip(pairwise(edges), [0.0, *rates], strict=True)
    ]
    return PiecewiseProcess(pieces, duration_us, streams, repeat=profile.repeat_us is not None)


def flash_crowd(crowd: FlashCrowd, duration_us: int, streams: Streams) -> ArrivalProcess:
    """Ramps of ``ramp_us`` lead up to the peak, which starts at ``at_us``, and down after it."""
    if min(crowd.at_us, crowd.ramp_us, crowd.hold_us) < 0:
        raise ParametersInvalid("a flash crowd's at, ramp and hold must be >= 0")
    base, peak = crowd.rate_per_us, crowd.peak_rate_per_us
    rise, top = crowd.at_us - crowd.ramp_us, crowd.at_us + crowd.hold_us
    fall = top + crowd.ramp_us
    pieces = [
        Piece(0, rise, base, base),
        Piece(rise, crowd.at_us, base, peak),
        Piece(crowd.at_us, top, peak, peak),
        Piece(top, fall, peak, base),
        Piece(fall, max(fall, duration_us), base, base),
    ]
    inside = [piece.within(0, duration_us) for piece in pieces]
    return PiecewiseProcess(inside, duration_us, streams, repeat=False)


class SinusoidProcess(ArrivalProcess):
    """Candidates at the highest rate, each kept with probability rate now / highest rate."""

    def __init__(self, sinusoid: Sinusoid, duration_us: int, streams: Streams) -> None:
        if sinusoid.rate_per_us < 0 or not 0 <= sinusoid.amplitude <= 1 or sinusoid.period_us <= 0:
            raise ParametersInvalid("a sinusoid needs rate >= 0, 0 <= amplitude <= 1, period > 0")
        super().__init__(duration_us, sinusoid.rate_per_us * duration_us)
        if self.done:
            return
        self._sinusoid = sinusoid
        self._highest = 1 + sinusoid.amplitude
        gap = 1 / (sinusoid.rate_per_us * self._highest)
        if gap < 1:
            raise ParametersInvalid(f"at the peak the mean gap is {gap} us, it must be >= 1 us")
        self._sums = RunningSums(sampler(Exponential(gap), streams, "arrivals"))
        self._chance = streams.open("arrivals/kept")

    def _next(self, size: int) -> Int64s:
        candidates = self._sums.next(size)
        chance = self._chance.random(size) * self._highest
        wave = self._sinusoid
        angle = (candidates - wave.phase_us) % wave.period_us * (2 * np.pi / wave.period_us)
        kept = chance < 1 + wave.amplitude * np.sin(angle)
        inside = len(self._before_end(candidates))
        offers: Int64s = candidates[:inside][kept[:inside]]
        return offers


class MmppProcess(ArrivalProcess):
    """Markov-modulated Poisson arrivals, by inversion along a drawn path of states.

    The first state is drawn by the share of time each one has (state i with probability stay_i /
    sum of stays), so the process is stationary from the start; what is left of an exponential stay
    is exponential again.
    """

    _PATH_BLOCK: Final = 256

    def __init__(self, mmpp: Mmpp, duration_us: int, streams: Streams) -> None:
        rates, stays = mmpp.rates_per_us, mmpp.mean_stay_us
        if len(rates) != len(stays) or not rates:
            raise ParametersInvalid("an mmpp needs one mean stay for each of its rates")
        if min(rates) < 0 or min(stays) < 1:
            raise ParametersInvalid("an mmpp needs rates >= 0 and mean stays of at least 1 us")
        mean_rate = sum(r * s for r, s in zip(rates, stays, strict=True)) / sum(stays)
        super().__init__(duration_us, mean_rate * duration_us)
        if max(rates) * duration_us > _MOST_CALLS:
            raise ParametersInvalid(f"{max(rates) * duration_us:.3g} expected calls are too many")
        self._rate_of, self._stay_of = np.array(rates), np.array(stays)
        share = np.cumsum(self._stay_of)[:-1] / self._stay_of.sum()
        self._state = int(np.searchsorted(share, streams.open("arrivals/state").random(), "right"))
        self._stays = sampler(Exponential(1.0), streams, "arrivals/stay")
        self._sums = RunningSums(sampler(Exponential(1 / _UNIT), streams, "arrivals"))
        # The path still needed: bounds of its stays in us and in units of expected calls.
        self._edges = np.zeros(1, dtype=np.int64)
        self._units = np.zeros(1, dtype=np.int64)
        self._rates = np.empty(0)

    def _next(self, size: int) -> Int64s:
        units = self._sums.next(size)
        while self._units[-1] <= units[-1] and self._edges[-1] < self.duration_us:
            self._walk_on()
        # side="right" steps over stays without expected calls.
        stay = np.searchsorted(self._units, units, side="right") - 1
        inside = stay < len(self._rates)
        stay = stay[inside]
        beyond = (units[inside] - self._units[stay]) * _UNIT
        exact = self._edges[stay] + beyond / self._rates[stay]
        # Rounding the calls of a stay to units may reach a little beyond its end.
        instants = np.minimum(round_us(exact), self._edges[stay + 1])
        if len(stay):
            first = int(stay[-1])
            self._edges, self._units = self._edges[first:], self._units[first:]
            self._rates = self._rates[first:]
        self.done = len(stay) < size
        return self._before_end(instants)

    def _walk_on(self) -> None:
        """Draws more of the path; the stay that reaches the end of the run is cut there."""
        size = self._PATH_BLOCK
        states = (self._state + np.arange(size)) % len(self._rate_of)
        self._state = (self._state + size) % len(self._rate_of)
        values = np.empty(size)
        self._stays(values)
        ends = self._edges[-1] + np.cumsum(round_us(values * self._stay_of[states]))
        edges = np.concatenate([self._edges[-1:], np.minimum(ends, self.duration_us)])
        rates = self._rate_of[states]
        calls = np.rint(rates * np.diff(edges) / _UNIT).astype(np.int64)
        self._edges = np.concatenate([self._edges, edges[1:]])
        self._units = np.concatenate([self._units, self._units[-1] + np.cumsum(calls)])
        self._rates = np.concatenate([self._rates, rates])
