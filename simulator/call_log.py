"""Call logs: CSV files of calls that really happened, read exactly or refused line by line.

Seconds are decimals and converted without floats; what is finer than a microsecond is rounded half
to even. Every broken line is reported with its number, and none is left out.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from service.calls import US_PER_SECOND
from simulator.scenario_file.problems import InputInvalid, Problem, did_you_mean, one_of
from simulator.scenario_file.units import MAX_DURATION_US

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

LOG_COLUMNS: Final = ("tenant", "start", "hold", "setup")
"""What a column of a log can be; ``start`` and ``hold`` are required, the rest is optional."""

ONLY_TENANT: Final = "all"
"""The tenant of every call of a log that names none."""

_MOST_PROBLEMS: Final = 50
_DECIMAL: Final = re.compile(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,2})?", re.ASCII)
_TIMESTAMP: Final = re.compile(
    r"(?P<whole>[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?P<fraction>[.,][0-9]+)?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST_NUMBER: Final = 40


class CallLogInvalid(InputInvalid):
    """A call log cannot be used; each problem names file and line."""


@dataclass(frozen=True, slots=True, eq=False)
class CallLogRows:
    """n calls in order of start, rows that start together in file order.

    ``tenant`` has n ids; ``start_us``, ``hold_us`` and ``setup_us`` (None when the log has no such
    column) are int64 microseconds of shape (n,), all >= 0. ``line`` is each row's line in the file.
    """

    tenant: tuple[str, ...]
    start_us: npt.NDArray[np.int64]
    hold_us: npt.NDArray[np.int64] | None
    setup_us: npt.NDArray[np.int64] | None
    line: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tenant)


class _FieldInvalid(ValueError):
    """One field of one line; the message says what would be right."""


def read_call_log(
    path: Path, columns: Mapping[str, str], *, needs_hold: bool = True
) -> CallLogRows:
    """Read the calls of a CSV file with a header line.

    ``columns`` maps :data:`LOG_COLUMNS` to the file's own names. Starts in seconds are taken as
    they are; starts as ISO 8601 timestamps count from the earliest of them. Without ``needs_hold``
    the column of holding times may be missing from ``columns``. Raises :class:`CallLogInvalid`
    with every broken line (of more than 50 the first 50 and their number).
    """
    wanted = {"start", "hold"} if needs_hold else {"start"}
    wrong = [
        Problem(
            "--columns",
            0,
            0,
            name,
            f"is not a column of calls{did_you_mean(name, LOG_COLUMNS)}"
            f" (known: {one_of(LOG_COLUMNS)})",
        )
        for name in columns
        if name not in LOG_COLUMNS
    ] + [
        Problem("--columns", 0, 0, name, f"is missing; write {name}=<column of the file>")
        for name in sorted(wanted - set(columns))
    ]
    if wrong:
        raise CallLogInvalid(wrong)
    table = _read_table(path, list(columns.values()))
    field = dict(zip(columns, table.columns, strict=True))
    complaints = _Complaints(str(path))
    starts = _starts(field["start"], table.lines, columns["start"], complaints)
    durations = {
        name: _seconds(field[name], table.lines, columns[name], complaints)
        for name in ("hold", "setup")
        if name in columns
    }
    tenants = field.get("tenant", [ONLY_TENANT] * len(table.lines))
    for line, tenant in zip(table.lines, tenants, strict=True):
        if not tenant or len(tenant) > 200 or not tenant.isprintable():
            complaints.add(line, columns["tenant"], "must be a tenant id of 1 to 200 characters")
    complaints.raise_if_any()
    start_us = np.array(starts, dtype=np.int64)
    order = np.argsort(start_us, kind="stable")
    arrays = {name: np.array(values, dtype=np.int64)[order] for name, values in durations.items()}
    return CallLogRows(
        tenant=tuple(tenants[row] for row in order),
        start_us=start_us[order],
        hold_us=arrays.get("hold"),
        setup_us=arrays.get("setup"),
        line=np.array(table.lines, dtype=np.int64)[order],
    )


def read_seconds_column(path: Path, column: str) -> list[int]:
    """One column of decimal seconds as whole microseconds. Raises :class:`CallLogInvalid`."""
    table = _read_table(path, [column])
    complaints = _Complaints(str(path))
    values = _seconds(table.columns[0], table.lines, column, complaints)
    complaints.raise_if_any()
    return values


@dataclass(frozen=True, slots=True)
class _Table:
    columns: Sequence[list[str]]
    lines: list[int]


class _Complaints:
    """Broken fields, the first of them kept, all of them counted."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._kept: list[Problem] = []
        self._count = 0

    def add(self, line: int, column: str, message: str) -> None:
        self._count += 1
        self._kept.append(Problem(self._file, line, 1, column, message))

    def raise_if_any(self) -> None:
        if not self._kept:
            return
        problems = sorted(self._kept, key=lambda problem: problem.line)[:_MOST_PROBLEMS]
        if self._count > len(problems):
            more = f"and {self._count - len(problems)} more of the kind in this file"
            problems.append(Problem(self._file, 0, 0, "", more))
        raise CallLogInvalid(problems)


