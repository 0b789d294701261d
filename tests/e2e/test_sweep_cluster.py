"""Sweeps on a Dask cluster of real processes: the same to the byte, whatever happens to workers."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from simulator.planning.cluster import ClusterFailed, on_scheduler, play_if_same
from simulator.planning.installation import installation
from simulator.planning.local_cluster import local_cluster
from simulator.planning.sweep import Sweep, grid_points, sweep
from simulator.planning.tasks import Scheduler, Step, Task, on_threads
from simulator.planning.vary import axes_of
from simulator.scenario_file.load import ScenarioSource
from tests.e2e.running import ROOT, TIMEOUT_S, busyhour, environment

# Neither says its types.
psutil: Any = import_module("psutil")
Client: Any = import_module("distributed").Client

SCENARIO = """\
version: 1
name: office
seed: 9
duration: 20m
warm_up: 2m
capacity: {max_concurrent_calls: 10}
tenants:
  acme:
    arrivals: {type: poisson, rate: 8/m}
    hold: {type: lognormal, mean: 40s, cv: 1.3}
  beta:
    reserved_calls: 1
    arrivals: {type: poisson, rate: 5/m}
    hold: {type: exponential, mean: 40s}
    redial: {probability: 0.6, delay: 10s, max_attempts: 3}
