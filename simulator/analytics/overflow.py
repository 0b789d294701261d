"""Overflow traffic: what a full group sends on, and how a second group takes it.

Traffic is in erlangs; the variance is that of the calls an infinite group would carry of it, and
peakedness is variance over mean (1 for Poisson traffic, above it for overflow).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from simulator.analytics.arguments import (
    MAX_SERVERS,
    require_count,
    require_positive,
    require_traffic,
)
from simulator.analytics.loss import erlang_b, erlang_b_continuous
from simulator.analytics.roots import increasing_root

_POISSON: Final = 1 + 1e-9
"""Peakedness up to which traffic counts as Poisson."""


@dataclass(frozen=True, slots=True)
class PeakedTraffic:
    """A stream by its mean and variance, in erlangs."""

    mean: float
    variance: float

    @property
    def peakedness(self) -> float:
        """Variance over mean; 1 where there is no traffic."""
        return self.variance / self.mean if self.mean else 1.0


@dataclass(frozen=True, slots=True)
class EquivalentGroup:
    """Poisson traffic and a group of servers, perhaps not whole, that overflow as wanted."""

    offered_erlangs: float
    servers: float


def poisson(offered_erlangs: float) -> PeakedTraffic:
    """Poisson traffic as a peaked stream: its variance is its mean."""
    require_traffic("offered_erlangs", offered_erlangs)
    return PeakedTraffic(offered_erlangs, offered_erlangs)


def overflow_of(offered_erlangs: float, servers: int) -> PeakedTraffic:
    """Mean and variance of what n = ``servers`` servers send on of Poisson traffic a.

    m = a B(a, n) and v = m (1 - m + a / (n + 1 - a + m)).

    Source: J. Riordan, in R. I. Wilkinson, "Theories for toll traffic engineering in the U.S.A.",
    Bell System Technical Journal 35 (1956), pp. 421-514. Domain: Poisson arrivals, exponential
    holding times (the mean holds for any distribution), that of
    :func:`~simulator.analytics.loss.erlang_b`. Exact. Precision: relative error below 1e-10 up to
    10,000 servers, in overload too. Raises ValueError outside the domain.
    """
    mean = offered_erlangs * erlang_b(offered_erlangs, servers)
    if offered_erlangs > servers:
        # The same with n - idle for what is carried: a and m are large here and nearly equal.
        idle = _idle_in_overload(offered_erlangs, servers)
        peakedness = 1 + servers - idle - offered_erlangs * (idle / (1 + idle))
    else:
        peakedness = 1 - mean + offered_erlangs / (servers + 1 - offered_erlangs + mean)
    return PeakedTraffic(mean, mean * peakedness)


def _idle_in_overload(offered_erlangs: float, servers: int) -> float:
    """Servers idle, d(n) = n - a (1 - B(a, n)), averaged over time.

    d(n) = n (1 + d(n-1)) / (n + a B(a, n-1)), without the difference of two large numbers.
    """
    blocking, idle = 1.0, 0.0
    for k in range(1, servers + 1):
        lost = offered_erlangs * blocking
        idle = k * (1 + idle) / (k + lost)
        blocking = lost / (k + lost)
    return idle


def combined(streams: Iterable[PeakedTraffic]) -> PeakedTraffic:
    """Independent streams as one: means and variances add."""
    chosen = list(streams)
    return PeakedTraffic(
        math.fsum(each.mean for each in chosen), math.fsum(each.variance for each in chosen)
    )


def equivalent_group(traffic: PeakedTraffic) -> EquivalentGroup:
    """The Poisson traffic A and servers N whose overflow has the mean and variance given.

    N = A (m + z) / (m + z - 1) - m - 1, z = v / m, is exact; with it A B(A, N) = m is solved for A,
    around A = v + 3 z (z - 1).

    Source: R. I. Wilkinson, 1956 (see :func:`overflow_of`); starting value Y. Rapp, "Planning of
    junction network in a multi-exchange area", Ericsson Technics 20 (1964).
    Domain: m > 0, z >= 1, and N at most 1,000,000; smooth traffic (z < 1) has no such group.
    Precision: A and N reproduce mean and variance within 1e-9. Raises ValueError outside the
    domain.
    """
    _require_stream(traffic)
    mean, z = traffic.mean, traffic.peakedness
    if z < 1 / _POISSON:
        raise ValueError(
            f"peakedness is {z}, it must be >= 1: smoother than Poisson traffic is no overflow"
        )
    if z <= _POISSON:
        return EquivalentGroup(mean, 0.0)

    def servers(offered: float) -> float:
        return max(0.0, offered * (mean + z) / (mean + z - 1) - mean - 1)

    def surplus(offered: float) -> float:
        """ln(m / (A B)), which grows with A, because the servers grow faster than it."""
        return math.log(mean) - math.log(offered) - _log_b(offered, servers(offered))

    # Here N = 0, and all of A, which is more than m, is sent on.
    low = (mean + 1) * (mean + z - 1) / (mean + z)
    high = max(2 * low, traffic.variance + 3 * z * (z - 1))
    while surplus(high) < 0:
        high *= 2
        if servers(high) > MAX_SERVERS:
            raise ValueError(
                f"peakedness is {z} at a mean of {mean}: the equivalent group would need more than "
                f"{MAX_SERVERS} servers"
            )
    offered = increasing_root(surplus, low, high)
    return EquivalentGroup(offered, servers(offered))


def _log_b(offered_erlangs: float, servers: float) -> float:
    return math.log(erlang_b_continuous(offered_erlangs, servers) or 1e-320)


def equivalent_random_loss(traffic: PeakedTraffic, servers: int) -> float:
    """Share of peaked traffic that l = ``servers`` servers lose: the equivalent random method.

    A B(A, N + l) / m, with A and N of :func:`equivalent_group`.

    Source: R. I. Wilkinson, 1956. Domain: as :func:`equivalent_group`, exponential holding times.
    Exact when the traffic is the overflow of one group; otherwise an approximation by two moments,
    within a few per cent of the loss. It is the loss of all streams together: one more peaked than
    the rest loses more. Precision: of the formula, 1e-8. Raises ValueError outside the domain.
    """
    require_count("servers", servers)
    group = equivalent_group(traffic)
    lost = group.offered_erlangs * erlang_b_continuous(
        group.offered_erlangs, group.servers + servers
    )
    return min(1.0, lost / traffic.mean)


def hayward_loss(traffic: PeakedTraffic, servers: int) -> float:
    """Blocking of peaked or smooth traffic by ``servers`` servers: Hayward's approximation.

    B(m / z, l / z) with continuous servers.

    Source: A. A. Fredericks, "Congestion in blocking systems: a simple approximation technique",
    Bell System Technical Journal 59 (1980). Domain: m > 0, v > 0, l / z <= 1,000,000, any holding
    times. An approximation by two moments, exact for Poisson traffic. Of the overflow of 30 erlang
    on 20 servers (m = 11.4, z = 2.1) it is within 3 per cent of the loss while l is up to 2 m.
    Where the mean is not large against z it is too low: by a tenth to a third for 3 to 7 servers
    behind 10 erlang on 10 (m = 2.1, z = 2.0). There :func:`equivalent_random_loss` is better.
    Precision: of the formula, 1e-11. Raises ValueError outside the domain.
    """
    require_count("servers", servers)
    _require_stream(traffic)
    return erlang_b_continuous(traffic.mean / traffic.peakedness, servers / traffic.peakedness)


def _require_stream(traffic: PeakedTraffic) -> None:
    require_positive("mean", traffic.mean)
    require_positive("variance", traffic.variance)
