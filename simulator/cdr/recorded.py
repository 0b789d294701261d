"""Calls that happened, as compact columns: what reading gives; fits and replays start from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.conditions import NEVER
from simulator.scenario_file.problems import Problem

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Int8s = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

NOBODY: Final = 0
"""The number of a caller that the record leaves open: withheld, or an empty field."""

_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR_US: Final = 3_600_000_000


class ColumnsInvalid(ValueError):
    """Columns that contradict each other; the message says which."""


class CallEnd(IntEnum):
    """How a call ended. The first two were answered, the others were not."""

    COMPLETED = 0
    FAILED = 1
    """Answered, and ended by an error."""
    NO_ANSWER = 2
    """Rang until it was given up, by the caller or the platform."""
    BUSY = 3
    """Whoever was called did not take it: busy, declined, or no such number."""
    REFUSED = 4
    """No room: congestion on the way, or a limit of the platform."""
    UNREACHED = 5
    """Failed before it was answered, for any other reason."""


@dataclass(frozen=True, slots=True)
class BrokenLines:
    """Lines that are no calls. ``count`` is exact; ``examples`` are the first of them, by line."""

    count: int = 0
    examples: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class FileRead:
    """One file: its size, its ``lines`` that are neither blank nor header, and its SHA-256."""

    path: Path
    nbytes: int
    lines: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WallClock:
    """What the clock on the wall said: ``origin``, a midnight, at 0, and ``shifts`` of it since.

    ``origin`` is aware where the log's zone is known, else naive. Each shift is (instant in
    microseconds since the origin, microseconds that the wall clock is ahead of ``origin`` plus time
    gone by, from then on): summer time. The first call lies on the day that begins at the origin.
    """

    origin: datetime
    shifts: tuple[tuple[int, int], ...] = ()

    @property
    def zone(self) -> tzinfo | None:
        return self.origin.tzinfo

    @property
    def weekday(self) -> int:
        """The origin's day of the week; 0 is Monday."""
        return self.origin.weekday()

    def wall_us(self, instants_us: Int64s) -> Int64s:
        """Microseconds of wall-clock time since the origin, shape (n,).

        A day is ``86_400_000_000`` of it however long it lasted, so ``// day`` counts days and
        ``% day`` is the time of day.
        """
        if not self.shifts:
            return instants_us
        at_us, ahead_us = (np.array(each, np.int64) for each in zip(*self.shifts, strict=True))
        place = np.searchsorted(at_us, instants_us, side="right")
        wall: Int64s = instants_us + np.append(0, ahead_us)[place]
        return wall


