"""``busyhour erlang``: from what is typed to the formula, and to an answer in named units."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

from simulator.calculator.answer import Answer, Row, Value
from simulator.scenario_file.units import (
    UnitsInvalid,
    format_duration,
    parse_duration_us,
    parse_rate_per_us,
)

SECOND_US: Final = 1_000_000
_MOST_ROWS: Final = 10_000
_LARGEST_CV: Final = 100.0


class QuestionInvalid(ValueError):
    """What was asked makes no sense; the message says what would be right."""


# --- questions ------------------------------------------------------------------------------


def erlang_b(traffic: float | None, servers: float | None, blocking: float | None) -> Answer:
    """Of traffic, servers and blocking the one not given. Raises ValueError."""
    from simulator import analytics

    if (traffic, servers, blocking).count(None) != 1:
        raise QuestionInvalid("give exactly two of --traffic, --servers and --blocking")
    given = {"traffic_erlangs": traffic, "servers": _whole(servers), "blocking": blocking}
    given = {key: value for key, value in given.items() if value is not None}
    formula, holds = "Erlang B", "Poisson calls, blocked calls lost, any holding times"
    if traffic is None:
        assert servers is not None
        assert blocking is not None
        if not isinstance(_whole(servers), int):
            raise QuestionInvalid(f"--servers is {servers}, it must be a whole number here")
        found: float = analytics.traffic_for_blocking(int(servers), blocking)
        return Answer(formula, holds, given, {"traffic_erlangs": found})
    if servers is None:
        assert blocking is not None
        least = analytics.servers_for_blocking(traffic, blocking)
        result: dict[str, Value] = {
            "servers": least,
            "blocking": analytics.erlang_b(traffic, least),
        }
        if least:
            result["blocking_one_less"] = analytics.erlang_b(traffic, least - 1)
        return Answer(formula, holds, given, result)
    if not isinstance(_whole(servers), int):
        found = analytics.erlang_b_continuous(traffic, servers)
        return Answer(f"{formula}, continuous servers", holds, given, {"blocking": found})
    found = analytics.erlang_b(traffic, int(servers))
    carried = analytics.carried_traffic(traffic, int(servers))
    return Answer(formula, holds, given, {"blocking": found, "carried_erlangs": carried})


def erlang_c(
    traffic: float, hold: str, servers: int | None, within: str | None, share: float | None
) -> Answer:
    """Waits for given servers, or the servers for a service level. Raises ValueError."""
    from simulator import analytics

    hold_s = _seconds("--hold", hold)
    within_s = None if within is None else _seconds("--within", within)
    if (servers is None) == (share is None):
        raise QuestionInvalid("give either --servers or --service-level")
    given: dict[str, Value] = {"traffic_erlangs": traffic, "hold_mean_s": hold_s}
    if share is not None:
        if within_s is None:
            raise QuestionInvalid("--service-level needs --within, the wait it allows")
        given |= {"service_level": share, "within_s": within_s}
        servers = analytics.servers_for_service_level(traffic, hold_s, within_s, share)
    assert servers is not None
    waiting = analytics.waiting(traffic, servers, hold_s)
    result: dict[str, Value] = {
        "servers": servers,
        "wait_probability": waiting.wait_probability,
        "wait_mean_s": waiting.wait_mean,
        "wait_mean_of_waiting_s": waiting.wait_mean_of_waiting,
        "queue_mean": waiting.queue_mean,
    }
    if within_s is not None:
        given["within_s"] = within_s
        level = analytics.service_level(traffic, servers, hold_s, within_s)
        result["service_level"] = level
    holds = "Poisson calls, exponential holding times, callers who wait as long as it takes"
    return Answer("Erlang C", holds, given, result)


def engset(
    servers: int, sources: int, per_idle_source: float | None, per_source: float | None
) -> Answer:
    """Congestion of finite sources. Raises ValueError."""
    from simulator import analytics

    found = analytics.engset(
        servers, sources, per_idle_source=per_idle_source, per_source=per_source
    )
    return Answer(
        "Engset",
        "finite sources, blocked calls lost, any holding and idle times",
        {"servers": servers, "sources": sources},
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


def extended_b(traffic: float, servers: int, recall: float) -> Answer:
    """Blocking when a share of the blocked calls comes back. Raises ValueError."""
    from simulator import analytics

    found = analytics.extended_erlang_b(traffic, servers, recall)
    return Answer(
        "extended Erlang B",
        "as Erlang B; recalls come after a delay that is long against the holding time",
        {"traffic_erlangs": traffic, "servers": servers, "recall": recall},
        {
            "blocking": found.blocking,
            "lost_share": found.lost_share,
            "total_erlangs": found.total_erlangs,
            "carried_erlangs": found.carried_erlangs,
        },
    )


def kaufman_roberts(slots: int, classes: Sequence[str]) -> Answer:
    """Blocking of calls of several slots. Raises ValueError."""
    from simulator import analytics

    streams = _streams("--class", classes, ("slots",))
    calls = [
        analytics.CallClass(erlangs, more.get("slots", 1)) for erlangs, more in streams.values()
    ]
    with _naming("classes", "--class", streams):
        found = analytics.kaufman_roberts(slots, calls)
    return Answer(
        "Kaufman-Roberts",
        "Poisson calls, blocked calls lost, any holding times, no limits by class",
        {"slots": slots},
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


def caps(slots: int, tenants: Sequence[str]) -> Answer:
    """Tenants with caps and guaranteed minima under one limit. Raises ValueError."""
    from simulator import analytics

    streams = _streams("--tenant", tenants, ("cap", "reserved", "sources"))
    sharing = [
        analytics.SharingTenant(
            erlangs, more.get("cap"), more.get("reserved", 0), more.get("sources")
        )
        for erlangs, more in streams.values()
    ]
    with _naming("tenants", "--tenant", streams):
        found = analytics.shared_group(slots, sharing)
    return Answer(
        "caps and guaranteed minima, exact",
        "Poisson calls (or finite sources), blocked calls lost, any holding times",
        {"slots": slots},
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


def trunk(slots: int, classes: Sequence[str]) -> Answer:
    """Trunk reservation. Raises ValueError."""
    from simulator import analytics

    streams = _streams("--class", classes, ("kept_free",))
    admitted = [
        analytics.ReservedAgainst(erlangs, more.get("kept_free", 0))
        for erlangs, more in streams.values()
    ]
    with _naming("classes", "--class", streams):
        found = analytics.trunk_reservation(slots, admitted)
    return Answer(
        "trunk reservation",
        "Poisson calls of one slot, blocked calls lost, exponential holding times of one mean; "
        "rough where means differ",
        {"slots": slots},
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


def overflow(primaries: Sequence[str], direct: float, servers: int | None) -> Answer:
    """What groups send on, and what a group behind them loses of it. Raises ValueError."""
    from simulator import analytics

    rows: list[Row] = []
    streams = [analytics.poisson(direct)]
    for text in primaries:
        erlangs, group = _primary(text)
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
    given: dict[str, Value] = {"direct_erlangs": direct}
    result: dict[str, Value] = {
        "overflow_mean_erlangs": together.mean,
        "overflow_variance": together.variance,
        "peakedness": together.peakedness,
        "equivalent_erlangs": equivalent.offered_erlangs,
        "equivalent_servers": equivalent.servers,
    }
    if servers is not None:
        given["servers"] = servers
        result["blocking_equivalent_random"] = analytics.equivalent_random_loss(together, servers)
        result["blocking_hayward"] = analytics.hayward_loss(together, servers)
    return Answer(
        "overflow",
        "Poisson calls to every group, exponential holding times of one mean; blocking behind "
        "several groups is an approximation",
        given,
        result,
        tuple(rows),
    )


def varying(
    servers: int, hold: str, cv: float, rates: Sequence[str], until: str, every: str
) -> Answer:
    """Load and blocking while the call rate changes by steps. Raises ValueError."""
    from simulator import analytics
    from simulator.scenario import Gamma

    hold_s, until_s, every_s = (
        _seconds(option, text)
        for option, text in (("--hold", hold), ("--until", until), ("--every", every))
    )
    if not 0 <= cv <= _LARGEST_CV:
        raise QuestionInvalid(f"--cv is {cv}, it must be >= 0 and <= {_LARGEST_CV:.0f}")
    steps = [_rate_step(text) for text in rates]
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
    held = analytics.limited_mean(Gamma(hold_s, cv))
    load = analytics.offered_load(profile, held, bounds)
    at = analytics.modified_offered_load(profile, held, servers, bounds)
    between = analytics.interval_blocking(profile, held, servers, bounds)
    return Answer(
        "M_t/G/infinity and modified offered load",
        "Poisson calls by plan, an empty start; blocking is an approximation that lags behind "
        "sudden changes (flash crowds: simulate)",
        {"servers": servers, "hold_mean_s": hold_s, "hold_cv": cv},
        {"load_peak_erlangs": float(load.max()), "blocking_peak": float(at.max())},
        tuple(
            {
                "from": format_duration(round(bounds[place] * SECOND_US)),
                "load_erlangs": float(load[place]),
                "blocking_now": float(at[place]),
                "blocking_until_next": None if math.isnan(share) else float(share),
            }
            for place, share in enumerate(between)
        ),
    )


# --- what was typed -------------------------------------------------------------------------


@contextmanager
def _naming(argument: str, option: str, names: Iterable[str]) -> Iterator[None]:
    """Complaints about the streams of a formula name them as they were typed."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        for place, name in enumerate(names):
            message = message.replace(f"{argument}[{place}].", f"{option} {name}: ")
        raise QuestionInvalid(message) from None


