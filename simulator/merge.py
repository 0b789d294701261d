"""Merging the sorted arrivals of many tenants into one order."""

import numpy as np

from simulator.trace import Int64s


def merged_order(instants: Int64s, starts: Int64s, *, compiled: bool) -> Int64s:
    """The stable order of sorted runs laid end to end.

    ``instants`` (n,) int64 us holds runs, each sorted, that begin at ``starts``. The answer (n,)
    int64 is the permutation that sorts them, equal instants in the order they stand in; the same
    with ``compiled`` (quicker for large inputs, but loads numba) and without.
    """
    if len(starts) == 1:
        return np.arange(len(instants), dtype=np.int64)
    return np.argsort(instants, kind="stable")
