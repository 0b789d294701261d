"""What a monitor reads: the published documents and our own capacity document, checked in form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.calls import COUNTERS, MINUTES_PROCESSED, PUBLISHED, Counter, CounterSpec

LIST_OF_ACTIVE: Final = COUNTERS[Counter.ACTIVE_CALLS].name
"""In the debug document a list of calls goes by the name that is a number elsewhere."""


class NotThisService(Exception):
    """A document does not have the published form; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One scope's counters: the eleven published ones, of a capacity document the others too.

    ``minutes`` is ``minutes_processed``.
    """

    counters: Mapping[Counter, int]
    minutes: float

    def __getitem__(self, counter: Counter) -> int:
        return self.counters[counter]


@dataclass(frozen=True, slots=True)
class Live:
    """``GET /api/v1/metrics/live``, or of one tenant."""

    tenant_id: str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class Debug:
    """``GET /api/v1/metrics/capacity/debug``: ids in the order given, and the counts too."""

    active: tuple[str, ...]
    active_count: int
    accepted: tuple[str, ...]
    accepted_count: int
    pending: tuple[str, ...]
    pending_count: int
    pending_by_tenant: Mapping[str, tuple[str, ...]]
    pending_by_tenant_count: Mapping[str, int]
    tenant_of_pending: Mapping[str, str]
    tenant_of_pending_count: int


@dataclass(frozen=True, slots=True)
class Slots:
    """Slots in use, by state; ``accepted`` includes ``active``."""

    in_use: int
    pending: int
    accepted: int
    active: int


@dataclass(frozen=True, slots=True)
class CapacityRow:
    """One row of the capacity document. ``limit``: the total one, or the tenant's own."""

    slots: Slots
    figures: Figures
    limit: int | None
    configured: bool = True


@dataclass(frozen=True, slots=True)
class Capacity:
    """``GET /api/v1/capacity``: one snapshot of everything. ``at_us`` is the service's clock.

    ``instance`` names the process, where the service tells: counters of another one are others.
    """

    at_us: int
    clock: str
    total: CapacityRow
    tenants: Mapping[str, CapacityRow]
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """One document and the instants between which it was true.

    ``sent_us`` and ``received_us`` are of the monitor's monotonic clock. ``connection`` names the
    connection that carried it.
    """

    sent_us: int
    received_us: int
    connection: str
    document: Live | Debug | Capacity


@dataclass(frozen=True, slots=True)
class Poll:
    """The reads of one round, one after the other, as they were made.

    ``after_failure``: since the poll before, the target was asked and did not answer.
    """

    reads: tuple[Read, ...] = field(default=())
    after_failure: bool = False


def live_of(document: object, tenant_id: str | None = None) -> Live:
    """Raises :class:`NotThisService`."""
    return Live(tenant_id, _figures(_object(document, "the document"), PUBLISHED))


def debug_of(document: object) -> Debug:
    """Raises :class:`NotThisService`."""
    fields = _object(document, "the document")
    active = _field(fields, LIST_OF_ACTIVE)
    if not isinstance(active, list):
        raise NotThisService(f"{LIST_OF_ACTIVE} is not a list")
    return Debug(
        active=tuple(_text(_field(_object(call, LIST_OF_ACTIVE), "call_id")) for call in active),
        active_count=_whole(fields, "active_count"),
        accepted=_ids(fields, "accepted_call_ids"),
        accepted_count=_whole(fields, "accepted_count"),
        pending=_ids(fields, "pending_call_ids"),
        pending_count=_whole(fields, "pending_count"),
        pending_by_tenant={
            tenant_id: _ids(_named(fields, "pending_by_tenant"), tenant_id)
            for tenant_id in _named(fields, "pending_by_tenant")
        },
        pending_by_tenant_count={
            tenant_id: _whole(_named(fields, "pending_by_tenant_count"), tenant_id)
            for tenant_id in _named(fields, "pending_by_tenant_count")
        },
        tenant_of_pending={
            call_id: _text(tenant_id)
            for call_id, tenant_id in _named(fields, "pending_tenant_by_call_id").items()
        },
        tenant_of_pending_count=_whole(fields, "pending_tenant_by_call_id_count"),
    )


def capacity_of(document: object) -> Capacity:
    """Raises :class:`NotThisService`."""
    fields = _object(document, "the document")
    tenants = _named(fields, "tenants")
    return Capacity(
        at_us=_whole(fields, "at_us"),
        clock=_text(_field(fields, "clock")),
        total=_row(_named(fields, "total"), _whole(fields, "max_concurrent_calls"), True),
        tenants={tenant_id: _tenant_row(_named(tenants, tenant_id)) for tenant_id in tenants},
        instance=_text(fields["instance"]) if "instance" in fields else None,
    )


def _tenant_row(row: Mapping[str, Any]) -> CapacityRow:
    limit = _field(row, "max_concurrent_calls")
    configured = _field(row, "configured")
    if not isinstance(configured, bool):
        raise NotThisService("configured is neither true nor false")
    return _row(row, None if limit is None else _whole(row, "max_concurrent_calls"), configured)


def _row(row: Mapping[str, Any], limit: int | None, configured: bool) -> CapacityRow:
    slots = Slots(*(_whole(row, name) for name in ("in_use", "pending", "accepted", "active")))
    return CapacityRow(slots, _figures(row, COUNTERS), limit, configured)


def _figures(fields: Mapping[str, Any], specs: tuple[CounterSpec, ...]) -> Figures:
    minutes = _field(fields, MINUTES_PROCESSED)
    if isinstance(minutes, bool) or not isinstance(minutes, int | float):
        raise NotThisService(f"{MINUTES_PROCESSED} is not a number")
    return Figures({spec.counter: _whole(fields, spec.name) for spec in specs}, float(minutes))


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise NotThisService(f"{name} is not an object")
    return value


def _named(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _object(_field(fields, name), name)


def _field(fields: Mapping[str, Any], name: str) -> Any:
    if name not in fields:
        raise NotThisService(f"{name} is missing")
    return fields[name]


def _whole(fields: Mapping[str, Any], name: str) -> int:
    value = _field(fields, name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotThisService(f"{name} is not a whole number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise NotThisService(f"{value!r} is not a text")
    return value


def _ids(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = _field(fields, name)
    if not isinstance(value, list):
        raise NotThisService(f"{name} is not a list")
    return tuple(_text(call_id) for call_id in value)
