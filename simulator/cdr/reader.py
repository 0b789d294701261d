"""Files of call-detail records into :class:`~simulator.cdr.recorded.RecordedCalls`.

Files are read in pieces, and of each call some ten whole numbers are kept. The size of the pieces
changes nothing. A line that is no call is told with its number and counted; none is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

import numpy as np

from simulator.cdr.instants import FieldInvalid, Instants, LengthUnit, Times
from simulator.cdr.lines import (
    CHUNK_BYTES,
    UTF_8,
    BrokenTally,
    CallFile,
    CallLogInvalid,
    Progress,
    Rows,
    Wrong,
)
from simulator.cdr.mappings import ColumnMapping, Layout, MappingInvalid, layout_of
from simulator.cdr.merging import Records, columns_of, fold_tenants, in_order, merge_legs, numbered
from simulator.cdr.recorded import (
    NOBODY,
    BrokenLines,
    FileRead,
    RecordedCalls,
    WallClock,
    shifts_between,
)
from simulator.cdr.records import MOST_TENANTS, RecordReader, TenantsTooMany
from simulator.conditions import NEVER
from simulator.scenario_file.problems import Problem
from simulator.scenario_file.units import MAX_DURATION_US

_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_STEPS_US: Final = (1_000_000, 1_000)
_MOST_WORDS_SAID: Final = 5

FileProgress = Callable[[Path, int, int], None]
"""Told how many bytes of which file are read, of how many."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a log is to be read."""

    mapping: ColumnMapping
    times: Times = Times.AUTO
    lengths: LengthUnit = LengthUnit.SECONDS
    zone: tzinfo | None = None
    """Where the clock of stamps without a zone hangs, and what the time of day is said in."""
    tenant: str | None = None
    """The tenant of all calls, whatever their records say."""
    most_tenants: int = MOST_TENANTS
    """Beyond it the smallest tenants are one."""
    most_broken: float = 0.0
    """The largest share of lines that may be broken."""
    merge: bool = True
    """Whether records of one id are one call."""
    encoding: str = UTF_8
    chunk_bytes: int = CHUNK_BYTES


def read_calls(
    paths: Sequence[Path], options: ReadOptions, progress: FileProgress = lambda *_: None
) -> RecordedCalls:
    """Read the calls of all files as one log.

    Raises :class:`CallLogInvalid` for a file that cannot be read, for too many broken lines, for no
    call at all, and for calls more than ten years apart.
    """
    reading = _Reading(options)
    files = []
    for path in paths:

        def told(done: int, total: int, path: Path = path) -> None:
            progress(path, done, total)

        files.append(reading.read(path, told))
    return reading.finish(tuple(files))


