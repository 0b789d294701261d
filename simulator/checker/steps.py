"""Step functions over time: sums of intervals, and their extremes over windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from simulator.trace import Int64s

FOREVER: Final = 1 << 62
"""An instant that never comes."""

UNLIMITED: Final = 1 << 40
"""Stands for a limit that is not there: more than can ever be counted."""


@dataclass(frozen=True, slots=True)
class Steps:
    """A function of time: ``values[0]`` before ``times[0]``, ``values[i + 1]`` from ``times[i]``.

    Shapes: ``times`` (k,) int64, strictly increasing; ``values`` (k + 1,) int64.
    """

    times: Int64s
    values: Int64s

    def at(self, times_us: Int64s) -> Int64s:
        """The values at the given instants."""
        return self.values[np.searchsorted(self.times, times_us, side="right")]

    def least(self, low_us: Int64s, high_us: Int64s) -> Int64s:
        """The least value in each window, both ends included."""
        return -Steps(self.times, -self.values).greatest(low_us, high_us)

    def greatest(self, low_us: Int64s, high_us: Int64s) -> Int64s:
        """The greatest value in each window, both ends included.

        A sparse table, one level held at a time: O((k + q) log w) for windows of w steps.
        """
        first = np.searchsorted(self.times, low_us, side="right")
        last = np.searchsorted(self.times, high_us, side="right")
        found = np.empty(len(first), np.int64)
        levels = np.frexp((last - first + 1).astype(np.float64))[1] - 1
        table = self.values
        for level in range(int(levels.max(initial=-1)) + 1):
            if level:
                half = 1 << (level - 1)
                table = np.maximum(table[:-half], table[half:])
            chosen = np.flatnonzero(levels == level)
            if len(chosen):
                ends = last[chosen] - (1 << level) + 1
                found[chosen] = np.maximum(table[first[chosen]], table[ends])
        return found

    def area(self, low_us: int, high_us: int) -> int:
        """The sum of the values of a window, both ends included, each times how long it lasts."""
        first = int(np.searchsorted(self.times, low_us, side="right"))
        last = int(np.searchsorted(self.times, high_us, side="right"))
        values = self.values[first : last + 1].tolist()
        edges = [low_us, *self.times[first:last].tolist(), high_us + 1]
        return sum(
            value * (end - begin)
            for value, (begin, end) in zip(values, pairwise(edges), strict=True)
        )

    def deltas(self) -> tuple[Int64s, Int64s]:
        """Instants and changes, without the value before the first."""
        return self.times, np.diff(self.values)


def constant(value: int) -> Steps:
    return Steps(np.empty(0, np.int64), np.array([value], np.int64))


def summed(times: Int64s, deltas: Int64s, start: int = 0) -> Steps:
    """The function that begins with ``start`` and changes by ``deltas`` at ``times``."""
    order = np.argsort(times, kind="stable")
    times, totals = times[order], start + np.cumsum(deltas[order])
    last = np.flatnonzero(np.append(times[1:] != times[:-1], True)) if len(times) else times
    return Steps(times[last], np.concatenate(([start], totals[last])).astype(np.int64))


def counting(low_us: Int64s, high_us: Int64s, start: int = 0) -> Steps:
    """How many of the intervals ``[low, high)`` hold an instant; empty ones count nowhere."""
    some = low_us < high_us
    low_us, high_us = low_us[some], high_us[some]
    ended = high_us[high_us < FOREVER]
    times = np.concatenate((low_us, ended))
    deltas = np.repeat(np.array([1, -1], np.int64), (len(low_us), len(ended)))
    return summed(times, deltas, start)


def added(parts: Sequence[Steps]) -> Steps:
    """The sum of functions."""
    times = np.concatenate([part.times for part in parts])
    deltas = np.concatenate([np.diff(part.values) for part in parts])
    return summed(times, deltas, int(sum(part.values[0] for part in parts)))


def minus(function: Steps) -> Steps:
    return Steps(function.times, -function.values)


def larger(one: Steps, other: Steps) -> Steps:
    """The pointwise maximum of two functions."""
    times = np.union1d(one.times, other.times)
    start = max(int(one.values[0]), int(other.values[0]))
    values = np.maximum(one.at(times), other.at(times))
    return Steps(times, np.concatenate(([start], values)).astype(np.int64))


def greatest_among(low_us: Int64s, high_us: Int64s, values: Int64s, at_us: Int64s) -> Int64s:
    """At each instant, the greatest value of the intervals ``[low, high)`` that hold it, or -1.

    ``at_us`` is sorted, ``values`` are 0 or more. Every interval is put into two blocks of a sparse
    table, and the blocks are halved down to single instants: O(n + k log k), all in arrays.
    """
    first = np.searchsorted(at_us, low_us, side="left")
    last = np.searchsorted(at_us, high_us, side="left") - 1
    some = first <= last
    first, last, values = first[some], last[some], values[some]
    levels = np.frexp((last - first + 1).astype(np.float64))[1] - 1
    above = np.empty(0, np.int64)
    for level in range(int(levels.max(initial=0)), -1, -1):
        size = 1 << level
        table = np.full(len(at_us) - size + 1, -1, np.int64)
        table[: len(above)] = above
        np.maximum(table[size : size + len(above)], above, out=table[size : size + len(above)])
        chosen = levels == level
        np.maximum.at(table, first[chosen], values[chosen])
        np.maximum.at(table, last[chosen] - size + 1, values[chosen])
        above = table
    return above
