"""Numbers for the kernel: conditions and trace rows as arrays of integers, and back again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.calls import Lookup
from simulator.kernel import core
from simulator.results import CheckpointState, Held
from simulator.statistics import ServiceSums, WindowSums, tenant_rows
from simulator.trace import NEVER, CallTrace, Conditions, LimitsChange

Array = npt.NDArray[Any]

DTYPES: Final[Mapping[str, type[np.generic]]] = {
    "tenant": np.int32,
    "offer_us": np.int64,
    "setup_us": np.int64,
    "connect_us": np.int64,
    "hold_us": np.int64,
    "end_kind": np.int8,
    "refer_us": np.int64,
    "patience_us": np.int64,
    "lookup_draw": np.uint32,
    "after": np.int64,
    "after_on": np.int8,
    "delay_us": np.int64,
    "attempt": np.int32,
}
"""The columns of a trace in the order of :class:`simulator.kernel.core.Columns`."""

_LOOKUPS: Final = {Lookup.FOUND: core.FOUND, Lookup.MISSING: core.MISSING, Lookup.ERROR: core.ERROR}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Trace rows at hand: their columns (shape (n,) or (1,)), deliveries, and ids in the trace.

    ``chain`` is the id of the independent row that each row stands behind.
    """

    columns: dict[str, Array]
    delivery_call: Array
    delivery_event: Array
    delivery_action: Array
    delivery_delay_us: Array
    row_id: Array
    chain: Array

    def __len__(self) -> int:
        return len(self.row_id)


def rows_of(trace: CallTrace, first_id: int) -> Rows:
    """The rows of a trace, or of a chunk whose first row is row ``first_id`` of the whole."""
    row_id = np.arange(first_id, first_id + len(trace), dtype=np.int64)
    independent = trace.offer_us != NEVER
    chain = row_id
    if not independent.all():
        chain = np.maximum.accumulate(np.where(independent, row_id, 0))
    return Rows(
        {name: getattr(trace, name) for name in DTYPES},
        trace.deliveries.call,
        trace.deliveries.event,
        trace.deliveries.action,
        trace.deliveries.delay_us,
        row_id,
        chain,
    )


def no_rows() -> Rows:
    """No rows at all."""
    nothing = np.empty(0, np.int64)
    return Rows(
        {name: np.empty(0, dtype) for name, dtype in DTYPES.items()},
        nothing,
        nothing,
        nothing,
        nothing,
        nothing,
        nothing,
    )


def join(*parts: Rows) -> Rows:
    """All of them (one at least), one after the other, with references to rows moved along."""
    parts = tuple(part for part in parts[:-1] if len(part)) + parts[-1:]
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0] + [len(part) for part in parts[:-1]]).tolist()
    columns = {
        name: np.concatenate([_full(part, name) for part in parts])
        for name in DTYPES
        if name != "after"
    }
    afters = [_full(part, "after") for part in parts]
    columns["after"] = np.concatenate(
        [
            np.where(after == NEVER, NEVER, after + start)
            for after, start in zip(afters, starts, strict=True)
        ]
    )
    calls = [part.delivery_call + start for part, start in zip(parts, starts, strict=True)]
    return Rows(
        {name: columns[name] for name in DTYPES},
        np.concatenate(calls),
        np.concatenate([part.delivery_event for part in parts]),
        np.concatenate([part.delivery_action for part in parts]),
        np.concatenate([part.delivery_delay_us for part in parts]),
        np.concatenate([part.row_id for part in parts]),
        np.concatenate([part.chain for part in parts]),
    )


def still_needed(rows: Rows, waiting: Array) -> tuple[Rows, Array]:
    """The waiting rows with the rest of their chains, and each row's new place (or NEVER)."""
    ends = np.searchsorted(rows.chain, rows.chain[waiting], side="right")
    edges = np.zeros(len(rows) + 1, np.int64)
    np.add.at(edges, waiting, 1)
    np.add.at(edges, ends, -1)
    kept = edges.cumsum()[:-1] > 0
    place = np.where(kept, kept.cumsum() - 1, NEVER)
    columns = {name: _full(rows, name)[kept] for name in DTYPES}
    after = columns["after"]
    columns["after"] = np.where(after == NEVER, NEVER, place[after])
    delivered = kept[rows.delivery_call]
    return Rows(
        columns,
        place[rows.delivery_call[delivered]],
        rows.delivery_event[delivered],
        rows.delivery_action[delivered],
        rows.delivery_delay_us[delivered],
        rows.row_id[kept],
        rows.chain[kept],
    ), place


def _full(rows: Rows, name: str) -> Array:
    column = rows.columns[name]
    return column if len(column) == len(rows) else np.broadcast_to(column, len(rows))


