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
    """Finds the operations of calls again, by call. ``may_expire``: deadlines may end calls."""

    def __init__(
        self, columns: Columns, operations: Sequence[Operation], *, may_expire: bool
    ) -> None:
        self._columns = columns
        self._operations = operations
        self._may_expire = may_expire
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
        """Operations of calls that may have had an effect, and bound it by ``before_us``.

        ``admitted_us``: by when each call had its slot at the latest. What neither shows that nor
        may have freed the slot is left out.
        """
        found = []
        columns = self._columns
        for call in calls:
            places = self.places(int(call))
            kept: Bools = np.isin(columns.result[places], (OK, INDEFINITE))
            early = kept if before_us is None else kept & (columns.low_us[places] <= before_us)
            offered, ended = columns.op[places] == OFFER, columns.op[places] == END
            indefinite = columns.result[places] == INDEFINITE
            # That an early end, one request without an answer or a deadline had not freed the slot
            # yet is shown by later answers.
            if not (self._may_expire or (early & (ended | indefinite)).any()):
                kept = early
                if admitted_us is not None:
                    rejecting = columns.answer[places] == REJECTED_INSTRUCTIONS
                    kept &= offered | rejecting | (columns.high_us[places] <= admitted_us[call])
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
