"""Pages for planners as their source: safe against names, needing nothing else, saying it all."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.report.pages import Chart, Page, Section, Text, render
from simulator.report.pages.blocks import Beside, Block, Folded
from simulator.report.pages.fit_page import fit_page
from simulator.report.pages.plan_page import plan_page
from simulator.report.pages.policies_page import policies_page
from simulator.report.pages.sweep_page import sweep_page
from tests import page_source
from tests.fit_samples import fit_sample
from tests.page_source import references
from tests.planner_samples import OTHER, comparison, plan, sweep
from tests.report_samples import HOSTILE

COMMAND = "busyhour plan office.yaml"
KINDS = ("plan", "sweep-1", "sweep-2", "sweep-3", "policies", "fit")


def page(kind: str, scenario: str = "office", other: str = OTHER, command: str = COMMAND) -> Page:
    if kind == "plan":
        return plan_page(plan(scenario, other), command)
    if kind == "fit":
        fitted, log, compared = fit_sample(other, scenario)
        text = f"# {other}"
        return fit_page(fitted, log, compared, name=scenario, command=command, scenario=text)
    if kind == "policies":
        return policies_page(comparison(scenario, other), command)
    return sweep_page(sweep(int(kind[-1]), scenario, other), command)


def source_of(made: Page) -> page_source.Page:
    return page_source.Page(render(made).decode("utf-8"))


def charts_of(blocks: tuple[Block, ...]) -> list[Chart]:
    found = []
    for block in blocks:
        if isinstance(block, Chart):
            found.append(block)
        elif isinstance(block, Folded | Beside):
            found += charts_of(block.blocks)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["quiet", HOSTILE], ids=["quiet", "hostile"])
def test_a_page_needs_nothing_but_itself(kind: str, name: str) -> None:
    made = page(kind, name, name, name)
    source = render(made).decode("utf-8")
    seen = page_source.Page(source)
    assert seen.open == []
    ids = [attrs["id"] for _, attrs in seen.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    for value in references(seen):
        assert value.startswith(("#", "data:,"))
        assert value == "data:," or value[1:] in ids
    (styles,) = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    assert "url(" not in styles
    assert "@import" not in styles


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["quiet", HOSTILE], ids=["quiet", "hostile"])
def test_only_our_two_scripts_may_run(kind: str, name: str) -> None:
    seen = source_of(page(kind, name, name, name))
    data, *ours = seen.scripts
    assert data[0] == {"type": "application/json", "id": "charts"}
    assert [attrs for attrs, _ in ours] == [{}, {}]
    (policy,) = (
        attrs["content"] or ""
        for tag, attrs in seen.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    hashes = [hashlib.sha256(text.encode()).digest() for _, text in ours]
    allowed = [f"'sha256-{base64.b64encode(found).decode()}'" for found in hashes]
    assert policy.partition("script-src ")[2].split() == allowed
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_are_shown_and_not_obeyed(kind: str) -> None:
    seen = source_of(page(kind, HOSTILE, HOSTILE))
    assert "alert(1)" in seen.text
    assert not any(tag == "b" and not attrs.get("class") for tag, attrs in seen.tags)
    assert len(seen.scripts) == 3


@cache
def plain_tags(kind: str) -> tuple[str, ...]:
    return tuple(tag for tag, _ in source_of(page(kind)).tags if tag != "wbr")


@settings(max_examples=20, deadline=None)
@given(name=st.text(min_size=1, max_size=20), kind=st.sampled_from(KINDS))
def test_any_text_leaves_a_page_whole(name: str, kind: str) -> None:
    named = page(kind, f"t{name}", f"t{name}", name)
    seen = source_of(named)
    assert seen.open == []
    # A key that may break brings elements of its own; all the others stay as they were.
    assert tuple(tag for tag, _ in seen.tags if tag != "wbr") == plain_tags(kind)
    assert json.loads(seen.scripts[0][1]).keys() == {
        chart.key for section in named.sections for chart in charts_of(section.blocks)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_says_in_words_and_numbers_what_it_draws(kind: str) -> None:
    made = page(kind)
    seen = source_of(made)
    data = json.loads(seen.scripts[0][1])
    labels = [attrs.get("aria-label") or "" for _, attrs in seen.tags if attrs.get("role") == "img"]
    for chart in (each for section in made.sections for each in charts_of(section.blocks)):
        assert any(chart.sentence in label and chart.title in label for label in labels)
        rows = seen.tables[f"{chart.key}-in-numbers"]
        every = -(-len(chart.xs) // 120)  # of a long chart so many rows at the most
        assert [row[0].strip() for row in rows[1:]] == data[chart.key]["x"]["texts"][::every]
        for place, line in enumerate(chart.lines, 1):
            texts = data[chart.key]["lines"][place - 1]["texts"][::every]
            assert [row[place].strip() for row in rows[1:]] == [text.strip() for text in texts]
            assert rows[0][place].strip() == line.label


def test_a_plan_of_a_day_with_many_tenants_stays_small() -> None:
    found = plan()
    at = found.at_answer
    tenants = {f"tenant-{place:03}": at.tenants["acme"] for place in range(100)}
    intervals = tuple(at.intervals[place % 4] for place in range(96))
    points = tuple(replace(each, tenants=tenants, intervals=intervals) for each in found.points)
    quarter = 15 * 60_000_000
    offered = tuple(
        replace(found.offered[0], from_us=place * quarter, until_us=(place + 1) * quarter)
        for place in range(96)
    )
    points = tuple(
        replace(
            each,
            intervals=tuple(
                replace(one, from_us=place * quarter, until_us=(place + 1) * quarter)
                for place, one in enumerate(each.intervals)
            ),
        )
        for each in points
    )
    source = render(plan_page(replace(found, points=points, offered=offered), COMMAND))
    assert len(source) < 500_000
    seen = page_source.Page(source.decode("utf-8"))
    for table in ("tenants-table", "tenant-bars-rows"):
        assert sum("tenant-" in row[0] for row in seen.tables[table]) == 100


def test_a_fit_of_many_tenants_stays_small() -> None:
    fitted, log, compared = fit_sample()
    tenants = tuple(
        replace(fitted.tenants[place % 2], name=f"tenant-{place:03}") for place in range(400)
    )
    scenario = "# a line of the scenario, as long as they are and in quotes: '0 < 1 & 2'\n" * 800
    made = fit_page(
        replace(fitted, tenants=tenants), log, compared, name="all", command="", scenario=scenario
    )
    source = render(made)
    assert len(source) < 500_000
    seen = page_source.Page(source.decode("utf-8"))
    for table in ("tenants-table", "answers-table"):
        assert sum("tenant-" in row[0] for row in seen.tables[table]) == 100
    assert "300 smaller tenants are left out here" in seen.text


def test_a_sweep_of_thousands_of_points_says_how_many_it_leaves_out() -> None:
    found = sweep()
    points = tuple(replace(found.points[0], values=(str(place),)) for place in range(1000))
    source = render(sweep_page(replace(found, points=points), COMMAND))
    assert b"400 more points are in the files of --output" in source
    assert len(source) < 1_500_000


def test_keys_that_collide_are_refused() -> None:
    section = Section("same", "Same", (Text("one"),))
    with pytest.raises(ValueError, match="keys must be different"):
        render(Page("kind", "title", (section, section), ()))