def pack_columns(rows: Rows) -> core.Columns:
    """The columns for the kernel; a shared value is read with step 0."""
    columns = [_input(column, DTYPES[name]) for name, column in rows.columns.items()]
    steps = [
        int(len(column) == len(rows)) for name, column in rows.columns.items() if name != "offer_us"
    ]
    return core.Columns._make((*columns, _input(steps, np.int64)))


def pack_heard(rows: Rows) -> core.Heard:
    """The deliveries for the kernel, by row."""
    count = len(rows) if len(rows.delivery_call) else 0
    first = np.zeros(count + 1, np.int64)
    if count:
        np.cumsum(np.bincount(rows.delivery_call, minlength=count), out=first[1:])
    return core.Heard(
        _input(first, np.int64),
        _input(rows.delivery_event, np.int8),
        _input(rows.delivery_action, np.int8),
        _input(rows.delivery_delay_us, np.int64),
    )


def _input(values: Array | Sequence[int], dtype: type[np.generic]) -> Array:
    # Every input is a read-only view, so that the compiled kernel has one signature.
    array = np.ascontiguousarray(values, dtype=dtype).view()
    array.flags.writeable = False
    return array


def pack_rules(conditions: Conditions) -> core.Rules:
    """Tenants, changes and checkpoints for the kernel."""
    tenants = conditions.tenants
    place = {tenant.tenant_id: k for k, tenant in enumerate(tenants) if tenant.configured}
    # A change at or after the end of the run never takes effect in it.
    changes = [change for change in conditions.changes if change.at_us < conditions.duration_us]
    edits = [_edits(change, place) for change in changes]
    firsts = np.concatenate(([0], np.cumsum([len(edit) for edit in edits])))
    flat = np.array([values for edit in edits for values in edit], np.int64).reshape(-1, 4)
    found = [core.FOUND if tenant.instructions else core.MISSING for tenant in tenants]
    return core.Rules(
        tenant_row=_input(tenant_rows(conditions)[1], np.int64),
        found=_input(found, np.int64),
        fallback=_input([tenant.fallback for tenant in tenants], np.int64),
        leave_free=_input([tenant.leave_free for tenant in tenants], np.int64),
        change_us=_input([change.at_us for change in changes], np.int64),
        change_limit=_input([_or_never(c.max_concurrent_calls) for c in changes], np.int64),
        change_first=_input(firsts, np.int64),
        edit_tenant=_input(flat[:, 0], np.int64),
        edit_cap=_input(flat[:, 1], np.int64),
        edit_reserved=_input(flat[:, 2], np.int64),
        edit_enabled=_input(flat[:, 3], np.int64),
        checkpoint_us=_input(conditions.checkpoints_us, np.int64),
    )


def pack_faults(conditions: Conditions) -> core.Faults:
    """Lookup faults for the kernel."""
    faults = conditions.lookup_faults
    applies = [
        int(fault.tenants is None or tenant.tenant_id in fault.tenants)
        for tenant in conditions.tenants
        for fault in faults
    ]
    return core.Faults(
        result=_input([_LOOKUPS[fault.result] for fault in faults], np.int64),
        from_us=_input([fault.from_us for fault in faults], np.int64),
        until_us=_input([fault.until_us for fault in faults], np.int64),
        span=_input([fault.span for fault in faults], np.int64),
        applies=_input(applies, np.int64),
    )


def _edits(change: LimitsChange, place: Mapping[str, int]) -> list[tuple[int, int, int, int]]:
    edits = []
    for tenant_id, edit in change.tenants.items():
        cap = edit.max_concurrent_calls
        edits.append(
            (
                place[tenant_id],
                core.FOREVER if isinstance(cap, str) else _or_never(cap),
                _or_never(edit.reserved_calls),
                NEVER if edit.enabled is None else int(edit.enabled),
            )
        )
    return edits


def _or_never(value: int | None) -> int:
    return NEVER if value is None else value


def interpret(kernel: Callable[..., None], parts: Sequence[Any], hearings: Sequence[Array]) -> None:
    """Call ``kernel`` on the parts' arrays as lists, and copy them back into the arrays."""
    lists = [
        type(part)(*(value.tolist() if isinstance(value, np.ndarray) else value for value in part))
        for part in parts
    ]
    kernel(*lists, *(hearing.tolist() for hearing in hearings))
    for part, played in zip(parts, lists, strict=True):
        for array, values in zip(part, played, strict=True):
            if isinstance(array, np.ndarray) and array.flags.writeable:
                array[:] = values


