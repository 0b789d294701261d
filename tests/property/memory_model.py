"""The call state written down as plainly as possible: nothing is kept that can be counted again.

Every question scans all calls, every deadline is searched for, every sum is added up anew. It
shares the words of the service and none of its logic.
"""

from collections import Counter as Tally
from dataclasses import dataclass, field

from service.calls import COUNTER_NAMES, UNKNOWN_TENANT, Lookup, Outcome, Reason, Scope, State
from service.state.base import Answer, Decision, LimitChange, Refusal, TenantPolicy

HELD = (State.PENDING, State.ACCEPTED, State.ACTIVE)


@dataclass
class ModelCall:
    call_id: str
    tenant: str
    row: str
    state: State
    answers: dict[str, Answer]
    offered: int
    accepted: int | None = None
    started: int | None = None
    finished: int | None = None


@dataclass
class Model:
    limit: int
    tenants: dict[str, TenantPolicy]
    deadlines: dict[State, int]
    retention: int
    most: int
    calls: list[ModelCall] = field(default_factory=list)
    rows: dict[str, Tally[str]] = field(default_factory=dict)
    decisions: Tally[tuple[Reason, tuple[Scope, ...]]] = field(default_factory=Tally)

    def __post_init__(self) -> None:
        for name in [*self.tenants, UNKNOWN_TENANT]:
            self.rows[name] = Tally()

    # --- events

    def offer(self, call_id: str, tenant: str, now: int) -> Answer:
        self.pass_time(now, same_instant=False)
        known = self.find(call_id)
        if known is not None:
            if known.tenant != tenant:
                return Answer(refusal=Refusal.OTHER_TENANT)
            return known.answers["offer"]
        self.pass_time(now, same_instant=True)
        if len(self.calls) >= self.most:
            return Answer(refusal=Refusal.CALL_MEMORY_FULL)
        row = tenant if tenant in self.tenants else UNKNOWN_TENANT
        call = ModelCall(call_id, tenant, row, State.REJECTED, {}, now)
        self.calls.append(call)
        self.count(call, "offered_calls")
        if tenant not in self.tenants or not self.tenants[tenant].enabled:
            answer = Answer(Decision.REJECTED, Reason.TENANT_NOT_CONFIGURED)
            self.count(call, "rejected_calls_tenant_not_configured")
        elif full := self.full_scopes(tenant):
            answer = Answer(Decision.REJECTED, Reason.CAPACITY, full)
            self.count(call, "rejected_calls_capacity")
        else:
            answer = Answer(Decision.ADMITTED)
            call.state = State.PENDING
        if answer.reason is not None:
            self.decisions[answer.reason, answer.scopes] += 1
            call.finished = now
        call.answers["offer"] = answer
        return answer

    def accept(self, call_id: str, lookup: Lookup, now: int) -> Answer:
        call = self.hear(call_id, "accept", (State.PENDING,), now)
        if isinstance(call, Answer):
            return call
        policy = self.tenants.get(call.row, TenantPolicy())
        if lookup is Lookup.ERROR:
            self.count(call, "instructions_db_errors")
        if lookup is Lookup.FOUND or policy.fallback_allowed:
            fallback = lookup is not Lookup.FOUND
            if fallback:
                self.count(call, "fallback_instructions_used")
            self.count(call, "accepted_calls")
            call.state, call.accepted = State.ACCEPTED, now
            answer = Answer(Decision.ACCEPTED, fallback=fallback)
        else:
            self.count(call, "rejected_calls_instructions_missing")
            call.state, call.finished = State.REJECTED, now
            answer = Answer(Decision.REJECTED, Reason.INSTRUCTIONS_MISSING)
            self.decisions[Reason.INSTRUCTIONS_MISSING, ()] += 1
        call.answers["accept"] = answer
        return answer

    def start(self, call_id: str, now: int) -> Answer:
        call = self.hear(call_id, "start", (State.ACCEPTED,), now)
        if isinstance(call, Answer):
            return call
        self.count(call, "started_calls")
        call.state, call.started = State.ACTIVE, now
        call.answers["start"] = Answer(Decision.STARTED)
        return call.answers["start"]

    def refer(self, call_id: str, now: int) -> Answer:
        call = self.hear(call_id, "refer", (State.ACTIVE,), now)
        if isinstance(call, Answer):
            return call
        self.count(call, "referred_calls")
        call.answers["refer"] = Answer(Decision.REFERRED)
        return call.answers["refer"]

    def end(self, call_id: str, outcome: Outcome, now: int) -> Answer:
        call = self.hear(call_id, "end", HELD, now)
        if isinstance(call, Answer):
            return call
        call.answers["end"] = self.release(call, outcome is Outcome.FAILED, now)
        return call.answers["end"]

    def release(self, call: ModelCall, failed: bool, at: int) -> Answer:
        call.finished = at
        if call.started is not None:
            self.count(call, "ended_calls")
            if failed:
                self.count(call, "failed_calls")
            self.count(call, "active_us_total", at - call.started)
            call.state = State.ENDED
            return Answer(Decision.ENDED)
        early = call.state is State.PENDING
        self.count(call, "abandoned_pending" if early else "abandoned_accepted")
        call.state = State.ABANDONED
        return Answer(Decision.ABANDONED)

    # --- time

    def pass_time(self, now: int, same_instant: bool) -> None:
        while due := [
            (at, call)
            for call in self.calls
            if (at := self.due(call)) is not None and (at < now or (same_instant and at == now))
        ]:
            at, call = min(due, key=lambda item: item[0])
            self.release(call, True, at)
        self.calls = [
            call
            for call in self.calls
            if call.finished is None or now - call.finished < self.retention
        ]

    def due(self, call: ModelCall) -> int | None:
        entered = {
            State.PENDING: call.offered,
            State.ACCEPTED: call.accepted,
            State.ACTIVE: call.started,
        }.get(call.state)
        if entered is None or call.state not in self.deadlines:
            return None
        return entered + self.deadlines[call.state]

    # --- limits

    def full_scopes(self, tenant: str) -> tuple[Scope, ...]:
        in_use = {name: len(self.held(*HELD, row=name)) for name in self.rows}
        policy = self.tenants[tenant]
        cap = policy.max_concurrent_calls
        full = []
        if sum(in_use.values()) >= self.limit:
            full.append(Scope.TOTAL)
        if cap is not None and in_use[tenant] >= cap:
            full.append(Scope.TENANT)
        promised = sum(
            max(
                in_use[name],
                self.tenants[name].reserved_calls if name in self.tenants else 0,
            )
            for name in self.rows
        )
        if (
            Scope.TOTAL not in full
            and in_use[tenant] >= policy.reserved_calls
            and promised >= self.limit
        ):
            full.append(Scope.RESERVED)
        return tuple(full)

    def can_change(self, limit: int, tenants: dict[str, TenantPolicy]) -> bool:
        return sum(policy.reserved_calls for policy in tenants.values()) <= limit and all(
            policy.max_concurrent_calls is None
            or policy.reserved_calls <= policy.max_concurrent_calls
            for policy in tenants.values()
        )

    def change(self, change: LimitChange, now: int) -> None:
        self.pass_time(now, same_instant=False)
        if change.max_concurrent_calls is not None:
            self.limit = change.max_concurrent_calls
        self.tenants.update(change.tenants)

    def put(self, tenant: str, policy: TenantPolicy, now: int) -> None:
        self.pass_time(now, same_instant=False)
        self.tenants[tenant] = policy
        self.rows.setdefault(tenant, Tally())

    def remove(self, tenant: str, now: int) -> None:
        self.pass_time(now, same_instant=False)
        del self.tenants[tenant]

    # --- reading

    def find(self, call_id: str) -> ModelCall | None:
        return next((call for call in self.calls if call.call_id == call_id), None)

    def hear(
        self, call_id: str, event: str, states: tuple[State, ...], now: int
    ) -> ModelCall | Answer:
        """The call, if the event takes effect on it; else the answer."""
        self.pass_time(now, same_instant=False)
        call = self.find(call_id)
        if call is None:
            return Answer(refusal=Refusal.UNKNOWN_CALL)
        if event in call.answers:
            return call.answers[event]
        return call if call.state in states else Answer(refusal=Refusal.WRONG_STATE)

    def count(self, call: ModelCall, counter: str, by: int = 1) -> None:
        self.rows[call.row][counter] += by

    def held(self, *states: State, row: str | None = None) -> list[ModelCall]:
        return [call for call in self.calls if call.state in states and row in (None, call.row)]

    def row_of(self, name: str) -> tuple[int, ...]:
        row = Tally(self.rows[name])
        row["active_calls"] = len(self.held(State.ACTIVE, row=name))
        return tuple(row[counter] for counter in COUNTER_NAMES)
