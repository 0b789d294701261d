"""Comparing finds exactly what was changed, wherever it stands, and says the same both ways."""

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.compare.comparing import Chance, Comparison, Outcome, compare
from simulator.compare.document import Document, Figure, Value, read_document
from simulator.compare.printing import document, lines

SMOKE = read_document(Path(__file__).resolve().parents[2] / "reports/baselines/smoke.json")
FIGURES = dict(SMOKE.figures or {})
PLACES = sorted({figure.where for figure in FIGURES})

values = st.none() | st.integers(-(2**40), 2**40) | st.floats(-1e12, 1e12)
changes = st.dictionaries(st.sampled_from(sorted(FIGURES)), values, max_size=8)


def with_figures(figures: dict[Figure, Value]) -> Document:
    return replace(SMOKE, figures=figures)


def compared(base: Document, new: Document) -> Comparison:
    return compare(base, new, Chance(20, lambda done, total: None))


@settings(max_examples=60)
@given(changed=changes)
def test_what_was_changed_is_found_and_nothing_else(changed: dict[Figure, Value]) -> None:
    found = compared(SMOKE, with_figures(FIGURES | changed))
    expected = {figure: value for figure, value in changed.items() if value != FIGURES[figure]}
    assert {each.figure: each.new for each in found.differences} == expected
    assert all(each.base == FIGURES[each.figure] for each in found.differences)
    assert found.outcome is (Outcome.MOVED if expected else Outcome.SAME)
    assert not found.missing


@settings(max_examples=40)
@given(changed=changes)
def test_both_ways_say_the_same(changed: dict[Figure, Value]) -> None:
    other = with_figures(FIGURES | changed)
    there, back = compared(SMOKE, other), compared(other, SMOKE)
    assert there.outcome is back.outcome
    assert [each.figure for each in there.differences] == [each.figure for each in back.differences]
    for one, same in zip(there.differences, back.differences, strict=True):
        assert (one.base, one.new) == (same.new, same.base)


@settings(max_examples=40)
@given(
    places=st.sets(st.sampled_from(PLACES), max_size=3),
    figures=st.sets(st.sampled_from(sorted(FIGURES)), max_size=3),
)
def test_what_is_gone_is_named(places: set[str], figures: set[Figure]) -> None:
    left = {
        figure: value
        for figure, value in FIGURES.items()
        if figure.where not in places and figure not in figures
    }
    found = compared(SMOKE, with_figures(left))
    wholly = {where for where in PLACES if all(figure.where != where for figure in left)}
    assert {gone.where for gone in found.missing if gone.name is None} == wholly
    assert {(gone.where, gone.name) for gone in found.missing if gone.name is not None} == {
        tuple(figure) for figure in figures if figure.where not in wholly
    }
    assert not found.differences
    assert found.outcome is (Outcome.MOVED if found.missing else Outcome.SAME)


@settings(max_examples=40)
@given(changed=changes)
def test_whatever_moved_can_be_printed(changed: dict[Figure, Value]) -> None:
    found = compared(SMOKE, with_figures(FIGURES | changed))
    printed = list(lines(found))
    assert printed[-1].startswith(("SAME", "MOVED"))
    rows = document(found)["differences"]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
