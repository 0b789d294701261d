"""What the call state in memory keeps of a tenant and of a call."""

from collections import defaultdict

from service.admission import NO_CAP
from service.calls import COUNTERS, Counter, State
from service.lifecycle import Transition
from service.state.base import Answer, CallView, Decision, Occupancy, TenantPolicy, TenantSnapshot

NOT_YET = -1
"""An instant that has not come."""


class Ledger:
    """A tenant's policy, slots and counter row. It outlives the policy: a removed tenant keeps it.

    ``in_use`` counts the slots held; ``pending_calls`` are the calls among them that are not yet
    accepted, in order of entry; the active ones are counted by the row alone. The row follows from
    how often each transition ``happened``, and from the time of the ended calls: raising one number
    for a transition is quicker than raising all its counters, and it cannot count half of them.
    """

    __slots__ = (
        "active_us",
        "cap",
        "enabled",
        "fallback_allowed",
        "happened",
        "in_use",
        "pending_calls",
        "policy",
        "reserved",
        "tenant_id",
    )

    policy: TenantPolicy | None
    enabled: bool
    cap: int
    reserved: int
    fallback_allowed: bool

    def __init__(self, tenant_id: str, policy: TenantPolicy | None = None) -> None:
        self.tenant_id = tenant_id
        self.happened: defaultdict[Transition, int] = defaultdict(int)
        self.active_us = 0
        self.in_use = 0
        self.pending_calls: dict[str, None] = {}
        self.configure(policy)

    @property
    def pending(self) -> int:
        """Slots whose call is not yet accepted."""
        return len(self.pending_calls)

    def configure(self, policy: TenantPolicy | None) -> None:
        """Put a policy in force; None takes the tenant's configuration away."""
        self.policy = policy
        if policy is None:
            self.enabled = False
            self.cap = NO_CAP
            self.reserved = 0
            self.fallback_allowed = False
        else:
            self.enabled = policy.enabled
            cap = policy.max_concurrent_calls
            self.cap = NO_CAP if cap is None else cap
            self.reserved = policy.reserved_calls
            self.fallback_allowed = policy.fallback_allowed

    def row(self) -> tuple[int, ...]:
        """The counters, in :class:`~service.calls.Counter` order."""
        row = [0] * len(COUNTERS)
        for move, times in self.happened.items():
            for counter in move.up:
                row[counter] += times
            for counter in move.down:
                row[counter] -= times
        row[Counter.ACTIVE_US_TOTAL] = self.active_us
        return tuple(row)

    def snapshot(self) -> TenantSnapshot:
        row = self.row()
        slots = Occupancy(self.pending, self.in_use - self.pending, row[Counter.ACTIVE_CALLS])
        return TenantSnapshot(self.policy, slots, row)


class Call:
    """A remembered call. Its answers are those of the events that took effect, for repeats."""

    __slots__ = (
        "accept_answer",
        "accepted_us",
        "call_id",
        "end_answer",
        "finished_us",
        "ledger",
        "offer_answer",
        "offered_us",
        "refer_answer",
        "start_answer",
        "started_us",
        "state",
        "tenant_id",
    )

    def __init__(
        self,
        call_id: str,
        tenant_id: str,
        ledger: Ledger,
        state: State,
        offer_answer: Answer,
        offered_us: int,
    ) -> None:
        self.call_id = call_id
        self.tenant_id = tenant_id
        self.ledger = ledger
        self.state = state
        self.offer_answer = offer_answer
        self.accept_answer: Answer | None = None
        self.start_answer: Answer | None = None
        self.refer_answer: Answer | None = None
        self.end_answer: Answer | None = None
        self.offered_us = offered_us
        self.accepted_us = NOT_YET
        self.started_us = NOT_YET
        self.finished_us = NOT_YET

    def view(self) -> CallView:
        answer = self.offer_answer
        if self.accept_answer is not None and self.accept_answer.decision is Decision.REJECTED:
            answer = self.accept_answer
        return CallView(
            call_id=self.call_id,
            tenant_id=self.tenant_id,
            state=self.state,
            reason=answer.reason,
            scopes=answer.scopes,
            offered_us=self.offered_us,
            accepted_us=_instant(self.accepted_us),
            started_us=_instant(self.started_us),
            finished_us=_instant(self.finished_us),
        )


def _instant(at_us: int) -> int | None:
    return None if at_us == NOT_YET else at_us
