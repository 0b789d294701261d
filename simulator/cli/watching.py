"""The commands that look at a service somebody else runs: watch and probe."""

from typing import Annotated

import typer

from simulator.cli.common import AdminToken, CallToken, check_target, finish, positive_us


def watch(
    target: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="A running service with the three published endpoints.",
            show_default=False,
        ),
    ],
    tenant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TENANT",
            help="A tenant whose own figures are read too; may be given several times.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help="Calls that may be held at the same time.", show_default=False),
    ] = None,
    interval: Annotated[str, typer.Option(help="From one poll to the next, like 500ms.")] = "1s",
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Polls; without it until Ctrl-C.", show_default=False),
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first broken law.")
    ] = False,
    admin_token: AdminToken = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Watch a running service: the laws its metrics must obey, poll after poll. Only reads."""
    check_target(target, BUSYHOUR_ADMIN_TOKEN=admin_token)
    interval_us = positive_us("--interval", interval)
    tenants = tuple(dict.fromkeys(tenant or ()))

    def work() -> int:
        from simulator.watch.command import WatchOptions
        from simulator.watch.command import watch as run_watch

        return run_watch(
            WatchOptions(
                target, admin_token or "", tenants, limit, interval_us, count, as_json, fail_fast
            )
        )

    finish(work)


def probe(
    target: Annotated[
        str, typer.Option(metavar="URL", help="A running, idle service.", show_default=False)
    ],
    limit: Annotated[
        int,
        typer.Option(
            min=0,
            help="So many calls of the tenant fit: the least of the total limit, its own and what "
            "others have reserved leaves.",
            show_default=False,
        ),
    ],
    tenant: Annotated[
        str | None,
        typer.Option(help="Whose calls; the first that may call.", show_default=False),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each burst is fired.")] = 20,
    admin_token: AdminToken = None,
    call_token: CallToken = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fire bursts around a limit: exactly as many calls get in as there is room for."""
    check_target(target, BUSYHOUR_ADMIN_TOKEN=admin_token, BUSYHOUR_CALL_TOKEN=call_token)

    def work() -> int:
        from simulator.probe.command import ProbeOptions
        from simulator.probe.command import probe as run_probe

        return run_probe(
            ProbeOptions(
                target, admin_token or "", call_token or "", tenant, limit, rounds, as_json
            )
        )

    finish(work)
