"""How far a worker's clock is from the master's: an interval, from questions and answers.

The master asks at ``sent_us``, the worker reads its clock, the master has the answer at
``received_us``. When the worker read ``clock_us``, the master's clock stood somewhere in between,
so ``master - worker`` lies in [sent - clock, received - clock]. Nothing else is assumed but that,
during a run, the distance does not leave what lies between its values before and after it: clocks
of machines drift, and steadily.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

_KEPT: Final = 5


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

    def and_(self, other: "Offset") -> "Offset":
        """Where both can be true; the narrower one where they contradict each other."""
        low, high = max(self.low_us, other.low_us), min(self.high_us, other.high_us)
        return Offset(low, high) if low <= high else min(self, other, key=lambda o: o.width_us)

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

    def answered(self, sent_us: int, clock_us: int, received_us: int) -> None:
        """Note an answer. One that came before its question is ignored."""
        if received_us < sent_us:
            return
        seen = Offset(sent_us - clock_us, received_us - clock_us)
        if len(self._first) < _KEPT:
            self._first.append(seen)
        self._last.append(seen)

    @property
    def known(self) -> bool:
        return bool(self._first)

    def offset(self) -> Offset:
        """What all answers say together. Raises ValueError before the first one."""
        if not self._first:
            raise ValueError("the worker's clock was never read")
        begun, ended = self._first[0], self._last[0]
        for seen in self._first[1:]:
            begun = begun.and_(seen)
        for seen in list(self._last)[1:]:
            ended = ended.and_(seen)
        within = begun.or_(ended)
        if self.same_kernel and within.low_us <= 0 <= within.high_us:
            return SAME_CLOCK
        return within
