"""The page as its source: safe against names, needing nothing else, saying what the run said."""

import base64
import hashlib
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls import UNKNOWN_TENANT
from simulator.report import write_reports
from simulator.report.html import render
from simulator.report.page_tables import MOST_TENANTS
from simulator.report.result_json import document
from simulator.result import RunResult
from simulator.trace import TraceTenant
from simulator.verdict import Verdict
from tests.page_source import VOID, Page, references
from tests.report_samples import HOSTILE, OTHER_ROW, failing, nothing_to_judge, passing


def page_of(result: RunResult) -> Page:
    return Page(render(result).decode("utf-8"))


def counters_in(table: list[list[str]]) -> dict[str, tuple[str, str, str]]:
    return {row[0]: (row[1], row[2], row[3]) for row in table[1:]}


def read(text: str) -> float:
    return float(text.replace("\u202f", "").replace("\u2212", "-"))


@pytest.mark.parametrize("result", [passing(), failing()], ids=["pass", "fail"])
def test_tables_of_counters_say_what_the_document_says(result: RunResult) -> None:
    page, found = page_of(result), document(result)
    pairs = [("total", found["observed"]["total"], found["expected"]["total"])]
    for tenant, observed in found["observed"]["tenants"].items():
        pairs.append((tenant, observed, found["expected"]["tenants"][tenant]))
    assert len(pairs) == 4
    for name, observed, expected in pairs:
        shown = counters_in(page.tables[name])
        assert list(shown) == list(observed)
        for counter, sides in shown.items():
            assert read(sides[0]) == round(observed[counter], 3)
            assert read(sides[1]) == round(expected[counter], 3)
            differs = observed[counter] != expected[counter]
            assert sides[2].startswith("≠") == differs


def test_a_difference_is_marked_in_words_and_equal_rows_are_not() -> None:
    page = page_of(failing())
    assert counters_in(page.tables["total"])["accepted_calls"] == ("4", "3", "≠ +1")
    assert counters_in(page.tables["total"])["offered_calls"] == ("7", "7", "0")
    rows = [attrs.get("class") for tag, attrs in page.tags if tag == "tr"]
    assert "differs" in rows
    quiet = page_of(passing())
    assert all(attrs.get("class") is None for tag, attrs in quiet.tags if tag == "tr")


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (Verdict.PASS, "Pass"),
        (Verdict.FAIL, "Fail"),
        (Verdict.INCONCLUSIVE, "Inconclusive"),
        (Verdict.THRESHOLDS_FAILED, "Thresholds failed"),
    ],
)
def test_the_verdict_is_said_in_a_word(verdict: Verdict, word: str) -> None:
    result = passing()
    page = page_of(replace(result, judgement=replace(result.judgement, verdict=verdict)))
    assert f"\n{word}all 5 checks hold" in page.text


def test_what_failed_is_listed_and_a_pass_lists_nothing() -> None:
    assert "What failed" in page_of(failing()).text
    assert "only the counting differs" in page_of(failing()).text
    assert "What failed" not in page_of(passing()).text


def test_rejections_by_tenant_and_reason() -> None:
    rows = page_of(passing()).tables["rejections-by-tenant"]
    shown = {row[0]: row[2:7] for row in rows[1:]}
    # no slot free, tenant not configured, instructions missing, all, share of its offers
    assert shown["acme"] == ["1", "0", "0", "1", "25.00\u202f%"]
    assert shown["b|b"] == ["0", "0", "1", "1", "50.00\u202f%"]
    assert shown[UNKNOWN_TENANT] == ["0", "1", "0", "1", "100.00\u202f%"]


def test_sentences_say_what_the_charts_show() -> None:
    text = page_of(passing()).text
    assert "At most 2 of 2 slots were in use, first at about 0:00:05; 1.2 on average" in text
    assert "The limit changed during the run, between 1 and 2." in text
    assert "3 of 7 offers were rejected" in text
    assert "No call was rejected." in page_of(nothing_to_judge()).text
    assert "No slot was ever in use, of 2." in page_of(nothing_to_judge()).text


