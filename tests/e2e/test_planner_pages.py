"""Pages for planners in a browser: charts drawn, nothing fetched, a phone wide enough, readable."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, sync_playwright
from playwright.sync_api import Page as BrowserPage

from simulator.report.pages import write
from simulator.report.pages.fit_page import fit_page
from simulator.report.pages.plan_page import plan_page
from simulator.report.pages.policies_page import policies_page
from simulator.report.pages.sweep_page import sweep_page
from tests.fit_samples import fit_sample
from tests.planner_samples import comparison, plan, sweep
from tests.report_samples import HOSTILE

CHROMIUM = shutil.which(os.environ.get("BUSYHOUR_TEST_CHROMIUM", "chromium"))
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)
WAIT_MS = 30_000
KINDS = ("plan", "sweep-1", "sweep-2", "sweep-3", "policies", "fit", "hostile")
CHARTS = {
    "plan": 6,
    "sweep-1": 2,
    "sweep-2": 1,
    "sweep-3": 0,
    "policies": 0,
    "fit": 6,
    "hostile": 6,
}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

PAINTED = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const colours = new Set();
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] === 255) colours.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
  return colours.size;
}"""
# The least contrast of any text with what lies behind it (WCAG 2, relative luminance), and which.
CONTRAST = """() => {
  const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [0.2126 * r, 0.7152 * g, 0.0722 * b].reduce((sum, _, i) => {
    const part = [r, g, b][i] / 255;
    const linear = part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    return sum + [0.2126, 0.7152, 0.0722][i] * linear;
  }, 0);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = rgba(getComputedStyle(each).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255, 255];
  };
  let least = [21, ""];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest("script, svg")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgba(style.color)), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < least[0]) least = [ratio, element.outerHTML.slice(0, 120)];
  }
  return least;
}"""


@dataclass
class Visit:
    """A page that was opened, and what it said and fetched on the way."""

    page: BrowserPage
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
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    write(plan_page(plan(), "busyhour plan"), folder / "plan.html")
    write(plan_page(plan(HOSTILE, HOSTILE), HOSTILE), folder / "hostile.html")
    write(policies_page(comparison(), "busyhour policies"), folder / "policies.html")
    fitted = fit_page(*fit_sample(), name="fitted", command="busyhour fit", scenario="version: 1")
    write(fitted, folder / "fit.html")
    for keys in (1, 2, 3):
        write(sweep_page(sweep(keys), "busyhour sweep"), folder / f"sweep-{keys}.html")
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


