"""How far a worker's clock is from the master's: an interval, from questions and answers.

The master asks at ``sent_us``, the worker reads its clock, the master has the answer at
``received_us``. When the worker read ``clock_us``, the master's clock stood somewhere in between,
so ``master - worker`` lies in [sent - clock, received - clock].

These are monotonic clocks: setting the time of day does not touch them. They drift, steadily, and
one can stand still while its machine sleeps or is moved; then the distance jumps. Nothing else is
assumed but that the distance changes in one direction. So what it was at any instant lies between
what it was before and after, give or take :data:`DRIFT_US`.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

KEPT: Final = 5
"""Answers at either end of a run, of which the one that came soonest counts."""

DRIFT_US: Final = 1000
"""How far clocks drift apart while so many questions are asked, at 200 parts in a million."""


@dataclass(frozen=True, slots=True)
class Offset:
    """``master clock - worker clock`` lies in [low_us, high_us]."""

    low_us: int
    high_us: int

    @property
    def width_us(self) -> int:
        return self.high_us - self.low_us

    @property
    def middle_us(self) -> int:
        return (self.low_us + self.high_us) // 2

    def or_(self, other: "Offset") -> "Offset":
        return Offset(min(self.low_us, other.low_us), max(self.high_us, other.high_us))


SAME_CLOCK: Final = Offset(0, 0)


@dataclass(slots=True)
class ClockComparison:
    """Collects the answers of one worker. ``same_kernel``: it reads the master's own clock.

    Processes of one running kernel share their monotonic clock. Where the answers contradict that
    (a time namespace of its own), they are believed.
    """

    same_kernel: bool = False
    _first: list[Offset] = field(default_factory=list)
    _last: "deque[tuple[int, Offset]]" = field(default_factory=lambda: deque(maxlen=KEPT))
    _at_jumps: Offset | None = None
    jump_us: int = 0
    """How far the clocks' distance jumped at least, the largest jump if there were several."""

    def answered(self, sent_us: int, clock_us: int, received_us: int) -> None:
        """Note an answer. One that came before its question is ignored."""
        if received_us < sent_us:
            return
        seen = Offset(sent_us - clock_us, received_us - clock_us)
        if self._last:
            ended = self._ended
            gap_us = max(seen.low_us - ended.high_us, ended.low_us - seen.high_us)
            if gap_us > DRIFT_US:
                self._at_jumps = ended if self._at_jumps is None else self._at_jumps.or_(ended)
                self._last.clear()
                self.jump_us = max(self.jump_us, gap_us)
        if not self.known:
            self._first.append(seen)
        self._last.append((clock_us, seen))

    @property
    def known(self) -> bool:
        """Whether there are answers enough for :meth:`offset` to hold from now on."""
        return len(self._first) == KEPT

    @property
    def certain_us(self) -> int | None:
        """Until which instant of the worker's clock :meth:`offset` holds; None: not yet at all.

        All answers of which the soonest counts were given after it.
        """
        return self._last[0][0] if self.known and len(self._last) == KEPT else None

    def offset(self) -> Offset:
        """The distance at every instant since it was ``known``. Raises ValueError before then."""
        if not self.known:
            raise ValueError("the worker's clock was not read often enough")
        within = _soonest(self._first).or_(self._ended)
        if self._at_jumps is not None:
            within = within.or_(self._at_jumps)
        within = Offset(within.low_us - DRIFT_US, within.high_us + DRIFT_US)
        if self.same_kernel and within.low_us <= 0 <= within.high_us:
            return SAME_CLOCK
        return within

    @property
    def is_the_same(self) -> bool:
        """Whether it reads the master's own clock, so that nothing has to become certain."""
        return self.known and self.offset() == SAME_CLOCK

    @property
    def _ended(self) -> Offset:
        return _soonest(seen for _, seen in self._last)


def _soonest(seen: Iterable[Offset]) -> Offset:
    """Of several intervals the one answered soonest."""
    return min(seen, key=lambda each: each.width_us)