def test_charts_are_there_in_numbers_too() -> None:
    rows = page_of(passing()).tables["in-numbers"]
    at_ten = next(row for row in rows if row[0] == "0:00:10")
    # Bins of 5 s: both slots in use from 0:10 to 0:15, one call without a slot and one of ghost.
    assert at_ten == ["0:00:10", "2.0", "2", "2", "1", "1", "0"]


@pytest.mark.parametrize(
    "result",
    [passing(), failing(HOSTILE), nothing_to_judge()],
    ids=["pass", "fail", "nothing"],
)
def test_the_page_needs_nothing_but_itself(result: RunResult) -> None:
    page = page_of(result)
    assert page.open == []
    for value in references(page):
        assert value.startswith(("#", "data:,"))
    targets = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {value[1:] for value in references(page) if value.startswith("#")} <= targets
    styles = re.findall(r"<style>(.*?)</style>", render(result).decode(), re.DOTALL)
    assert "url(" not in styles[0]
    assert "@import" not in styles[0]


@pytest.mark.parametrize("other", ["quiet", HOSTILE], ids=["quiet", "hostile"])
def test_only_our_two_scripts_may_run(other: str) -> None:
    page = page_of(passing(other))
    data, *ours = page.scripts
    assert data[0] == {"type": "application/json", "id": "series"}
    assert [attrs for attrs, _ in ours] == [{}, {}]
    (policy,) = (
        attrs["content"] or ""
        for tag, attrs in page.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    allowed = policy.partition("script-src ")[2].split()
    hashes = [hashlib.sha256(text.encode()).digest() for _, text in ours]
    assert allowed == [f"'sha256-{base64.b64encode(found).decode()}'" for found in hashes]
    assert policy.startswith("default-src 'none'")


def test_hostile_names_are_shown_and_not_obeyed() -> None:
    page = page_of(failing(HOSTILE))
    assert HOSTILE in page.tables
    assert "alert(1)" in page.text
    assert not any(tag == "b" for tag, _ in page.tags)


@settings(max_examples=25, deadline=None)
@given(name=st.text(max_size=20), words=st.text(max_size=20))
def test_any_text_leaves_the_page_whole(name: str, words: str) -> None:
    result = passing(f"t{name}")
    scenario = replace(result.scenario, name=words, description=words)
    judgement = replace(result.judgement, reason=words)
    plain = page_of(passing())
    page = page_of(replace(result, scenario=scenario, judgement=judgement, command=words))
    assert page.open == []
    without_lede = [tag for tag, _ in plain.tags if tag not in VOID | {"p"}]
    assert [tag for tag, _ in page.tags if tag not in VOID | {"p"}] == without_lede


def test_a_thousand_tenants_still_make_a_page_of_half_a_megabyte() -> None:
    result = passing()
    names = [f"tenant-{place:04}" for place in range(1000)]
    conditions = replace(
        result.trace.conditions,
        tenants=(*result.trace.conditions.tenants, *map(TraceTenant, names)),
    )
    more = dict.fromkeys(names, OTHER_ROW)
    observed = replace(result.observed, tenants={**result.observed.tenants, **more})
    late = dict(observed.tenants)
    late["tenant-0999"] = (1, *OTHER_ROW[1:])
    result = replace(
        result,
        trace=replace(result.trace, conditions=conditions),
        observed=replace(observed, tenants=late),
        expected=observed,
    )
    source = render(result)
    assert len(source) < 500_000
    page = Page(source.decode())
    # The one that differs is among those shown, although it comes last.
    assert "tenant-0999" in page.tables
    assert len(page.tables["by-tenant"]) == 1 + MOST_TENANTS
    assert "943 more tenants are in result.json" in page.text


def test_four_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    write_reports(passing(), tmp_path / "deep" / "down")
    names = sorted(path.name for path in (tmp_path / "deep" / "down").iterdir())
    assert names == ["junit.xml", "report.html", "result.json", "summary.md"]
    assert (tmp_path / "deep" / "down" / "report.html").read_bytes() == render(passing())


@pytest.mark.parametrize("name", ["vendor/uPlot.iife.min.js", "page.js"])
def test_a_script_cannot_end_its_own_element(name: str) -> None:
    script = files("simulator.report").joinpath(name).read_text("utf-8").lower()
    assert "</script" not in script
    assert "<!--" not in script
