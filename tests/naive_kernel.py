"""A run played event by event from one agenda, the plainest way: the kernel's twin in tests.

Every event is an entry of a heap sorted by instant and by its place within the instant, every call
is an object with a state, and the state of the run is written down after every instant. Slow and
obvious on purpose.
"""

import heapq
from dataclasses import dataclass, field

from service.calls import UNKNOWN_TENANT, Counter, Event, Lookup, State
from simulator.results import CheckpointState, Fate, Held
from simulator.trace import (
    NEVER,
    AfterOn,
    CallTrace,
    DeliveryAction,
    EndKind,
    SharingPolicy,
    TraceTenant,
)

CHANGE, HEARING, OFFER, CHECKPOINT = range(4)
"""The order of things at one instant."""

STILL = {
    State.PENDING: Fate.STILL_PENDING,
    State.ACCEPTED: Fate.STILL_ACCEPTED,
    State.ACTIVE: Fate.STILL_ACTIVE,
}


@dataclass
class Call:
    place: int
    state: State = State.PENDING
    fate: Fate = Fate.NOT_MADE
    scopes: int = 0
    offered: int = NEVER
    accepted: int = NEVER
    started: int = NEVER
    released: int = NEVER
    referred: bool = False
    preempted_by: int = NEVER


@dataclass
class Instant:
    """The run after everything at one instant, until the next one that is written down."""

    in_use: list[int]
    limit: int


