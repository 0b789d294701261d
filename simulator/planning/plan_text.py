"""A plan for a terminal: the answer, what was measured around it, and why."""

from collections.abc import Iterator
from textwrap import fill

from simulator.planning.estimate import Estimate
from simulator.planning.formula_words import FORMULA_NAMES, load_words, unknown_to
from simulator.planning.measure import Point
from simulator.planning.result import Plan, Sensitivity, SensitivityRow, SlotsNeeded
from simulator.planning.target import BLOCKING, TIME_CONGESTION
from simulator.planning.words import aimed_at, interval_text, percent, span

_WIDTH = 100


def plan_lines(plan: Plan) -> Iterator[str]:
    """What is printed of a plan."""
    each = " for every tenant" if plan.per_tenant else ""
    yield (
        f"{plan.scenario}: {plan.answer:,} slots for {plan.target}{each} "
        f"({100 * plan.confidence:g} % confidence, {plan.replications} replications, "
        f"seed {plan.seed})"
    )
    yield ""
    yield from _around(plan)
    yield ""
    yield from _at_answer(plan)
    yield from _tenants(plan.at_answer)
    if plan.sensitivity is not None:
        yield ""
        yield from _sensitivity(plan, plan.sensitivity)
    yield ""
    yield from _formulas(plan)
    yield ""
    for sentence in plan.explanation:
        yield _wrapped(sentence)
    yield ""
    yield "Assumptions:"
    for sentence in plan.assumptions:
        yield _wrapped(f"- {sentence}")


def _around(plan: Plan) -> Iterator[str]:
    worst = plan.interval_us is not None
    is_further = not plan.is_of_all or plan.target.statistic not in (BLOCKING, TIME_CONGESTION)
    width = max(34, len(aimed_at(plan)) + 2)
    target, of_all = "", "blocking"
    if is_further:
        target, of_all = f"{aimed_at(plan):<{width}}", "blocking of all"
    head = f"  {'slots':>8}  {target}{of_all:<34}{'time congestion':<34}{'occupancy':>10}"
    yield head + ("  worst interval" if worst else "")
    for point, at_target in zip(plan.points, plan.target_values, strict=True):
        mark = "->" if point.max_concurrent_calls == plan.answer else "  "
        target = f"{interval_text(at_target.value):<{width}}" if is_further else ""
        line = (
            f"{mark}{point.max_concurrent_calls:>8,}  {target}{interval_text(point.blocking):<34}"
            f"{interval_text(point.time_congestion):<34}{_value(point.occupancy):>10}"
        )
        if worst and point.worst_interval is not None:
            line += f"  {span(point.worst_interval)}: {_value(point.worst_interval.blocking)}"
        yield line


def _at_answer(plan: Plan) -> Iterator[str]:
    at = plan.at_answer
    yield (
        f"  offered {at.offered_calls:,.0f} calls and {plan.offered_erlangs:,.2f} erlang a run, "
        f"carried {at.carried_erlangs:,.2f} erlang ({at.carried_minutes:,.0f} slot minutes), at "
        f"most {at.peak_in_use:,} at once"
    )
    yield (
        f"  first attempts blocked {interval_text(at.first_attempt_blocking)}, callers lost for "
        f"good {interval_text(at.eventual_loss)}"
    )


def _tenants(point: Point) -> Iterator[str]:
    if len(point.tenants) < 2:
        return
    yield ""
    width = max(len(name) for name in (*point.tenants, "tenant"))
    yield f"  {'tenant':<{width}}  {'blocking':<34}{'carried':>12}{'peak':>8}"
    for name, tenant in point.tenants.items():
        line = (
            f"  {name:<{width}}  {interval_text(tenant.blocking):<34}"
            f"{tenant.carried_erlangs:>10,.2f} E{tenant.peak_in_use:>8,}"
        )
        if tenant.worst_interval is not None:
            worst = tenant.worst_interval
            line += f"  worst {span(worst)}: {_value(worst.blocking)}"
        yield line


def _sensitivity(plan: Plan, found: Sensitivity) -> Iterator[str]:
    yield (
        f"  What if: slots by the average of {found.replications} replications of each (the answer "
        f"rests on {plan.replications}), intervals at {100 * plan.confidence:g} %"
    )
    yield f"  {'if':<30}{'slots needed':<24}{'':>7}   {aimed_at(plan)} with {plan.answer:,} slots"
    yield f"  {'as it is':<30}{_needed(found.base)}"
    for row in found.rows:
        yield _row(found, row)
    if (node := found.node) is not None:
        label = f"a node of {node.slots:,} slots lost"
        yield (
            f"  {label:<30}{node.needed:<24,}{f'+{node.slots:,}':>7}   "
            f"{interval_text(node.with_left)}"
        )
    for row in found.growth:
        yield _row(found, row)
    for note in found.notes:
        yield _wrapped(f"  {note}")


def _row(found: Sensitivity, row: SensitivityRow) -> str:
    more = ""
    if row.needed is not None and found.base is not None:
        more = f"{row.needed.slots - found.base.slots:+,}"
    return f"  {row.label:<30}{_needed(row.needed):<24}{more:>7}   {interval_text(row.at_answer)}"


def _needed(needed: SlotsNeeded | None) -> str:
    """``399 (392 to 406)``."""
    if needed is None:
        return "none is enough"
    if needed.high is None:
        return f"{needed.slots:,} ({needed.low:,} or more)"
    return f"{needed.slots:,} ({needed.low:,} to {needed.high:,})"


def _formulas(plan: Plan) -> Iterator[str]:
    """What formulas say, then what they do not know of."""
    with_answer = f"with {plan.answer:,} slots"
    yield f"  {'formula':<24}{'slots':>8}  {with_answer:>18}   load"
    yield (
        f"  {'the simulation':<24}{plan.answer:>8,}  {percent(plan.target_at_answer.value):>18}   "
        f"{plan.offered_erlangs:,.2f} E on average, measured"
    )
    for formula in plan.formulas:
        slots = "-" if formula.slots is None else f"{formula.slots:,}"
        yield (
            f"  {FORMULA_NAMES[formula.kind]:<24}{slots:>8}  {percent(formula.at_answer):>18}   "
            f"{load_words(formula)}"
        )
    unknown = list(unknown_to(plan.formulas))
    if unknown:
        yield "What a formula does not know of:"
    for sentence in unknown:
        yield _wrapped(f"- {sentence}")


def _value(estimate: Estimate | None) -> str:
    return "-" if estimate is None else percent(estimate.value)


def _wrapped(sentence: str) -> str:
    indent = "  " if sentence.startswith(("- ", "  ")) else ""
    return fill(
        sentence,
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        # Options are not torn apart.
        break_on_hyphens=False,
    )
