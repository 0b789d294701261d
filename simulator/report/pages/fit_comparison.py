"""The comparison of a log with its model, as a section of the page."""

from simulator.fit.comparison import Comparison
from simulator.fit.comparison_words import figure, interval, sentences
from simulator.fit.words import roughly
from simulator.report.figures import number
from simulator.report.pages.blocks import Column, Section, Sentences, Table, Text
from simulator.report.pages.formats import spaced


def comparison_section(comparison: Comparison) -> Section:
    """Differences in words, then every figure."""
    slots = "1 slot" if comparison.capacity == 1 else f"{number(comparison.capacity)} slots"
    part = "" if comparison.is_whole else "the first "
    return Section(
        "comparison",
        "What the model loses",
        (
            Text(
                f"The log replayed, and {comparison.replications} runs of the fitted scenario, for "
                f"{part}{roughly(comparison.window_us)} on {slots}. Calls at once and the "
                "traffic offered are those where there is always room. Of further runs 95 of 100 "
                "would lie in the interval. Of many figures one may lie outside it by chance; in "
                "bold is a log that, with all of them looked at together, is not like the model."
            ),
            Sentences(tuple(map(spaced, sentences(comparison)))),
            Table(
                key="comparison-table",
                caption="The log beside the model",
                columns=(
                    Column("Figure", words=True),
                    Column("Log"),
                    Column("Model", help="mean of the runs"),
                    Column("95 of 100 runs"),
                ),
                marked=tuple(place for place, each in enumerate(comparison.measures) if each.side),
                rows=tuple(
                    (
                        spaced(each.name),
                        spaced(figure(each.kind, each.log)),
                        spaced(figure(each.kind, each.mean)),
                        spaced(interval(each)),
                    )
                    for each in comparison.measures
                ),
            ),
        ),
    )
