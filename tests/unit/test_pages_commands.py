"""``--html`` of plan, sweep and policies: the page is whole and says how to make it again."""

import html
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app
from simulator.report.pages import Answer, Page, command_text, write
from tests.page_source import Page as Source

SCENARIO = """\
version: 1
name: office
seed: 5
duration: 30m
warm_up: 5m
capacity: {max_concurrent_calls: 9}
tenants:
  acme: {arrivals: {type: poisson, erlangs: 3}, hold: {type: exponential, mean: 30s}}
  beta: {arrivals: {type: poisson, erlangs: 2}, hold: {type: exponential, mean: 30s}}
"""
COMMANDS = {
    "plan": ("--target", "blocking<0.05", "--max-replications", "4", "--set", "duration=20m"),
    "sweep": ("--vary", "capacity.max_concurrent_calls=8,10", "--replications", "3"),
    "policies": ("--target", "blocking<0.1", "--replications", "3", "--overload", "none"),
}


@pytest.fixture
def office(tmp_path: Path) -> Path:
    path = tmp_path / "office of two.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_is_written_and_what_is_printed_stays(
    command: str, office: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("an old one", encoding="utf-8")
    plain = invoke(command, str(office), *COMMANDS[command])
    with_page = invoke(command, str(office), *COMMANDS[command], "--html", str(page))
    assert plain == with_page
    assert plain[0] == 0
    source = page.read_text("utf-8")
    assert source.startswith("<!doctype html>")
    assert Source(source).open == []
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_on_the_page_makes_the_same_page(
    command: str, office: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert invoke(command, str(office), *COMMANDS[command], "--html", str(page))[0] == 0
    first = page.read_bytes()
    said = re.search(r"<dt>Command</dt><dd><code>(.*?)</code>", first.decode("utf-8"))
    assert said is not None
    program, *arguments = shlex.split(html.unescape(said[1]))
    assert program == "busyhour"
    page.unlink()
    assert invoke(*arguments)[0] == 0
    assert page.read_bytes() == first


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(
    command: str, tmp_path: Path
) -> None:
    # There is no scenario: that would be found out first if the place were looked at last.
    for place, said in (
        (tmp_path / "nowhere" / "page.html", f"there is no directory {tmp_path / 'nowhere'}"),
        (tmp_path, "is a directory"),
    ):
        code, printed, complaints = invoke(
            command, str(tmp_path / "none.yaml"), *COMMANDS[command], "--html", str(place)
        )
        assert (code, printed) == (2, "")
        assert f"--html: {said}" in complaints or said in complaints


def test_a_page_that_cannot_be_finished_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.html"
    path.write_text("an old one", encoding="utf-8")

    def full(_self: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    page = Page("kind", "title", (), (), answer=Answer("1", "slot", "for one"))
    with pytest.raises(OSError, match="No space left"):
        write(page, path)
    assert path.read_text("utf-8") == "an old one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_command_is_written_so_that_a_shell_reads_it_back() -> None:
    text = command_text(
        "plan",
        Path("an office.yaml"),
        (
            ("--target", "blocking<0.01"), ("--per-tenant", True), ("--json", False),
            ("--seed", None), ("--horizon", 0), ("--set", ("a=1", "b=$HOME")), ("--vary", ()),
        ),
    )  # fmt: skip
    assert shlex.split(text) == [
        "busyhour", "plan", "an office.yaml", "--target", "blocking<0.01", "--per-tenant",
        "--horizon", "0", "--set", "a=1", "--set", "b=$HOME",
    ]  # fmt: skip
