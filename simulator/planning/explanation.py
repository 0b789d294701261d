"""A plan's findings and its assumptions as sentences."""

from collections.abc import Iterator

from simulator.planning.formula_words import formula_sentences, worst_interval_sentences
from simulator.planning.measure import Point
from simulator.planning.result import Plan, Stopped
from simulator.planning.words import aimed_at, percent
from simulator.scenario import Scenario
from simulator.scenario_file.units import format_duration


def explanation_of(plan: Plan) -> Iterator[str]:
    """Why the answer is what it is, and what differs from what one might think."""
    yield from _certainty(plan)
    yield from formula_sentences(plan)
    yield from worst_interval_sentences(plan)
    at = plan.at_answer
    if at.blocking is not None and at.time_congestion is not None:
        yield (
            f"Blocking of all is a share of calls, {percent(at.blocking.value)}; time congestion is "
            f"the share of time with every slot taken, {percent(at.time_congestion.value)}. "
            "The two agree only where calls come at random at a constant rate and no tenant has a "
            "limit of its own."
        )
    yield from _own_limits(plan)
    yield from _tenants(at, plan)


def _own_limits(plan: Plan) -> Iterator[str]:
    rest = plan.with_room_for_all
    if rest is not None and rest.value > 0:
        yield (
            f"With room for all, {aimed_at(plan)} would still be {percent(rest.value)}: so much is "
            "turned away by tenants' own limits, and no more slots change it."
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
