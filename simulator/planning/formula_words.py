"""What formulas say beside a simulated plan, and what they do not know of, as sentences."""

from collections.abc import Iterator, Sequence

from simulator.planning.result import Plan
from simulator.planning.words import interval_text, percent, span
from simulator.scenario_file.units import format_duration


def formula_sentences(plan: Plan) -> Iterator[str]:
    """Erlang B, then what fits the scenario better, if anything does."""
    yield from _erlang_b(plan)
    yield from _sharing(plan)
    yield from _varying(plan)


def _erlang_b(plan: Plan) -> Iterator[str]:
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
        text += f"; its assumptions hold here{_caution(differs)}"
        if _is_of_one_tenant(plan):
            text += " It speaks of all calls: without limits of its own every tenant loses alike."
        yield text
        return
    text += f"; the simulation {differs:+,}."
    if _is_of_one_tenant(plan):
        text += " It speaks of all calls, and of no tenant by itself."
    yield f"{text} What the formula does not know of:"
    yield from _listed(formula.reasons)


def _is_of_one_tenant(plan: Plan) -> bool:
    return plan.per_tenant or plan.target.tenant is not None


def _caution(differs: int) -> str:
    """The end of a sentence on a formula that holds."""
    if differs == 0:
        return "."
    return f", so the difference of {differs:+,} is the caution of the interval."


def _listed(reasons: Sequence[str]) -> Iterator[str]:
    for reason in reasons:
        yield f"- {reason}."


def _sharing(plan: Plan) -> Iterator[str]:
    found = plan.sharing
    if found is None:
        if _is_of_one_tenant(plan) and not plan.formula.applies:
            whom = plan.target.tenant or "each tenant"
            yield (
                f"No formula gives {whom} by itself here: the exact one for caps and guaranteed "
                "minima needs calls at random at a constant rate, and tenants with either. What "
                "counts is the simulation."
            )
        return
    slots = "no number of slots that was tried" if found.slots is None else f"{found.slots:,} slots"
    text = (
        f"The exact formula for caps and guaranteed minima gives {slots} for {_aim(plan)}, and "
        f"{percent(found.blocking_at_answer)} at {plan.answer:,} slots"
    )
    if found.applies:
        differs = 0 if found.slots is None else plan.answer - found.slots
        yield f"{text}; its assumptions hold here{_caution(differs)}"
        return
    yield f"{text}. What it does not know of:"
    yield from _listed(found.reasons)


def _aim(plan: Plan) -> str:
    return f"{plan.target}{' for every tenant' if plan.per_tenant else ''}"


def _varying(plan: Plan) -> Iterator[str]:
    found = plan.varying
    if found is None:
        return
    peak = format_duration(round(found.peak_at_us, -6))
    slots = "more slots than were tried" if found.slots is None else f"{found.slots:,} slots"
    text = (
        "Modified offered load, Erlang B of the load at each instant in place of the average, "
        f"follows it up to {found.peak_erlangs:,.2f} erlang at {peak}: {slots} for "
        f"{_aim(plan)}, and {percent(found.blocking_at_answer)} at {plan.answer:,} slots. It is an "
        "approximation for load that changes slowly."
    )
    if found.has_flash_crowd:
        text += (
            " A flash crowd does not: the approximation says too little while the crowd comes and "
            "too much after it has gone, because the load it follows counts calls that a full "
            "group never took. Go by the simulation."
        )
    if not found.reasons:
        yield text
        return
    yield f"{text} What it does not know of:"
    yield from _listed(found.reasons)


def worst_interval_sentences(plan: Plan) -> Iterator[str]:
    """Why the worst clock interval is not as the average over the run."""
    at = plan.at_answer
    worst = at.worst_interval
    if worst is None or worst.blocking is None or at.blocking is None or not plan.offered:
        return
    place = next(i for i, each in enumerate(plan.offered) if each.from_us == worst.from_us)
    busiest = max(plan.offered, key=lambda each: each.erlangs)
    there = plan.offered[place].erlangs
    yield (
        f"In the worst interval, {span(worst)}, blocking is {interval_text(worst.blocking)} "
        f"against {percent(at.blocking.value)} over the whole run: it has {_shares(plan)}. "
        f"Calls in progress, were there always room, average {there:,.1f} erlang there and "
        f"{plan.offered_erlangs:,.1f} over the run. {_why(there > plan.offered_erlangs)}"
    )
    yield from _own_limits_there(plan)
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


def _shares(plan: Plan) -> str:
    """``31 % of the calls and 64 % of the losses``."""
    at = plan.at_answer
    assert at.worst_interval is not None
    calls = sum(each.offered_calls for each in at.intervals)
    lost = sum(each.lost_calls for each in at.intervals)
    of_calls = 100 * at.worst_interval.offered_calls / calls
    text = f"{of_calls:.0f} % of the calls"
    if lost > 0:
        text += f" and {100 * at.worst_interval.lost_calls / lost:.0f} % of the losses"
    return text


def _why(is_busier: bool) -> str:
    if is_busier:
        return (
            "Blocking grows much faster than load, so the average over a run is made in its "
            "busiest part and thinned out by the calls of the rest."
        )
    return (
        "More is lost there than that load explains: calls come in bursts, callers try again, or "
        "limits change."
    )


def _own_limits_there(plan: Plan) -> Iterator[str]:
    rest = plan.worst_with_room_for_all
    if rest is not None and rest.value > 0:
        worst = plan.at_answer.worst_interval
        assert worst is not None
        assert worst.blocking is not None
        yield (
            f"Of the {percent(worst.blocking.value)} there, {percent(rest.value)} would be left "
            "with room for all: turned away by tenants' own limits."
        )
