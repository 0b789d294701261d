"""A plan as it is written around a simulation library: one hour played, and a search around it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hour:
    """Poisson calls that hold a slot for an exponential time, lost when none is free."""

    erlangs: float
    hold_s: float
    duration_s: float = 3600.0
    warm_up_s: float = 300.0


Play = Callable[[Hour, int, int], tuple[int, int]]
"""An hour with so many slots and a seed: calls lost and calls offered after the warm-up."""


def least_slots(play: Play, hour: Hour, target: float, replications: int) -> int:
    """The least number of slots that loses at most ``target``, by halves.

    Every number of slots is played ``replications`` times, with the same seeds each.
    """
    fails, meets = 0, round(2 * hour.erlangs)
    while fails + 1 < meets:
        middle = (fails + meets) // 2
        plays = [play(hour, middle, seed) for seed in range(replications)]
        if sum(lost for lost, _ in plays) <= target * sum(offered for _, offered in plays):
            meets = middle
        else:
            fails = middle
    return meets
