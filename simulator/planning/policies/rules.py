"""The policies that are compared, and where the parameters of each come from.

Parameters follow from what the tenants offer, the target and the limit by rules that can be said in
a sentence, so a planner can check them and the search for slots can carry them to other limits.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from simulator.conditions import LimitsChange, SharingPolicy, TenantLimitsChange
from simulator.planning.policies.result import (
    CAPS,
    MINIMUM,
    ONE_POOL,
    OWN_POOLS,
    PRIORITY,
    RESERVATION,
    Parameters,
)
from simulator.scenario import Scenario, Tenant
from simulator.scenario_file.problems import key_text

BUILT_IN: Final = (ONE_POOL, OWN_POOLS, CAPS, MINIMUM, RESERVATION, PRIORITY)
"""Names of the policies that are derived, in the order they are shown."""

SHARING_KEYS: Final = ("max_concurrent_calls", "reserved_calls", "leave_free", "priority")
"""What a scenario sets of a tenant's share, by the names of its keys."""

_KEPT_FREE_AT_MOST: Final = 10
"""One in so many slots."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to share ``limit`` slots.

    ``scenario_at`` lays it over the scenario at any limit from ``floor`` on; ``is_fixed``: at every
    limit with the same parameters.
    """

    name: str
    rule: str
    limit: int
    floor: int
    is_fixed: bool
    scenario_at: Callable[[int], Scenario]

    @property
    def scenario(self) -> Scenario:
        """The scenario under this policy at its own limit."""
        return self.scenario_at(self.limit)


def fixed(name: str, rule: str, scenario: Scenario, floor: int) -> Policy:
    """A scenario as it stands, whose parameters stay where they are at other limits."""

    def at(limit: int) -> Scenario:
        return replace(scenario, max_concurrent_calls=limit)

    return Policy(name, rule, scenario.max_concurrent_calls, floor, True, at)


def plain(scenario: Scenario) -> Scenario:
    """The scenario with nothing but one limit for all; who may call when stays as it is."""
    return replace(
        scenario,
        policy=SharingPolicy.SHARED,
        tenants=tuple(_with(each, Parameters(each.tenant_id)) for each in scenario.tenants),
        changes=tuple(
            LimitsChange(change.at_us, None, edits)
            for change in scenario.changes
            if (edits := _openings(change))
        ),
    )


def _openings(change: LimitsChange) -> Mapping[str, TenantLimitsChange]:
    return {
        name: TenantLimitsChange(enabled=edit.enabled)
        for name, edit in change.tenants.items()
        if edit.enabled is not None
    }


def _with(tenant: Tenant, parameters: Parameters) -> Tenant:
    return replace(
        tenant,
        max_concurrent_calls=parameters.max_concurrent_calls,
        reserved_calls=parameters.reserved_calls,
        leave_free=parameters.leave_free,
        priority=parameters.priority or 0,
    )


def parameters_of(scenario: Scenario) -> tuple[Parameters, ...]:
    """What a scenario sets for each configured tenant, as the run starts."""
    ranked = scenario.policy is SharingPolicy.PRIORITY
    return tuple(
        Parameters(
            each.tenant_id,
            each.max_concurrent_calls,
            each.reserved_calls,
            each.leave_free,
            (each.priority or None) if ranked else None,
        )
        for each in scenario.tenants
        if each.configured
    )


