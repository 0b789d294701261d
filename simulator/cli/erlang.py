"""The options of ``busyhour erlang``. Light to import: formulas are imported when one is asked."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.common import finish

if TYPE_CHECKING:
    from simulator.calculator.answer import Answer

erlang_app = typer.Typer(
    name="erlang",
    help="Formulas of teletraffic theory: how much is blocked, how many servers are needed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Traffic = Annotated[
    str, typer.Option(metavar="ERLANGS", help="Offered traffic.", show_default=False)
]
_Servers = Annotated[
    str, typer.Option(metavar="N", help="Calls at the same time.", show_default=False)
]
_Slots = Annotated[str, typer.Option(metavar="N", help="Slots of the group.", show_default=False)]
_Hold = Annotated[
    str, typer.Option(metavar="DURATION", help="Mean holding time, like 3m.", show_default=False)
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

_OPTIONS = {
    "offered_erlangs": "--traffic",
    "fresh_erlangs": "--traffic",
    "servers": "--servers",
    "sources": "--sources",
    "slots": "--slots",
    "limit": "--slots",
    "blocking": "--blocking",
    "recall": "--recall",
    "share": "--service-level",
    "hold_mean": "--hold",
    "peakedness": "the peakedness of what overflows",
    "per_idle_source": "--per-idle-source",
    "per_source": "--per-source",
}
"""What a complaint of a formula begins with, in the words of the command line."""


@erlang_app.command("b")
def erlang_b(
    traffic: Annotated[
        str | None, typer.Option(metavar="ERLANGS", help="Offered traffic.", show_default=False)
    ] = None,
    servers: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Calls at the same time; a fraction is allowed.", show_default=False
        ),
    ] = None,
    blocking: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Calls blocked, like 0.01 or 1%.", show_default=False),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Erlang B: give two of traffic, servers and blocking, get the third."""
    from simulator.calculator import questions as command

    _ask(lambda: command.erlang_b(traffic, servers, blocking), as_json)


@erlang_app.command("c")
def erlang_c(
    traffic: _Traffic,
    hold: _Hold,
    servers: Annotated[
        str | None, typer.Option(metavar="N", help="Servers.", show_default=False)
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="A wait, for the share within it.", show_default=False
        ),
    ] = None,
    service_level: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Calls to be served within --within, like 80%; finds the servers.",
            show_default=False,
        ),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Erlang C: who waits and how long, or the servers a service level needs."""
    from simulator.calculator import questions as command

    _ask(lambda: command.erlang_c(traffic, hold, servers, within, service_level), as_json)


@erlang_app.command()
def engset(
    servers: _Servers,
    sources: Annotated[str, typer.Option(metavar="N", help="Callers.", show_default=False)],
    per_idle_source: Annotated[
        str | None,
        typer.Option(
            metavar="ERLANGS",
            help="What an idle source offers: its call rate times the holding time.",
            show_default=False,
        ),
    ] = None,
    per_source: Annotated[
        str | None,
        typer.Option(
            metavar="ERLANGS",
            help="What a source would carry if nothing were blocked, below 1.",
            show_default=False,
        ),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Engset: blocking with a finite number of callers."""
    from simulator.calculator import questions as command

    _ask(lambda: command.engset(servers, sources, per_idle_source, per_source), as_json)


@erlang_app.command("extended-b")
def extended_b(
    traffic: _Traffic,
    servers: _Servers,
    recall: Annotated[
        str,
        typer.Option(
            metavar="SHARE", help="Blocked calls that come back, like 50%.", show_default=False
        ),
    ],
    as_json: _Json = False,
) -> None:
    """Extended Erlang B: blocked callers who try again."""
    from simulator.calculator import questions as command

    _ask(lambda: command.extended_b(traffic, servers, recall), as_json)


@erlang_app.command("kaufman-roberts")
def kaufman_roberts(
    slots: _Slots,
    classes: Annotated[
        list[str],
        typer.Option(
            "--class",
            metavar="NAME=ERLANGS[,slots=N]",
            help="Calls that take N slots each, 1 by default; once for each class.",
            show_default=False,
        ),
    ],
    as_json: _Json = False,
) -> None:
    """Kaufman-Roberts: calls of several slots on one group."""
    from simulator.calculator import questions as command

    _ask(lambda: command.kaufman_roberts(slots, classes), as_json)


@erlang_app.command()
def caps(
    slots: _Slots,
    tenants: Annotated[
        list[str],
        typer.Option(
            "--tenant",
            metavar="NAME=ERLANGS[,cap=N][,reserved=N][,sources=N]",
            help="With sources=N, ERLANGS is what each of N callers offers while idle.",
            show_default=False,
        ),
    ],
    as_json: _Json = False,
) -> None:
    """Tenants with caps and guaranteed minima under one limit, exactly."""
    from simulator.calculator import questions as command

    _ask(lambda: command.caps(slots, tenants), as_json)


@erlang_app.command()
def trunk(
    slots: _Slots,
    classes: Annotated[
        list[str],
        typer.Option(
            "--class",
            metavar="NAME=ERLANGS[,kept_free=N]",
            help="Admitted while more than N slots are free, 0 by default; once for each class.",
            show_default=False,
        ),
    ],
    as_json: _Json = False,
) -> None:
    """Trunk reservation: some calls only while enough slots are free."""
    from simulator.calculator import questions as command

    _ask(lambda: command.trunk(slots, classes), as_json)


@erlang_app.command()
def overflow(
    primary: Annotated[
        list[str],
        typer.Option(
            metavar="ERLANGS:SERVERS",
            help="A group that sends on what it blocks; once for each.",
            show_default=False,
        ),
    ],
    direct: Annotated[
        str, typer.Option(metavar="ERLANGS", help="Poisson traffic to the second group itself.")
    ] = "0",
    servers: Annotated[
        str | None,
        typer.Option(metavar="N", help="Servers of the second group.", show_default=False),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Overflow traffic, and what a second group loses of it."""
    from simulator.calculator import questions as command

    _ask(lambda: command.overflow(primary, direct, servers), as_json)


@erlang_app.command()
def varying(
    servers: _Servers,
    hold: _Hold,
    rate: Annotated[
        list[str],
        typer.Option(
            metavar="START=RATE",
            help="The call rate from an instant on, like 0s=2/s; once for each step.",
            show_default=False,
        ),
    ],
    until: Annotated[str, typer.Option(metavar="DURATION", help="End.", show_default=False)],
    every: Annotated[str, typer.Option(metavar="DURATION", help="From row to row.")] = "5m",
    cv: Annotated[
        str,
        typer.Option(
            metavar="RATIO", help="Of the holding times, gamma; 1 is exponential, 0 fixed."
        ),
    ] = "1",
    as_json: _Json = False,
) -> None:
    """Traffic that changes: offered load and blocking over time."""
    from simulator.calculator import questions as command

    _ask(lambda: command.varying(servers, hold, cv, rate, until, every), as_json)


def _ask(question: "Callable[[], Answer]", as_json: bool) -> None:
    def work() -> int:
        from simulator.calculator.answer import ask

        return ask(question, _OPTIONS, as_json=as_json)

    finish(work)
