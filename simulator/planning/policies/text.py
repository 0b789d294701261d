"""A comparison of sharing policies for a terminal: who loses how much, how unfair, at what cost."""

from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import Final

from simulator.planning.estimate import Estimate
from simulator.planning.policies.result import (
    Comparison,
    Difference,
    Parameters,
    PolicyOutcome,
    Slots,
    TenantOutcome,
)
from simulator.planning.words import interval_text, percent

_WIDTH: Final = 100
_MORE: Final = "+"
_LESS: Final = "-"

Row = Sequence[str]


def comparison_lines(found: Comparison) -> Iterator[str]:
    """What is printed of a comparison."""
    limits = sorted({each.max_concurrent_calls for each in found.policies})
    slots = f"{limits[0]:,}" if len(limits) == 1 else f"{limits[0]:,} to {limits[-1]:,}"
    yield (
        f"{found.scenario}: {slots} slots shared in {len(found.policies)} ways, "
        f"{found.replications} replications of the same calls "
        f"({100 * found.confidence:g} % confidence, seed {found.seed})"
    )
    yield ""
    yield "Who loses how much (blocked or preempted, of all calls offered)"
    yield from _table(_losses(found), text_columns=2)
    yield ""
    yield "Each tenant"
    yield from _table(_tenants(found), text_columns=1)
    yield f"  {_MORE} or {_LESS}: more or less than in one pool, beyond chance"
    yield ""
    yield "How unfair"
    yield from _table(_unfairness(found), text_columns=2)
    if found.overload is not None:
        yield ""
        yield from _overload(found)
    if any(each.slots is not None for each in found.policies):
        yield ""
        yield from _costs(found)
    yield ""
    yield "What each policy sets"
    yield from _table(_parameters(found), text_columns=1)
    yield ""
    for each in found.policies:
        yield _wrapped(f"- {each.name}: {each.rule}.")
    if found.notes:
        yield ""
    for note in found.notes:
        yield _wrapped(note)


def _losses(found: Comparison) -> Iterator[Row]:
    with_limit = len({each.max_concurrent_calls for each in found.policies}) > 1
    with_preempted = any(each.preempted_calls for each in found.policies)
    yield (
        "policy", "lost", "against one pool", "first attempts", "carried", "occupancy",
        *(["preempted"] if with_preempted else []), *(["slots"] if with_limit else []),
    )  # fmt: skip
    for each in found.policies:
        yield (
            each.name,
            interval_text(each.lost),
            _difference(each.over_one_pool),
            _share(each.first_attempt_blocking),
            f"{each.carried_erlangs:,.2f} E",
            _share(each.occupancy),
            *([f"{each.preempted_calls:,.1f}"] if with_preempted else []),
            *([f"{each.max_concurrent_calls:,}"] if with_limit else []),
        )


def _tenants(found: Comparison) -> Iterator[Row]:
    yield "tenant", *(each.name for each in found.policies)
    for load in found.loads:
        cells = [_of(each, load.tenant) for each in found.policies]
        yield load.tenant, *(_lost(each) for each in cells)


def _of(policy: PolicyOutcome, tenant: str) -> TenantOutcome:
    return next(each for each in policy.tenants if each.tenant == tenant)


def _lost(outcome: TenantOutcome) -> str:
    if outcome.lost is None:
        return "- "
    mark = " "
    apart = outcome.over_one_pool
    if apart is not None and apart.is_sure:
        mark = _MORE if apart.value > 0 else _LESS
    reach = max(outcome.lost.high - outcome.lost.value, outcome.lost.value - outcome.lost.low)
    return f"{100 * outcome.lost.value:.2f} % ±{100 * reach:.2f}{mark}"


def _unfairness(found: Comparison) -> Iterator[Row]:
    yield (
        "policy", "worst off", "loses", "times the average", "Jain's index",
        "worse off than with a pool of its own",
    )  # fmt: skip
    for each in found.policies:
        fair = each.fairness
        worst = "-" if fair.worst_tenant is None else fair.worst_tenant
        lost = "-"
        if fair.worst_tenant is not None:
            lost = _share(_of(each, fair.worst_tenant).lost)
        times = "-"
        if fair.worst_over_average is not None:
            times = f"{fair.worst_over_average:.2f}" + ("" if fair.unequal else " (chance)")
        index = "-" if fair.jain_index is None else f"{fair.jain_index:.4f}"
        yield each.name, worst, lost, times, index, _who(fair.worse_than_own_pools, found)