def unfold(page: BrowserPage) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_and_nothing_is_fetched(
    browser: Browser, pages: Path, kind: str, scheme: str
) -> None:
    path = pages / f"{kind}.html"
    dark = scheme == "dark"
    with browser.new_context(color_scheme="dark" if dark else "light") as context:
        seen = visit(context, path)
        canvases = seen.page.locator("figure[data-chart] canvas")
        assert canvases.count() == CHARTS[kind]
        for canvas in canvases.all():
            assert canvas.evaluate(PAINTED) >= 4
        ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) == dark
        assert seen.trouble == []
        assert [url for url in seen.fetched if not url.startswith("data:")] == [path.as_uri()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_of_wcag_aa(
    browser: Browser, pages: Path, kind: str, scheme: str
) -> None:
    with browser.new_context(color_scheme="dark" if scheme == "dark" else "light") as context:
        page = visit(context, pages / f"{kind}.html").page
        unfold(page)
        ratio, where = page.evaluate(CONTRAST)
        assert ratio >= 4.5, where


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_shows_the_page_without_scrolling_sideways(
    browser: Browser, pages: Path, kind: str, javascript: bool
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, java_script_enabled=javascript
    )
    with context:
        page = visit(context, pages / f"{kind}.html").page
        for summary in page.locator("summary").all():
            if summary.is_visible():
                summary.click()
        needed, given = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert (needed, given) == (390, 390)


def test_without_a_script_drawings_stand_and_tables_are_whole(
    browser: Browser, pages: Path
) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = visit(context, pages / "plan.html").page
        assert page.locator("canvas").count() == 0
        drawings = page.locator(".drawing svg").all()
        assert len(drawings) == CHARTS["plan"]
        for drawing in drawings:
            box = drawing.bounding_box()
            assert box is not None
            assert box["width"] > 300
            assert box["height"] > 100
        page = visit(context, pages / "sweep-3.html").page
        assert page.locator("#points-table tbody tr").count() == 12
        assert page.locator("button, input").count() == 0


def test_print_shows_the_drawings_on_white_and_cuts_nothing_off(
    browser: Browser, pages: Path
) -> None:
    with browser.new_context(
        color_scheme="dark", viewport={"width": 690, "height": 980}
    ) as context:  # A4 less its margins
        for kind in KINDS:
            page = visit(context, pages / f"{kind}.html").page
            page.emulate_media(media="print")
            if CHARTS[kind]:
                assert page.locator(".drawing").first.is_visible()
                assert not page.locator(".plot").first.is_visible()
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground == "rgb(255, 255, 255)"
            assert page.evaluate("document.documentElement.scrollWidth") <= 690, kind


def test_what_is_folded_is_open_on_paper(browser: Browser, pages: Path) -> None:
    shown = "id => document.getElementById(id).checkVisibility()"
    with browser.new_context() as context:
        page = visit(context, pages / "plan.html").page
        assert not page.evaluate(shown, "sensitivity-table")
        page.emulate_media(media="print")
        assert page.evaluate(shown, "sensitivity-table")
        # What is printed in a terminal says all of it once more, and charts are drawn.
        for left_out in ("pre", ".numbers"):
            box = page.locator(left_out).first.bounding_box()
            assert box is None or box["height"] == 0, left_out


def test_pointing_at_the_curve_reads_its_values(browser: Browser, pages: Path) -> None:
    with browser.new_context() as context:
        page = visit(context, pages / "plan.html").page
        chart = page.locator("#curve-chart")
        legend = chart.locator(".u-legend")
        assert "–" not in legend.inner_text()
        assert "Simulated, blocking" in legend.inner_text()
        area = chart.locator(".u-over").bounding_box()
        assert area is not None
        # In the middle stands 50, the fourth of 44, 46, ... 56: 40 per mille halved three times.
        page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
        page.wait_for_function(
            "document.querySelector('#curve-chart .u-value').textContent === '50'"
        )
        values = chart.locator(".u-value").all_text_contents()
        assert values[1].replace("\u202f", " ") == "0.50 % (0.40 % to 0.60 %)"
        assert legend.inner_text().startswith("At50\n")
        page.mouse.move(0, 0)
        page.wait_for_function("document.querySelector('#curve-chart .idle') !== null")


def column(table: Locator, place: int) -> list[str]:
    return [
        row.locator("th, td").nth(place).inner_text().split("\n")[0]
        for row in table.locator("tbody tr").all()
        if row.is_visible()
    ]


def test_a_table_is_sorted_by_value_with_the_keyboard(browser: Browser, pages: Path) -> None:
    with browser.new_context() as context:
        page = visit(context, pages / "sweep-1.html").page
        table = page.locator("#points-table")
        assert column(table, 0) == ["40", "50", "60"]
        button = table.locator("thead button").nth(1)
        button.focus()
        assert button.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        assert column(table, 0) == ["60", "50", "40"]  # blocking falls with the limit
        page.keyboard.press("Enter")
        assert column(table, 0) == ["40", "50", "60"]
        assert table.locator("th[aria-sort]").all_inner_texts() == ["Blocking (of calls)"]


def test_rows_are_filtered_by_all_words(browser: Browser, pages: Path) -> None:
    with browser.new_context() as context:
        page = visit(context, pages / "sweep-3.html").page
        table = page.locator("#points-table")
        field = page.get_by_label("Only rows with")
        field.fill("exponential x1.5")
        assert column(table, 0) == ["40", "50", "60"]
        assert page.get_by_text("3 of 12 rows").is_visible()
        field.fill("")
        assert len(column(table, 0)) == 12


def test_drawing_and_chart_agree(browser: Browser, pages: Path) -> None:
    """The mark of the answer stands at the same part of the width in both."""
    with browser.new_context() as context:
        page = visit(context, pages / "plan.html").page
        area = page.locator("#curve-chart .u-over").bounding_box()
        canvas = page.locator("#curve-chart canvas")
        assert area is not None
        # The green line at 50 is the only one of its colour: find its column of pixels.
        left = canvas.evaluate(
            """canvas => {
              const tone = getComputedStyle(document.documentElement)
                .getPropertyValue("--tone-3").trim();
              const want = [1, 3, 5].map((at) => parseInt(tone.slice(at, at + 2), 16));
              const {data} = canvas.getContext("2d")
                .getImageData(0, 0, canvas.width, canvas.height);
              const counts = new Array(canvas.width).fill(0);
              for (let at = 0; at < data.length; at += 4)
                if (want.every((part, i) => Math.abs(data[at + i] - part) < 12))
                  counts[(at / 4) % canvas.width] += 1;
              return counts.indexOf(Math.max(...counts)) * canvas.clientWidth / canvas.width;
            }"""
        )
        box = canvas.bounding_box()
        assert box is not None
        part = (box["x"] + left - area["x"]) / area["width"]
        page.emulate_media(media="print")
        label = page.locator("#curve-chart .mark-label", has_text="50").get_attribute("style")
        assert label is not None
        drawn = float(label.removeprefix("left:").removesuffix("%")) / 100
        assert part == pytest.approx(drawn, abs=0.01)
