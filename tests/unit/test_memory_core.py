"""What the call state in memory promises beyond single events: memory, time, limits, reading."""

import pytest

from service.calls import (
    UNKNOWN_TENANT,
    Counter,
    Lookup,
    Outcome,
    Reason,
    Scope,
    State,
)
from service.metrics import LiveMetricsStore
from service.state.base import (
    Answer,
    CallState,
    Deadlines,
    Decision,
    LimitChange,
    LimitsInvalid,
    Refusal,
    TenantPolicy,
    TenantUnknown,
)
from service.state.memory import MemoryCore, MemoryState

ADMITTED = Answer(Decision.ADMITTED)
ACCEPTED = Answer(Decision.ACCEPTED)
UNKNOWN_CALL = Answer(refusal=Refusal.UNKNOWN_CALL)
WRONG_STATE = Answer(refusal=Refusal.WRONG_STATE)
MEMORY_FULL = Answer(refusal=Refusal.CALL_MEMORY_FULL)

ACME = {"acme": TenantPolicy()}


def core(limit: int = 10, **tenants: TenantPolicy) -> MemoryCore:
    return MemoryCore(limit, tenants=tenants or ACME)


def figure(core: MemoryCore, counter: Counter, tenant: str | None = None) -> int:
    now = core.snapshot()
    return (now.total if tenant is None else now.tenants[tenant]).counters[counter]


def whole_call(core: MemoryCore, call_id: str, at_us: int) -> None:
    assert core.offer(call_id, "acme", at_us) == ADMITTED
    assert core.accept(call_id, Lookup.FOUND, at_us) == ACCEPTED
    core.start(call_id, at_us)
    assert core.end(call_id, Outcome.COMPLETED, at_us) == Answer(Decision.ENDED)


# --- the memory of finished calls


def test_a_finished_call_is_forgotten_after_the_retention_and_no_earlier() -> None:
    memory = MemoryCore(1, tenants=ACME, call_id_retention_us=100)
    whole_call(memory, "c", 7)
    memory.advance(106)
    assert memory.offer("c", "acme", 106) == ADMITTED
    assert figure(memory, Counter.OFFERED_CALLS) == 1
    assert memory.end("c", Outcome.FAILED, 106) == Answer(Decision.ENDED)

    assert memory.end("c", Outcome.FAILED, 107) == UNKNOWN_CALL
    assert memory.call("c") is None
    whole_call(memory, "c", 107)
    assert figure(memory, Counter.OFFERED_CALLS) == 2


def test_a_held_call_is_never_forgotten() -> None:
    memory = MemoryCore(1, tenants=ACME, call_id_retention_us=1)
    memory.offer("c", "acme", 0)
    memory.advance(1_000_000)
    assert memory.accept("c", Lookup.FOUND, 1_000_000) == ACCEPTED


@pytest.mark.parametrize("tenant", ["acme", "nobody"])
def test_a_rejected_call_is_remembered_from_its_offer(tenant: str) -> None:
    memory = MemoryCore(0, tenants=ACME, call_id_retention_us=10)
    first = memory.offer("c", tenant, 0)
    assert first.decision is Decision.REJECTED
    assert memory.offer("c", tenant, 9) is first
    assert figure(memory, Counter.OFFERED_CALLS) == 1
    memory.offer("c", tenant, 10)
    assert figure(memory, Counter.OFFERED_CALLS) == 2


def test_full_memory_sheds_new_offers_and_counts_them_in_nothing() -> None:
    memory = MemoryCore(9, tenants=ACME, call_id_retention_us=100, max_remembered_calls=3)
    whole_call(memory, "ended", 0)
    assert memory.offer("junk", "nobody", 10).decision is Decision.REJECTED
    memory.offer("held", "acme", 20)
    before = memory.snapshot()
    for tenant in ("acme", "nobody"):
        assert memory.offer("new", tenant, 20) == MEMORY_FULL
    assert memory.call("new") is None
    assert memory.snapshot() == before
    assert memory.offer("ended", "acme", 20) == ADMITTED, "a repeat needs no memory"

    assert memory.offer("new", "acme", 99) == MEMORY_FULL
    assert memory.offer("new", "acme", 100) == ADMITTED
    assert memory.offer("newer", "acme", 109) == MEMORY_FULL
    assert memory.offer("newer", "acme", 110) == ADMITTED


def test_what_is_remembered_stays_bounded() -> None:
    memory = MemoryCore(5, tenants=ACME, call_id_retention_us=50, max_remembered_calls=1000)
    for at_us in range(5_000):
        whole_call(memory, f"c{at_us}", at_us)
    remembered = [at_us for at_us in range(5_000) if memory.call(f"c{at_us}") is not None]
    assert remembered == list(range(4_950, 5_000))


