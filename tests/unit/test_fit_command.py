"""``busyhour fit``: what it prints and writes, what it refuses, and that nothing is half done."""

import html
import json
import os
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from simulator.cli import app
from simulator.scenario_file import load_scenario
from tests.page_source import Page as Source

Fit = Callable[..., tuple[int, str, str]]
OWN = ("--columns", "start=t,hold=d,tenant=who")


def calls_csv(seed: int = 1, calls: int = 300) -> str:
    """Two tenants' calls at random in two hours; one of the lines is broken."""
    rng = np.random.default_rng(seed)
    starts = np.sort(rng.uniform(0, 7200, calls))
    lines = [
        f"{'beta' if rng.random() < 0.3 else 'acme'},{at:.3f},{rng.exponential(90):.3f}\n"
        for at in starts
    ]
    return "who,t,d\n" + "".join(lines) + "acme,7201,soon\n"


@pytest.fixture
def fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fit:
    """Runs the command in a directory with a log in it; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls.csv").write_text(calls_csv())

    def run(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["fit", *arguments])
        return result.exit_code, result.stdout, result.stderr

    return run


def test_it_prints_what_was_read_and_fitted_and_what_is_lost(fit: Fit, tmp_path: Path) -> None:
    code, out, err = fit("calls.csv", *OWN, "-o", "fitted.yaml", "--replications", "3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("300 calls of 2 tenants from 301 lines of calls.csv, second ")
    assert lines[1] == "  answered 100 %"
    assert lines[2] == "  1 line of 301 is broken and left out (0.332 %):"
    assert lines[3] == "    calls.csv:302: d: 'soon' is not a number like 12 or 12.5"
    assert lines[4].startswith("fitted: ")
    assert lines[5].startswith("  acme: ")
    assert lines[6].startswith("  beta: ")
    assert "the log against 3 runs of the scenario on " in out
    assert lines[-1] == "scenario: fitted.yaml"
    assert max(map(len, lines)) <= 130
    scenario = load_scenario(tmp_path / "fitted.yaml")
    assert [each.tenant_id for each in scenario.tenants] == ["acme", "beta"]
    text = (tmp_path / "fitted.yaml").read_text()
    assert "1 broken line was left out." in text
    assert sorted(os.listdir(tmp_path)) == ["calls.csv", "fitted.yaml"]


def test_json_is_one_object_with_everything_in_it(fit: Fit) -> None:
    code, out, err = fit(
        "calls.csv", *OWN, "-o", "fitted.yaml", "--html", "fit.html", "--replications", "3",
        "--capacity", "5", "--blocking", "0.05", "--json",
    )  # fmt: skip
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["scenario"] == "fitted.yaml"
    assert document["page"] == "fit.html"
    log = document["log"]
    assert (log["calls"], log["broken_lines"]) == (300, 1)
    assert log["ends"]["completed"] == 300
    assert log["files"][0]["lines"] == 301
    fitted = document["fitted"]
    assert fitted["blocking"] == 0.05
    assert sum(each["offers"] for each in fitted["tenants"].values()) == 300
    compared = document["comparison"]
    assert compared["max_concurrent_calls"] == 5
    assert compared["measures"]["offered_calls"]["log"] == 300
    for each in compared["measures"].values():
        assert len(each["runs"]) == 3
        assert each["low"] <= each["mean"] <= each["high"]


def test_the_same_command_writes_the_same_files(fit: Fit, tmp_path: Path) -> None:
    """The one that the page names, with threads and without."""
    arguments = (
        "calls.csv", *OWN, "-o", "fitted.yaml", "--html", "fit.html", "--force", "--cycle", "day",
        "--replications", "3", "--capacity", "4", "--seed", "9", "--lengths", "ms", "--blocking",
        "0.02", "--max-broken", "10%", "--max-tenants", "4",
    )  # fmt: skip
    assert fit(*arguments)[0] == 0
    page = (tmp_path / "fit.html").read_text("utf-8")
    scenario = (tmp_path / "fitted.yaml").read_text("utf-8")
    said = re.search(r"<dt>Command</dt><dd><code>(.*?)</code>", page)
    assert said is not None
    program, command, *again = shlex.split(html.unescape(said[1]))
    assert (program, command) == ("busyhour", "fit")
    assert fit(*again, "--workers", "1")[0] == 0
    assert (tmp_path / "fit.html").read_text("utf-8") == page
    assert (tmp_path / "fitted.yaml").read_text("utf-8") == scenario
    assert Source(page).open == []
    assert load_scenario(tmp_path / "fitted.yaml").seed == 9


def test_without_the_comparison_nothing_is_played(fit: Fit) -> None:
    code, out, _ = fit("calls.csv", *OWN, "-o", "f.yaml", "--no-compare", "--html", "f.html")
    assert code == 0
    assert "the log against" not in out
    assert "What the model loses" not in Path("f.html").read_text("utf-8")
    code, out, _ = fit("calls.csv", *OWN, "-o", "f.yaml", "--force", "--no-compare", "--json")
    assert json.loads(out)["comparison"] is None


def test_a_file_that_is_there_is_only_written_over_by_force(fit: Fit, tmp_path: Path) -> None:
    (tmp_path / "fitted.yaml").write_text("mine")
    refused = fit("calls.csv", *OWN, "-o", "fitted.yaml", "--no-compare")
    assert refused == (
        2, "", "busyhour: --output: fitted.yaml is there already; --force writes over it\n"
    )  # fmt: skip
    assert (tmp_path / "fitted.yaml").read_text() == "mine"
    assert fit("calls.csv", *OWN, "-o", "fitted.yaml", "--no-compare", "--force")[0] == 0
    assert (tmp_path / "fitted.yaml").read_text().startswith("# Fitted by busyhour")


def test_several_files_are_one_log(fit: Fit, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(calls_csv(seed=2))
    code, out, _ = fit("calls.csv", "more.csv", *OWN, "-o", "f.yaml", "--no-compare")
    assert code == 0
    assert out.startswith("600 calls of 2 tenants from 602 lines of calls.csv, more.csv, ")
    text = (tmp_path / "f.yaml").read_text()
    assert text.count("SHA-256") == 2
    assert "busyhour fit calls.csv more.csv --columns" in text


WRONG = {
    "one.csv": "t,d\n5,10\n",
    "same.csv": "t,d\n5,10\n5,20\n",
    "negative.csv": "t,d\n1,10\n2,-10\n",
    "units.csv": "t,d\n1,3600000\n1.001,3600000\n",
    "empty.csv": "",
    "header.csv": "t,d\n",
    "two.csv": "t,d\n1,10\n2,20\n",
}
REFUSED: Sequence[tuple[Sequence[str], str]] = (
    (("none.csv",), "none.csv: cannot be read: No such file or directory"),
    ((".",), ".: cannot be read: Is a directory"),
    (("binary.csv",), "binary.csv: is no UTF-8 text; save the calls as CSV in UTF-8"),
    (("empty.csv",), "empty.csv: is empty"),
    (("header.csv",), "header.csv: has no calls below its header"),
    (("one.csv",), "one.csv: has 1 call at a single instant: how often calls come is told by"),
    (("same.csv",), "same.csv: has 2 calls at a single instant"),
    (("negative.csv",), "negative.csv:3: d: '-10' is negative"),
    (("units.csv",), "are its lengths in another unit (--lengths), or its times (--times)?"),
    (("two.csv", "--columns", "start=x,hold=d"), "two.csv:1: 'x' is not a column (the header"),
    (("two.csv", "--columns", "start=9,hold=2"), "two.csv:1: has 2 fields, and --columns names"),
    (("two.csv", "--columns", "twilio"), "two.csv:1: has no column of twilio that says when"),
    (("two.csv", "--columns", "asterix"), "--columns: 'asterix' is no mapping; did you mean"),
    (("two.csv", "--timezone", "Mars/Base"), "--timezone: 'Mars/Base' is no time zone; write it"),
    (("two.csv", "--times", "stamps"), "two.csv:2: t: '1' is not an instant like 2026-03-01"),
    (("two.csv", "--encoding", "utf-16"), "--encoding: 'utf-16' is none that a log can be read in"),
    (("two.csv", "--tenant", "\n"), "--tenant: a tenant has a name of 1 to 200 characters"),
    (("two.csv", "--blocking", "2"), "--blocking is 2; write a share like 0.01"),
    (("two.csv", "--max-broken", "some"), "--max-broken: 'some' is no share of lines; write it"),
    (("two.csv", "two.csv"), "two.csv is given twice; its calls would count double"),
    (("two.csv", "-o", "no/f.yaml"), "--output: there is no directory no"),
    (("two.csv", "-o", "two.csv", "--force"), "--output: two.csv is the log itself"),
    (("two.csv", "--html", "two.csv"), "--html: two.csv is the log itself"),
    (("two.csv", "--html", "f.yaml"), "--html and --output name the same file"),
    (("two.csv", "--html", "."), "--html: . is a directory"),
    (("two.csv", "--replications", "1"), "--replications"),
    (("two.csv", "--cycle", "month"), "--cycle"),
)


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=[" ".join(a) for a, _ in REFUSED])
def test_what_is_wrong_is_said_and_nothing_is_written(
    fit: Fit, tmp_path: Path, arguments: Sequence[str], said: str
) -> None:
    for name, text in WRONG.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.csv").write_bytes(np.random.default_rng(1).bytes(5000))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    usual = {"--columns": "start=t,hold=d", "-o": "f.yaml"}
    more = [part for pair in usual.items() if pair[0] not in arguments for part in pair]
    code, out, err = fit(*arguments, *more)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_page_that_cannot_be_written_leaves_no_scenario(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    (tmp_path / "fitted.yaml").write_text("mine")
    monkeypatch.setattr(Path, "write_bytes", full)
    code, out, err = fit(
        "calls.csv", *OWN, "-o", "fitted.yaml", "--html", "fit.html", "--force", "--no-compare"
    )
    assert (code, out) == (2, "")
    assert "No space left on device" in err
    assert (tmp_path / "fitted.yaml").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["calls.csv", "fitted.yaml"]


def test_an_interruption_leaves_nothing_behind(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("simulator.fit.command.compare_log", interrupted)
    code, out, _ = fit("calls.csv", *OWN, "-o", "fitted.yaml")
    assert (code, out) == (130, "")
    assert sorted(os.listdir(tmp_path)) == ["calls.csv"]
