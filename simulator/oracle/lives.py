"""The life of every trace row, relative to its offer, by closed forms over what the service hears.

An event that reaches the service is a *hearing*: one instant when the event is delivered as it is
due, none when it is lost, two when it is doubled. What an admitted call does follows from minima
over sets of hearings, without any notion of a state:

- the accept takes effect at its first hearing, unless the call is gone before it;
- the start takes effect at its first hearing not before the accept, unless the call is gone before;
- the referral likewise after the start;
- the call is gone at the first hearing of its end or hang-up, or when the deadline of the stretch
  it is in (offer, accept or start onwards) runs out, whichever is first.

At one instant a call is answered, started and referred before it is gone, and a hearing comes
before a deadline; hence every comparison below is ``<=`` in favour of the former.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from service.calls import Event
from simulator.trace import NEVER, CallTrace, DeliveryAction, EndKind, Int64s

Bools = npt.NDArray[np.bool_]

ENDLESS: Final = 2**62
"""An instant that never comes. Two of them still add up within int64, so sums need no guard."""


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """What each row would do if it were admitted; shapes (n,), microseconds from its offer.

    ``accept_us`` is when the lookup is asked for; the other columns hold when it answers well.
    A row whose lookup does not is released at ``accept_us`` and has no more to its life.
    """

    accept_us: Int64s
    start_us: Int64s
    refer_us: Int64s
    release_us: Int64s
    failed: Bools


def _due(trace: CallTrace) -> dict[Event, Int64s]:
    """When each event of each row is due, from its offer; ENDLESS for an event it does not have."""
    n = len(trace)
    start = np.broadcast_to(trace.setup_us + trace.connect_us, n)
    hangs_up = (trace.patience_us != NEVER) & (trace.patience_us < start)
    impatient = hangs_up & (trace.setup_us > trace.patience_us)
    no_referral = hangs_up | (trace.refer_us == NEVER)
    return {
        Event.ACCEPT: np.where(impatient, ENDLESS, trace.setup_us),
        Event.START: np.where(hangs_up, ENDLESS, start),
        Event.REFER: np.where(no_referral, ENDLESS, start + trace.refer_us),
        Event.END: np.where(hangs_up, ENDLESS, start + trace.hold_us),
        Event.HANGUP: np.where(hangs_up, trace.patience_us, ENDLESS),
    }


def _hearings(trace: CallTrace, event: Event, due: Int64s) -> tuple[Int64s, Int64s | None]:
    """The first and the second hearing of an event, ENDLESS where there is none.

    The second is None when no row's event is doubled.
    """
    deliveries = trace.deliveries
    ours = deliveries.event == event
    if not ours.any():
        return due, None
    first = due.copy()
    action = deliveries.action
    lost = deliveries.call[ours & (action == DeliveryAction.LOST)]
    first[lost] = ENDLESS
    late = ours & (action == DeliveryAction.LATE)
    rows = deliveries.call[late]
    first[rows] = np.minimum(due[rows] + deliveries.delay_us[late], ENDLESS)
    doubled = ours & (action == DeliveryAction.DOUBLED)
    if not doubled.any():
        return first, None
    second = np.full(len(trace), ENDLESS, np.int64)
    rows = deliveries.call[doubled]
    second[rows] = np.minimum(due[rows] + deliveries.delay_us[doubled], ENDLESS)
    return first, second


def _first_from(since: Int64s, hearings: tuple[Int64s, Int64s | None]) -> Int64s:
    """The first hearing at or after ``since``."""
    first, second = hearings
    found = np.where(first >= since, first, ENDLESS)
    if second is None:
        return found
    return np.minimum(found, np.where(second >= since, second, ENDLESS))


def _deadline(since: Int64s, deadline_us: int | None) -> Int64s | int:
    return ENDLESS if deadline_us is None else np.minimum(since + deadline_us, ENDLESS)


def lives_of(trace: CallTrace) -> Lives:
    """The life each row has if it is admitted and its lookup answers."""
    conditions = trace.conditions
    due = _due(trace)
    accept, _ = _hearings(trace, Event.ACCEPT, due[Event.ACCEPT])
    end, _ = _hearings(trace, Event.END, due[Event.END])
    hangup, _ = _hearings(trace, Event.HANGUP, due[Event.HANGUP])
    gone = np.minimum(end, hangup)

    given_up = np.minimum(gone, _deadline(np.zeros(1, np.int64), conditions.pending_deadline_us))
    accept = np.where(accept <= given_up, accept, ENDLESS)

    left = np.minimum(gone, _deadline(accept, conditions.accepted_deadline_us))
    start = _first_from(accept, _hearings(trace, Event.START, due[Event.START]))
    start = np.where(start <= left, start, ENDLESS)

    cut_off = _deadline(start, conditions.active_deadline_us)
    over = np.minimum(gone, cut_off)
    refer = _first_from(start, _hearings(trace, Event.REFER, due[Event.REFER]))
    refer = np.where(refer <= over, refer, ENDLESS)

    release = np.where(accept == ENDLESS, given_up, np.where(start == ENDLESS, left, over))
    failed = (trace.end_kind == EndKind.FAILED) | (cut_off < gone)
    return Lives(accept, start, refer, release, np.broadcast_to(failed, len(trace)))