def test_invented_tenants_share_one_row() -> None:
    memory = core()
    for place in range(500):
        memory.offer(f"c{place}", f"invented-{place}", 0)
    assert set(memory.snapshot().tenants) == {"acme", UNKNOWN_TENANT}
    assert figure(memory, Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED, UNKNOWN_TENANT) == 500


# --- deadlines


def test_an_event_wins_the_tie_with_a_deadline_and_an_offer_loses_it() -> None:
    tight = MemoryCore(1, tenants=ACME, deadlines=Deadlines(pending_us=10))
    tight.offer("a", "acme", 0)
    assert tight.accept("a", Lookup.FOUND, 10) == ACCEPTED

    tight = MemoryCore(1, tenants=ACME, deadlines=Deadlines(pending_us=10))
    tight.offer("a", "acme", 0)
    assert tight.offer("b", "acme", 10) == ADMITTED
    assert tight.accept("a", Lookup.FOUND, 10) == WRONG_STATE


def test_a_repeated_offer_lets_the_other_events_of_its_instant_come_first() -> None:
    tight = MemoryCore(2, tenants=ACME, deadlines=Deadlines(active_us=10))
    tight.offer("a", "acme", 0)
    tight.accept("a", Lookup.FOUND, 0)
    tight.start("a", 0)
    tight.offer("b", "acme", 3)
    assert tight.offer("b", "acme", 10) == ADMITTED
    tight.end("a", Outcome.COMPLETED, 10)
    assert figure(tight, Counter.FAILED_CALLS) == 0


def test_an_active_call_expires_as_a_failed_end_at_its_due_instant() -> None:
    tight = MemoryCore(1, tenants=ACME, deadlines=Deadlines(active_us=60))
    tight.offer("a", "acme", 0)
    tight.accept("a", Lookup.FOUND, 1)
    tight.start("a", 2)
    tight.advance(1_000)
    assert figure(tight, Counter.FAILED_CALLS) == figure(tight, Counter.ENDED_CALLS) == 1
    assert figure(tight, Counter.ACTIVE_US_TOTAL) == 60
    view = tight.call("a")
    assert view is not None
    assert (view.state, view.finished_us) == (State.ENDED, 62)
    assert tight.end("a", Outcome.COMPLETED, 1_000) == WRONG_STATE


def test_calls_of_all_states_expire_in_the_order_of_their_deadlines() -> None:
    """The memory of finished calls is a queue, so a jump in time must finish them in order."""
    tight = MemoryCore(
        3,
        tenants=ACME,
        deadlines=Deadlines(pending_us=30, accepted_us=20, active_us=10),
        call_id_retention_us=100,
    )
    for call_id in ("pending", "accepted", "active"):
        tight.offer(call_id, "acme", 0)
    tight.accept("accepted", Lookup.FOUND, 0)
    tight.accept("active", Lookup.FOUND, 0)
    tight.start("active", 0)
    tight.advance(50)
    finished = {"active": 10, "accepted": 20, "pending": 30}
    for call_id, at_us in finished.items():
        tight.advance(at_us + 99)
        view = tight.call(call_id)
        assert view is not None
        assert view.finished_us == at_us
        tight.advance(at_us + 100)
        assert tight.call(call_id) is None


# --- limits and tenants


def test_a_limit_lowered_below_use_drops_nobody_and_admits_nobody_until_there_is_room() -> None:
    shrunk = core(3)
    for call_id in "abc":
        shrunk.offer(call_id, "acme", 0)
    shrunk.change_limits(LimitChange(max_concurrent_calls=1), 1)
    assert list(shrunk.held().pending) == ["a", "b", "c"]
    for place, call_id in enumerate("abc"):
        full = shrunk.offer(f"new-{place}", "acme", 2)
        assert (full.reason, full.scopes) == (Reason.CAPACITY, (Scope.TOTAL,))
        shrunk.end(call_id, Outcome.HUNG_UP, 2)
    assert shrunk.offer("d", "acme", 2) == ADMITTED


