"""When each call was admitted, accepted, started and released: the earliest and the latest instant.

An effect that is sure lies in ``[low, high]``; one that is only possible lies at or after ``low``,
or never happened. All arrays have shape (calls,).
"""

from dataclasses import dataclass

import numpy as np

from simulator.checker.columns import (
    ABANDONED,
    ACCEPT,
    ACCEPTED,
    ADMITTED,
    ASKED_ACCEPT,
    END,
    ENDED,
    ENDS_FAILED,
    FALLBACK,
    INDEFINITE,
    OFFER,
    OK,
    REFER,
    REFERRED,
    REJECTED_CAPACITY,
    REJECTED_INSTRUCTIONS,
    REJECTED_TENANT,
    START,
    STARTED,
    Bools,
    Columns,
    Names,
)
from simulator.checker.steps import FOREVER
from simulator.history import HistoryDeadlines
from simulator.trace import Int64s

CLOCK_RATE_TOLERANCE = 5e-4
"""How far two clocks may drift apart: what NTP slews at most, 500 us a second."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that may have happened to each call once."""

    low_us: Int64s
    high_us: Int64s
    possible: Bools
    sure: Bools


@dataclass(frozen=True, slots=True)
class Windows:
    """What may have happened to the calls of one stretch of history."""

    offered: Effect
    admitted: Effect
    rejected_capacity: Effect
    rejected_tenant: Effect
    accepted: Effect
    rejected_instructions: Effect
    fallback: Effect
    started: Effect
    referred: Effect
    ended: Effect
    failed: Effect
    abandoned_pending: Effect
    abandoned_accepted: Effect
    released: Effect


def first_over(effect: Effect, calls: Int64s, names: Names) -> int:
    """Of some calls the one for which an effect was over first; the order of lines says nothing."""
    over_us = effect.high_us[calls]
    first = calls[over_us == over_us.min()]
    return int(min(first.tolist(), key=lambda call: names.calls[call]))


def windows_of(columns: Columns, calls: int, deadlines: HistoryDeadlines) -> Windows:
    """The windows of ``calls`` calls."""
    return _Builder(columns, calls, deadlines).windows()


