"""What a policy costs: the least limit with which the protected tenants meet the target."""

from dataclasses import dataclass, replace
from typing import Final

from simulator.planning.aim import ROOM_FOR_ALL, Aim
from simulator.planning.policies.playing import Player, rules_of
from simulator.planning.policies.result import Slots
from simulator.planning.policies.rules import Policy
from simulator.planning.result import PlanUnmet
from simulator.planning.target import Target
from simulator.planning.words import percent
from simulator.statistics import tenant_rows

_LEAST_SURE: Final = 1e-6
_ROUGH: Final = 6
"""Replications that say about where to look."""


@dataclass(frozen=True, slots=True)
class Cost:
    """How slots are sought."""

    target: Target
    protected: tuple[str, ...]
    confidence: float
    count: int

    def slots(
        self,
        policy: Policy,
        player: Player,
        overloaded: Player | None,
        overloader: str | None,
        guess: int,
    ) -> Slots:
        """Sought from ``guess`` on; the differences to other policies are not known yet."""
        aim = self._aim(policy, player, self.protected)
        try:
            needed = self._least(aim, guess)
        except PlanUnmet as error:
            return Slots(None, None, None, None, None, str(error), None)
        in_overload = None
        rest = tuple(name for name in self.protected if name != overloader)
        if overloaded is not None and rest:
            beside = self._aim(policy, overloaded, rest)
            in_overload = self._least(beside, needed or guess)
        if needed is None:
            return Slots(None, None, None, None, None, self._why_none(aim), in_overload)
        return Slots(
            needed=needed,
            least_possible=aim.least_not_missed(needed, self.count),
            surely_enough=aim.least(needed, self.count, surely=True, step=1),
            over_one_pool=None,
            over_own_pools=None,
            why_none=None,
            in_overload=in_overload,
        )

    def _least(self, aim: Aim, guess: int) -> int | None:
        """The least limit whose averages meet the target, found roughly first."""
        roughly = aim.least(guess, min(self.count, _ROUGH), surely=False)
        return aim.least(roughly or guess, self.count, surely=False, step=1 if roughly else None)

    def _aim(self, policy: Policy, player: Player, each_of: tuple[str, ...]) -> Aim:
        return Aim(
            target=replace(self.target, tenant=None),
            each_of=each_of,
            rows=tenant_rows(rules_of(policy.scenario))[0],
            floor=policy.floor,
            # One-sided, and an interval has two ends.
            sure=max(2 * self.confidence - 1, _LEAST_SURE),
            replications=player,
        )

    def _why_none(self, aim: Aim) -> str:
        estimates = [
            (name, replace(aim, each_of=(name,)).estimates(ROOM_FOR_ALL, self.count, 0.95)[0])
            for name in aim.each_of
        ]
        name, worst = max(estimates, key=lambda each: each[1].value)
        return f"with room for all, {name} still loses {percent(worst.value)} by what it may hold"


def beside_each_other(found: dict[str, Slots], one_pool: str, own_pools: str) -> dict[str, Slots]:
    """The same with the differences to one pool and to own pools."""

    def over(slots: Slots, other: str) -> int | None:
        base = found[other].needed if other in found else None
        return None if slots.needed is None or base is None else slots.needed - base

    return {
        name: replace(
            slots,
            over_one_pool=None if name == one_pool else over(slots, one_pool),
            over_own_pools=None if name == own_pools else over(slots, own_pools),
        )
        for name, slots in found.items()
    }
