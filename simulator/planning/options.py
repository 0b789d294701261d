"""Options that planning commands share, checked."""

from simulator.planning.result import PlanRefused
from simulator.scenario_file.units import UnitsInvalid, parse_duration_us


def interval_us_of(text: str | None, duration_us: int) -> int | None:
    """The clock interval of ``--worst-interval`` in a run. Raises :class:`PlanRefused`."""
    if text is None:
        return None
    try:
        interval_us = parse_duration_us(text)
    except UnitsInvalid as error:
        raise PlanRefused(f"--worst-interval: {error}") from None
    if interval_us == 0:
        raise PlanRefused("--worst-interval: must be longer than nothing")
    if interval_us > duration_us:
        raise PlanRefused(f"--worst-interval: {text} is longer than the run")
    return interval_us


def share_of(option: str, confidence: float) -> None:
    """Raises :class:`PlanRefused` for a confidence that is no share, or no better than a guess."""
    if not 0.5 < confidence < 1:
        raise PlanRefused(f"{option} is {confidence:g}; write a share like 0.95")
