"""Slot time in each clock interval, in the subset of Python numba compiles."""

from typing import Any


def spread(since_us: Any, until_us: Any, interval_us: int, begin_us: int, held_us: Any) -> int:
    """Share n stretches of time out over the clock intervals they fall in.

    ``since_us``, ``until_us`` (n,) int64, from 0 on. ``held_us`` (intervals,) int64 is added to.
    Returns what of all of them lies at ``begin_us`` or later.
    """
    later = 0
    for row in range(len(since_us)):
        at = since_us[row]
        until = until_us[row]
        if until > begin_us:
            later += until - max(at, begin_us)
        place = at // interval_us
        while at < until:
            end = min((place + 1) * interval_us, until)
            held_us[place] += end - at
            at = end
            place += 1
    return later