def test_a_change_that_cannot_be_kept_changes_nothing() -> None:
    stable = core(5, acme=TenantPolicy(reserved_calls=2), other=TenantPolicy())
    before = stable.snapshot()
    bad = [
        LimitChange(max_concurrent_calls=1),
        LimitChange(7, {"other": TenantPolicy(reserved_calls=6)}),
        LimitChange(7, {"other": TenantPolicy(max_concurrent_calls=1, reserved_calls=2)}),
    ]
    for change in bad:
        with pytest.raises(LimitsInvalid):
            stable.check_limits(change)
        with pytest.raises(LimitsInvalid):
            stable.change_limits(change, 9)
    with pytest.raises(TenantUnknown, match="nobody"):
        stable.change_limits(LimitChange(9, {"nobody": TenantPolicy()}), 9)
    with pytest.raises(LimitsInvalid):
        stable.put_tenant("new", TenantPolicy(reserved_calls=4), 9)
    with pytest.raises(TenantUnknown, match="nobody"):
        stable.remove_tenant("nobody", 9)
    assert stable.snapshot() == before


def test_a_check_changes_nothing() -> None:
    stable = core(5)
    before = stable.snapshot()
    stable.check_limits(LimitChange(2, {"acme": TenantPolicy(enabled=False)}))
    assert stable.snapshot() == before


def test_the_shared_row_is_no_tenant() -> None:
    with pytest.raises(LimitsInvalid, match=UNKNOWN_TENANT):
        core(5, **{UNKNOWN_TENANT: TenantPolicy()})
    with pytest.raises(LimitsInvalid, match=UNKNOWN_TENANT):
        core().put_tenant(UNKNOWN_TENANT, TenantPolicy(), 0)
    with pytest.raises(TenantUnknown):
        core().remove_tenant(UNKNOWN_TENANT, 0)
    assert core().tenant_counters(UNKNOWN_TENANT) is None


@pytest.mark.parametrize("how", ["disabled", "removed"])
def test_the_calls_of_a_disabled_or_removed_tenant_go_on(how: str) -> None:
    service = core()
    service.offer("c", "acme", 0)
    if how == "disabled":
        service.change_limits(LimitChange(tenants={"acme": TenantPolicy(enabled=False)}), 1)
    else:
        service.remove_tenant("acme", 1)
    refused = service.offer("d", "acme", 1)
    assert refused == Answer(Decision.REJECTED, Reason.TENANT_NOT_CONFIGURED)
    row = "acme" if how == "disabled" else UNKNOWN_TENANT
    assert figure(service, Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED, row) == 1

    assert service.accept("c", Lookup.FOUND, 2) == ACCEPTED
    assert service.start("c", 3) == Answer(Decision.STARTED)
    assert service.end("c", Outcome.COMPLETED, 5) == Answer(Decision.ENDED)
    assert figure(service, Counter.ACTIVE_US_TOTAL, "acme") == 2


def test_a_removed_tenant_keeps_its_row_and_resumes_it() -> None:
    service = core()
    whole_call(service, "c", 0)
    service.remove_tenant("acme", 1)
    assert service.tenant_counters("acme") is None
    assert service.snapshot().tenants["acme"].policy is None
    service.put_tenant("acme", TenantPolicy(), 2)
    whole_call(service, "d", 3)
    assert figure(service, Counter.ENDED_CALLS, "acme") == 2


def test_a_removed_tenant_gives_its_reservation_back_and_still_fills_its_slots() -> None:
    service = core(3, kept=TenantPolicy(reserved_calls=2), acme=TenantPolicy())
    service.offer("k", "kept", 0)
    service.offer("a", "acme", 0)
    assert service.offer("b", "acme", 0).scopes == (Scope.RESERVED,)
    service.remove_tenant("kept", 1)
    assert service.offer("c", "acme", 1) == ADMITTED
    assert service.offer("d", "acme", 1).scopes == (Scope.TOTAL,)


# --- reading


def test_rejections_are_counted_by_reason_and_scopes() -> None:
    service = core(2, acme=TenantPolicy(max_concurrent_calls=1), other=TenantPolicy())
    service.offer("1", "acme", 0)
    service.offer("2", "acme", 0)
    service.offer("3", "other", 0)
    service.offer("4", "other", 0)
    service.offer("5", "acme", 0)
    service.offer("5", "acme", 0)
    service.offer("6", "nobody", 0)
    service.accept("1", Lookup.ERROR, 0)
    service.accept("1", Lookup.ERROR, 0)
    assert service.snapshot().decisions == {
        (Reason.CAPACITY, (Scope.TENANT,)): 1,
        (Reason.CAPACITY, (Scope.TOTAL,)): 1,
        (Reason.CAPACITY, (Scope.TOTAL, Scope.TENANT)): 1,
        (Reason.TENANT_NOT_CONFIGURED, ()): 1,
        (Reason.INSTRUCTIONS_MISSING, ()): 1,
    }