class _Reading:
    """What has been read so far."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._reader = RecordReader(
            options.mapping,
            Instants(options.times, options.zone),
            options.lengths,
            options.tenant,
        )
        self._broken = BrokenTally()
        self._columns: dict[str, list[Any]] = {each.name: [] for each in fields(Records)}
        self._found: set[str] = set()
        self._notes: list[str] = []

    def read(self, path: Path, progress: Progress) -> FileRead:
        """All of one file. Raises :class:`CallLogInvalid`."""
        file = CallFile(path, self._options.chunk_bytes, encoding=self._options.encoding)
        layout: Layout | None = None
        wrong: Wrong = {}
        for piece in file.rows(progress, wrong):
            rows = piece
            if layout is None and rows.rows:
                layout = self._layout(path, rows)
                if layout.has_header:
                    rows = Rows(rows.lines[1:], rows.rows[1:])
            if layout is not None and rows.rows:
                try:
                    self._keep(self._reader.read(rows, layout, wrong))
                except TenantsTooMany:
                    message = (
                        f"has more than {MOST_TENANTS:,} names, which is no column of tenants; "
                        "--tenant names the one that all calls are of"
                    )
                    column = layout.columns["tenant"]
                    raise CallLogInvalid([Problem(str(path), 0, 0, column, message)]) from None
            self._broken.take(path, wrong)
        assert file.read is not None
        has_header = layout is not None and layout.has_header
        return replace(file.read, lines=file.read.lines - has_header)

    def _layout(self, path: Path, rows: Rows) -> Layout:
        mapping, first = self._options.mapping, rows.rows[0]
        place = (mapping.places or {}).get("start")
        is_instant = False
        if place is not None and place < len(first):
            try:
                # On a clock of its own: a header must not decide how instants are written.
                at_us = Instants(self._options.times, self._options.zone).one(first[place])
                is_instant = at_us != NEVER
            except FieldInvalid:
                is_instant = False
        try:
            layout = layout_of(mapping, first, is_instant=is_instant)
        except MappingInvalid as error:
            raise CallLogInvalid([Problem(str(path), rows.lines[0], 0, "", str(error))]) from None
        if layout.has_header and place is not None:
            self._notes.append(f"Line {rows.lines[0]} of {path.name} was taken for a header.")
        self._found |= layout.places.keys()
        return layout

    def _keep(self, records: Records) -> None:
        for name, column in columns_of(records).items():
            if column is None:
                column = np.zeros(len(records), np.int64)
            self._columns[name].append(column)

    def finish(self, files: tuple[FileRead, ...]) -> RecordedCalls:
        """The log of all that was read. Raises :class:`CallLogInvalid`."""
        self._check_broken(files)
        records = in_order(self._records())
        del self._columns
        if not len(records):
            raise CallLogInvalid([Problem(_place(files), 0, 0, "", self._why_empty(files))])
        self._check_span(files, records)
        if self._options.merge:
            records = self._merged(records)
        instants = self._reader.instants
        clock, since_us = _clock_of(instants, int(records.offer_us[0]), int(records.offer_us[-1]))
        if clock is not None and instants.absolute and instants.zone is None:
            self._notes.append("Times of day are in UTC; --timezone says where the callers live.")
        names, tenant, folded = fold_tenants(
            records.tenant, self._reader.tenants.names, self._options.most_tenants
        )
        self._say_folded(names, tenant, folded)
        self._say_unknown_words()
        offer_us = records.offer_us - since_us
        answered = records.hold_us != NEVER
        return RecordedCalls(
            tenants=names,
            tenant=tenant,
            offer_us=offer_us,
            slot_us=records.slot_us,
            setup_us=np.where(answered, records.slot_us - records.hold_us, NEVER),
            hold_us=records.hold_us,
            end=records.end,
            line=records.line,
            caller=None if records.caller is None else numbered(records.caller, NOBODY),
            clock=clock,
            resolution_us=_step_us(records),
            broken=BrokenLines(self._broken.count, tuple(self._broken.examples)),
            files=files,
            notes=tuple(self._notes),
        )

    def _why_empty(self, files: Sequence[FileRead]) -> str:
        if any(file.lines for file in files):
            return "has no calls in it"
        return "has no calls below its header" if self._found else "is empty"

    def _records(self) -> Records:
        columns: dict[str, Any] = {}
        of_field = {"caller": "caller", "call_id": "id", "other_id": "other_id"}
        for name, pieces in self._columns.items():
            if of_field.get(name, "start") not in self._found:
                columns[name] = None if name in of_field else np.empty(0, np.int64)
                continue
            columns[name] = np.concatenate(pieces) if pieces else np.empty(0, np.int64)
            pieces.clear()  # half the memory, one column after the other
        return Records(**columns)

    def _check_broken(self, files: Sequence[FileRead]) -> None:
        lines = sum(file.lines for file in files)
        count, most = self._broken.count, self._options.most_broken
        if count <= most * lines:
            return
        share = f"{count:,} of {lines:,} lines are broken ({count / lines:.1%})"
        limit = f"{share}, more than the {most:.1%} of --max-broken"
        self._broken.raise_if_any(_place(files), limit if most else "")

    def _check_span(self, files: Sequence[FileRead], records: Records) -> None:
        first, last = int(records.offer_us[0]), int(records.offer_us[-1])
        if last - first <= MAX_DURATION_US:
            return
        said = [str(_EPOCH + timedelta(microseconds=at)) for at in (first, last)]
        message = f"its calls are more than ten years apart: {said[0]} and {said[1]}"
        raise CallLogInvalid([Problem(_place(files), 0, 0, "", message)])

    def _merged(self, records: Records) -> Records:
        merged = merge_legs(records)
        if len(merged) < len(records):
            self._notes.append(
                f"{len(records):,} records are {len(merged):,} calls: records of one id, or of a "
                "call and its other leg, are one call from its first start to its last end."
            )
        return merged

    def _say_folded(self, names: Sequence[str], tenant: Any, folded: Sequence[str]) -> None:
        if not folded:
            return
        calls = int((tenant == len(names) - 1).sum())
        self._notes.append(
            f"The {len(names) - 1:,} largest tenants are kept; the other {len(folded):,} with "
            f"{calls:,} of {len(tenant):,} calls are one, {names[-1]!r} (--max-tenants)."
        )

    def _say_unknown_words(self) -> None:
        unknown = self._reader.words.unknown
        if unknown:
            said = ", ".join(repr(each) for each in unknown[:_MOST_WORDS_SAID])
            more = len(unknown) - _MOST_WORDS_SAID
            said += f" and {more:,} more" if more > 0 else ""
            self._notes.append(
                f"Nothing is known of the way of ending {said}: whether such calls were answered "
                "is told by their other columns."
            )


def _place(files: Sequence[FileRead]) -> str:
    """What stands in place of a file where the log as a whole is wrong."""
    return str(files[0].path) if len(files) == 1 else "the files"


def _clock_of(instants: Instants, first_us: int, last_us: int) -> tuple[WallClock | None, int]:
    """The wall clock from the midnight before the first call, and where that midnight lies."""
    if not instants.dated:
        return None, 0
    first = _EPOCH + timedelta(microseconds=first_us)
    if not instants.absolute:
        origin = first.replace(hour=0, minute=0, second=0, microsecond=0)
        return WallClock(origin), (origin - _EPOCH) // _MICROSECOND
    local = first.replace(tzinfo=UTC).astimezone(instants.zone or UTC)
    origin = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    since_us = (origin - _EPOCH.replace(tzinfo=UTC)) // _MICROSECOND
    return WallClock(origin, shifts_between(origin, last_us - since_us)), since_us


def _step_us(records: Records) -> int:
    """The step that all times are whole multiples of: a second, a millisecond or a microsecond."""
    for step in _STEPS_US:
        if not any(
            (column % step).any()
            for column in (records.offer_us, records.slot_us, records.hold_us.clip(min=0))
        ):
            return step
    return 1
