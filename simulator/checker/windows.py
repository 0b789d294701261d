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
    answered: Bools
    """Whether an offer of the call was definitely answered."""


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
        columns, said, op = self._columns, self._said, self._columns.op
        ok_end = said[ENDED] | said[ABANDONED]
        was_active = said[STARTED] | said[REFERRED] | said[ENDED]
        was_accepted = was_active | said[ACCEPTED]
        was_admitted = was_accepted | said[ADMITTED] | said[ABANDONED] | said[REJECTED_INSTRUCTIONS]
        # An operation that may belong to another stretch was answered there: it may have had the
        # effect it was answered, while one without an answer may have had any.
        blank, answer = self._unanswered, columns.answer
        turned_away = (answer == REJECTED_CAPACITY) | (answer == REJECTED_TENANT)

        offers = (op == OFFER) & self._may
        offered = self._effect(
            self._first(offers), columns.sure & (op == OFFER) | was_admitted, self._any(offers)
        )
        surely_admitted = self._any(was_admitted)
        full, unknown = self._any(said[REJECTED_CAPACITY]), self._any(said[REJECTED_TENANT])
        admitted = self._effect(
            offered.low_us, was_admitted, self._any(offers & ~turned_away) & ~full & ~unknown
        )
        rejected_capacity = self._effect(
            offered.low_us,
            said[REJECTED_CAPACITY],
            self._any(offers & (blank | (answer == REJECTED_CAPACITY)))
            & ~surely_admitted
            & ~unknown,
        )
        rejected_tenant = self._effect(
            offered.low_us,
            said[REJECTED_TENANT],
            self._any(offers & (blank | (answer == REJECTED_TENANT))) & ~surely_admitted & ~full,
        )

        accepts = self._is_accept & self._may & ~turned_away
        accept_low = np.maximum(self._first(accepts), admitted.low_us)
        no_instructions = answer == REJECTED_INSTRUCTIONS
        accepted = self._effect(
            accept_low,
            was_accepted,
            self._any(accepts & ~no_instructions)
            & admitted.possible
            & ~self._any(said[REJECTED_INSTRUCTIONS]),
        )
        rejected_instructions = self._effect(
            accept_low,
            said[REJECTED_INSTRUCTIONS],
            self._any(accepts & (blank | no_instructions)) & admitted.possible & ~accepted.sure,
        )
        fell_back = (columns.flags & FALLBACK) > 0
        plain = self._any(
            columns.sure & self._is_accept & (columns.answer == ACCEPTED) & ~fell_back
        )
        fallback = self._effect(
            accept_low, columns.sure & self._is_accept & fell_back, accepted.possible & ~plain
        )

        starts = (op == START) & self._may
        start_low = np.maximum(self._first(starts), accept_low)
        started = self._effect(start_low, was_active, self._any(starts) & accepted.possible)
        refers = (op == REFER) & self._may
        referred = self._effect(
            np.maximum(self._first(refers), start_low),
            said[REFERRED],
            self._any(refers) & started.possible,
        )

        ends = (op == END) & self._may
        alive = np.maximum(admitted.low_us, np.where(accepted.sure, accept_low, 0))
        alive = np.maximum(alive, np.where(started.sure, start_low, 0))
        alive = np.maximum(alive, np.where(referred.sure, referred.low_us, 0))
        expiry = self._expiry(admitted, accepted, started)
        end_low = np.maximum(np.minimum(self._first(ends), expiry), alive)
        can_end = admitted.possible & (self._any(ends) | (expiry < FOREVER))
        gave_up, finished = self._any(said[ABANDONED]), self._any(said[ENDED])
        ended = self._effect(
            np.maximum(end_low, start_low), said[ENDED], can_end & started.possible & ~gave_up
        )
        failing = ends & ((columns.flags & ENDS_FAILED) > 0)
        may_fail = self._any(failing) | (expiry < FOREVER) & ~finished
        all_fail = self._any(ends) & ~self._any(ends & ~failing)
        failed = Effect(
            ended.low_us, ended.high_us, ended.possible & may_fail, ended.sure & all_fail
        )
        abandons = self._effect(end_low, said[ABANDONED], can_end & ~finished & ~started.sure)
        surely_pending = abandons.sure & ~accepted.possible
        pending = Effect(
            end_low, abandons.high_us, abandons.possible & ~accepted.sure, surely_pending
        )
        waiting_low = np.maximum(end_low, accept_low)
        waiting = Effect(
            waiting_low,
            np.maximum(abandons.high_us, waiting_low),
            abandons.possible & accepted.possible,
            abandons.sure & accepted.sure,
        )
        return Windows(
            offered=offered,
            admitted=admitted,
            rejected_capacity=rejected_capacity,
            rejected_tenant=rejected_tenant,
            accepted=accepted,
            rejected_instructions=rejected_instructions,
            fallback=fallback,
            started=started,
            referred=referred,
            ended=ended,
            failed=failed,
            abandoned_pending=pending,
            abandoned_accepted=waiting,
            released=self._released(ok_end, can_end, end_low, alive, rejected_instructions),
            answered=self._any(columns.sure & (op == OFFER)),
        )

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

    def _released(
        self,
        ok_end: Bools,
        can_end: Bools,
        end_low: Int64s,
        alive: Int64s,
        rejected: Effect,
    ) -> Effect:
        low = np.minimum(
            np.where(can_end, end_low, FOREVER),
            np.where(rejected.possible, rejected.low_us, FOREVER),
        )
        low = np.maximum(low, alive)
        evidence = ok_end | self._said[REJECTED_INSTRUCTIONS]
        return self._effect(low, evidence, low < FOREVER)
