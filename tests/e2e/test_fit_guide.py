"""The guide from a call log to a scenario tells the truth: its commands print what it shows."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cdr.mappings import FIELDS, READY_MADE, parse_columns
from simulator.cli import app
from simulator.scenario_file import load_scenario

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "fit-your-call-log.md"
TEXT = GUIDE.read_text(encoding="utf-8")
SCRIPT, *_ = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
FRAGMENT, LATE = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
SHOWN: dict[str, str] = dict(
    re.findall(r"^\$ busyhour (.*)\n((?:(?!```|\$ ).*\n)*)", TEXT, re.MULTILINE)
)


def run(command: str) -> str:
    result = CliRunner().invoke(app, shlex.split(command))
    assert result.exit_code == 0, result.stderr
    return result.stdout


def check(shown: str, printed: str) -> None:
    """The lines shown were printed, next to each other but where it says ``...``."""
    at = 0
    for part in re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE):
        found = printed.find(part, at)
        assert found >= 0, part
        at = found + len(part)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the log was drawn."""
    directory = tmp_path_factory.mktemp("guide")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        (directory / "draw_calls.py").write_text(SCRIPT, encoding="utf-8")
        runpy.run_path("draw_calls.py")
    return directory


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


@pytest.fixture(scope="module")
def fitted(made: Path) -> str:
    """What the fit printed; its files are in the directory."""
    (command,) = (each for each in SHOWN if each.startswith("fit "))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        return run(command)


def test_the_fit_prints_what_is_shown(fitted: str) -> None:
    (shown,) = (printed for command, printed in SHOWN.items() if command.startswith("fit "))
    check(shown, fitted)


def test_the_scenario_has_the_lines_that_are_shown(fitted: str, here: Path) -> None:
    assert FRAGMENT in (here / "fitted.yaml").read_text(encoding="utf-8")


def test_the_replay_prints_what_is_shown(here: Path) -> None:
    assert "$ sed '$d' Master.csv > calls.csv" in TEXT
    log = (here / "Master.csv").read_text(encoding="utf-8")
    (here / "calls.csv").write_text(log[: log.rindex("\n") + 1], encoding="utf-8")
    (command,) = (each for each in SHOWN if each.startswith("replay "))
    check(SHOWN[command].replace("...\n", "", 1), run(command))


def test_the_late_ferries_can_be_written_into_the_scenario(fitted: str, here: Path) -> None:
    text = (here / "fitted.yaml").read_text(encoding="utf-8")
    (here / "late.yaml").write_text(f"{text}{LATE}", encoding="utf-8")
    scenario = load_scenario(here / "late.yaml")
    assert [tenant.tenant_id for tenant in scenario.tenants[-2:]] == ["late-tuesday", "late-friday"]


@pytest.mark.soak
def test_the_plans_print_what_is_shown(fitted: str, here: Path) -> None:
    text = (here / "fitted.yaml").read_text(encoding="utf-8")
    (here / "late.yaml").write_text(f"{text}{LATE}", encoding="utf-8")
    plans = [command for command in SHOWN if command.startswith("plan ")]
    assert len(plans) == 2
    for command in plans:
        check(SHOWN[command], run(command))


def test_columns_are_what_it_says_they_are() -> None:
    table = TEXT.partition("| `--columns` | reads |")[2].partition("\n\n")[0]
    named = re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)
    assert named[:3] == list(READY_MADE)
    for columns in (*named, *re.findall(r"`(start=9.*?)`", TEXT)):
        parse_columns(columns)
    section = TEXT.partition("## 2.")[2].partition("## 3.")[0]
    assert all(f"`{field}`" in section for field in FIELDS)


def test_every_option_it_names_is_one() -> None:
    known = set()
    for command in ("fit", "replay", "plan", "sweep"):
        known |= set(re.findall(r"--[a-z][a-z-]+", run(f"{command} --help")))
    assert set(re.findall(r"`(--[a-z][a-z-]+)", TEXT)) <= known


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))
def test_every_file_it_links_is_there_and_pictures_are_small(link: str) -> None:
    path = GUIDE.parent / link
    assert path.is_file()
    assert path.stat().st_size < 150_000
