"""The guide to the history format: its examples are run, and give what it prints."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app

GUIDE = Path(__file__).parents[2] / "docs" / "history-format.md"
_BLOCK = r"<!-- {kind}: ([a-z-]+) -->\n```(?:json)?\n(.*?)```"


def blocks(kind: str) -> dict[str, str]:
    text = GUIDE.read_text(encoding="utf-8")
    return dict(re.findall(_BLOCK.format(kind=kind), text, flags=re.DOTALL))


@pytest.mark.parametrize(("name", "code"), [("two-admitted", 1), ("one-ended", 0)])
def test_an_example_of_the_guide_gives_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"{name}.jsonl").write_text(blocks("history")[name], encoding="utf-8")
    result = CliRunner().invoke(app, ["check", f"{name}.jsonl"])
    assert result.output == blocks("output")[name]
    assert result.exit_code == code


def test_every_example_is_run() -> None:
    assert set(blocks("history")) == set(blocks("output")) == {"two-admitted", "one-ended"}
