"""Callers who call again: how likely after which end, how soon, how often.

A scenario's callers redial after a refusal and after nothing else. So of the log only redials of
refused calls are taken out of the arrivals: the scenario makes them again, whenever it refuses a
call. Redials after busy or no answer stay among the arrivals, because nothing else would offer
them, and their number and timing show as bursts.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.cdr.recorded import NOBODY, CallEnd, RecordedCalls
from simulator.fit.fitted import Redials, RedialsAfter, Share
from simulator.fit.holding import fit_durations

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

WINDOW_US: Final = 1_800_000_000
"""A call of the same caller within half an hour of a call's end is that call tried again."""
_FEWEST: Final = 20
_MOST_ATTEMPTS: Final = 1000
_Z: Final = 1.959963984540054


def wilson(part: int, whole: int) -> Share:
    """A share and its 95 % interval (E. B. Wilson, Journal of the American Statistical Association
    22, 1927); [0, 1] of nothing."""
    if not whole:
        return Share(0, 0, 0.0, 1.0)
    share, square = part / whole, _Z * _Z
    centre = (share + square / (2 * whole)) / (1 + square / whole)
    half = (
        _Z
        / (1 + square / whole)
        * math.sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    )
    return Share(part, whole, max(0.0, centre - half), min(1.0, centre + half))


@dataclass(frozen=True, slots=True, eq=False)
class NextCalls:
    """For each of n calls its caller's next one to the same tenant, shapes (n,).

    ``row`` is -1 where there is none; ``after_us`` is how long after the end of the call it came,
    negative where the call had not ended yet.
    """

    row: Int64s
    after_us: Int64s

    def within(self, window_us: int) -> Bools:
        """Whose next call came at most so long after their end."""
        return (self.row >= 0) & (self.after_us >= 0) & (self.after_us <= window_us)


def next_calls(log: RecordedCalls) -> NextCalls | None:
    """None where the log does not tell callers apart."""
    if log.caller is None:
        return None
    # Calls of one caller to one tenant stay in order: the sort is stable.
    party = log.tenant.astype(np.int64) * (int(log.caller.max(initial=0)) + 1) + log.caller
    order = np.argsort(party, kind="stable")
    one, two = order[:-1], order[1:]
    same = (party[one] == party[two]) & (log.caller[one] != NOBODY)
    one, two = one[same], two[same]
    row = np.full(len(log), -1, np.int64)
    after_us = np.zeros(len(log), np.int64)
    row[one] = two
    after_us[one] = log.offer_us[two] - log.offer_us[one] - log.slot_us[one]
    return NextCalls(row, after_us)


def redials_of_refused(
    log: RecordedCalls, following: NextCalls | None, window_us: int = WINDOW_US
) -> Bools:
    """Which offers are redials of a refused call, shape (n,): no arrivals of the scenario."""
    marked = np.zeros(len(log), np.bool_)
    if following is not None:
        again = following.within(window_us) & (log.end == CallEnd.REFUSED)
        marked[following.row[again]] = True
    return marked


def fit_redials(
    log: RecordedCalls, following: NextCalls | None, window_us: int = WINDOW_US
) -> Redials | None:
    """What the callers of a log do after each end; None where it does not tell callers apart or
    none of them ever called again."""
    if following is None:
        return None
    # Of calls near the end of the log it is not known whether they are tried again.
    known = (log.caller != NOBODY) & (log.offer_us + log.slot_us + window_us <= log.offer_us[-1])
    soon = following.within(window_us)
    again = known & soon
    if not again.any():
        return None
    rows = []
    for end in CallEnd:
        mine = known & (log.end == end)
        if mine.any():
            hits = again & mine
            mean = float(following.after_us[hits].mean()) if hits.any() else 0.0
            share = wilson(int(hits.sum()), int(mine.sum()))
            rows.append(RedialsAfter(end.name.lower(), share, mean))
    answered = known & log.answered
    control = wilson(int((again & answered).sum()), int(answered.sum()))
    basis, chosen = _basis(log, known)
    hits = again & chosen
    delays = np.maximum(following.after_us[hits], 1)
    return Redials(
        window_us=window_us,
        after=tuple(rows),
        control=control,
        basis=basis,
        probability=wilson(int(hits.sum()), int(chosen.sum())).value,
        delay=fit_durations(delays, log.resolution_us) if len(delays) else None,
        max_attempts=_longest_chain(following, soon & chosen),
        refused=basis == CallEnd.REFUSED.name.lower(),
        removed=int(redials_of_refused(log, following, window_us).sum()),
    )


def _basis(log: RecordedCalls, known: Bools) -> tuple[str, Bools]:
    """Whose redials stand for those of a refused call: the nearest to it that were seen often."""
    for end in (CallEnd.REFUSED, CallEnd.BUSY):
        mine = known & (log.end == end)
        if mine.sum() >= (_FEWEST if end is CallEnd.BUSY else 1):
            return end.name.lower(), mine
    return "unanswered", known & ~log.answered


def _longest_chain(following: NextCalls, again: Bools) -> int:
    """Attempts of the most stubborn caller, the first one included."""
    attempts = np.ones(len(following.row), np.int64)
    longest = 1
    for row in np.flatnonzero(again).tolist():
        attempts[following.row[row]] = attempts[row] + 1
        longest = max(longest, int(attempts[row]) + 1)
    return min(longest, _MOST_ATTEMPTS)
