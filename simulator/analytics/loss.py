"""Loss systems with Poisson arrivals: Erlang's B formula, its inverses, and callers who try again.

Traffic is in erlangs: arrival rate times mean holding time. A server is a slot, a trunk, a line.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.analytics.arguments import (
    MAX_SERVERS,
    require_count,
    require_share,
    require_target,
    require_traffic,
)
from simulator.analytics.birth_death import log_inverse_last
from simulator.analytics.incomplete_gamma import lower_gamma_series, upper_gamma_fraction
from simulator.analytics.roots import increasing_root

Floats = npt.NDArray[np.float64]

_SLACK: Final = 1e-12
"""What rounding may add to a blocking that is met exactly."""
_SERIES_BELOW: Final = 1.5


def erlang_b(offered_erlangs: float, servers: int) -> float:
    """Blocking probability of the Erlang loss system M/G/n/n, between 0 and 1.

    B = (a**n / n!) / sum over k <= n of a**k / k!, with a = ``offered_erlangs``, n = ``servers``.

    Source: A. K. Erlang, "Solution of some problems in the theory of probabilities of significance
    in automatic telephone exchanges", Post Office Electrical Engineers' Journal 10 (1918, in Danish
    1917), pp. 189-197; evaluated by the recursion for 1/B (V. B. Iversen, "Teletraffic Engineering
    and Network Planning", DTU, 2010, chapter 4), taken in logarithms.
    Domain: Poisson arrivals, blocked calls lost, any distribution of holding times; a >= 0 finite,
    0 <= n <= 1,000,000. Call and time congestion are the same.
    Precision: relative error below 1e-11 up to 100,000 servers; below 1e-307 the answer may be 0.
    Raises ValueError outside the domain.
    """
    require_traffic("offered_erlangs", offered_erlangs)
    require_count("servers", servers)
    return math.exp(-_log_inverse(offered_erlangs, servers))


def _log_inverse(offered_erlangs: float, servers: int) -> float:
    """-ln B."""
    if offered_erlangs == 0:
        return math.inf if servers else 0.0
    return log_inverse_last(k / offered_erlangs for k in range(1, servers + 1))


def erlang_b_of(offered_erlangs: Floats, servers: int) -> Floats:
    """:func:`erlang_b` of many traffics at once; ``offered_erlangs`` of any shape, so the answer.

    B(k) = a B(k-1) / (k + a B(k-1)), B(0) = 1, the same recursion upside down and without
    logarithms. Domain as for :func:`erlang_b`. Precision: relative error below 1e-10 up to 100,000
    servers where B > 1e-290; smaller values may be 0. Raises ValueError outside the domain.
    """
    require_count("servers", servers)
    offered = np.asarray(offered_erlangs, np.float64)
    if not (np.isfinite(offered) & (offered >= 0)).all():
        raise ValueError("offered_erlangs must be finite and >= 0 everywhere")
    blocking = np.ones_like(offered)
    for k in range(1, servers + 1):
        lost = offered * blocking
        blocking = lost / (k + lost)
    return blocking


def erlang_b_continuous(offered_erlangs: float, servers: float) -> float:
    """Erlang's B formula for a real number of servers.

    1/B = a * integral over t >= 0 of exp(-a t) (1 + t)**n = a**-n exp(a) Gamma(n + 1, a), with
    a = ``offered_erlangs`` and n = ``servers``.

    Source: R. Fortet's integral, as in D. L. Jagerman, "Some properties of the Erlang loss
    function", Bell System Technical Journal 53 (1974), pp. 525-551. Evaluated at the fraction of n
    by the series or the continued fraction of the incomplete gamma function, then by the recursion
    1/B(k) = 1 + (k/a) / B(k-1), which holds for real k as well.
    Domain: a >= 0 finite, 0 <= n <= 1,000,000. A fraction of a server has no meaning of its own;
    it serves interpolation, the equivalent random method and Hayward's approximation.
    Precision: relative error below 1e-11 up to 100,000 servers; equals :func:`erlang_b` within that
    at whole numbers. Raises ValueError outside the domain.
    """
    require_traffic("offered_erlangs", offered_erlangs)
    if not 0 <= servers <= MAX_SERVERS:
        raise ValueError(f"servers is {servers}, it must be >= 0 and <= {MAX_SERVERS}")
    if offered_erlangs == 0:
        return 0.0 if servers else 1.0
    whole = math.floor(servers)
    fraction = servers - whole
    log_inverse = log_inverse_last(
        ((fraction + k) / offered_erlangs for k in range(1, whole + 1)),
        _log_inverse_below_one(offered_erlangs, fraction),
    )
    return math.exp(-log_inverse)


def _log_inverse_below_one(a: float, servers: float) -> float:
    """-ln B for less than one server."""
    if servers == 0:
        return 0.0
    shape = servers + 1
    if a >= _SERIES_BELOW:
        return math.log(a * upper_gamma_fraction(shape, a))
    lower = a**shape * math.exp(-a) * lower_gamma_series(shape, a)
    return a - servers * math.log(a) + math.log(math.gamma(shape) - lower)


def servers_for_blocking(offered_erlangs: float, blocking: float) -> int:
    """The least number of servers n with B(a, n) <= ``blocking``.

    Source and domain: :func:`erlang_b`; 0 < blocking <= 1. One pass of the recursion.
    Precision: a blocking met within one part in 1e12 counts as met. Raises ValueError outside the
    domain, and when more than 1,000,000 servers would be needed.
    """
    require_traffic("offered_erlangs", offered_erlangs)
    if not 0 < blocking <= 1:
        raise ValueError(f"blocking is {blocking}, it must be above 0 and at most 1")
    if blocking == 1:
        return 0
    if offered_erlangs == 0:
        return 1
    # I(n) = 1/B(n) of the recursion, which grows to 1/blocking and no further.
    wanted = (1 - _SLACK) / blocking
    inverse = 1.0
    for servers in range(1, MAX_SERVERS + 1):
        inverse = 1 + servers / offered_erlangs * inverse
        if inverse >= wanted:
            return servers
    raise ValueError(
        f"offered_erlangs is {offered_erlangs}: more than {MAX_SERVERS} servers would be needed "
        f"for a blocking of {blocking}"
    )


def traffic_for_blocking(servers: int, blocking: float) -> float:
    """The erlangs a that n = ``servers`` servers carry at B(a, n) = ``blocking``.

    Source and domain: :func:`erlang_b`; 1 <= n, 0 < blocking < 1. B rises with a, so the answer is
    the only one; solved on -ln B. Precision: relative error below 1e-10 up to 100,000 servers as
    long as 1 - blocking > 1e-4. Raises ValueError outside the domain.
    """
    require_count("servers", servers, least=1)
    require_target("blocking", blocking)
    # Less is carried than there are servers: a (1 - B) < n.
    high = servers / (1 - blocking)
    # a**n / n! over the sum of the weights is less than a**n / n!.
    low = math.exp((math.log(blocking) + math.lgamma(servers + 1)) / servers)
    low = min(low, high) / 2
    log_blocking = math.log(blocking)
    log_traffic = increasing_root(
        lambda shift: -_log_inverse(low * math.exp(shift), servers) - log_blocking,
        0.0,
        math.log(high / low),
    )
    return low * math.exp(log_traffic)


def carried_traffic(offered_erlangs: float, servers: int) -> float:
    """Erlangs carried, a (1 - B(a, n)), without the loss of digits where nearly all is blocked.

    1 - B(n) = n / (n + a B(n-1)). Source, domain, precision and errors: :func:`erlang_b`.
    """
    require_count("servers", servers)
    if servers == 0:
        require_traffic("offered_erlangs", offered_erlangs)
        return 0.0
    overflow = offered_erlangs * erlang_b(offered_erlangs, servers - 1)
    return offered_erlangs * (servers / (servers + overflow))


@dataclass(frozen=True, slots=True)
class RecallLoss:
    """A loss system whose blocked callers try again; traffic in erlangs."""

    blocking: float
    """Of one attempt, recalls included."""
    total_erlangs: float
    """Offered, recalls included."""
    carried_erlangs: float
    lost_share: float
    """Of the fresh traffic: what never got through."""


def extended_erlang_b(fresh_erlangs: float, servers: int, recall: float) -> RecallLoss:
    """Extended Erlang B: of the blocked attempts a share ``recall`` comes back as new offers.

    Solves A = a + recall * A * B(A, n) for the total A, with a = ``fresh_erlangs``.

    Source: the extended Erlang B model of J. Jewett, J. Shrago and B. Yomtov, "Designing optimal
    voice networks for businesses, government, and telephone companies", Chicago, 1980.
    Domain: 0 <= recall <= 1, and a < n when recall is 1 (otherwise recalls grow without bound).
    It takes recalls for a Poisson stream of the same attempts' chances, that is, for recalls after
    a delay long against the holding time; soon redials meet the same full group and are blocked
    more often than this says. Precision: relative error below 1e-10 up to 100,000 servers.
    Raises ValueError outside the domain.
    """
    require_traffic("fresh_erlangs", fresh_erlangs)
    require_count("servers", servers)
    require_share("recall", recall)
    if recall == 1 and fresh_erlangs > 0 and fresh_erlangs >= servers:
        raise ValueError(
            f"fresh_erlangs is {fresh_erlangs} with recall 1, it must be below the {servers} "
            "servers: otherwise recalls grow without bound"
        )

    def settled(total: float) -> float:
        """What carries or leaves for good, less what is fresh."""
        lost = (1 - recall) * total * erlang_b(total, servers) if recall < 1 else 0.0
        return carried_traffic(total, servers) + lost - fresh_erlangs

    # With recall 1 everything is carried in the end, by a total no simple bound is known for.
    high = fresh_erlangs / (1 - recall) if recall < 1 else max(1.0, servers)
    while recall == 1 and settled(high) < 0:
        high *= 2
    total = increasing_root(settled, fresh_erlangs, high)
    blocking = erlang_b(total, servers)
    lost_share = (1 - recall) * blocking / (1 - recall * blocking) if recall < 1 else 0.0
    return RecallLoss(blocking, total, carried_traffic(total, servers), lost_share)
