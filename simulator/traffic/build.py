"""From a scenario to its calls: :func:`build_trace` at once, :func:`iter_chunks` piece by piece.

Every tenant draws its calls from its own streams, in time order; the tenants' calls are merged by
time. Chunks are cut at instants up to which every tenant's arrivals are known, so laying them end
to end gives the whole trace whatever their size, and memory does not grow with their number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from simulator.scenario import Scenario, Tenant
from simulator.trace import (
    NEVER,
    ROW_COLUMNS,
    AfterOn,
    CallTrace,
    Conditions,
    Deliveries,
    Int64s,
    LookupFault,
    TraceInvalid,
    TraceTenant,
)
from simulator.traffic.arrival_process import ArrivalProcess
from simulator.traffic.arrivals import arrival_process
from simulator.traffic.chains import Chain, chain_of
from simulator.traffic.columns import Columns, Layout, Part, Rows
from simulator.traffic.event_deliveries import draw_deliveries
from simulator.traffic.given import given_trace
from simulator.traffic.merge import merge_runs
from simulator.traffic.samplers import ParametersInvalid
from simulator.traffic.streams import Streams
from simulator.traffic.windows import windows

COMPILED_FROM_CALLS: Final = 300_000
"""Below so many expected calls, a sort in numpy is over before numba is loaded."""

_TRACE_CHUNK: Final = 2**17
_NONE: Final = np.empty(0, dtype=np.int64)


def conditions_of(scenario: Scenario) -> Conditions:
    """What the scenario's trace is played against: its limits, tenants, faults and window."""
    return Conditions(
        duration_us=scenario.duration_us,
        max_concurrent_calls=scenario.max_concurrent_calls,
        tenants=tuple(
            TraceTenant(
                tenant_id=tenant.tenant_id,
                configured=tenant.configured,
                enabled=tenant.enabled,
                max_concurrent_calls=tenant.max_concurrent_calls,
                reserved_calls=tenant.reserved_calls,
                instructions=tenant.instructions,
                fallback=tenant.fallback,
                leave_free=tenant.leave_free,
                priority=tenant.priority,
            )
            for tenant in scenario.tenants
        ),
        warm_up_us=scenario.warm_up_us,
        drain=scenario.drain,
        pending_deadline_us=scenario.deadlines.pending_us,
        accepted_deadline_us=scenario.deadlines.accepted_us,
        active_deadline_us=scenario.deadlines.active_us,
        changes=scenario.changes,
        checkpoints_us=scenario.checkpoints_us,
        lookup_faults=tuple(
            LookupFault(
                result=fault.result,
                from_us=fault.from_us,
                until_us=fault.until_us,
                span=round(fault.probability * 2**32),
                tenants=fault.tenants,
            )
            for fault in scenario.instruction_faults
        ),
        policy=scenario.policy,
    )


def build_trace(scenario: Scenario) -> CallTrace:
    """All calls of a scenario. Raises TraceInvalid when it contradicts itself."""
    if scenario.calls is not None:
        return given_trace(conditions_of(scenario), scenario.calls)
    return _joined(list(iter_chunks(scenario, _TRACE_CHUNK)))


def iter_chunks(scenario: Scenario, chunk_calls: int) -> Iterator[CallTrace]:
    """The calls of a scenario in chunks of roughly ``chunk_calls`` rows; at least one chunk.

    Laid end to end they are :func:`build_trace`. In each, ``after`` counts from the chunk's first
    row: a chain of dependents always stands in the chunk of its first call, so a chunk can be much
    larger where chains are long (finite sources). All chunks have the same conditions.
    """
    if chunk_calls < 1:
        raise ValueError(f"chunk_calls is {chunk_calls}, it must be at least 1")
    if scenario.calls is not None:
        # A list that was written out is held in memory anyway.
        yield given_trace(conditions_of(scenario), scenario.calls)
        return
    tenants = [
        _TenantCalls(tenant, place, scenario) for place, tenant in enumerate(scenario.tenants)
    ]
    builder = _ChunkBuilder(scenario, tenants)
    for offers in windows([tenant.arrivals for tenant in tenants], chunk_calls):
        yield builder.chunk(offers)


