"""Rows of fields into records: what is read of each line, and what is wrong with it."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from service.calls import UNKNOWN_TENANT
from simulator.cdr.columns import Told, Words, calls_of
from simulator.cdr.instants import FieldInvalid, Instants, Lengths, LengthUnit, convert
from simulator.cdr.lines import Rows, Wrong
from simulator.cdr.mappings import ColumnMapping, Layout
from simulator.cdr.merging import NO_ID, Records
from simulator.cdr.recorded import NOBODY, Bools, Int32s, Int64s
from simulator.conditions import NEVER
from simulator.scenario_file.units import MAX_DURATION_US

ONLY_TENANT: Final = "all"
"""The tenant of calls whose record names none."""
MOST_TENANTS: Final = 1_000_000
_LONGEST_ID: Final = 200
_NO_NUMBERS: Final = frozenset(
    spelled
    for name in ("", "anonymous", "unknown", "unavailable", "restricted", "private", "withheld")
    for spelled in (name, name.capitalize(), name.upper())
)


class TenantsTooMany(ValueError):
    """A column has more names than there can be tenants."""


class Tenants(dict[str, int]):
    """Places of tenants by what records say. Raises :class:`FieldInvalid` for what is no name,
    :class:`TenantsTooMany` beyond a million."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self._place: dict[str, int] = {}

    def __missing__(self, text: str) -> int:
        name = text.strip() or ONLY_TENANT
        if len(name) > _LONGEST_ID or not name.isprintable():
            raise FieldInvalid(f"a tenant has a name of 1 to {_LONGEST_ID} printable characters")
        if name == UNKNOWN_TENANT:
            raise FieldInvalid(f"{name!r} is a reserved name")
        if len(self) >= MOST_TENANTS:
            raise TenantsTooMany
        place = self._place.setdefault(name, len(self.names))
        if place == len(self.names):
            self.names.append(name)
        self[text] = place
        return place


class RecordReader:
    """The records of one log, read piece by piece; what is known from one serves the next.

    ``tenant`` is that of all calls, where it is not None.
    """

    def __init__(
        self, mapping: ColumnMapping, instants: Instants, lengths: LengthUnit, tenant: str | None
    ) -> None:
        self.instants = instants
        self.words = Words(mapping)
        self.tenants = Tenants()
        self._mapping = mapping
        self._lengths = Lengths(lengths)
        self._tenant = tenant
        self._first_us: int | None = None
        """Where the first call of the log starts."""

    def read(self, piece: Rows, layout: Layout, wrong: Wrong) -> Records:
        """The good records of some rows; the lines of the others are put into ``wrong``.

        Raises :class:`TenantsTooMany`.
        """
        rows = _of_right_length(piece, layout, wrong)
        fields = _Fields(rows, layout, wrong)
        start = self._instants_of(fields, "start")
        if start is None or self.instants.undecided:
            # Every start is broken, or there is no row at all.
            start = np.full(len(rows.lines), NEVER, np.int64)
            told = Told(start, end=start)
        else:
            told = Told(
                start=start,
                answer=self._instants_of(fields, "answer"),
                end=self._instants_of(fields, "end"),
                duration=self._lengths_of(fields, "duration"),
                hold=self._holds_of(fields),
                setup=self._lengths_of(fields, "setup"),
                words=self.words.codes(fields.texts("status")) if fields.has("status") else None,
            )
        self._check_near(start, fields)
        tenant = self._tenants_of(fields)
        calls = calls_of(told, self.words, fields.complain_of, local=self.instants.local)
        records = Records(
            tenant=tenant,
            offer_us=told.start,
            slot_us=calls.slot_us,
            hold_us=calls.hold_us,
            end=calls.end,
            line=np.array(rows.lines, np.int32),
            caller=_parties(fields, "caller"),
            call_id=self._ids(fields),
            other_id=_hashes(fields.texts("other_id")) if fields.has("other_id") else None,
        )
        if not wrong:
            return records
        good = [place for place, line in enumerate(rows.lines) if line not in wrong]
        return records.take(np.array(good, np.int64))

    def _check_near(self, start: Int64s, fields: "_Fields") -> None:
        """A single wrong year must not stretch the log."""
        known = np.flatnonzero(start != NEVER)
        if not len(known):
            return
        if self._first_us is None:
            self._first_us = int(start[known[0]])
        far = (start != NEVER) & (np.abs(start - self._first_us) > MAX_DURATION_US)
        fields.complain_of(far, "start", "is more than ten years from the first start of the log")

    def _instants_of(self, fields: "_Fields", name: str) -> Int64s | None:
        return fields.numbers(name, self.instants.many, self.instants.one)

    def _lengths_of(self, fields: "_Fields", name: str) -> Int64s | None:
        return fields.numbers(name, _all_of(self._lengths), self._lengths.__getitem__)

    def _holds_of(self, fields: "_Fields") -> Int64s | None:
        if fields.has("hold") or fields.has("duration") or fields.has("end"):
            return self._lengths_of(fields, "hold")
        return np.zeros(len(fields), np.int64)  # nothing is said of lengths, so calls have none

    def _tenants_of(self, fields: "_Fields") -> Int32s:
        if self._tenant is not None or not fields.has("tenant"):
            place = self.tenants[self._tenant or ONLY_TENANT]
            return np.full(len(fields), place, np.int32)
        places = fields.numbers("tenant", _all_of(self.tenants), self.tenants.__getitem__)
        assert places is not None
        return places.astype(np.int32)

    def _ids(self, fields: "_Fields") -> Int64s | None:
        if not fields.has("id"):
            return None
        texts = fields.texts("id")
        form = self._mapping.id_form
        if form is not None:
            texts = [text if form.fullmatch(text) else "" for text in texts]
        return _hashes(texts)


