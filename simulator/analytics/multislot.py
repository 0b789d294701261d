"""Calls of several slots on one group: the Kaufman-Roberts recursion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulator.analytics.arguments import require_count, require_traffic
from simulator.analytics.birth_death import Floats

_LARGE: Final = 1e250


@dataclass(frozen=True, slots=True)
class CallClass:
    """Poisson calls that hold ``slots`` slots each; ``offered_erlangs`` counts calls, not slots."""

    offered_erlangs: float
    slots: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class MultislotLoss:
    """Blocking by class, and how many slots are in use.

    ``blocking``, shape (classes,): share of the class's calls blocked, which is also the share of
    time in which fewer slots are free than it needs. ``slots_in_use``, shape (slots + 1,): share of
    time with that many slots in use. ``carried_slots``: slots in use, averaged over time.
    """

    blocking: Floats
    slots_in_use: Floats
    carried_slots: float


def kaufman_roberts(slots: int, classes: Sequence[CallClass]) -> MultislotLoss:
    """Blocking of each class where all share C = ``slots`` slots and take what is free.

    j q(j) = sum over classes k of a_k b_k q(j - b_k), q(0) = 1, blocking of k = sum of q(j) over
    j > C - b_k, over the sum of all q; a_k offered calls in erlangs, b_k slots a call.

    Source: J. S. Kaufman, "Blocking in a shared resource environment", IEEE Transactions on
    Communications 29 (1981), pp. 1474-1481; J. W. Roberts, "A service system with heterogeneous
    user requirements", in "Performance of Data Communication Systems and their Applications",
    North-Holland, 1981.
    Domain: Poisson arrivals, blocked calls lost, any distribution of holding times, no limits by
    class; 0 <= C <= 1,000,000, at least one class, b_k >= 1. Time about C times classes.
    Precision: relative error below 1e-10 up to 100,000 slots; probabilities below 1e-250 of the
    likeliest state may be 0. Raises ValueError outside the domain.
    """
    require_count("slots", slots)
    if not classes:
        raise ValueError("classes is empty, at least one is required")
    for place, each in enumerate(classes):
        require_traffic(f"classes[{place}].offered_erlangs", each.offered_erlangs)
        require_count(f"classes[{place}].slots", each.slots, least=1)
    weights = _weights(slots, classes)
    in_use = weights / weights.sum()
    return MultislotLoss(
        blocking=np.array([in_use[max(0, slots - each.slots + 1) :].sum() for each in classes]),
        slots_in_use=in_use,
        carried_slots=float(np.arange(slots + 1) @ in_use),
    )


def _weights(slots: int, classes: Sequence[CallClass]) -> Floats:
    """q(0) to q(slots), scaled to keep them finite."""
    demand: dict[int, float] = {}
    for each in classes:
        if each.slots > slots:
            continue
        demand[each.slots] = demand.get(each.slots, 0.0) + each.offered_erlangs * each.slots
    pairs = sorted(demand.items())
    weights = [1.0]
    rescaled: list[tuple[int, float]] = []
    for j in range(1, slots + 1):
        weight = 0.0
        for size, erlangs in pairs:
            if size > j:
                break
            weight += erlangs * weights[j - size]
        weights.append(weight / j)
        if weights[j] > _LARGE:
            # Only what the recursion still reads is brought to the new scale at once.
            first, scale = max(0, j + 1 - pairs[-1][0]), weights[j]
            weights[first:] = [each / scale for each in weights[first:]]
            rescaled.append((first, scale))
    return _on_one_scale(np.array(weights), rescaled)


def _on_one_scale(weights: Floats, rescaled: Sequence[tuple[int, float]]) -> Floats:
    """Weights below each ``first`` divided by that ``scale``; the firsts rise."""
    factor, end = 1.0, len(weights)
    for first, scale in reversed(rescaled):
        weights[first:end] *= factor
        factor, end = factor / scale, first
    weights[:end] *= factor
    return weights
