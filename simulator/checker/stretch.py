"""The operations that prove an alarm, shortest first found, in order of invocation."""

from collections.abc import Iterable, Sequence

import numpy as np

from simulator.checker.columns import (
    END,
    INDEFINITE,
    OFFER,
    OK,
    REJECTED_INSTRUCTIONS,
    Bools,
    Columns,
)
from simulator.history import Operation
from simulator.trace import Int64s


class Evidence:
    """Finds the operations of calls again, by call."""

    def __init__(self, columns: Columns, operations: Sequence[Operation]) -> None:
        self._columns = columns
        self._operations = operations
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

    def of_calls(
        self,
        calls: Iterable[int],
        before_us: int | None = None,
        admitted_us: Int64s | None = None,
    ) -> list[Operation]:
        """Operations of calls that may have had an effect, invoked by ``before_us``.

        ``admitted_us``: by when each call had its slot at the latest. What neither shows that nor
        may have freed the slot is left out.
        """
        found = []
        for call in calls:
            places = self.places(int(call))
            kept: Bools = np.isin(self._columns.result[places], (OK, INDEFINITE))
            if admitted_us is not None:
                columns = self._columns
                kept &= (
                    np.isin(columns.op[places], (OFFER, END))
                    | (columns.answer[places] == REJECTED_INSTRUCTIONS)
                    | (columns.result[places] == INDEFINITE)
                    | (columns.high_us[places] <= admitted_us[call])
                )
            if before_us is not None:
                early = self._columns.low_us[places] <= before_us
                # An early end, or one request without an answer, is bounded by later answers.
                unclear = self._columns.op[places] == END
                unclear |= self._columns.result[places] == INDEFINITE
                if not (kept & early & unclear).any():
                    kept &= early
            found += [self._operations[int(row)] for row in self._columns.row[places[kept]]]
        return found

    def all_of(self, call: int) -> list[Operation]:
        """Every operation of a call, refused ones included."""
        return [self._operations[int(row)] for row in self._columns.row[self.places(call)]]


def in_order(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Operations by invocation, then completion."""
    forever = 1 << 62
    return tuple(
        sorted(
            operations,
            key=lambda each: (
                each.invoke_us,
                forever if each.complete_us is None else each.complete_us,
            ),
        )
    )
