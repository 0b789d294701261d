"""What a formula may be asked: checks that name the argument, its value and what would be right."""

import math
from typing import Final

MAX_SERVERS: Final = 1_000_000
"""The largest group the recursions are meant for; they take a step a server."""


def require_traffic(name: str, value: float) -> None:
    """Raises ValueError unless ``value`` is finite and >= 0, a number of erlangs or a rate."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value}, it must be finite and >= 0")


def require_positive(name: str, value: float) -> None:
    """Raises ValueError unless ``value`` is finite and > 0."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value}, it must be finite and > 0")


def require_count(name: str, value: int, least: int = 0, most: int = MAX_SERVERS) -> None:
    """Raises ValueError unless ``value`` is a whole number in [least, most]."""
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}, it must be >= {least} and <= {most}")
    if value != int(value):
        raise ValueError(f"{name} is {value}, it must be a whole number")


def require_share(name: str, value: float) -> None:
    """Raises ValueError unless 0 <= ``value`` <= 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}, it must be between 0 and 1")


def require_target(name: str, value: float) -> None:
    """Raises ValueError unless 0 < ``value`` < 1, a probability to be met."""
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}, it must be above 0 and below 1")
