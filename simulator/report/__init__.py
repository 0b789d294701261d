"""The documents of a run: results in, bytes out."""

from pathlib import Path

from simulator.report import html, junit, markdown, result_json
from simulator.result import RunResult


def write_reports(result: RunResult, directory: Path) -> None:
    """Write ``result.json``, ``junit.xml``, ``summary.md`` and ``report.html`` into a directory.

    The directory is made if need be. All four are rendered before the first is written.
    """
    documents = {
        "result.json": result_json.render(result),
        "junit.xml": junit.render(result),
        "summary.md": markdown.render(result),
        "report.html": html.render(result),
    }
    directory.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (directory / name).write_bytes(document)
