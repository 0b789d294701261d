"""The compiled part of :mod:`simulator.merge`. Importing this module loads numba."""

import numba
import numpy as np

from simulator.trace import Int64s


@numba.njit(cache=True, nogil=True)
def bucket_order(instants: Int64s, buckets: int, most: int, order: Int64s) -> bool:
    """Fills ``order`` (n,) with the stable order of ``instants`` (n,); False if it gave up.

    Each instant belongs to one of ``buckets`` equal stretches of time. Places are counted out to
    their buckets in the order they stand in and sorted there by insertion, which moves nothing
    past its equal. Gives up, with ``order`` undefined, when a bucket would hold more than ``most``.
    """
    n = len(instants)
    low = instants[0]
    high = instants[0]
    for i in range(n):
        low = min(low, instants[i])
        high = max(high, instants[i])
    scale = buckets / (high - low + 1.0)
    # filled[b] is first the start of bucket b, then the place after its last entry so far.
    filled = np.zeros(buckets + 1, dtype=np.int64)
    for i in range(n):
        filled[int((instants[i] - low) * scale) + 1] += 1
    for b in range(buckets):
        if filled[b + 1] > most:
            return False
        filled[b + 1] += filled[b]
    starts = filled.copy()
    for i in range(n):
        b = int((instants[i] - low) * scale)
        k = filled[b]
        filled[b] += 1
        t = instants[i]
        while k > starts[b] and instants[order[k - 1]] > t:
            order[k] = order[k - 1]
            k -= 1
        order[k] = i
    return True
