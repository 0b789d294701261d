"""Loss systems with a finite number of sources: Engset's formula.

A source is idle or holds one call. What it offers is stated in one of two ways, and the two differ
by the factor 1 + alpha, so the argument names say which is meant:

- *per idle source*, alpha: call rate of an idle source times the mean holding time, any value >= 0;
- *per source*, a = alpha / (1 + alpha): the share of its time a source would hold a call if none
  were blocked, 0 <= a < 1. ``sources * a`` is the intended traffic, what an infinite group would
  carry.

Some calculators ask for the traffic truly offered instead, blocked calls included. That depends on
the blocking and is an answer here, ``offered_erlangs``.
"""

import math
from dataclasses import dataclass

from simulator.analytics.arguments import require_count, require_traffic
from simulator.analytics.birth_death import log_inverse_last


@dataclass(frozen=True, slots=True)
class Engset:
    """A loss system with finite sources; traffic in erlangs."""

    idle_source_erlangs: float
    """Offered by one idle source, alpha."""
    source_erlangs: float
    """Offered by one source if nothing were blocked, alpha / (1 + alpha)."""
    intended_erlangs: float
    """All sources together if nothing were blocked: sources * alpha / (1 + alpha)."""
    offered_erlangs: float
    """What was truly offered, alpha times the mean number of idle sources, blocked calls included.
    It is more than intended, because a blocked source is soon idle to try again."""
    carried_erlangs: float
    time_congestion: float
    """Share of time with every server busy."""
    call_congestion: float
    """Share of calls that are blocked."""
    traffic_congestion: float
    """Share of the intended traffic that is not carried."""


def engset(
    servers: int,
    sources: int,
    *,
    per_idle_source: float | None = None,
    per_source: float | None = None,
) -> Engset:
    """Congestion of n = ``servers`` servers and S = ``sources`` sources; give one of the two loads.

    p(i) ~ binomial(S, i) alpha**i for i <= n. Time congestion is p(n); call congestion is the same
    of S - 1 sources, because a calling source sees the others; carried Y = alpha (S - Y)(1 - B).

    Source: T. O. Engset, "Die Wahrscheinlichkeitsrechnung zur Bestimmung der Waehlerzahl in
    automatischen Fernsprechaemtern", Elektrotechnische Zeitschrift, 1918; evaluated as Erlang's B.
    Domain: blocked calls lost, the source idle again at once; any distribution of holding and of
    idle times; 0 <= n, 1 <= S, both at most 1,000,000.
    Precision: relative error below 1e-11 up to 100,000 servers for time and call congestion; below
    1e-307 they may be 0. Traffic congestion is exact to 1e-15 absolutely.
    Raises ValueError outside the domain or unless exactly one load is given.
    """
    require_count("servers", servers)
    require_count("sources", sources, least=1)
    alpha = _idle_source_erlangs(per_idle_source, per_source)
    call_congestion = _last_state(servers, sources - 1, alpha)
    passed = alpha * (1 - call_congestion)
    carried = sources * passed / (1 + passed)
    intended = sources * alpha / (1 + alpha)
    # (intended - carried) / intended, without the difference of two nearly equal numbers.
    traffic_congestion = call_congestion / (1 + passed) if alpha > 0 else call_congestion
    return Engset(
        idle_source_erlangs=alpha,
        source_erlangs=alpha / (1 + alpha),
        intended_erlangs=intended,
        offered_erlangs=alpha * sources / (1 + passed),
        carried_erlangs=carried,
        time_congestion=_last_state(servers, sources, alpha),
        call_congestion=call_congestion,
        traffic_congestion=traffic_congestion,
    )


def _idle_source_erlangs(per_idle_source: float | None, per_source: float | None) -> float:
    if per_idle_source is not None and per_source is None:
        require_traffic("per_idle_source", per_idle_source)
        return per_idle_source
    if per_source is not None and per_idle_source is None:
        if not 0 <= per_source < 1:
            raise ValueError(f"per_source is {per_source}, it must be >= 0 and below 1")
        return per_source / (1 - per_source)
    raise ValueError("exactly one of per_idle_source and per_source must be given")


def _last_state(servers: int, sources: int, alpha: float) -> float:
    """Probability that every server is busy."""
    if servers == 0:
        return 1.0
    if sources < servers or alpha == 0:
        return 0.0
    return math.exp(
        -log_inverse_last(k / ((sources - k + 1) * alpha) for k in range(1, servers + 1))
    )