def test_held_calls_stand_in_the_order_in_which_they_entered() -> None:
    service = core()
    for call_id in "abcd":
        service.offer(call_id, "acme", 0)
    for call_id in "dba":
        service.accept(call_id, Lookup.FOUND, 1)
    for call_id in "ad":
        service.start(call_id, 2)
    held = service.held()
    assert dict(held.pending) == {"c": "acme"}
    assert held.accepted == ("d", "b", "a")
    assert held.active == ("a", "d")
    assert service.pending_tenant("c") == "acme"
    assert service.pending_tenant("a") is None
    assert service.pending_tenant("x") is None


def test_a_snapshot_stays_what_it_was() -> None:
    service = core()
    service.offer("a", "acme", 3)
    before, held = service.snapshot(), service.held()
    service.accept("a", Lookup.MISSING, 4)
    assert before.at_us == 3
    assert before.total.occupancy.pending == 1
    assert not before.decisions
    assert list(held.pending) == ["a"]


@pytest.mark.parametrize(
    ("accept", "state", "reason"),
    [
        (Lookup.FOUND, State.ACCEPTED, None),
        (Lookup.MISSING, State.REJECTED, Reason.INSTRUCTIONS_MISSING),
    ],
)
def test_a_call_can_be_looked_at(accept: Lookup, state: State, reason: Reason | None) -> None:
    service = core()
    service.offer("a", "acme", 3)
    service.accept("a", accept, 5)
    view = service.call("a")
    assert view is not None
    assert (view.call_id, view.tenant_id) == ("a", "acme")
    assert (view.state, view.reason, view.scopes) == (state, reason, ())
    assert (view.offered_us, view.started_us) == (3, None)
    assert view.accepted_us == (5 if state is State.ACCEPTED else None)
    assert view.finished_us == (None if state is State.ACCEPTED else 5)


async def test_the_port_hands_every_question_to_the_core() -> None:
    state: CallState = MemoryState(core(2, acme=TenantPolicy(), gone=TenantPolicy()))
    assert await state.offer("a", "acme", 0) == ADMITTED
    assert await state.pending_tenant("a") == "acme"
    assert await state.accept("a", Lookup.FOUND, 60) == ACCEPTED
    assert await state.start("a", 120_000_000) == Answer(Decision.STARTED)
    assert await state.refer("a", 120_000_000) == Answer(Decision.REFERRED)
    assert (await state.held()).active == ("a",)
    assert await state.end("a", Outcome.FAILED, 180_000_000) == Answer(Decision.ENDED)
    change = LimitChange(max_concurrent_calls=7)
    await state.check_limits(change)
    await state.change_limits(change, 180_000_001)
    await state.put_tenant("new", TenantPolicy(), 180_000_002)
    await state.remove_tenant("gone", 180_000_003)
    await state.advance(200_000_000)
    now = await state.snapshot()
    assert (now.at_us, now.max_concurrent_calls) == (200_000_000, 7)
    assert set(now.tenants) == {"acme", "gone", "new", UNKNOWN_TENANT}
    view = await state.call("a")
    assert view is not None
    assert view.finished_us == 180_000_000
    assert await state.total_counters() == await state.tenant_counters("acme")
    assert await state.tenant_counters("gone") is None


async def test_the_live_figures_are_the_published_twelve_in_order() -> None:
    state = MemoryState(core(2, acme=TenantPolicy(), quiet=TenantPolicy()))
    for call_id, begun, over in (("a", 0, 90_000_000), ("b", 90_000_000, 120_000_001)):
        await state.offer(call_id, "acme", begun)
        await state.accept(call_id, Lookup.FOUND, begun)
        await state.start(call_id, begun)
        await state.end(call_id, Outcome.FAILED, over)
    live = await LiveMetricsStore(state).live()
    assert list(live) == [
        "active_calls",
        "accepted_calls",
        "rejected_calls_capacity",
        "rejected_calls_tenant_not_configured",
        "rejected_calls_instructions_missing",
        "instructions_db_errors",
        "fallback_instructions_used",
        "started_calls",
        "ended_calls",
        "failed_calls",
        "referred_calls",
        "minutes_processed",
    ]
    assert live["failed_calls"] == 2
    assert live["minutes_processed"] == 120_000_001 / 60_000_000
    assert await LiveMetricsStore(state).live_for("acme") == live
    quiet = await LiveMetricsStore(state).live_for("quiet")
    assert quiet is not None
    assert set(quiet.values()) == {0}
    assert await LiveMetricsStore(state).live_for("nobody") is None
