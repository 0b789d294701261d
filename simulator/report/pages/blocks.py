"""What a page for planners is made of, as plain data. All text is plain text."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

Values = tuple[float | None, ...]
"""One value for each place of a chart's ``xs``; None where there is none."""


class Kind(StrEnum):
    """How the values of an axis are written."""

    NUMBER = "number"
    PERCENT = "percent"
    """Shares in [0, 1], shown as percentages."""
    CLOCK = "clock"
    """Seconds since the start of the run, shown as h:mm or h:mm:ss."""
    NAMES = "names"
    """Places 0, 1, ... of the axis' ``names``."""


class Shape(StrEnum):
    """How a line is drawn."""

    LINE = "line"
    DOTTED_LINE = "dotted"
    """A line with a dot at each of its values."""
    DOTS = "dots"
    STEPS = "steps"
    """Each value holds from its place to the next; the last one only ends the line."""
    AREA = "area"
    """As steps, filled down to the bottom: a histogram whose ``xs`` are its edges."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis with its label, unit included.

    ``low`` and ``high`` are its ends, found from the values when None (0 and a little above the
    largest, or the range of the values on a log scale). ``names`` are those of :attr:`Kind.NAMES`.
    """

    label: str
    kind: Kind = Kind.NUMBER
    log: bool = False
    low: float | None = None
    high: float | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart. ``low`` and ``high``, both or neither, bound the band around it.

    ``texts`` are what its values are called in the table and under the pointer, when that is more
    than the value (and the ends of the band) themselves. ``tone`` is 1 to 6.
    """

    label: str
    values: Values
    low: Values | None = None
    high: Values | None = None
    tone: int = 1
    shape: Shape = Shape.LINE
    dashed: bool = False
    texts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A straight line at a value of the x axis, or ``across`` the chart at one of the y axis."""

    label: str
    at: float
    across: bool = False
    tone: int = 2


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one x axis.

    ``key`` is its id on the page, ``sentence`` what it shows, which stands above it and in its
    description. ``xs`` rises strictly; every line has as many values. Values that are not above 0
    are left out of a log scale and their bands cut off at its end. Raises ValueError when lengths
    differ or ``xs`` does not rise.
    """

    block: ClassVar = "chart"
    key: str
    title: str
    sentence: str
    x: Axis
    y: Axis
    xs: tuple[float, ...]
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    note: str = ""
    low: bool = False

    def __post_init__(self) -> None:
        if not self.xs or any(b <= a for a, b in zip(self.xs, self.xs[1:], strict=False)):
            raise ValueError(f"chart {self.key}: x values must rise")
        for line in self.lines:
            for values in (line.values, line.low, line.high, line.texts):
                if values is not None and len(values) != len(self.xs):
                    raise ValueError(f"chart {self.key}: {line.label} has another length")
            if (line.low is None) != (line.high is None):
                raise ValueError(f"chart {self.key}: {line.label} has half a band")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar from the figure's ``base`` to ``value``, or a point with its interval.

    ``text`` is the value in words; ``value`` None draws nothing and leaves the text alone.
    ``beyond`` draws a hatched bar from ``base`` to the end of the axis: more than can be said.
    ``label`` tells it from others of its group and may be empty.
    """

    value: float | None
    text: str
    low: float | None = None
    high: float | None = None
    label: str = ""
    tone: int = 1
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A row, or several under one label."""

    label: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars, which leave room for long names and fit a phone. It is a table as well.

    ``base`` is where bars begin; ``points`` draws dots with whiskers in their place. ``marks``
    stand at values of the axis. ``heads`` are those of the label column and of the text column.
    """

    block: ClassVar = "bars"
    key: str
    title: str
    sentence: str
    axis: Axis
    groups: tuple[Group, ...]
    heads: tuple[str, str]
    base: float = 0.0
    points: bool = False
    marks: tuple[Mark, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell. ``sort`` is what it is sorted by when that is not its text.

    ``below`` stands under it in small type, like an interval; ``heat`` in [0, 1] shades it.
    """

    text: str
    sort: float | None = None
    heat: float | None = None
    below: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column; ``words`` sets it to the left, ``help`` explains it in a word."""

    head: str
    words: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; the first column names the row.

    ``sortable`` and ``filterable`` add buttons and a field where scripts run. ``marked`` are the
    places of rows that are set off. ``note`` stands below.
    """

    block: ClassVar = "table"
    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell | str, ...], ...]
    marked: tuple[int, ...] = ()
    sortable: bool = False
    filterable: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; ``quiet`` in smaller, muted type."""

    block: ClassVar = "text"
    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Sentences:
    """A list with dots."""

    block: ClassVar = "sentences"
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and what is known of it; ``code`` sets it in the typewriter's type."""

    name: str
    text: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and facts in two columns."""

    block: ClassVar = "facts"
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be typed or pasted."""

    block: ClassVar = "code"
    text: str


@dataclass(frozen=True, slots=True)
class Folded:
    """Blocks behind a line to click on; open on paper, or not there at all without ``on_paper``."""

    block: ClassVar = "folded"
    summary: str
    blocks: tuple[Block, ...]
    on_paper: bool = True


@dataclass(frozen=True, slots=True)
class Beside:
    """Blocks side by side where there is room, else below each other."""

    block: ClassVar = "beside"
    blocks: tuple[Block, ...]


Block = Text | Sentences | Facts | Code | Table | Chart | Bars | Folded | Beside


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading and a link at the top. ``key`` is its id."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page says, large: ``figure`` and ``unit``, then for what, then how sure."""

    figure: str
    unit: str
    words: str
    certainty: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure people ask for first. ``beside`` is its unit or what it compares with."""

    label: str
    figure: str
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page. ``kind`` says which command made it, ``title`` is the scenario's name or the like.

    ``origin`` tells how it was made and stands last.
    """

    kind: str
    title: str
    sections: tuple[Section, ...]
    origin: tuple[Fact, ...]
    lede: str = ""
    answer: Answer | None = None
    tiles: tuple[Tile, ...] = ()
    footer: str = field(default="Charts by uPlot, whose licence stands in this page's source.")
