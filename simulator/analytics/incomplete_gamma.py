"""The incomplete gamma function, for continuous servers and for holding times.

Series and continued fraction are those of the NIST Digital Library of Mathematical Functions,
8.11.4 and 8.9.2; the fraction is evaluated by the method of W. J. Lentz, "Generating Bessel
functions in Mie scattering calculations using continued fractions", Applied Optics 15 (1976).
Both take about 10 times the root of the shape in terms.
"""

import math
from typing import Final

_PRECISION: Final = 1e-16
_TINY: Final = 1e-300
_TERMS: Final = 1_000_000
_STIRLING_FROM: Final = 20.0


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

    0 < ``shape`` <= 1e8, ``x`` >= 0 or infinite. Relative error below 1e-12 for shapes up to 1,000
    and below 1e-10 for all, where P > 1e-290.
    """
    if x <= 0:
        return 0.0
    if x == math.inf:
        return 1.0
    scale = _power_over_gamma(shape, x)
    if x < shape + 1:
        return min(1.0, scale * lower_gamma_series(shape, x))
    return max(0.0, 1 - scale * upper_gamma_fraction(shape, x))


def _power_over_gamma(shape: float, x: float) -> float:
    """x**shape exp(-x) / Gamma(shape).

    For large shapes by Stirling's series for ln Gamma, so that the large terms of the logarithm,
    shape ln x and ln Gamma, cancel before they are rounded.
    """
    if shape < _STIRLING_FROM:
        return math.exp(shape * math.log(x) - x - math.lgamma(shape))
    beyond = (x - shape) / shape
    inverse = 1 / (shape * shape)
    tail = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / shape
    exponent = shape * (math.log1p(beyond) - beyond) - tail
    return math.sqrt(shape / (2 * math.pi)) * math.exp(exponent)