def initial_state(conditions: Conditions) -> core.State:
    """The state before the first offer."""
    tenants = conditions.tenants
    names, _ = tenant_rows(conditions)
    warm_up = min(conditions.warm_up_us, conditions.duration_us)
    scalars = np.zeros(core.SCALAR_COUNT, np.int64)
    scalars[core.LIMIT] = conditions.max_concurrent_calls
    scalars[core.FULL_SINCE] = warm_up
    scalars[core.LIMIT_SINCE] = warm_up
    scalars[core.FREE_SLOT] = NEVER
    caps = [
        core.FOREVER if tenant.max_concurrent_calls is None else tenant.max_concurrent_calls
        for tenant in tenants
    ]
    # Only configured tenants reserve slots: the others are never admitted.
    reserved = [tenant.reserved_calls if tenant.configured else 0 for tenant in tenants]
    scalars[core.RESERVED_SUM] = sum(reserved)
    cells = 3 * len(tenants) + 1
    return core.State(
        scalars=scalars,
        cap=np.array(caps, np.int64),
        reserved=np.array(reserved, np.int64),
        open=np.array([tenant.configured and tenant.enabled for tenant in tenants], np.int64),
        in_use=np.zeros(len(tenants), np.int64),
        counters=np.zeros(len(names) * core.COUNTER_COUNT, np.int64),
        total=np.zeros(core.COUNTER_COUNT, np.int64),
        window=np.zeros(len(names) * core.WINDOW_COUNT, np.int64),
        window_total=np.zeros(core.WINDOW_COUNT, np.int64),
        checkpoints=np.zeros(len(conditions.checkpoints_us) * cells, np.int64),
    )


def unpack_checkpoints(conditions: Conditions, state: core.State) -> tuple[CheckpointState, ...]:
    """The capacity state at every checkpoint."""
    tenants = conditions.tenants
    table = state.checkpoints.reshape(-1, 3 * len(tenants) + 1).tolist()
    return tuple(
        CheckpointState(at_us, cells[0], _held_by_tenant(conditions, cells[1:]))
        for at_us, cells in zip(conditions.checkpoints_us, table, strict=True)
    )


def final_state(conditions: Conditions, state: core.State, slots: core.Slots) -> CheckpointState:
    """The calls that nothing ends any more, under the last limit."""
    used = int(state.scalars[core.SLOTS_USED])
    held = np.flatnonzero(
        (slots.tenant[:used] != NEVER) & (slots.release_us[:used] == core.FOREVER)
    )
    cells = np.zeros((len(conditions.tenants), 3), np.int64)
    accepted = slots.accepted_us[held] != NEVER
    np.add.at(cells[:, 0], slots.tenant[held[~accepted]], 1)
    np.add.at(cells[:, 1], slots.tenant[held[accepted]], 1)
    np.add.at(cells[:, 2], slots.tenant[held[slots.started_us[held] != NEVER]], 1)
    held_by_tenant = _held_by_tenant(conditions, cells.ravel().tolist())
    return CheckpointState(NEVER, last_limit(conditions), held_by_tenant)


def last_limit(conditions: Conditions) -> int:
    """The total limit after every change."""
    limits = [conditions.max_concurrent_calls] + [
        change.max_concurrent_calls
        for change in conditions.changes
        if change.max_concurrent_calls is not None
    ]
    return limits[-1]


def _held_by_tenant(conditions: Conditions, cells: Sequence[int]) -> dict[str, Held]:
    return {
        tenant.tenant_id: Held(*cells[3 * place : 3 * place + 3])
        for place, tenant in enumerate(conditions.tenants)
        if tenant.configured
    }


def unpack_counters(
    conditions: Conditions, state: core.State
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """The total row, and the row of every configured tenant and ``_unknown``."""
    names, _ = tenant_rows(conditions)
    table = state.counters.reshape(len(names), core.COUNTER_COUNT).tolist()
    return tuple(state.total.tolist()), {
        name: tuple(row) for name, row in zip(names, table, strict=True)
    }


def unpack_sums(conditions: Conditions, state: core.State) -> WindowSums:
    """What the statistics are ratios of."""
    names, _ = tenant_rows(conditions)
    table = state.window.reshape(len(names), core.WINDOW_COUNT).tolist()
    scalars = state.scalars.tolist()
    begin = min(conditions.warm_up_us, conditions.duration_us)
    return WindowSums(
        window_us=conditions.duration_us - begin,
        total=ServiceSums(*state.window_total.tolist()),
        tenants={name: ServiceSums(*row) for name, row in zip(names, table, strict=True)},
        first_attempts=scalars[core.FIRST_ATTEMPTS],
        first_rejected_capacity=scalars[core.FIRST_REJECTED_CAPACITY],
        first_rejected_tenant=scalars[core.FIRST_REJECTED_TENANT],
        eventually_lost=scalars[core.EVENTUALLY_LOST],
        congested_us=scalars[core.CONGESTED_US],
        limit_us=scalars[core.LIMIT_US],
    )
