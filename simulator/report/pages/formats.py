"""Shares, intervals and instants as planners read them."""

import math
import re
from typing import Final

from service.calls import US_PER_SECOND
from simulator.planning.estimate import Estimate
from simulator.planning.words import LEAST_PERCENTAGE
from simulator.report.figures import NOTHING, THIN_SPACE, number
from simulator.report.pages.blocks import Cell
from simulator.scenario_file.units import format_duration

_IN_GROUPS: Final = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")


def share(value: float | None) -> str:
    """A share as a percentage with at least two decimals and two figures; – for None."""
    if value is None or not math.isfinite(value):
        return NOTHING if value is None else "∞"
    return f"{share_figure(value)}{THIN_SPACE}%"


def share_figure(value: float) -> str:
    """As :func:`share`, without its sign."""
    percentage = 100 * value
    if 0 < percentage < LEAST_PERCENTAGE:
        return f"<{THIN_SPACE}{LEAST_PERCENTAGE:f}"
    decimals = 2
    while decimals < 7 and 0 < percentage < 10 ** (1 - decimals):
        decimals += 1
    return number(0.0) if value == 0 else f"{percentage:.{decimals}f}"


def interval(low: float, high: float) -> str:
    """``0.88 to 0.97 %``."""
    return f"{share_figure(low)} to {share(high)}"


def estimate(found: Estimate | None) -> str:
    """``0.92 % (0.88 to 0.97 %)``."""
    return NOTHING if found is None else f"{share(found.value)} ({interval(found.low, found.high)})"


def estimate_cell(found: Estimate | None) -> Cell:
    """The value, its interval below it; sorted by the value."""
    if found is None:
        return Cell(NOTHING, sort=-1.0)
    return Cell(share(found.value), sort=found.value, below=interval(found.low, found.high))


def confidence(value: float) -> str:
    """``95 %``."""
    return f"{100 * value:g}{THIN_SPACE}%"


def span(from_us: int, until_us: int) -> str:
    """``30m to 45m``."""
    return f"{format_duration(from_us)} to {format_duration(until_us)}"


def time_of(seconds: float, *, with_seconds: bool) -> str:
    """Seconds since the start as h:mm, or h:mm:ss."""
    whole = round(seconds)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02}"
    return f"{text}:{second:02}" if with_seconds else text


def spaced(text: str) -> str:
    """A text made for a terminal with figures as pages write them: ``1,234`` in groups, and no line
    break before ``%``."""
    return _IN_GROUPS.sub(THIN_SPACE, text).replace(" %", f"{THIN_SPACE}%")


def seconds_of(us: int) -> float:
    """Microseconds as seconds, for an axis of kind CLOCK."""
    return us / US_PER_SECOND
