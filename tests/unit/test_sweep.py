"""Sweeps: every point as if it stood alone, whoever does the work and in what order."""

import csv
import json
import pickle
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app
from simulator.planning.replication import Played
from simulator.planning.sweep import Sweep, grid_points, sweep
from simulator.planning.tasks import Scheduler, Step, Task, on_threads, run_task
from simulator.planning.vary import axes_of
from simulator.replicate import replicate
from simulator.scenario_file.load import ScenarioSource

SCENARIO = """\
version: 1
name: office
seed: 9
duration: 30m
warm_up: 3m
capacity: {max_concurrent_calls: 10}
tenants:
  acme:
    max_concurrent_calls: 7
    arrivals: {type: poisson, rate: 8/m}
    hold: {type: exponential, mean: 40s}
  beta:
    reserved_calls: 1
    arrivals: {type: poisson, rate: 5/m}
    hold: {type: exponential, mean: 40s}
"""
REDIAL = "tenants.beta.redial={probability: 0.6, delay: 10s, max_attempts: 3}"
VARY = (
    "capacity.max_concurrent_calls=8..12:2",
    "tenants.acme.max_concurrent_calls=7,unlimited",
    "tenants.*.arrivals.rate=x0.9,x1",
)


@pytest.fixture
def office(tmp_path: Path) -> Path:
    path = tmp_path / "office.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def quiet(_done: int, _total: int) -> None:
    """Tells nobody."""


def swept(office: Path, scheduler: Scheduler, *overrides: str) -> Sweep:
    source = ScenarioSource(office)
    axes = axes_of(VARY, source, overrides)
    points = grid_points(source, axes, overrides, None)
    return sweep(points, [axis.key for axis in axes], 3, scheduler, quiet, interval_us=600_000_000)


def backwards_and_elsewhere(tasks: Sequence[Task], step: Step) -> Iterator[tuple[Played, ...]]:
    """Does the last task first, each as if it had come over a wire."""
    done = {
        place: pickle.loads(pickle.dumps(run_task(pickle.loads(pickle.dumps(tasks[place])))))
        for place in reversed(range(len(tasks)))
    }
    return iter([done[place] for place in range(len(tasks))])


@pytest.mark.parametrize("overrides", [(), (REDIAL,)], ids=["plain", "redials"])
def test_results_do_not_depend_on_who_does_the_work(
    office: Path, overrides: tuple[str, ...]
) -> None:
    alone = swept(office, on_threads(1), *overrides)
    assert swept(office, on_threads(4), *overrides) == alone
    assert swept(office, backwards_and_elsewhere, *overrides) == alone


@pytest.mark.parametrize("overrides", [(), (REDIAL,)], ids=["plain", "redials"])
def test_every_point_is_what_it_is_by_itself(office: Path, overrides: tuple[str, ...]) -> None:
    found = swept(office, on_threads(2), *overrides)
    assert len(found.points) == 12
    source = ScenarioSource(office)
    for point in found.points:
        scenario = source.scenario([*overrides, *point.overrides])
        runs = replicate(scenario, 3)
        figures = point.figures
        assert figures.max_concurrent_calls == int(point.values[0])
        assert figures.offered_calls == pytest.approx(sum(run.offered_calls for run in runs) / 3)
        assert figures.carried_erlangs == pytest.approx(
            sum(run.carried_erlangs for run in runs) / 3
        )
        assert figures.peak_in_use == max(run.peak_in_use for run in runs)
        lost = sum((run.blocking or 0) * run.offered_calls for run in runs)
        assert figures.blocking is not None
        assert figures.blocking.value == pytest.approx(
            lost / sum(run.offered_calls for run in runs)
        )
        assert figures.time_congestion is not None
        assert figures.time_congestion.value == pytest.approx(
            sum(run.time_congestion or 0 for run in runs) / 3
        )
        acme = figures.tenants["acme"]
        assert acme.peak_in_use == max(run.tenants["acme"].peak_in_use for run in runs)


def test_points_with_the_same_calls_share_their_drawing(office: Path) -> None:
    drawn: list[Task] = []

    def watching(tasks: Sequence[Task], step: Step) -> Iterator[tuple[Played, ...]]:
        drawn.extend(tasks)
        return on_threads(1)(tasks, step)

    swept(office, watching)
    # two loads, three replications; six points of limits and caps each
    assert len(drawn) == 2 * 3
    assert {len(task.scenarios) for task in drawn} == {6}