def _whole(servers: float | None) -> float | int | None:
    """A whole number without its .0."""
    if servers is None or not math.isfinite(servers) or servers != int(servers):
        return servers
    return int(servers)


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration_us(text) / SECOND_US
    except UnitsInvalid as error:
        raise QuestionInvalid(f"{option}: {error}") from None


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise QuestionInvalid(f"{option}: {text!r} is not a number of erlangs") from None


def _count(option: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise QuestionInvalid(f"{option}: {text!r} is not a whole number, 0 or more")
    return int(text)


def _streams(
    option: str, texts: Sequence[str], keys: Sequence[str]
) -> dict[str, tuple[float, dict[str, int]]]:
    """``NAME=ERLANGS,key=N,...`` texts by name."""
    streams: dict[str, tuple[float, dict[str, int]]] = {}
    shape = "NAME=ERLANGS" + "".join(f"[,{key}=N]" for key in keys)
    for text in texts:
        first, *more = text.split(",")
        name, equals, erlangs = first.partition("=")
        if not (name.strip() and equals):
            raise QuestionInvalid(f"{option}: {text!r} is not {shape}")
        if name in streams:
            raise QuestionInvalid(f"{option}: {name!r} is given twice")
        counts: dict[str, int] = {}
        for part in more:
            key, equals, number = part.partition("=")
            if not equals or key not in keys or key in counts:
                raise QuestionInvalid(f"{option} {name}: {part!r} does not fit {shape}")
            counts[key] = _count(f"{option} {name}: {key}", number)
        streams[name] = (_number(f"{option} {name}", erlangs), counts)
    return streams


def _primary(text: str) -> tuple[float, int]:
    erlangs, colon, servers = text.partition(":")
    if not colon:
        raise QuestionInvalid(f"--primary: {text!r} is not ERLANGS:SERVERS")
    return _number("--primary", erlangs), _count("--primary", servers)


def _rate_step(text: str) -> tuple[float, float]:
    start, equals, rate = text.partition("=")
    if not equals:
        raise QuestionInvalid(f"--rate: {text!r} is not START=RATE, like 10m=5/s")
    try:
        per_us = parse_rate_per_us(rate)
    except UnitsInvalid as error:
        raise QuestionInvalid(f"--rate: {error}") from None
    return _seconds("--rate", start), float(per_us * SECOND_US)
