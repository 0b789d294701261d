"""The history of a run, put on disk while the run lasts from what the workers tell bit by bit.

What one worker tells arrives after what another one tells of later instants. So operations are held
back until every worker has told all it was answered by then, and are written in the order in which
they were completed. Between them stand ``settled`` lines: all that began before is above them. That
makes a history fit to be judged wherever it was cut off.

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
from simulator.load.history import Frame, RowLog, operations_of, possible_of
from simulator.load.shares import share_of
from simulator.trace import CallTrace

FOREVER_US: Final = 1 << 62


@dataclass(slots=True)
class _Level:
    """How far a share was told; instants since the origin.

    All that was answered by ``told_us`` is here, and all that was sent by ``oldest_us``.
    """

    told_us: int
    oldest_us: int
    awaited: bool = True


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
        self._released_us = 0
        self._settled_us = 0
        self._answered_us = 0
        self._order = count()
        self._held: list[tuple[int, int, Operation, Iterator[Operation]]] = []

    def expect(self, share: int) -> None:
        """A share was given to a worker since :meth:`release` was called last."""
        self._levels.setdefault(share, _Level(self._released_us, self._settled_us))

    def heard(self, batch: Batch, start_us: int) -> None:
        """What a worker told of a share that is expected; ``start_us`` as in :meth:`gone`."""
        report, to_low = batch.report, batch.offset.low_us - self._frame.origin_us
        if batch.after_loss:
            self.gone(report.share, start_us)
        level = self._levels[report.share]
        self.log.note(batch)
        # Until it is settled, nothing was under way of a share that is awaited: what the clocks
        # leave open before that is known not to be so.
        earliest_us = self._settled_us if level.awaited else 0
        for operation in operations_of(self._trace, batch, self._frame):
            if operation.result == "ok" and operation.complete_us is not None:
                self._answered_us = max(self._answered_us, operation.complete_us)
            self._hold(_later(operation, earliest_us, self._released_us), iter(()))
        level.told_us = max(level.told_us, report.told_us + to_low)
        level.oldest_us = max(level.oldest_us, report.oldest_us + to_low)
        level.awaited &= report.accounts is None

    def gone(self, share: int, start_us: int) -> None:
        """Do not wait for a share any more; what its worker may do untold is written as possible.

        What it tells later all the same is written as well, as completed when it is heard of.
        ``start_us`` of the master's clock is the earliest at which instant 0 of the trace was.
        """
        level = self._levels[share]
        if not level.awaited:
            return
        level.awaited = False
        self._hold_next(
            possible_of(
                self._trace,
                share_of(self._trace, share, self._shares),
                self.log,
                self._frame,
                start_us=start_us,
                earliest_us=level.oldest_us + self._frame.origin_us,
            )
        )

    def own(self, operation: Operation) -> None:
        """An operation of the master's own."""
        self._hold(operation, iter(()))

    def release(self, own_us: int, own_oldest_us: int) -> None:
        """Write what nothing can come before any more, and up to when that is everything.

        Of the master's own operations, all that were completed by ``own_us`` and all that began
        before ``own_oldest_us`` are here (both since the origin).
        """
        awaited = [each for each in self._levels.values() if each.awaited]
        told_us = min((each.told_us for each in awaited), default=own_us)
        self._released_us = max(self._released_us, min(own_us, told_us))
        self._write(self._released_us)
        begun_us = [own_oldest_us, self._released_us]
        begun_us += [each.oldest_us for each in awaited]
        begun_us += [operation.invoke_us for _, _, operation, _ in self._held]
        if (settled_us := min(begun_us)) > self._settled_us:
            self._settled_us = settled_us
            self._writer.append(
                Operation(op="settled", invoke_us=settled_us, complete_us=self._released_us)
            )
        self._writer.flush()

    def conclude(self, own_oldest_us: int) -> bool:
        """Write all that is held back; whether nothing is missing.

        What the master did not do before ``own_oldest_us`` it may not know of: where something was
        answered later, the history is whole up to then alone.
        """
        self._write(FOREVER_US)
        if self._answered_us <= own_oldest_us:
            return True
        settled_us = max(own_oldest_us, self._settled_us)
        self._writer.append(
            Operation(op="settled", invoke_us=settled_us, complete_us=self._answered_us)
        )
        return False

    @property
    def held(self) -> int:
        """How many operations are held back."""
        return len(self._held)

    def _write(self, until_us: int) -> None:
        while self._held and self._held[0][0] <= until_us:
            _, _, operation, following = heappop(self._held)
            self._writer.append(operation)
            self._hold_next(following)

    def _hold(self, operation: Operation, following: Iterator[Operation]) -> None:
        complete_us = operation.complete_us
        at_us = operation.invoke_us if complete_us is None else complete_us
        heappush(self._held, (at_us, next(self._order), operation, following))

    def _hold_next(self, operations: Iterator[Operation]) -> None:
        """Hold the first of some operations that stand in order, and with it the rest."""
        for operation in operations:
            self._hold(operation, operations)
            return


def _later(operation: Operation, begun_us: int, completed_us: int) -> Operation:
    """An operation that began at ``begun_us`` at the earliest and counts until ``completed_us``."""
    assert operation.complete_us is not None
    if operation.invoke_us >= begun_us and operation.complete_us >= completed_us:
        return operation
    return msgspec.structs.replace(
        operation,
        invoke_us=max(operation.invoke_us, begun_us),
        complete_us=max(operation.complete_us, completed_us),
    )
