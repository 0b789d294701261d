"""Distributions and figures as a scenario file writes them."""

import math
from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from simulator.scenario import (
    Deterministic,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    HyperExponential,
    Lognormal,
    Mixture,
    Pareto,
    Weibull,
)

_WIDTH: Final = 100
_FIGURES: Final = 6
_TO_THE_MILLISECOND_US: Final = 10_000
_LARGEST_CV: Final = 100.0
_NAMES: Final = {
    Gamma: "gamma",
    Lognormal: "lognormal",
    Weibull: "weibull",
    HyperExponential: "hyperexponential",
}


def significant(value: float) -> str:
    """A number >= 0 with six significant figures, without an exponent."""
    if value <= 0:
        return "0"
    decimals = max(0, _FIGURES - 1 - math.floor(math.log10(value)))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration_text(value_us: float, least_us: int = 0) -> str:
    """A duration to the millisecond, or to the microsecond below ten milliseconds."""
    whole = max(least_us, round(value_us))
    if whole >= _TO_THE_MILLISECOND_US:
        whole = round(max(least_us, value_us) / 1000) * 1000
    if whole >= 1_000_000 or not whole:
        seconds, thousandths = divmod(whole // 1000, 1000)
        return f"{seconds}.{thousandths:03}".rstrip("0").rstrip(".") + "s"
    return f"{whole}us" if whole % 1000 else f"{whole // 1000}ms"


def distribution_lines(key: str, distribution: Distribution, indent: int = 4) -> Iterator[str]:
    """``key: ...`` with the distribution behind or below it."""
    start = " " * indent
    match distribution:
        case Empirical(values):
            yield f"{start}{key}:"
            yield f"{start}  type: empirical"
            yield from _values(values, f"{start}  values: ")
        case Mixture(parts):
            yield f"{start}{key}:"
            yield f"{start}  type: mixture"
            yield f"{start}  parts:"
            for weight, part in parts:
                yield f"{start}    - weight: {significant(weight)}"
                if isinstance(part, Empirical):
                    yield f"{start}      type: empirical"
                    yield from _values(part.values_us, f"{start}      values: ")
                else:
                    yield from (f"{start}      {line}" for line in _keys(part))
        case Deterministic(value):
            yield f"{start}{key}: {duration_text(value)}"
        case _:
            yield f"{start}{key}: {{{', '.join(_keys(distribution))}}}"


def _values(values: tuple[float, ...], start: str) -> list[str]:
    listed = ", ".join(map(duration_text, values))
    return wrap(
        f"[{listed}]", _WIDTH, initial_indent=start, subsequent_indent=" " * (len(start) + 1)
    )


def _keys(distribution: Distribution) -> tuple[str, ...]:
    match distribution:
        case Deterministic(value):
            return "type: deterministic", f"value: {duration_text(value)}"
        case Exponential(mean):
            return "type: exponential", f"mean: {duration_text(mean, 1)}"
        case Gamma(mean, cv) | Lognormal(mean, cv) | Weibull(mean, cv) | HyperExponential(mean, cv):
            least = 1.0 if isinstance(distribution, HyperExponential) else 0.0
            kept = min(_LARGEST_CV, max(least, cv))
            return (
                f"type: {_NAMES[type(distribution)]}",
                f"mean: {duration_text(mean, 1)}",
                f"cv: {significant(kept)}",
            )
        case Pareto(shape, low, high):
            return (
                "type: pareto",
                f"shape: {significant(shape)}",
                f"low: {duration_text(low, 1)}",
                f"high: {duration_text(high, 2)}",
            )
        case _:
            raise ValueError(f"{type(distribution).__name__} is nothing that fitting chooses")
