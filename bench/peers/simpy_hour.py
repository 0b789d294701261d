"""The hour in SimPy: a Timeout and a callback for each offer and each release, its leanest form."""

import random
from typing import Any

import simpy

from bench.peers.loss_plan import Hour


class _Group:
    def __init__(self, hour: Hour, slots: int, seed: int) -> None:
        self.hour = hour
        self.env = simpy.Environment()
        self.draw = random.Random(seed).expovariate
        self.slots = slots
        self.in_use = self.offered = self.lost = 0
        self._next_offer()

    def _next_offer(self) -> None:
        gap = self.draw(self.hour.erlangs / self.hour.hold_s)
        self.env.timeout(gap).callbacks.append(self.offer)

    def offer(self, _event: Any) -> None:
        counts = self.env.now >= self.hour.warm_up_s
        self.offered += counts
        if self.in_use >= self.slots:
            self.lost += counts
        else:
            self.in_use += 1
            self.env.timeout(self.draw(1 / self.hour.hold_s)).callbacks.append(self.release)
        self._next_offer()

    def release(self, _event: Any) -> None:
        self.in_use -= 1


def play(hour: Hour, slots: int, seed: int) -> tuple[int, int]:
    """Calls lost and calls offered after the warm-up."""
    group = _Group(hour, slots, seed)
    group.env.run(until=hour.duration_s)
    return group.lost, group.offered