class _Fields:
    """The fields of some rows by their names."""

    def __init__(self, rows: Rows, layout: Layout, wrong: Wrong) -> None:
        self._rows = rows
        self._layout = layout
        self._wrong = wrong

    def __len__(self) -> int:
        return len(self._rows.lines)

    def has(self, name: str) -> bool:
        return name in self._layout.places

    def texts(self, name: str) -> list[str]:
        place = self._layout.places[name]
        if place < self._layout.fewest:
            return [row[place] for row in self._rows.rows]
        return [row[place] if place < len(row) else "" for row in self._rows.rows]

    def numbers(
        self,
        name: str,
        many: Callable[[Sequence[str]], list[int] | None],
        one: Callable[[str], int],
    ) -> Int64s | None:
        """A converted column, or None where there is no such one."""
        if not self.has(name):
            return None

        def complain(place: int, message: str) -> None:
            self._complain(place, name, message)

        return np.array(convert(self.texts(name), many, one, complain), np.int64)

    def complain_of(self, bad: Bools, name: str, message: str) -> None:
        for place in np.flatnonzero(bad).tolist():
            self._complain(place, name, message)

    def _complain(self, place: int, name: str, message: str) -> None:
        """The first complaint about a line is the one that is told."""
        column = self._layout.columns.get(name, name)
        self._wrong.setdefault(self._rows.lines[place], (column, message))


def _of_right_length(piece: Rows, layout: Layout, wrong: Wrong) -> Rows:
    """The rows that have as many fields as they should."""
    fewest = layout.fewest
    most = layout.most
    counts = set(map(len, piece.rows))
    if not counts or (min(counts) >= fewest and (most is None or max(counts) <= most)):
        return piece
    kept = []
    for place, row in enumerate(piece.rows):
        if fewest <= len(row) and (most is None or len(row) <= most):
            kept.append(place)
            continue
        wanted = f"{fewest}" if most == fewest else f"{fewest} to {most}"
        wanted = f"{fewest} or more" if most is None else wanted
        plural = "" if len(row) == 1 else "s"
        wrong.setdefault(piece.lines[place], ("", f"has {len(row)} field{plural}, not {wanted}"))
    return Rows([piece.lines[place] for place in kept], [piece.rows[place] for place in kept])


def _all_of(known: dict[str, int]) -> Callable[[Sequence[str]], list[int] | None]:
    def many(texts: Sequence[str]) -> list[int] | None:
        try:
            return [known[text] for text in texts]
        except FieldInvalid:
            return None

    return many


def _hashes(texts: Sequence[str]) -> Int64s:
    """A number for each text, the same for the same text in this run; "" is NO_ID."""
    assert hash("") == NO_ID
    return np.fromiter(map(hash, texts), np.int64, len(texts))


def _parties(fields: _Fields, name: str) -> Int64s | None:
    if not fields.has(name):
        return None
    texts = fields.texts(name)
    assert NOBODY == NO_ID
    return _hashes(["" if text in _NO_NUMBERS else text for text in texts])
