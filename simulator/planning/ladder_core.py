"""One trace at many limits in one pass: the inner loop, in the subset of Python numba compiles.

Where no call depends on the fate of another, the instant at which a call frees its slot, if it gets
one, is known beforehand. So offers and releases are put in order once, and a single walk over them
keeps the slots in use at every limit side by side. The innermost loops run over the limits and have
no branches, so that they become vector instructions.
"""

from typing import Any


def walk(
    offer_us: Any,
    release_us: Any,
    place: Any,
    row_of_place: Any,
    interval: Any,
    release_order: Any,
    limits: Any,
    caps: Any,
    reserved: Any,
    warm_up_us: int,
    duration_us: int,
    admitted: Any,
    lost: Any,
    slot_us: Any,
    peak: Any,
    peak_total: Any,
    congested_us: Any,
) -> None:
    """Play n offers, in their order, at K limits.

    Inputs: ``offer_us``, ``release_us`` (n,) int64, the latter beyond the run when a slot is not
    freed in it; ``place`` (n,) of the tenant; ``row_of_place`` (tenants,); ``interval`` (n,) int32,
    which clock interval an offer counts in, -1 before the warm-up is over; ``release_order`` (m,)
    the offers that free a slot later than they took it and within the run, by instant; ``limits``
    (K,); ``caps``, ``reserved`` (tenants,). Filled: ``admitted`` (n, K) int8; ``lost`` (rows,
    intervals, K) int64, ``slot_us``, ``peak`` (rows, K) int64, ``peak_total``, ``congested_us``
    (K,) int64: what :class:`simulator.statistics.WindowSums` calls so.
    """
    count = len(limits)
    tenants = len(caps)
    in_use = peak_total * 0
    used = slot_us[:1] * 0
    used = used.repeat(tenants).reshape((count, tenants)).T.copy()
    taken = peak_total * 0
    for tenant in range(tenants):
        for c in range(count):
            taken[c] += reserved[tenant]
    since = warm_up_us
    next_offer = 0
    next_release = 0
    offers = len(offer_us)
    releases = len(release_order)
    while next_offer < offers or next_release < releases:
        row = release_order[next_release] if next_release < releases else 0
        is_release = next_release < releases and (
            next_offer == offers or release_us[row] <= offer_us[next_offer]
        )
        at = release_us[row] if is_release else offer_us[next_offer]
        if at > since:
            for c in range(count):
                congested_us[c] += (at - since) * (in_use[c] >= limits[c])
            since = at
        if is_release:
            next_release += 1
            tenant = place[row]
            kept = reserved[tenant]
            mine = used[tenant]
            was_admitted = admitted[row]
            for c in range(count):
                left = was_admitted[c]
                in_use[c] -= left
                mine[c] -= left
                taken[c] -= left & (mine[c] >= kept)
            continue
        row = next_offer
        next_offer += 1
        tenant = place[row]
        figures = row_of_place[tenant]
        kept = reserved[tenant]
        cap = caps[tenant]
        mine = used[tenant]
        was_admitted = admitted[row]
        stays = 1 if release_us[row] > at else 0
        span = min(release_us[row], duration_us) - max(at, warm_up_us)
        if span < 0:
            span = 0
        in_window = interval[row] >= 0
        counts = 1 if in_window else 0
        misses = lost[figures, interval[row] if in_window else 0]
        held = slot_us[figures]
        top = peak[figures]
        for c in range(count):
            fits = (
                (in_use[c] < limits[c])
                & (mine[c] < cap)
                & ((mine[c] < kept) | (taken[c] < limits[c]))
            )
            got = 1 if fits else 0
            misses[c] += counts * (1 - got)
            held[c] += got * span
            top[c] = max(top[c], counts * got * (mine[c] + 1))
            peak_total[c] = max(peak_total[c], counts * got * (in_use[c] + 1))
            stay = got * stays
            taken[c] += stay & (mine[c] >= kept)
            in_use[c] += stay
            mine[c] += stay
            was_admitted[c] = stay
    if duration_us > since:
        for c in range(count):
            congested_us[c] += (duration_us - since) * (in_use[c] >= limits[c])
