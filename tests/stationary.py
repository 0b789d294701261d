"""Stationary states of small Markov chains, solved from their balance equations alone.

Nothing here knows a product form, a recursion or a formula of teletraffic theory.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

State = TypeVar("State")


def stationary(
    start: State, moves: Callable[[State], Iterable[tuple[State, float]]]
) -> dict[State, float]:
    """Share of time in each state reached from ``start``; ``moves`` gives next states and rates."""
    places = {start: 0}
    found = [start]
    rates: list[tuple[int, int, float]] = []
    for state in found:
        for following, rate in moves(state):
            if rate > 0:
                if following not in places:
                    places[following] = len(found)
                    found.append(following)
                rates.append((places[state], places[following], rate))
    balance = np.zeros((len(found), len(found)))
    for origin, target, rate in rates:
        balance[target, origin] += rate
        balance[origin, origin] -= rate
    # One balance equation follows from the others; that the shares sum to 1 takes its place.
    balance[-1] = 1.0
    sums = np.zeros(len(found))
    sums[-1] = 1.0
    shares = np.linalg.solve(balance, sums)
    return dict(zip(found, shares.tolist(), strict=True))
