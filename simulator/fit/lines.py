"""A file of records as rows of fields, a piece at a time, each row with the number of its line.

A record never goes on in the next line, so a quote that is not closed breaks its own line and no
other. Stray quotes inside a field are left in it, as the systems that write such logs leave them.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

from simulator.fit.call_log import FileRead
from simulator.scenario_file.problems import InputInvalid, Problem

CHUNK_BYTES: Final = 1 << 18
LONGEST_LINE: Final = 1 << 18
"""Characters: what is longer is no call-detail record."""
_LONGEST_BYTES: Final = 4 * LONGEST_LINE

_TOO_LONG: Final = f"is longer than {LONGEST_LINE:,} characters"
_GZIP: Final = b"\x1f\x8b"
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_KINDS: Final = {
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet; save the calls as CSV",
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
}
_DELIMITERS: Final = (",", ";", "\t", "|")

Progress = Callable[[int, int], None]
"""Told how many bytes of the file are read, of how many."""
Complain = Callable[[int, str], None]
"""Told the number of a line and what is wrong with it."""


class CallLogInvalid(InputInvalid):
    """The files cannot be used; each problem names file and line."""


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of fields, and the number of the line that each one is."""

    lines: Sequence[int]
    rows: Sequence[list[str]]


class CallFile:
    """One file, plain or gzipped. Raises :class:`CallLogInvalid` from :meth:`rows`.

    ``read`` is what there is to say of it once all of it is read.
    """

    def __init__(
        self, path: Path, chunk_bytes: int = CHUNK_BYTES, *, commas_only: bool = True
    ) -> None:
        self.path = path
        self.read: FileRead | None = None
        self._commas_only = commas_only
        self._delimiter = ","
        self._chunk_bytes = chunk_bytes
        self._records = 0

    def rows(self, progress: Progress, complain: Complain) -> Iterator[Rows]:
        """The rows, without blank lines, in pieces; lines that are none are complained about.

        A piece may be empty.
        """
        try:
            with self.path.open("rb") as opened:
                size = opened.seek(0, io.SEEK_END)
                opened.seek(0)
                raw = _Hashed(opened)
                head = raw.peek(4)
                for mark, message in _KINDS.items():
                    if head.startswith(mark):
                        raise self._broken(message)
                packed = head.startswith(_GZIP)
                stream: _Stream = gzip.GzipFile(fileobj=raw) if packed else raw
                for first, block in self._blocks(stream, complain):
                    progress(raw.done, size)
                    yield self._parsed(first, block, complain)
                while raw.read(CHUNK_BYTES):  # what stands behind the last packed block
                    pass
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise self._broken(f"is no whole gzip file: {error}") from None
        except OSError as error:
            raise self._broken(f"cannot be read: {error.strerror or error}") from None
        self.read = FileRead(self.path, size, self._records, raw.sha256)

    def _broken(self, message: str) -> CallLogInvalid:
        return CallLogInvalid([Problem(str(self.path), 0, 0, "", message)])

    def _blocks(self, stream: _Stream, complain: Complain) -> Iterator[tuple[int, bytes]]:
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
                self._too_long(line, complain)
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
            self._too_long(line, complain)
        elif rest:
            yield line, rest.removeprefix(_UTF8_MARK) if line == 1 else rest

    def _too_long(self, line: int, complain: Complain) -> None:
        self._records += 1
        complain(line, _TOO_LONG)

    def _parsed(self, first: int, block: bytes, complain: Complain) -> Rows:
        if first == 1 and not self._commas_only:
            self._delimiter = delimiter_of(block)
        rows = self._all_at_once(block)
        if rows is None:
            return self._one_by_one(first, block.split(b"\n"), complain)
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
            lines = block.decode().split("\n")
            lines.append("")  # swallowed where the last quote is not closed
            rows = list(csv.reader(lines, delimiter=self._delimiter))
        except (UnicodeDecodeError, csv.Error):
            return None
        if len(rows) != len(lines) or max(map(len, lines)) > LONGEST_LINE:
            return None
        rows.pop()
        return rows

    def _one_by_one(self, first: int, lines: Sequence[bytes], complain: Complain) -> Rows:
        numbers, rows = [], []
        for number, line in enumerate(lines, first):
            try:
                row = self._row(line)
            except _LineBroken as error:
                self._records += 1
                complain(number, str(error))
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
            text = line.decode()
        except UnicodeDecodeError as error:
            raise _LineBroken(f"is not UTF-8 text (byte {error.start + 1})") from None
        if len(text) > LONGEST_LINE:
            raise _LineBroken(_TOO_LONG)
        try:
            rows = list(csv.reader([text, ""], delimiter=self._delimiter))
        except csv.Error as error:
            raise _LineBroken(f"is not CSV: {error}") from None
        if len(rows) != 2:
            raise _LineBroken("has a quote that is not closed")
        return rows[0]


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


def delimiter_of(head: bytes) -> str:
    """What separates fields, by the first line: a comma, or what stands there in place of it."""
    line = head.partition(b"\n")[0].decode(errors="replace")
    counts = [line.count(each) for each in _DELIMITERS]
    return _DELIMITERS[counts.index(max(counts))]
