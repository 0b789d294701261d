"""The page in a browser: charts drawn, nothing fetched, numbers equal, a phone wide enough."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from simulator.report import write_reports
from tests.report_samples import HOSTILE, failing, passing

CHROMIUM = shutil.which(os.environ.get("BUSYHOUR_TEST_CHROMIUM", "chromium"))
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)
WAIT_MS = 30_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

PAINTED = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const colours = new Set();
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] === 255) colours.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
  return colours.size;
}"""
COUNTERS = """table => Object.fromEntries([...table.tBodies[0].rows].map(row => [
  row.cells[0].dataset.counter,
  [1, 2].map(at => Number(row.cells[at].textContent.replaceAll("\\u202f", ""))),
]))"""


@dataclass
class Visit:
    """A page that was opened, and what it said and fetched on the way."""

    page: Page
    trouble: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=QUIET.split(), timeout=WAIT_MS
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    write_reports(passing(), folder / "passing")
    write_reports(failing(HOSTILE), folder / "failing")
    return folder


def visit(context: BrowserContext, path: Path) -> Visit:
    context.set_default_timeout(WAIT_MS)
    found = Visit(context.new_page())
    found.page.on("console", lambda message: found.trouble.append(message.text))
    found.page.on("pageerror", lambda error: found.trouble.append(str(error)))
    found.page.on("dialog", lambda dialog: found.trouble.append(dialog.message))
    found.page.on("request", lambda request: found.fetched.append(request.url))
    found.page.goto(path.as_uri(), wait_until="load")
    return found


@pytest.mark.parametrize("run", ["passing", "failing"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_and_nothing_is_fetched(
    browser: Browser, reports: Path, run: str, scheme: str
) -> None:
    path = reports / run / "report.html"
    dark = scheme == "dark"
    with browser.new_context(color_scheme="dark" if dark else "light") as context:
        seen = visit(context, path)
        charts = seen.page.locator("figure[data-chart]")
        assert charts.count() == 2
        for place in range(2):
            canvas = charts.nth(place).locator("canvas")
            canvas.wait_for(state="visible")
            # Axes, grid and at least one series, each in a colour of its own.
            assert canvas.evaluate(PAINTED) > 3
            assert not charts.nth(place).locator(".drawing").is_visible()
        ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) == dark
        assert seen.trouble == []
        assert [url for url in seen.fetched if not url.startswith("data:")] == [path.as_uri()]


@pytest.mark.parametrize("run", ["passing", "failing"])
def test_tables_equal_the_document(browser: Browser, reports: Path, run: str) -> None:
    found = json.loads((reports / run / "result.json").read_text("utf-8"))
    with browser.new_context() as context:
        page = visit(context, reports / run / "report.html").page
        assert (
            page.locator("#verdict").text_content() == {"passing": "Pass", "failing": "Fail"}[run]
        )
        tables = page.locator("table.counters").all()
        assert len(tables) == 1 + len(found["expected"]["tenants"])
        for table in tables:
            tenant = table.get_attribute("data-tenant")
            sides = [
                found[side]["total"] if tenant is None else found[side]["tenants"][tenant]
                for side in ("observed", "expected")
            ]
            shown = table.evaluate(COUNTERS)
            assert set(shown) == set(sides[0])
            for counter, figures in shown.items():
                assert figures == [round(side[counter], 3) for side in sides]


def test_pointing_at_a_chart_reads_its_values(browser: Browser, reports: Path) -> None:
    with browser.new_context() as context:
        page = visit(context, reports / "passing" / "report.html").page
        chart = page.locator("figure[data-chart=slots]")
        area = chart.locator(".u-over").bounding_box()
        assert area is not None
        page.mouse.move(area["x"] + area["width"] / 4, area["y"] + area["height"] / 2)
        # A quarter of the minute: both slots are in use, of two.
        page.wait_for_function(
            "document.querySelector('figure[data-chart=slots] .u-legend').textContent"
            ".includes('0:00:15')"
        )
        values = chart.locator(".u-legend .u-value").all_text_contents()
        assert values[1:] == ["2.0", "2", "2"]


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("run", ["passing", "failing"])
def test_a_phone_shows_the_page_without_scrolling_sideways(
    browser: Browser, reports: Path, run: str, javascript: bool
) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, java_script_enabled=javascript
    )
    with context:
        page = visit(context, reports / run / "report.html").page
        for details in page.locator("details").all():
            details.locator("summary").click()
        needed, given = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert (needed, given) == (360, 360)


def test_without_javascript_the_drawings_stand(browser: Browser, reports: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = visit(context, reports / "passing" / "report.html").page
        assert page.locator("canvas").count() == 0
        for drawing in page.locator(".drawing svg").all():
            box = drawing.bounding_box()
            assert box is not None
            assert box["width"] > 300
            assert box["height"] > 100


def test_print_shows_the_drawings_on_white(browser: Browser, reports: Path) -> None:
    with browser.new_context(color_scheme="dark") as context:
        page = visit(context, reports / "passing" / "report.html").page
        page.emulate_media(media="print")
        assert page.locator(".drawing").first.is_visible()
        assert not page.locator(".plot").first.is_visible()
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(255, 255, 255)"
