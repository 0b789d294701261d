"""Which worker plays which rows of a trace, and whether together they played each one once."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.trace import NEVER, CallTrace

Int64s = npt.NDArray[np.int64]

_NAMED_RANGES: Final = 5


def share_of(trace: CallTrace, share: int, shares: int) -> Int64s:
    """The rows that share number ``share`` of ``shares`` plays, ascending.

    Chains are dealt out in turn, each whole: a row that depends on another's end is played where
    that end is heard. Raises ValueError for a share that does not exist.
    """
    if not 0 <= share < shares:
        raise ValueError(f"there is no share {share} of {shares}")
    # A chain stands behind its root, so the number of roots so far tells the chain.
    chain = np.cumsum(trace.column("after") == NEVER) - 1
    return np.flatnonzero(chain % shares == share)


def rows_digest(rows: Sequence[int] | Int64s) -> str:
    """SHA-256 (hex) over row numbers in ascending order."""
    return hashlib.sha256(np.sort(np.asarray(rows, np.int64)).tobytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Union:
    """Rows that nobody accounted for, and rows that more than one share did; ascending."""

    lost: tuple[int, ...]
    doubled: tuple[int, ...]


def union_of(rows: int, played: Mapping[int, Sequence[int]]) -> Union:
    """Hold what each share accounted for against all rows of a trace.

    ``played`` has the rows of each share, those included that were found not to be due. Raises
    ValueError for a row that the trace does not have.
    """
    times = np.zeros(rows, np.int64)
    for share, numbers in played.items():
        own = np.asarray(numbers, np.int64)
        if len(own) and not (own.min() >= 0 and own.max() < rows):
            raise ValueError(f"share {share} names rows that a trace of {rows} rows does not have")
        np.add.at(times, own, 1)
    return Union(
        lost=tuple(np.flatnonzero(times == 0).tolist()),
        doubled=tuple(np.flatnonzero(times > 1).tolist()),
    )


def row_ranges(rows: Sequence[int]) -> str:
    """Ascending rows as a person reads them: ``0, 4-9, 12-30 in steps of 2``."""
    said: list[str] = []
    at = 0
    while at < len(rows):
        if len(said) == _NAMED_RANGES:
            said.append(f"and {len(rows) - at} more")
            break
        end = at + 1
        step = rows[end] - rows[at] if end < len(rows) else 0
        while end < len(rows) and rows[end] - rows[end - 1] == step:
            end += 1
        if end - at < 3:
            end = at + 1
            said.append(str(rows[at]))
        else:
            steps = "" if step == 1 else f" in steps of {step}"
            said.append(f"{rows[at]}-{rows[end - 1]}{steps}")
        at = end
    return ", ".join(said)
