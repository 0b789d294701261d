"""Figures of plans and sweeps as text."""

from typing import Final

from simulator.planning.estimate import Estimate
from simulator.planning.measure import Interval
from simulator.planning.result import OfferedInterval, Plan
from simulator.scenario_file.units import format_duration

LEAST_PERCENTAGE: Final = 1e-6
"""Smaller ones are only said to be that."""


def percent(value: float) -> str:
    """A share in per cent, with as many decimals as make two figures; a very small one says so."""
    share = 100 * value
    if 0 < share < LEAST_PERCENTAGE:
        return f"<{LEAST_PERCENTAGE:f} %"
    decimals = 2
    while decimals < 7 and 0 < share < 10 ** (1 - decimals):
        decimals += 1
    return f"{share:.{decimals}f} %"


def interval_text(estimate: Estimate | None) -> str:
    """The value and its interval, in per cent: ``0.92 % (0.88 to 0.97)``."""
    if estimate is None:
        return "-"
    low, high = percent(estimate.low), percent(estimate.high)
    return f"{percent(estimate.value)} ({low.removesuffix(' %')} to {high.removesuffix(' %')})"


def span(interval: Interval | OfferedInterval) -> str:
    """``30m to 45m``."""
    return f"{format_duration(interval.from_us)} to {format_duration(interval.until_us)}"


def aimed_at(plan: Plan) -> str:
    """What the target speaks of: ``blocking``, ``blocking of acme`` or ``of the worst tenant``."""
    statistic = plan.target.statistic.replace("_", " ")
    if plan.per_tenant:
        return f"{statistic} of the worst tenant"
    return statistic if plan.target.tenant is None else f"{statistic} of {plan.target.tenant}"
