"""A plan's findings and its assumptions as sentences."""

from collections.abc import Iterator

from simulator.planning.estimate import Estimate
from simulator.planning.measure import Interval, Point
from simulator.planning.result import OfferedInterval, Plan, Stopped
from simulator.scenario import Scenario
from simulator.scenario_file.units import format_duration


def percent(value: float) -> str:
    """A share in per cent, with as many decimals as make two figures."""
    share = 100 * value
    decimals = 2
    while decimals < 7 and 0 < share < 10 ** (1 - decimals):
        decimals += 1
    return f"{share:.{decimals}f} %"


def interval_text(estimate: Estimate | None) -> str:
    """The value and its interval, in per cent."""
    if estimate is None:
        return "-"
    return f"{percent(estimate.value)} ({percent(estimate.low)} to {percent(estimate.high)})"


def explanation_of(plan: Plan) -> Iterator[str]:
    """Why the answer is what it is, and what differs from what one might think."""
    yield from _certainty(plan)
    yield from _formula(plan)
    yield from _worst_interval(plan)
    at = plan.at_answer
    if at.blocking is not None and at.time_congestion is not None:
        yield (
            f"Blocking is a share of calls, {percent(at.blocking.value)}; time congestion is the "
            f"share of time with every slot taken, {percent(at.time_congestion.value)}. "
            "The two agree only where calls come at a constant rate and at random."
        )
    yield from _own_limits(plan)
    yield from _tenants(at, plan)


def _own_limits(plan: Plan) -> Iterator[str]:
    rest = plan.with_room_for_all
    if rest is not None and rest.value > 0:
        yield (
            f"With room for all, {plan.target.statistic} would still be {percent(rest.value)}: so "
            "much is turned away by tenants' own limits, and no more slots change it."
        )


def _certainty(plan: Plan) -> Iterator[str]:
    sure = f"{100 * plan.confidence:g} %"
    if plan.least_possible == plan.answer:
        less = "one slot less does not" if len(plan.points) > 2 else "fewer there cannot be"
        yield f"{plan.answer:,} slots meet {plan.target}, {less}, with {sure} confidence."
        return
    why = {
        Stopped.BOUNDED: "the most replications allowed were made",
        Stopped.PRECISE: f"the interval is as short as asked, +-{percent(plan.precision)}",
        Stopped.DECIDED: "the answer was certain",
    }[plan.stopped]
    yield (
        f"{plan.answer:,} slots meet {plan.target} with {sure} confidence; {plan.least_possible:,} "
        f"could be enough as well. It was left at that because {why}; a smaller --precision or a "
        "larger --max-replications tells them apart."
    )


def _formula(plan: Plan) -> Iterator[str]:
    formula = plan.formula
    if formula.servers is None:
        return
    measured = " (measured)" if formula.is_measured else ""
    text = (
        f"Erlang B gives {formula.servers:,} slots for {formula.offered_erlangs:,.2f} erlang"
        f"{measured} at {percent(plan.target.value)}, and {percent(formula.blocking_at_answer)} at "
        f"{plan.answer:,} slots"
    )
    differs = plan.answer - formula.servers
    if formula.applies:
        yield f"{text}; its assumptions hold here" + (
            "."
            if differs == 0
            else f", so the difference of {differs:+,} is the caution of the interval."
        )
        return
    yield f"{text}; the simulation {differs:+,}. What the formula does not know of:"
    for reason in formula.reasons:
        yield f"- {reason}."


def _worst_interval(plan: Plan) -> Iterator[str]:
    at = plan.at_answer
    worst = at.worst_interval
    if worst is None or worst.blocking is None or at.blocking is None or not plan.offered:
        return
    place = next(i for i, each in enumerate(plan.offered) if each.from_us == worst.from_us)
    busiest = max(plan.offered, key=lambda each: each.erlangs)
    yield (
        f"In the worst interval, {span(worst)}, blocking is {interval_text(worst.blocking)} "
        f"against {percent(at.blocking.value)} over the whole run: calls in progress, were there "
        f"always room, average {plan.offered[place].erlangs:,.1f} erlang there and "
        f"{plan.offered_erlangs:,.1f} over the whole. Blocking grows much faster than traffic, so "
        "calls are lost mostly in the busiest part, and the quieter rest hides it in the average."
    )
    if busiest.from_us != worst.from_us:
        yield (
            f"The busiest interval is {span(busiest)} ({busiest.erlangs:,.1f} erlang); losses come "
            "where calls arrive faster than slots are freed, which is earlier or later than that."
        )
    if plan.worst_answer is not None:
        yield (
            f"For the worst interval to meet {percent(plan.target.value)} as well, "
            f"{plan.worst_answer:,} slots are needed ({plan.worst_answer - plan.answer:+,})."
        )


def _tenants(at: Point, plan: Plan) -> Iterator[str]:
    over = [
        (name, tenant.blocking)
        for name, tenant in at.tenants.items()
        if tenant.blocking is not None and not plan.target.met_by(tenant.blocking.value)
    ]
    if plan.per_tenant or plan.target.tenant is not None or not over:
        return
    gravest = max(over, key=lambda pair: pair[1].value)
    yield (
        f"The target holds for all calls together; {len(over)} of {len(at.tenants)} tenants are "
        f"above it by themselves, most of all {gravest[0]} with {percent(gravest[1].value)}. "
        "--per-tenant plans for each of them."
    )


def span(interval: Interval | OfferedInterval) -> str:
    """``30m to 45m``."""
    return f"{format_duration(interval.from_us)} to {format_duration(interval.until_us)}"


def assumptions_of(plan: Plan, scenario: Scenario) -> Iterator[str]:
    """What the answer rests on."""
    length = format_duration(scenario.duration_us)
    yield (
        f"The traffic is as the scenario says; {plan.replications} independent runs of {length} "
        f"were drawn from seed {plan.seed}, each played at every limit tried."
    )
    if scenario.warm_up_us:
        warm_up = format_duration(scenario.warm_up_us)
        yield f"The first {warm_up} of each run are left out (warm-up)."
    else:
        yield "Every run starts empty and no warm-up is cut, so early calls find it emptier."
    yield (
        "Intervals come from the spread between runs, not between calls: losses come in clusters."
    )
    yield "More slots are taken to mean less blocking; the limits beside the answer were tried."
    if scenario.duration_us and plan.interval_us:
        yield (
            "The worst interval is the one whose blocking, averaged over the runs, is largest; "
            "single runs have worse ones."
        )
