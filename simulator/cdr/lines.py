"""A file of records as rows of fields, a piece at a time, each row with the number of its line.

A record never goes on in the next line, so a quote that is not closed breaks its own line and no
other. Stray quotes inside a field are left in it, as the systems that write such logs leave them.
What separates the fields is found out from the first line.
"""

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Protocol

from simulator.cdr.recorded import FileRead
from simulator.scenario_file.problems import InputInvalid, Problem

CHUNK_BYTES: Final = 1 << 18
LONGEST_LINE: Final = 1 << 18
"""Characters: what is longer is no call-detail record."""
_LONGEST_BYTES: Final = 4 * LONGEST_LINE

MOST_EXAMPLES: Final = 50
"""Broken lines that are kept to be shown."""

_TOO_LONG: Final = f"is longer than {LONGEST_LINE:,} characters"
_GZIP: Final = b"\x1f\x8b"
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_KINDS: Final = {
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet; save the calls as CSV",
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
}
_LOOKED_AT: Final = 1 << 12
_NO_TEXT: Final = 0.9
"""Share of the first bytes that must stand in lines that are no text, for the file to be none."""
_IN_QUOTES: Final = re.compile(r'"[^"]*"')
_DELIMITERS: Final = (",", ";", "\t", "|")
UTF_8: Final = "UTF-8"

Progress = Callable[[int, int], None]
"""Told how many bytes of the file are read, of how many."""
Wrong = dict[int, tuple[str, str]]
"""Broken lines: by number the column and what is wrong with it."""


class CallLogInvalid(InputInvalid):
    """The files cannot be used; each problem names file and line."""