"""
VARY = ("capacity.max_concurrent_calls=8..12:2", "tenants.acme.arrivals.rate=x0.9,x1")
REPLICATIONS = 6


@dataclass
class Cluster:
    """A scheduler and its workers, started as Dask's own commands."""

    address: str
    scheduler: subprocess.Popen[str]
    directory: Path
    stack: ExitStack

    def start_worker(self, **env: str) -> subprocess.Popen[str]:
        arguments = [self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
        return self.stack.enter_context(dask("worker", arguments, self.directory, **env))


@contextmanager
def dask(
    command: str, arguments: list[str], directory: Path, **env: str
) -> Iterator[subprocess.Popen[str]]:
    """``dask COMMAND``, killed at the end by its id."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{command}", *arguments],
        cwd=directory,
        env=environment(DASK_TEMPORARY_DIRECTORY=str(directory), **env),
        stderr=subprocess.PIPE if command == "scheduler" else subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(TIMEOUT_S)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    directory = tmp_path / "dask"
    directory.mkdir()
    arguments = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"]
    with ExitStack() as stack:
        scheduler = stack.enter_context(dask("scheduler", arguments, directory))
        assert scheduler.stderr is not None
        said = next(line for line in scheduler.stderr if "Scheduler at:" in line)
        drain = Thread(target=scheduler.stderr.read)
        drain.start()
        stack.callback(scheduler.stderr.close)
        stack.callback(drain.join)
        stack.callback(scheduler.kill)
        yield Cluster(said.split()[-1], scheduler, directory, stack)


@pytest.fixture
def office(tmp_path: Path) -> Path:
    path = tmp_path / "here" / "office.yaml"
    path.parent.mkdir()
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def swept(office: Path, scheduler: Scheduler, step: Step) -> Sweep:
    source = ScenarioSource(office)
    axes = axes_of(VARY, source, ())
    points = grid_points(source, axes, (), None)
    return sweep(points, [axis.key for axis in axes], REPLICATIONS, scheduler, step)


def quiet(_done: int, _total: int) -> None:
    """Tells nobody."""


OPTIONS = ("--replications", REPLICATIONS, "--worst-interval", "5m", "--json")
GRID = [word for vary in VARY for word in ("--vary", vary)]


def test_a_cluster_gives_what_threads_give_to_the_byte(cluster: Cluster, office: Path) -> None:
    for _ in range(2):
        cluster.start_worker()
    here = busyhour("sweep", "office.yaml", *GRID, *OPTIONS, cwd=office.parent)
    there = busyhour(
        "sweep", "office.yaml", *GRID, *OPTIONS, "--scheduler", cluster.address, cwd=office.parent
    )
    assert (there.code, there.err) == (0, "")
    assert there.out == here.out
    assert len(here.documents[0]["points"]) == 6
    assert [path.name for path in office.parent.iterdir()] == ["office.yaml"]


def test_worker_processes_of_this_machine_give_the_same(office: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    here = busyhour("sweep", "office.yaml", *GRID, *OPTIONS, cwd=office.parent)
    there = busyhour(
        "sweep", "office.yaml", *GRID, *OPTIONS, "--cluster", 2,
        cwd=office.parent, env={"TMPDIR": str(temporary)},
    )  # fmt: skip
    assert (there.code, there.err) == (0, "")
    assert there.out == here.out
    assert [path.name for path in office.parent.iterdir()] == ["office.yaml"]
    assert not list(temporary.iterdir())


def test_a_worker_that_dies_and_one_that_joins_change_nothing(
    cluster: Cluster, office: Path
) -> None:
    first = cluster.start_worker()

    def replace_it(done: int, _total: int) -> None:
        if done == 1:
            first.kill()
            first.wait(TIMEOUT_S)
            cluster.start_worker()

    with on_scheduler(cluster.address) as scheduler:
        found = swept(office, scheduler, replace_it)
    assert found == swept(office, on_threads(2), quiet)


def test_a_cluster_that_loses_all_workers_is_given_up(cluster: Cluster, office: Path) -> None:
    only = cluster.start_worker()
    with Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=TIMEOUT_S)

    def end_it(_done: int, _total: int) -> None:
        only.kill()

    with (
        on_scheduler(cluster.address, workerless_s=1.0) as scheduler,
        pytest.raises(ClusterFailed, match=r"has had no worker for 1 s"),
    ):
        swept(office, scheduler, end_it)


def test_a_lost_scheduler_ends_the_sweep(cluster: Cluster, office: Path) -> None:
    cluster.start_worker()

    def end_it(_done: int, _total: int) -> None:
        cluster.scheduler.kill()
        cluster.scheduler.wait(TIMEOUT_S)

    with (
        on_scheduler(cluster.address, connect_s=1.0) as scheduler,
        pytest.raises(ClusterFailed, match=rf"{cluster.address} .*was lost"),
    ):
        swept(office, scheduler, end_it)


def test_a_worker_with_other_sources_gets_no_work(
    cluster: Cluster, office: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for package in ("service", "simulator"):
        shutil.copytree(ROOT / package, other / package, ignore=shutil.ignore_patterns("*.pyc"))
    with (other / "simulator" / "trace.py").open("a", encoding="utf-8") as file:
        file.write("# not what it was\n")
    cluster.start_worker(PYTHONPATH=str(other))
    said = busyhour(
        "sweep", "office.yaml", *GRID, "--scheduler", cluster.address, cwd=office.parent
    )
    assert (said.code, said.out) == (3, "")
    assert "other installations draw other calls" in said.err
    assert f", {installation()['busyhour sources']} here" in said.err


def test_a_scheduler_without_workers_is_named(cluster: Cluster) -> None:
    with (
        pytest.raises(ClusterFailed, match=rf"dask worker {cluster.address}"),
        on_scheduler(cluster.address, workerless_s=0.1),
    ):
        raise AssertionError("there is nobody to work")


def test_a_worker_is_no_scheduler(cluster: Cluster) -> None:
    cluster.start_worker()
    with Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=TIMEOUT_S)
        (address,) = client.ncores()
    with (
        pytest.raises(ClusterFailed, match="a Dask Worker, not a scheduler"),
        on_scheduler(address),
    ):
        raise AssertionError("it cannot schedule")


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9])
def test_who_does_not_speak_like_a_scheduler_is_given_up(greeting: bytes) -> None:
    """One that says nothing, and one that says something else."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                stack.enter_context(connection)
                if greeting:
                    connection.send(greeting)

        with ExitStack() as stack:
            greeter = Thread(target=greet)
            greeter.start()
            stack.callback(greeter.join)
            port = server.getsockname()[1]
            with (
                pytest.raises(ClusterFailed, match="does not answer like a Dask scheduler"),
                on_scheduler(f"tcp://127.0.0.1:{port}", connect_s=0.5),
            ):
                raise AssertionError("there is no scheduler")


def test_local_processes_listen_on_one_loopback_port_each_and_end() -> None:
    before = set(psutil.Process().children())
    with local_cluster(2) as address, Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=TIMEOUT_S)
        nodes = set(psutil.Process().children()) - before
        assert len(nodes) == 3
        for node in nodes:
            heard = [c.laddr for c in node.net_connections() if c.status == "LISTEN"]
            assert [each.ip for each in heard] == ["127.0.0.1"]
    assert not any(node.is_running() for node in nodes)


def test_a_worker_that_joins_later_is_compared_as_well() -> None:
    task = Task((), 0, None)
    expected = {**installation(), "numpy": "0.1"}
    with pytest.raises(ClusterFailed, match=r"numpy .* there, 0\.1 here"):
        play_if_same(task, expected)