@dataclass(frozen=True, slots=True, eq=False)
class RecordedCalls:
    """n calls in order of their offers, those of one instant in the order of the files.

    Every column has shape (n,). Time is int64 microseconds: instants since 0, which is
    ``clock.origin`` (the local midnight before the first call), or, for a log in plain seconds
    (``clock`` None), whatever the log counts from. Built whole and checked; raises
    :class:`ColumnsInvalid`.
    """

    tenants: tuple[str, ...]
    tenant: Int32s
    """Place in ``tenants``, which has no two alike; those with most calls come first."""
    offer_us: Int64s
    slot_us: Int64s
    """From the offer to the end, answered or not: what the call held its slot for. >= 0."""
    setup_us: Int64s
    """From the offer to the answer; NEVER if it was not answered."""
    hold_us: Int64s
    """From the answer to the end; NEVER if it was not answered."""
    end: Int8s
    """:class:`CallEnd`."""
    line: Int32s
    """Line of its file that the call's first record stands on."""
    caller: Int64s | None = None
    """A number for each caller, the same for the same text; :data:`NOBODY` where the record has
    none. None: the log does not tell callers apart."""
    clock: WallClock | None = None
    resolution_us: int = 1
    """The step that all times of the log are multiples of: 1,000,000 where they are in seconds."""
    broken: BrokenLines = field(default_factory=BrokenLines)
    files: tuple[FileRead, ...] = ()
    notes: tuple[str, ...] = ()
    """What was decided while reading, in sentences: records merged, tenants folded."""

    def __post_init__(self) -> None:
        n = len(self.offer_us)
        columns: Mapping[str, npt.NDArray[Any] | None] = {
            "tenant": self.tenant,
            "slot_us": self.slot_us,
            "setup_us": self.setup_us,
            "hold_us": self.hold_us,
            "end": self.end,
            "line": self.line,
            "caller": self.caller,
        }
        for name, column in columns.items():
            if column is not None and column.shape != (n,):
                raise ColumnsInvalid(f"{name} has shape {column.shape}, not ({n},)")
        if len(set(self.tenants)) < len(self.tenants):
            raise ColumnsInvalid("two tenants have the same name")
        if not n:
            return
        if self.tenant.min() < 0 or self.tenant.max() >= len(self.tenants):
            raise ColumnsInvalid("tenant is no place in tenants")
        if (np.diff(self.offer_us) < 0).any() or self.offer_us[0] < 0:
            raise ColumnsInvalid("offer_us must be 0 or more, in order")
        answered = self.answered
        if not np.array_equal(self.setup_us != NEVER, answered):
            raise ColumnsInvalid("setup_us must be NEVER for unanswered calls, and for no others")
        parts_us = np.where(answered, self.setup_us + self.hold_us, self.slot_us)
        if (self.slot_us < 0).any() or (parts_us != self.slot_us).any():
            raise ColumnsInvalid("slot_us must be setup_us + hold_us of answered calls, 0 or more")
        if (answered & ((self.setup_us < 0) | (self.hold_us < 0))).any():
            raise ColumnsInvalid("setup_us and hold_us must be 0 or more")
        if (~answered & (self.hold_us != NEVER)).any():
            raise ColumnsInvalid("hold_us must be NEVER for unanswered calls")

    def __len__(self) -> int:
        return len(self.offer_us)

    @property
    def answered(self) -> Bools:
        answered: Bools = self.end <= CallEnd.FAILED
        return answered

    @property
    def ends(self) -> Mapping[CallEnd, int]:
        """How many calls ended each way."""
        counts = np.bincount(self.end, minlength=len(CallEnd))
        return {end: int(counts[end]) for end in CallEnd}

    @property
    def from_us(self) -> int:
        """The first offer: where the log begins."""
        return int(self.offer_us[0])

    @property
    def until_us(self) -> int:
        """Just after the last offer: where the log ends, though calls may go on."""
        return int(self.offer_us[-1]) + 1

    def wall_us(self) -> Int64s:
        """Each offer as wall-clock time since midnight of the first day (see :class:`WallClock`);
        of a log without dates its plain instants."""
        return self.offer_us if self.clock is None else self.clock.wall_us(self.offer_us)

    def run_us(self) -> Int64s:
        """Each offer as an instant of a run that plays the calls: dated ones since the first of
        them, plain seconds as they are."""
        return self.offer_us if self.clock is None else self.offer_us - self.from_us


def shifts_between(origin: datetime, until_us: int) -> tuple[tuple[int, int], ...]:
    """The shifts of the wall clock from an aware ``origin`` until ``until_us``; () for a naive one.

    Looked for hour by hour, which is where they are made.
    """
    zone = origin.tzinfo
    if zone is None:
        return ()
    first = origin.utcoffset() or timedelta()
    start = origin - first
    shifts = []
    last = first
    for at_us in range(0, until_us + 1, _HOUR_US):
        utc = start.replace(tzinfo=None) + timedelta(microseconds=at_us)
        offset = zone.utcoffset(_local(utc, zone)) or timedelta()
        if offset != last:
            shifts.append((at_us, (offset - first) // _MICROSECOND))
            last = offset
    return tuple(shifts)


def _local(utc: datetime, zone: tzinfo) -> datetime:
    return zone.fromutc(utc.replace(tzinfo=zone))