class _TenantCalls:
    """Where one tenant's calls come from."""

    def __init__(self, tenant: Tenant, place: int, scenario: Scenario) -> None:
        streams = Streams(scenario.seed, tenant.tenant_id)
        duration = scenario.duration_us
        try:
            self.arrivals: ArrivalProcess = arrival_process(tenant.arrivals, duration, streams)
            self.first = Rows(tenant, place, streams)
            self.chain: Chain | None = chain_of(tenant, duration, streams)
            self.later = Rows(tenant, place, streams, self.chain.kind) if self.chain else None
        except ParametersInvalid as error:
            raise TraceInvalid(f"tenant {tenant.tenant_id!r}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Dependents:
    """The dependent rows of a chunk, in draw order (each tenant's in the order of its chains).

    Shapes (d,): place in the chunk's rows, delay, attempt and AfterOn.
    """

    row: Int64s
    delay_us: Int64s
    attempt: Int64s
    after_on: Int64s


class _ChunkBuilder:
    def __init__(self, scenario: Scenario, tenants: Sequence[_TenantCalls]) -> None:
        self._tenants = tenants
        self._conditions = conditions_of(scenario)
        self._columns = Columns(scenario)
        expected = sum(tenant.arrivals.expected_calls for tenant in tenants)
        self._compiled = expected >= COMPILED_FROM_CALLS
        self._chained = any(tenant.chain for tenant in tenants)
        self._delivery_faults = scenario.delivery_faults

    def chunk(self, offers: Sequence[Int64s]) -> CallTrace:
        """One chunk from every tenant's arrivals in its window."""
        parts, stop = [], 0
        for tenant, block in zip(self._tenants, offers, strict=True):
            parts.append(Part(tenant.first, stop, stop + len(block)))
            stop += len(block)
        instants = np.concatenate([_NONE, *offers])
        merged, order = merge_runs(instants, len(parts), compiled=self._compiled)
        if not self._chained:
            return self._trace(Layout(parts, order), merged, None)
        layout, dependents = self._with_chains(offers, parts, order)
        never = np.full(len(dependents.row), NEVER, dtype=np.int64)
        return self._trace(layout, layout.gather(np.concatenate([instants, never])), dependents)

    def _with_chains(
        self, offers: Sequence[Int64s], parts: list[Part], order: Int64s
    ) -> tuple[Layout, _Dependents]:
        """Sets every call's chain of dependents behind it."""
        calls = len(order)
        lengths = np.zeros(calls, dtype=np.int64)
        for tenant, part, block in zip(self._tenants, parts, offers, strict=True):
            if tenant.chain:
                lengths[part.start : part.stop] = tenant.chain.lengths(block)
        rows = np.empty(calls, dtype=np.int64)
        in_order = lengths[order]
        rows[order] = np.arange(calls) + np.cumsum(in_order) - in_order
        total = calls + int(lengths.sum())

        all_parts, found, drawn = list(parts), [], calls
        for tenant, part in zip(self._tenants, parts, strict=True):
            if tenant.chain and tenant.later:
                times = lengths[part.start : part.stop]
                count = int(times.sum())
                all_parts.append(Part(tenant.later, drawn, drawn + count, times))
                drawn += count
                step = np.arange(1, count + 1) - np.repeat(np.cumsum(times) - times, times)
                found.append(
                    _Dependents(
                        row=np.repeat(rows[part.start : part.stop], times) + step,
                        delay_us=tenant.chain.delays(count),
                        attempt=step * (tenant.chain.after_on == AfterOn.REJECTED),
                        after_on=np.full(count, tenant.chain.after_on, dtype=np.int64),
                    )
                )
        dependents = _Dependents(
            *(
                np.concatenate([getattr(each, field.name) for each in found])
                for field in fields(_Dependents)
            )
        )
        source = np.empty(total, dtype=np.int64)
        source[rows] = np.arange(calls)
        source[dependents.row] = np.arange(calls, total)
        return Layout(all_parts, source), dependents

    def _trace(self, layout: Layout, offer_us: Int64s, dependents: _Dependents | None) -> CallTrace:
        columns, rows = self._columns, len(layout)
        after = np.array([NEVER], dtype=np.int64)
        after_on = np.array([AfterOn.NONE], dtype=np.int8)
        delay = np.zeros(1, dtype=np.int64)
        attempt = np.zeros(1, dtype=np.int32)
        if dependents is not None:
            after, after_on = np.full(rows, NEVER, dtype=np.int64), np.zeros(rows, dtype=np.int8)
            delay, attempt = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int32)
            after[dependents.row] = dependents.row - 1
            after_on[dependents.row] = dependents.after_on
            delay[dependents.row] = dependents.delay_us
            attempt[dependents.row] = dependents.attempt
        hold, refer = columns.hold_and_refer(layout)
        trace = CallTrace(
            conditions=self._conditions,
            tenant=columns.tenant(layout),
            offer_us=offer_us,
            setup_us=columns.duration("setup", layout),
            connect_us=columns.duration("connect", layout),
            hold_us=hold,
            end_kind=columns.end_kind(layout),
            refer_us=refer,
            patience_us=columns.duration("patience", layout),
            lookup_draw=columns.lookup_draw(layout),
            after=after,
            after_on=after_on,
            delay_us=delay,
            attempt=attempt,
        )
        if not self._delivery_faults:
            return trace
        return replace(trace, deliveries=draw_deliveries(self._delivery_faults, trace, layout))


def _joined(chunks: Sequence[CallTrace]) -> CallTrace:
    """Chunks laid end to end."""
    if len(chunks) == 1:
        return chunks[0]
    starts = np.cumsum([0] + [len(chunk) for chunk in chunks[:-1]]).tolist()
    columns: dict[str, Any] = {}
    for name in ROW_COLUMNS:
        pieces = [getattr(chunk, name) for chunk in chunks]
        if name == "after":
            pieces = [
                np.where(piece == NEVER, NEVER, piece + start)
                for piece, start in zip(pieces, starts, strict=True)
            ]
        shared = name != "offer_us" and all(
            piece.shape == (1,) and piece[0] == pieces[0][0] for piece in pieces
        )
        columns[name] = pieces[0] if shared else np.concatenate(pieces)
    deliveries = [chunk.deliveries for chunk in chunks]
    calls = [each.call + start for each, start in zip(deliveries, starts, strict=True)]
    return CallTrace(
        conditions=chunks[0].conditions,
        deliveries=Deliveries(
            np.concatenate(calls),
            np.concatenate([each.event for each in deliveries]),
            np.concatenate([each.action for each in deliveries]),
            np.concatenate([each.delay_us for each in deliveries]),
        ),
        **columns,
    )
