"""Waiting systems with Poisson arrivals: Erlang's C formula and what follows from it.

Traffic is in erlangs. Waits come in the unit of time the mean holding time is given in.
"""

import math
from dataclasses import dataclass

from simulator.analytics.arguments import (
    MAX_SERVERS,
    require_count,
    require_positive,
    require_target,
    require_traffic,
)
from simulator.analytics.loss import erlang_b


@dataclass(frozen=True, slots=True)
class Waiting:
    """A waiting system in its steady state; times in the unit of the mean holding time."""

    wait_probability: float
    """Share of calls that wait, which is also the share of time with every server busy."""
    wait_mean: float
    """Of all calls, those that do not wait included."""
    wait_mean_of_waiting: float
    """Of the calls that wait."""
    queue_mean: float
    """Calls waiting, averaged over time."""


def erlang_c(offered_erlangs: float, servers: int) -> float:
    """Probability that a call waits in M/M/n, between 0 and 1.

    C = n B / (n - a (1 - B)), with a = ``offered_erlangs``, n = ``servers`` and Erlang's B.

    Source: A. K. Erlang, 1917 (see :func:`~simulator.analytics.loss.erlang_b`), written by B as in
    V. B. Iversen, "Teletraffic Engineering and Network Planning", DTU, 2010.
    Domain: Poisson arrivals, exponential holding times, callers who wait as long as it takes,
    0 <= a < n (otherwise the queue grows without bound), n <= 1,000,000. Unlike B it depends on the
    distribution of holding times. Precision: relative error below 1e-10 up to 100,000 servers.
    Raises ValueError outside the domain.
    """
    require_traffic("offered_erlangs", offered_erlangs)
    require_count("servers", servers, least=1)
    if offered_erlangs >= servers:
        raise ValueError(
            f"offered_erlangs is {offered_erlangs}, it must be below the {servers} servers: "
            "otherwise the queue grows without bound"
        )
    blocking = erlang_b(offered_erlangs, servers)
    return servers * blocking / (servers - offered_erlangs + offered_erlangs * blocking)


def waiting(offered_erlangs: float, servers: int, hold_mean: float) -> Waiting:
    """Probability and means of the wait, served in any order that does not
    look at how long calls last.

    W = C h / (n - a) over all calls, h / (n - a) over those that wait, a queue of C a / (n - a).

    Source, domain and precision: :func:`erlang_c`; h = ``hold_mean`` > 0, in any unit of time.
    Raises ValueError outside the domain.
    """
    require_positive("hold_mean", hold_mean)
    wait_probability = erlang_c(offered_erlangs, servers)
    idle = servers - offered_erlangs
    return Waiting(
        wait_probability,
        wait_probability * hold_mean / idle,
        hold_mean / idle,
        wait_probability * offered_erlangs / idle,
    )


def service_level(offered_erlangs: float, servers: int, hold_mean: float, within: float) -> float:
    """Share of calls that wait at most ``within``, served in the order of arrival.

    P(W <= t) = 1 - C exp(-(n - a) t / h).

    Source, domain and precision (absolute): :func:`erlang_c`; h = ``hold_mean`` > 0 and
    t = ``within`` >= 0 in the same unit of time. Raises ValueError outside the domain.
    """
    require_positive("hold_mean", hold_mean)
    require_traffic("within", within)
    wait_probability = erlang_c(offered_erlangs, servers)
    return 1 - wait_probability * math.exp(-(servers - offered_erlangs) * within / hold_mean)


def servers_for_service_level(
    offered_erlangs: float, hold_mean: float, within: float, share: float
) -> int:
    """The least number of servers with which a ``share`` of calls waits at most ``within``.

    Source, domain and errors: :func:`service_level`; 0 < share < 1, and traffic small enough for
    1,000,000 servers. The service level rises with the servers, so bisection finds the least.
    """
    require_traffic("offered_erlangs", offered_erlangs)
    require_target("share", share)
    low = math.floor(offered_erlangs) + 1
    too_many = f"offered_erlangs is {offered_erlangs}: more than {MAX_SERVERS} servers are needed"
    if low > MAX_SERVERS:
        raise ValueError(too_many)

    def enough(servers: int) -> bool:
        return service_level(offered_erlangs, servers, hold_mean, within) >= share

    step = 1
    high = low
    while not enough(high):
        if high == MAX_SERVERS:
            raise ValueError(too_many)
        low, high, step = high + 1, min(high + step, MAX_SERVERS), 2 * step
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high