def _who(names: Sequence[str], found: Comparison) -> str:
    if not names:
        return "nobody"
    if len(names) == len(found.loads) and len(names) > 2:
        return "everybody"
    if len(names) > 3:
        return f"{len(names)} tenants"
    return ", ".join(names)


def _overload(found: Comparison) -> Iterator[str]:
    assert found.overload is not None
    name, factor = found.overload.tenant, found.overload.factor
    yield f"Who is hurt when {name} offers {factor:g} times its calls"

    def rows() -> Iterator[Row]:
        yield "policy", "hurt most", "loses more", "hurt beyond chance"
        for each in found.policies:
            hurt = {
                one.tenant: one.by_overload for one in each.tenants if one.by_overload is not None
            }
            most = max(hurt, key=lambda tenant: hurt[tenant].value, default=None)
            if most is None or hurt[most].value <= 0:
                yield each.name, "-", "-", "nobody"
                continue
            count = len(each.fairness.hurt_by_overload)
            said = "nobody" if count == 0 else f"{count} of {len(hurt)} others"
            yield each.name, most, _difference(hurt[most]), said

    yield from _table(list(rows()), text_columns=2)


def _costs(found: Comparison) -> Iterator[str]:
    everybody = len(found.protected) == len(found.loads)
    who = "every tenant" if everybody else ", ".join(found.protected)
    yield f"What it costs: slots needed for {found.target} of {who}"
    # Where only the tenant that overloads is protected, there is no rest to protect from it.
    strained = found.overload is not None and set(found.protected) != {found.overload.tenant}

    def rows() -> Iterator[Row]:
        overload = ["for the rest in overload"] if strained else []
        yield "policy", "slots", "could be", "over one pool", "over own pools", *overload
        for each in found.policies:
            slots = each.slots
            if slots is None:
                continue
            more = [_count(slots.in_overload)] if strained else []
            yield (
                each.name,
                _count(slots.needed),
                _range(slots),
                _signed(slots.over_one_pool),
                _signed(slots.over_own_pools),
                *more,
            )

    yield from _table(list(rows()), text_columns=1)
    for each in found.policies:
        if each.slots is not None and each.slots.why_none is not None:
            yield _wrapped(f"  {each.name}: no number of slots is enough; {each.slots.why_none}.")


def _range(slots: Slots) -> str:
    if slots.least_possible is None:
        return "-"
    if slots.surely_enough is None:
        return f"{slots.least_possible:,} or more"
    return f"{slots.least_possible:,} to {slots.surely_enough:,}"


def _parameters(found: Comparison) -> Iterator[Row]:
    yield "tenant", "offers", "needs alone", *(each.name for each in found.policies)
    for load in found.loads:
        cells = []
        for policy in found.policies:
            own = [each for each in policy.parameters if each.tenant == load.tenant]
            cells.append(_set(own[0]) if own else "")
        yield load.tenant, f"{load.offered_erlangs:,.1f} E", f"{load.own_need:,}", *cells


def _set(parameters: Parameters) -> str:
    parts = []
    if parameters.max_concurrent_calls is not None:
        parts.append(f"at most {parameters.max_concurrent_calls:,}")
    if parameters.reserved_calls:
        parts.append(f"keeps {parameters.reserved_calls:,}")
    if parameters.leave_free:
        parts.append(f"leaves {parameters.leave_free:,}")
    if parameters.priority is not None:
        parts.append(f"rank {parameters.priority}")
    return ", ".join(parts) or "-"


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    if difference.low == difference.high == 0:
        return "the same"
    low, high = _points(difference.low), _points(difference.high)
    return f"{_points(difference.value)} % ({low} to {high})"


def _points(value: float) -> str:
    text = f"{100 * value:+.2f}"
    return text[1:] if float(text) == 0 else text


def _signed(value: int | None) -> str:
    return "-" if value is None else f"{value:+,}"


def _count(value: int | None) -> str:
    return "none" if value is None else f"{value:,}"


def _share(estimate: Estimate | None) -> str:
    return "-" if estimate is None else percent(estimate.value)


def _table(rows: Iterator[Row] | Sequence[Row], text_columns: int) -> Iterator[str]:
    """Columns as wide as they must be; the first ones are text, the rest is set to the right."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(
            f"{cell:<{width}}" if place < text_columns else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"  {line}".rstrip()


def _wrapped(sentence: str) -> str:
    indent = "  " if sentence.startswith(("- ", "  ")) else ""
    return fill(sentence, _WIDTH, subsequent_indent=indent, break_long_words=False)
