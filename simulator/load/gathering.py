"""The history of a run, put on disk while the run lasts from what the workers tell bit by bit.

What one worker tells arrives after what another one tells of later instants. So operations are held
back until every worker has told all it was answered by then, and are written in the order in which
they were completed. Whenever writing stops, be it in the middle of a line, every operation that was
sent more than ``timeout_us`` before the last instant of the file is in it: that is what the header
promises, and what makes a history that was cut off fit to be judged.

What a worker may have done beside what it told, because it went away or a report was lost, is
written as operations without an answer; nobody waits for it then. So what is held back does not
grow, and of what was written only a few numbers a row are kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Final

import msgspec

from simulator.history import HistoryWriter, Operation
from simulator.load.coordinator import Batch
from simulator.load.history import RowLog, completed_us, operations_of, unreported_of
from simulator.load.shares import share_of
from simulator.trace import CallTrace

FOREVER_US: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Frame:
    """What places a run in time and among other runs; instants are of the master's clock.

    Instants of the history are counted from ``origin_us``. Instant t of the trace is ``start_us +
    t / speed``. Call ids are ``prefix`` and the row. ``timeout_us`` is the history's.
    """

    prefix: str
    origin_us: int
    start_us: int
    speed: float
    timeout_us: int


@dataclass(slots=True)
class _Level:
    """How far a share was told: all that was answered by ``told_us``, all sent by ``oldest_us``."""

    told_us: int
    oldest_us: int
    may_be_more: bool = True


class Gathering:
    """One history under way. Methods that write raise OSError.

    ``log`` is what became of each row, as far as it was told. The writer is the caller's to close.
    """

    def __init__(self, trace: CallTrace, shares: int, frame: Frame, writer: HistoryWriter) -> None:
        self.log = RowLog(len(trace), start_us=frame.start_us, speed=frame.speed)
        self._trace = trace
        self._shares = shares
        self._frame = frame
        self._writer = writer
        self._levels: dict[int, _Level] = {}
        self._gone: set[int] = set()
        self._released_us = 0
        self._order = count()
        self._held: list[tuple[int, int, Operation, Iterator[Operation]]] = []

    def expect(self, share: int) -> None:
        """A share was given to a worker since :meth:`release` was called last."""
        at_us = self._released_us + self._frame.origin_us
        self._levels.setdefault(share, _Level(at_us, at_us))

    def heard(self, batch: Batch) -> None:
        """What a worker told of a share that is expected."""
        level = self._levels[batch.share]
        if batch.after_loss:
            self.gone(batch.share, batch.offset.width_us)
        self.log.note(batch)
        for operation in operations_of(
            self._trace, batch, prefix=self._frame.prefix, origin_us=self._frame.origin_us
        ):
            self._hold(operation)
        level.told_us = max(level.told_us, batch.told_us + batch.offset.low_us)
        level.oldest_us = max(level.oldest_us, batch.oldest_us + batch.offset.low_us)
        level.may_be_more &= not batch.last

    def gone(self, share: int, slack_us: int) -> None:
        """Do not wait for a share any more; what its worker may do untold is written as possible.

        What it tells later all the same is written as well. ``slack_us``: how far the worker's
        clock may be from what it was told to keep to.
        """
        level = self._levels[share]
        if share in self._gone or not level.may_be_more:
            return
        self._gone.add(share)
        level.may_be_more = False
        frame = self._frame
        possible = unreported_of(
            self._trace,
            share_of(self._trace, share, self._shares).tolist(),
            self.log,
            prefix=frame.prefix,
            origin_us=frame.origin_us,
            earliest_us=level.oldest_us,
            due_us=lambda at_us: frame.start_us + max(0, round(at_us / frame.speed)) - slack_us,
        )
        self._hold_next(possible)

    def own(self, operation: Operation) -> None:
        """An operation of the master's own."""
        self._hold(operation)

    def release(self, own_us: int) -> None:
        """Write what nothing can come before any more.

        ``own_us`` (since the origin): all of the master's own operations that were completed by
        then are here, and those under way were sent later.
        """
        level_us = min(own_us, self._told_us())
        self._released_us = max(self._released_us, level_us)
        while self._held and self._held[0][0] <= level_us:
            _, _, operation, following = heappop(self._held)
            self._writer.append(operation)
            self._hold_next(following)
        self._writer.flush()

    def conclude(self) -> None:
        """Write all that is held back."""
        self.release(FOREVER_US)

    @property
    def held(self) -> int:
        """How many operations are held back."""
        return len(self._held)

    def _told_us(self) -> int:
        """Since the origin: until then all of every share is here."""
        frame = self._frame
        waited_for = [each for each in self._levels.values() if each.may_be_more]
        told_us = (min(each.told_us, each.oldest_us + frame.timeout_us) for each in waited_for)
        return min(told_us, default=FOREVER_US + frame.origin_us) - frame.origin_us

    def _hold(self, operation: Operation) -> None:
        complete_us = operation.complete_us
        if complete_us is not None and complete_us - operation.invoke_us > self._frame.timeout_us:
            # Where the file is cut off before it was answered, it must not be missing.
            self._push(
                msgspec.structs.replace(
                    operation,
                    complete_us=None,
                    result="indefinite",
                    decision=None,
                    reason=None,
                    scopes=(),
                    fallback=False,
                    code="answered_late",
                ),
                iter(()),
            )
        self._push(operation, iter(()))

    def _hold_next(self, operations: Iterator[Operation]) -> None:
        for operation in operations:
            self._push(operation, operations)
            return

    def _push(self, operation: Operation, following: Iterator[Operation]) -> None:
        heappush(self._held, (completed_us(operation), next(self._order), operation, following))
