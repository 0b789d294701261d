"""``summary.md``, read by a Markdown parser of its own: what is written is what is seen."""

import html
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from simulator.report.markdown import code, render, table, text
from simulator.result import RunResult
from tests.report_samples import HOSTILE, OTHER, failing, nothing_to_judge, passing

printable = st.text(st.characters(codec="utf-8"), max_size=15).filter(str.isprintable)


def seen(markdown: str) -> list[list[str]]:
    """The cells of every table row, as a reader sees them."""
    page = MarkdownIt("commonmark").enable("table").render(markdown)
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[html.unescape(re.sub("<[^>]*>", "", cell)) for cell in row] for row in cells]


def page_of(result: RunResult) -> str:
    return render(result).decode("utf-8")


@settings(max_examples=300, deadline=None)
@given(plain=printable.filter(lambda plain: plain == plain.strip() and "\\" not in plain))
def test_any_name_is_seen_as_it_is_and_breaks_no_table(plain: str) -> None:
    rows = seen(table(("a", "b", "c"), "lrl", [(code(plain), text(plain), "end")]))
    assert rows[0] == ["a", "b", "c"]
    assert rows[1][2] == "end"
    assert rows[1][1] == plain
    assert rows[1][0].strip() == plain


@given(plain=st.text(max_size=15))
def test_no_text_can_break_its_row(plain: str) -> None:
    rows = seen(table(("a", "b", "c"), "lrl", [(code(plain), text(plain), "end")]))
    assert [len(row) for row in rows] == [3, 3]
    assert rows[1][2] == "end"


def test_the_verdict_comes_first() -> None:
    assert page_of(passing()).startswith("# ✅ Pass: seven-calls\n\nall 5 checks hold")
    assert page_of(failing()).startswith("# ❌ Fail: seven-calls\n\ntotal.accepted_calls: expected")
    assert page_of(nothing_to_judge()).startswith("# ❔ Inconclusive")


def test_counters_of_the_total_with_their_differences() -> None:
    rows = {row[0]: row[1:] for row in seen(page_of(failing())) if len(row) == 4}
    assert rows["accepted_calls"] == ["4", "3", "+1"]
    assert rows["active_us_total"] == ["69 000 000".replace(" ", "\u202f"),
                                       "70 000 000".replace(" ", "\u202f"),
                                       "\u22121\u202f000\u202f000"]  # fmt: skip
    assert rows["minutes_processed"] == ["1.15", "1.167", "\u22120.016667"]
    assert rows["offered_calls"] == ["7", "7", "0"]


def test_failed_checks_are_listed_and_a_pass_lists_none() -> None:
    rows = seen(page_of(failing()))
    assert ["total.accepted_calls", "3", "4", "only the counting differs"] in rows
    assert [f"checkpoints.20000000.{OTHER}.accepted", "1", "2", "a slot"] in rows
    assert "Failed checks" not in page_of(passing())


def test_what_agrees_is_said_in_a_sentence() -> None:
    assert "All 3 tenants agree in every counter. All 2 checkpoints agree." in page_of(passing())
    assert "1 of 3 tenants differ: `acme`. 1 of 2 checkpoints differ: at 0:00:20." in page_of(
        failing()
    )


def test_hostile_names_stay_text() -> None:
    page = MarkdownIt("commonmark").enable("table").render(page_of(failing(HOSTILE)))
    assert "<script" not in page
    assert "<b>" not in page
