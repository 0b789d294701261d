"""Reads of counters, in order, and what can be said of them by themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from service.calls import (
    COUNTER_NAMES,
    COUNTERS,
    MINUTES_PROCESSED,
    UNKNOWN_TENANT,
    US_PER_MINUTE,
    Counter,
)
from simulator.checker.judgement import Claim, Findings
from simulator.checker.stretch import NO_CALLS, Evidence
from simulator.history import Operation

IN_USE: Final = "in_use"
GAUGES: Final = (IN_USE, *(spec.name for spec in COUNTERS if spec.is_gauge))
KNOWN: Final = frozenset((*(spec.name for spec in COUNTERS), MINUTES_PROCESSED))
_ACTIVE, _STARTED, _ENDED, _FAILED, _REFERRED = (
    COUNTER_NAMES[counter]
    for counter in (
        Counter.ACTIVE_CALLS,
        Counter.STARTED_CALLS,
        Counter.ENDED_CALLS,
        Counter.FAILED_CALLS,
        Counter.REFERRED_CALLS,
    )
)
LAWS: Final = ((f"{_ACTIVE} = {_STARTED} - {_ENDED}", (_ACTIVE, _ENDED), _STARTED),)
AT_MOST: Final = ((_FAILED, _ENDED), (_REFERRED, _STARTED))

Key = tuple[str | None, str]
"""A tenant (None: the total) and the name of a counter, or ``in_use``."""


@dataclass(frozen=True, slots=True)
class Read:
    """One snapshot: figures by tenant and name."""

    operation: Operation
    low_us: int
    high_us: int
    figures: dict[Key, float]


def reads_of(operations: Iterable[Operation], found: Findings) -> list[Read]:
    """Answered reads in order of invocation."""
    reads = []
    for operation in operations:
        if operation.result != "ok" or operation.complete_us is None:
            continue
        figures: dict[Key, float] = {}
        rows: list[tuple[str | None, dict[str, int | float]]] = []
        if operation.counters is not None:
            if operation.counters.total is not None:
                rows.append((None, operation.counters.total))
            rows += operation.counters.tenants.items()
        for tenant, row in rows:
            for name, value in row.items():
                if name in KNOWN:
                    figures[tenant, name] = value
                else:
                    found.note(f"{name} is no counter of busyhour and is not judged")
        if operation.in_use is not None:
            if operation.in_use.total is not None:
                figures[None, IN_USE] = operation.in_use.total
            figures.update({(name, IN_USE): n for name, n in operation.in_use.tenants.items()})
        reads.append(Read(operation, operation.invoke_us, operation.complete_us, figures))
    return sorted(reads, key=lambda read: (read.low_us, read.high_us))


def judge_snapshots(
    reads: Sequence[Read],
    configured: frozenset[str] | None,
    evidence: Evidence,
    found: Findings,
) -> None:
    """The laws that hold within one read; each is reported once, where it first breaks.

    ``configured``: every tenant that has a row of its own, or None when they are not known.
    """
    broken: set[str] = set()
    for read in reads:
        for law, calls in _broken_laws(read, configured):
            if law not in broken:
                broken.add(law)
                bearing = evidence.of(NO_CALLS, read.operation)
                found.claims.append(Claim("law_broken", f"{law}: {calls}", (), bearing))


def _broken_laws(read: Read, configured: frozenset[str] | None) -> Iterable[tuple[str, str]]:
    figures = read.figures
    tenants = dict.fromkeys(tenant for tenant, _ in figures if tenant is not None)
    for tenant in (None, *tenants):
        where = "total" if tenant is None else tenant
        for law, parts, sum_name in LAWS:
            read_all = all((tenant, name) in figures for name in (*parts, sum_name))
            if (
                read_all
                and sum(figures[tenant, part] for part in parts) != figures[tenant, sum_name]
            ):
                yield law, f"{where} reads {_listed(figures, tenant, (*parts, sum_name))}"
        for small, large in AT_MOST:
            if figures.get((tenant, small), 0) > figures.get((tenant, large), np.inf):
                yield (
                    f"{small} is at most {large}",
                    f"{where} reads {_listed(figures, tenant, (small, large))}",
                )
    for name in dict.fromkeys(name for tenant, name in figures if tenant is None):
        rows = [figures[tenant, name] for tenant in tenants if (tenant, name) in figures]
        if not rows:
            continue
        whole, added = figures[None, name], sum(rows)
        every = configured is not None and configured <= set(tenants) and len(rows) == len(tenants)
        every &= name == IN_USE or UNKNOWN_TENANT in tenants
        slack = 1e-6 * max(1.0, abs(whole)) if name == MINUTES_PROCESSED else 0
        if added > whole + slack or (every and added < whole - slack):
            relation = "is" if every else "is at least"
            yield (
                f"the total of {name} {relation} the sum of the tenants",
                f"the total is {whole:.15g}, the tenants add up to {added:.15g}",
            )


def _listed(figures: dict[Key, float], tenant: str | None, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {figures[tenant, name]:.15g}" for name in names)


def judge_growth(reads: Sequence[Read], evidence: Evidence, found: Findings) -> None:
    """Counters only grow from one read to a later one that does not overlap it."""
    by_end = sorted(reads, key=lambda read: read.high_us)
    highest: dict[Key, tuple[float, Read]] = {}
    told: set[Key] = set()
    ended = 0
    for read in reads:
        while ended < len(by_end) and by_end[ended].high_us < read.low_us:
            earlier = by_end[ended]
            for key, value in earlier.figures.items():
                if key[1] not in GAUGES and value >= highest.get(key, (value, earlier))[0]:
                    highest[key] = (value, earlier)
            ended += 1
        for key, value in read.figures.items():
            before = highest.get(key)
            if before is None or value >= before[0] or key in told:
                continue
            told.add(key)
            claim = Claim(
                "counter_fell",
                f"{key[1]} of {whose(key[0])} fell from {before[0]:.15g} to {value:.15g}",
                (),
                evidence.of(NO_CALLS, before[1].operation, read.operation),
            )
            found.claims.append(claim)


def whose(tenant: str | None) -> str:
    return "the total" if tenant is None else tenant


def in_microseconds(key: Key, value: float) -> tuple[Key, float, float]:
    """A figure in the units of its bounds, and how far rounding may have moved it."""
    if key[1] == MINUTES_PROCESSED:
        micros = value * US_PER_MINUTE
        return (key[0], COUNTER_NAMES[Counter.ACTIVE_US_TOTAL]), micros, 1.0 + 1e-9 * abs(micros)
    return key, value, 0.0
