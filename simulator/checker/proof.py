"""The shortest stretch of a history that proves a claim, found by judging parts of it again.

An operation is left out where the rest alone still gives the same claim, figure for figure, and no
stronger one. The second half matters: an end that is left out makes a call hold its slot for ever,
and a call that is left out was not there to be counted, so that most claims could be "proven" by
leaving out what speaks against them. What is judged again costs time, of which there is a fixed
amount for a whole history; where it is spent, a stretch is longer than it need be, and still true.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from simulator.checker.judgement import Alarm, Claim
from simulator.history import Operation

Claimed = Callable[[Sequence[Operation]], Iterable[Claim]]
"""What is claimed of operations that are judged alone."""

MOST_JUDGED: Final = 3_000_000
"""Operations judged again, all claims of a history together."""

EACH_TIME: Final = 500
"""What judging costs however few they are, in operations."""


def alarms_of(claims: Sequence[Claim], claimed: Claimed) -> Iterator[Alarm]:
    """An alarm for each claim."""
    divisible = sum(not claim.indivisible for claim in claims)
    for claim in claims:
        prove = claim.bearing
        if not claim.indivisible:
            prove = partial(_Search(claimed, MOST_JUDGED // divisible).proof, claim)
        yield Alarm(claim.kind, claim.message + claim.more, claim.calls, prove)


@dataclass(slots=True)
class _Search:
    """Looks for a short proof; ``left`` is how much may still be judged."""

    claimed: Claimed
    left: int

    def proof(self, claim: Claim) -> tuple[Operation, ...]:
        bearing = claim.bearing()
        alone = self._alone(claim, bearing) if self._affords(bearing) else None
        return bearing if alone is None else tuple(self._shortened(alone, bearing))

    def _affords(self, operations: Sequence[Operation]) -> bool:
        return self.left >= EACH_TIME + len(operations)

    def _alone(self, claim: Claim, operations: Sequence[Operation]) -> Claim | None:
        """The same claim made of these operations alone, if it is."""
        self.left -= EACH_TIME + len(operations)
        found = (each for each in self.claimed(operations) if each.said == claim.said)
        return next(found, None)

    def _shortened(self, claim: Claim, stretch: Sequence[Operation]) -> Sequence[Operation]:
        """Without whole calls, then what followed in a call, single requests, and the frame.

        Never parts of several calls at once: one part may speak for the claim and the other
        against it, and together they would not be missed. For the same reason changes of limits
        are tried once, the last first: what a later one made void may go, and not both. A restart
        that a request overlaps stays, since nobody knows on which side of it that took effect.
        """
        claim, stretch = self._without(claim, stretch, _by_call(stretch))
        claim, stretch = self._without(claim, stretch, [call[1:] for call in _by_call(stretch)])
        bearing = stretch
        claim, stretch = self._without_requests(claim, stretch)
        frame = [
            [each]
            for each in reversed(stretch)
            if each.call_id is None and not (each.op == "restart" and _overlapped(each, bearing))
        ]
        claim, rest = self._without(claim, stretch, frame)
        if len(rest) < len(stretch):
            # Without that part of the frame another request may be needed no more.
            claim, rest = self._without_requests(claim, rest)
        return rest

    def _without_requests(
        self, claim: Claim, stretch: Sequence[Operation]
    ) -> tuple[Claim, Sequence[Operation]]:
        """Leave out single requests until none can be."""
        before = None
        while before != len(stretch):
            before = len(stretch)
            asked = [[each] for each in stretch if each.call_id is not None]
            claim, stretch = self._without(claim, stretch, asked)
        return claim, stretch

    def _without(
        self,
        claim: Claim,
        stretch: Sequence[Operation],
        groups: Iterable[Sequence[Operation]],
    ) -> tuple[Claim, Sequence[Operation]]:
        """Leave out each group that can be."""
        for group in groups:
            # Before anything is copied, which would cost the square of a long stretch.
            if not self._affords(stretch):
                break
            gone = {id(each) for each in group}
            rest = [each for each in stretch if id(each) not in gone]
            alone = self._alone(claim, rest) if gone else None
            if alone is not None and _no_stronger(alone, claim):
                claim, stretch = alone, rest
        return claim, stretch


def _no_stronger(one: Claim, other: Claim) -> bool:
    return all(mine <= theirs for mine, theirs in zip(one.strength, other.strength, strict=True))


def _by_call(stretch: Iterable[Operation]) -> list[list[Operation]]:
    """The operations of each call."""
    calls: dict[str, list[Operation]] = {}
    for each in stretch:
        if each.call_id is not None:
            calls.setdefault(each.call_id, []).append(each)
    return list(calls.values())


def _overlapped(restart: Operation, operations: Iterable[Operation]) -> bool:
    end_us = restart.invoke_us if restart.complete_us is None else restart.complete_us
    return any(
        each.invoke_us <= end_us
        and (each.complete_us is None or each.complete_us >= restart.invoke_us)
        for each in operations
        if each.op not in ("restart", "limits")
    )
