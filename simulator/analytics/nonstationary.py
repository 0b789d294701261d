"""Traffic that changes over time: the mean of an infinite group, and blocking from it.

Rates are calls per unit of time, any unit, and instants and holding times come in the same unit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.analytics.arguments import require_count, require_positive, require_traffic
from simulator.analytics.birth_death import Floats
from simulator.analytics.holding import LimitedMean
from simulator.analytics.loss import erlang_b_of

_POINTS: Final = 16


@dataclass(frozen=True, slots=True)
class RateSteps:
    """A call rate in steps: ``rates[i]`` from ``starts[i]`` to ``starts[i + 1]``, the last forever.

    Before the first start the rate is ``before``, and has been for ever: 0 is an empty start.
    Raises ValueError unless starts rise and there are as many rates >= 0 as starts.
    """

    starts: tuple[float, ...]
    rates: tuple[float, ...]
    before: float = 0.0

    def __post_init__(self) -> None:
        if not self.starts or len(self.starts) != len(self.rates):
            raise ValueError("starts and rates must be as many, and at least one")
        if not all(np.diff(self.starts) > 0) or not all(map(math.isfinite, self.starts)):
            raise ValueError("starts must be finite and rise")
        for name, rate in (("before", self.before), *(("a rate", rate) for rate in self.rates)):
            require_traffic(name, rate)

    def at(self, instants: npt.ArrayLike) -> Floats:
        """The rate at each instant."""
        rates = np.array((self.before, *self.rates))
        places = np.searchsorted(self.starts, np.asarray(instants, np.float64), side="right")
        return np.asarray(rates[places], np.float64)


def in_steps(
    rate: Callable[[float], float], begin: float, end: float, step: float, before: float = 0.0
) -> RateSteps:
    """A smooth rate from ``begin`` to ``end``, by its value mid-way through each step.

    The error of what follows falls with the square of ``step``. After ``end`` the rate is 0.
    Raises ValueError unless begin < end and step > 0.
    """
    require_positive("step", step)
    require_positive("end - begin", end - begin)
    count = math.ceil((end - begin) / step * (1 - 1e-12))
    starts = begin + (end - begin) / count * np.arange(count + 1)
    middles = (starts[1:] + starts[:-1]) / 2
    return RateSteps(
        tuple(starts.tolist()), (*(float(rate(each)) for each in middles.tolist()), 0.0), before
    )


def offered_load(profile: RateSteps, limited_mean: LimitedMean, instants: npt.ArrayLike) -> Floats:
    """The mean of M_t/G/infinity: erlangs offered at each instant, shape of ``instants``.

    m(t) = integral over u <= t of rate(u) P(S > t - u) du. For steps this is
    before E[S] + sum over steps of (rate_i - rate_(i-1)) E[min(S, t - start_i)], starts before t.

    Source: S. G. Eick, W. A. Massey and W. Whitt, "The physics of the M_t/G/infinity queue",
    Operations Research 41 (1993). Domain: Poisson calls at a rate that changes by plan, holding
    times of any distribution, independent of each other. Exact: the number of calls is Poisson with
    this mean. Precision: absolute error about 1e-14 times the largest load times the steps.
    Raises ValueError when an instant is not finite.
    """
    at = np.asarray(instants, np.float64)
    if not np.isfinite(at).all():
        raise ValueError("instants must be finite")
    jumps = np.diff((profile.before, *profile.rates))
    since = np.maximum(at.reshape(-1, 1) - np.array(profile.starts), 0.0)
    # On a regular grid few differences are distinct, and each limited mean may be dear.
    distinct, places = np.unique(since, return_inverse=True)
    means = np.array([limited_mean(each) for each in distinct.tolist()])
    load = means[places.reshape(since.shape)] @ jumps
    if profile.before > 0:
        load += profile.before * limited_mean(math.inf)
    return np.asarray(np.maximum(load, 0.0).reshape(at.shape), np.float64)


def modified_offered_load(
    profile: RateSteps, limited_mean: LimitedMean, servers: int, instants: npt.ArrayLike
) -> Floats:
    """Blocking at each instant by the modified-offered-load approximation: B(m(t), n).

    Erlang's B formula of ``servers`` n at the load m(t) of :func:`offered_load`.

    Source: D. L. Jagerman, "Nonstationary blocking in telephone traffic", Bell System Technical
    Journal 54 (1975); W. A. Massey and W. Whitt, "An analysis of the modified offered-load
    approximation for the nonstationary Erlang loss model", Annals of Applied Probability 4 (1994),
    pp. 1145-1160.
    Domain: as :func:`offered_load` and :func:`~simulator.analytics.loss.erlang_b`; blocked calls
    lost. An approximation: good while the load changes slowly against the holding time and blocking
    is small (below about 10 per cent). Known weakness, flash crowds: m(t) counts calls that a full
    group never took. While the rate jumps up, the true group fills and then blocks more than
    B(m(t)), which still waits for m(t) to follow; when the crowd has gone, B(m(t)) goes on blocking
    for about a holding time, because it remembers calls never admitted. There, simulate.
    Precision: of the formula, that of the two it joins. Raises ValueError outside the domain.
    """
    return erlang_b_of(offered_load(profile, limited_mean, instants), servers)


def interval_blocking(
    profile: RateSteps,
    limited_mean: LimitedMean,
    servers: int,
    bounds: Sequence[float],
    points: int = _POINTS,
) -> Floats:
    """Expected share of calls blocked between each two ``bounds``, shape (len(bounds) - 1,).

    Integral of rate(t) B(m(t), n) over integral of rate(t), by the values mid-way through
    ``points`` equal parts of each interval; NaN where no call is offered. Approximation, domain,
    source and errors: :func:`modified_offered_load`; bounds must rise. The error of the sum falls
    with the square of ``points``, once every step of the rate is longer than a part.
    """
    require_count("points", points, least=1)
    edges = np.asarray(bounds, np.float64)
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError("bounds must rise, and be at least two")
    parts = (np.arange(points) + 0.5) / points
    instants = edges[:-1, None] + np.diff(edges)[:, None] * parts
    blocking = modified_offered_load(profile, limited_mean, servers, instants)
    rates = profile.at(instants)
    offered = rates.sum(axis=1)
    lost = (rates * blocking).sum(axis=1)
    blocked = np.full(len(offered), np.nan)
    np.divide(lost, offered, out=blocked, where=offered > 0)
    return blocked
