"""How figures are written for people: grouped digits, percentages, instants of a run."""

import math
from typing import Final

from service.calls import US_PER_SECOND
from simulator.result import Interval

THIN_SPACE: Final = "\u202f"
"""Narrow no-break space: parts groups of three digits without ever breaking a line."""
MINUS: Final = "\u2212"
NOTHING: Final = "–"
"""Stands where there is no figure."""


def number(value: int | float | str | Interval | None, places: int = 3) -> str:
    """``1234567.5`` as 1 234 567.5: digits in groups, at most ``places`` decimals."""
    if isinstance(value, Interval):
        low = number(value.low, places)
        return f"≥ {low}" if value.high is None else f"{low} to {number(value.high, places)}"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING if value is None else str(value)
    if isinstance(value, str):
        return value
    text = f"{abs(value):,}" if isinstance(value, int) else f"{abs(value):,.{places}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    sign = MINUS if value < 0 and text != "0" else ""
    return sign + text.replace(",", THIN_SPACE)


def fixed(value: float | None, places: int) -> str:
    """A figure with exactly ``places`` decimals, so that a column of them lines up."""
    if value is None or not math.isfinite(value):
        return NOTHING if value is None else str(value)
    text = f"{abs(value):,.{places}f}".replace(",", THIN_SPACE)
    return MINUS + text if value < 0 and float(f"{value:.{places}f}") else text


def signed(value: int | float | None, places: int = 3) -> str:
    """A difference, with its sign; 0 has none."""
    text = number(value, places)
    return f"+{text}" if value is not None and value > 0 and text != "0" else text


def percent(share: float | None) -> str:
    """A share in [0, 1] as a percentage with two decimals; a very small one says so."""
    if share is None or not math.isfinite(share):
        return NOTHING if share is None else str(share)
    if 0 < share < 0.00005:
        return f"<{THIN_SPACE}0.01{THIN_SPACE}%"
    return f"{100 * share:.2f}{THIN_SPACE}%"


def clock(at_us: int) -> str:
    """An instant of the run as h:mm:ss, with a fraction only where there is one."""
    seconds, fraction = divmod(at_us, US_PER_SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{seconds:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text


def width(width_us: int) -> str:
    """A round length of time: ``10 s``, ``5 min``, ``250 ms``."""
    units = ((3600 * US_PER_SECOND, "h"), (60 * US_PER_SECOND, "min"), (US_PER_SECOND, "s"))
    for unit_us, unit in (*units, (1000, "ms")):
        if width_us % unit_us == 0:
            return f"{number(width_us // unit_us)}{THIN_SPACE}{unit}"
    return f"{number(width_us)}{THIN_SPACE}µs"


def elapsed(seconds: float) -> str:
    """How long something took on the wall: ``0.42 s``, ``12.3 s``, ``3 min 20 s``."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
