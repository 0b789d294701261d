"""A plan's target and figures in words."""

from simulator.planning.estimate import Estimate, gravest
from simulator.planning.measure import Interval
from simulator.planning.result import Plan
from simulator.planning.target import BLOCKING, WORST_INTERVAL
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


def at_answer(plan: Plan) -> Estimate | None:
    """The target's statistic with the slots of the answer; of the worst tenant when each counts."""
    point, target = plan.at_answer, plan.target
    named = list(point.tenants) if plan.per_tenant else [target.tenant]
    found: list[Estimate | None] = []
    for name in named:
        if target.statistic == WORST_INTERVAL:
            of = point if name is None else point.tenants.get(name)
            worst = None if of is None else of.worst_interval
            found.append(None if worst is None else worst.blocking)
        elif target.statistic == BLOCKING and name is not None:
            found.append(point.tenants[name].blocking if name in point.tenants else None)
        else:
            found.append(
                {
                    "first_attempt_blocking": point.first_attempt_blocking,
                    "eventual_loss": point.eventual_loss,
                    "time_congestion": point.time_congestion,
                }.get(target.statistic, point.blocking)
            )
    known = [each for each in found if each is not None]
    return gravest(known) if known else None


def unit_of(plan: Plan) -> str:
    """What the target is a share of."""
    return "share of time" if plan.target.statistic == "time_congestion" else "share of calls"
