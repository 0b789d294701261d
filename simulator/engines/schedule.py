"""The order in which a service hears what a trace says.

At one instant: changes of limits; events of calls offered earlier; expiries; offers by (attempt,
row), each with its own events of that instant right behind it; checkpoints. Rows that depend on
another row's end enter the order when the engine reports that end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

import numpy as np
import numpy.typing as npt

from service.calls import Event
from simulator.conditions import require_shared_policy
from simulator.trace import NEVER, AfterOn, CallTrace, Conditions, DeliveryAction

# Plain integers: an item's kind is compared several times for every event.
OFFER: Final = int(Event.OFFER)
ACCEPT: Final = int(Event.ACCEPT)
START: Final = int(Event.START)
END: Final = int(Event.END)
HANGUP: Final = int(Event.HANGUP)
EXPIRE: Final = int(Event.EXPIRE)
CHANGE: Final = 7
"""Kind of an item that is a change of limits; its row is the place in ``conditions.changes``."""
CHECKPOINT: Final = 8
"""Kind of an item that is a checkpoint; its row is the place in ``conditions.checkpoints_us``."""

_KIND_BITS: Final = 4
_KIND_MASK: Final = (1 << _KIND_BITS) - 1
_CHUNK: Final = 1 << 16

# The order of the phases within one instant.
_CHANGES, _EVENTS, _EXPIRIES, _OFFERS, _CHECKPOINTS = range(5)

Item = tuple[int, int, int]
"""(instant in microseconds, kind, row): kinds are :class:`Event` values, CHANGE or CHECKPOINT."""


@dataclass(frozen=True, slots=True, eq=False)
class Hearings:
    """Hearings of all rows; shapes (m,): row, event, and the time from the row's offer in us."""

    row: npt.NDArray[np.int64]
    event: npt.NDArray[np.int64]
    since_offer_us: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Dependent:
    """A row that is offered ``delay_us`` after another's rejection or finish."""

    row: int
    after_on: int
    delay_us: int