@dataclass
class Naive:
    """Plays a trace when made; then look at its attributes."""

    trace: CallTrace
    calls: list[Call] = field(default_factory=list)
    counters: dict[str, list[int]] = field(default_factory=dict)
    checkpoints: list[CheckpointState] = field(default_factory=list)
    instants: dict[int, Instant] = field(default_factory=dict)
    peak: int = 0
    peaks: dict[str, int] = field(default_factory=dict)
    offered_rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        conditions = self.trace.conditions
        self.tenants: list[TraceTenant] = list(conditions.tenants)
        self.limit = conditions.max_concurrent_calls
        self.caps = [tenant.max_concurrent_calls for tenant in self.tenants]
        self.reserved = [t.reserved_calls if t.configured else 0 for t in self.tenants]
        self.enabled = [tenant.enabled for tenant in self.tenants]
        self.in_use = [0] * len(self.tenants)
        for name in (*conditions.configured_ids, UNKNOWN_TENANT):
            self.counters[name] = [0] * len(Counter)
            self.peaks[name] = 0
        self.calls = [Call(self.value("tenant", row)) for row in range(len(self.trace))]
        self.agenda: list[tuple[int, ...]] = []
        for number, change in enumerate(conditions.changes):
            if change.at_us < conditions.duration_us:
                self.plan(change.at_us, CHANGE, number)
        for at in conditions.checkpoints_us:
            self.plan(at, CHECKPOINT)
        for row in range(len(self.trace)):
            if self.value("after", row) == NEVER:
                self.plan_offer(self.value("offer_us", row), row)
        while self.agenda:
            at, what, *rest = heapq.heappop(self.agenda)
            if not conditions.drain and at >= conditions.duration_us:
                continue
            (self.change, self.hearing, self.offer, self.checkpoint)[what](at, *rest)
            self.instants[at] = Instant(list(self.in_use), self.limit)
        for call in self.calls:
            if call.fate == Fate.NOT_MADE and call.offered != NEVER:
                call.fate = STILL[call.state]
        limits = [change.max_concurrent_calls for change in conditions.changes]
        self.final_limit = [n for n in (conditions.max_concurrent_calls, *limits) if n is not None]
        self.final = CheckpointState(NEVER, self.final_limit[-1], self.held())

    def value(self, column: str, row: int) -> int:
        values = getattr(self.trace, column)
        return int(values[row if len(values) > 1 else 0])

    def plan(self, at: int, what: int, *rest: int) -> None:
        heapq.heappush(self.agenda, (at, what, *rest))

    def plan_offer(self, at: int, row: int) -> None:
        if at < self.trace.conditions.duration_us:
            self.plan(at, OFFER, self.value("attempt", row), row)

    def count(self, call: Call, counter: Counter, amount: int = 1) -> None:
        tenant = self.tenants[call.place]
        name = tenant.tenant_id if tenant.configured else UNKNOWN_TENANT
        self.counters[name][counter] += amount

    def change(self, at: int, number: int) -> None:
        change = self.trace.conditions.changes[number]
        if change.max_concurrent_calls is not None:
            self.limit = change.max_concurrent_calls
        for place, tenant in enumerate(self.tenants):
            edit = change.tenants.get(tenant.tenant_id)
            if edit is None:
                continue
            if edit.max_concurrent_calls == "unlimited":
                self.caps[place] = None
            elif edit.max_concurrent_calls is not None:
                self.caps[place] = int(edit.max_concurrent_calls)
            if edit.reserved_calls is not None:
                self.reserved[place] = edit.reserved_calls
            if edit.enabled is not None:
                self.enabled[place] = edit.enabled

    def held(self) -> dict[str, Held]:
        def number(place: int, *states: State) -> int:
            return sum(
                call.offered != NEVER
                and call.released == NEVER
                and call.place == place
                and call.state in states
                for call in self.calls
            )

        return {
            tenant.tenant_id: Held(
                number(place, State.PENDING),
                number(place, State.ACCEPTED, State.ACTIVE),
                number(place, State.ACTIVE),
            )
            for place, tenant in enumerate(self.tenants)
            if tenant.configured
        }

    def checkpoint(self, at: int) -> None:
        self.checkpoints.append(CheckpointState(at, self.limit, self.held()))

    def offer(self, at: int, attempt: int, row: int) -> None:
        call = self.calls[row]
        call.offered = at
        self.offered_rows.append(row)
        tenant = self.tenants[call.place]
        self.count(call, Counter.OFFERED_CALLS)
        if not (tenant.configured and self.enabled[call.place]):
            self.count(call, Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED)
            self.finish(call, row, at, Fate.REJECTED_TENANT, State.REJECTED)
            return
        mine, cap = self.in_use[call.place], self.caps[call.place]
        total_full = sum(self.in_use) >= self.limit
        guaranteed = sum(map(max, self.in_use, self.reserved))
        reserved_full = mine >= self.reserved[call.place] and guaranteed >= self.limit
        reserved_full |= self.limit - sum(self.in_use) - 1 < tenant.leave_free
        call.scopes = (
            total_full * 1
            + (cap is not None and mine >= cap) * 2
            + (not total_full and reserved_full) * 4
        )
        if call.scopes == 1 and self.trace.conditions.policy == SharingPolicy.PRIORITY:
            self.preempt(call, row, at)
        if call.scopes:
            self.count(call, Counter.REJECTED_CALLS_CAPACITY)
            self.finish(call, row, at, Fate.REJECTED_CAPACITY, State.REJECTED)
            return
        self.in_use[call.place] += 1
        if at >= self.trace.conditions.warm_up_us:
            self.peak = max(self.peak, sum(self.in_use))
            name = tenant.tenant_id
            self.peaks[name] = max(self.peaks[name], self.in_use[call.place])
        self.plan_expiry(row, at, State.PENDING)
        for event, due in self.due_events(row, at):
            for heard in self.heard(row, event, due):
                self.plan(heard, HEARING, row, event, NEVER)

    def preempt(self, call: Call, row: int, at: int) -> None:
        def importance(other: int) -> int:
            return -(self.tenants[self.calls[other].place].priority or 10**9)

        holders = [
            other
            for other in self.offered_rows[:-1]
            if self.calls[other].released == NEVER and self.calls[other].state in STILL
        ]
        losers = [other for other in holders if importance(other) < importance(row)]
        if losers and len(holders) <= self.limit:
            # The least important of them, and of these the one offered last.
            loser = min(reversed(losers), key=importance)
            self.calls[loser].preempted_by = row
            self.end(self.calls[loser], loser, at, expired=True)
            call.scopes = 0

    def due_events(self, row: int, at: int) -> list[tuple[Event, int]]:
        answer = self.value("setup_us", row)
        begin = answer + self.value("connect_us", row)
        patience = self.value("patience_us", row)
        if patience != NEVER and patience < begin:
            events = [(Event.ACCEPT, at + answer)] if answer <= patience else []
            return [*events, (Event.HANGUP, at + patience)]
        refer = self.value("refer_us", row)
        events = [(Event.ACCEPT, at + answer), (Event.START, at + begin)]
        if refer != NEVER:
            events.append((Event.REFER, at + begin + refer))
        return [*events, (Event.END, at + begin + self.value("hold_us", row))]

    def heard(self, row: int, event: Event, due: int) -> list[int]:
        found = self.trace.deliveries
        for place in range(len(found)):
            if found.call[place] == row and found.event[place] == event:
                late = due + int(found.delay_us[place])
                return {
                    DeliveryAction.LOST: [],
                    DeliveryAction.LATE: [late],
                    DeliveryAction.DOUBLED: [due, late],
                }[DeliveryAction(int(found.action[place]))]
        return [due]

    def plan_expiry(self, row: int, at: int, state: State) -> None:
        conditions = self.trace.conditions
        deadline = {
            State.PENDING: conditions.pending_deadline_us,
            State.ACCEPTED: conditions.accepted_deadline_us,
            State.ACTIVE: conditions.active_deadline_us,
        }[state]
        if deadline is not None:
            self.plan(at + deadline, HEARING, row, Event.EXPIRE, list(State).index(state))

    def hearing(self, at: int, row: int, event: int, of_state: int) -> None:
        call = self.calls[row]
        if call.released != NEVER or call.state in (State.REJECTED, State.ENDED):
            return
        if event == Event.EXPIRE and call.state != list(State)[of_state]:
            return
        if event == Event.ACCEPT and call.state == State.PENDING:
            self.accept(call, row, at)
        elif event == Event.START and call.state == State.ACCEPTED:
            call.state, call.started = State.ACTIVE, at
            self.count(call, Counter.STARTED_CALLS)
            self.count(call, Counter.ACTIVE_CALLS)
            self.plan_expiry(row, at, State.ACTIVE)
        elif event == Event.REFER and call.state == State.ACTIVE and not call.referred:
            call.referred = True
            self.count(call, Counter.REFERRED_CALLS)
        elif event in (Event.END, Event.HANGUP, Event.EXPIRE):
            self.end(call, row, at, expired=event == Event.EXPIRE)

    def end(self, call: Call, row: int, at: int, *, expired: bool) -> None:
        if call.state == State.PENDING:
            self.count(call, Counter.ABANDONED_PENDING)
            self.finish(call, row, at, Fate.ABANDONED_PENDING, State.ABANDONED)
        elif call.state == State.ACCEPTED:
            self.count(call, Counter.ABANDONED_ACCEPTED)
            self.finish(call, row, at, Fate.ABANDONED_ACCEPTED, State.ABANDONED)
        else:
            self.count(call, Counter.ACTIVE_CALLS, -1)
            self.count(call, Counter.ENDED_CALLS)
            self.count(call, Counter.ACTIVE_US_TOTAL, at - call.started)
            if expired or self.value("end_kind", row) == EndKind.FAILED:
                self.count(call, Counter.FAILED_CALLS)
            self.finish(call, row, at, Fate.ENDED, State.ENDED)

    def accept(self, call: Call, row: int, at: int) -> None:
        tenant = self.tenants[call.place]
        found = self.look_up(tenant, at, self.value("lookup_draw", row))
        if found == Lookup.ERROR:
            self.count(call, Counter.INSTRUCTIONS_DB_ERRORS)
        if found != Lookup.FOUND:
            if not tenant.fallback:
                self.count(call, Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING)
                self.finish(call, row, at, Fate.REJECTED_INSTRUCTIONS, State.REJECTED)
                return
            self.count(call, Counter.FALLBACK_INSTRUCTIONS_USED)
        call.state, call.accepted = State.ACCEPTED, at
        self.count(call, Counter.ACCEPTED_CALLS)
        self.plan_expiry(row, at, State.ACCEPTED)

    def look_up(self, tenant: TraceTenant, at: int, draw: int) -> Lookup:
        begin = 0
        for fault in self.trace.conditions.lookup_faults:
            named = fault.tenants is None or tenant.tenant_id in fault.tenants
            if named and fault.from_us <= at < fault.until_us:
                if begin <= draw < begin + fault.span:
                    return fault.result
                begin += fault.span
        return Lookup.FOUND if tenant.instructions else Lookup.MISSING

    def finish(self, call: Call, row: int, at: int, fate: Fate, state: State) -> None:
        call.fate, call.state = fate, state
        if fate not in (Fate.REJECTED_TENANT, Fate.REJECTED_CAPACITY):
            call.released = at
            self.in_use[call.place] -= 1
        for later in range(len(self.trace)):
            if self.value("after", later) == row and (
                self.value("after_on", later) == AfterOn.FINISHED
                or fate in (Fate.REJECTED_CAPACITY, Fate.REJECTED_INSTRUCTIONS)
            ):
                self.plan_offer(at + self.value("delay_us", later), later)
