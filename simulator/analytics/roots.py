"""The root of an increasing function, where a formula has no closed inverse."""

from collections.abc import Callable
from typing import Final

_TOLERANCE: Final = 1e-14
_STEPS: Final = 200


def increasing_root(function: Callable[[float], float], low: float, high: float) -> float:
    """x in [low, high] with function(x) = 0, for an increasing function with a root there.

    Inverse quadratic steps where they are safe, else bisection: T. R. Chandrupatla, "A new hybrid
    quadratic/bisection algorithm for finding the zero of a nonlinear function without using
    derivatives", Advances in Engineering Software 28 (1997). Ends when the interval is 1e-14 of the
    ends wide or the function is exactly 0. 0 <= ``low``. When rounding leaves the function on one
    side of 0, the nearer end is the answer.
    """
    at_low, at_high = function(low), function(high)
    if at_low >= 0:
        return low
    if at_high <= 0:
        return high
    # The root lies between a, tried last, and b; c was given up for one of them.
    a, b, at_a, at_b = high, low, at_high, at_low
    part = 0.5
    for _ in range(_STEPS):
        x = a + part * (b - a)
        at_x = function(x)
        if (at_x < 0) == (at_a < 0):
            c, at_c = a, at_a
        else:
            c, b, at_c, at_b = b, a, at_b, at_a
        a, at_a = x, at_x
        tolerance = _TOLERANCE * max(abs(a), abs(b))
        if at_a == 0 or abs(b - a) <= 2 * tolerance:
            break
        along = (a - b) / (c - b)
        risen = (at_a - at_b) / (at_c - at_b)
        part = 0.5
        if risen**2 < along and (1 - risen) ** 2 < 1 - along:
            part = at_a / (at_b - at_a) * at_c / (at_b - at_c)
            part += (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)
        least = tolerance / abs(b - a)
        part = min(1 - least, max(least, part))
    return a if abs(at_a) < abs(at_b) else b
