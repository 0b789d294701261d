"""Shrinks a trace that makes a service fail to a few calls that still do.

Delta debugging (Zeller and Hildebrandt, 'Simplifying and isolating failure-inducing input', 2002)
over chains of calls first, then over the ends of chains, deliveries, tenants, and what the calls
are played against; lower limits let fewer calls fail. The calls themselves are never changed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from simulator.oracle import expect
from simulator.results import Engine
from simulator.statistics import statistics_of
from simulator.trace import (
    DELIVERY_COLUMNS,
    NEVER,
    ROW_COLUMNS,
    CallTrace,
    Conditions,
    Deliveries,
    Int64s,
    TraceInvalid,
)
from simulator.verdict import judge

MOST_PLAYS: Final = 600
"""Traces tried at most."""

MOST_ROWS: Final = 4_000_000
"""Rows played at most, all tries together: a long trace gets fewer tries."""

Fails = Callable[[CallTrace], bool]


def fails_on(engine: Engine) -> Fails:
    """Whether a trace, played by ``engine``, breaks an oracle check or an invariant."""

    def fails(trace: CallTrace) -> bool:
        observed = engine.run(trace)
        judgement = judge(
            trace=trace,
            observed=observed,
            expected=expect(trace),
            statistics=statistics_of(trace, observed.log),
        )
        return not all(check.ok for check in (*judgement.expectations, *judgement.invariants))

    return fails


def shrink(
    trace: CallTrace, fails: Fails, *, plays: int = MOST_PLAYS, rows: int = MOST_ROWS
) -> CallTrace:
    """The smallest part of ``trace`` found that still fails; itself when nothing can be left out.

    ``fails`` is asked at most ``plays`` times, over at most ``rows`` rows in all. ``trace`` is
    taken to fail.
    """
    search = _Search(trace, fails, plays, rows)
    before = None
    while before is not search.best:
        before = search.best
        _drop_chains(search)
        _drop_ends(search)
        _drop_deliveries(search)
        _drop_tenants(search)
        _drop_conditions(search)
        _lower_limits(search)
    return search.best


@dataclass(slots=True)
class _Search:
    """The smallest failing trace so far and what may still be spent."""

    best: CallTrace
    fails: Fails
    plays: int
    rows: int

    def take(self, make: Callable[[], CallTrace]) -> bool:
        """Keep a smaller trace if it still fails; one that contradicts itself does not count."""
        if self.plays <= 0 or self.rows <= 0:
            return False
        try:
            smaller = make()
        except TraceInvalid:
            return False
        self.plays -= 1
        self.rows -= len(smaller) + 1
        if not self.fails(smaller):
            return False
        self.best = smaller
        return True


def _drop_chains(search: _Search) -> None:
    """Delta debugging over independent rows, each with its dependents."""
    pieces = 2
    while True:
        roots = np.flatnonzero(search.best.column("after") == NEVER)
        if len(roots) < 2:
            return
        pieces = min(pieces, len(roots))
        parts = np.array_split(np.arange(len(roots)), pieces)
        if _take_one_of(search, parts, len(roots)):
            pieces = 2
        elif _take_all_but_one(search, parts, len(roots)):
            pieces = max(pieces - 1, 2)
        elif pieces == len(roots) or search.plays <= 0 or search.rows <= 0:
            return
        else:
            pieces *= 2


def _take_one_of(search: _Search, parts: Sequence[Int64s], roots: int) -> bool:
    trace = search.best
    return any(
        search.take(lambda kept=part: _with_chains(trace, kept, roots))  # type: ignore[misc]
        for part in parts
        if len(part) < roots
    )


def _take_all_but_one(search: _Search, parts: Sequence[Int64s], roots: int) -> bool:
    trace = search.best
    if len(parts) == 2:
        return False
    return any(
        search.take(
            lambda left_out=part: _with_chains(  # type: ignore[misc]
                trace, np.setdiff1d(np.arange(roots), left_out), roots
            )
        )
        for part in parts
    )


def _with_chains(trace: CallTrace, kept: Int64s, roots: int) -> CallTrace:
    """The chains with these numbers; a chain's rows stand together, its first one before them."""
    chosen = np.zeros(roots, np.bool_)
    chosen[kept] = True
    chain = np.cumsum(trace.column("after") == NEVER) - 1
    return with_rows(trace, np.flatnonzero(chosen[chain]))


def with_rows(trace: CallTrace, kept: Int64s) -> CallTrace:
    """The trace without the other rows. ``kept`` must hold the predecessors of what it holds."""
    place = np.full(len(trace) + 1, NEVER, np.int64)
    place[kept] = np.arange(len(kept))
    columns: dict[str, Any] = {name: trace.column(name)[kept] for name in ROW_COLUMNS}
    columns["after"] = place[columns["after"]]
    deliveries = trace.deliveries
    still = place[deliveries.call] != NEVER
    return CallTrace(
        conditions=trace.conditions,
        deliveries=_those(deliveries, still, place),
        **columns,
    )


