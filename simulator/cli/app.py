"""The ``busyhour`` command: options in, exit code out.

Everything heavy is imported inside the command that needs it, so that ``--help`` stays quick.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.address import is_address
from simulator.cli.call_files import (
    Columns,
    Encoding,
    KeepDuplicates,
    Lengths,
    LengthsName,
    OnlyTenant,
    Times,
    TimesName,
    Timezone,
    reading_arguments,
)
from simulator.cli.common import AdminToken, CallToken, finish
from simulator.cli.compare import compare
from simulator.cli.erlang import erlang_app
from simulator.cli.fit import fit
from simulator.cli.live import (
    Late,
    MostOpen,
    Retries,
    SharedLimit,
    Speed,
    Timeout,
    live_settings,
)
from simulator.cli.load import load_command
from simulator.cli.planning import plan, sweep
from simulator.cli.policies import policies
from simulator.cli.watching import probe, watch
from simulator.live.options import LiveSettings

if TYPE_CHECKING:
    from simulator.commands import EngineChoice

app = typer.Typer(
    name="busyhour",
    help="Load simulation and capacity testbed for multi-tenant voice-call platforms.",
    epilog=(
        "Exit codes: 0 pass, 1 an expectation or an invariant is broken, 2 usage or scenario "
        "error, 3 inconclusive, 99 only thresholds failed, 130 interrupted."
    ),
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class EngineName(StrEnum):
    """What plays the calls."""

    KERNEL = "kernel"
    INPROC = "inproc"
    HTTP = "http"
    LIVE = "live"


ScenarioFiles = Annotated[
    list[Path], typer.Argument(metavar="SCENARIO", help="Scenario files.", show_default=False)
]
ScenarioFile = Annotated[
    Path, typer.Argument(metavar="SCENARIO", help="A scenario file.", show_default=False)
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="In place of the scenario's own seed.", show_default=False)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Overrides one value of the file, like capacity.max_concurrent_calls=50.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option(help="Directory that gets <scenario>/<UTC time>/.")]
Json = Annotated[bool, typer.Option("--json", help="Print result.json, one line a run.")]
Engine = Annotated[EngineName, typer.Option(help="What plays the calls.")]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="A running service instead of one started for the run; it must be idle, and on the "
        "virtual clock, or for --engine live on the system clock. Live runs take several.",
        show_default=False,
    ),
]
Configure = Annotated[
    bool, typer.Option("--configure", help="Set up tenants and limits at the target.")
]


@app.command()
def run(
    scenarios: ScenarioFiles,
    engine: Engine = EngineName.HTTP,
    target: Targets = None,
    configure: Configure = False,
    admin_token: AdminToken = None,
    call_token: CallToken = None,
    speed: Speed = None,
    timeout: Timeout = None,
    retries: Retries = None,
    late: Late = None,
    most_open: MostOpen = None,
    shared_limit: SharedLimit = False,
    seed: Seed = None,
    overrides: Overrides = None,
    out: Out = Path("reports"),
    as_json: Json = False,
) -> None:
    """Play scenarios against the service and judge what it counted."""
    live = live_settings(engine, speed, timeout, retries, late, most_open, shared_limit)
    choice = _choice(engine, target or (), configure, admin_token, call_token, live)

    def work() -> int:
        from simulator import commands

        output = commands.Output(out, as_json)
        return commands.run(scenarios, overrides or (), seed, choice(), output)

    finish(work)


@app.command()
def validate(scenarios: ScenarioFiles) -> None:
    """Check scenario files; every mistake with file, line and what would be right."""

    def work() -> int:
        from simulator import commands

        return commands.validate(scenarios)

    finish(work)


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files."""

    def work() -> int:
        from simulator import commands

        return commands.schema()

    finish(work)


@app.command()
def expect(scenario: ScenarioFile, seed: Seed = None, overrides: Overrides = None) -> None:
    """Print what must come out of a scenario, as its expect: block, without running it."""

    def work() -> int:
        from simulator import commands

        return commands.expect(scenario, overrides or (), seed)

    finish(work)


@app.command()
def replay(
    calls: Annotated[
        Path,
        typer.Argument(
            metavar="CALLS.CSV", help="A CSV file of calls, plain or gzipped.", show_default=False
        ),
    ],
    capacity: Annotated[
        int, typer.Option(min=0, help="Calls at the same time.", show_default=False)
    ],
    columns: Columns = "tenant=tenant,start=start,hold=hold",
    times: Times = TimesName.AUTO,
    lengths: Lengths = LengthsName.SECONDS,
    timezone: Timezone = None,
    encoding: Encoding = "UTF-8",
    tenant: OnlyTenant = None,
    keep_duplicates: KeepDuplicates = False,
    tenant_cap: Annotated[
        list[str] | None,
        typer.Option(metavar="TENANT=N", help="A tenant's own limit.", show_default=False),
    ] = None,
    reserve: Annotated[
        list[str] | None,
        typer.Option(metavar="TENANT=N", help="Slots kept for a tenant.", show_default=False),
    ] = None,
    engine: Engine = EngineName.INPROC,
    out: Out = Path("reports"),
    as_json: Json = False,
) -> None:
    """Play a log of real calls against limits: how many would have found no room?"""
    if engine is EngineName.LIVE:
        raise typer.BadParameter("--engine live plays scenarios: busyhour run")
    caps = _counts("--tenant-cap", tenant_cap or ())
    reserved = _counts("--reserve", reserve or ())

    def work() -> int:
        from simulator import commands
        from simulator.replay import Limits

        return commands.replay(
            calls,
            reading_arguments(columns, times, lengths, timezone, encoding, tenant, keep_duplicates),
            Limits(capacity, caps, reserved),
            commands.EngineChoice(engine.value),
            commands.Output(out, as_json),
            ["busyhour", *sys.argv[1:]],
        )

    finish(work)


