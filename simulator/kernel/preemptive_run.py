"""A run under the policy priority: a whole trace through :mod:`simulator.kernel.preemption`."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np

from simulator.compiled import compile_kernel
from simulator.conditions import MOST_PRIORITY, NEVER, Conditions
from simulator.kernel import core, pack, preemption
from simulator.kernel.result import KernelResult
from simulator.results import CallLog, CheckpointState, Fate, Held
from simulator.statistics import statistics_from, tenant_rows

_HEARINGS: Final = 16

_HELPERS: Final = (
    core.heap_push,
    core.heap_drop,
    core.look_up,
    core.plain_life,
    core.hear,
    core.heard_life,
    preemption.live,
    preemption.follow,
    preemption.let_go,
    preemption.note_states,
    preemption.count,
)


def play_preemptive(
    conditions: Conditions, rows: pack.Rows, limits: core.Limits, *, compiled: bool, keep_log: bool
) -> KernelResult:
    """Play all rows of a trace at once, to the end of the run."""
    state = pack.initial_state(conditions)
    calls, levels = _no_calls(len(rows)), _levels(conditions)
    parts = (
        pack.pack_columns(rows),
        pack.pack_heard(rows),
        pack.pack_rules(conditions),
        pack.pack_faults(conditions),
        state,
        calls,
        _queues(len(rows), has_dependents=bool(limits.has_dependents)),
        levels,
        limits,
    )
    hearings = (np.empty(_HEARINGS, np.int64), np.empty(_HEARINGS, np.int64))
    if compiled:
        compiled_preempt()(*parts, *hearings)
    else:
        pack.interpret(preemption.preempt, parts, hearings)
    names, _ = tenant_rows(conditions)
    state.total[:] = state.counters.reshape(len(names), core.COUNTER_COUNT).sum(axis=0)
    shown = state.window.reshape(len(names), core.WINDOW_COUNT)
    state.window_total[: core.W_PEAK] = shown[:, : core.W_PEAK].sum(axis=0)
    total, tenants = pack.unpack_counters(conditions, state)
    sums = pack.unpack_sums(conditions, state)
    by_name = dict(zip(names, levels.window_preempted.tolist(), strict=True))
    sums = replace(
        sums,
        preempts=True,
        total=replace(sums.total, preempted=sum(by_name.values())),
        tenants={
            name: replace(each, preempted=by_name[name]) for name, each in sums.tenants.items()
        },
    )
    return KernelResult(
        total=total,
        tenants=tenants,
        checkpoints=pack.unpack_checkpoints(conditions, state),
        final=_final(conditions, rows, calls),
        sums=sums,
        statistics=statistics_from(sums),
        log=CallLog(*calls[: len(core.Log._fields) + 1]) if keep_log else None,
        preempted=dict(zip(names, levels.preempted.tolist(), strict=True)),
    )


@cache
def compiled_preempt() -> Callable[..., None]:
    """The compiled loop, anew in every process: numba's cache would miss a change of the core."""
    from numba.extending import register_jitable

    for helper in _HELPERS:
        register_jitable(helper)
    return compile_kernel(preemption.preempt, cache=False)


def _no_calls(rows: int) -> preemption.Calls:
    def never() -> pack.Array:
        return np.full(rows, NEVER, np.int64)

    return preemption.Calls(
        fate=np.full(rows, Fate.NOT_MADE, np.int8),
        scopes=np.zeros(rows, np.int8),
        offered_us=never(),
        accepted_us=never(),
        started_us=never(),
        released_us=never(),
        preempted_by=never(),
        found=np.full(rows, core.NO_LOOKUP, np.int8),
        referred=np.zeros(rows, np.int8),
        expired=np.zeros(rows, np.int8),
        counts=np.zeros(rows, np.int8),
        before=never(),
        behind=never(),
    )


def _queues(rows: int, *, has_dependents: bool) -> preemption.Queues:
    links = rows if has_dependents else 0
    return preemption.Queues(
        release_us=np.empty(rows, np.int64),
        release_row=np.empty(rows, np.int64),
        due_us=np.empty(links, np.int64),
        due_key=np.empty(links, np.int64),
        first=np.full(links, NEVER, np.int64),
        following=np.full(links, NEVER, np.int64),
    )


def _levels(conditions: Conditions) -> preemption.Levels:
    given = [tenant.priority or MOST_PRIORITY + 1 for tenant in conditions.tenants]
    known = sorted(set(given))
    names, _ = tenant_rows(conditions)
    return preemption.Levels(
        of=np.array([known.index(each) for each in given], np.int64),
        newest=np.full(len(known), NEVER, np.int64),
        preempted=np.zeros(len(names), np.int64),
        window_preempted=np.zeros(len(names), np.int64),
    )


def _final(conditions: Conditions, rows: pack.Rows, calls: preemption.Calls) -> CheckpointState:
    """The calls that nothing ends any more, under the last limit."""
    places = np.broadcast_to(rows.columns["tenant"], len(rows))

    def number(place: int, *fates: Fate) -> int:
        return int((np.isin(calls.fate, fates) & (places == place)).sum())

    held = {
        tenant.tenant_id: Held(
            number(place, Fate.STILL_PENDING),
            number(place, Fate.STILL_ACCEPTED, Fate.STILL_ACTIVE),
            number(place, Fate.STILL_ACTIVE),
        )
        for place, tenant in enumerate(conditions.tenants)
        if tenant.configured
    }
    return CheckpointState(NEVER, pack.last_limit(conditions), held)
