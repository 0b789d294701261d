"""The documents of a small run, byte for byte, as they were read through and agreed on.

To change them on purpose: delete the file, run this test once (it writes the new file and fails),
and read the difference before committing it.
"""

from pathlib import Path

import pytest

from simulator.report import junit, markdown, result_json
from tests.report_samples import failing, nothing_to_judge, passing

AGREED = Path(__file__).parent / "report"
RENDER = {"json": result_json.render, "xml": junit.render, "md": markdown.render}
RUNS = {"passing": passing, "failing": failing, "nothing": nothing_to_judge}


@pytest.mark.parametrize("kind", RENDER)
@pytest.mark.parametrize("run", RUNS)
def test_document_is_as_agreed(run: str, kind: str) -> None:
    path = AGREED / f"{run}.{kind}"
    document = RENDER[kind](RUNS[run]())
    if not path.exists():
        path.write_bytes(document)
        pytest.fail(f"{path.name} was not there: written now, to be read before it is committed")
    assert document.decode("utf-8") == path.read_text("utf-8")