@app.command()
def check(
    history: Annotated[
        Path, typer.Argument(metavar="HISTORY.JSONL", help="A history.", show_default=False)
    ],
    capacity: Annotated[
        int | None,
        typer.Option(min=0, help="The limit, in place of the header's.", show_default=False),
    ] = None,
    tenant_cap: Annotated[
        list[str] | None,
        typer.Option(metavar="TENANT=N", help="A tenant's own limit.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the judgement as JSON.")] = False,
) -> None:
    """Judge a recorded history: can a sound service have answered like that?"""
    caps = _counts("--tenant-cap", tenant_cap or ())

    def work() -> int:
        from simulator.check_command import check as judge

        return judge(history, capacity, caps, as_json=as_json)

    finish(work)


@app.command()
def selftest(
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="The gallery of services broken under concurrency instead, each served and "
            "played live; takes minutes.",
        ),
    ] = False,
) -> None:
    """Show that the checks catch every broken controller of a gallery of them."""

    def work() -> int:
        from simulator import commands

        return commands.live_selftest() if live else commands.selftest()

    finish(work)


app.command()(watch)
app.command()(probe)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
) -> None:
    """Start the metrics service; its settings are BUSYHOUR_* variables."""
    from service.server import serve_from_environment

    raise typer.Exit(serve_from_environment(host, port))


def _choice(
    engine: EngineName,
    targets: Sequence[str],
    configure: bool,
    admin_token: str | None,
    call_token: str | None,
    live: LiveSettings | None,
) -> "Callable[[], EngineChoice]":
    """The engine options, checked together. Raises :class:`typer.BadParameter`."""
    if not targets:
        if configure or (live is not None and live.shared_limit):
            option = "--configure" if configure else "--shared-limit"
            raise typer.BadParameter(
                f"{option} needs --target: a service of its own is always set up, and alone"
            )
    elif engine not in (EngineName.HTTP, EngineName.LIVE):
        raise typer.BadParameter(f"--target needs --engine http or live, not {engine.value}")
    elif len(targets) > 1 and engine is not EngineName.LIVE:
        raise typer.BadParameter("several --target need --engine live")
    elif len(set(targets)) < len(targets):
        raise typer.BadParameter("a --target is given twice")
    elif wrong := [target for target in targets if not is_address(target)]:
        raise typer.BadParameter(f"--target is {wrong[0]!r}; write http://HOST:PORT")
    elif not (admin_token and call_token):
        raise typer.BadParameter(
            "--target needs the service's tokens in BUSYHOUR_ADMIN_TOKEN and BUSYHOUR_CALL_TOKEN"
        )
    elif not (admin_token + call_token).isascii():
        raise typer.BadParameter("tokens go into HTTP headers and must be ASCII")

    def made() -> "EngineChoice":
        from simulator.commands import EngineChoice

        tokens = (admin_token or "", call_token or "")
        settings = LiveSettings() if live is None else live
        return EngineChoice(engine.value, tuple(targets), configure, *tokens, live=settings)

    return made


def _pairs(option: str, texts: Sequence[str]) -> Mapping[str, str]:
    """``NAME=VALUE`` texts as a mapping. Raises :class:`typer.BadParameter`."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise typer.BadParameter(f"{option}: {text!r} is not NAME=VALUE")
        if name.strip() in pairs:
            raise typer.BadParameter(f"{option}: {name.strip()!r} is given twice")
        pairs[name.strip()] = value.strip()
    return pairs


def _counts(option: str, texts: Sequence[str]) -> Mapping[str, int]:
    """``TENANT=N`` texts as numbers of calls. Raises :class:`typer.BadParameter`."""
    counts: dict[str, int] = {}
    for name, value in _pairs(option, texts).items():
        if not (value.isascii() and value.isdecimal()):
            raise typer.BadParameter(
                f"{option}: {name}={value} is not a number of calls, 0 or more"
            )
        counts[name] = int(value)
    return counts


app.command()(load_command(finish))
app.command()(plan)
app.command()(sweep)
app.command()(policies)
app.command()(fit)
app.command()(compare)
app.add_typer(erlang_app)


def main() -> None:
    """The entry point of the ``busyhour`` command."""
    app(prog_name="busyhour")