def _read_table(path: Path, wanted: Sequence[str]) -> _Table:
    """The wanted columns of a CSV file, and the line each row starts on."""
    file = str(path)
    lines: list[int] = []
    columns: list[list[str]] = [[] for _ in wanted]
    complaints = _Complaints(file)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = _numbered_rows(csv.reader(stream, strict=True))
            header_line, header = next(rows, (1, []))
            places = _places(file, header_line, header, wanted)
            for line, row in rows:
                if len(row) != len(header):
                    complaints.add(
                        line, "", f"has {len(row)} fields where the header has {len(header)}"
                    )
                    continue
                lines.append(line)
                for place, values in zip(places, columns, strict=True):
                    values.append(row[place])
    except OSError as error:
        raise CallLogInvalid(
            [Problem(file, 0, 0, "", f"cannot be read: {error.strerror}")]
        ) from None
    except UnicodeDecodeError:
        raise CallLogInvalid([Problem(file, 0, 0, "", "is not a UTF-8 text file")]) from None
    except _CsvBroken as error:
        complaints.add(error.line, "", f"is not CSV: {error}")
    complaints.raise_if_any()
    if not lines:
        raise CallLogInvalid([Problem(file, 1, 1, "", "has no rows below its header")])
    return _Table(columns, lines)


class _CsvBroken(ValueError):
    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


def _numbered_rows(reader: "CsvReader") -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of their first line; blank lines are no rows."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _CsvBroken(line, str(error)) from None
        if row:
            yield line, row


def _places(file: str, line: int, header: list[str], wanted: Sequence[str]) -> list[int]:
    if not header:
        raise CallLogInvalid(
            [Problem(file, 1, 1, "", "is empty; its first line names the columns")]
        )
    if len(header) == 1 and ";" in header[0]:
        message = "is separated by ';'; save the log with ',' between its columns"
        raise CallLogInvalid([Problem(file, line, 1, "", message)])
    problems = []
    for name in dict.fromkeys(wanted):
        count = header.count(name)
        if count == 0:
            near = did_you_mean(name, header)
            message = f"is not a column{near} (the header has {', '.join(header)})"
            problems.append(Problem(file, line, 1, name, message))
        elif count > 1:
            problems.append(Problem(file, line, 1, name, "names two columns of the header"))
    if problems:
        raise CallLogInvalid(problems)
    return [header.index(name) for name in wanted]


def _starts(texts: list[str], lines: list[int], column: str, complaints: _Complaints) -> list[int]:
    """Starts from the beginning of the run, or from the earliest of the timestamps."""
    dated = _TIMESTAMP.fullmatch(texts[0].strip()) is not None
    if not dated:
        return _seconds(texts, lines, column, complaints)
    zoned = _has_zone(texts[0])
    starts = []
    for line, text in zip(lines, texts, strict=True):
        try:
            if _TIMESTAMP.fullmatch(text.strip()) and _has_zone(text) != zoned:
                raise _FieldInvalid(
                    f"{text!r} and the first row disagree whether timestamps name a zone"
                )
            starts.append(_timestamp_us(text))
        except _FieldInvalid as error:
            complaints.add(line, column, str(error))
    if not starts:
        return []
    earliest = min(starts)
    if max(starts) - earliest > MAX_DURATION_US:
        line = lines[starts.index(max(starts))] if len(starts) == len(lines) else lines[0]
        complaints.add(line, column, "lies more than ten years after the earliest start")
    return [start - earliest for start in starts]


def _has_zone(text: str) -> bool:
    match = _TIMESTAMP.fullmatch(text.strip())
    return match is not None and match["zone"] is not None


def _seconds(texts: list[str], lines: list[int], column: str, complaints: _Complaints) -> list[int]:
    values = []
    for line, text in zip(lines, texts, strict=True):
        try:
            values.append(_seconds_us(text))
        except _FieldInvalid as error:
            complaints.add(line, column, str(error))
    return values


def _seconds_us(text: str) -> int:
    stripped = text.strip()
    if not _DECIMAL.fullmatch(stripped) or len(stripped) > _LONGEST_NUMBER:
        raise _FieldInvalid(
            f"{text!r} is negative; seconds are zero or more"
            if re.fullmatch(r"-[0-9.]+", stripped)
            else f"{text!r} is not a number of seconds like 12.5"
        )
    microseconds = (Decimal(stripped).scaleb(6)).to_integral_value(ROUND_HALF_EVEN)
    if microseconds > MAX_DURATION_US:
        raise _FieldInvalid(f"{text!r} is more than ten years of seconds")
    return int(microseconds)


def _timestamp_us(text: str) -> int:
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        raise _FieldInvalid(f"{text!r} is not a timestamp like 2026-03-01T09:00:00.250Z")
    zone = match["zone"] or "Z"
    try:
        whole = datetime.fromisoformat(match["whole"] + zone)
    except ValueError as error:
        raise _FieldInvalid(f"{text!r} is not a timestamp: {error}") from None
    fraction = Decimal("0." + (match["fraction"] or ".0")[1:]) * US_PER_SECOND
    return (whole - _EPOCH) // _MICROSECOND + int(fraction.to_integral_value(ROUND_HALF_EVEN))
