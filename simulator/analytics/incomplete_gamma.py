"""The incomplete gamma function, for continuous servers and for holding times.

Series and continued fraction are those of the NIST Digital Library of Mathematical Functions,
8.11.4 and 8.9.2; the fraction is evaluated by the method of W. J. Lentz, "Generating Bessel
functions in Mie scattering calculations using continued fractions", Applied Optics 15 (1976).
"""

import math
from typing import Final

_PRECISION: Final = 1e-16
_TINY: Final = 1e-300
_TERMS: Final = 100_000


def lower_gamma_series(shape: float, x: float) -> float:
    """sum over k >= 0 of x**k / (shape (shape + 1) ... (shape + k)).

    The lower incomplete gamma function is x**shape exp(-x) times this. Meant for x < shape + 1,
    where its terms fall; relative error about 1e-15.
    """
    term = total = 1 / shape
    for k in range(1, _TERMS):
        term *= x / (shape + k)
        total += term
        if term < total * _PRECISION:
            break
    return total


def upper_gamma_fraction(shape: float, x: float) -> float:
    """The continued fraction h with Gamma(shape, x) = x**shape exp(-x) h.

    Meant for x >= shape + 1, or x > 1 and shape <= 2; relative error about 1e-15.
    """
    b = x + 1 - shape
    c, d = 1 / _TINY, 1 / b
    h = d
    for k in range(1, _TERMS):
        numerator = k * (shape - k)
        b += 2
        d = b + numerator * d
        c = b + numerator / c
        d = 1 / (d if abs(d) > _TINY else _TINY)
        c = c if abs(c) > _TINY else _TINY
        h *= c * d
        if abs(c * d - 1) < 3 * _PRECISION:
            break
    return h


def regularized_lower_gamma(shape: float, x: float) -> float:
    """P(shape, x): the distribution function of a gamma variable of that shape and scale 1.

    ``shape`` > 0, ``x`` >= 0 or infinite. Relative error below 1e-12 for shapes up to 1,000; it
    grows with the shape, as the terms of the logarithm do.
    """
    if x <= 0:
        return 0.0
    if x == math.inf:
        return 1.0
    scale = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1:
        return min(1.0, scale * lower_gamma_series(shape, x))
    return max(0.0, 1 - scale * upper_gamma_fraction(shape, x))
