"""Pages for planners: data in, one self-contained HTML file out.

A page is plain data (:mod:`simulator.report.pages.blocks`); :func:`render` makes its bytes. Nobody
writes HTML, and nothing of a scenario gets past the one template unescaped::

    from simulator.report.pages import Answer, Axis, Chart, Kind, Line, Mark, Page, Section, Text
    from simulator.report.pages import render, write

    page = Page(
        kind="busyhour plan",
        title=plan.scenario,
        answer=Answer("457", "slots", "for blocking < 0.01, with 95 % confidence"),
        tiles=(Tile("Blocking", "0.92 %"),),
        sections=(
            Section("curve", "Blocking against capacity", (
                Text("One slot more or less hardly matters here."),
                Chart(
                    key="curve",
                    title="Blocking against capacity",
                    sentence="It falls from 2 % at 440 slots to 0.2 % at 480.",
                    x=Axis("slots"),
                    y=Axis("share of calls", Kind.PERCENT, log=True),
                    xs=(440.0, 460.0, 480.0),
                    lines=(Line("Simulated", (0.02, 0.008, 0.002), low=(...), high=(...)),),
                    marks=(Mark("target 1 %", 0.01, across=True), Mark("457", 457.0)),
                ),
            )),
        ),
        origin=origin_facts("busyhour plan office.yaml ...", seed=1, digest="..."),
    )
    write(page, Path("plan.html"))   # the old file or the whole new one; 0.1 s

A command calls ``check_writable("--html", path)`` before its work, and ``command_text`` for the
command to type again.

The blocks: :class:`Text`, :class:`Sentences`, :class:`Facts`, :class:`Code`, :class:`Table` (cells
may be shaded for a heat map; sorted and filtered where there is a script), :class:`Chart` (lines,
steps, areas and dots over one x axis, with bands and marked values), :class:`Bars` (horizontal bars
or points with intervals, one row each), :class:`Folded` and :class:`Beside`. A chart brings its own
table of numbers, drawing without a script, drawing for print and description; see its docstring
for what the lines hold. Tones 1 to 6 are told apart by colour-blind readers and have enough
contrast in both schemes; tone 1 is what the page is about, tone 2 what it is measured against.

:mod:`simulator.report.pages.formats` writes shares, intervals and instants as text.
"""

from simulator.report.pages.blocks import (
    Answer,
    Axis,
    Bar,
    Bars,
    Beside,
    Block,
    Cell,
    Chart,
    Code,
    Column,
    Fact,
    Facts,
    Folded,
    Group,
    Kind,
    Line,
    Mark,
    Page,
    Section,
    Sentences,
    Shape,
    Table,
    Text,
    Tile,
)
from simulator.report.pages.origin import check_writable, command_text, origin_facts
from simulator.report.pages.render import render, write

__all__ = [
    "Answer",
    "Axis",
    "Bar",
    "Bars",
    "Beside",
    "Block",
    "Cell",
    "Chart",
    "Code",
    "Column",
    "Fact",
    "Facts",
    "Folded",
    "Group",
    "Kind",
    "Line",
    "Mark",
    "Page",
    "Section",
    "Sentences",
    "Shape",
    "Table",
    "Text",
    "Tile",
    "check_writable",
    "command_text",
    "origin_facts",
    "render",
    "write",
]
