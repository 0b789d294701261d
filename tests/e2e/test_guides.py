"""The guides tell the truth: their commands, options, files and pictures exist, and what the ten
minutes' guide prints is what comes out."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from simulator.cli import app

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
SIZING = (ROOT / "docs" / "guides" / "size-your-platform.md").read_text(encoding="utf-8")
MOST_PICTURE_BYTES = 150_000


def consoles(text: str) -> list[str]:
    return re.findall(r"```console\n(.*?)```", text, re.DOTALL)


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every command of the console blocks, continued lines joined, and the lines below it."""
    for block in consoles(text):
        lines = block.replace("\\\n", " ").splitlines()
        begins = [place for place, line in enumerate(lines) if line.startswith("$ ")]
        for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
            yield lines[begin].removeprefix("$ "), lines[begin + 1 : end]


def named_commands() -> list[tuple[str, list[str]]]:
    """Commands of busyhour in the README and all guides, and the options each is given."""
    found: dict[tuple[str, ...], set[str]] = {}
    for guide in (ROOT / "README.md", *GUIDES):
        for line, _ in steps(guide.read_text(encoding="utf-8")):
            for words in commands_of(line):
                path, rest = path_of(words)
                options = {word.partition("=")[0] for word in rest if word.startswith("--")}
                found.setdefault(path, set()).update(options)
    return [(" ".join(path), sorted(options)) for path, options in sorted(found.items())]


def commands_of(line: str) -> Iterator[list[str]]:
    """What follows ``busyhour`` in each command of a line of a shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|&;<>()"):
            names = [place for place, each in enumerate(words) if each.split("/")[-1] == "busyhour"]
            if names:
                yield words[names[0] + 1 :]
            words = []
        else:
            words.append(word)


def path_of(words: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """The names of a command and those of its group, then its arguments."""
    command: Any = typer.main.get_command(app)
    path: list[str] = []
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words[0]]
        path.append(words[0])
        words = words[1:]
    return tuple(path), words


def options_of(path: str) -> set[str]:
    command: Any = typer.main.get_command(app)
    for name in path.split():
        command = command.commands[name]
    return {text for each in command.params for text in (*each.opts, *each.secondary_opts)}


@pytest.mark.parametrize(("command", "options"), named_commands())
def test_every_command_and_option_exists(command: str, options: list[str]) -> None:
    assert command, "a command that is not known"
    assert set(options) - options_of(command) - {"--help"} == set()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_nothing_is_left_to_fill_in_and_links_lead_somewhere(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    assert "<!--" not in text
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (guide.parent / link).exists(), link


def test_pictures_are_small() -> None:
    for picture in re.findall(r"!\[[^]]+\]\(([^)]+)\)", SIZING):
        assert (ROOT / "docs" / "guides" / picture).stat().st_size < MOST_PICTURE_BYTES, picture


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = re.search(r"```yaml\n(.*?)```", SIZING, re.DOTALL)
    assert found is not None
    (tmp_path / "harbour.yaml").write_text(found.group(1), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", ["erlang", "validate"])
def test_what_takes_no_time_prints_what_the_guide_says(command: str, harbour: Path) -> None:
    del harbour
    found = [each for each in steps(SIZING) if each[0].startswith(f"busyhour {command} ")]
    assert found
    for line, printed in found:
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        assert result.exit_code == 0
        assert agrees(printed, result.stdout.splitlines())


def test_figures_in_bold_are_those_printed() -> None:
    printed = "\n".join(consoles(SIZING))
    figures = re.findall(r"\*\*(\d[\d,]*)\*\*", SIZING)
    assert figures
    for figure in figures:
        assert re.search(rf"\b{figure}\b", printed), figure


def agrees(said: list[str], printed: list[str]) -> bool:
    """Whether lines are those a guide says; its ``...`` stands for any lines or end of a line."""
    parts = []
    for line in said:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        elif line.endswith("..."):
            parts.append(re.escape(line.removesuffix("...")) + r".*\n")
        else:
            parts.append(re.escape(line) + r"[ ]*\n")
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in printed)) is not None


@pytest.mark.parametrize(
    ("said", "printed", "right"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        (["a", "..."], ["a", "b", "c"], True),
        (["...", "c"], ["a", "b", "c"], True),
        (["...", "d"], ["a", "b", "c"], False),
        (["in ...", "b"], ["in 4 s", "b"], True),
        (["a.c"], ["abc"], False),
    ],
)
def test_what_is_left_out_is_left_out(said: list[str], printed: list[str], right: bool) -> None:
    assert agrees(said, printed) is right


def typed(command: str, directory: Path) -> list[str]:
    """What a command of a shell prints, a line each; it must not fail."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        shell=True,
        cwd=directory,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.soak
def test_the_ten_minutes_can_be_followed_to_the_letter(harbour: Path) -> None:
    """Every command in order, in one directory, where a log of calls lies as well."""
    log = [
        "started,talked,customer",
        *(f"{at},{90 + at % 7 * 30},acme" for at in range(0, 9000, 9)),
    ]
    (harbour / "calls.csv").write_text("\n".join(log) + "\n", encoding="utf-8")
    for command, said in steps(SIZING):
        if command.startswith(("busyhour ", "python ")):
            printed = typed(command, harbour)
            assert not said or agrees(said, printed), "\n".join(printed)
    for name in ("plan.html", "sweep.html", "policies.html", "fit.html", "fitted.yaml"):
        assert (harbour / name).is_file(), name


@pytest.mark.soak
def test_the_tables_of_sharing_policies_are_those_printed() -> None:
    text = (ROOT / "docs" / "guides" / "sharing-policies.md").read_text(encoding="utf-8")
    printed: set[str] = set()
    for command, said in steps(text):
        lines = typed(command, ROOT)
        assert not said or agrees(said, lines), "\n".join(lines)
        printed.update(line.rstrip() for line in lines)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    shown = [line.rstrip() for kind, block in blocks if not kind for line in block.splitlines()]
    assert len(shown) > 40
    assert [line for line in shown if line not in printed and line] == []
