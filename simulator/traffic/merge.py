"""Merging the sorted arrivals of many tenants into one order."""

from typing import Final

import numpy as np

from simulator.trace import Int64s

_LARGEST_BUCKET: Final = 64
"""Insertion in a bucket takes time with the square of what it holds; a crowd is sorted instead."""


def merge_runs(instants: Int64s, runs: int, *, compiled: bool) -> tuple[Int64s, Int64s]:
    """Sorts ``runs`` sorted runs laid end to end, equal instants in the order they stand in.

    ``instants`` (n,) int64 us >= 0. Gives the sorted instants and the permutation that sorts them,
    both (n,) int64: the same with ``compiled``, which is quicker for many calls but only after
    numba is loaded, and without.
    """
    if runs <= 1 or not len(instants):
        return instants, np.arange(len(instants), dtype=np.int64)
    if compiled:
        found = _in_buckets(instants)
        if found is not None:
            return found
    order = np.argsort(instants, kind="stable")
    return instants[order], order


def _in_buckets(instants: Int64s) -> tuple[Int64s, Int64s] | None:
    """As :func:`merge_runs`, by buckets of about one call each; None where calls crowd."""
    from simulator.traffic.merge_kernel import bucket_order  # loads numba, so only when it pays

    low, high = int(instants.min()), int(instants.max())
    shift = max(0, ((high - low) // len(instants)).bit_length() - 1)
    filled = np.empty(((high - low) >> shift) + 2, dtype=np.int32)
    merged, order = np.empty_like(instants), np.empty_like(instants)
    if bucket_order(instants, low, shift, filled, _LARGEST_BUCKET, merged, order):
        return merged, order
    return None
