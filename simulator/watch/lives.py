"""Which life of the service a document belongs to: between two restarts nothing may run backwards.

A service that restarts begins again at zero, which is no fault. How it is told from a counter that
runs backwards:

- Our service names its instance, another one after each start. Nothing else is asked then: while
  it is the same one, every counter that fell ran backwards. One that answers again after another
  one did is no restart but one of several services behind the address.
- A service that names none but shows its own clock began with it. The instant it began, as the
  monitor's clock has it, is known within the time a request takes. If that instant moved, the
  service restarted; if not, it did not.
- A virtual clock that went back is a restart. Otherwise, and for other services, a restart is what
  looks like one: all of accepted, started and ended calls that stood above zero fell to half or
  less, and so did the sum of all counters; or the target did not answer for a while and anything
  fell. One counter that falls alone is not a restart.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from service.calls import PUBLISHED, Counter
from simulator.watch.documents import Capacity, Figures, Live, Poll, Read
from simulator.watch.laws import TOTAL, Suspicion

DRIFT: Final = 0.001
"""How much two clocks may differ in speed; quartz differs by a hundredth of that."""

_BACKBONE: Final = (Counter.ACCEPTED_CALLS, Counter.STARTED_CALLS, Counter.ENDED_CALLS)
_GROWING: Final = tuple(spec.counter for spec in PUBLISHED if not spec.is_gauge)


@dataclass(frozen=True, slots=True)
class Restart:
    """The service began again at zero."""

    message: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A read, the life it belongs to, and the stretch of it that is known to be unbroken.

    ``life`` is None for a read that a restart may have come before or after. Across two stretches
    of one life counters only grow; but the service may have restarted unnoticed, if it counted
    past what it showed before. Within a ``stretch`` it did not.
    """

    read: Read
    life: int | None
    stretch: int | None


class _Since(Enum):
    SAME = auto()
    PERHAPS = auto()
    RESTARTED = auto()


class Lives:
    """Places the reads of one poll after the other."""

    def __init__(self) -> None:
        self._life = 0
        self._stretch = 0
        self._last: Read | None = None
        self._instances: set[str | None] = set()

    def place(self, poll: Poll) -> tuple[list[Placed], list[Restart | Suspicion]]:
        """Every read of the poll in its life, and the restarts noticed.

        A poll's first and last reads are capacity documents, or of a service without them, live
        documents of the total.
        """
        frame = Capacity if any(_is_capacity(read) for read in poll.reads) else Live
        placed: list[Placed] = []
        restarts: list[Restart | Suspicion] = []
        between: list[Read] = []
        after_failure = poll.after_failure
        for read in poll.reads:
            document = read.document
            if not isinstance(document, frame) or getattr(document, "tenant_id", None) is not None:
                between.append(read)
                continue
            since = _Since.SAME
            if self._last is not None:
                since = _since(self._last, read, after_failure)
            after_failure = False
            if since is _Since.RESTARTED:
                restarts.append(self._began(document))
                self._life += 1
            life = None if since is _Since.RESTARTED else self._life
            stretch = self._stretch if since is _Since.SAME else None
            placed += [Placed(other, life, stretch) for other in between]
            between.clear()
            if since is not _Since.SAME:
                self._stretch += 1
            placed.append(Placed(read, self._life, self._stretch))
            self._last = read
        placed += [Placed(other, None, None) for other in between]
        return placed, restarts

    def _began(self, document: object) -> Restart | Suspicion:
        """What to say of a document that is not of the instance before it."""
        assert self._last is not None
        self._instances.add(_instance_of(self._last.document))
        now = _instance_of(document)
        if now is not None and now in self._instances:
            return Suspicion(
                TOTAL,
                "an instance answers again after another one: several services share this "
                "address, each with counters of its own; watch every one of them by itself",
            )
        return Restart("the service restarted: its counters began again at zero")


def total_figures(read: Read) -> Figures:
    """The figures of the total in a capacity or live document."""
    document = read.document
    if isinstance(document, Capacity):
        return document.total.figures
    assert isinstance(document, Live)
    return document.figures


def _instance_of(document: object) -> str | None:
    return document.instance if isinstance(document, Capacity) else None


def _is_capacity(read: Read) -> bool:
    return isinstance(read.document, Capacity)


def _since(earlier: Read, later: Read, after_failure: bool) -> _Since:
    before, after = earlier.document, later.document
    if isinstance(before, Capacity) and isinstance(after, Capacity):
        if before.instance is not None and after.instance is not None:
            return _Since.SAME if before.instance == after.instance else _Since.RESTARTED
        if before.clock == after.clock == "system":
            return _Since.RESTARTED if _origin_moved(earlier, later) else _Since.SAME
        if after.at_us < before.at_us:
            return _Since.RESTARTED
    old, new = total_figures(earlier), total_figures(later)
    fell = any(new[counter] < old[counter] for counter in _GROWING)
    if fell and (after_failure or _fell_together(old, new)):
        return _Since.RESTARTED
    kept = earlier.connection == later.connection and not after_failure
    return _Since.SAME if kept else _Since.PERHAPS


def _origin_moved(earlier: Read, later: Read) -> bool:
    """Whether the instant at which the service's clock began is a later one now."""
    assert isinstance(earlier.document, Capacity)
    assert isinstance(later.document, Capacity)
    latest_before = earlier.received_us - earlier.document.at_us
    earliest_now = later.sent_us - later.document.at_us
    slack = DRIFT * (later.received_us - earlier.sent_us)
    return earliest_now > latest_before + slack


def _fell_together(old: Figures, new: Figures) -> bool:
    halved = all(2 * new[counter] <= old[counter] for counter in _BACKBONE)
    return halved and 2 * sum(new[c] for c in _GROWING) <= sum(old[c] for c in _GROWING)