@dataclass(slots=True)
class BrokenTally:
    """Broken lines: all of them counted, the first of them kept."""

    count: int = 0
    examples: list[Problem] = field(default_factory=list)

    def take(self, path: Path, wrong: Wrong) -> None:
        """Take in what was found wrong with lines of a file, and empty it."""
        self.count += len(wrong)
        for line in sorted(wrong)[: MOST_EXAMPLES - len(self.examples)]:
            column, message = wrong[line]
            self.examples.append(Problem(str(path), line, 0, column, message))
        wrong.clear()

    def raise_if_any(self, place: str, message: str = "") -> None:
        """Raises :class:`CallLogInvalid` with those kept, and what else there is to say of them."""
        more = self.count - len(self.examples)
        if not message and more:
            message = f"and {more:,} more broken line{'' if more == 1 else 's'}"
        if self.count:
            last = [Problem(place, 0, 0, "", message)] if message else []
            raise CallLogInvalid([*self.examples, *last])


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of fields, and the number of the line that each one is."""

    lines: Sequence[int]
    rows: Sequence[list[str]]


class CallFile:
    """One file, plain or gzipped. Raises :class:`CallLogInvalid` from :meth:`rows`.

    ``encoding`` is one that writes ASCII as ASCII. ``read`` is what there is to say of the file
    once all of it is read.
    """

    def __init__(
        self, path: Path, chunk_bytes: int = CHUNK_BYTES, *, encoding: str = UTF_8
    ) -> None:
        self.path = path
        self.read: FileRead | None = None
        self._encoding = encoding
        self._delimiter: str | None = None
        self._chunk_bytes = chunk_bytes
        self._records = 0

    def rows(self, progress: Progress, wrong: Wrong) -> Iterator[Rows]:
        """The rows, without blank lines, in pieces; lines that are none are put into ``wrong``.

        A piece may be empty.
        """
        try:
            with self.path.open("rb") as opened:
                size = opened.seek(0, io.SEEK_END)
                opened.seek(0)
                raw = _Hashed(opened)
                head = raw.peek(_LOOKED_AT)
                stream: _Stream = raw
                if head.startswith(_GZIP):
                    packed = gzip.GzipFile(fileobj=raw)
                    stream, head = packed, packed.peek(_LOOKED_AT)[:_LOOKED_AT]
                self._check_head(head)
                for first, block in self._blocks(stream, wrong):
                    progress(raw.done, size)
                    yield self._parsed(first, block, wrong)
                while raw.read(CHUNK_BYTES):  # what stands behind the last packed block
                    pass
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise self._broken(f"is no whole gzip file: {error}") from None
        except OSError as error:
            raise self._broken(f"cannot be read: {error.strerror or error}") from None
        self.read = FileRead(self.path, size, self._records, raw.sha256)

    def _broken(self, message: str) -> CallLogInvalid:
        return CallLogInvalid([Problem(str(self.path), 0, 0, "", message)])

    def _check_head(self, head: bytes) -> None:
        """Raises :class:`CallLogInvalid` for what is no text at all."""
        for mark, message in _KINDS.items():
            if head.startswith(mark):
                raise self._broken(message)
        # The last line may be cut off in the middle of a letter.
        lines = head.splitlines(keepends=True)[: -1 if len(head) == _LOOKED_AT else None]
        looked_at = sum(map(len, lines)) or len(head)
        is_text = sum(len(line) for line in lines if self._is_text(line))
        if looked_at and 1 - is_text / looked_at > _NO_TEXT:
            raise self._broken(
                f"is no {self._encoding} text; save the calls as CSV in UTF-8, or name the "
                "encoding with --encoding"
            )

    def _is_text(self, line: bytes) -> bool:
        try:
            return "\0" not in line.decode(self._encoding)
        except UnicodeDecodeError:
            return False

    def _blocks(self, stream: _Stream, wrong: Wrong) -> Iterator[tuple[int, bytes]]:
        """Whole lines, and the number of the first of them."""
        line = 1
        rest = b""
        is_too_long = False
        while True:
            block = stream.read(self._chunk_bytes)
            whole, newline, tail = (rest + block).rpartition(b"\n")
            if line == 1 and not is_too_long and newline:
                whole = whole.removeprefix(_UTF8_MARK)
            if newline and is_too_long:
                _, cut, whole = whole.partition(b"\n")
                is_too_long = False
                self._too_long(line, wrong)
                line += 1
                newline = cut
            if newline:
                yield line, whole
                line += whole.count(b"\n") + 1
            rest = tail
            if not block:
                break
            if is_too_long or len(rest) > _LONGEST_BYTES:
                is_too_long, rest = True, b""
        if is_too_long:
            self._too_long(line, wrong)
        elif rest:
            yield line, rest.removeprefix(_UTF8_MARK) if line == 1 else rest

    def _too_long(self, line: int, wrong: Wrong) -> None:
        self._records += 1
        wrong[line] = ("", _TOO_LONG)

    def _parsed(self, first: int, block: bytes, wrong: Wrong) -> Rows:
        if self._delimiter is None:
            line = next((each for each in block.split(b"\n") if each.strip()), None)
            if line is not None:
                self._delimiter = delimiter_of(line.decode(self._encoding, errors="replace"))
        rows = self._all_at_once(block)
        if rows is None:
            return self._one_by_one(first, block.split(b"\n"), wrong)
        self._records += sum(map(bool, rows))
        if [] in rows:
            kept = [place for place, row in enumerate(rows) if row]
            return Rows([first + place for place in kept], [rows[place] for place in kept])
        return Rows(range(first, first + len(rows)), rows)

    def _all_at_once(self, block: bytes) -> list[list[str]] | None:
        """A row for each line, or None where one of them needs a closer look."""
        if b"\0" in block:
            return None
        try:
            lines = block.decode(self._encoding).split("\n")
            lines.append("")  # swallowed where the last quote is not closed
            rows = self._fields(lines)
        except (UnicodeDecodeError, csv.Error):
            return None
        if len(rows) != len(lines) or max(map(len, lines)) > LONGEST_LINE:
            return None
        rows.pop()
        return rows

    def _one_by_one(self, first: int, lines: Sequence[bytes], wrong: Wrong) -> Rows:
        numbers, rows = [], []
        for number, line in enumerate(lines, first):
            try:
                row = self._row(line)
            except _LineBroken as error:
                self._records += 1
                wrong[number] = ("", str(error))
                continue
            if row:
                self._records += 1
                rows.append(row)
                numbers.append(number)
        return Rows(numbers, rows)

    def _row(self, line: bytes) -> list[str]:
        """Raises :class:`_LineBroken`."""
        if len(line) > _LONGEST_BYTES:
            raise _LineBroken(_TOO_LONG)
        if b"\0" in line:
            raise _LineBroken("has a NUL byte in it")
        try:
            text = line.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise _LineBroken(f"is no {self._encoding} text (byte {error.start + 1})") from None
        if len(text) > LONGEST_LINE:
            raise _LineBroken(_TOO_LONG)
        try:
            rows = self._fields([text, ""])
        except csv.Error as error:
            raise _LineBroken(f"is not CSV: {error}") from None
        if len(rows) != 2:
            raise _LineBroken("has a quote that is not closed")
        return rows[0]

    def _fields(self, lines: Sequence[str]) -> list[list[str]]:
        """Some templates put a blank before a quoted field."""
        delimiter = self._delimiter or _DELIMITERS[0]
        return list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))


class _LineBroken(ValueError):
    """A line is no row; the message says why."""


class _Hashed:
    """A file that hashes what is read of it, once and in order."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._ahead = b""
        self.done = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def peek(self, count: int) -> bytes:
        self._ahead = self._file.read(count)
        return self._ahead

    def read(self, size: int, /) -> bytes:
        data = self._ahead[:size] or self._file.read(size)
        self._ahead = self._ahead[len(data) :]
        self._digest.update(data)
        self.done += len(data)
        return data

    def seek(self, _place: int, /) -> None:
        raise io.UnsupportedOperation("a log is read once, from its start to its end")


def delimiter_of(line: str) -> str:
    """What separates the fields of a line: a comma, or what stands more often outside of quotes."""
    bare = _IN_QUOTES.sub("", line)
    return max(_DELIMITERS, key=bare.count)  # the first of them where two are as many
