"""The compiled part of :mod:`simulator.traffic.merge`. Importing this module loads numba."""

from simulator.compiled import compile_kernel
from simulator.trace import Int32s, Int64s


@compile_kernel
def bucket_order(
    instants: Int64s, low: int, shift: int, filled: Int32s, most: int, merged: Int64s, order: Int64s
) -> bool:
    """Fills ``merged`` and ``order`` (n,) with the sorted instants and their stable order.

    ``instants`` (n,), all >= 0, lie at or after ``low``; instant t belongs to bucket
    (t - low) >> shift. ``filled`` int32 has one place more than there are buckets. Instants are
    counted out to their buckets in the order they stand in and sorted there by insertion, which
    moves nothing past its equal. Gives up and returns False, with the outputs undefined, when a
    bucket would hold more than ``most``.
    """
    filled[:] = 0
    for i in range(len(instants)):
        filled[((instants[i] - low) >> shift) + 1] += 1
    for b in range(1, len(filled)):
        if filled[b] > most:
            return False
        filled[b] += filled[b - 1]
    # Places still free hold -1, so insertion stops at its bucket's start: what stands in front is
    # either free or belongs to an earlier bucket.
    merged[:] = -1
    for i in range(len(instants)):
        t = instants[i]
        b = (t - low) >> shift
        k = filled[b]
        filled[b] = k + 1
        while k > 0 and merged[k - 1] > t:
            merged[k] = merged[k - 1]
            order[k] = order[k - 1]
            k -= 1
        merged[k] = t
        order[k] = i
    return True
