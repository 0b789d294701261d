"""A run played out instant by instant: the slowest and plainest reading of the rules there is.

It walks every microsecond of a short run and keeps each call's state, so it shares no idea with the
oracle's intervals, and no code with the service. Fit for runs of some hundred microseconds.
"""

from collections import defaultdict

import numpy as np

from service.calls import COUNTERS, UNKNOWN_TENANT, Counter, Event, Lookup
from simulator.results import CallLog, CheckpointState, Fate, Held, HeldRows, RunOutcome
from simulator.trace import (
    NEVER,
    AfterOn,
    CallTrace,
    DeliveryAction,
    EndKind,
    SharingPolicy,
    TenantLimitsChange,
    TraceTenant,
)

FATES = {
    "pending": Fate.STILL_PENDING,
    "accepted": Fate.STILL_ACCEPTED,
    "active": Fate.STILL_ACTIVE,
}


class Tenant:
    """A tenant's policy as it stands, changed while the run goes on."""

    def __init__(self, first: TraceTenant) -> None:
        self.id, self.configured, self.enabled = first.tenant_id, first.configured, first.enabled
        self.cap: int | None = first.max_concurrent_calls
        self.reserved = first.reserved_calls
        self.instructions, self.fallback = first.instructions, first.fallback
        self.leave_free = first.leave_free
        self.priority = first.priority or 1_000_000

    def change(self, new: TenantLimitsChange) -> None:
        if isinstance(new.max_concurrent_calls, str):
            self.cap = None
        elif new.max_concurrent_calls is not None:
            self.cap = new.max_concurrent_calls
        if new.reserved_calls is not None:
            self.reserved = new.reserved_calls
        if new.enabled is not None:
            self.enabled = new.enabled


class Call:
    """One admitted or rejected call attempt."""

    def __init__(self, row: int, offered: int) -> None:
        self.row, self.offered = row, offered
        self.state = "pending"
        self.entered = offered
        self.referred = False
        self.fate: Fate | None = None
        self.scopes = 0
        self.accepted = self.started = self.released = self.preempted_by = NEVER
        self.hearings: dict[int, list[Event]] = defaultdict(list)


