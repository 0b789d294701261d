"""What each tenant offers, and how many slots it would need by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from simulator.planning.aim import ROOM_FOR_ALL
from simulator.planning.policies.playing import Player, Tally, rules_of
from simulator.planning.policies.result import Load
from simulator.planning.policies.rules import fixed
from simulator.planning.replication import Draws, Played, Replication
from simulator.planning.target import Target
from simulator.scenario import Scenario


def loads_of(base: Scenario, draws: Draws, count: int, target: Target) -> tuple[Load, ...]:
    """Of every tenant that offers calls. ``base`` has one limit for all and nothing else."""
    roomy = fixed("", "", replace(base, max_concurrent_calls=ROOM_FOR_ALL), 1)
    free = Tally.of(Player(draws, roomy), roomy, count)
    window_us = free.played[0].sums.window_us
    needs = _needs(base, draws, count, target, free)
    return tuple(
        Load(
            tenant=name,
            offered_calls=sum(each.offered for each in free.sums(name)) / count,
            offered_erlangs=sum(each.slot_us for each in free.sums(name)) / count / window_us,
            own_need=needs[name],
        )
        for name in free.callers()
        if name in needs
    )


def _needs(
    base: Scenario, draws: Draws, count: int, target: Target, free: Tally
) -> Mapping[str, int]:
    """The least caps that meet the target where the total never stands in the way.

    Then no tenant meets another, so all are tried in one run: each has a bracket of its own, cut in
    half at every turn, from a cap of nothing to the most it ever held.
    """
    configured = {each.tenant_id for each in base.tenants if each.configured}
    names = [name for name in free.callers() if name in configured]
    fails = dict.fromkeys(names, -1)
    meets = {name: max(each.peak_in_use for each in free.sums(name)) for name in names}
    while open_ := [name for name in names if fails[name] + 1 < meets[name]]:
        caps = {name: (fails[name] + meets[name]) // 2 for name in open_}
        met = _met(base, draws, count, target, caps)
        for name in open_:
            if met[name]:
                meets[name] = caps[name]
            else:
                fails[name] = caps[name]
    return meets


def _met(
    base: Scenario, draws: Draws, count: int, target: Target, caps: Mapping[str, int]
) -> Mapping[str, bool]:
    capped = replace(
        base,
        tenants=tuple(
            replace(each, max_concurrent_calls=caps.get(each.tenant_id)) for each in base.tenants
        ),
    )
    rules = rules_of(capped)

    def work(_number: int, replication: Replication) -> Played:
        return replication.play([ROOM_FOR_ALL], rules)[0]

    tally = Tally(tuple(caps), tuple(draws.each(range(count), work)))
    return {name: _share(tally, name, target) for name in caps}


def _share(tally: Tally, name: str, target: Target) -> bool:
    share = tally.blocked(name).share
    return share is None or target.met_by(share)


def largest(loads: Sequence[Load]) -> str:
    """The tenant that needs most slots by itself, the first of equals."""
    return max(loads, key=lambda each: each.own_need).tenant
