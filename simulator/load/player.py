"""Plays one share of a trace: what is to be sent next, and what follows from each answer.

It waits for nothing and sends nothing. Whoever has a connection free takes the next request that
is due (:meth:`Player.take`), sends it, and reports the answer (:meth:`Player.answered`). One call
says one thing at a time: its next event is due at its own instant, but not before the last one is
answered.
"""

from array import array
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from service.calls import Event, Lookup, Outcome
from simulator.engines.lookups import LookupPlan
from simulator.engines.schedule import hearings_of
from simulator.history import CALL_OPS
from simulator.load.answers import Answer
from simulator.load.meters import Meters
from simulator.trace import NEVER, AfterOn, CallTrace, EndKind

CALLS: Final = "/api/v1/calls"
GIVEN_UP: Final = Answer("indefinite", code="given_up")
"""Stands for the answer of a request that was dropped while it was under way."""

_OFFER: Final = int(Event.OFFER)
_ACCEPT: Final = int(Event.ACCEPT)
_END: Final = int(Event.END)
_HANGUP: Final = int(Event.HANGUP)
_PATHS: Final = ("", "/accept", "/start", "/refer", "/end", "/end")
_OUTCOMES: Final = {
    int(EndKind.COMPLETED): b"{}",
    int(EndKind.HUNG_UP): msgspec.json.encode({"outcome": Outcome.HUNG_UP}),
    int(EndKind.FAILED): msgspec.json.encode({"outcome": Outcome.FAILED}),
}
_HUNG_UP: Final = _OUTCOMES[int(EndKind.HUNG_UP)]

# Where a row stands.
WAITING, LIVES, OVER, NOT_DUE, LEFT_OUT = range(5)


class Request(msgspec.Struct, gc=False):
    """One event to send: due at ``due_us``, of trace row ``row``."""

    row: int
    kind: int
    due_us: int
    path: str
    body: bytes
    invoke_us: int = 0

    @property
    def op(self) -> int:
        """The place of its operation in :data:`CALL_OPS`: a hang-up is an end."""
        return min(self.kind, _END)

    @property
    def name(self) -> str:
        return CALL_OPS[self.op]


class Sent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A request and its answer, instants of the worker's clock; the form in which it is told on.

    ``complete_us`` is when it was answered or given up; ``answer`` the place of the answer among
    those of one report.
    """

    row: int
    kind: int
    invoke_us: int
    complete_us: int
    answer: int


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker is told to play: rows of the trace, when, and under which names.

    Instant t of the trace is ``start_us + t / speed`` of the worker's clock. Call ids are
    ``prefix`` and the row.
    """

    rows: npt.NDArray[np.int64]
    start_us: int
    speed: float
    prefix: str


