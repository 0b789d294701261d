"""A single column of lengths of time, for distributions that are given as values."""

from collections.abc import Sequence
from pathlib import Path

from simulator.cdr.instants import FieldInvalid, Lengths, LengthUnit
from simulator.cdr.lines import BrokenTally, CallFile, CallLogInvalid, Wrong
from simulator.cdr.mappings import Layout, MappingInvalid, by_names, layout_of
from simulator.conditions import NEVER
from simulator.scenario_file.problems import Problem


def read_lengths(path: Path, column: str) -> list[int]:
    """The lengths in a column of a CSV file with a header, in microseconds, as they stand.

    They are decimal seconds or ``h:mm:ss``. Raises :class:`CallLogInvalid` with every line that is
    broken (of more than 50 the first 50 and their number), and for a file without values.
    """
    lengths = Lengths(LengthUnit.SECONDS)
    broken = BrokenTally()
    wrong: Wrong = {}
    values: list[int] = []
    layout: Layout | None = None
    for piece in CallFile(path).rows(lambda *_: None, wrong):
        for line, row in zip(piece.lines, piece.rows, strict=True):
            if layout is None:
                try:
                    layout = layout_of(by_names({"hold": column}), row, is_instant=False)
                except MappingInvalid as error:
                    raise CallLogInvalid([Problem(str(path), line, 0, "", str(error))]) from None
                continue
            try:
                values.append(_length(row, layout, lengths))
            except FieldInvalid as error:
                wrong[line] = (column, str(error))
        broken.take(path, wrong)
    if not broken.count and not values:
        message = "is empty" if layout is None else "has no rows below its header"
        raise CallLogInvalid([Problem(str(path), 0, 0, "", message)])
    broken.raise_if_any(str(path))
    return values


def _length(row: Sequence[str], layout: Layout, lengths: Lengths) -> int:
    """Raises :class:`FieldInvalid`."""
    if len(row) != layout.fewest:
        raise FieldInvalid(f"the line has {len(row)} fields, not {layout.fewest}")
    value = lengths[row[layout.places["hold"]]]
    if value == NEVER:
        raise FieldInvalid("is empty")
    return value
