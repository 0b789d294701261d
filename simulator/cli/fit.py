"""The command that makes a scenario of a log of calls: fit."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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
from simulator.cli.common import finish
from simulator.cli.planning import Html, Workers


class CycleName(StrEnum):
    """What a rate profile repeats."""

    AUTO = "auto"
    SPAN = "span"
    DAY = "day"
    WEEK = "week"


def fit(
    logs: Annotated[
        list[Path],
        typer.Argument(
            metavar="CALLS.CSV...",
            help="Files of call-detail records, plain or gzipped; several are one log.",
            show_default=False,
        ),
    ],
    columns: Columns,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The scenario to write.", show_default=False
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = (
        False
    ),
    times: Times = TimesName.AUTO,
    lengths: Lengths = LengthsName.SECONDS,
    timezone: Timezone = None,
    encoding: Encoding = "UTF-8",
    tenant: OnlyTenant = None,
    max_tenants: Annotated[
        int, typer.Option(min=2, help="Keep the largest tenants, the rest are one.")
    ] = 50,
    max_broken: Annotated[
        str, typer.Option(metavar="SHARE", help="Refuse a log with more broken lines than this.")
    ] = "5%",
    keep_duplicates: KeepDuplicates = False,
    cycle: Annotated[
        CycleName,
        typer.Option(help="What the rate profile repeats; auto: a week where the log has one."),
    ] = CycleName.AUTO,
    blocking: Annotated[
        float, typer.Option(help="For which the scenario's limit is suggested.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Of the scenario.")] = 1,
    html: Html = None,
    compare: Annotated[
        bool, typer.Option(help="Replay the log beside runs of the scenario.")
    ] = True,
    capacity: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Slots for that; those suggested unless given.",
            show_default=False,
        ),
    ] = None,
    replications: Annotated[
        int, typer.Option(min=2, help="Runs of the scenario; fewer for a very long log.")
    ] = 20,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make a scenario of the calls in call-detail records, and say what it loses."""

    def work() -> int:
        from importlib.util import find_spec

        from simulator.console import say
        from simulator.exit_codes import INVALID

        if find_spec("scipy") is None:
            say("fit needs scipy, which is not installed: pip install 'busyhour[fit]'")
            return INVALID
        from simulator.fit.command import fit
        from simulator.fit.request import FitRequest

        return fit(
            FitRequest(
                logs=tuple(logs),
                reading=reading_arguments(
                    columns, times, lengths, timezone, encoding, tenant, keep_duplicates
                ),
                output=output,
                force=force,
                max_tenants=max_tenants,
                max_broken=max_broken,
                cycle=cycle.value,
                blocking=blocking,
                seed=seed,
                html=html,
                compare=compare,
                capacity=capacity,
                replications=replications,
                workers=workers,
                as_json=as_json,
            )
        )

    finish(work)
