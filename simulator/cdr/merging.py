"""Records into calls: those of one call put together, and small tenants folded into one."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.cdr.recorded import Bools, Int8s, Int32s, Int64s
from simulator.conditions import NEVER

NO_ID: Final = 0
_OTHER_TENANTS: Final = ("other", "other tenants", "all other tenants")


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """n records, each column of shape (n,) as in :class:`~simulator.cdr.recorded.RecordedCalls`.

    ``tenant`` is a place among all tenants read, ``offer_us`` counts from where the log does.
    ``hold_us`` is NEVER for calls that were not answered. ``call_id`` and ``other_id`` are hashes,
    :data:`NO_ID` where a record has none.
    """

    tenant: Int32s
    offer_us: Int64s
    slot_us: Int64s
    hold_us: Int64s
    end: Int8s
    line: Int32s
    caller: Int64s | None = None
    call_id: Int64s | None = None
    other_id: Int64s | None = None

    def __len__(self) -> int:
        return len(self.offer_us)

    def take(self, rows: npt.NDArray[Any]) -> "Records":
        """These rows, by places or by a mask."""
        taken: dict[str, Any] = {
            name: None if column is None else column[rows]
            for name, column in columns_of(self).items()
        }
        return Records(**taken)


def columns_of(records: Records) -> dict[str, Any]:
    return {each.name: getattr(records, each.name) for each in fields(records)}


def in_order(records: Records) -> Records:
    """Sorted by offer; records of one instant stay as they stand."""
    if (np.diff(records.offer_us) >= 0).all():
        return records
    return records.take(np.argsort(records.offer_us, kind="stable"))


def merge_legs(records: Records) -> Records:
    """Records of one call as one, from its first start to its last end; the rest as they are.

    ``records`` are in order. Of one call are records of one id, and those that one of them names
    as another leg. The call is whose its first record is, was answered when the first leg was, and
    has the best end of all legs.
    """
    if records.call_id is None:
        return records
    root = _roots(records.call_id, records.other_id)
    rows = np.flatnonzero(root != NO_ID)
    order = rows[np.argsort(root[rows], kind="stable")]
    if not len(order):
        return records
    begins = np.append(True, np.diff(root[order]) != 0)
    if begins.all():
        return records
    first = order[begins]
    places = np.flatnonzero(begins)
    start = records.offer_us[first]
    until = np.maximum.reduceat((records.offer_us + records.slot_us)[order], places)
    talking = records.hold_us != NEVER
    nobody = np.iinfo(np.int64).max
    since = np.where(talking, records.offer_us + records.slot_us - records.hold_us, nobody)
    answer = np.minimum.reduceat(since[order], places)
    slot_us, hold_us = records.slot_us.copy(), records.hold_us.copy()
    end = records.end.copy()
    slot_us[first] = until - start
    hold_us[first] = np.where(answer == nobody, NEVER, until - answer)
    end[first] = np.minimum.reduceat(records.end[order], places)
    kept: Bools = np.ones(len(records), np.bool_)
    kept[order[~begins]] = False
    merged = columns_of(records) | {"slot_us": slot_us, "hold_us": hold_us, "end": end}
    return Records(**merged).take(kept)


def _roots(ids: Int64s, others: Int64s | None) -> Int64s:
    """One id for all records of a call: those linked by their ids, over however many steps."""
    if others is None:
        return ids
    linked = (ids != NO_ID) & (others != NO_ID)
    if not linked.any():
        return ids
    legs = np.unique(np.concatenate((ids[linked], others[linked])))
    one, two = (np.searchsorted(legs, each[linked]) for each in (ids, others))
    root = np.arange(len(legs))
    while True:
        # Both ends take the lesser root of the two, and every leg the root of its root.
        least = np.minimum(root[one], root[two])
        found = root.copy()
        np.minimum.at(found, one, least)
        np.minimum.at(found, two, least)
        found = found[found]
        if np.array_equal(found, root):
            break
        root = found
    place = np.searchsorted(legs, ids).clip(max=len(legs) - 1)
    return np.where(legs[place] == ids, legs[root[place]], ids)


def fold_tenants(
    tenant: Int64s | Int32s, names: Sequence[str], most: int
) -> tuple[tuple[str, ...], Int32s, tuple[str, ...]]:
    """Tenants by number of calls, the largest first; beyond ``most`` the smallest are one.

    Names, each call's place among them, and the names that were folded.
    """
    counts = np.bincount(tenant, minlength=len(names))
    by_size = sorted(
        np.flatnonzero(counts).tolist(), key=lambda place: (-int(counts[place]), names[place])
    )
    kept, folded = by_size, []
    if len(by_size) > most:
        kept, folded = by_size[: most - 1], by_size[most - 1 :]
    new_names = [names[place] for place in kept]
    new_place = np.full(len(names), len(kept), np.int32)
    new_place[kept] = np.arange(len(kept), dtype=np.int32)
    if folded:
        new_names.append(next(name for name in _OTHER_TENANTS if name not in new_names))
    return tuple(new_names), new_place[tenant], tuple(names[place] for place in folded)


def numbered(parties: Int64s, nobody: int) -> Int64s:
    """Hashes as numbers from 1 on in the order they come in; ``nobody`` is 0."""
    _, first, inverse = np.unique(parties, return_index=True, return_inverse=True)
    is_somebody = parties[first] != nobody
    rank = np.zeros(len(first), np.int64)
    order = np.argsort(first, kind="stable")
    rank[order] = is_somebody[order].cumsum() * is_somebody[order]
    return rank[inverse]
