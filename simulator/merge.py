"""Merging the sorted arrivals of many tenants into one order."""

from typing import Final

import numpy as np

from simulator.trace import Int64s

_MEAN_BUCKET: Final = 2
_LARGEST_BUCKET: Final = 64
"""Insertion in a bucket takes time with the square of what it holds; a crowd is sorted instead."""


def merged_order(instants: Int64s, runs: int, *, compiled: bool) -> Int64s:
    """The stable order of ``runs`` sorted runs laid end to end.

    ``instants`` (n,) int64 us; the answer (n,) int64 is the permutation that sorts them, equal
    instants in the order they stand in. It is the same with ``compiled``, quicker for many calls
    but only after numba is loaded, and without.
    """
    if runs <= 1 or not len(instants):
        return np.arange(len(instants), dtype=np.int64)
    if compiled:
        from simulator.merge_kernel import bucket_order  # loads numba, so only when it pays

        order = np.empty(len(instants), dtype=np.int64)
        buckets = len(instants) // _MEAN_BUCKET + 1
        if bucket_order(instants, buckets, _LARGEST_BUCKET, order):
            return order
    return np.argsort(instants, kind="stable")