def _those(deliveries: Deliveries, which: Any, place: Int64s | None = None) -> Deliveries:
    columns = {name: getattr(deliveries, name)[which] for name in DELIVERY_COLUMNS}
    if place is not None:
        columns["call"] = place[columns["call"]]
    return Deliveries(**columns)


def _drop_ends(search: _Search) -> None:
    """Rows that nothing depends on, the last first."""
    row = len(search.best) - 1
    while row >= 0 and search.plays > 0 and search.rows > 0:
        trace = search.best
        after = trace.column("after")
        if after[row] != NEVER and not (after == row).any():
            search.take(lambda: with_rows(trace, np.delete(np.arange(len(trace)), row)))  # noqa: B023
        row -= 1


def _drop_deliveries(search: _Search) -> None:
    for number in reversed(range(len(search.best.deliveries))):
        trace = search.best
        kept = np.delete(np.arange(len(trace.deliveries)), number)
        search.take(lambda: replace(trace, deliveries=_those(trace.deliveries, kept)))  # noqa: B023


def _drop_tenants(search: _Search) -> None:
    """Tenants without calls, with whatever names them."""
    for number in reversed(range(len(search.best.conditions.tenants))):
        trace = search.best
        if len(trace.conditions.tenants) > 1 and not (trace.column("tenant") == number).any():
            search.take(lambda: _without_tenant(trace, number))  # noqa: B023


def _without_tenant(trace: CallTrace, number: int) -> CallTrace:
    conditions = trace.conditions
    gone = conditions.tenants[number].tenant_id
    tenant = trace.column("tenant")
    faults = [
        replace(
            fault,
            tenants=None
            if fault.tenants is None
            else tuple(name for name in fault.tenants if name != gone),
        )
        for fault in conditions.lookup_faults
    ]
    changes = [
        replace(change, tenants={key: each for key, each in change.tenants.items() if key != gone})
        for change in conditions.changes
    ]
    return replace(
        trace,
        tenant=np.where(tenant > number, tenant - 1, tenant).astype(np.int32),
        conditions=replace(
            conditions,
            tenants=conditions.tenants[:number] + conditions.tenants[number + 1 :],
            lookup_faults=tuple(fault for fault in faults if fault.tenants != ()),
            changes=tuple(
                change
                for change in changes
                if change.tenants or change.max_concurrent_calls is not None
            ),
        ),
    )


def _drop_conditions(search: _Search) -> None:
    """One by one what the calls are played against."""
    for simpler in _simpler_conditions(search.best.conditions):
        trace = search.best
        search.take(lambda: replace(trace, conditions=simpler(trace.conditions)))  # noqa: B023


def _simpler_conditions(first: Conditions) -> Iterator[Callable[[Conditions], Conditions]]:
    def without(name: str, number: int) -> Callable[[Conditions], Conditions]:
        def simpler(conditions: Conditions) -> Conditions:
            values = getattr(conditions, name)
            return replace(conditions, **{name: values[:number] + values[number + 1 :]})

        return simpler

    def with_value(name: str, value: Any) -> Callable[[Conditions], Conditions]:
        return lambda conditions: replace(conditions, **{name: value})

    for name in ("changes", "lookup_faults", "checkpoints_us"):
        if getattr(first, name):
            yield with_value(name, ())
        for number in reversed(range(min(len(getattr(first, name)), 50))):
            yield without(name, number)
    for name in ("pending_deadline_us", "accepted_deadline_us", "active_deadline_us"):
        if getattr(first, name) is not None:
            yield with_value(name, None)
    if first.warm_up_us:
        yield with_value("warm_up_us", 0)


def _lower_limits(search: _Search) -> None:
    """The total limit, each tenant's cap and its reservation, as low as still fails."""

    def total(conditions: Conditions, value: int) -> Conditions:
        return replace(conditions, max_concurrent_calls=value)

    _lower(search, search.best.conditions.max_concurrent_calls, 1, total)
    for number, tenant in enumerate(search.best.conditions.tenants):
        for name, least in (("max_concurrent_calls", 1), ("reserved_calls", 0)):
            value = getattr(tenant, name)
            if value is not None:
                _lower(search, value, least, _tenant_setter(number, name))


def _lower(
    search: _Search, value: int, least: int, put: Callable[[Conditions, int], Conditions]
) -> None:
    """Try the least value at once, then steps that halve until single ones fail too."""
    step = value - least
    while step > 0 and search.plays > 0 and search.rows > 0:
        trace, lower = search.best, value - step
        if lower >= least and search.take(
            lambda: replace(trace, conditions=put(trace.conditions, lower))  # noqa: B023
        ):
            value = lower
        else:
            step //= 2


def _tenant_setter(number: int, name: str) -> Callable[[Conditions, int], Conditions]:
    def put(conditions: Conditions, value: int) -> Conditions:
        tenants = list(conditions.tenants)
        tenants[number] = replace(tenants[number], **{name: value})  # type: ignore[arg-type]
        return replace(conditions, tenants=tuple(tenants))

    return put
