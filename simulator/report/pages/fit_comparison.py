"""The comparison of a log with its model, as a section of the page."""

from simulator.fit.comparison import Comparison
from simulator.fit.comparison_words import figure, interval, reason, sentences
from simulator.fit.words import roughly
from simulator.report.pages import Cell, Column, Section, Sentences, Table, Text


def comparison_section(comparison: Comparison) -> Section:
    """The section: differences in words, then every figure."""
    slots = "1 slot" if comparison.capacity == 1 else f"{comparison.capacity:,} slots"
    part = "" if comparison.is_whole else "the first "
    return Section(
        "comparison",
        "What the model loses",
        (
            Text(
                f"The log replayed, and {comparison.replications} runs of the fitted scenario, for "
                f"{part}{roughly(comparison.window_us)} on {slots}. Calls at once and the "
                "traffic offered are those where there is always room. Of further runs 95 of 100 "
                "would lie in the interval; a log outside it is not like the model."
            ),
            Sentences(sentences(comparison)),
            Table(
                key="comparison",
                caption="The log beside the model",
                columns=(
                    Column("Figure", words=True),
                    Column("Log"),
                    Column("Model", help="mean of the runs"),
                    Column("95 of 100 runs"),
                    Column("In words", words=True),
                ),
                marked=tuple(place for place, each in enumerate(comparison.measures) if each.side),
                rows=tuple(
                    (
                        Cell(each.name),
                        Cell(figure(each.kind, each.log)),
                        Cell(figure(each.kind, each.mean)),
                        Cell(interval(each)),
                        Cell(reason(each) or "like the model"),
                    )
                    for each in comparison.measures
                ),
            ),
        ),
    )