class _Builder:
    def __init__(self, columns: Columns, calls: int, deadlines: HistoryDeadlines) -> None:
        self._columns = columns
        self._calls = calls
        self._deadlines = deadlines
        op, answer = columns.op, columns.answer
        self._unanswered = columns.result == INDEFINITE
        self._may = (columns.result == OK) | self._unanswered
        self._said = {
            code: columns.sure & (answer == code) for code in range(REJECTED_INSTRUCTIONS + 1)
        }
        self._turned_away = (answer == REJECTED_CAPACITY) | (answer == REJECTED_TENANT)
        self._is_accept = (op == ACCEPT) | (
            (op == OFFER)
            & (
                ((columns.flags & ASKED_ACCEPT) > 0)
                | (answer == ACCEPTED)
                | (answer == REJECTED_INSTRUCTIONS)
            )
        )

    def _first(self, which: Bools, high: bool = False) -> Int64s:
        """The earliest invocation (or completion) of each call's operations of a mask."""
        found = np.full(self._calls, FOREVER, np.int64)
        times = self._columns.high_us if high else self._columns.low_us
        np.minimum.at(found, self._columns.call[which], times[which])
        return found

    def _any(self, which: Bools) -> Bools:
        found = np.zeros(self._calls, np.bool_)
        found[self._columns.call[which]] = True
        return found

    def windows(self) -> Windows:
        said = self._said
        was_active = said[STARTED] | said[REFERRED] | said[ENDED]
        was_accepted = was_active | said[ACCEPTED]
        was_admitted = was_accepted | said[ADMITTED] | said[ABANDONED] | said[REJECTED_INSTRUCTIONS]
        offered, admitted, full, unknown = self._offers(was_admitted)
        accepted, no_instructions, fallback = self._accepts(admitted, was_accepted)
        starts, refers = self._may_be(START), self._may_be(REFER)
        start_low = np.maximum(self._first(starts), accepted.low_us)
        started = self._effect(start_low, was_active, self._any(starts) & accepted.possible)
        referred = self._effect(
            np.maximum(self._first(refers), start_low),
            said[REFERRED],
            self._any(refers) & started.possible,
        )
        ends = self._may_be(END)
        # What it was answered shows that the call still held its slot by then.
        alive = np.maximum(admitted.low_us, np.where(accepted.sure, accepted.low_us, 0))
        alive = np.maximum(alive, np.where(started.sure, start_low, 0))
        alive = np.maximum(alive, np.where(referred.sure, referred.low_us, 0))
        expiry = self._expiry(admitted, accepted, started)
        over_low = np.maximum(np.minimum(self._first(ends), expiry), alive)
        may_be_over = admitted.possible & (self._any(ends) | (expiry < FOREVER))
        over = Effect(over_low, over_low, may_be_over, may_be_over)
        ended, failed = self._ends(started, over, expiry)
        pending, waiting = self._abandons(accepted, started, over)
        return Windows(
            offered=offered,
            admitted=admitted,
            rejected_capacity=full,
            rejected_tenant=unknown,
            accepted=accepted,
            rejected_instructions=no_instructions,
            fallback=fallback,
            started=started,
            referred=referred,
            ended=ended,
            failed=failed,
            abandoned_pending=pending,
            abandoned_accepted=waiting,
            released=self._released(over, alive, no_instructions),
        )

    def _may_be(self, op: int) -> Bools:
        """Operations of a kind that took effect or may have."""
        found: Bools = (self._columns.op == op) & self._may
        return found

    # An operation that may belong to another stretch was answered there: it may have had the
    # effect it was answered, while one without an answer may have had any.

    def _offers(self, was_admitted: Bools) -> tuple[Effect, Effect, Effect, Effect]:
        """Offered, admitted, rejected for capacity, rejected as unknown."""
        said, answer, blank = self._said, self._columns.answer, self._unanswered
        offers = self._may_be(OFFER)
        low = self._first(offers)
        offered = self._effect(
            low, self._columns.sure & (self._columns.op == OFFER) | was_admitted, self._any(offers)
        )
        admitted = self._any(was_admitted)
        full, unknown = self._any(said[REJECTED_CAPACITY]), self._any(said[REJECTED_TENANT])
        may_admit = self._any(offers & ~self._turned_away)
        may_be_full = self._any(offers & (blank | (answer == REJECTED_CAPACITY)))
        may_be_unknown = self._any(offers & (blank | (answer == REJECTED_TENANT)))
        return (
            offered,
            self._effect(low, was_admitted, may_admit & ~full & ~unknown),
            self._effect(low, said[REJECTED_CAPACITY], may_be_full & ~admitted & ~unknown),
            self._effect(low, said[REJECTED_TENANT], may_be_unknown & ~admitted & ~full),
        )

    def _accepts(self, admitted: Effect, was_accepted: Bools) -> tuple[Effect, Effect, Effect]:
        """Accepted, rejected for missing instructions, accepted on fallback instructions."""
        columns, rejected = self._columns, self._said[REJECTED_INSTRUCTIONS]
        accepts = self._is_accept & self._may & ~self._turned_away
        low = np.maximum(self._first(accepts), admitted.low_us)
        turned_down = columns.answer == REJECTED_INSTRUCTIONS
        may_accept = self._any(accepts & ~turned_down) & ~self._any(rejected)
        accepted = self._effect(low, was_accepted, may_accept & admitted.possible)
        may_reject = self._any(accepts & (self._unanswered | turned_down)) & ~accepted.sure
        no_instructions = self._effect(low, rejected, may_reject & admitted.possible)
        answered = columns.sure & self._is_accept
        fell_back = (columns.flags & FALLBACK) > 0
        plain = self._any(answered & (columns.answer == ACCEPTED) & ~fell_back)
        fallback = self._effect(low, answered & fell_back, accepted.possible & ~plain)
        return accepted, no_instructions, fallback

    def _ends(self, started: Effect, over: Effect, expiry: Int64s) -> tuple[Effect, Effect]:
        """Ended, and ended with an error."""
        gave_up, finished = self._any(self._said[ABANDONED]), self._any(self._said[ENDED])
        # An end that was sent after one was answered is a repeat, whatever outcome it names.
        answered_us = self._first(self._said[ENDED], high=True)
        ends = self._may_be(END) & (self._columns.low_us <= answered_us[self._columns.call])
        ended = self._effect(
            np.maximum(over.low_us, started.low_us),
            self._said[ENDED],
            over.possible & started.possible & ~gave_up,
        )
        failing = ends & ((self._columns.flags & ENDS_FAILED) > 0)
        may_fail = self._any(failing) | (expiry < FOREVER) & ~finished
        all_fail = self._any(ends) & ~self._any(ends & ~failing)
        return ended, Effect(
            ended.low_us, ended.high_us, ended.possible & may_fail, ended.sure & all_fail
        )

    def _abandons(self, accepted: Effect, started: Effect, over: Effect) -> tuple[Effect, Effect]:
        """Given up before the accept, and after it."""
        finished = self._any(self._said[ENDED])
        either = self._effect(
            over.low_us, self._said[ABANDONED], over.possible & ~finished & ~started.sure
        )
        pending = Effect(
            either.low_us,
            either.high_us,
            either.possible & ~accepted.sure,
            either.sure & ~accepted.possible,
        )
        low = np.maximum(over.low_us, accepted.low_us)
        waiting = Effect(
            low,
            np.maximum(either.high_us, low),
            either.possible & accepted.possible,
            either.sure & accepted.sure,
        )
        return pending, waiting

    def _effect(self, low_us: Int64s, evidence: Bools, possible: Bools) -> Effect:
        """An effect that the operations of ``evidence`` show to have happened by then."""
        sure = self._any(evidence)
        # Answers that contradict one another must not give windows that end before they begin.
        high_us = np.maximum(self._first(evidence, high=True), low_us)
        return Effect(low_us, high_us, possible | sure, sure)

    def _expiry(self, admitted: Effect, accepted: Effect, started: Effect) -> Int64s:
        """The earliest instant at which a deadline may end the call."""
        earliest = np.full(self._calls, FOREVER, np.int64)
        deadlines = self._deadlines
        for deadline_us, entered, left in (
            (deadlines.pending_us, admitted, accepted.sure),
            (deadlines.accepted_us, accepted, started.sure),
            (deadlines.active_us, started, np.zeros(self._calls, np.bool_)),
        ):
            if deadline_us is not None:
                due = entered.low_us + int(deadline_us * (1 - CLOCK_RATE_TOLERANCE)) - 2
                open_state = entered.possible & ~left
                earliest = np.where(open_state, np.minimum(earliest, due), earliest)
        return earliest

    def _released(self, over: Effect, alive: Int64s, rejected: Effect) -> Effect:
        low = np.minimum(
            np.where(over.possible, over.low_us, FOREVER),
            np.where(rejected.possible, rejected.low_us, FOREVER),
        )
        low = np.maximum(low, alive)
        said = self._said
        evidence = said[ENDED] | said[ABANDONED] | said[REJECTED_INSTRUCTIONS]
        return self._effect(low, evidence, low < FOREVER)
