"""A plan's target and figures in words."""

from simulator.planning.measure import Interval
from simulator.planning.result import Plan, SlotsNeeded
from simulator.planning.target import TIME_CONGESTION
from simulator.report.figures import NOTHING, THIN_SPACE, number
from simulator.report.pages import formats
from simulator.report.pages.blocks import Cell, Mark

_STATISTICS = {
    "blocking": "blocking",
    "first_attempt_blocking": "blocking of first attempts",
    "eventual_loss": "callers lost for good",
    "time_congestion": "time congestion",
    "worst_interval_blocking": "blocking in the worst interval",
}


NONE_IS_ENOUGH = "none is enough"


def statistic_words(plan: Plan) -> str:
    """The target's statistic in words."""
    words = _STATISTICS.get(plan.target.statistic, plan.target.statistic)
    return words if plan.target.tenant is None else f"{words} of {plan.target.tenant}"


def target_words(plan: Plan) -> str:
    """``blocking below 1 %``."""
    limit = f"{100 * plan.target.value:g}{THIN_SPACE}%"
    bound = f"below {limit}" if plan.target.is_strict else f"of at most {limit}"
    each = " for every tenant by itself" if plan.per_tenant else ""
    return f"{statistic_words(plan)} {bound}{each}"


def slots_words(count: int) -> str:
    """``457 slots``."""
    return f"{number(count)} slot{'' if count == 1 else 's'}"


def needed_words(needed: SlotsNeeded | None) -> str:
    """``399 (392 to 406)``, or ``399 (392 or more)``."""
    if needed is None:
        return NONE_IS_ENOUGH
    return f"{number(needed.slots)} ({between_words(needed)})"


def between_words(needed: SlotsNeeded) -> str:
    """``392 to 406``."""
    low = number(needed.low)
    return f"{low} or more" if needed.high is None else f"{low} to {number(needed.high)}"


def target_percent(plan: Plan) -> str:
    """``1 %``."""
    return f"{100 * plan.target.value:g}{THIN_SPACE}%"


def target_mark(plan: Plan, *, across: bool = True) -> Mark:
    """The target as a line of a chart."""
    return Mark(f"target {target_percent(plan)}", plan.target.value, across=across)


def interval_cell(interval: Interval | None) -> Cell:
    """Blocking in an interval, and which one below it."""
    if interval is None or interval.blocking is None:
        return Cell(NOTHING, sort=-1.0)
    span = formats.span(interval.from_us, interval.until_us)
    return Cell(formats.share(interval.blocking.value), interval.blocking.value, below=span)


def unit_of(plan: Plan) -> str:
    """What the target is a share of."""
    return "share of time" if plan.target.statistic == TIME_CONGESTION else "share of calls"
