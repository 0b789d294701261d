"""Judges a history stretch by stretch: each restart of the service begins a new one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import msgspec
import numpy as np

from simulator.checker.admission import Admissions
from simulator.checker.answers import judge_answers
from simulator.checker.columns import INDEFINITE, OFFER, OK, Columns, Names, columns_of
from simulator.checker.counters import CounterBounds
from simulator.checker.judgement import Claim, Findings, HistoryJudgement
from simulator.checker.limits import LimitsOverTime, ended_us, limits_over_time
from simulator.checker.proof import alarms_of
from simulator.checker.reads import (
    IN_USE,
    Key,
    Read,
    in_microseconds,
    judge_growth,
    judge_snapshots,
    reads_of,
)
from simulator.checker.slots import Slots
from simulator.checker.steps import FOREVER
from simulator.checker.stretch import Evidence
from simulator.checker.tenancy import judge_tenancy
from simulator.checker.windows import windows_of
from simulator.history import (
    History,
    HistoryDeadlines,
    HistoryHeader,
    Operation,
    TenantLimits,
)


def check_history(
    history: History,
    limit: int | None = None,
    tenant_caps: Mapping[str, int] | None = None,
) -> HistoryJudgement:
    """Judge a history.

    ``limit`` and ``tenant_caps`` stand in for the limits its header begins with.
    """
    tenants_known = history.header.tenants is not None
    header = _with_limits(history.header, limit, tenant_caps or {})
    found, whole = _found(header, history.operations, _hidden_from(history), tenants_known)

    def claimed(operations: Sequence[Operation]) -> Iterable[Claim]:
        alone, _ = _found(header, operations, FOREVER, tenants_known)
        return alone.claims

    columns = whole.columns
    if header.limit is None:
        found.note("the total limit is not known and not judged; give it with --capacity")
    if not header.complete:
        found.note("others used the service: only what holds all the same was judged")
    if history.truncated:
        found.note(
            "the history is cut off: judged as far as it is whole, "
            f"which is up to {max(0, whole.hidden_from_us)} us"
        )
    if spans := whole.restarts_joined:
        found.note(
            f"the service lost its state {len(spans)} time{'s' if len(spans) > 1 else ''}: "
            "each stretch was judged by itself, operations during a restart only as possible"
        )
    unexpected = [each for each in whole.restarts if each.unexpected]
    for each in unexpected:
        found.note(f"nobody planned the restart between {each.invoke_us} and {ended_us(each)} us")
    offered = columns.call[(columns.op == OFFER) & np.isin(columns.result, (OK, INDEFINITE))]
    return HistoryJudgement(
        alarms=tuple(alarms_of(found.claims, claimed)),
        bounds=tuple(found.bounds),
        notes=tuple(found.notes),
        operations=len(history.operations),
        calls_offered=len(np.unique(offered)),
        truncated=history.truncated,
        restarted=bool(unexpected),
    )


def _found(
    header: HistoryHeader,
    operations: Sequence[Operation],
    hidden_from_us: int,
    tenants_known: bool,
) -> tuple[Findings, "_Whole"]:
    """Everything found in operations that are whole up to an instant."""
    found = Findings([], [], [])
    columns, names, others = columns_of(operations)
    restarts = [operations[place] for place in others["restart"]]
    spans = _spans(restarts)
    changes = tuple(operations[place] for place in others["limits"])
    whole = _Whole(
        header=header,
        columns=columns,
        names=names,
        operations=operations,
        changes=tuple(each for each in changes if each.result in ("ok", "indefinite")),
        reads=reads_of([operations[place] for place in others["read"]], found),
        limits=limits_over_time(header, changes, restarts, tenants_known=tenants_known),
        restarts=restarts,
        restarts_joined=spans,
        hidden_from_us=hidden_from_us,
    )
    evidence = Evidence(columns, operations, restarts, whole.changes, None)
    judge_snapshots(whole.reads, _with_rows(whole.limits), evidence, found)
    for before, after in pairwise(_edges(spans, whole.hidden_from_us)):
        _judge_stretch(whole, before, after, found)
    return found, whole


@dataclass(frozen=True, slots=True)
class _Whole:
    """Everything of a history that its stretches share."""

    header: HistoryHeader
    columns: Columns
    names: Names
    operations: Sequence[Operation]
    changes: tuple[Operation, ...]
    reads: Sequence[Read]
    limits: LimitsOverTime
    restarts: Sequence[Operation]
    restarts_joined: Sequence[tuple[int, int]]
    hidden_from_us: int

    def deadlines_after(self, span: tuple[int, int]) -> HistoryDeadlines:
        """Those of the service since a restart, or, where two may have been the last, the shorter.

        What a deadline may end need not end, so the shorter ones allow all that both allow.
        """
        possible = {self.header.deadlines}
        for begin, end in self.restarts_joined:
            within = [each for each in self.restarts if begin <= each.invoke_us <= end <= span[1]]
            if within:
                told = {each.deadlines for each in within if each.deadlines is not None}
                kept = possible if any(each.deadlines is None for each in within) else set()
                possible = told | kept
        return HistoryDeadlines(
            *(
                min((us for us in column if us is not None), default=None)
                for column in zip(*map(msgspec.structs.astuple, possible), strict=True)
            )
        )


def _judge_stretch(
    whole: _Whole, before: tuple[int, int], after: tuple[int, int], found: Findings
) -> None:
    """Judge what lies between the end of one restart and the beginning of the next."""
    columns = _clipped(whole.columns, before, after)
    first = before[1] < 0
    reads = [each for each in whole.reads if each.low_us > before[1] and each.high_us < after[0]]
    base = _baseline(columns, reads) if first else None
    figures = {} if base is None else _in_units(base.figures)
    left_over, unknown_left_over = _left_over(figures)
    others_from_us = after[0]
    if not whole.header.complete or unknown_left_over:
        others_from_us = -1
    deadlines = whole.deadlines_after(before)
    windows = windows_of(columns, len(whole.names.calls), deadlines)
    if after[0] < FOREVER:
        gone = np.minimum(windows.released.low_us, after[0])
        released = replace(windows.released, low_us=gone, possible=np.ones(len(gone), np.bool_))
        windows = replace(windows, released=released)
    slots = Slots(
        windows,
        whole.names.tenant_of,
        whole.names.tenants,
        left_over.pop(None, 0),
        {str(name): count for name, count in left_over.items()},
    )
    may_expire = deadlines != HistoryDeadlines()
    evidence = Evidence(
        columns,
        whole.operations,
        whole.restarts,
        whole.changes,
        None if base is None else base.operation,
    )
    Admissions(
        columns,
        whole.names,
        slots,
        whole.limits,
        evidence,
        others_from_us,
    ).judge(found)
    judge_tenancy(windows, whole.names, whole.limits, evidence, found)
    judge_answers(columns, whole.names, evidence, found, may_expire=may_expire)
    judge_growth(reads, evidence, found)
    found.bounds.clear()
    if base is not None:
        # Of two reads at once, others may have been counted between them in either order.
        since_us = base.low_us if whole.header.complete else base.high_us + 1
        reads = [each for each in reads if each is base or each.low_us >= since_us]
    begun_us = columns.low_us.min(initial=FOREVER)
    CounterBounds(
        slots,
        whole.names,
        whole.limits,
        evidence,
        columns.call[columns.low_us == begun_us][:1].astype(np.int64),
        figures,
        others_from_us,
    ).judge(reads, found)


def _with_rows(limits: LimitsOverTime) -> frozenset[str] | None:
    """Tenants that ever had a row of their own, or None when they are not known."""
    if not limits.tenants_known:
        return None
    return frozenset(
        name
        for name, ranges in limits.tenants.items()
        if ranges.configured.greatest.values.max() == 1
    )


def _clipped(columns: Columns, before: tuple[int, int], after: tuple[int, int]) -> Columns:
    """The operations that may have taken effect in a stretch, in the part of it they may have."""
    if before[1] < 0 and after[0] >= FOREVER:
        return columns
    inside = columns.chosen((columns.high_us >= before[0]) & (columns.low_us <= after[1]))
    crossing = (inside.low_us <= before[1]) | (inside.high_us >= after[0])
    # A refusal says nothing about a stretch it may not belong to.
    kept = ~crossing | np.isin(inside.result, (OK, INDEFINITE))
    inside, crossing = inside.chosen(kept), crossing[kept]
    return replace(
        inside,
        low_us=np.maximum(inside.low_us, before[0]),
        sure=inside.sure & ~crossing,
    )


def _baseline(columns: Columns, reads: Sequence[Read]) -> Read | None:
    """The last read completed before the first operation on a call was sent."""
    begin = int(columns.low_us.min(initial=FOREVER))
    idle = [each for each in reads if each.high_us < begin]
    return idle[-1] if idle else None


def _in_units(figures: Mapping[Key, float]) -> dict[Key, float]:
    """Figures in the units of their bounds; microseconds where both units were read."""
    found: dict[Key, float] = {}
    for key, value in figures.items():
        unit, figure, _ = in_microseconds(key, value)
        if unit == key or unit not in figures:
            found[unit] = figure
    return found


def _left_over(figures: Mapping[Key, float]) -> tuple[dict[str | None, int], bool]:
    """Slots in use before the first operation, and whether they are unknown though there may be."""
    left_over = {tenant: int(n) for (tenant, name), n in figures.items() if name == IN_USE}
    used = any(value for (_, name), value in figures.items() if name != IN_USE)
    return left_over, used and None not in left_over


def _spans(restarts: Sequence[Operation]) -> list[tuple[int, int]]:
    """The instants of restarts, those that overlap joined."""
    joined: list[tuple[int, int]] = []
    for each in sorted(restarts, key=lambda each: each.invoke_us):
        end = ended_us(each)
        if joined and each.invoke_us <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((each.invoke_us, end))
    return joined


def _edges(spans: Sequence[tuple[int, int]], hidden_from_us: int) -> list[tuple[int, int]]:
    """What the stretches lie between: the beginning, restarts, and where the history is hidden.

    A restart that was not over by then stands in what is hidden, with all that comes after it.
    """
    seen = [span for span in spans if span[1] < hidden_from_us]
    hidden = [begin for begin, end in spans if end >= hidden_from_us]
    return [(-1, -1), *seen, (min([hidden_from_us, *hidden]), FOREVER)]


def _hidden_from(history: History) -> int:
    """From when operations may be missing: those not yet answered when a history was cut off.

    What was sent from then on may be anything, a restart included, so the stretch ends there. The
    driver said now and then from when on nothing was open any more; where it did not, nothing is
    open for longer than the timeout that it keeps.
    """
    if not history.truncated:
        return FOREVER
    settled = [each.invoke_us for each in history.operations if each.op == "settled"]
    if settled:
        return max(settled)
    if history.header.timeout_us is None or not history.operations:
        return 0
    last = max(
        each.invoke_us if each.complete_us is None else each.complete_us
        for each in history.operations
    )
    return max(0, last - history.header.timeout_us)


def _with_limits(
    header: HistoryHeader, limit: int | None, caps: Mapping[str, int]
) -> HistoryHeader:
    if limit is not None:
        header = msgspec.structs.replace(header, limit=limit)
    if caps:
        tenants = dict(header.tenants or {})
        for name, cap in caps.items():
            known = tenants.get(name, TenantLimits())
            tenants[name] = msgspec.structs.replace(known, max_concurrent_calls=cap)
        header = msgspec.structs.replace(header, tenants=tenants)
    return header