class Schedule:
    """Iterates over the items of a trace in the order they are heard.

    While it is iterated it must be told of every rejection and finish of a row that others depend
    on (:meth:`finished`); dependents are offered ``delay_us`` later, unless that is at or after
    the end of the run. With ``drain`` off, nothing at or after the end of the run is heard.
    Raises :class:`~simulator.trace.TraceInvalid` for a sharing policy that no service knows.
    """

    def __init__(self, trace: CallTrace) -> None:
        conditions = trace.conditions
        require_shared_policy(conditions)
        self._duration_us = conditions.duration_us
        self._drain = conditions.drain
        n = len(trace)
        attempts = np.broadcast_to(trace.attempt, n).astype(np.int64)
        most = max(n, len(conditions.changes), len(conditions.checkpoints_us), 1)
        self._row_bits = most.bit_length()
        self._attempt_bits = int(attempts.max(initial=0)).bit_length()
        if 3 + self._attempt_bits + self._row_bits + _KIND_BITS > 63:
            raise ValueError(f"{n} rows of up to {attempts.max()} attempts are too many to order")
        self._heap: list[tuple[int, int]] = []
        self._last = (NEVER, 0)
        self._dependents = dependents_of(trace)
        self._shortest_us = _shortest_delays(self._dependents, rejected=True)
        self._shortest_after_finish_us = _shortest_delays(self._dependents, rejected=False)

        heard = hearings_of(trace)
        key = self._keys(heard, attempts)
        depends = np.broadcast_to(trace.after, n)[heard.row] != NEVER
        offers = np.broadcast_to(trace.offer_us, n)
        self._sort_fixed(trace, heard, key, offers, ~depends)
        self._keep_dependents(heard, key, depends, n)

    def __iter__(self) -> Iterator[Item]:
        row_mask = (1 << self._row_bits) - 1
        for first in range(0, len(self._at_us), _CHUNK):
            keys = self._key[first : first + _CHUNK]
            instants = self._at_us[first : first + _CHUNK].tolist()
            kinds = (keys & _KIND_MASK).tolist()
            rows = (keys >> _KIND_BITS & row_mask).tolist()
            if self._dependents:
                yield from self._merged(instants, keys.tolist(), kinds, rows)
            else:
                yield from zip(instants, kinds, rows, strict=True)
        yield from self.inserted()

    def inserted(self) -> Iterator[Item]:
        """What was inserted and not yet yielded: for when the iteration ended before an insert."""
        heap, row_mask = self._heap, (1 << self._row_bits) - 1
        while heap:
            self._last = at_us, key = heappop(heap)
            yield at_us, key & _KIND_MASK, key >> _KIND_BITS & row_mask

    @property
    def has_inserted(self) -> bool:
        return bool(self._heap)

    def finished(self, row: int, at_us: int, *, rejected: bool) -> None:
        """Offer what depends on ``row``, which finished at ``at_us``.

        ``rejected`` says whether it was rejected for capacity or for missing instructions.
        """
        for dependent in self._dependents.get(row, ()):
            if dependent.after_on == AfterOn.REJECTED and not rejected:
                continue
            offer_us = at_us + dependent.delay_us
            if offer_us < self._duration_us:
                first, last = self._first[dependent.row], self._first[dependent.row + 1]
                for i in range(first, last):
                    self._push(offer_us + self._since_offer_us[i], self._dependent_key[i])

    @property
    def has_any_dependents(self) -> bool:
        """Whether any row waits for another's rejection or finish."""
        return bool(self._dependents)

    def has_dependents(self, row: int) -> bool:
        """Whether any row waits for this one's rejection or finish."""
        return row in self._dependents

    def watch(self, row: int, due_us: int) -> None:
        """Yield (due_us, Event.EXPIRE, row) in its place; for rows that others depend on."""
        self._push(due_us, self._pack(_EXPIRIES, row, Event.EXPIRE))

    def put_back(self) -> None:
        """Take the last item back, to yield it again after whatever is inserted before it.

        Only for traces with dependent rows; in others nothing can be inserted.
        """
        heappush(self._heap, self._last)

    def earliest_dependent_us(self, item: Item) -> int | None:
        """The earliest offer that can follow from the answer to an item, or None."""
        at_us, kind, row = item
        shortest = (
            self._shortest_us if kind <= Event.ACCEPT else self._shortest_after_finish_us
        ).get(row)
        if shortest is None or at_us + shortest >= self._duration_us:
            return None
        return at_us + shortest

    def _merged(
        self, instants: list[int], keys: list[int], kinds: list[int], rows: list[int]
    ) -> Iterator[Item]:
        """The given items with the dependents' in their places."""
        heap = self._heap
        row_mask = (1 << self._row_bits) - 1
        for at_us, key, kind, row in zip(instants, keys, kinds, rows, strict=True):
            while heap and heap[0] < (at_us, key):
                self._last = due_us, other = heappop(heap)
                yield due_us, other & _KIND_MASK, other >> _KIND_BITS & row_mask
            self._last = at_us, key
            yield at_us, kind, row

    def _push(self, at_us: int, key: int) -> None:
        if self._drain or at_us < self._duration_us:
            heappush(self._heap, (at_us, key))

    def _pack(self, phase: int, row: int, kind: int) -> int:
        """An item's place within its instant: phase, attempt (0 here), row, kind."""
        return (phase << self._attempt_bits + self._row_bits | row) << _KIND_BITS | kind

    def _keys(self, heard: Hearings, attempts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Places within their instants of the hearings; shape as theirs.

        What falls due at the instant of the call's own offer comes right behind it.
        """
        with_offer = heard.since_offer_us == 0
        phase = np.where(with_offer, _OFFERS, _EVENTS).astype(np.int64)
        attempt = np.where(with_offer, attempts[heard.row], 0)
        key = phase << self._attempt_bits | attempt
        return (key << self._row_bits | heard.row) << _KIND_BITS | heard.event

    def _sort_fixed(
        self,
        trace: CallTrace,
        heard: Hearings,
        key: npt.NDArray[np.int64],
        offers: npt.NDArray[np.int64],
        fixed: npt.NDArray[np.bool_],
    ) -> None:
        """Order everything that depends on no answer."""
        conditions = trace.conditions
        offered = offers[heard.row]
        kept = fixed & (offered < self._duration_us)
        at_us = (offered + heard.since_offer_us)[kept]
        key = key[kept]
        changes = [
            (c.at_us, self._pack(_CHANGES, i, CHANGE)) for i, c in enumerate(conditions.changes)
        ]
        checkpoints = [
            (at, self._pack(_CHECKPOINTS, i, CHECKPOINT))
            for i, at in enumerate(conditions.checkpoints_us)
        ]
        marks = np.array(changes + checkpoints, np.int64).reshape(-1, 2)
        at_us = np.concatenate((at_us, marks[:, 0]))
        key = np.concatenate((key, marks[:, 1]))
        if not self._drain:
            inside = at_us < self._duration_us
            at_us, key = at_us[inside], key[inside]
        order = np.lexsort((key, at_us))
        self._at_us = at_us[order]
        self._key = key[order]

    def _keep_dependents(
        self,
        heard: Hearings,
        key: npt.NDArray[np.int64],
        depends: npt.NDArray[np.bool_],
        n: int,
    ) -> None:
        """Keep the hearings of dependent rows by row, to insert when their offer is known."""
        if not self._dependents:
            self._first: list[int] = []
            return
        rows = heard.row[depends]
        order = np.argsort(rows, kind="stable")
        self._since_offer_us: list[int] = heard.since_offer_us[depends][order].tolist()
        self._dependent_key: list[int] = key[depends][order].tolist()
        self._first = np.searchsorted(rows[order], np.arange(n + 1)).tolist()


def end_of_run_us(conditions: Conditions, last_us: int) -> int:
    """Up to when deadlines apply, given the instant of the last item heard.

    With ``drain`` that is when the last possible deadline has passed.
    """
    if not conditions.drain:
        return conditions.duration_us - 1
    deadlines = (
        conditions.pending_deadline_us,
        conditions.accepted_deadline_us,
        conditions.active_deadline_us,
    )
    return max(conditions.duration_us, last_us) + max(d or 0 for d in deadlines)


def dependents_of(trace: CallTrace) -> dict[int, list[Dependent]]:
    """The rows that wait for each row; rows nobody waits for are not there."""
    n = len(trace)
    after = np.broadcast_to(trace.after, n)
    after_on = np.broadcast_to(trace.after_on, n)
    delay_us = np.broadcast_to(trace.delay_us, n)
    dependents: dict[int, list[Dependent]] = {}
    for row in np.flatnonzero(after != NEVER).tolist():
        dependents.setdefault(int(after[row]), []).append(
            Dependent(row, int(after_on[row]), int(delay_us[row]))
        )
    return dependents


def _shortest_delays(dependents: dict[int, list[Dependent]], *, rejected: bool) -> dict[int, int]:
    """The shortest delay after each row, of all dependents or of those on any finish."""
    shortest: dict[int, int] = {}
    for row, behind in dependents.items():
        delays = [d.delay_us for d in behind if rejected or d.after_on == AfterOn.FINISHED]
        if delays:
            shortest[row] = min(delays)
    return shortest


def hearings_of(trace: CallTrace) -> Hearings:
    """When the service hears each event of each row, deliveries applied."""
    n = len(trace)
    due = _due_since_offer(trace, n)
    deliveries = trace.deliveries
    rows, events, times = [], [], []
    for event, (when, is_due) in due.items():
        here = deliveries.event == event
        call, action = deliveries.call[here], deliveries.action[here]
        delay = deliveries.delay_us[here]
        again = (action == DeliveryAction.DOUBLED) & is_due[call]
        rows.append(call[again])
        times.append(when[call[again]] + delay[again])
        events.append(np.full(int(again.sum()), event, np.int64))
        late = action == DeliveryAction.LATE
        when[call[late]] += delay[late]
        is_due[call[action == DeliveryAction.LOST]] = False
        heard = np.flatnonzero(is_due)
        rows.append(heard)
        times.append(when[heard])
        events.append(np.full(len(heard), event, np.int64))
    return Hearings(np.concatenate(rows), np.concatenate(events), np.concatenate(times))


def _due_since_offer(
    trace: CallTrace, n: int
) -> dict[Event, tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]]:
    """For each event: time from the offer to when it is due, and whether it is; shapes (n,)."""
    setup = np.broadcast_to(trace.setup_us, n)
    patience = np.broadcast_to(trace.patience_us, n)
    refer = np.broadcast_to(trace.refer_us, n)
    start = setup + np.broadcast_to(trace.connect_us, n)
    hangs_up = (patience != NEVER) & (patience < start)
    stays = ~hangs_up
    return {
        Event.OFFER: (np.zeros(n, np.int64), np.ones(n, np.bool_)),
        Event.ACCEPT: (setup.copy(), stays | (setup <= patience)),
        Event.START: (start.copy(), stays.copy()),
        Event.REFER: (start + refer, stays & (refer != NEVER)),
        Event.END: (start + np.broadcast_to(trace.hold_us, n), stays.copy()),
        Event.HANGUP: (patience.copy(), hangs_up.copy()),
    }
