"""The README tells the truth: its scenario runs as it stands, its commands and links exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def busyhour(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulator.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        timeout=120,
    )


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    found = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert found is not None
    path = tmp_path / "mine.yaml"
    path.write_text(found.group(1), encoding="utf-8")
    return path


def test_the_scenario_of_the_first_five_minutes_passes(mine: Path) -> None:
    assert busyhour("validate", mine.name, cwd=mine.parent).returncode == 0
    run = busyhour("run", mine.name, "--engine", "kernel", cwd=mine.parent)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].startswith("PASS mine")
    assert (mine.parent / "reports" / "mine" / "latest" / "report.html").is_file()


def test_the_printed_expectations_hold_when_pasted(mine: Path) -> None:
    block = busyhour("expect", mine.name, cwd=mine.parent)
    assert block.returncode == 0, block.stderr
    with mine.open("a", encoding="utf-8") as file:
        file.write("\n" + block.stdout)
    run = busyhour("run", mine.name, "--engine", "inproc", cwd=mine.parent)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("command", sorted(set(re.findall(r"\.venv/bin/busyhour (\w+)", README))))
def test_every_command_it_names_exists(command: str, tmp_path: Path) -> None:
    assert busyhour(command, "--help", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_every_file_it_links_exists(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_selftest_count_it_gives_is_right() -> None:
    from simulator.selftest import GALLERY

    for count in re.findall(r"(\d+) broken controllers", README):
        assert int(count) == len(GALLERY)
