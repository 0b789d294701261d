"""A plan's findings and its assumptions as sentences."""

from collections.abc import Iterator

from simulator.planning.formula_words import formula_sentences
from simulator.planning.measure import Interval
from simulator.planning.result import Plan, Stopped
from simulator.planning.words import aimed_at, interval_text, percent, span
from simulator.scenario import Scenario
from simulator.scenario_file.units import format_duration


def explanation_of(plan: Plan) -> Iterator[str]:
    """Why the answer is what it is, and what differs from what one might think."""
    yield _certainty(plan)
    yield from formula_sentences(plan)
    yield from _worst_interval(plan)
    at = plan.at_answer
    if at.blocking is not None and at.time_congestion is not None:
        yield (
            f"Blocking of all is a share of calls, {percent(at.blocking.value)}; time congestion "
            f"is the share of time with every slot taken, {percent(at.time_congestion.value)}. "
            "The two agree only where calls come at random at a constant rate and no tenant has a "
            "limit of its own."
        )
    yield from _own_limits(plan)
    yield from _tenants(plan)


def _certainty(plan: Plan) -> str:
    sure = f"{100 * plan.confidence:g} %"
    if plan.least_possible == plan.answer:
        meet = f"{plan.answer:,} slots meet {plan.target}"
        if len(plan.points) > 2:
            return f"{meet} and one slot less does not, each with {sure} confidence."
        return f"{meet} with {sure} confidence, and fewer there cannot be."
    why = {
        Stopped.BOUNDED: "the most replications allowed were made",
        Stopped.PRECISE: f"the interval is as short as asked, ±{percent(plan.precision)}",
        Stopped.DECIDED: "the answer was certain",
    }[plan.stopped]
    return (
        f"{plan.answer:,} slots meet {plan.target} with {sure} confidence; {plan.least_possible:,} "
        f"could be enough as well. It was left at that because {why}; a smaller --precision or a "
        "larger --max-replications tells them apart."
    )


def _worst_interval(plan: Plan) -> Iterator[str]:
    at = plan.at_answer
    worst = at.worst_interval
    if worst is None or worst.blocking is None or at.blocking is None:
        return
    first, *more = worst_interval_reasons(plan)
    yield (
        f"In the worst interval, {span(worst)}, blocking is {interval_text(worst.blocking)} "
        f"against {percent(at.blocking.value)} over the whole run. It {first}"
    )
    yield from more
    if plan.worst_answer is not None:
        each = " of every tenant" if plan.per_tenant else ""
        yield (
            f"For the worst interval{each} to meet {percent(plan.target.value)} as well, "
            f"{plan.worst_answer:,} slots are needed ({plan.worst_answer - plan.answer:+,})."
        )


def worst_interval_reasons(plan: Plan) -> Iterator[str]:
    """Why the worst clock interval of the answer is not as the average over the run.

    The first sentence begins behind the name of the interval.
    """
    worst = plan.at_answer.worst_interval
    if worst is None or worst.blocking is None:
        return
    intervals = plan.at_answer.intervals
    there = plan.offered[intervals.index(worst)].erlangs
    yield (
        f"has {_shares(worst, intervals)}. Calls in progress, were there always "
        f"room, average {there:,.1f} erlang there and {plan.offered_erlangs:,.1f} over the run. "
        f"{_why(plan, worst, there)}"
    )
    rest = plan.worst_with_room_for_all
    if rest is not None and rest.value > 0:
        yield (
            f"Of the {percent(worst.blocking.value)} there, {percent(rest.value)} would be left "
            "with room for all: turned away by tenants' own limits."
        )
    busiest = max(plan.offered, key=lambda each: each.erlangs)
    if busiest.from_us != worst.from_us:
        yield (
            f"The busiest interval is {span(busiest)} ({busiest.erlangs:,.1f} erlang); losses come "
            "where calls arrive faster than slots are freed, which is earlier or later than that."
        )


def _shares(worst: Interval, intervals: tuple[Interval, ...]) -> str:
    """``31 % of the calls and 64 % of the losses``."""
    calls = sum(each.offered_calls for each in intervals)
    lost = sum(each.lost_calls for each in intervals)
    text = f"{100 * worst.offered_calls / calls:.0f} % of the calls"
    if lost > 0:
        text += f" and {100 * worst.lost_calls / lost:.0f} % of the losses"
    return text


def _why(plan: Plan, worst: Interval, erlangs: float) -> str:
    average = plan.at_answer.blocking
    if worst.blocking is not None and average is not None and worst.blocking.low <= average.value:
        return "What it loses could be chance: its interval reaches down to the average of the run."
    if erlangs > plan.offered_erlangs:
        return (
            "Blocking grows much faster than load, so the average over a run is made in its "
            "busiest part and thinned out by the calls of the rest."
        )
    return (
        "More is lost there than that load explains: calls come in bursts, callers try again, or "
        "limits change."
    )


def _own_limits(plan: Plan) -> Iterator[str]:
    rest = plan.with_room_for_all
    if rest is not None and rest.value > 0:
        yield (
            f"With room for all, {aimed_at(plan)} would still be {percent(rest.value)}: so much is "
            "turned away by tenants' own limits, and no more slots change it."
        )


def _tenants(plan: Plan) -> Iterator[str]:
    tenants = plan.at_answer.tenants
    over = [
        (name, tenant.blocking.value)
        for name, tenant in tenants.items()
        if tenant.blocking is not None and not plan.target.met_by(tenant.blocking.value)
    ]
    if not plan.is_of_all or not over:
        return
    name, blocking = max(over, key=lambda pair: pair[1])
    those = f"{len(over)} of {len(tenants)} tenants are above it by themselves, most of all {name}"
    if len(over) == 1:
        those = f"{name} is above it by itself,"
    yield (
        f"The target holds for all calls together; {those} with {percent(blocking)}. --per-tenant "
        "plans for each tenant."
    )


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
    if plan.interval_us is not None:
        yield (
            "The worst interval is the one whose blocking, averaged over the runs, is largest; "
            "single runs have worse ones."
        )