class Player:
    """The rows of one share, from their offers to their ends."""

    def __init__(self, trace: CallTrace, share: Share, late_us: int) -> None:
        self._share = share
        self._conditions = trace.conditions
        self._rows: list[int] = share.rows.tolist()
        self._place = {row: place for place, row in enumerate(self._rows)}
        self._state = bytearray(len(self._rows))
        self._heap: list[tuple[int, int, int]] = []
        self._under_way: dict[int, Request] = {}
        self._halted = False
        self._sent: list[Sent] = []
        self._answers: dict[Answer, int] = {}
        self.meters = Meters(late_us)
        self._new_times()
        self._read_lives(trace)
        self._read_hearings(trace)
        self._read_dependents(trace)
        for place, offer_us in enumerate(self._offer_us):
            if offer_us != NEVER and offer_us < self._conditions.duration_us:
                self._heap.append((self._wall_us(offer_us), place, self._first[place]))
            elif offer_us != NEVER:
                self._drop(place, NOT_DUE)
        heapify(self._heap)
        self._answered_us = [0] * len(self._rows)
        self._planned_us = [self._wall_us(at) if at != NEVER else 0 for at in self._offer_us]

    # --- what the sender asks -------------------------------------------------------------

    def next_due_us(self) -> int | None:
        """When the next request is due, or None when there is none to wait for."""
        return self._heap[0][0] if self._heap else None

    def take(self, now_us: int) -> Request | None:
        """The next request that is due, or None. Its answer must be reported."""
        heap = self._heap
        if not heap or heap[0][0] > now_us:
            return None
        due_us, place, hearing = heappop(heap)
        if not self._halted:
            self._behind_us.append(now_us - max(due_us, self._answered_us[place]))
        if self._state[place] == WAITING:
            self._state[place] = LIVES
        request = self._under_way[place] = self._request(place, hearing, due_us, now_us)
        return request

    def put_back(self, request: Request) -> None:
        """Give back a request that was taken and not sent."""
        place = self._place[request.row]
        if self._at[place] == self._first[place]:
            self._state[place] = WAITING
        heappush(self._heap, (request.due_us, place, self._at[place]))
        del self._under_way[place]

    def answered(self, request: Request, answer: Answer, now_us: int) -> None:
        """Note the answer to a request, and plan what follows."""
        place = self._place[request.row]
        del self._under_way[place]
        self._answered_us[place] = now_us
        self._latency_us[request.op].append(now_us - request.due_us)
        index = self._answers.setdefault(answer, len(self._answers))
        self._sent.append(Sent(request.row, request.kind, request.invoke_us, now_us, index))
        self._follow(place, request.kind, answer, now_us)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to send and nothing is under way."""
        return not self._heap and not self._under_way

    def halt(self, now_us: int) -> None:
        """Make no more calls, and hang up those that hold a slot, at once."""
        if self._halted:
            return
        self._halted = True
        pending, self._heap = self._heap, []
        for _, place, _ in pending:
            if self._state[place] == LIVES:
                self._hang_up(place, now_us)
        for place, state in enumerate(self._state):
            if state == WAITING:
                self._state[place] = LEFT_OUT

    # --- what the master asks -------------------------------------------------------------

    def oldest_us(self, now_us: int) -> int:
        """Since when a request may be under way; ``now_us`` where there is none."""
        return min((each.invoke_us for each in self._under_way.values()), default=now_us)

    def drain_report(self) -> tuple[list[Sent], list[Answer]]:
        """What was sent since the last time, and the answers to it; ``Sent.answer`` is a place.

        The ``meters`` are up to date then.
        """
        sent, self._sent = self._sent, []
        answers, self._answers = list(self._answers), {}
        self.meters.note(self._behind_us, self._latency_us)
        self._new_times()
        return sent, answers

    def rows_in(self, *states: int) -> list[int]:
        """The rows that stand in one of the states."""
        return [row for row, state in zip(self._rows, self._state, strict=True) if state in states]

    # --- inside ---------------------------------------------------------------------------

    def _new_times(self) -> None:
        """Begin to note times anew: they are put into the meters many at once."""
        self._behind_us = array("q")
        self._latency_us = [array("q") for _ in CALL_OPS]

    def _read_lives(self, trace: CallTrace) -> None:
        rows = self._share.rows
        self._offer_us: list[int] = trace.column("offer_us")[rows].tolist()
        self._end_kind: list[int] = trace.column("end_kind")[rows].tolist()
        self._draw: list[int] = trace.column("lookup_draw")[rows].tolist()
        self._tenant: list[int] = trace.column("tenant")[rows].tolist()
        self._tenant_part = [
            b'","tenant_id":' + msgspec.json.encode(tenant.tenant_id) + b"}"
            for tenant in trace.conditions.tenants
        ]
        self._lookups = LookupPlan(trace.conditions) if trace.conditions.lookup_faults else None
        self._at = [0] * len(self._rows)

    def _read_hearings(self, trace: CallTrace) -> None:
        """The events of each row in the order the service is to hear them."""
        heard = hearings_of(trace)
        own = np.flatnonzero(np.isin(heard.row, self._share.rows))
        order = own[np.lexsort((heard.event[own], heard.since_offer_us[own], heard.row[own]))]
        self._kind: list[int] = heard.event[order].tolist()
        self._since_us: list[int] = heard.since_offer_us[order].tolist()
        bounds = np.searchsorted(heard.row[order], self._share.rows)
        self._first: list[int] = [*bounds.tolist(), len(order)]

    def _read_dependents(self, trace: CallTrace) -> None:
        after = trace.column("after")[self._share.rows].tolist()
        on = trace.column("after_on")[self._share.rows].tolist()
        delay = trace.column("delay_us")[self._share.rows].tolist()
        self._behind: dict[int, list[tuple[int, int, int]]] = {}
        for place, row in enumerate(after):
            if row != NEVER:
                self._behind.setdefault(self._place[row], []).append(
                    (place, on[place], delay[place])
                )

    def _wall_us(self, at_us: int) -> int:
        return self._share.start_us + round(at_us / self._share.speed)

    def _trace_us(self, wall_us: int) -> int:
        return round((wall_us - self._share.start_us) * self._share.speed)

    def _request(self, place: int, hearing: int, due_us: int, now_us: int) -> Request:
        row, kind = self._rows[place], self._kind[hearing]
        self._at[place] = hearing
        call_id = f"{self._share.prefix}{row}"
        if self._halted:
            return Request(row, _HANGUP, due_us, f"{CALLS}/{call_id}/end", _HUNG_UP, now_us)
        if kind == _OFFER:
            body = f'{{"call_id":"{call_id}'.encode() + self._tenant_part[self._tenant[place]]
            return Request(row, kind, due_us, CALLS, body, now_us)
        body = b"{}"
        if kind == _ACCEPT and self._lookups is not None:
            body = self._lookup_body(place, due_us)
        elif kind == _END:
            body = _OUTCOMES[self._end_kind[place]]
        elif kind == _HANGUP:
            body = _HUNG_UP
        return Request(row, kind, due_us, f"{CALLS}/{call_id}{_PATHS[kind]}", body, now_us)

    def _lookup_body(self, place: int, due_us: int) -> bytes:
        assert self._lookups is not None
        planned: Lookup | None = self._lookups.planned(
            self._tenant[place], self._draw[place], self._trace_us(due_us)
        )
        return b"{}" if planned is None else msgspec.json.encode({"lookup": planned})

    def _follow(self, place: int, kind: int, answer: Answer, now_us: int) -> None:
        """Plan the call's next event, or what depends on its end."""
        rejected = answer.decision == "rejected"
        if rejected and self._state[place] == LIVES:
            self._state[place] = OVER
            self._finished(place, now_us, again=answer.reason != "tenant_not_configured")
            return
        # A refused or failed offer made no call; one without an answer may have.
        first = self._at[place] == self._first[place]
        if kind == _OFFER and first and answer.result in ("refused", "failed"):
            self._state[place] = OVER
            self._finished(place, now_us, again=False)
            return
        if kind >= _END and self._state[place] == LIVES:
            self._state[place] = OVER
            self._finished(place, now_us, again=False)
        if self._halted:
            if self._state[place] == LIVES:
                self._hang_up(place, now_us)
            return
        following = self._at[place] + 1
        if following == self._first[place + 1]:
            if self._state[place] == LIVES:
                self._state[place] = OVER
                self._drop_behind(place)
            return
        since_us = self._since_us[following]
        due_us = self._planned_us[place] + round(since_us / self._share.speed)
        if not self._conditions.drain and self._trace_us(due_us) >= self._conditions.duration_us:
            self._state[place] = OVER
            self._drop_behind(place)
            return
        heappush(self._heap, (due_us, place, following))

    def _finished(self, place: int, now_us: int, *, again: bool) -> None:
        """Offer what depends on a row that was rejected or finished; ``again``: redials too."""
        for behind, on, delay_us in self._behind.get(place, ()):
            if on == AfterOn.REJECTED and not again:
                self._drop(behind, NOT_DUE)
                continue
            due_us = now_us + round(delay_us / self._share.speed)
            if self._halted or self._trace_us(due_us) >= self._conditions.duration_us:
                self._drop(behind, LEFT_OUT if self._halted else NOT_DUE)
                continue
            self._planned_us[behind] = due_us
            heappush(self._heap, (due_us, behind, self._first[behind]))

    def _drop_behind(self, place: int) -> None:
        for behind, _, _ in self._behind.get(place, ()):
            self._drop(behind, NOT_DUE)

    def _drop(self, place: int, state: int) -> None:
        """A row is not offered, and so nothing that depends on it is."""
        todo = [place]
        while todo:
            each = todo.pop()
            self._state[each] = state
            todo += [behind for behind, _, _ in self._behind.get(each, ())]

    def _hang_up(self, place: int, now_us: int) -> None:
        heappush(self._heap, (now_us, place, self._at[place]))
