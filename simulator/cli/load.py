"""The options of ``busyhour load``. Light to import: what they lead to is imported when it runs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from simulator.cli.common import AdminToken, CallToken, check_target

Finish = Callable[[Callable[[], int]], NoReturn]

_Scenario = Annotated[
    Path, typer.Argument(metavar="SCENARIO", help="A scenario file.", show_default=False)
]
_LocustOptions = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="-- LOCUST OPTIONS",
        help="Handed to Locust as they are, like --html FILE, --csv PREFIX, --json-file PREFIX.",
        show_default=False,
    ),
]
_Target = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="A running service instead of one started for the run; it must be idle and on the "
        "system clock.",
        show_default=False,
    ),
]
_Configure = Annotated[
    bool, typer.Option("--configure", help="Set up tenants and limits at the target.")
]
_Speed = Annotated[float, typer.Option(help="Trace time over wall-clock time.")]
_Processes = Annotated[
    int, typer.Option(min=0, help="Worker processes on this machine; 0: one does everything.")
]
_Master = Annotated[
    bool, typer.Option("--master", help="Hand out shares to workers, on this or other machines.")
]
_Worker = Annotated[bool, typer.Option("--worker", help="Play a share that a master hands out.")]
_ExpectWorkers = Annotated[int, typer.Option(min=1, help="Workers the master waits for.")]
_MasterHost = Annotated[str, typer.Option(help="Where a worker finds the master.")]
_MasterPort = Annotated[int, typer.Option(min=1, max=65535, help="Where the master listens.")]
_Late = Annotated[
    float | None,
    typer.Option(
        help="Seconds behind its instant from which an event counts as sent late; by default a "
        "tenth of the mean call, 0.025 to 0.25.",
        show_default=False,
    ),
]
_Seed = Annotated[
    int | None, typer.Option(min=0, help="In place of the scenario's own seed.", show_default=False)
]
_Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Overrides one value of the file.", show_default=False
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print result.json, on one line.")]
_Out = Annotated[Path, typer.Option(help="Directory that gets <scenario>/<UTC time>/.")]


def load_command(finish: Finish) -> Callable[..., None]:
    """The command as a function for Typer; ``finish`` does the work and leaves with its code."""

    def load(
        scenario: _Scenario,
        locust_options: _LocustOptions = None,
        target: _Target = None,
        configure: _Configure = False,
        speed: _Speed = 1.0,
        processes: _Processes = 0,
        master: _Master = False,
        worker: _Worker = False,
        expect_workers: _ExpectWorkers = 1,
        master_host: _MasterHost = "127.0.0.1",
        master_port: _MasterPort = 5557,
        late: _Late = None,
        seed: _Seed = None,
        overrides: _Overrides = None,
        out: _Out = Path("reports"),
        admin_token: AdminToken = None,
        call_token: CallToken = None,
        as_json: _Json = False,
    ) -> None:
        """Play a scenario through Locust in wall-clock time, on one machine or many."""
        _check_above_zero("--speed", speed)
        if late is not None:
            _check_above_zero("--late", late)
        _check_roles(processes=processes, master=master, worker=worker)
        if worker and as_json:
            raise typer.BadParameter("--json: it is the master that has the result")
        tokens = {"BUSYHOUR_CALL_TOKEN": call_token}
        if not worker:
            tokens["BUSYHOUR_ADMIN_TOKEN"] = admin_token
        _check_target(target, configure, tokens, spread=master or worker)

        def work() -> int:
            from simulator.load import command
            from simulator.load.settings import LoadSettings

            role = command.Role.MASTER if master else command.Role.ALONE
            crew = command.Crew(
                command.Role.WORKER if worker else role,
                processes,
                expect_workers,
                master_host,
                master_port,
            )
            settings = LoadSettings(
                scenario,
                seed,
                tuple(overrides or ()),
                speed,
                late,
                out,
                configure,
                target or "",
                admin_token or "",
                call_token or "",
            )
            return command.load(settings, crew, target, locust_options or (), as_json=as_json)

        finish(work)

    return load


def _check_above_zero(option: str, value: float) -> None:
    if not 0.0 < value < float("inf"):
        raise typer.BadParameter(f"{option} is {value:g}; it must be above 0")


def _check_roles(*, processes: int, master: bool, worker: bool) -> None:
    if sum((processes > 0, master, worker)) > 1:
        raise typer.BadParameter("--processes, --master and --worker exclude each other")


def _check_target(
    target: str | None, configure: bool, tokens: Mapping[str, str | None], *, spread: bool
) -> None:
    if target is None:
        if spread:
            raise typer.BadParameter(
                "--master and --worker need --target: a service started here would be out of "
                "reach for other machines"
            )
        if configure:
            raise typer.BadParameter(
                "--configure needs --target: a service of its own is always set up"
            )
        return
    check_target(target, **tokens)
