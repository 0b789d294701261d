"""The call state in memory against a plain model of it, and the conservation laws at every step."""

from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.calls import COUNTERS, UNKNOWN_TENANT, Counter, Lookup, Outcome, State
from service.state.base import (
    Answer,
    Deadlines,
    Decision,
    LimitChange,
    LimitsInvalid,
    Refusal,
    TenantPolicy,
)
from service.state.memory import MemoryCore
from tests.property.memory_model import HELD, Model

TENANTS: Final = ("a", "b", "c")
STRANGERS: Final = ("nobody", "someone")

call_ids = st.integers(0, 9).map("call-{}".format)
steps = st.integers(0, 3)
deadlines = st.none() | st.integers(1, 6)


@st.composite
def policies(draw: st.DrawFn) -> TenantPolicy:
    """Any policy, those that break ``reserved <= cap`` included."""
    return TenantPolicy(
        enabled=draw(st.integers(0, 4)) > 0,
        max_concurrent_calls=draw(st.none() | st.integers(0, 3)),
        reserved_calls=draw(st.integers(0, 2)),
        fallback_allowed=draw(st.booleans()),
    )


class MemoryCoreAgainstModel(RuleBasedStateMachine):
    @initialize(
        limit=st.integers(0, 5),
        tenants=st.dictionaries(st.sampled_from(TENANTS), policies(), min_size=1),
        pending=deadlines,
        accepted=deadlines,
        active=deadlines,
        retention=st.integers(1, 12),
        most=st.integers(4, 20),
    )
    def build(
        self,
        limit: int,
        tenants: dict[str, TenantPolicy],
        pending: int | None,
        accepted: int | None,
        active: int | None,
        retention: int,
        most: int,
    ) -> None:
        given = {State.PENDING: pending, State.ACCEPTED: accepted, State.ACTIVE: active}
        model = Model(
            limit,
            dict(tenants),
            {state: us for state, us in given.items() if us is not None},
            retention,
            most,
        )
        if not model.can_change(limit, tenants):
            tenants = {name: TenantPolicy() for name in tenants}
            model.tenants = dict(tenants)
        self.model = model
        self.core = MemoryCore(
            limit,
            tenants=tenants,
            deadlines=Deadlines(pending, accepted, active),
            call_id_retention_us=retention,
            max_remembered_calls=most,
        )
        self.now = 0
        self.before = self.core.snapshot()

    def same(self, observed: Answer, expected: Answer) -> None:
        assert observed == expected

    # --- events

    @rule(call_id=call_ids, tenant=st.sampled_from(TENANTS + STRANGERS), step=steps)
    def offer(self, call_id: str, tenant: str, step: int) -> None:
        self.now += step
        known = self.core.call(call_id) is not None
        answer = self.core.offer(call_id, tenant, self.now)
        self.same(answer, self.model.offer(call_id, tenant, self.now))
        if answer.decision is Decision.ADMITTED and not known:
            now = self.core.snapshot()
            assert now.total.occupancy.in_use <= now.max_concurrent_calls
            cap = self.model.tenants[tenant].max_concurrent_calls
            assert cap is None or now.tenants[tenant].occupancy.in_use <= cap

    @rule(call_id=call_ids, lookup=st.sampled_from(Lookup), step=steps)
    def accept(self, call_id: str, lookup: Lookup, step: int) -> None:
        self.now += step
        answer = self.core.accept(call_id, lookup, self.now)
        self.same(answer, self.model.accept(call_id, lookup, self.now))

    @rule(call_id=call_ids, step=steps)
    def start(self, call_id: str, step: int) -> None:
        self.now += step
        self.same(self.core.start(call_id, self.now), self.model.start(call_id, self.now))

    @rule(call_id=call_ids, step=steps)
    def refer(self, call_id: str, step: int) -> None:
        self.now += step
        self.same(self.core.refer(call_id, self.now), self.model.refer(call_id, self.now))

    @rule(call_id=call_ids, outcome=st.sampled_from(Outcome), step=steps)
    def end(self, call_id: str, outcome: Outcome, step: int) -> None:
        self.now += step
        answer = self.core.end(call_id, outcome, self.now)
        self.same(answer, self.model.end(call_id, outcome, self.now))

    @rule(step=st.integers(0, 15))
    def advance(self, step: int) -> None:
        self.now += step
        self.core.advance(self.now)
        self.model.pass_time(self.now, same_instant=True)

    # --- a whole call at once, so that long lives are not left to luck

    @rule(call_id=call_ids, tenant=st.sampled_from(TENANTS), until=st.integers(1, 4))
    def live(self, call_id: str, tenant: str, until: int) -> None:
        self.offer(call_id, tenant, 0)
        self.accept(call_id, Lookup.FOUND, 0)
        if until > 1:
            self.start(call_id, 1)
        if until > 2:
            self.refer(call_id, 0)
        if until > 3:
            self.end(call_id, Outcome.FAILED, 1)

    # --- changes

    @rule(
        limit=st.none() | st.integers(0, 5),
        tenants=st.dictionaries(st.sampled_from(TENANTS), policies(), max_size=2),
        step=steps,
    )
    def change_limits(self, limit: int | None, tenants: dict[str, TenantPolicy], step: int) -> None:
        self.now += step
        named = {name: tenants[name] for name in tenants if name in self.model.tenants}
        change = LimitChange(limit, named)
        new_limit = self.model.limit if limit is None else limit
        if self.model.can_change(new_limit, {**self.model.tenants, **named}):
            self.core.change_limits(change, self.now)
            self.model.change(change, self.now)
        else:
            self.refused(lambda: self.core.change_limits(change, self.now))

    @rule(tenant=st.sampled_from(TENANTS), policy=policies(), step=steps)
    def put_tenant(self, tenant: str, policy: TenantPolicy, step: int) -> None:
        self.now += step
        if self.model.can_change(self.model.limit, {**self.model.tenants, tenant: policy}):
            self.core.put_tenant(tenant, policy, self.now)
            self.model.put(tenant, policy, self.now)
        else:
            self.refused(lambda: self.core.put_tenant(tenant, policy, self.now))

    @precondition(lambda self: self.model.tenants)
    @rule(data=st.data(), step=steps)
    def remove_tenant(self, data: st.DataObject, step: int) -> None:
        self.now += step
        tenant = data.draw(st.sampled_from(sorted(self.model.tenants)))
        self.core.remove_tenant(tenant, self.now)
        self.model.remove(tenant, self.now)

    def refused(self, change: object) -> None:
        before = self.core.snapshot()
        assert callable(change)
        try:
            change()
        except LimitsInvalid:
            assert self.core.snapshot() == before
        else:
            raise AssertionError("limits that cannot be kept together were taken")

    # --- what must hold after every step

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "core"):
            return
        model, now, held = self.model, self.core.snapshot(), self.core.held()
        assert now.max_concurrent_calls == model.limit
        assert set(now.tenants) == set(model.rows)
        for name, seen in now.tenants.items():
            assert seen.policy == model.tenants.get(name)
            assert seen.counters == model.row_of(name)
            assert seen.occupancy.pending == len(model.held(State.PENDING, row=name))
            accepted = model.held(State.ACCEPTED, State.ACTIVE, row=name)
            assert seen.occupancy.accepted == len(accepted)
            assert seen.occupancy.active == len(model.held(State.ACTIVE, row=name))
        assert dict(held.pending) == {c.call_id: c.tenant for c in model.held(State.PENDING)}
        assert dict(held.pending_by_tenant) == {
            name: tuple(c for c, tenant in held.pending.items() if tenant == name)
            for name in set(held.pending.values())
        }
        assert self.core.held() is held
        accepted = model.held(State.ACCEPTED, State.ACTIVE)
        assert set(held.accepted) == {c.call_id for c in accepted}
        assert set(held.active) == {c.call_id for c in model.held(State.ACTIVE)}
        assert [c for c in held.accepted if self.accepted_us(c) is None] == []
        instants = [self.accepted_us(c) or 0 for c in held.accepted]
        assert instants == sorted(instants)
        assert dict(now.decisions) == dict(model.decisions)
        for call in model.calls:
            view = self.core.call(call.call_id)
            assert view is not None
            assert (view.tenant_id, view.state) == (call.tenant, call.state)
            assert view.offered_us == call.offered
            assert view.accepted_us == call.accepted
            assert view.started_us == call.started
            assert view.finished_us == call.finished

    def accepted_us(self, call_id: str) -> int | None:
        view = self.core.call(call_id)
        return None if view is None else view.accepted_us

    @invariant()
    def conserves(self) -> None:
        if not hasattr(self, "core"):
            return
        now, before = self.core.snapshot(), self.before
        for seen in [now.total, *now.tenants.values()]:
            row, slots = seen.counters, seen.occupancy
            assert min(row) >= 0
            assert row[Counter.OFFERED_CALLS] == (
                slots.pending
                + row[Counter.ACCEPTED_CALLS]
                + row[Counter.REJECTED_CALLS_CAPACITY]
                + row[Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED]
                + row[Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING]
                + row[Counter.ABANDONED_PENDING]
            )
            waiting = slots.accepted - slots.active
            assert row[Counter.ACCEPTED_CALLS] == (
                row[Counter.STARTED_CALLS] + waiting + row[Counter.ABANDONED_ACCEPTED]
            )
            assert row[Counter.ACTIVE_CALLS] == slots.active
            assert slots.active == row[Counter.STARTED_CALLS] - row[Counter.ENDED_CALLS]
            assert row[Counter.FAILED_CALLS] <= row[Counter.ENDED_CALLS]
            assert row[Counter.REFERRED_CALLS] <= row[Counter.STARTED_CALLS]
        rows = [seen.counters for seen in now.tenants.values()]
        assert now.total.counters == tuple(map(sum, zip(*rows, strict=True)))
        slots_in_use = sum(seen.occupancy.in_use for seen in now.tenants.values())
        assert now.total.occupancy.in_use == slots_in_use == len(self.model.held(*HELD))
        for name, seen in before.tenants.items():
            for spec in COUNTERS:
                if not spec.is_gauge:
                    place = spec.counter
                    assert now.tenants[name].counters[place] >= seen.counters[place]
        self.before = now

    @precondition(lambda self: self.model.calls)
    @rule(data=st.data())
    def repeat_changes_nothing(self, data: st.DataObject) -> None:
        """At the same instant, a repeat of any event is answered as before and leaves no trace."""
        self.core.advance(self.now)
        self.model.pass_time(self.now, same_instant=True)
        if not self.model.calls:
            return
        call = data.draw(st.sampled_from(self.model.calls))
        before = self.core.snapshot()
        again = {
            "offer": lambda: self.core.offer(call.call_id, call.tenant, self.now),
            "accept": lambda: self.core.accept(call.call_id, Lookup.ERROR, self.now),
            "start": lambda: self.core.start(call.call_id, self.now),
            "refer": lambda: self.core.refer(call.call_id, self.now),
            "end": lambda: self.core.end(call.call_id, Outcome.FAILED, self.now),
        }
        for event, first in call.answers.items():
            assert again[event]() == first
        assert self.core.snapshot() == before
        other = self.core.offer(call.call_id, call.tenant + "-other", self.now)
        assert other == Answer(refusal=Refusal.OTHER_TENANT)
        assert self.core.snapshot() == before
        assert UNKNOWN_TENANT in before.tenants


MemoryCoreAgainstModel.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
TestMemoryCore = MemoryCoreAgainstModel.TestCase
