"""Loss formulas in decimal arithmetic of fifty digits, which neither overflows nor visibly rounds.

Plain recursions and sums, and an integral for continuous servers; nothing is shared with
``simulator.analytics``.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

HALF_PI = Decimal("1.57079632679489661923132169163975144209858469968755291")
_STEP = Decimal(1) / 32


def with_fifty_digits(function: Callable[P, R]) -> Callable[P, R]:
    """The function with its decimals in fifty digits and hardly bounded exponents."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext() as context:
            context.prec, context.Emax, context.Emin = 50, 10**12, -(10**12)
            return function(*args, **kwargs)

    return inside


def last_state(ratios: Iterator[Decimal], inverse: Decimal = Decimal(1)) -> Decimal:
    """Share of the last state; ``ratios`` are weight(k - 1) / weight(k), k = 1, 2, ..."""
    for ratio in ratios:
        inverse = 1 + ratio * inverse
    return 1 / inverse


@with_fifty_digits
def erlang_b(offered: float | str, servers: int) -> Decimal:
    a = Decimal(offered)
    return last_state(k / a for k in range(1, servers + 1))


@with_fifty_digits
def erlang_b_continuous(offered: float, servers: float) -> Decimal:
    """By Fortet's integral at the fraction of a server, then server by server."""
    a, whole = Decimal(offered), int(servers)
    fraction = Decimal(servers) - whole
    return last_state(((fraction + k) / a for k in range(1, whole + 1)), _fortet(a, fraction))


def _fortet(a: Decimal, servers: Decimal) -> Decimal:
    """Integral of exp(-t) (1 + t / a)**servers over t > 0, by the exp-sinh rule.

    With t = exp(pi/2 sinh x) it falls off so fast at both ends that equal steps in x will do.
    """
    total = Decimal(0)
    for k in range(-170, 90):
        grown = (_STEP * k).exp()
        t = (HALF_PI * (grown - 1 / grown) / 2).exp()
        slope = HALF_PI * (grown + 1 / grown) / 2 * t
        total += slope * (servers * (1 + t / a).ln() - t).exp()
    return total * _STEP


@with_fifty_digits
def engset(servers: int, sources: int, alpha: float) -> Decimal:
    """Share of time with every server busy."""
    a = Decimal(alpha)
    return last_state(k / ((sources - k + 1) * a) for k in range(1, servers + 1))


@with_fifty_digits
def gamma_limited_mean(mean: float, cv: float, x: float) -> Decimal:
    """E[min(S, x)] of a gamma variable from the series of its distribution function."""
    shape = 1 / Decimal(cv) ** 2
    at = Decimal(x) / Decimal(mean) * shape
    term = total = 1 / shape
    k = 0
    while term > total * Decimal("1e-24"):
        k += 1
        term *= at / (shape + k)
        total += term
    density = (shape * at.ln() - at - _log_gamma(shape)).exp()
    ended = density * total
    # Of shape + 1 the series is the same without its first term.
    held = Decimal(mean) * (ended - density / shape)
    return held + Decimal(x) * (1 - ended)


def _log_gamma(shape: Decimal) -> Decimal:
    """Stirling's series, from an argument at which its terms fall below 1e-30."""
    shift = Decimal(0)
    while shape < 100:
        shift += shape.ln()
        shape += 1
    bernoulli = ("1/6", "-1/30", "1/42", "-1/30", "5/66", "-691/2730", "7/6", "-3617/510")
    total = (shape - Decimal("0.5")) * shape.ln() - shape + (4 * HALF_PI).ln() / 2
    for k, number in enumerate(bernoulli, 1):
        above, below = map(Decimal, number.split("/"))
        total += above / below / (2 * k * (2 * k - 1) * shape ** (2 * k - 1))
    return total - shift
