"""What an engine observed and what the oracle expects, in the same words.

Both sides fill the same types and share nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from simulator.trace import CallTrace


class Fate(IntEnum):
    """What became of a trace row by the end of the run."""

    NOT_MADE = 0
    REJECTED_TENANT = 1
    REJECTED_CAPACITY = 2
    REJECTED_INSTRUCTIONS = 3
    ABANDONED_PENDING = 4
    ABANDONED_ACCEPTED = 5
    ENDED = 6
    STILL_PENDING = 7
    STILL_ACCEPTED = 8
    STILL_ACTIVE = 9


@dataclass(frozen=True, slots=True, eq=False)
class CallLog:
    """What happened to each row of a trace; shapes (n,), instants int64 us, NEVER when not.

    ``released_us`` is when the slot was freed (rejected offers never held one). ``scopes`` int8 is
    the bit mask of :data:`service.calls.SCOPE_SETS` for capacity rejections, else 0.
    ``preempted_by`` int64 is the row whose offer ended the call, NEVER for others; None under
    policies that end no call.
    """

    fate: npt.NDArray[np.int8]
    scopes: npt.NDArray[np.int8]
    offered_us: npt.NDArray[np.int64]
    accepted_us: npt.NDArray[np.int64]
    started_us: npt.NDArray[np.int64]
    released_us: npt.NDArray[np.int64]
    preempted_by: npt.NDArray[np.int64] | None = None


LOG_COLUMNS: Final = tuple(each.name for each in fields(CallLog) if each.name != "preempted_by")
"""The columns every log has, whatever the policy."""


@dataclass(frozen=True, slots=True)
class Held:
    """Slots by state, ``accepted`` including ``active``."""

    pending: int = 0
    accepted: int = 0
    active: int = 0


@dataclass(frozen=True, slots=True)
class HeldRows:
    """Which trace rows hold a slot, by state, as sets."""

    pending: frozenset[int]
    accepted: frozenset[int]
    active: frozenset[int]


@dataclass(frozen=True, slots=True)
class CheckpointState:
    """The capacity state after everything at ``at_us``.

    ``tenants`` has every configured tenant, and any other that is reported to hold slots or to
    have a row. ``counters`` (rows in :class:`service.calls.Counter`
    order, configured tenants and ``_unknown``) and ``rows`` are None where an engine cannot tell.
    """

    at_us: int
    limit: int
    tenants: Mapping[str, Held]
    rows: HeldRows | None = None
    counters: Mapping[str, tuple[int, ...]] | None = None
    total_counters: tuple[int, ...] | None = None

    @property
    def total(self) -> Held:
        return Held(
            sum(h.pending for h in self.tenants.values()),
            sum(h.accepted for h in self.tenants.values()),
            sum(h.active for h in self.tenants.values()),
        )


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What an engine observed, or the oracle expects, of one trace.

    ``tenants`` holds a counter row (in :class:`service.calls.Counter` order) for every configured
    tenant in trace order, then ``_unknown``. ``total`` is what was *reported* as the total; it is
    an invariant, not a given, that it is the sum. A row of any other name that is reported is
    there as well. ``final`` is the state after the run. ``contradictions`` says, one line each,
    where what was observed contradicts itself. ``preempted`` says how many calls of each of the
    rows were ended by the offer of a more important one; empty under policies that end no call.
    """

    engine: str
    total: tuple[int, ...]
    tenants: Mapping[str, tuple[int, ...]]
    checkpoints: tuple[CheckpointState, ...]
    final: CheckpointState
    log: CallLog
    contradictions: tuple[str, ...] = ()
    preempted: Mapping[str, int] = field(default_factory=dict)


class Progress(Protocol):
    """Told how far a long piece of work is, in whatever units it has."""

    def __call__(self, done: int, total: int) -> None: ...


class Engine(Protocol):
    """Plays a trace and says what it observed."""

    @property
    def name(self) -> str: ...

    def run(self, trace: CallTrace, progress: Progress | None = None) -> RunOutcome: ...
