"""The operations that bear on a claim, in order of invocation."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from simulator.checker.columns import FAILED, Columns
from simulator.history import Operation
from simulator.trace import Int64s

NO_CALLS: Final = np.empty(0, np.int64)


class Evidence:
    """Finds the operations of calls again, by call.

    ``restarts`` bear on every claim, ``changes`` of limits on all that are about more than one
    call, and ``base``, the read that says where the counters began, on most of those.
    """

    def __init__(
        self,
        columns: Columns,
        operations: Sequence[Operation],
        restarts: Sequence[Operation],
        changes: Sequence[Operation],
        base: Operation | None,
    ) -> None:
        self._columns = columns
        self._operations = operations
        self._restarts = restarts
        self._changes = changes
        self._base = [] if base is None else [base]
        self._order: Int64s | None = None
        self._starts = np.empty(0, np.int64)

    def places(self, call: int) -> Int64s:
        """Where the operations of a call stand in the columns, in order of invocation."""
        if self._order is None:
            columns = self._columns
            self._order = np.lexsort((columns.row, columns.low_us, columns.call))
            self._starts = np.searchsorted(
                columns.call[self._order], np.arange(int(columns.call.max(initial=-1)) + 2)
            )
        return self._order[self._starts[call] : self._starts[call + 1]]

    def of(
        self, calls: Int64s, *reads: Operation, since_base: bool = True
    ) -> Callable[[], tuple[Operation, ...]]:
        """What gives all operations of calls, some reads, and what bears on all.

        All: a late answer may show that an early request had no effect, or none yet.
        """
        base = self._base if since_base else []

        def bearing() -> tuple[Operation, ...]:
            own = [each for call in calls.tolist() for each in self._at(self.places(call))]
            return in_order([*own, *self._restarts, *self._changes, *base, *reads])

        return bearing

    def of_one(self, call: int) -> Callable[[], tuple[Operation, ...]]:
        """What gives all that was asked of one call, and did not fail to arrive."""

        def bearing() -> tuple[Operation, ...]:
            places = self.places(call)
            arrived = places[self._columns.result[places] != FAILED]
            return in_order([*self._at(arrived), *self._restarts])

        return bearing

    def _at(self, places: Int64s) -> list[Operation]:
        return [self._operations[row] for row in self._columns.row[places].tolist()]


def in_order(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Operations by invocation, then completion, each once."""
    forever = 1 << 62
    once = {id(each): each for each in operations}
    return tuple(
        sorted(
            once.values(),
            key=lambda each: (
                each.invoke_us,
                forever if each.complete_us is None else each.complete_us,
            ),
        )
    )
