"""Policies played on the same calls: each replication is drawn once, for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.planning.ladder import knows_rules
from simulator.planning.policies.paired import Counted
from simulator.planning.policies.rules import Policy
from simulator.planning.replication import Draws, Played, Replication, Traffic
from simulator.scenario import Scenario
from simulator.statistics import ServiceSums, tenant_rows
from simulator.trace import Conditions
from simulator.traffic import conditions_of


def rules_of(scenario: Scenario) -> Conditions:
    """What a scenario's calls are played against, without looking on the way."""
    return replace(conditions_of(scenario), checkpoints_us=())


class Player:
    """One policy on shared draws, each replication played at a limit at most once.

    What it gives has preempted calls among the lost, so that a target aims at both.
    """

    def __init__(self, draws: Draws, policy: Policy) -> None:
        self._draws = draws
        self._policy = policy
        self._is_known = knows_rules(rules_of(policy.scenario))
        self._played: dict[int, list[Played]] = {}

    @property
    def is_quick(self) -> bool:
        """Whether many limits cost little more than one."""
        return self._is_known and self._policy.is_fixed and self._draws.is_quick

    def prepare(self, count: int) -> list[Traffic]:
        """What the first ``count`` replications offer."""
        return self._draws.prepare(count)

    def play(self, limits: Sequence[int], count: int) -> Mapping[int, list[Played]]:
        """The first ``count`` replications at each of the limits."""
        missing = [
            [limit for limit in limits if len(self._played.get(limit, ())) <= number]
            for number in range(count)
        ]
        wanted = [number for number in range(count) if missing[number]]
        rules = {limit: rules_of(self._policy.scenario_at(limit)) for limit in limits}

        def work(number: int, replication: Replication) -> list[Played]:
            asked = missing[number]
            if self._policy.is_fixed:
                return replication.play(asked, rules[asked[0]])
            return [replication.play([limit], rules[limit])[0] for limit in asked]

        for number, found in zip(wanted, self._draws.each(wanted, work), strict=True):
            for limit, played in zip(missing[number], found, strict=True):
                self._played.setdefault(limit, []).append(with_preempted(played))
        return {limit: self._played[limit][:count] for limit in limits}


def with_preempted(played: Played) -> Played:
    """The same run with preempted calls among the lost of the whole run."""
    rows = list(played.sums.tenants.values())
    gave_way = np.array([[each.preempted] for each in rows], np.int64)
    return replace(played, lost=played.lost + gave_way) if gave_way.any() else played


@dataclass(frozen=True, slots=True)
class Tally:
    """Replications under one policy at one limit."""

    rows: tuple[str, ...]
    played: tuple[Played, ...]

    @staticmethod
    def of(player: Player, policy: Policy, count: int) -> "Tally":
        rows = tenant_rows(rules_of(policy.scenario))[0]
        return Tally(rows, tuple(player.play([policy.limit], count)[policy.limit]))

    def sums(self, tenant: str | None) -> list[ServiceSums]:
        """Of a tenant, or of all together; one a replication."""
        if tenant is None:
            return [each.sums.total for each in self.played]
        return [each.sums.tenants[tenant] for each in self.played]

    def blocked(self, tenant: str | None) -> Counted:
        """Calls turned away, of those that may call."""
        sums = self.sums(tenant)
        return Counted(tuple(each.rejected_capacity for each in sums), _served(sums))

    def lost(self, tenant: str | None) -> Counted:
        """Calls turned away or preempted, of those that may call."""
        sums = self.sums(tenant)
        return Counted(
            tuple(each.rejected_capacity + each.preempted for each in sums), _served(sums)
        )

    def callers(self) -> tuple[str, ...]:
        """The tenants that offered calls and may, in their order."""
        return tuple(
            name
            for name in self.rows
            if any(each.offered > each.rejected_tenant for each in self.sums(name))
        )


def _served(sums: Sequence[ServiceSums]) -> tuple[int, ...]:
    return tuple(each.offered - each.rejected_tenant for each in sums)
