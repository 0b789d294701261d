"""How far a worker's clock is from the master's: an interval, from questions and answers.

The master asks at ``sent_us``, the worker reads its clock, the master has the answer at
``received_us``. When the worker read ``clock_us``, the master's clock stood somewhere in between,
so ``master - worker`` lies in [sent - clock, received - clock]. Nothing else is assumed but that,
during a run, the distance does not leave what lies between its values before and after it, give or
take :data:`DRIFT_US`: clocks of machines drift, and steadily.

These are monotonic clocks: setting the time of day does not touch them. But one can stand still
while its machine sleeps or is moved, and then the distance jumps. An answer that contradicts those
before it tells of a jump; from then on all distances from before it to after it are possible.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_KEPT: Final = 5
"""Questions at either end of a run of which the one answered soonest counts."""

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
    """Collects answers of one worker. ``same_kernel``: it reads the master's own clock.

    Processes of one running kernel share their monotonic clock. Where the answers contradict that
    (a time namespace of its own), they are believed.
    """

    same_kernel: bool = False
    _first: list[Offset] = field(default_factory=list)
    _last: "deque[Offset]" = field(default_factory=lambda: deque(maxlen=_KEPT))
    _before_jumps: Offset | None = None
    jump_us: int = 0
    """How far the clocks' distance jumped at least, the largest jump if there were several."""

    def answered(self, sent_us: int, clock_us: int, received_us: int) -> None:
        """Note an answer. One that came before its question is ignored."""
        if received_us < sent_us:
            return
        seen = Offset(sent_us - clock_us, received_us - clock_us)
        if self._last:
            ended = _closest(self._last)
            gap_us = max(seen.low_us - ended.high_us, ended.low_us - seen.high_us)
            if gap_us > DRIFT_US:
                known = self._before_jumps
                self._before_jumps = ended if known is None else known.or_(ended)
                self._last.clear()
                self.jump_us = max(self.jump_us, gap_us)
        if len(self._first) < _KEPT and self._before_jumps is None:
            self._first.append(seen)
        self._last.append(seen)

    @property
    def known(self) -> bool:
        return bool(self._first)

    def offset(self) -> Offset:
        """What all answers say together. Raises ValueError before the first one."""
        if not self._first:
            raise ValueError("the worker's clock was never read")
        within = _closest(self._first).or_(_closest(self._last))
        if self._before_jumps is not None:
            within = within.or_(self._before_jumps)
        within = Offset(within.low_us - DRIFT_US, within.high_us + DRIFT_US)
        if self.same_kernel and within.low_us <= 0 <= within.high_us:
            return SAME_CLOCK
        return within


def _closest(seen: Iterable[Offset]) -> Offset:
    """Of several intervals the one answered soonest."""
    return min(seen, key=lambda each: each.width_us)
