"""The virtual-time kernel: plays a call trace by the rules of the service, without the service.

A run may be fed in chunks of rows, as they come from a generator: what it remembers between chunks
is the calls that hold a slot and the dependents that wait for their offer, so memory does not grow
with the number of calls. Small pieces are interpreted and large ones compiled; both run the same
functions and give the same results.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from simulator.compiled import compile_kernel
from simulator.kernel import core, pack
from simulator.kernel.preemptive_run import compiled_preempt, play_preemptive
from simulator.kernel.result import KernelResult
from simulator.results import CallLog, Fate
from simulator.statistics import statistics_from
from simulator.trace import NEVER, CallTrace, Conditions, SharingPolicy

__all__ = ["KernelResult", "KernelRun"]

COMPILE_FROM_ROWS: Final = 100_000
"""Interpreting fewer rows than this is over before numba is awake."""

COMPILED_IF_LOADED_ROWS: Final = 1_000
"""Once numba is awake, calling it costs no more than interpreting this many rows."""

_MOST_HEARINGS: Final = 16
_MOST_BUCKETS: Final = 1 << 20
_OFFERS_A_BUCKET: Final = 4


class KernelRun:
    """One run of the kernel, fed chunk by chunk.

    A chunk is a trace of its own (``after`` and ``deliveries.call`` count its own rows) whose
    independent rows are offered no earlier than those of the chunks before it, and which holds
    the whole chain of dependents behind each of them. The results are those of feeding all rows
    at once. ``compiled`` None chooses by the number of rows fed so far.

    Under the policy priority, where a call that is held may still be cut short, all rows are kept
    until :meth:`finish` plays them.
    """

    def __init__(
        self, conditions: Conditions, *, keep_log: bool = True, compiled: bool | None = None
    ) -> None:
        self._conditions = conditions
        self._keep_log = keep_log
        self._compiled = compiled
        self._rules = pack.pack_rules(conditions)
        self._faults = pack.pack_faults(conditions)
        self._state = pack.initial_state(conditions)
        self._slots = _no_slots()
        self._rows = pack.no_rows()
        self._due_us = np.empty(0, np.int64)
        self._due_key = np.empty(0, np.int64)
        self._root_counts = np.empty(0, np.int8)
        self._fed = 0
        self._logs: list[tuple[pack.Array, core.Log]] = []
        limits = [conditions.max_concurrent_calls]
        limits += [change.max_concurrent_calls or 0 for change in conditions.changes]
        self._most_held = max(limits)
        self._is_preemptive = conditions.policy == SharingPolicy.PRIORITY
        self._kept = [self._rows]

    def feed(self, chunk: CallTrace) -> None:
        """Play the chunk's independent rows, and the dependents due before the last of them."""
        rows = pack.rows_of(chunk, self._fed)
        self._fed += len(chunk)
        if self._is_preemptive:
            self._kept.append(rows)
        elif len(chunk):
            self._advance(pack.join(self._rows, rows), is_last=False)

    def finish(self) -> KernelResult:
        """Play what waits, to the end of the run, and say what it all came to."""
        if self._is_preemptive:
            return self._preempt(pack.join(*self._kept))
        self._advance(self._rows, is_last=True)
        return self._result()

    def play(self, trace: CallTrace) -> KernelResult:
        """A whole trace at once: :meth:`feed` and :meth:`finish` without the stop between."""
        self._fed = len(trace)
        if self._is_preemptive:
            return self._preempt(pack.rows_of(trace, 0))
        self._advance(pack.rows_of(trace, 0), is_last=True)
        return self._result()

    def _advance(self, rows: pack.Rows, *, is_last: bool) -> None:
        count = len(rows)
        carried = len(self._root_counts)
        has_dependents = bool((rows.columns["after"] != NEVER).any()) or len(self._due_us) > 0
        self._slots = _with_room(
            self._slots, min(self._most_held, int(self._state.scalars[core.IN_USE]) + count)
        )
        shift, buckets = self._calendar(rows, is_last=is_last)
        slots = self._slots._replace(buckets=np.full(buckets, NEVER, np.int64))
        links = count if has_dependents else 0
        root_counts = np.zeros(links, np.int8)
        root_counts[:carried] = self._root_counts[:links]
        waiting = len(self._due_us)
        dependents = core.Dependents(
            due_us=_extended(self._due_us, links),
            due_key=_extended(self._due_key, links),
            first=np.full(links, NEVER, np.int64),
            following=np.full(links, NEVER, np.int64),
            root_counts=root_counts,
        )
        self._state.scalars[core.DUE_SIZE] = waiting
        log = _empty_log(count if self._keep_log else 0)
        _run(
            self._is_worth_compiling(count) if self._compiled is None else self._compiled,
            pack.pack_columns(rows),
            pack.pack_heard(rows),
            self._rules,
            self._faults,
            self._state,
            slots,
            dependents,
            log,
            self._limits(
                rows,
                shift=shift,
                buckets=buckets,
                has_dependents=has_dependents,
                is_last=is_last,
            ),
        )
        if self._keep_log:
            self._logs.append((rows.row_id, log))
        self._remember(rows, dependents)

    def _preempt(self, rows: pack.Rows) -> KernelResult:
        has_dependents = bool((rows.columns["after"] != NEVER).any())
        return play_preemptive(
            self._conditions,
            rows,
            self._limits(rows, shift=0, buckets=1, has_dependents=has_dependents, is_last=True),
            compiled=self._is_worth_compiling(len(rows))
            if self._compiled is None
            else self._compiled,
            keep_log=self._keep_log,
        )

    def _is_worth_compiling(self, rows: int) -> bool:
        loop = compiled_preempt if self._is_preemptive else _compiled_advance
        is_loaded = loop.cache_info().currsize > 0
        return self._fed >= COMPILE_FROM_ROWS or (is_loaded and rows >= COMPILED_IF_LOADED_ROWS)

    def _remember(self, rows: pack.Rows, dependents: core.Dependents) -> None:
        """Keep the dependents that wait, with the rest of their chains."""
        waiting = int(self._state.scalars[core.DUE_SIZE])
        if waiting == 0:
            self._rows = pack.no_rows()
            self._root_counts = np.empty(0, np.int8)
            self._due_us = self._due_key = np.empty(0, np.int64)
            return
        key = dependents.due_key[:waiting]
        row = key & core.ROW_MASK
        self._rows, place = pack.still_needed(rows, row)
        self._root_counts = dependents.root_counts[place != NEVER]
        self._due_us = dependents.due_us[:waiting]
        # Places keep the order of the rows, so the heap stays a heap.
        self._due_key = (key & ~core.ROW_MASK) | place[row]

    def _limits(
        self, rows: pack.Rows, *, shift: int, buckets: int, has_dependents: bool, is_last: bool
    ) -> core.Limits:
        conditions = self._conditions
        deadlines = (
            conditions.pending_deadline_us,
            conditions.accepted_deadline_us,
            conditions.active_deadline_us,
        )
        pending, accepted, active = (core.FOREVER if d is None else d for d in deadlines)
        return core.Limits(
            rows=len(rows),
            tenants=len(conditions.tenants),
            duration_us=conditions.duration_us,
            warm_up_us=min(conditions.warm_up_us, conditions.duration_us),
            stop_us=core.FOREVER if conditions.drain else conditions.duration_us,
            pending_deadline_us=pending,
            accepted_deadline_us=accepted,
            active_deadline_us=active,
            shift=shift,
            mask=buckets - 1,
            has_dependents=int(has_dependents),
            has_deliveries=int(len(rows.delivery_call) > 0),
            keeps_log=int(self._keep_log),
            is_last=int(is_last),
        )

    def _calendar(self, rows: pack.Rows, *, is_last: bool) -> tuple[int, int]:
        """Width of a bucket, as a shift, and the number of buckets, a power of two.

        A bucket is a few mean gaps between offers wide, and the ring a few mean lives long, as far
        as that many buckets can be of use to the calls that may be held at all.
        """
        now = int(self._state.scalars[core.NOW])
        end = self._conditions.duration_us
        if not is_last:
            end = min(end, max(now, int(rows.columns["offer_us"].max())))
        shift = max(1, _OFFERS_A_BUCKET * (end - now) // max(1, len(rows))).bit_length() - 1
        life = sum(
            float(rows.columns[name][:: max(1, len(rows) // 1024)].mean()) if len(rows) else 0.0
            for name in ("setup_us", "connect_us", "hold_us")
        )
        wanted = min(4 * int(life) >> shift, 4 * self._most_held, 4 * len(rows))
        return shift, min(max(64, 1 << wanted.bit_length()), _MOST_BUCKETS)

    def _result(self) -> KernelResult:
        conditions = self._conditions
        total, tenants = pack.unpack_counters(conditions, self._state)
        sums = pack.unpack_sums(conditions, self._state)
        return KernelResult(
            total=total,
            tenants=tenants,
            checkpoints=pack.unpack_checkpoints(conditions, self._state),
            final=pack.final_state(conditions, self._state, self._slots),
            sums=sums,
            statistics=statistics_from(sums),
            log=self._joined_log() if self._keep_log else None,
        )

    def _joined_log(self) -> CallLog:
        if len(self._logs) == 1:
            return CallLog(*self._logs[0][1])
        whole = _empty_log(self._fed)
        for row_id, part in self._logs:
            # A row that waited stands in several parts, and was made in at most one of them.
            made = part.fate != Fate.NOT_MADE
            for column, values in zip(whole, part, strict=True):
                column[row_id[made]] = values[made]
        return CallLog(*whole)


@cache
def _compiled_advance() -> Callable[..., None]:
    from numba.extending import register_jitable

    helpers = (
        core.heap_push,
        core.heap_drop,
        core.look_up,
        core.plain_life,
        core.hear,
        core.heard_life,
    )
    for helper in helpers:
        register_jitable(helper)
    return compile_kernel(core.advance)


def _run(compiled: bool, *parts: Any) -> None:
    """Call the kernel on arrays, or on lists that are copied back into the arrays."""
    hearings = (np.empty(_MOST_HEARINGS, np.int64), np.empty(_MOST_HEARINGS, np.int64))
    if compiled:
        _compiled_advance()(*parts, *hearings)
        return
    pack.interpret(core.advance, parts, hearings)


def _no_slots() -> core.Slots:
    return core.Slots(*(np.empty(0, np.int64) for _ in core.Slots._fields))


def _with_room(slots: core.Slots, room: int) -> core.Slots:
    if room <= len(slots.tenant):
        return slots
    more = room - len(slots.tenant)
    grown = (np.concatenate((array, np.empty(more, array.dtype))) for array in slots[:-1])
    return core.Slots._make((*grown, slots.buckets))


def _extended(array: pack.Array, more: int) -> pack.Array:
    return np.concatenate((array, np.full(more, NEVER, array.dtype)))


def _empty_log(rows: int) -> core.Log:
    return core.Log(
        fate=np.full(rows, Fate.NOT_MADE, np.int8),
        scopes=np.zeros(rows, np.int8),
        offered_us=np.full(rows, NEVER, np.int64),
        accepted_us=np.full(rows, NEVER, np.int64),
        started_us=np.full(rows, NEVER, np.int64),
        released_us=np.full(rows, NEVER, np.int64),
    )