class BruteForce:
    """Plays one trace; :meth:`play` gives the outcome in the words of an engine."""

    def __init__(self, trace: CallTrace) -> None:
        self.trace, self.conditions = trace, trace.conditions
        self.names = (*self.conditions.configured_ids, UNKNOWN_TENANT)
        self.rows = {name: [0] * len(COUNTERS) for name in self.names}
        self.limit = self.conditions.max_concurrent_calls
        self.tenants = [Tenant(tenant) for tenant in self.conditions.tenants]
        self.calls: dict[int, Call] = {}
        self.due_offers: dict[int, list[int]] = defaultdict(list)
        self.now = 0

    def value(self, name: str, row: int) -> int:
        column = getattr(self.trace, name)
        return int(column[0] if len(column) == 1 else column[row])

    def tenant_of(self, row: int) -> Tenant:
        return self.tenants[self.value("tenant", row)]

    def count(self, row: int, counter: Counter, amount: int = 1) -> None:
        tenant = self.tenant_of(row)
        name = tenant.id if tenant.configured else UNKNOWN_TENANT
        self.rows[name][counter] += amount

    # --- what a call will be heard of ---------------------------------------------------------

    def schedule(self, call: Call) -> None:
        row = call.row
        setup, connect = self.value("setup_us", row), self.value("connect_us", row)
        patience, refer = self.value("patience_us", row), self.value("refer_us", row)
        due: list[tuple[Event, int]] = []
        if patience != NEVER and patience < setup + connect:
            if setup <= patience:
                due.append((Event.ACCEPT, setup))
            due.append((Event.HANGUP, patience))
        else:
            due += [(Event.ACCEPT, setup), (Event.START, setup + connect)]
            if refer != NEVER:
                due.append((Event.REFER, setup + connect + refer))
            due.append((Event.END, setup + connect + self.value("hold_us", row)))
        faults = {
            (int(c), Event(int(e))): (DeliveryAction(int(a)), int(d))
            for c, e, a, d in zip(
                self.trace.deliveries.call,
                self.trace.deliveries.event,
                self.trace.deliveries.action,
                self.trace.deliveries.delay_us,
                strict=True,
            )
        }
        for event, offset in due:
            at = call.offered + offset
            action, delay = faults.get((row, event), (None, 0))
            if action is DeliveryAction.LOST:
                continue
            if action is DeliveryAction.LATE:
                at += delay
            call.hearings[at].append(event)
            if action is DeliveryAction.DOUBLED:
                call.hearings[at + delay].append(event)

    # --- slots --------------------------------------------------------------------------------

    def in_use(self, place: int) -> int:
        return sum(
            call.state in FATES and self.value("tenant", call.row) == place
            for call in self.calls.values()
        )

    def full_scopes(self, place: int) -> int:
        used = [self.in_use(other) for other in range(len(self.tenants))]
        tenant, mask = self.tenants[place], 0
        if sum(used) >= self.limit:
            mask |= 1
        if tenant.cap is not None and used[place] >= tenant.cap:
            mask |= 2
        promised = sum(
            max(n, other.reserved)
            for n, other in zip(used, self.tenants, strict=True)
            if other.configured
        )
        if not mask & 1 and used[place] >= tenant.reserved and promised >= self.limit:
            mask |= 4
        if not mask & 1 and sum(used) + 1 + tenant.leave_free > self.limit:
            mask |= 4
        return mask

    def preempt(self, call: Call) -> bool:
        """End a less important call in favour of this one, if that makes room for it."""
        held = [other for other in self.calls.values() if other.state in FATES]
        mine = self.tenant_of(call.row).priority
        lower = [other for other in held if self.tenant_of(other.row).priority > mine]
        if not lower or len(held) - 1 + 1 > self.limit:
            return False
        # A dict keeps its order, and calls come into it as they are offered.
        least = max(self.tenant_of(other.row).priority for other in lower)
        loser = [other for other in lower if self.tenant_of(other.row).priority == least][-1]
        loser.preempted_by = call.row
        self.leave(loser, failed=True)
        return True

    # --- events -------------------------------------------------------------------------------

    def offer(self, row: int) -> None:
        place = self.value("tenant", row)
        tenant = self.tenants[place]
        call = Call(row, self.now)
        self.count(row, Counter.OFFERED_CALLS)
        if not (tenant.configured and tenant.enabled):
            call.state = "rejected"
            self.calls[row] = call
            self.count(row, Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED)
            self.finish(call, Fate.REJECTED_TENANT)
            return
        call.scopes = self.full_scopes(place)
        preempts = self.conditions.policy is SharingPolicy.PRIORITY
        if preempts and call.scopes == 1 and self.preempt(call):
            call.scopes = 0
        self.calls[row] = call
        if call.scopes:
            call.state = "rejected"
            self.count(row, Counter.REJECTED_CALLS_CAPACITY)
            self.finish(call, Fate.REJECTED_CAPACITY)
            return
        self.schedule(call)

    def finish(self, call: Call, fate: Fate) -> None:
        call.fate = fate
        if call.state != "rejected":
            call.released = self.now
        call.state = "final"
        for row in range(len(self.trace)):
            if self.value("after", row) == call.row:
                on = AfterOn(self.value("after_on", row))
                rejected = fate in (Fate.REJECTED_CAPACITY, Fate.REJECTED_INSTRUCTIONS)
                if on is AfterOn.FINISHED or rejected:
                    self.due_offers[self.now + self.value("delay_us", row)].append(row)

    def lookup(self, row: int) -> Lookup:
        tenant = self.tenant_of(row)
        draw, low = self.value("lookup_draw", row), 0
        for fault in self.conditions.lookup_faults:
            hit = fault.tenants is None or tenant.id in fault.tenants
            if hit and fault.from_us <= self.now < fault.until_us:
                if low <= draw < low + fault.span:
                    return fault.result
                low += fault.span
        return Lookup.FOUND if tenant.instructions else Lookup.MISSING

    def accept(self, call: Call) -> None:
        found = self.lookup(call.row)
        if found is Lookup.ERROR:
            self.count(call.row, Counter.INSTRUCTIONS_DB_ERRORS)
        if found is not Lookup.FOUND:
            if not self.tenant_of(call.row).fallback:
                self.count(call.row, Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING)
                self.finish(call, Fate.REJECTED_INSTRUCTIONS)
                return
            self.count(call.row, Counter.FALLBACK_INSTRUCTIONS_USED)
        self.count(call.row, Counter.ACCEPTED_CALLS)
        call.state, call.entered, call.accepted = "accepted", self.now, self.now

    def leave(self, call: Call, failed: bool) -> None:
        if call.state == "pending":
            self.count(call.row, Counter.ABANDONED_PENDING)
            self.finish(call, Fate.ABANDONED_PENDING)
        elif call.state == "accepted":
            self.count(call.row, Counter.ABANDONED_ACCEPTED)
            self.finish(call, Fate.ABANDONED_ACCEPTED)
        elif call.state == "active":
            self.count(call.row, Counter.ENDED_CALLS)
            self.count(call.row, Counter.ACTIVE_CALLS, -1)
            self.count(call.row, Counter.ACTIVE_US_TOTAL, self.now - call.started)
            self.count(call.row, Counter.FAILED_CALLS, int(failed))
            self.finish(call, Fate.ENDED)

    def hear(self, call: Call, event: Event) -> None:
        if event is Event.ACCEPT and call.state == "pending":
            self.accept(call)
        elif event is Event.START and call.state == "accepted":
            self.count(call.row, Counter.STARTED_CALLS)
            self.count(call.row, Counter.ACTIVE_CALLS)
            call.state, call.entered, call.started = "active", self.now, self.now
        elif event is Event.REFER and call.state == "active" and not call.referred:
            call.referred = True
            self.count(call.row, Counter.REFERRED_CALLS)
        elif event is Event.END:
            self.leave(call, EndKind(self.value("end_kind", call.row)) is EndKind.FAILED)
        elif event is Event.HANGUP:
            self.leave(call, False)

    def happen(self, call: Call) -> None:
        """Everything of one call at this instant, its deadline last."""
        for event in sorted(call.hearings.pop(self.now, ())):
            self.hear(call, event)
        deadline = {
            "pending": self.conditions.pending_deadline_us,
            "accepted": self.conditions.accepted_deadline_us,
            "active": self.conditions.active_deadline_us,
        }.get(call.state)
        if deadline is not None and call.entered + deadline == self.now:
            self.leave(call, True)

    # --- the run ------------------------------------------------------------------------------

    def change_limits(self) -> None:
        by_id = {tenant.id: tenant for tenant in self.tenants}
        for change in self.conditions.changes:
            if change.at_us != self.now:
                continue
            if change.max_concurrent_calls is not None:
                self.limit = change.max_concurrent_calls
            for tenant_id, new in change.tenants.items():
                by_id[tenant_id].change(new)

    def state(self, at_us: int) -> CheckpointState:
        def held(name: str) -> Held:
            mine = [
                call.state for call in self.calls.values() if self.tenant_of(call.row).id == name
            ]
            active = mine.count("active")
            return Held(mine.count("pending"), mine.count("accepted") + active, active)

        def rows(*states: str) -> frozenset[int]:
            return frozenset(call.row for call in self.calls.values() if call.state in states)

        return CheckpointState(
            at_us=at_us,
            limit=self.limit,
            tenants={name: held(name) for name in self.conditions.configured_ids},
            rows=HeldRows(rows("pending"), rows("accepted", "active"), rows("active")),
            counters={name: tuple(row) for name, row in self.rows.items()},
            total_counters=self.total(),
        )

    def total(self) -> tuple[int, ...]:
        return tuple(sum(column) for column in zip(*self.rows.values(), strict=True))

    def to_come(self) -> bool:
        """Whether a deadline or a hearing may still change a call."""
        deadlines = {
            "pending": self.conditions.pending_deadline_us,
            "accepted": self.conditions.accepted_deadline_us,
            "active": self.conditions.active_deadline_us,
        }
        return any(
            call.hearings or deadlines[call.state] is not None
            for call in self.calls.values()
            if call.state in FATES
        )

    def play(self) -> RunOutcome:
        trace, conditions = self.trace, self.conditions
        for row in range(len(trace)):
            if self.value("after", row) == NEVER:
                self.due_offers[self.value("offer_us", row)].append(row)
        checkpoints = []
        while self.now < conditions.duration_us or (conditions.drain and self.to_come()):
            self.change_limits()
            for call in list(self.calls.values()):
                if call.state in FATES:
                    self.happen(call)
            offers = self.due_offers.pop(self.now, [])
            if self.now < conditions.duration_us:
                for row in sorted(offers, key=lambda row: (self.value("attempt", row), row)):
                    self.offer(row)
                    if self.calls[row].state in FATES:
                        self.happen(self.calls[row])
            if self.now in conditions.checkpoints_us:
                checkpoints.append(self.state(self.now))
            self.now += 1
        final = self.state(NEVER)
        return RunOutcome(
            engine="brute force",
            total=self.total(),
            tenants={name: tuple(row) for name, row in self.rows.items()},
            checkpoints=tuple(checkpoints),
            final=final,
            log=self.log(),
            preempted=self.preempted(),
        )

    def preempted(self) -> dict[str, int]:
        if self.conditions.policy is not SharingPolicy.PRIORITY:
            return {}
        found = dict.fromkeys(self.names, 0)
        for call in self.calls.values():
            if call.preempted_by != NEVER:
                found[self.tenant_of(call.row).id] += 1
        return found

    def log(self) -> CallLog:
        n = len(self.trace)
        made = [self.calls.get(row) for row in range(n)]

        def column(name: str) -> np.ndarray:
            return np.array([NEVER if c is None else getattr(c, name) for c in made], np.int64)

        return CallLog(
            fate=np.array(
                [Fate.NOT_MADE if c is None else c.fate or FATES[c.state] for c in made], np.int8
            ),
            scopes=np.array([0 if c is None else c.scopes for c in made], np.int8),
            offered_us=column("offered"),
            accepted_us=column("accepted"),
            started_us=column("started"),
            released_us=column("released"),
            preempted_by=column("preempted_by")
            if self.conditions.policy is SharingPolicy.PRIORITY
            else None,
        )
