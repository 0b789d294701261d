"""The command: what it refuses, how it ends, and what it prints where."""

import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulator import cli, commands
from simulator.engines import Inconclusive
from simulator.engines.inproc import InprocEngine
from simulator.exit_codes import first_of
from simulator.results import Progress, RunOutcome
from simulator.trace import CallTrace

CALLS = """\
version: 1
name: {name}
seed: 1
duration: 10m
capacity: {{max_concurrent_calls: {limit}}}
tenants:
  acme:
    arrivals: {{type: exact_count, count: {count}}}
    hold: 30s
{rest}
"""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The only line of stdout, as JSON."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        document: dict[str, Any] = json.loads(self.out)
        return document


Command = Callable[..., Ended]


@pytest.fixture
def busyhour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs the command in this process, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("BUSYHOUR_ADMIN_TOKEN", "BUSYHOUR_CALL_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["busyhour", *map(str, arguments)])
        before = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            signal.signal(signal.SIGTERM, before)
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, said.out, said.err)

    return run


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, *, limit: int = 100, count: int = 50, rest: str = "") -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(CALLS.format(name=name, limit=limit, count=count, rest=rest))
        return path

    return write


WRONG = "expect: {total: {offered_calls: 49}}"
MISSED = 'thresholds: {blocking: ["value<0.1"]}'
OUTCOMES: dict[str, tuple[int, dict[str, Any]]] = {
    "fine": (0, {}),
    "wrong": (1, {"rest": WRONG}),
    "empty": (3, {"count": 0}),
    "missed": (99, {"limit": 1, "rest": MISSED}),
}


@pytest.mark.parametrize("engine", ["inproc", "kernel"])
@pytest.mark.parametrize("kind", OUTCOMES)
def test_each_verdict_has_its_exit_code(
    busyhour: Command, scenario: Callable[..., Path], kind: str, engine: str
) -> None:
    code, options = OUTCOMES[kind]
    ended = busyhour("run", scenario(kind, **options), "--engine", engine)
    assert ended.code == code
    assert ended.err == ""


@pytest.mark.parametrize(
    "kinds", list(itertools.permutations(OUTCOMES, 2)), ids=lambda kinds: "+".join(kinds)
)
def test_of_several_runs_the_gravest_code_counts(
    busyhour: Command, scenario: Callable[..., Path], kinds: tuple[str, str]
) -> None:
    paths = [scenario(kind, **OUTCOMES[kind][1]) for kind in kinds]
    codes = {OUTCOMES[kind][0] for kind in kinds}
    ended = busyhour("run", *paths, "--engine", "inproc", "--json")
    assert ended.code == next(code for code in (130, 2, 1, 3, 99, 0) if code in codes)
    names = [json.loads(line)["scenario"]["name"] for line in ended.out.splitlines()]
    assert names == list(kinds)


def test_the_order_of_gravity() -> None:
    order = [130, 2, 1, 3, 99, 0]
    for size in range(1, 4):
        for codes in itertools.permutations(order, size):
            assert first_of(codes) == min(codes, key=order.index)
    assert first_of([]) == 0


def test_json_is_one_document_and_nothing_else(
    busyhour: Command, scenario: Callable[..., Path], tmp_path: Path
) -> None:
    ended = busyhour("run", scenario("fine"), "--engine", "inproc", "--json", "--out", "there")
    document = ended.document
    assert document["verdict"] == "pass"
    assert document["engine"] == "inproc"
    assert document["observed"]["total"]["offered_calls"] == 50
    assert set(document["observed"]["tenants"]) == {"acme", "_unknown"}
    assert document["observed"] == document["expected"]
    latest = tmp_path / "there" / "fine" / "latest"
    assert json.loads((latest / "result.json").read_text()) == document


def test_reports_have_a_directory_each_and_latest_is_the_newest(
    busyhour: Command, scenario: Callable[..., Path], tmp_path: Path
) -> None:
    for seed in (1, 2, 3):
        assert busyhour("run", scenario("fine"), "--engine", "inproc", "--seed", seed).code == 0
    parent = tmp_path / "reports" / "fine"
    runs = {path for path in parent.iterdir() if path.name != "latest"}
    assert len(runs) == 3
    assert (parent / "latest").resolve() in runs
    newest = json.loads((parent / "latest" / "result.json").read_text())
    assert newest["scenario"]["seed"] == 3


