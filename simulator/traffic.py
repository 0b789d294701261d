"""From a scenario to its calls: :func:`build_trace` at once, :func:`iter_chunks` piece by piece.

Every tenant draws its calls from its own streams, in time order; the tenants' calls are merged by
time. Chunks are cut at instants up to which every tenant's arrivals are known, so laying them end
to end gives the whole trace whatever their size, and memory does not grow with their number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from simulator.arrivals import ArrivalProcess, arrival_process
from simulator.chains import Chain, chain_of
from simulator.columns import Columns, Layout, Part, Rows
from simulator.merge import merged_order
from simulator.scenario import Scenario, Tenant
from simulator.streams import Streams
from simulator.trace import (
    NEVER,
    AfterOn,
    CallTrace,
    Conditions,
    Deliveries,
    Int64s,
    LookupFault,
    TraceTenant,
)

COMPILED_FROM_CALLS: Final = 300_000
"""Below so many expected calls, a sort in numpy is over before numba is loaded."""

_TRACE_CHUNK: Final = 2**17
_SMALLEST_BLOCK: Final = 64


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
    )


def build_trace(scenario: Scenario) -> CallTrace:
    """All calls of a scenario. Raises TraceInvalid when it contradicts itself."""
    return _joined(list(iter_chunks(scenario, _TRACE_CHUNK)))


def iter_chunks(scenario: Scenario, chunk_calls: int) -> Iterator[CallTrace]:
    """The calls of a scenario in chunks of roughly ``chunk_calls`` rows; at least one chunk.

    Laid end to end they are :func:`build_trace`. In each, ``after`` counts from the chunk's first
    row: a chain of dependents always stands in the chunk of its first call, so a chunk can be much
    larger where chains are long (finite sources). All chunks have the same conditions.
    """
    if chunk_calls < 1:
        raise ValueError(f"chunk_calls is {chunk_calls}, it must be at least 1")
    tenants = [_TenantCalls(tenant, scenario) for tenant in scenario.tenants]
    builder = _ChunkBuilder(scenario, tenants)
    for offers in _windows([tenant.arrivals for tenant in tenants], chunk_calls):
        yield builder.chunk(offers)


class _TenantCalls:
    """Where one tenant's calls come from."""

    def __init__(self, tenant: Tenant, scenario: Scenario) -> None:
        streams = Streams(scenario.seed, tenant.tenant_id)
        self.arrivals: ArrivalProcess = arrival_process(
            tenant.arrivals, scenario.duration_us, streams
        )
        self.first = Rows(tenant, streams)
        self.chain: Chain | None = chain_of(tenant, scenario.duration_us, streams)
        self.later = Rows(tenant, streams, self.chain.kind) if self.chain else None


class _Pending:
    """Arrivals of one process that were drawn and not yet given out."""

    def __init__(self, process: ArrivalProcess, block_size: int) -> None:
        self._process = process
        self._block_size = block_size
        self._blocks: list[Int64s] = []
        self.settled = 0
        """How many of them lie in front of the last block drawn."""
        self.known_until = 0
        """Every arrival before this instant is drawn; NEVER when all are."""
        self.draw()

    def draw(self) -> None:
        self.settled = sum(len(block) for block in self._blocks)
        block = self._process.block(self._block_size)
        if len(block):
            self._blocks.append(block)
        self.known_until = _ENDLESS if self._process.done else int(block[-1])

    def count_before(self, instant: int) -> int:
        return sum(int(np.searchsorted(block, instant)) for block in self._blocks)

    def take_before(self, instant: int) -> Int64s:
        blocks = self._blocks
        drawn = blocks[0] if len(blocks) == 1 else np.concatenate(blocks or [_NONE])
        cut = int(np.searchsorted(drawn, instant))
        self._blocks = [drawn[cut:]] if cut < len(drawn) else []
        self.settled = 0
        return drawn[:cut]


_ENDLESS: Final = 2**63 - 1
_NONE: Final = np.empty(0, dtype=np.int64)