def invoke(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["sweep", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_files_and_the_table_say_the_same(office: Path, tmp_path: Path) -> None:
    table, document = tmp_path / "out.csv", tmp_path / "out.json"
    code, printed, complaints = invoke(
        office, "--vary", "capacity.max_concurrent_calls=8..12:2", "--replications", 3,
        "--worst-interval", "10m", "--output", table, "--output", document,
    )  # fmt: skip
    assert (code, complaints) == (0, "")
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    points = json.loads(document.read_text(encoding="utf-8"))["points"]
    assert [row["capacity.max_concurrent_calls"] for row in rows] == ["8", "10", "12"]
    for row, point in zip(rows, points, strict=True):
        figures = point["figures"]
        assert float(row["blocking"]) == figures["blocking"]["value"]
        assert float(row["blocking_high"]) == figures["blocking"]["high"]
        assert (
            float(row["blocking{tenant:acme}"]) == figures["tenants"]["acme"]["blocking"]["value"]
        )
        worst = figures["worst_interval"]["blocking"]["value"]
        assert float(row["worst_interval_blocking"]) == worst
        assert f"{100 * figures['blocking']['value']:.2f} %" in printed
    as_json = invoke(
        office, "--vary", "capacity.max_concurrent_calls=8..12:2", "--replications", 3,
        "--worst-interval", "10m", "--json",
    )  # fmt: skip
    assert json.loads(as_json[1])["points"] == points


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vary", "capacity.max_concurent_calls=8,9"], "did you mean 'max_concurrent_calls'"),
        (["--vary", "tenants.acme.arrivals.rate=8,9"], "--vary: tenants.acme.arrivals.rate: "),
        (["--vary", "tenants.beta.reserved_calls=1,12"], "(where tenants.beta.reserved_calls=12)"),
        (["--vary", "seed=2..1"], "is empty"),
        (["--vary", "seed=1", "--output", "x.txt"], "must end in .csv or .json"),
        (["--vary", "seed=1", "--output", "/nowhere/x.csv"], "there is no directory /nowhere"),
        (["--vary", "seed=1", "--confidence", "95"], "write a share like 0.95"),
        (["--vary", "seed=1", "--worst-interval", "2h"], "longer than the run"),
        (["--vary", "seed=1", "--set", "nmae=x"], "--set: nmae: is not in the scenario"),
        (["--vary", "seed=1", "--scheduler", "10.0.0.5:8786"], "write tcp://HOST:PORT"),
        (["--vary", "seed=1", "--scheduler", "http://10.0.0.5:8786"], "write tcp://HOST:PORT"),
        (["--vary", "seed=1", "--scheduler", "tcp://h:99999"], "write tcp://HOST:PORT"),
        (["--vary", "seed=1", "--scheduler", "tcp://h:1", "--cluster", "2"], "give one"),
        (["--vary", "seed=1", "--workers", "2", "--cluster", "2"], "give one"),
    ],
)
def test_what_cannot_be_swept_is_refused(office: Path, arguments: list[str], said: str) -> None:
    code, printed, complaints = invoke(office, *arguments)
    assert code == 2
    assert said in complaints
    assert not printed


@pytest.mark.parametrize("who", [("--cluster", 2), ("--scheduler", "tcp://127.0.0.1:1")])
def test_a_cluster_needs_its_extra(
    office: Path, who: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, printed, complaints = invoke(office, "--vary", "seed=1", *who)
    assert (code, printed) == (2, "")
    assert "pip install 'busyhour[cluster]'" in complaints


def test_nobody_at_the_address_is_said_at_once(office: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    code, printed, complaints = invoke(office, "--vary", "seed=1", "--scheduler", address)
    assert (code, printed) == (3, "")
    assert f"nobody listens at {address}" in complaints


@pytest.mark.parametrize("missing", [(1, 3), (2, 0)])
def test_an_interval_needs_two_replications_and_a_point(
    office: Path, missing: tuple[int, int]
) -> None:
    replications, count = missing
    source = ScenarioSource(office)
    points = grid_points(source, axes_of(["seed=1..3"], source, ()), (), None)[:count]
    with pytest.raises(ValueError, match="at least 2 replications and a point"):
        sweep(points, ["seed"], replications, on_threads(1), quiet)
