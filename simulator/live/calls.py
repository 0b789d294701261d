"""The life of one call in wall-clock time: its events sent in order, each when it is due."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from service.calls import Event, Lookup
from simulator.engines.lookups import LookupPlan
from simulator.engines.schedule import ACCEPT, END, OFFER, START
from simulator.history import OpName, OutcomeName
from simulator.history_reading import ANSWERS
from simulator.live.client import CALLS, Reply, event_path, offer_body
from simulator.live.lives import Lives
from simulator.live.meters import Meters
from simulator.live.plan import Plan, Step
from simulator.live.recorder import Document, Recorder
from simulator.results import Fate
from simulator.trace import EndKind

SLACK_US: Final = 300
"""A timer that fires so much early is on time: event loops count in whole milliseconds."""

CLEAN_UP: Final = Step(0, int(Event.HANGUP), False)

_OPS: Final[tuple[OpName, ...]] = ("offer", "accept", "start", "refer", "end", "end")
_OUTCOMES: Final[dict[EndKind, OutcomeName]] = {
    EndKind.COMPLETED: "completed",
    EndKind.HUNG_UP: "hung_up",
    EndKind.FAILED: "failed",
}
_END_BODIES: Final = {
    outcome: f'{{"outcome":"{outcome}"}}'.encode() for outcome in _OUTCOMES.values()
}
_ACCEPT_BODIES: Final = {lookup: f'{{"lookup":"{lookup}"}}'.encode() for lookup in Lookup}
_ENTERS: Final = ("admitted", "accepted", "started")
"""Answers after which another deadline counts."""

_RETRY_PAUSE_S: Final = 0.1


class Caller(Protocol):
    """The part of :class:`simulator.live.client.CallClient` that a run needs."""

    async def post(self, path: str, body: bytes, timeout_s: float | None = None) -> Reply: ...
    async def post_and_leave(self, path: str, body: bytes) -> Reply: ...
    async def change_limits(self, document: Document) -> Reply: ...
    async def capacity(self) -> Document: ...
    async def held(self) -> Document: ...


@dataclass(frozen=True, slots=True)
class LiveTarget:
    """A service under load. Call ids of the run begin with ``prefix``.

    ``place`` is its index among the targets of its history.
    """

    client: Caller
    recorder: Recorder
    prefix: str
    place: int = 0


@dataclass(frozen=True, slots=True)
class CallRules:
    """How callers behave: ``retries`` after an answer that did not come, at most ``most_open``
    requests at once (an offer beyond it is dropped)."""

    retries: int = 1
    most_open: int = 1000


class Calls:
    """Plays single calls. Each row's call goes to one target, round robin.

    ``finished`` is told of every call that is over: its row, when, and whether it was rejected for
    capacity or for missing instructions.
    """

    def __init__(
        self,
        plan: Plan,
        targets: tuple[LiveTarget, ...],
        rules: CallRules,
        meters: Meters,
        now_us: Callable[[], int],
        finished: Callable[[int, int, bool], None],
    ) -> None:
        conditions = plan.trace.conditions
        self.lives = Lives(len(plan.trace))
        self.open: dict[int, LiveTarget] = {}
        """Calls that hold a slot, or may: by row, where."""
        self._entered_us: dict[int, int] = {}
        self._plan = plan
        self._targets = targets
        self._rules = rules
        self._meters = meters
        self._now_us = now_us
        self._finished = finished
        self._requests = 0
        self._calls = 0
        self._tenant_ids = [tenant.tenant_id for tenant in conditions.tenants]
        self._lookups = LookupPlan(conditions) if conditions.lookup_faults else None
        self._deadline_us = {
            fate: plan.wall_us(deadline)
            for fate, deadline in (
                (Fate.STILL_PENDING, conditions.pending_deadline_us),
                (Fate.STILL_ACCEPTED, conditions.accepted_deadline_us),
                (Fate.STILL_ACTIVE, conditions.active_deadline_us),
            )
            if deadline is not None
        }
        self._last_us = plan.duration_us if not conditions.drain else None

    async def play(self, row: int, due_us: int) -> None:
        """One call, offered at ``due_us``."""
        await self._until(due_us)
        if self._requests >= self._rules.most_open:
            self._meters.dropped += 1
            self._finished(row, self._now_us(), False)
            return
        target = self._targets[self._calls % len(self._targets)]
        self._calls += 1
        ready_us = due_us
        for number, step in enumerate(self._plan.steps(row)):
            step_due_us = due_us + step.after_us
            if self._last_us is not None and step_due_us >= self._last_us:
                return
            if step.kind != OFFER and row not in self.open:
                continue
            await self._until(step_due_us)
            reply = await self._sent(row, target, step, step_due_us, ready_us, first=not number)
            ready_us = self._now_us()
            if not number and reply.result == "indefinite":
                # Nobody knows whether it holds a slot, so it must not keep one.
                if not await self.hang_up(row):
                    self._finished(row, self._now_us(), False)
                return
        await self._expire(row)

    async def hang_up(self, row: int) -> bool:
        """End a call that holds a slot, or may; whether it is known now that it does not."""
        target, now_us = self.open[row], self._now_us()
        reply = await self._ask(row, target, CLEAN_UP)
        self._ended(row, reply, now_us)
        return row not in self.open

    def forgotten(self, at_us: int, targets: Sequence[LiveTarget]) -> None:
        """The service was killed: no call holds a slot any more. Their callers do not know yet.

        Calls of which was heard since then are of the service that came after it.
        """
        for row, target in self.open.items():
            if target in targets and self.lives.latest_us(row) <= at_us:
                self.lives.released(row, at_us)

    async def _sent(
        self, row: int, target: LiveTarget, step: Step, due_us: int, ready_us: int, *, first: bool
    ) -> Reply:
        """Send one event and note what came of it. ``first``: it is the call's own offer."""
        sent_us = self._now_us()
        self._meters.sent(due_us, ready_us, sent_us)
        if first:
            self.open[row] = target
        reply = await self._insist(row, target, step)
        now_us = self._now_us()
        if not step.leaves:
            self._meters.latency[_OPS[step.kind]].add(now_us - due_us)
        if reply.decision in _ENTERS:
            self._entered_us[row] = sent_us
        if first:
            self._offered(row, reply, now_us)
        elif step.kind == OFFER:
            if reply.decision == "admitted":
                # Most often the first answer again; a new call if the service was started anew.
                self.open.setdefault(row, target)
        elif step.kind == ACCEPT:
            if reply.decision == "accepted":
                self.lives.accepted(row, now_us)
            elif reply.decision == "rejected":
                self.lives.rejected(row, reply, sent_us)
                self._close(row, now_us, rejected=True)
        elif step.kind == START:
            if reply.decision == "started":
                self.lives.started(row, now_us)
        elif step.kind >= END:
            self._ended(row, reply, sent_us)
        if reply.code == "unknown_call":
            self._lost(row, sent_us)
        return reply

    def _offered(self, row: int, reply: Reply, now_us: int) -> None:
        """The first offer of a row was answered, or not."""
        if reply.decision == "admitted":
            self.lives.admitted(row, now_us)
        elif reply.result != "indefinite":
            if reply.decision == "rejected":
                self.lives.rejected(row, reply, now_us)
            capacity = reply.answer is not None and reply.answer.reason == "capacity"
            self._close(row, now_us, rejected=capacity)

    def _ended(self, row: int, reply: Reply, sent_us: int) -> None:
        """An end was answered, or not. A refusal says that it is over, or was never there."""
        if row not in self.open:
            return
        if reply.decision in ("ended", "abandoned"):
            if self.lives.fate(row) is Fate.NOT_MADE:
                self.lives.admitted(row, sent_us)
            self.lives.released(row, sent_us, ended=reply.decision == "ended")
            self._close(row, self._now_us())
        elif reply.code == "wrong_state":
            self.lives.released(row, min(sent_us, self._expired_us(row)))
            self._close(row, self._now_us())

    def _expired_us(self, row: int) -> int:
        """When a deadline may have ended a call at the earliest; now where there is none."""
        deadline_us = self._deadline_us.get(self.lives.fate(row))
        return self._now_us() if deadline_us is None else self._entered_us[row] + deadline_us

    def _lost(self, row: int, sent_us: int) -> None:
        """The service does not know a call it admitted: it has been started anew."""
        if self.lives.fate(row) is not Fate.NOT_MADE:
            self.lives.released(row, sent_us)
            self._close(row, self._now_us())

    def _close(self, row: int, at_us: int, *, rejected: bool = False) -> None:
        self._entered_us.pop(row, None)
        if self.open.pop(row, None) is not None:
            self._finished(row, at_us, rejected)

    async def _expire(self, row: int) -> None:
        """A call whose end was lost is over when its state's deadline has passed."""
        deadline_us = self._deadline_us.get(self.lives.fate(row))
        if row not in self.open or deadline_us is None:
            return
        await self._until(self._now_us() + deadline_us)
        if row in self.open:
            self._finished(row, self._now_us(), False)

    async def _insist(self, row: int, target: LiveTarget, step: Step) -> Reply:
        """Send an event, again when it is not known to have arrived."""
        patience_us = self._plan.retry_after_us.get(row) if step.kind == OFFER else None
        reply = await self._ask(row, target, step, patience_us)
        if patience_us is not None and reply.result == "indefinite":
            reply = await self._ask(row, target, step)
        if step.leaves and step.kind == OFFER:
            return reply
        pause_s, again = _RETRY_PAUSE_S, Step(step.after_us, step.kind, leaves=False)
        for _ in range(self._rules.retries):
            if reply.result not in ("indefinite", "failed"):
                break
            await asyncio.sleep(pause_s)
            pause_s *= 2
            reply = await self._ask(row, target, again)
        return reply

    async def _ask(
        self, row: int, target: LiveTarget, step: Step, patience_us: int | None = None
    ) -> Reply:
        """Send one request and write down what became of it."""
        call_id, op = f"{target.prefix}{row}", _OPS[step.kind]
        tenant_id = outcome = None
        if step.kind == OFFER:
            tenant_id = self._tenant_ids[self._plan.tenant_of[row]]
            path, body = CALLS, offer_body(call_id, tenant_id)
        else:
            path, body = event_path(call_id, op), b""
            if step.kind >= END:
                ends = step.kind == END
                outcome = _OUTCOMES[EndKind(self._plan.end_kind_of[row])] if ends else "hung_up"
                body = _END_BODIES[outcome]
            elif step.kind == ACCEPT and self._lookups is not None:
                body = self._planned(row)
        client = target.client
        invoke_us = self._now_us()
        begun = target.recorder.begins(invoke_us)
        self._requests += 1
        reply = Reply("indefinite")
        try:
            if step.leaves:
                reply = await client.post_and_leave(path, body)
            else:
                patience_s = None if patience_us is None else patience_us / 1e6
                reply = _understood(op, await client.post(path, body, patience_s))
        finally:
            self._requests -= 1
            if step.kind >= END and reply.result in ("ok", "indefinite"):
                self.lives.ending(row, invoke_us)
            target.recorder.call(
                op, call_id, invoke_us, self._now_us(), reply,
                tenant_id=tenant_id, outcome=outcome, target=target.place,
            )  # fmt: skip
            target.recorder.written(begun)
        return reply

    def _planned(self, row: int) -> bytes:
        """The body of an accept: what a fault in force decides of its lookup, or nothing."""
        assert self._lookups is not None
        plan = self._plan
        lookup = self._lookups.planned(
            plan.tenant_of[row], plan.lookup_draw_of[row], plan.trace_us(self._now_us())
        )
        return b"" if lookup is None else _ACCEPT_BODIES[lookup]

    async def _until(self, due_us: int) -> None:
        await wait_until(due_us, self._now_us)


def _understood(op: OpName, reply: Reply) -> Reply:
    """The reply, or that nobody knows what it means: an answer that does not belong to ``op``."""
    if reply.answer is None:
        return reply
    decision, reason = reply.answer.decision, reply.answer.reason
    if decision in ANSWERS[op] and (decision != "rejected" or reason is not None):
        return reply
    return Reply("indefinite", reply.status, said=f"{decision} is no answer to this request")


async def wait_until(due_us: int, now_us: Callable[[], int]) -> None:
    """Return when ``now_us`` has reached ``due_us``, at once if it has."""
    while (left_us := due_us - now_us()) > SLACK_US:  # noqa: ASYNC110 - time is the event
        await asyncio.sleep(left_us / 1e6)