def test_where_there_are_no_links_a_note_names_the_newest(
    busyhour: Command,
    scenario: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert busyhour("run", scenario("fine"), "--engine", "inproc").code == 0
    parent = tmp_path / "reports" / "fine"
    named = (parent / "latest.txt").read_text().strip()
    assert (parent / named / "report.html").is_file()


def test_the_table_ends_with_the_verdict(busyhour: Command, scenario: Callable[..., Path]) -> None:
    ended = busyhour("run", scenario("wrong", rest=WRONG), "--engine", "inproc")
    lines = ended.out.splitlines()
    assert lines[-1].startswith("FAIL wrong: ")
    assert any("report.html" in line for line in lines)
    assert any("total.offered_calls" in line and "49" in line and "50" in line for line in lines)


def test_seed_and_overrides_reach_the_scenario(
    busyhour: Command, scenario: Callable[..., Path]
) -> None:
    ended = busyhour(
        "run", scenario("fine"), "--engine", "inproc", "--json", "--seed", 9,
        "--set", "tenants.acme.arrivals.count=7", "--set", "tenants.acme.hold=20m",
        "--set", "capacity.max_concurrent_calls=1",
    )  # fmt: skip
    document = ended.document
    assert document["scenario"]["seed"] == 9
    assert document["observed"]["total"]["rejected_calls_capacity"] == 6
    assert "--set tenants.acme.arrivals.count=7" in document["command"]


def test_one_bad_file_stops_all_before_the_first_runs(
    busyhour: Command, scenario: Callable[..., Path], tmp_path: Path
) -> None:
    bad = scenario("bad", rest="colour: red")
    ended = busyhour("run", scenario("fine"), bad, tmp_path / "absent.yaml", "--engine", "inproc")
    assert ended.code == 2
    assert ended.out == ""
    assert "bad.yaml:" in ended.err
    assert "colour" in ended.err
    assert "absent.yaml" in ended.err
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run"], "SCENARIO"),
        (["run", "x.yaml", "--engine", "steam"], "steam"),
        (["run", "x.yaml", "--configure"], "--target"),
        (["run", "x.yaml", "--target", "http://h", "--engine", "kernel"], "--engine"),
        (["run", "x.yaml", "--target", "http://h"], "BUSYHOUR_ADMIN_TOKEN"),
        (["run", "x.yaml", "--target", "h:80"], "http://HOST:PORT"),
        (["run", "x.yaml", "--target", "http://[x"], "http://HOST:PORT"),
        (["run", "x.yaml", "--seed", "-1"], "--seed"),
        (["fly"], "fly"),
        (["validate"], "SCENARIO"),
        (["replay", "x.csv"], "--capacity"),
        (["replay", "x.csv", "--capacity", "1", "--columns", "start"], "asterisk, freeswitch"),
        (["replay", "x.csv", "--capacity", "1", "--tenant-cap", "a=x"], "--tenant-cap"),
        (["replay", "x.csv", "--capacity", "1", "--reserve", "a=1", "--reserve", "a=2"], "twice"),
        (["serve", "--port", "70000"], "--port"),
    ],
)
def test_usage_errors_name_what_is_wrong(
    busyhour: Command, arguments: list[str], named: str
) -> None:
    ended = busyhour(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert named in ended.err
    assert "Traceback" not in ended.err


class Failing(InprocEngine):
    """Raises what it is told to instead of playing."""

    error: BaseException = RuntimeError("unset")

    def run(self, trace: CallTrace, progress: Progress | None = None) -> RunOutcome:
        raise self.error


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    engine = Failing()
    engine.error = error
    monkeypatch.setattr(commands.EngineChoice, "engine", lambda _: engine)


def test_an_inconclusive_run_still_prints_its_document_and_the_others_run(
    busyhour: Command, scenario: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, Inconclusive("nobody is at home"))
    ended = busyhour("run", scenario("a"), scenario("b"), "--json")
    assert ended.code == 3
    documents = [json.loads(line) for line in ended.out.splitlines()]
    assert [document["scenario"]["name"] for document in documents] == ["a", "b"]
    assert all(document["verdict"] == "inconclusive" for document in documents)
    assert documents[0]["reason"] == "nobody is at home"
    assert "nobody is at home" in ended.err


def test_an_interruption_ends_all_runs(
    busyhour: Command, scenario: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    ended = busyhour("run", scenario("a"), scenario("b"), "--json")
    assert ended.code == 130
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_a_fault_of_the_program_is_no_verdict(
    busyhour: Command, scenario: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ZeroDivisionError("a bug"))
    ended = busyhour("run", scenario("a"))
    assert ended.code == 3
    assert "ZeroDivisionError" in ended.err


def test_reports_that_cannot_be_written_are_a_usage_error(
    busyhour: Command, scenario: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file, not a directory")
    ended = busyhour("run", scenario("fine"), "--engine", "inproc", "--out", "taken")
    assert ended.code == 2
    # Said before the run, not after it.
    assert ended.err.startswith("busyhour: no reports can be written: ")
    assert ended.err.endswith("taken is not a directory\n")
    assert "Traceback" not in ended.err


def test_validate_says_of_each_file_whether_it_can_be_run(
    busyhour: Command, scenario: Callable[..., Path]
) -> None:
    good, bad = scenario("good"), scenario("bad", rest="colour: red")
    assert busyhour("validate", good).code == 0
    ended = busyhour("validate", good, bad)
    assert ended.code == 2
    assert "good.yaml: valid" in ended.out
    assert "bad.yaml:" in ended.err


def test_schema_is_json_schema(busyhour: Command) -> None:
    ended = busyhour("schema")
    assert ended.code == 0
    assert "json-schema.org" in json.loads(ended.out)["$schema"]


def test_the_expected_block_pasted_into_the_scenario_passes(
    busyhour: Command, scenario: Callable[..., Path]
) -> None:
    limits = {"limit": 2, "count": 80}
    block = busyhour("expect", scenario("round", **limits))
    assert block.code == 0
    assert block.out.startswith("expect:\n")
    ended = busyhour(
        "run", scenario("round", **limits, rest=block.out), "--engine", "inproc", "--json"
    )
    assert ended.code == 0
    own = [check for check in ended.document["expectations"] if check["kind"] == "scenario"]
    assert len(own) == 3 * 15  # the total, acme and _unknown

    off_by_one = block.out.replace("offered_calls: 80", "offered_calls: 81", 1)
    assert (
        busyhour("run", scenario("off", **limits, rest=off_by_one), "--engine", "inproc").code == 1
    )


def test_broken_pipe_is_quiet(
    busyhour: Command, scenario: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []

    def nobody_reads(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(commands, "validate", nobody_reads)
    monkeypatch.setattr(os, "dup2", lambda _from, to: closed.append(to))
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)
    ended = busyhour("validate", scenario("fine"))
    assert ended.code == 141
    assert ended.err == ""
    assert closed == [1]
