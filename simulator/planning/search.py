"""The least limit that meets a condition, by brackets that are cut into several parts at a time."""

from collections.abc import Callable, Sequence

Met = Callable[[Sequence[int]], Sequence[bool]]
"""Says of each of some limits, in rising order, whether it meets the condition."""


def least_meeting(
    met: Met, guess: int, *, floor: int, ceiling: int, step: int, width: int
) -> int | None:
    """The least limit in [floor, ceiling] that meets a condition; None when not even ceiling does.

    The condition holds from some limit on. It is asked of ``width`` limits at a time, first
    around ``guess`` at a distance of ``step``; with a bracket the distance falls, without one it
    doubles. ``floor`` <= ``ceiling``, ``step`` and ``width`` >= 1.
    """
    guess = min(max(guess, floor), ceiling)
    # Everything up to ``fails`` is known to fail, ``meets`` is the least known to meet.
    fails, meets = floor - 1, ceiling + 1
    begin = guess - step * (width // 2)
    while True:
        asked = sorted({min(max(begin + step * j, fails + 1), meets - 1) for j in range(width)})
        first = next((limit for limit, ok in zip(asked, met(asked), strict=True) if ok), None)
        failed = [limit for limit in asked if first is None or limit < first]
        fails = max([fails, *failed])
        if first is not None:
            meets = first
        if fails + 1 >= meets:
            return meets if meets <= ceiling else None
        if meets <= ceiling and fails >= floor:
            # Inside a bracket: equal parts.
            step = max(1, (meets - fails) // (width + 1))
            begin = fails + step
        elif meets > ceiling:
            step *= 2
            begin = fails + step if fails + step < ceiling else ceiling
        else:
            step *= 2
            begin = meets - step * width