def _windows(processes: Sequence[ArrivalProcess], chunk_calls: int) -> Iterator[list[Int64s]]:
    """For window after window of time, the arrivals of each process in it; at least one window.

    A window ends at the first instant that some process has not drawn beyond. That process draws
    on until about ``chunk_calls`` arrivals lie before the end.
    """
    expected = sum(process.expected_calls for process in processes) or 1.0
    pending = [
        _Pending(
            process,
            max(_SMALLEST_BLOCK, round(chunk_calls / 2 * process.expected_calls / expected)),
        )
        for process in processes
    ]
    known = np.array([each.known_until for each in pending], dtype=np.int64)
    settled = 0
    while True:
        last = int(np.argmin(known)) if len(known) else 0
        until = int(known[last]) if len(known) else _ENDLESS
        if until == _ENDLESS:
            yield [each.take_before(_ENDLESS) for each in pending]
            return
        if settled >= chunk_calls // 2 and any(each.count_before(until) for each in pending):
            yield [each.take_before(until) for each in pending]
            settled = 0
        else:
            settled -= pending[last].settled
            pending[last].draw()
            settled += pending[last].settled
            known[last] = pending[last].known_until


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

    def chunk(self, offers: Sequence[Int64s]) -> CallTrace:
        """One chunk from every tenant's arrivals in its window."""
        stops = np.cumsum([len(block) for block in offers], dtype=np.int64)
        starts = np.concatenate(([0], stops[:-1])).astype(np.int64) if len(stops) else stops
        instants = np.concatenate(offers) if offers else _NONE
        order = merged_order(instants, starts, compiled=self._compiled)
        parts = [
            Part(tenant.first, int(start), int(stop))
            for tenant, start, stop in zip(self._tenants, starts, stops, strict=True)
        ]
        if not self._chained:
            return self._trace(Layout(parts, order), instants, None)
        layout, dependents = self._with_chains(offers, parts, order)
        return self._trace(layout, instants, dependents)

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

    def _trace(
        self, layout: Layout, instants: Int64s, dependents: _Dependents | None
    ) -> CallTrace:
        columns, total = self._columns, len(layout.source)
        places = np.array([0], dtype=np.int32)
        if len(self._tenants) > 1:
            index = {id(t.first): k for k, t in enumerate(self._tenants)}
            index |= {id(t.later): k for k, t in enumerate(self._tenants) if t.later}
            drawn = np.empty(total, dtype=np.int32)
            for part in layout.parts:
                drawn[part.start : part.stop] = index[id(part.rows)]
            places = layout.gather(drawn)
        after = np.array([NEVER], dtype=np.int64)
        after_on = np.array([AfterOn.NONE], dtype=np.int8)
        delay = np.array([0], dtype=np.int64)
        attempt = np.array([0], dtype=np.int32)
        if dependents is not None:
            instants = np.concatenate([instants, np.full(len(dependents.row), NEVER)])
            after, after_on = np.full(total, NEVER), np.zeros(total, dtype=np.int8)
            delay, attempt = np.zeros(total, np.int64), np.zeros(total, np.int32)
            after[dependents.row] = dependents.row - 1
            after_on[dependents.row] = dependents.after_on
            delay[dependents.row] = dependents.delay_us
            attempt[dependents.row] = dependents.attempt
        hold, refer = columns.hold_and_refer(layout)
        return CallTrace(
            conditions=self._conditions,
            tenant=places,
            offer_us=layout.gather(instants),
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


_ROW_COLUMNS: Final = tuple(
    field.name for field in fields(CallTrace) if field.name not in ("conditions", "deliveries")
)


def _joined(chunks: Sequence[CallTrace]) -> CallTrace:
    """Chunks laid end to end."""
    if len(chunks) == 1:
        return chunks[0]
    starts = np.cumsum([0] + [len(chunk) for chunk in chunks])
    whole = {}
    for name in _ROW_COLUMNS:
        pieces = [getattr(chunk, name) for chunk in chunks]
        if name == "after" and any(piece.shape != (1,) for piece in pieces):
            pieces = [
                np.where(piece == NEVER, NEVER, piece + start)
                for piece, start in zip(pieces, starts, strict=False)
            ]
        shared = name != "offer_us" and all(piece.shape == (1,) for piece in pieces)
        whole[name] = pieces[0] if shared else np.concatenate(pieces)
    return CallTrace(conditions=chunks[0].conditions, **whole)
