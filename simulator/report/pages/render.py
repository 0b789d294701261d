"""Pages as bytes and as files."""

import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from simulator.report.frame import data_of, environment, source_of, text_of, verbatim
from simulator.report.pages.blocks import (
    Beside,
    Block,
    Chart,
    Folded,
    Page,
)
from simulator.report.pages.drawing import (
    bar_rows,
    draw,
    in_numbers,
    mark_key,
    mark_labels,
    script_data,
)


def render(page: Page) -> bytes:
    """The page, as UTF-8; it needs nothing but itself. Raises ValueError for two equal keys."""
    charts = [block for section in page.sections for block in _charts(section.blocks)]
    keys = [chart.key for chart in charts] + [section.key for section in page.sections]
    if len(set(keys)) != len(keys):
        raise ValueError(f"keys must be different: {', '.join(keys)}")
    chart_script, page_script = text_of("vendor/uPlot.iife.min.js"), text_of("pages/pages.js")
    data = json.dumps(
        {chart.key: script_data(chart) for chart in charts},
        separators=(",", ":"),
        allow_nan=False,
    )
    styles = ("vendor/uPlot.min.css", "page.css", "pages/pages.css")
    source: str = _template().render(
        page=page,
        styles=verbatim("".join(map(text_of, styles))),
        chart_script=verbatim(chart_script),
        chart_licence=verbatim("uPlot\n" + text_of("vendor/LICENSE").strip()),
        page_script=verbatim(page_script),
        script_sources=verbatim(f"{source_of(chart_script)} {source_of(page_script)}"),
        data=data_of(data),
        has_charts=bool(charts),
    )
    return source.lstrip().encode("utf-8", "backslashreplace")


def write(page: Page, path: Path) -> None:
    """Write the page so that the file is the old one or the whole new one. Raises OSError."""
    source = render(page)
    part = path.with_name(f".{path.name}-{os.getpid()}.part")
    try:
        part.write_bytes(source)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@cache
def _template() -> Any:
    made = environment()
    made.globals.update(
        draw=draw,
        mark_labels=mark_labels,
        mark_key=mark_key,
        in_numbers=in_numbers,
        bar_rows=bar_rows,
        stripped=lambda table: replace(table, caption=""),
    )
    return made.get_template("pages/page.html.j2")


def _charts(blocks: tuple[Block, ...]) -> list[Chart]:
    found: list[Chart] = []
    for block in blocks:
        if isinstance(block, Chart):
            found.append(block)
        elif isinstance(block, Folded | Beside):
            found += _charts(block.blocks)
    return found
