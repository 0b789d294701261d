"""Whether a limit meets a target on the replications at hand, and the least one that does."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from simulator.conditions import MOST_CALLS
from simulator.planning.estimate import Estimate
from simulator.planning.measure import target_estimate, target_shares
from simulator.planning.replication import Played, Traffic
from simulator.planning.result import PlanUnmet
from simulator.planning.search import least_meeting
from simulator.planning.target import Target

ROOM_FOR_ALL: Final = MOST_CALLS
"""A limit that no run reaches."""

_QUICK_WIDTH: Final = 5
"""Limits looked at together where a few cost little more than one; else halves serve best."""
_WIDTH: Final = 1


class Replicated(Protocol):
    """Replications that can be played at any limit, on the same calls at each."""

    @property
    def is_quick(self) -> bool:
        """Whether many limits cost little more than one."""

    def prepare(self, count: int) -> list[Traffic]:
        """What the first ``count`` replications offer."""

    def play(self, limits: Sequence[int], count: int) -> Mapping[int, list[Played]]:
        """The first ``count`` replications at each of the limits."""


class _Hopeless(Exception):
    """Not even room for all meets the target."""


@dataclass(frozen=True, slots=True)
class Aim:
    """A target aimed at with some replications.

    With ``each_of`` every one of these tenants must meet it, else all calls together. ``rows``
    names the rows of what is played. ``floor`` is the least limit there can be; ``sure`` the
    confidence of the intervals that decide.
    """

    target: Target
    each_of: tuple[str, ...]
    rows: tuple[str, ...]
    floor: int
    sure: float
    replications: Replicated

    def estimates(self, limit: int, count: int, confidence: float) -> list[Estimate]:
        """The target's statistic at a limit, one for each tenant asked for that was offered calls.

        Raises :class:`PlanUnmet` when nobody was.
        """
        return list(self.estimates_by_tenant(limit, count, confidence).values())

    def estimates_by_tenant(
        self, limit: int, count: int, confidence: float
    ) -> dict[str | None, Estimate]:
        """As :meth:`estimates`, by the tenant each is of; None is all calls together."""
        played = self.replications.play([limit], count)[limit]
        offered = {}
        for target in self._targets():
            found = target_estimate(target, played, self.rows, confidence)
            if found is not None:
                offered[target.tenant] = found
        self._require_offered(offered, count)
        return offered

    def _targets(self) -> list[Target]:
        return [replace(self.target, tenant=name) for name in self.each_of] or [self.target]

    def _require_offered(self, found: Collection[object], count: int) -> None:
        if not found:
            raise PlanUnmet(
                f"nothing was offered that {self.target} speaks of, after the warm-up, in "
                f"{count} replications"
            )

    def _bounds(self, limit: int, count: int, confidence: float) -> list[list[Estimate]]:
        """For each tenant asked for, what has to meet the target: one share, or one of each clock
        interval."""
        played = self.replications.play([limit], count)[limit]
        found = []
        for target in self._targets():
            shares = target_shares(target, played, self.rows)
            bounds = [each.bound(confidence) for each in shares]
            found.append([each for each in bounds if each is not None])
        self._require_offered([each for bounds in found for each in bounds], count)
        return [bounds for bounds in found if bounds]

    def is_met(self, limit: int, count: int, *, surely: bool) -> bool:
        """Whether the averages meet the target, or ``surely`` the upper ends of the intervals.

        Everything has to meet it, so each at that confidence is enough.
        """
        if not surely:
            estimates = self.estimates(limit, count, self.sure)
            return all(self.target.met_by(each.value) for each in estimates)
        return all(
            self.target.met_by(each.high)
            for bounds in self._bounds(limit, count, self.sure)
            for each in _telling(bounds)
        )

    def is_missed(self, limit: int, count: int) -> bool:
        """Whether some interval lies wholly beyond the target.

        One of many does so by chance more often than a single one: the chance of being wrong is
        shared out equally among them (Bonferroni).
        """
        number = sum(map(len, self._bounds(limit, count, self.sure)))
        found = self._bounds(limit, count, 1 - (1 - self.sure) / number)
        return any(not self.target.met_by(each.low) for bounds in found for each in bounds)

    def least(self, guess: int, count: int, *, surely: bool, step: int | None = None) -> int | None:
        """The least limit that meets the target, sought around ``guess``; None when none does.

        More slots are taken to lower the statistic. ``step`` is the first distance of the search.
        """
        return self._least(lambda at: self.is_met(at, count, surely=surely), guess, count, step)

    def least_possible(self, guess: int, count: int, step: int | None = None) -> int | None:
        """The least limit that is not known to be too few; None when every one is. As ``least``."""
        return self._least(lambda at: not self.is_missed(at, count), guess, count, step)

    def _least(
        self, meets: Callable[[int], bool], guess: int, count: int, step: int | None
    ) -> int | None:
        # Known once there is one.
        self.replications.prepare(1)
        quick = self.replications.is_quick
        hopeful = False

        def met(limits: Sequence[int]) -> list[bool]:
            nonlocal hopeful
            self.replications.play(limits, count)
            found = [meets(limit) for limit in limits]
            if not (hopeful or any(found) or meets(ROOM_FOR_ALL)):
                raise _Hopeless
            hopeful = True
            return found

        try:
            return least_meeting(
                met,
                guess,
                floor=self.floor,
                ceiling=ROOM_FOR_ALL,
                step=step or max(1, math.isqrt(guess) // (4 if quick else 2)),
                width=_QUICK_WIDTH if quick else _WIDTH,
            )
        except _Hopeless:
            return None

    def least_not_missed(self, answer: int, count: int) -> int:
        """The least limit up to ``answer`` that is not known to be too few."""
        least = answer
        while least > self.floor and not self.is_missed(least - 1, count):
            least -= 1
        return least


def _telling(bounds: Sequence[Estimate]) -> Sequence[Estimate]:
    """Those that lost anything, and where none did the one with most calls.

    A clock interval of few calls, none of them lost, would need endless runs to say anything.
    """
    losing = [each for each in bounds if each.value > 0]
    return losing or [min(bounds, key=lambda each: each.high)]
