"""What the service's answers say became of each row of a trace."""

from array import array
from collections.abc import Iterable
from typing import Final, Protocol

import numpy as np

from service.calls import SCOPE_SETS, Reason, Scope
from service.state.base import Decision
from simulator.engines.limits import has_deadlines
from simulator.engines.schedule import ACCEPT, OFFER, START, Schedule
from simulator.results import CallLog, Fate, HeldRows
from simulator.trace import NEVER, CallTrace

_SCOPE_BIT: Final = {scope: 1 << place for place, scope in enumerate(Scope)}
_REJECTED_FOR: Final = {
    Reason.TENANT_NOT_CONFIGURED: Fate.REJECTED_TENANT,
    Reason.CAPACITY: Fate.REJECTED_CAPACITY,
    Reason.INSTRUCTIONS_MISSING: Fate.REJECTED_INSTRUCTIONS,
}
_REASON_OF: Final = {
    int(_REJECTED_FOR[reason]): reason for reason in (Reason.TENANT_NOT_CONFIGURED, Reason.CAPACITY)
}
"""The reason an offer was rejected for, by fate; missing instructions reject an accept."""

REJECTED: Final = frozenset(int(fate) for fate in _REJECTED_FOR.values())
"""Fates after which a caller sends nothing more."""

_NOT_MADE: Final = int(Fate.NOT_MADE)
_PENDING: Final = int(Fate.STILL_PENDING)
_ACCEPTED: Final = int(Fate.STILL_ACCEPTED)
_ACTIVE: Final = int(Fate.STILL_ACTIVE)
_EXPIRED: Final = {
    _PENDING: int(Fate.ABANDONED_PENDING),
    _ACCEPTED: int(Fate.ABANDONED_ACCEPTED),
    _ACTIVE: int(Fate.ENDED),
}

# Members read off their class cost a lookup through the metaclass; these are read every event.
_SAID_ADMITTED: Final = Decision.ADMITTED
_SAID_ACCEPTED: Final = Decision.ACCEPTED
_SAID_REJECTED: Final = Decision.REJECTED
_SAID_STARTED: Final = Decision.STARTED
_SAID_ENDED: Final = Decision.ENDED
_SAID_ABANDONED: Final = Decision.ABANDONED


class Heard(Protocol):
    """The part of an answer that the record reads."""

    @property
    def decision(self) -> Decision | None: ...
    @property
    def reason(self) -> Reason | None: ...
    @property
    def scopes(self) -> tuple[Scope, ...]: ...