def shares(limit: int, needs: Sequence[int]) -> list[int]:
    """``limit`` slots in proportion to ``needs``, in whole slots that add up to it.

    Each gets its proportion rounded down, and one more goes to the largest remainders (the earlier
    of equals). All 0 when nobody needs anything.
    """
    whole = sum(needs)
    if whole == 0:
        return [0] * len(needs)
    parts = [limit * need // whole for need in needs]
    by_remainder = sorted(range(len(needs)), key=lambda k: (-(limit * needs[k] % whole), k))
    for place in by_remainder[: limit - sum(parts)]:
        parts[place] += 1
    return parts


def kept_free(limit: int, favoured_erlangs: float, target: float) -> int:
    """Slots that others leave free so that the favoured lose no more than ``target`` of their calls
    even if the others called without end; at most a tenth of all, and at least 1 of 2 or more.

    With others that never stop, no fewer than C - t slots are ever in use, and the favoured find
    one of t free ones: a birth-death process on [C - t, C] with births at their own load, whose
    loss is E(i) = a E(i - 1) / (C - t + i + a E(i - 1)) at i = t, from E(0) = 1 (the recursion of
    Erlang B, started at C - t instead of 0).

    Source: the process is that of trunk reservation in :mod:`simulator.analytics.reservation`.
    Domain: exponential holding times with one mean; here a rule to choose a parameter by, whose
    effect is then played.
    """
    most = min(max(1, limit // _KEPT_FREE_AT_MOST), max(0, limit - 1))
    fails, meets = 0, 1
    while meets < most and _loss_beside_endless(limit, meets, favoured_erlangs) > target:
        fails, meets = meets, 2 * meets
    meets = min(meets, most)
    while fails + 1 < meets:
        middle = (fails + meets) // 2
        if _loss_beside_endless(limit, middle, favoured_erlangs) <= target:
            meets = middle
        else:
            fails = middle
    return meets


def _loss_beside_endless(limit: int, free: int, erlangs: float) -> float:
    loss = 1.0
    for in_use in range(limit - free + 1, limit + 1):
        loss = erlangs * loss / (in_use + erlangs * loss)
    return loss


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules go by. ``needs`` and ``erlangs`` are of the tenants that offer calls."""

    needs: Mapping[str, int]
    erlangs: Mapping[str, float]
    favoured: Collection[str]
    target: float


def derived(name: str, scenario: Scenario, facts: Facts) -> Policy:
    """The built-in policy ``name`` for a scenario; what the scenario itself sets is put aside."""
    base = plain(scenario)
    rule, parameters_at = {
        ONE_POOL: _one_pool,
        OWN_POOLS: _own_pools,
        CAPS: _caps,
        MINIMUM: _minimum,
        RESERVATION: _reservation,
        PRIORITY: _priority,
    }[name](facts)
    kind = {
        RESERVATION: SharingPolicy.TRUNK_RESERVATION,
        PRIORITY: SharingPolicy.PRIORITY,
    }.get(name, SharingPolicy.SHARED)

    def at(limit: int) -> Scenario:
        found = parameters_at(limit)
        return replace(
            base,
            max_concurrent_calls=limit,
            policy=kind,
            tenants=tuple(
                _with(each, found.get(each.tenant_id, Parameters(each.tenant_id)))
                for each in base.tenants
            ),
        )

    is_fixed = name in (ONE_POOL, CAPS, PRIORITY)
    return Policy(name, rule, scenario.max_concurrent_calls, 1, is_fixed, at)


_Rule = tuple[str, Callable[[int], Mapping[str, Parameters]]]


def _one_pool(_facts: Facts) -> _Rule:
    return "every slot is free for every tenant", lambda _limit: {}


def _own_pools(facts: Facts) -> _Rule:
    return (
        "all slots are split among the tenants in proportion to what each needs by itself, and "
        "nobody may use what another leaves",
        lambda limit: {name: Parameters(name, share) for name, share in _split(limit, facts)},
    )


def _split(limit: int, facts: Facts) -> list[tuple[str, int]]:
    return list(zip(facts.needs, shares(limit, list(facts.needs.values())), strict=True))


def _caps(facts: Facts) -> _Rule:
    caps = {name: Parameters(name, need) for name, need in facts.needs.items()}
    return (
        "nobody may hold more slots than it needs by itself to meet the target; the caps add up to "
        f"{sum(facts.needs.values()):,}",
        lambda _limit: caps,
    )


def _minimum(facts: Facts) -> _Rule:
    return (
        "half of what would be its own pool is kept for each tenant, the rest is for all",
        lambda limit: {
            name: Parameters(name, None, share // 2) for name, share in _split(limit, facts)
        },
    )


def _reservation(facts: Facts) -> _Rule:
    erlangs = sum(facts.erlangs[name] for name in facts.favoured)
    others = [name for name in facts.needs if name not in facts.favoured]

    def at(limit: int) -> Mapping[str, Parameters]:
        free = kept_free(limit, erlangs, facts.target)
        return {name: Parameters(name, leave_free=free) for name in others}

    return (
        f"calls of {_others(facts)} are admitted only while some slots stay free for the rest: as "
        "many as would keep the rest within the target if those calls never stopped, at most a "
        "tenth of all",
        at,
    )


def _priority(facts: Facts) -> _Rule:
    ranks = {
        name: Parameters(name, priority=1 if name in facts.favoured else 2) for name in facts.needs
    }
    return (
        f"when all slots are taken, a call of the rest ends one of {_others(facts)} and takes its "
        "slot",
        lambda _limit: ranks,
    )


def _others(facts: Facts) -> str:
    """Who is not favoured, said the shorter way."""
    others = [name for name in facts.needs if name not in facts.favoured]
    if len(others) <= len(facts.favoured):
        return _names(others)
    return f"all but {_names(list(facts.favoured))}"


def _names(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def keys_of(scenario: Scenario) -> tuple[str, ...]:
    """What a scenario file says of the sharing at the start of the run, as ``KEY=VALUE`` texts."""
    keys = [f"capacity.max_concurrent_calls={scenario.max_concurrent_calls}"]
    if scenario.policy is not SharingPolicy.SHARED:
        keys.append(f"capacity.policy={scenario.policy}")
    for each in scenario.tenants:
        keys += [
            f"{key_text(('tenants', each.tenant_id, name))}={value}"
            for name in SHARING_KEYS
            if (value := getattr(each, name))  # a cap of 0 is written
            or (name == "max_concurrent_calls" and value is not None)
        ]
    return tuple(keys)
