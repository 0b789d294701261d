"""Laws that hold for whatever a service counts, at every instant, whatever the traffic.

They need no expected values: they tie the observed figures to each other. The laws of one counter
row are data (:data:`LAWS`); each is evaluated for every tenant, ``_unknown`` and the total, at each
checkpoint whose counters are known and at the end. Laws about slots, read off the log of single
calls, stand in :mod:`simulator.invariants.slots`.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from service.calls import COUNTERS, UNKNOWN_TENANT, Counter, Event
from simulator.invariants.slots import Finding, finding, slot_findings
from simulator.results import CheckpointState, Held, RunOutcome
from simulator.trace import CallTrace, DeliveryAction

Side = Callable[[Sequence[int], Held], int]

_RELATIONS: Final = {"=": operator.eq, "<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Law:
    """``left relation right`` must hold of a counter row and the slots that belong to it."""

    name: str
    formula: str
    left: Side
    relation: str
    right: Side

    def breach(self, counters: Sequence[int], held: Held) -> str | None:
        """The two numbers when the law is broken, else None."""
        left, right = self.left(counters, held), self.right(counters, held)
        if _RELATIONS[self.relation](left, right):
            return None
        return f"{left} {self.relation} {right} is not so"


def _of(*counters: Counter) -> Side:
    return lambda row, _held: sum(row[counter] for counter in counters)


LAWS: Final[tuple[Law, ...]] = (
    Law(
        "conservation.offered",
        "offered_calls = pending + accepted_calls + rejected_calls_capacity"
        " + rejected_calls_tenant_not_configured + rejected_calls_instructions_missing"
        " + abandoned_pending",
        _of(Counter.OFFERED_CALLS),
        "=",
        lambda row, held: (
            held.pending
            + row[Counter.ACCEPTED_CALLS]
            + row[Counter.REJECTED_CALLS_CAPACITY]
            + row[Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED]
            + row[Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING]
            + row[Counter.ABANDONED_PENDING]
        ),
    ),
    Law(
        "conservation.accepted",
        "accepted_calls = started_calls + waiting to start + abandoned_accepted",
        _of(Counter.ACCEPTED_CALLS),
        "=",
        lambda row, held: (
            row[Counter.STARTED_CALLS]
            + (held.accepted - held.active)
            + row[Counter.ABANDONED_ACCEPTED]
        ),
    ),
    Law(
        "conservation.active",
        "active_calls = started_calls - ended_calls",
        _of(Counter.ACTIVE_CALLS),
        "=",
        lambda row, _held: row[Counter.STARTED_CALLS] - row[Counter.ENDED_CALLS],
    ),
    Law(
        "gauge.active",
        "active_calls = calls held as active",
        _of(Counter.ACTIVE_CALLS),
        "=",
        lambda _row, held: held.active,
    ),
    Law(
        "gauge.accepted",
        "active <= accepted, because the active calls are among the accepted ones",
        lambda _row, held: held.active,
        "<=",
        lambda _row, held: held.accepted,
    ),
    Law(
        "bound.failed",
        "failed_calls <= ended_calls",
        _of(Counter.FAILED_CALLS),
        "<=",
        _of(Counter.ENDED_CALLS),
    ),
    Law(
        "bound.referred",
        "referred_calls <= started_calls",
        _of(Counter.REFERRED_CALLS),
        "<=",
        _of(Counter.STARTED_CALLS),
    ),
    Law(
        "bound.fallback",
        "fallback_instructions_used <= accepted_calls",
        _of(Counter.FALLBACK_INSTRUCTIONS_USED),
        "<=",
        _of(Counter.ACCEPTED_CALLS),
    ),
    Law(
        "bound.db_errors",
        "instructions_db_errors <= fallback_instructions_used"
        " + rejected_calls_instructions_missing",
        _of(Counter.INSTRUCTIONS_DB_ERRORS),
        "<=",
        _of(Counter.FALLBACK_INSTRUCTIONS_USED, Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING),
    ),
    Law(
        "bound.zero",
        "no counter and no slot count is below 0",
        lambda row, held: min(*row, held.pending, held.accepted, held.active),
        ">=",
        lambda _row, _held: 0,
    ),
)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Everything that was counted at one instant."""

    when: str
    tenants: Mapping[str, tuple[int, ...]]
    total: tuple[int, ...] | None
    state: CheckpointState

    def rows(self) -> Iterator[tuple[str, tuple[int, ...], Held]]:
        """What it is of, counters and slots: of each tenant, of ``_unknown`` and of the total."""
        for tenant_id, row in self.tenants.items():
            yield f"tenant {tenant_id}", row, self.state.tenants.get(tenant_id, Held())
        if self.total is not None:
            yield "the total", self.total, self.state.total


def _readings(observed: RunOutcome) -> list[_Reading]:
    readings = [
        _Reading(f"at {state.at_us} us", state.counters, state.total_counters, state)
        for state in observed.checkpoints
        if state.counters is not None
    ]
    return [*readings, _Reading("at the end", observed.tenants, observed.total, observed.final)]


