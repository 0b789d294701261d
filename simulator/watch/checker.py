"""The monitor's judgement, poll by poll; it asks nobody and knows no time of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from service.calls import Counter
from simulator.watch.between import (
    Span,
    capacity_steps,
    clock_steps,
    debug_within,
    flow_laws,
    grown_laws,
    pending_within,
    sum_laws,
)
from simulator.watch.documents import Capacity, Debug, Figures, Live, Poll, Read
from simulator.watch.laws import (
    TOTAL,
    Suspicion,
    Violation,
    capacity_laws,
    debug_laws,
    live_laws,
)
from simulator.watch.lives import Lives, Placed, Restart, total_figures

Finding = Violation | Suspicion | Restart


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What was read between two frames of one unbroken stretch of a life."""

    number: int
    before: Read
    after: Read
    debug: Debug | None
    tenants: dict[str, Figures] = field(default_factory=dict)

    @property
    def span(self) -> Span:
        return Span(total_figures(self.before), total_figures(self.after))


class Watch:
    """Takes polls in order and tells what is wrong with each.

    ``limit`` is the total limit as the user knows it, or None. It holds for the whole watch: where
    it is lowered meanwhile, give the highest.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._lives = Lives()
        self._rows: dict[str, tuple[int, Figures]] = {}
        self._abandoned: tuple[int, int] = (0, 0)
        self._previous: _Stretch | None = None
        self._last_frame: Placed | None = None

    def observe(self, poll: Poll) -> tuple[Finding, ...]:
        """Everything wrong with a poll, alone and after those before it; restarts first."""
        placed, restarts = self._lives.place(poll)
        findings: list[Finding] = [*restarts]
        for read in poll.reads:
            findings += self._alone(read)
        for one in placed:
            if one.life is not None:
                findings += self._grown(one.life, one.read)
        for stretch in _stretches(placed):
            findings += self._stretch_laws(stretch)
        findings += self._steps(placed)
        return tuple(dict.fromkeys(findings))

    def _alone(self, read: Read) -> Iterator[Violation]:
        match read.document:
            case Live() as live:
                yield from live_laws(live, self._limit)
            case Debug() as debug:
                yield from debug_laws(debug, self._limit)
            case Capacity() as capacity:
                yield from capacity_laws(capacity, self._limit)

    def _grown(self, life: int, read: Read) -> Iterator[Violation]:
        for scope, figures in _rows_of(read):
            earlier = self._rows.get(scope)
            if earlier is not None and earlier[0] == life:
                yield from grown_laws(scope, earlier[1], figures)
                figures = Figures({**earlier[1].counters, **figures.counters}, figures.minutes)
            self._rows[scope] = life, figures

    def _stretch_laws(self, stretch: _Stretch) -> Iterator[Violation]:
        debug, previous = stretch.debug, self._previous
        joined = previous if previous is not None and previous.number == stretch.number else None
        if debug is not None:
            yield from debug_within(stretch.span, debug, self._abandoned_at_least(stretch, debug))
            before, after = stretch.before.document, stretch.after.document
            if isinstance(before, Capacity) and isinstance(after, Capacity):
                yield from pending_within(before, debug, after)
            if joined is not None and joined.debug is not None:
                both = Span(total_figures(joined.before), total_figures(stretch.after))
                yield from flow_laws(both, joined.debug, debug)
        if not isinstance(stretch.after.document, Capacity):
            yield from sum_laws(stretch.span, None, stretch.tenants)
            if joined is not None and joined.tenants.keys() == stretch.tenants.keys():
                both = Span(total_figures(joined.before), total_figures(stretch.after))
                yield from sum_laws(both, joined.tenants, stretch.tenants)
        self._previous = stretch

    def _abandoned_at_least(self, stretch: _Stretch, debug: Debug) -> int:
        """Calls surely abandoned after their accept by then; the number never falls."""
        number, known = self._abandoned
        if number != stretch.number:
            known = 0
        ended_at_most = total_figures(stretch.after)[Counter.ENDED_CALLS]
        accepted = total_figures(stretch.before)[Counter.ACCEPTED_CALLS]
        now = max(known, accepted - ended_at_most - len(debug.accepted))
        self._abandoned = stretch.number, now
        return known

    def _steps(self, placed: Sequence[Placed]) -> Iterator[Violation | Suspicion]:
        frames = [one for one in placed if isinstance(one.read.document, Capacity)]
        if self._last_frame is not None:
            frames.insert(0, self._last_frame)
        for earlier, later in pairwise(frames):
            before, after = earlier.read.document, later.read.document
            assert isinstance(before, Capacity)
            assert isinstance(after, Capacity)
            if earlier.stretch == later.stretch:
                yield from clock_steps(earlier.read, later.read)
                yield from capacity_steps(before, after)
        if frames:
            self._last_frame = frames[-1]


def _rows_of(read: Read) -> Iterator[tuple[str, Figures]]:
    match read.document:
        case Live(tenant_id=None, figures=figures):
            yield TOTAL, figures
        case Live(tenant_id=tenant_id, figures=figures):
            yield f"tenant {tenant_id}", figures
        case Capacity(total=total, tenants=tenants):
            yield TOTAL, total.figures
            for tenant_id, row in tenants.items():
                yield f"tenant {tenant_id}", row.figures


def _stretches(placed: Sequence[Placed]) -> Iterator[_Stretch]:
    """The reads of a poll between its first frame and its last, if nothing broke in between."""
    if len(placed) < 2:
        return
    first, last = placed[0], placed[-1]
    number = last.stretch
    if number is None or any(one.stretch != number for one in placed):
        return
    documents = [one.read.document for one in placed]
    debugs = [document for document in documents if isinstance(document, Debug)]
    tenants = {
        document.tenant_id: document.figures
        for document in documents
        if isinstance(document, Live) and document.tenant_id is not None
    }
    yield _Stretch(number, first.read, last.read, debugs[0] if debugs else None, tenants)
