"""The options of ``busyhour load``. Light to import: what they lead to is imported when it runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from simulator.cli.common import AdminToken, CallToken, check_speed, check_target, positive_us

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
_Speed = Annotated[
    float | None,
    typer.Option(help="Trace time over wall-clock time; 1 by default.", show_default=False),
]
_Processes = Annotated[
    int, typer.Option(min=0, help="Worker processes on this machine; 0: one does everything.")
]
_Master = Annotated[
    bool, typer.Option("--master", help="Hand out shares to workers, on this or other machines.")
]
_Worker = Annotated[bool, typer.Option("--worker", help="Play a share that a master hands out.")]
_ExpectWorkers = Annotated[
    int | None,
    typer.Option(min=1, help="Workers the master waits for; 1 by default.", show_default=False),
]
_MasterHost = Annotated[
    str | None,
    typer.Option(
        metavar="HOST",
        help="Where a worker finds the master; 127.0.0.1 by default.",
        show_default=False,
    ),
]
_MasterPort = Annotated[
    int | None,
    typer.Option(
        min=1, max=65535, help="Where the master listens; 5557 by default.", show_default=False
    ),
]
_Late = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="How far behind its instant a send is late; by default a tenth of the mean call, 25ms "
        "to 250ms.",
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
_Out = Annotated[
    Path | None,
    typer.Option(
        help="Directory that gets <scenario>/<UTC time>/; reports by default.", show_default=False
    ),
]


_ROLES_OF: Final = {
    "--expect-workers": ("--master",),
    "--master-host": ("--worker",),
    "--master-port": ("--processes", "--master", "--worker"),
}
"""Options that need one of some roles."""

_FOR_THE_MASTER: Final = ("--speed", "--late", "--out", "--configure", "--json")
"""Options of which a worker hears from the master."""


def load_command(finish: Finish) -> Callable[..., None]:
    """The command as a function for Typer; ``finish`` does the work and leaves with its code."""

    def load(
        scenario: _Scenario,
        locust_options: _LocustOptions = None,
        target: _Target = None,
        configure: _Configure = False,
        speed: _Speed = None,
        processes: _Processes = 0,
        master: _Master = False,
        worker: _Worker = False,
        expect_workers: _ExpectWorkers = None,
        master_host: _MasterHost = None,
        master_port: _MasterPort = None,
        late: _Late = None,
        seed: _Seed = None,
        overrides: _Overrides = None,
        out: _Out = None,
        admin_token: AdminToken = None,
        call_token: CallToken = None,
        as_json: _Json = False,
    ) -> None:
        """Play a scenario through Locust in wall-clock time, on one machine or many."""
        late_s = None if late is None else positive_us("--late", late) / 1e6
        roles = {"--processes": processes > 0, "--master": master, "--worker": worker}
        given = {
            "--speed": speed, "--late": late, "--out": out, "--configure": configure or None,
            "--json": as_json or None, "--expect-workers": expect_workers,
            "--master-host": master_host, "--master-port": master_port,
        }  # fmt: skip
        _check_words(
            [role for role, taken in roles.items() if taken],
            [option for option, value in given.items() if value is not None],
            locust_options or (),
        )
        speed = 1.0 if speed is None else speed
        check_speed(speed)
        own = {} if worker else {"BUSYHOUR_ADMIN_TOKEN": admin_token}
        tokens = {"BUSYHOUR_CALL_TOKEN": call_token, **own}
        _check_target(target, configure, tokens, spread=master or worker)

        def work() -> int:
            from simulator.load import command
            from simulator.load.settings import LoadSettings

            role = command.Role.MASTER if master else command.Role.ALONE
            usual = command.Crew()
            crew = command.Crew(
                command.Role.WORKER if worker else role,
                processes,
                expect_workers or usual.expect_workers,
                master_host or usual.master_host,
                master_port or usual.master_port,
            )
            settings = LoadSettings(
                scenario,
                seed,
                tuple(overrides or ()),
                speed,
                late_s,
                out or Path("reports"),
                configure,
                target or "",
                admin_token or "",
                call_token or "",
            )
            return command.load(settings, crew, target, locust_options or (), as_json=as_json)

        finish(work)

    return load


def _check_words(roles: Sequence[str], given: Sequence[str], for_locust: Sequence[str]) -> None:
    """Raise :class:`typer.BadParameter` for two roles, for options that have no say in one, and for
    what is no option where Locust's stand."""
    if for_locust and not for_locust[0].startswith("-"):
        raise typer.BadParameter(
            f"{for_locust[0]!r} is one argument too many: one scenario is played, and Locust's own "
            "options begin with a dash, as in -- --html FILE"
        )
    if len(roles) > 1:
        raise typer.BadParameter("--processes, --master and --worker exclude each other")
    for option in given:
        needed = _ROLES_OF.get(option)
        if needed is not None and not set(needed) & set(roles):
            raise typer.BadParameter(f"{option} needs {' or '.join(needed)}")
        if option in _FOR_THE_MASTER and "--worker" in roles:
            raise typer.BadParameter(f"{option} is for the master to say, not for a --worker")


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