def check_invariants(trace: CallTrace, observed: RunOutcome) -> tuple[Finding, ...]:
    """Every law with whether it held in a run, and where it first did not.

    The law of the empty drain is left out when the run is not drained.
    """
    findings = list(check_counters(trace, observed))
    findings.extend(slot_findings(trace, observed.log))
    findings.append(
        finding(
            "answers.consistent",
            "an offer made again gets its first answer, rejections list each full scope once and in"
            " order, and documents have their fields and fit together",
            observed.contradictions,
        )
    )
    if trace.conditions.drain:
        findings.append(_drained(trace, observed))
    return tuple(findings)


def check_counters(trace: CallTrace, observed: RunOutcome) -> tuple[Finding, ...]:
    """The laws of the figures alone: they hold whatever single calls were answered, and when."""
    readings = _readings(observed)
    findings = [finding(law.name, law.formula, _breaches(law, readings)) for law in LAWS]
    findings.append(_sums(readings))
    findings.append(_monotonic(readings))
    findings.append(_bounded_rows(trace, observed))
    findings.append(_row_sets(trace, observed))
    return tuple(findings)


def _breaches(law: Law, readings: Sequence[_Reading]) -> Iterator[str]:
    for reading in readings:
        for whose, row, held in reading.rows():
            breach = law.breach(row, held)
            if breach is not None:
                yield f"{whose} {reading.when}: {breach}"


def _sums(readings: Sequence[_Reading]) -> Finding:
    def breaches() -> Iterator[str]:
        for reading in readings:
            if reading.total is None:
                continue
            sums = [sum(column) for column in zip(*reading.tenants.values(), strict=True)]
            for spec in COUNTERS:
                total, rows = reading.total[spec.counter], sums[spec.counter]
                if total != rows:
                    yield f"{spec.name} {reading.when}: total {total}, sum of the rows {rows}"

    return finding("total.sum", "total = sum of the tenants' rows and _unknown", breaches())


def _monotonic(readings: Sequence[_Reading]) -> Finding:
    def breaches() -> Iterator[str]:
        last: dict[str, tuple[int, ...]] = {}
        for reading in readings:
            for whose, row, _ in reading.rows():
                before = last.get(whose, row)
                for spec in COUNTERS:
                    was, is_now = before[spec.counter], row[spec.counter]
                    if is_now < was and not spec.is_gauge:
                        yield f"{spec.name} of {whose} {reading.when}: fell from {was} to {is_now}"
                last[whose] = row

    return finding("counters.grow", "every counter but active_calls only grows", breaches())


def _bounded_rows(trace: CallTrace, observed: RunOutcome) -> Finding:
    allowed = {*trace.conditions.configured_ids, UNKNOWN_TENANT}

    def breaches() -> Iterator[str]:
        for tenant_id in observed.tenants:
            if tenant_id not in allowed:
                yield f"tenant {tenant_id}: it is not of the run and has a row that counts"
        for tenant_id in sorted(allowed - set(observed.tenants)):
            yield f"tenant {tenant_id}: its row is missing"

    return finding(
        "rows.bounded", "one row for each configured tenant, one for all others", breaches()
    )


def _row_sets(trace: CallTrace, observed: RunOutcome) -> Finding:
    tenants = trace.conditions.tenants

    def breaches() -> Iterator[str]:
        for state in (*observed.checkpoints, observed.final):
            rows = state.rows
            if rows is None:
                continue
            when = "at the end" if state is observed.final else f"at {state.at_us} us"
            for call in sorted(rows.active - rows.accepted)[:1]:
                yield f"call {call} {when}: active and not accepted"
            for call in sorted(rows.pending & rows.accepted)[:1]:
                yield f"call {call} {when}: pending and accepted at once"
            for name in ("pending", "accepted", "active"):
                calls = np.array(sorted(getattr(rows, name)), np.int64)
                places = np.broadcast_to(trace.tenant, len(trace))[calls]
                listed = np.bincount(places, minlength=len(tenants))
                for tenant, ids in zip(tenants, listed.tolist(), strict=True):
                    count = getattr(state.tenants.get(tenant.tenant_id, Held()), name)
                    if ids != count:
                        yield (
                            f"tenant {tenant.tenant_id} {when}: {name} {count},"
                            f" but {ids} ids are listed"
                        )

    return finding("gauge.ids", "as many call ids as slots counted, in every state", breaches())


def _drained(trace: CallTrace, observed: RunOutcome) -> Finding:
    deliveries = trace.deliveries
    lost = (deliveries.action == DeliveryAction.LOST) & (
        (deliveries.event == Event.END) | (deliveries.event == Event.HANGUP)
    )
    places = np.broadcast_to(trace.tenant, len(trace))[deliveries.call[lost]]
    tenants = trace.conditions.tenants
    missing = np.bincount(places, minlength=len(tenants)).tolist()

    def breaches() -> Iterator[str]:
        for tenant, ends in zip(tenants, missing, strict=True):
            held = observed.final.tenants.get(tenant.tenant_id, Held())
            in_use = held.pending + held.accepted
            if in_use > ends:
                yield (
                    f"tenant {tenant.tenant_id}: {in_use} slots in use after the drain,"
                    f" {ends} ends were lost"
                )

    return finding(
        "drain.empty",
        "after a drain in_use = 0, or at most the number of ends that were lost",
        breaches(),
    )
