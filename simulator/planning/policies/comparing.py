"""Sharing policies side by side on the very same calls."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from simulator.analytics.loss import servers_for_blocking
from simulator.conditions import LimitsChange
from simulator.live.options import only_live
from simulator.planning.policies.figures import Beside, outcome_of
from simulator.planning.policies.given import Given, changing_limit
from simulator.planning.policies.loads import largest, loads_of
from simulator.planning.policies.playing import Player, Tally
from simulator.planning.policies.result import (
    ONE_POOL,
    OWN_POOLS,
    Comparison,
    Overload,
    Slots,
)
from simulator.planning.policies.rules import Facts, Policy, derived, plain
from simulator.planning.policies.slots import Cost, beside_each_other
from simulator.planning.replication import Draws
from simulator.planning.result import PlanRefused
from simulator.planning.target import BLOCKING, Target
from simulator.planning.variations import CannotScale, with_load
from simulator.scenario import Scenario
from simulator.scenario_file.problems import did_you_mean

TWICE: Final = 2.0
"""How much an overloading tenant offers unless said otherwise."""

Progress = Callable[[str, int, int], None]
"""Told a stage, how many of its pieces are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked.

    ``protected``: tenants that must meet the target, all unless any is named; those named are also
    the ones that reservation and priority prefer. ``overload``: who overloads, None for the tenant
    that needs most slots, at twice its calls; ``has_overload`` False for nobody. ``has_slots``:
    whether to seek the slots each policy needs. ``workers``: threads, None for one a core; they
    change no result.
    """

    target: Target
    protected: tuple[str, ...] = ()
    overload: Overload | None = None
    has_overload: bool = True
    has_slots: bool = True
    replications: int = 30
    confidence: float = 0.95
    workers: int | None = None


def compare_policies(
    given: Given, options: Options, progress: Progress = lambda _stage, _done, _total: None
) -> Comparison:
    """Play every policy on the calls of the same replications.

    Raises :class:`~simulator.scenario_file.ScenarioInvalid`, :class:`PlanRefused` and
    :class:`~simulator.trace.TraceInvalid`.
    """
    scenario = given.scenario()
    _refuse(scenario, options)
    pool = ThreadPoolExecutor(options.workers or os.cpu_count() or 1)
    try:
        return _Comparing(given, scenario, options, pool, progress).comparison()
    finally:
        pool.shutdown(cancel_futures=True)


def _refuse(scenario: Scenario, options: Options) -> None:
    for trouble in only_live(replace(scenario, thresholds=()), "busyhour policies"):
        raise PlanRefused(trouble)
    if any(change.max_concurrent_calls is not None for change in scenario.changes):
        raise PlanRefused(changing_limit(scenario))
    if options.target.statistic != BLOCKING:
        raise PlanRefused(
            f"--target: policies are compared by what each tenant loses, so write {BLOCKING}"
            f"<{options.target.value:g}, not {options.target}"
        )
    if options.replications < 2:
        raise PlanRefused("--replications must be at least 2: one run has no interval")


class _Comparing:
    """One comparison under way."""

    def __init__(
        self,
        given: Given,
        scenario: Scenario,
        options: Options,
        pool: ThreadPoolExecutor,
        progress: Progress,
    ) -> None:
        self._given = given
        self._options = options
        self._progress = progress
        self._pool = pool
        self._base = plain(scenario)
        self._scenario = scenario
        self._draws = Draws(self._base, None, pool)
        self._notes: list[str] = []
        progress("drawing calls", 0, 1)
        self._loads = loads_of(self._base, self._draws, options.replications, options.target)
        self._protected = self._tenants_named()
        self._favoured = self._preferred()
        self._facts = Facts(
            needs={each.tenant: each.own_need for each in self._loads},
            erlangs={each.tenant: each.offered_erlangs for each in self._loads},
            favoured=self._favoured,
            target=options.target.value,
        )

    def comparison(self) -> Comparison:
        options, count = self._options, self._options.replications
        policies = self._policies()
        overload, overloaded = self._overload()
        players = {each.name: Player(self._draws, each) for each in policies}
        strained: dict[str, Player] = {}
        if overloaded is not None:
            strained = {each.name: Player(overloaded, each) for each in policies}
        tallies, beyond = {}, {}
        for done, each in enumerate(policies):
            self._progress("playing", done, len(policies))
            tallies[each.name] = Tally.of(players[each.name], each, count)
            if overloaded is not None:
                beyond[each.name] = Tally.of(strained[each.name], each, count)
        slots = self._slots(policies, players, strained, overload) if options.has_slots else {}
        self._notes += _notes(policies, tallies)
        return Comparison(
            scenario=self._scenario.name,
            digest=self._scenario.digest,
            seed=self._scenario.seed,
            duration_us=self._scenario.duration_us,
            warm_up_us=self._scenario.warm_up_us,
            target=replace(options.target, tenant=None),
            protected=self._protected,
            favoured=self._favoured,
            confidence=options.confidence,
            replications=count,
            loads=self._loads,
            overload=overload,
            policies=tuple(
                outcome_of(
                    each,
                    tallies[each.name],
                    Beside(
                        one_pool=None if each.name == ONE_POOL else tallies[ONE_POOL],
                        own_pools=None if each.name == OWN_POOLS else tallies[OWN_POOLS],
                        overloaded=beyond.get(each.name),
                        overloader=None if overload is None else overload.tenant,
                    ),
                    options.confidence,
                    slots.get(each.name),
                )
                for each in policies
            ),
            notes=tuple(self._notes),
        )

    def _policies(self) -> list[Policy]:
        """The file's own first, then the built-in ones, then the user's."""

        def make(name: str) -> Policy:
            return derived(name, self._scenario, self._facts)

        made = self._given.made(make)
        written = [each for each in made if each.rule == "what the scenario file says"]
        rest = [each for each in made if each not in written]
        return [*written, *map(make, self._given.built_in), *rest]

    def _tenants_named(self) -> tuple[str, ...]:
        callers = [each.tenant for each in self._loads]
        if len(callers) < 2:
            raise PlanRefused(
                f"{self._scenario.name}: {len(callers)} configured tenants offer calls after the "
                "warm-up; there is something to share from two on"
            )
        named = list(self._options.protected)
        if self._options.target.tenant is not None:
            named.append(self._options.target.tenant)
        for name in named:
            if name not in callers:
                raise PlanRefused(
                    f"--protect: no configured tenant {name!r} offers calls"
                    f"{did_you_mean(name, callers)}"
                )
        return tuple(name for name in callers if name in named) or tuple(callers)

    def _preferred(self) -> tuple[str, ...]:
        if len(self._protected) < len(self._loads):
            return self._protected
        most = largest(self._loads)
        return tuple(each.tenant for each in self._loads if each.tenant != most)

    def _overload(self) -> tuple[Overload | None, Draws | None]:
        """Who overloads, and the same calls with the additional ones of that tenant."""
        options = self._options
        if not options.has_overload:
            return None, None
        overload = options.overload or Overload(self._heaviest_other(), TWICE)
        callers = [each.tenant for each in self._loads]
        if overload.tenant not in callers:
            raise PlanRefused(
                f"--overload: no configured tenant {overload.tenant!r} offers calls"
                f"{did_you_mean(overload.tenant, callers)}"
            )
        try:
            more = _with_overload(self._base, overload)
        except CannotScale as error:
            self._notes.append(f"No overload was played: {error}.")
            return None, None
        return overload, Draws(more, None, self._pool)

    def _heaviest_other(self) -> str:
        """The tenant to overload: the largest that is not preferred."""
        return largest([each for each in self._loads if each.tenant not in self._favoured])

    def _slots(
        self,
        policies: list[Policy],
        players: Mapping[str, Player],
        strained: Mapping[str, Player],
        overload: Overload | None,
    ) -> dict[str, Slots]:
        options = self._options
        cost = Cost(
            target=options.target,
            protected=self._protected,
            confidence=options.confidence,
            count=options.replications,
        )
        together = servers_for_blocking(
            sum(each.offered_erlangs for each in self._loads), options.target.value
        )
        apart = sum(each.own_need for each in self._loads)
        found: dict[str, Slots] = {}
        # What one pool needs says best where to look for the others.
        for done, each in enumerate(sorted(policies, key=lambda each: each.name != ONE_POOL)):
            self._progress("slots each needs", done, len(policies))
            shared = found[ONE_POOL].needed if ONE_POOL in found else together
            found[each.name] = cost.slots(
                each,
                players[each.name],
                strained.get(each.name),
                None if overload is None else overload.tenant,
                guess=max(1, apart if each.name == OWN_POOLS else shared or together),
            )
        return beside_each_other(found, ONE_POOL, OWN_POOLS)


def _notes(policies: list[Policy], tallies: Mapping[str, Tally]) -> Iterator[str]:
    """What must be known to read the figures."""
    for each in policies:
        if any(_limits_change(change) for change in each.scenario.changes):
            yield (
                f"Under {each.name} limits of tenants change during the run; those shown are the "
                "ones it starts with."
            )
    if any(one.preempted for tally in tallies.values() for one in tally.sums(None)):
        yield (
            "What preempted calls carried until they had to give way counts as carried, although "
            "nobody got a whole call for it."
        )


def _limits_change(change: LimitsChange) -> bool:
    return any(
        edit.max_concurrent_calls is not None or edit.reserved_calls is not None
        for edit in change.tenants.values()
    )


def _with_overload(base: Scenario, overload: Overload) -> Scenario:
    """Raises :class:`CannotScale`."""
    if base.calls is not None:
        raise CannotScale("the calls are given one by one")
    return replace(
        base,
        tenants=tuple(
            with_load(replace(base, tenants=(each,)), overload.factor).tenants[0]
            if each.tenant_id == overload.tenant
            else each
            for each in base.tenants
        ),
    )
