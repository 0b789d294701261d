"""Plays a trace on the service's own admission core in virtual time, without HTTP."""

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from service.calls import COUNTERS, UNKNOWN_TENANT, Lookup, Outcome
from service.state.base import Deadlines, Refusal
from service.state.memory import MemoryCore
from simulator.engines import Inconclusive
from simulator.engines.limits import limit_change, starting_policies
from simulator.engines.lookups import LookupPlan
from simulator.engines.record import REJECTED, CallRecord
from simulator.engines.schedule import (
    ACCEPT,
    CHANGE,
    CHECKPOINT,
    END,
    EXPIRE,
    HANGUP,
    OFFER,
    START,
    Schedule,
    end_of_run_us,
)
from simulator.results import CheckpointState, Held, HeldRows, Progress, RunOutcome
from simulator.trace import CallTrace

ENGINE: Final = "inproc"

CoreFactory = Callable[..., MemoryCore]
"""Makes a core from the arguments of :class:`MemoryCore`."""

END_OUTCOMES: Final = (Outcome.COMPLETED, Outcome.HUNG_UP, Outcome.FAILED)
"""The outcome of an end by :class:`simulator.trace.EndKind`."""

_PROGRESS_EVERY: Final = 20_000
_LEAST_MEMORY: Final = 1_000_000


class InprocEngine:
    """Every event is one step of the core; ``core_factory`` makes the core to be tried."""

    def __init__(self, core_factory: CoreFactory = MemoryCore) -> None:
        self._core_factory = core_factory

    @property
    def name(self) -> str:
        return ENGINE

    def run(self, trace: CallTrace, progress: Progress | None = None) -> RunOutcome:
        """Play the trace.

        Raises :class:`Inconclusive` when the core forgets no call and so takes no more.
        """
        return _Run(trace, self._core_factory, progress).play()


class _Run:
    def __init__(
        self, trace: CallTrace, core_factory: CoreFactory, progress: Progress | None
    ) -> None:
        conditions = trace.conditions
        self._trace = trace
        self._conditions = conditions
        self._progress = progress
        self._policies = starting_policies(conditions)
        self._core = core_factory(
            conditions.max_concurrent_calls,
            tenants=dict(self._policies),
            deadlines=Deadlines(
                conditions.pending_deadline_us,
                conditions.accepted_deadline_us,
                conditions.active_deadline_us,
            ),
            max_remembered_calls=max(len(trace), _LEAST_MEMORY),
        )
        self._schedule = Schedule(trace)
        self._record = CallRecord(trace, self._schedule)
        self._checkpoints: list[CheckpointState] = []

    def play(self) -> RunOutcome:
        last_us = self._play_items()
        until_us = end_of_run_us(self._conditions, last_us)
        self._core.advance(until_us)
        final = self._state(until_us)
        assert final.rows is not None
        assert final.counters is not None
        assert final.total_counters is not None
        return RunOutcome(
            engine=ENGINE,
            total=final.total_counters,
            tenants=final.counters,
            checkpoints=tuple(self._checkpoints),
            final=final,
            log=self._record.close(final.rows, until_us),
            contradictions=tuple(self._record.contradictions),
        )

    def _play_items(self) -> int:
        """Play everything; returns the instant of the last item. The loop to keep lean."""
        trace, core, n = self._trace, self._core, len(self._trace)
        names = [tenant.tenant_id for tenant in self._conditions.tenants]
        tenant_of = np.broadcast_to(trace.tenant, n).tolist()
        end_kind_of = np.broadcast_to(trace.end_kind, n).tolist()
        ids = [f"c{row}" for row in range(n)]
        lookup_of = self._lookups()
        core_offer, core_accept, core_start, core_end = (
            core.offer,
            core.accept,
            core.start,
            core.end,
        )
        heard, fate = self._record.heard, self._record.fate
        at_us, until_progress = 0, _PROGRESS_EVERY
        for at_us, kind, row in self._schedule:
            if kind == OFFER:
                answer = core_offer(ids[row], names[tenant_of[row]], at_us)
                if answer.refusal is Refusal.CALL_MEMORY_FULL:
                    raise Inconclusive("the core remembers too many calls to take another offer")
                until_progress -= 1
                if not until_progress:
                    until_progress = _PROGRESS_EVERY
                    self._tell(at_us)
            elif kind >= EXPIRE:
                self._apart(at_us, kind, row)
                continue
            elif fate[row] in REJECTED:
                continue
            elif kind == ACCEPT:
                answer = core_accept(ids[row], lookup_of(row, at_us), at_us)
            elif kind == START:
                answer = core_start(ids[row], at_us)
            elif kind == END:
                answer = core_end(ids[row], END_OUTCOMES[end_kind_of[row]], at_us)
            elif kind == HANGUP:
                answer = core_end(ids[row], Outcome.HUNG_UP, at_us)
            else:
                answer = core.refer(ids[row], at_us)
            heard(at_us, kind, row, answer)
        return at_us

    def _lookups(self) -> Callable[[int, int], Lookup]:
        """What the accept of a row heard at an instant finds."""
        trace, n = self._trace, len(self._trace)
        plan = LookupPlan(self._conditions)
        base = plan.base
        tenant_of = np.broadcast_to(trace.tenant, n).tolist()
        if not self._conditions.lookup_faults:
            return lambda row, _: base[tenant_of[row]]
        draw_of = np.broadcast_to(trace.lookup_draw, n).tolist()

        def lookup_of(row: int, at_us: int) -> Lookup:
            tenant = tenant_of[row]
            return plan.planned(tenant, draw_of[row], at_us) or base[tenant]

        return lookup_of

    def _apart(self, at_us: int, kind: int, row: int) -> None:
        """What happens to no single call, and the expiries that others wait for."""
        if kind == CHANGE:
            change = limit_change(self._conditions.changes[row], self._policies)
            self._core.change_limits(change, at_us)
            self._policies.update(change.tenants)
        elif kind == CHECKPOINT:
            self._core.advance(at_us)
            self._checkpoints.append(self._state(at_us))
        else:
            self._record.expire(row, at_us)

    def _state(self, at_us: int) -> CheckpointState:
        """What the core says of itself, calls by their rows."""
        snapshot, held = self._core.snapshot(), self._core.held()
        slots = dict.fromkeys(self._policies, Held())
        counters = dict.fromkeys((*self._policies, UNKNOWN_TENANT), (0,) * len(COUNTERS))
        for name, tenant in snapshot.tenants.items():
            # Rows that should not be there are reported as well: the verdict is not made here.
            counters[name] = tenant.counters
            if name != UNKNOWN_TENANT:
                one = tenant.occupancy
                slots[name] = Held(one.pending, one.accepted, one.active)
        return CheckpointState(
            at_us=at_us,
            limit=snapshot.max_concurrent_calls,
            tenants=slots,
            rows=HeldRows(
                pending=_rows(held.pending),
                accepted=_rows(held.accepted),
                active=_rows(held.active),
            ),
            counters=counters,
            total_counters=snapshot.total.counters,
        )

    def _tell(self, at_us: int) -> None:
        if self._progress is not None:
            duration_us = self._conditions.duration_us
            self._progress(min(at_us, duration_us), duration_us)


def _rows(call_ids: Iterable[str]) -> frozenset[int]:
    return frozenset(int(call_id[1:]) for call_id in call_ids)
