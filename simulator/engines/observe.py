"""Reads a service's documents as observations of a run: differences from what was there before."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from service.calls import (
    COUNTERS,
    MINUTES_PROCESSED,
    PUBLISHED,
    UNKNOWN_TENANT,
    US_PER_MINUTE,
    Counter,
    minutes_processed,
)
from simulator.engines import Inconclusive
from simulator.engines.target import Document, Target
from simulator.results import CheckpointState, Held, HeldRows

CounterRow = tuple[int, ...]

PUBLISHED_FIELDS: Final = (*(spec.name for spec in PUBLISHED), MINUTES_PROCESSED)
"""The fields of a document of published figures, in order."""

RUNNING: Final = "RUNNING"
"""The published status of an active call."""


class Observer:
    """Reads one service during one run.

    ``before`` is its capacity document when the run started; ``tenant_ids`` the configured tenants
    of the trace. Call ids of the run are ``prefix`` and the row. Methods raise
    :class:`Inconclusive` when a document lacks something or a stranger's call shows up.
    """

    def __init__(
        self, target: Target, before: Document, tenant_ids: tuple[str, ...], prefix: str
    ) -> None:
        self._target = target
        self._tenant_ids = tenant_ids
        self._prefix = prefix
        self._total_before = _counters(before["total"])
        self._before = {
            tenant_id: _counters(before["tenants"].get(tenant_id))
            for tenant_id in (*tenant_ids, UNKNOWN_TENANT)
        }
        self._others_before = {
            tenant_id: _counters(row)
            for tenant_id, row in before["tenants"].items()
            if tenant_id not in self._before
        }
        self.contradictions: list[str] = []
        """Where the documents contradict each other or themselves, one line each."""

    def state(self, at_us: int) -> CheckpointState:
        """What the service says of itself; ``at_us`` is the trace's time."""
        document, held = self._target.capacity(), self._target.held()
        try:
            tenants = document["tenants"]
            others = self._others(tenants)
            self.contradictions += [f"{what} at {at_us} us" for what in _contradictions(held)]
            return CheckpointState(
                at_us=at_us,
                limit=document["max_concurrent_calls"],
                tenants={
                    tenant_id: _held(tenants.get(tenant_id))
                    for tenant_id in (*self._tenant_ids, *others)
                },
                rows=HeldRows(
                    pending=self._rows(held["pending_call_ids"]),
                    accepted=self._rows(held["accepted_call_ids"]),
                    active=self._rows(call["call_id"] for call in held["active_calls"]),
                ),
                counters={
                    tenant_id: _minus(_counters(tenants.get(tenant_id)), before)
                    for tenant_id, before in {**self._before, **others}.items()
                },
                total_counters=_minus(_counters(document["total"]), self._total_before),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise Inconclusive(
                f"{self._target.url} describes its state in a form that is not known: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _others(self, tenants: Mapping[str, Mapping[str, Any]]) -> dict[str, CounterRow]:
        """Rows that are not of this run and yet new or changed, as they were before it."""
        others = {}
        for tenant_id, row in tenants.items():
            if tenant_id in self._before:
                continue
            before = self._others_before.get(tenant_id)
            if before is None or _counters(row) != before:
                others[tenant_id] = before or _counters(None)
        return others

    def published(self, final: CheckpointState) -> tuple[CounterRow, Mapping[str, CounterRow]]:
        """Counter rows of the total and the tenants as the published endpoints give them.

        What is not published is taken from ``final``, so that the rows equal those of the capacity
        document exactly when both say the same.
        """
        assert final.counters is not None
        assert final.total_counters is not None
        live = self._target.live()
        self._check_fields("metrics/live", live)
        total = _published(live, final.total_counters, self._total_before)
        tenants = dict(final.counters)
        for tenant_id in self._tenant_ids:
            live = self._target.live_for(tenant_id)
            self._check_fields(f"metrics/live/{tenant_id}", live)
            tenants[tenant_id] = _published(live, tenants[tenant_id], self._before[tenant_id])
        return total, tenants

    def _check_fields(self, name: str, document: Document) -> None:
        if tuple(document) != PUBLISHED_FIELDS:
            self.contradictions.append(
                f"{name}: its fields are {', '.join(document)} and not the twelve, in their order"
            )

    def _rows(self, call_ids: Iterable[str]) -> frozenset[int]:
        prefix = self._prefix
        rows = set()
        for call_id in call_ids:
            row = call_id.removeprefix(prefix)
            if row == call_id or not row.isdecimal():
                raise Inconclusive(
                    f"{self._target.url} holds call {call_id!r}, which is not of this run; nobody "
                    "else may use it meanwhile"
                )
            rows.add(int(row))
        return frozenset(rows)


def _contradictions(held: Mapping[str, Any]) -> list[str]:
    """Where the lists and numbers of the debug document do not fit together."""
    pending, by_tenant = held["pending_call_ids"], held["pending_by_tenant"]
    tenant_of = {call_id: name for name, calls in by_tenant.items() for call_id in calls}
    statuses = {call["status"] for call in held["active_calls"]}
    pairs = (
        ("active_count", held["active_count"], len(held["active_calls"])),
        ("accepted_count", held["accepted_count"], len(held["accepted_call_ids"])),
        ("pending_count", held["pending_count"], len(pending)),
        ("pending_by_tenant", sorted(tenant_of), sorted(pending)),
        (
            "pending_by_tenant_count",
            held["pending_by_tenant_count"],
            {name: len(calls) for name, calls in by_tenant.items()},
        ),
        ("pending_tenant_by_call_id", held["pending_tenant_by_call_id"], tenant_of),
        ("pending_tenant_by_call_id_count", held["pending_tenant_by_call_id_count"], len(pending)),
        ("status of active_calls", statuses | {RUNNING}, {RUNNING}),
    )
    return [
        f"capacity/debug: {name} is {said}, its lists say {due}"
        for name, said, due in pairs
        if said != due
    ]


def _counters(row: Mapping[str, Any] | None) -> CounterRow:
    if row is None:
        return (0,) * len(COUNTERS)
    return tuple(row[spec.name] for spec in COUNTERS)


def _held(row: Mapping[str, Any] | None) -> Held:
    return Held() if row is None else Held(row["pending"], row["accepted"], row["active"])


def _minus(now: CounterRow, before: CounterRow) -> CounterRow:
    return tuple(a - b for a, b in zip(now, before, strict=True))


def _published(document: Document, beside: CounterRow, before: CounterRow) -> CounterRow:
    """``beside`` with every published figure replaced by what ``document`` says."""
    row = list(beside)
    try:
        for spec in PUBLISHED:
            row[spec.counter] = document[spec.name] - before[spec.counter]
        minutes = document[MINUTES_PROCESSED]
    except KeyError as error:
        raise Inconclusive(f"the published figures lack {error}") from None
    active_us = beside[Counter.ACTIVE_US_TOTAL] + before[Counter.ACTIVE_US_TOTAL]
    if minutes != minutes_processed(active_us):
        row[Counter.ACTIVE_US_TOTAL] = (
            round(minutes * US_PER_MINUTE) - before[Counter.ACTIVE_US_TOTAL]
        )
    return tuple(row)
