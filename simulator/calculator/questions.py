"""``busyhour erlang``: from what is typed to the formula, and to an answer in named units."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from simulator.calculator import typed
from simulator.calculator.answer import Answer, Row, Value
from simulator.calculator.typed import QuestionInvalid
from simulator.scenario_file.units import format_duration

_MOST_ROWS: Final = 10_000
_LARGEST_CV: Final = 100.0


def erlang_b(traffic: str | None, servers: str | None, blocking: str | None) -> Answer:
    """Of traffic, servers and blocking the one not given. Raises ValueError."""
    from simulator import analytics

    if (traffic, servers, blocking).count(None) != 1:
        raise QuestionInvalid("give exactly two of --traffic, --servers and --blocking")
    offered = None if traffic is None else typed.erlangs("--traffic", traffic)
    group = None if servers is None else _whole(typed.number("--servers", servers, like="117"))
    aim = None if blocking is None else typed.blocking_share("--blocking", blocking)
    given = {"traffic_erlangs": offered, "servers": group, "blocking": aim}
    given = {key: value for key, value in given.items() if value is not None}
    formula, holds = "Erlang B", "Poisson calls, blocked calls lost, any holding times"
    if offered is None:
        assert aim is not None
        if not isinstance(group, int):
            raise QuestionInvalid(f"--servers is {servers}, it must be a whole number here")
        found = analytics.traffic_for_blocking(group, aim)
        return Answer(formula, holds, given, {"traffic_erlangs": found})
    if group is None:
        assert aim is not None
        least = analytics.servers_for_blocking(offered, aim)
        result: dict[str, Value] = {
            "servers": least,
            "blocking": analytics.erlang_b(offered, least),
        }
        if least:
            result["blocking_one_less"] = analytics.erlang_b(offered, least - 1)
        return Answer(formula, holds, given, result)
    if not isinstance(group, int):
        found = analytics.erlang_b_continuous(offered, group)
        return Answer(f"{formula}, continuous servers", holds, given, {"blocking": found})
    found = analytics.erlang_b(offered, group)
    carried = analytics.carried_traffic(offered, group)
    return Answer(formula, holds, given, {"blocking": found, "carried_erlangs": carried})


def erlang_c(
    traffic: str, hold: str, servers: str | None, within: str | None, service_level: str | None
) -> Answer:
    """Waits for given servers, or the servers for a service level. Raises ValueError."""
    from simulator import analytics

    offered, hold_s = typed.erlangs("--traffic", traffic), typed.seconds("--hold", hold)
    within_s = None if within is None else typed.seconds("--within", within)
    given: dict[str, Value] = {"traffic_erlangs": offered, "hold_mean_s": hold_s}
    if service_level is None:
        if servers is None:
            raise QuestionInvalid("give either --servers or --service-level")
        group = typed.count("--servers", servers)
    else:
        if servers is not None:
            raise QuestionInvalid("give either --servers or --service-level, not both")
        if within_s is None:
            raise QuestionInvalid("--service-level needs --within, the wait it allows")
        share = typed.share("--service-level", service_level)
        given |= {"service_level": share, "within_s": within_s}
        group = analytics.servers_for_service_level(offered, hold_s, within_s, share)
    waiting = analytics.waiting(offered, group, hold_s)
    result: dict[str, Value] = {
        "servers": group,
        "wait_probability": waiting.wait_probability,
        "wait_mean_s": waiting.wait_mean,
        "wait_mean_of_waiting_s": waiting.wait_mean_of_waiting,
        "queue_mean": waiting.queue_mean,
    }
    if within_s is not None:
        given["within_s"] = within_s
        result["service_level"] = analytics.service_level(offered, group, hold_s, within_s)
    holds = "Poisson calls, exponential holding times, callers who wait as long as it takes"
    return Answer("Erlang C", holds, given, result)


def engset(
    servers: str, sources: str, per_idle_source: str | None, per_source: str | None
) -> Answer:
    """Congestion of finite sources. Raises ValueError."""
    from simulator import analytics

    group, callers = typed.count("--servers", servers), typed.count("--sources", sources)
    if (per_idle_source is None) == (per_source is None):
        raise QuestionInvalid("give exactly one of --per-idle-source and --per-source")
    if per_source is None:
        assert per_idle_source is not None
        alpha = typed.erlangs("--per-idle-source", per_idle_source, like="0.25")
        found = analytics.engset(group, callers, per_idle_source=alpha)
    else:
        intended = typed.erlangs("--per-source", per_source, like="0.2")
        found = analytics.engset(group, callers, per_source=intended)
    return Answer(
        "Engset",
        "finite sources, blocked calls lost, any holding and idle times",
        {"servers": group, "sources": callers},
        {
            "per_idle_source_erlangs": found.idle_source_erlangs,
            "per_source_erlangs": found.source_erlangs,
            "intended_erlangs": found.intended_erlangs,
            "offered_erlangs": found.offered_erlangs,
            "carried_erlangs": found.carried_erlangs,
            "time_congestion": found.time_congestion,
            "call_congestion": found.call_congestion,
            "traffic_congestion": found.traffic_congestion,
        },
    )


def extended_b(traffic: str, servers: str, recall: str) -> Answer:
    """Blocking when a share of the blocked calls comes back. Raises ValueError."""
    from simulator import analytics

    fresh, group = typed.erlangs("--traffic", traffic), typed.count("--servers", servers)
    returning = typed.share("--recall", recall)
    found = analytics.extended_erlang_b(fresh, group, returning)
    return Answer(
        "extended Erlang B",
        "as Erlang B; recalls come after a delay that is long against the holding time",
        {"traffic_erlangs": fresh, "servers": group, "recall": returning},
        {
            "blocking": found.blocking,
            "lost_share": found.lost_share,
            "total_erlangs": found.total_erlangs,
            "carried_erlangs": found.carried_erlangs,
        },
    )


def kaufman_roberts(slots: str, classes: Sequence[str]) -> Answer:
    """Blocking of calls of several slots. Raises ValueError."""
    from simulator import analytics

    group = typed.count("--slots", slots)
    streams = typed.streams("--class", classes, ("slots",))
    calls = [
        analytics.CallClass(erlangs, more.get("slots", 1)) for erlangs, more in streams.values()
    ]
    with typed.naming(typed.stream_names("classes", "--class", list(streams))):
        found = analytics.kaufman_roberts(group, calls)
    return Answer(
        "Kaufman-Roberts",
        "Poisson calls, blocked calls lost, any holding times, no limits by class",
        {"slots": group},
        {"carried_slots": found.carried_slots, "time_congestion": float(found.slots_in_use[-1])},
        tuple(
            {
                "class": name,
                "traffic_erlangs": erlangs,
                "slots_per_call": more.get("slots", 1),
                "blocking": float(blocking),
            }
            for (name, (erlangs, more)), blocking in zip(
                streams.items(), found.blocking, strict=True
            )
        ),
    )


def caps(slots: str, tenants: Sequence[str]) -> Answer:
    """Tenants with caps and guaranteed minima under one limit. Raises ValueError."""
    from simulator import analytics

    group = typed.count("--slots", slots)
    streams = typed.streams("--tenant", tenants, ("cap", "reserved", "sources"))
    sharing = [
        analytics.SharingTenant(
            erlangs, more.get("cap"), more.get("reserved", 0), more.get("sources")
        )
        for erlangs, more in streams.values()
    ]
    with typed.naming(typed.stream_names("tenants", "--tenant", list(streams))):
        found = analytics.shared_group(group, sharing)
    return Answer(
        "caps and guaranteed minima, exact",
        "Poisson calls (or finite sources), blocked calls lost, any holding times",
        {"slots": group},
        {
            "time_congestion": found.time_congestion,
            "committed_congestion": found.committed_congestion,
            "carried_erlangs": found.carried_erlangs,
        },
        tuple(
            {
                "tenant": name,
                "traffic_erlangs": erlangs,
                "cap": more.get("cap"),
                "reserved": more.get("reserved", 0),
                "sources": more.get("sources"),
                "call_congestion": loss.call_congestion,
                "time_congestion": loss.time_congestion,
                "carried_erlangs": loss.carried_erlangs,
            }
            for (name, (erlangs, more)), loss in zip(streams.items(), found.tenants, strict=True)
        ),
    )


def trunk(slots: str, classes: Sequence[str]) -> Answer:
    """Trunk reservation. Raises ValueError."""
    from simulator import analytics

    group = typed.count("--slots", slots)
    streams = typed.streams("--class", classes, ("kept_free",))
    admitted = [
        analytics.ReservedAgainst(erlangs, more.get("kept_free", 0))
        for erlangs, more in streams.values()
    ]
    with typed.naming(typed.stream_names("classes", "--class", list(streams))):
        found = analytics.trunk_reservation(group, admitted)
    return Answer(
        "trunk reservation",
        "Poisson calls of one slot, blocked calls lost, exponential holding times of one mean; "
        "rough where means differ",
        {"slots": group},
        {"time_congestion": found.time_congestion, "carried_erlangs": found.carried_erlangs},
        tuple(
            {
                "class": name,
                "traffic_erlangs": erlangs,
                "kept_free": more.get("kept_free", 0),
                "blocking": float(blocking),
            }
            for (name, (erlangs, more)), blocking in zip(
                streams.items(), found.blocking, strict=True
            )
        ),
    )


def overflow(primaries: Sequence[str], direct: str, servers: str | None) -> Answer:
    """What groups send on, and what a group behind them loses of it. Raises ValueError."""
    from simulator import analytics

    rows: list[Row] = []
    direct_erlangs = typed.erlangs("--direct", direct)
    behind = None if servers is None else typed.count("--servers", servers)
    with typed.naming({"offered_erlangs": "--direct"}):
        streams = [analytics.poisson(direct_erlangs)]
    for text in primaries:
        erlangs, group = typed.primary(text)
        names = {
            "offered_erlangs": f"--primary {text}: its traffic",
            "servers": f"--primary {text}: its group",
        }
        with typed.naming(names):
            streams.append(analytics.overflow_of(erlangs, group))
        rows.append(
            {
                "traffic_erlangs": erlangs,
                "servers": group,
                "overflow_mean_erlangs": streams[-1].mean,
                "overflow_variance": streams[-1].variance,
                "peakedness": streams[-1].peakedness,
            }
        )
    together = analytics.combined(streams)
    if together.mean == 0:
        raise QuestionInvalid("nothing reaches the second group: all the traffic is 0 or carried")
    equivalent = analytics.equivalent_group(together)
    given: dict[str, Value] = {"direct_erlangs": direct_erlangs}
    result: dict[str, Value] = {
        "overflow_mean_erlangs": together.mean,
        "overflow_variance": together.variance,
        "peakedness": together.peakedness,
        "equivalent_erlangs": equivalent.offered_erlangs,
        "equivalent_servers": equivalent.servers,
    }
    if behind is not None:
        given["servers"] = behind
        result["blocking_equivalent_random"] = analytics.equivalent_random_loss(together, behind)
        result["blocking_hayward"] = analytics.hayward_loss(together, behind)
    return Answer(
        "overflow",
        "Poisson calls to every group, exponential holding times of one mean; blocking behind "
        "several groups is an approximation",
        given,
        result,
        tuple(rows),
    )


def varying(
    servers: str, hold: str, cv: str, rates: Sequence[str], until: str, every: str
) -> Answer:
    """Load and blocking while the call rate changes by steps. Raises ValueError."""
    from simulator import analytics
    from simulator.scenario import Gamma

    group, ratio = typed.count("--servers", servers), typed.number("--cv", cv)
    hold_s, until_s, every_s = (
        typed.seconds(option, text)
        for option, text in (("--hold", hold), ("--until", until), ("--every", every))
    )
    if hold_s == 0:
        raise QuestionInvalid("--hold must be longer than nothing")
    if not 0 <= ratio <= _LARGEST_CV:
        raise QuestionInvalid(f"--cv is {cv}, it must be >= 0 and <= {_LARGEST_CV:.0f}")
    steps = [typed.rate_step(text) for text in rates]
    if any(later <= start for (start, _), (later, _) in pairwise(steps)):
        raise QuestionInvalid("--rate: each step must start later than the one before")
    profile = analytics.RateSteps(
        tuple(start for start, _ in steps), tuple(rate for _, rate in steps)
    )
    if not 0 < every_s <= until_s:
        raise QuestionInvalid("--every must be longer than nothing and at most --until")
    if until_s / every_s > _MOST_ROWS:
        raise QuestionInvalid(f"--every makes more than {_MOST_ROWS} rows of --until")
    bounds = [every_s * k for k in range(math.ceil(until_s / every_s - 1e-9))] + [until_s]
    held = analytics.limited_mean(Gamma(hold_s, ratio))
    load = analytics.offered_load(profile, held, bounds)
    at = analytics.modified_offered_load(profile, held, group, bounds)
    between = analytics.interval_blocking(profile, held, group, bounds)
    return Answer(
        "M_t/G/infinity and modified offered load",
        "Poisson calls by plan, an empty start; blocking is an approximation that lags behind "
        "sudden changes (flash crowds: simulate)",
        {"servers": group, "hold_mean_s": hold_s, "hold_cv": ratio},
        {"load_peak_erlangs": float(load.max()), "blocking_peak": float(at.max())},
        tuple(
            {
                "from": format_duration(round(bounds[place] * typed.SECOND_US)),
                "load_erlangs": float(load[place]),
                "blocking_now": float(at[place]),
                "blocking_until_next": None if math.isnan(share) else float(share),
            }
            for place, share in enumerate(between)
        ),
    )


def _whole(servers: float | None) -> float | int | None:
    """A whole number without its .0."""
    if servers is None or not math.isfinite(servers) or servers != int(servers):
        return servers
    return int(servers)
