"""A history as columns: what the interval arithmetic works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.checker.steps import FOREVER
from simulator.history import CALL_OPS, OPS, Operation
from simulator.trace import Int8s, Int32s, Int64s

Bools = npt.NDArray[np.bool_]

OP: Final = {name: code for code, name in enumerate(OPS)}
OFFER, ACCEPT, START, REFER, END, LIMITS, READ, RESTART, SETTLED = range(len(OPS))
OK, REFUSED, FAILED, INDEFINITE = range(4)
RESULT: Final = {"ok": OK, "refused": REFUSED, "failed": FAILED, "indefinite": INDEFINITE}

ANSWERS: Final[tuple[tuple[str, str | None] | None, ...]] = (
    None,
    ("admitted", None),
    ("accepted", None),
    ("started", None),
    ("referred", None),
    ("ended", None),
    ("abandoned", None),
    ("rejected", "capacity"),
    ("rejected", "tenant_not_configured"),
    ("rejected", "instructions_missing"),
)
(
    NONE,
    ADMITTED,
    ACCEPTED,
    STARTED,
    REFERRED,
    ENDED,
    ABANDONED,
    REJECTED_CAPACITY,
    REJECTED_TENANT,
    REJECTED_INSTRUCTIONS,
) = range(len(ANSWERS))
_ANSWER: Final[dict[tuple[str, str | None], int]] = {
    pair: code for code, pair in enumerate(ANSWERS) if pair is not None
}
_DECIDED: Final = {
    "admitted": ADMITTED,
    "accepted": ACCEPTED,
    "started": STARTED,
    "referred": REFERRED,
    "ended": ENDED,
    "abandoned": ABANDONED,
}
_SCOPE_BITS: Final = {"total": 1, "tenant": 2, "reserved": 4}


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns over the n operations on calls of a stretch of history; instants int64 us.

    ``row`` is the operation's place in the history, ``call`` a number for (call id), ``sure``
    whether it is known to have taken effect between ``low_us`` and ``high_us``; an operation that
    may not have is not. ``answer`` is 0 where there was none; ``scopes`` a bit mask.
    """

    row: Int64s
    op: Int8s
    result: Int8s
    answer: Int8s
    scopes: Int8s
    flags: Int8s
    call: Int32s
    low_us: Int64s
    high_us: Int64s
    sure: Bools

    def __len__(self) -> int:
        return len(self.row)

    def chosen(self, which: Bools) -> "Columns":
        """The operations of a mask."""
        return Columns(*(getattr(self, name)[which] for name in self.__slots__))


ASKED_ACCEPT, FALLBACK, ENDS_FAILED, IS_UNKNOWN_CALL, IS_WRONG_STATE = 1, 2, 4, 8, 16


@dataclass(frozen=True, slots=True)
class Names:
    """The ids behind the numbers, and the tenant of every call (the first offer's; -1 unknown)."""

    calls: tuple[str, ...]
    tenants: tuple[str, ...]
    tenant_of: Int32s


def columns_of(
    operations: Sequence[Operation],
) -> tuple[Columns, Names, dict[str, list[int]]]:
    """The operations on calls as columns, their names, and the places of all other operations."""
    ops = np.fromiter((OP[each.op] for each in operations), np.int8, len(operations))
    others = {
        name: np.flatnonzero(ops == OP[name]).tolist() for name in ("limits", "read", "restart")
    }
    row = np.flatnonzero(ops < len(CALL_OPS))
    chosen = operations if len(row) == len(operations) else [operations[i] for i in row.tolist()]
    n = len(row)
    number: dict[str, int] = {}
    call = np.fromiter(
        (number.setdefault(str(each.call_id), len(number)) for each in chosen), np.int32, n
    )
    result = np.fromiter((RESULT[each.result] for each in chosen), np.int8, n)
    high = np.fromiter(
        (FOREVER if each.complete_us is None else each.complete_us for each in chosen), np.int64, n
    )
    high[result == INDEFINITE] = FOREVER
    columns = Columns(
        row=row,
        op=ops[row],
        result=result,
        answer=np.fromiter((_answer(each) for each in chosen), np.int8, n),
        scopes=np.fromiter((_scopes(each) for each in chosen), np.int8, n),
        flags=np.fromiter((_flags(each) for each in chosen), np.int8, n),
        call=call,
        low_us=np.fromiter((each.invoke_us for each in chosen), np.int64, n),
        high_us=high,
        sure=result == OK,
    )
    return columns, _names(chosen, columns, tuple(number)), others


def _names(operations: Sequence[Operation], columns: Columns, calls: tuple[str, ...]) -> Names:
    tenants: dict[str, int] = {}
    offers = np.flatnonzero(columns.op == OFFER)
    tenant = np.fromiter(
        (tenants.setdefault(str(operations[i].tenant_id), len(tenants)) for i in offers.tolist()),
        np.int32,
        len(offers),
    )
    tenant_of = np.full(len(calls), -1, np.int32)
    # A refused offer may have named another tenant than the one that made the call, and so may
    # one without an answer; the first offer of the surest kind says whose call it is.
    for result in (INDEFINITE, OK):
        kept = columns.result[offers] == result
        tenant_of[columns.call[offers][kept][::-1]] = tenant[kept][::-1]
    return Names(calls, tuple(tenants), tenant_of)


def _answer(operation: Operation) -> int:
    if operation.result != "ok":
        return NONE
    decision = operation.decision
    if decision == "rejected":
        return _ANSWER["rejected", operation.reason]
    return _DECIDED[decision] if decision is not None else NONE


def _scopes(operation: Operation) -> int:
    scopes = operation.scopes
    return sum(_SCOPE_BITS[scope] for scope in scopes) if scopes else 0


def _flags(operation: Operation) -> int:
    flags = 0
    if operation.accept:
        flags |= ASKED_ACCEPT
    if operation.fallback:
        flags |= FALLBACK
    if operation.outcome == "failed":
        flags |= ENDS_FAILED
    if operation.code is not None:
        if operation.code == "unknown_call":
            flags |= IS_UNKNOWN_CALL
        elif operation.code == "wrong_state":
            flags |= IS_WRONG_STATE
    return flags