class CallRecord:
    """Follows every row from answer to answer, and tells the schedule what depends on them.

    The service does not report an expiry to anybody, so one is taken to have happened when a
    state's deadline passed before anything else was heard of the call; the counters tell whether
    it did.
    """

    def __init__(self, trace: CallTrace, schedule: Schedule) -> None:
        n = len(trace)
        conditions = trace.conditions
        self._schedule = schedule
        self._deadline_us = {
            _PENDING: conditions.pending_deadline_us,
            _ACCEPTED: conditions.accepted_deadline_us,
            _ACTIVE: conditions.active_deadline_us,
        }
        self._expires = has_deadlines(conditions)
        self.fate = bytearray(n)
        """A :class:`Fate` for each row; the STILL_ ones are the states of a call that lives."""
        self._scopes = bytearray(n)
        self._offered_us = _nevers(n)
        self._accepted_us = _nevers(n)
        self._started_us = _nevers(n)
        self._released_us = _nevers(n)
        self.contradictions: list[str] = []
        """Answers that cannot be right whatever was counted, one line each."""

    def heard(self, at_us: int, kind: int, row: int, answer: Heard) -> None:
        """Note the answer to an event (OFFER to HANGUP) of a row, heard at ``at_us``."""
        fate = self.fate
        now = fate[row]
        if self._expires and now >= _PENDING:
            self._expire_before(row, at_us)
            now = fate[row]
        decision = answer.decision
        if kind == OFFER:
            if now == _NOT_MADE:
                self._offered(at_us, row, answer)
            else:
                self._offered_again(at_us, row, answer)
        elif kind == ACCEPT:
            if now == _PENDING:
                if decision is _SAID_ACCEPTED:
                    fate[row] = _ACCEPTED
                    self._accepted_us[row] = at_us
                    self._entered(row, _ACCEPTED, at_us)
                elif decision is _SAID_REJECTED:
                    self._released(row, Fate.REJECTED_INSTRUCTIONS, at_us)
        elif kind == START:
            if now == _ACCEPTED and decision is _SAID_STARTED:
                fate[row] = _ACTIVE
                self._started_us[row] = at_us
                self._entered(row, _ACTIVE, at_us)
        elif now >= _PENDING:
            if decision is _SAID_ENDED:
                self._released(row, Fate.ENDED, at_us)
            elif decision is _SAID_ABANDONED:
                self._released(row, _EXPIRED[now], at_us)

    def due_us(self, row: int) -> int | None:
        """When the row's present state expires, or None."""
        now = self.fate[row]
        if now < _PENDING:
            return None
        deadline = self._deadline_us[now]
        if deadline is None:
            return None
        entered = {
            _PENDING: self._offered_us,
            _ACCEPTED: self._accepted_us,
            _ACTIVE: self._started_us,
        }[now]
        return entered[row] + deadline

    def expire(self, row: int, at_us: int) -> None:
        """Note that a watched row expired at ``at_us``, if that is when its state is due."""
        if self.due_us(row) == at_us:
            self._released(row, _EXPIRED[self.fate[row]], at_us)

    def close(self, held: HeldRows, until_us: int) -> CallLog:
        """The log of the run. ``held`` is what the service says it still holds at ``until_us``."""
        if self._expires:
            still = held.pending | held.accepted
            lives = np.flatnonzero(np.array(self.fate, np.int8) >= _PENDING).tolist()
            self._expire_all((row for row in lives if row not in still), until_us)
        return CallLog(
            fate=np.array(self.fate, np.int8),
            scopes=np.array(self._scopes, np.int8),
            offered_us=np.array(self._offered_us, np.int64),
            accepted_us=np.array(self._accepted_us, np.int64),
            started_us=np.array(self._started_us, np.int64),
            released_us=np.array(self._released_us, np.int64),
        )

    def _expire_all(self, rows: Iterable[int], until_us: int) -> None:
        for row in rows:
            due = self.due_us(row)
            if due is not None and due <= until_us:
                self._released(row, _EXPIRED[self.fate[row]], due)

    def _expire_before(self, row: int, at_us: int) -> None:
        due = self.due_us(row)
        if due is not None and due < at_us:
            self._released(row, _EXPIRED[self.fate[row]], due)

    def _offered(self, at_us: int, row: int, answer: Heard) -> None:
        if answer.decision is _SAID_ADMITTED:
            self._offered_us[row] = at_us
            self.fate[row] = _PENDING
            self._entered(row, _PENDING, at_us)
        elif answer.decision is _SAID_REJECTED and answer.reason is not None:
            self._offered_us[row] = at_us
            fate = _REJECTED_FOR[answer.reason]
            self.fate[row] = fate
            scopes = self._scopes[row] = sum(_SCOPE_BIT[scope] for scope in {*answer.scopes})
            if answer.scopes != SCOPE_SETS[scopes]:
                self.contradictions.append(
                    f"call {row}: its rejection lists the scopes {', '.join(answer.scopes)}"
                )
            self._schedule.finished(row, at_us, rejected=fate is Fate.REJECTED_CAPACITY)

    def _offered_again(self, at_us: int, row: int, answer: Heard) -> None:
        """A repeated offer must get the first answer again."""
        rejected = _REASON_OF.get(self.fate[row])
        first = (
            _SAID_ADMITTED if rejected is None else _SAID_REJECTED,
            rejected,
            SCOPE_SETS[self._scopes[row]],
        )
        again = (answer.decision, answer.reason, answer.scopes)
        if again != first:
            self.contradictions.append(
                f"call {row}: its offer was answered {_words(*first)}, and {_words(*again)} when"
                f" it was made again at {at_us} us"
            )

    def _entered(self, row: int, state: int, at_us: int) -> None:
        deadline = self._deadline_us[state]
        if deadline is not None and self._schedule.has_dependents(row):
            self._schedule.watch(row, at_us + deadline)

    def _released(self, row: int, fate: int, at_us: int) -> None:
        self.fate[row] = fate
        self._released_us[row] = at_us
        self._schedule.finished(row, at_us, rejected=fate == Fate.REJECTED_INSTRUCTIONS)


def _words(decision: Decision | None, reason: Reason | None, scopes: Iterable[Scope]) -> str:
    if decision is None:
        return "with a refusal"
    return " ".join([decision, *([] if reason is None else [f"for {reason}"]), *scopes])


def _nevers(n: int) -> "array[int]":
    return array("q", [NEVER]) * n
