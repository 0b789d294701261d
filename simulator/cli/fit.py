"""The command that makes a scenario of a log of calls: fit."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.common import finish
from simulator.cli.planning import Workers


class TimesName(StrEnum):
    """How a log writes its instants."""

    AUTO = "auto"
    STAMPS = "stamps"
    SECONDS = "seconds"
    EPOCH = "epoch"
    EPOCH_MS = "epoch-ms"
    EPOCH_US = "epoch-us"


class LengthsName(StrEnum):
    """What a bare number of a column of lengths counts."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    MINUTES = "min"


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
    columns: Annotated[
        str,
        typer.Option(
            metavar="NAME|FIELD=COLUMN,...",
            help="asterisk, freeswitch, twilio, or your own columns by name or number (from 1): "
            "start, answer, end, duration, hold, setup, status, tenant, caller, id, other_id; "
            "start and one of duration, hold and end are needed.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The scenario to write.", show_default=False
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = (
        False
    ),
    times: Annotated[
        TimesName,
        typer.Option(help="How instants are written; auto goes by the first of them."),
    ] = TimesName.AUTO,
    lengths: Annotated[
        LengthsName, typer.Option(help="What a bare number counts where a length stands.")
    ] = LengthsName.SECONDS,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE",
            help="Where stamps without a zone are from, like Europe/Berlin; also what the time of "
            "day is said in.",
            show_default=False,
        ),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="All calls are this tenant's, whatever the log says.",
            show_default=False,
        ),
    ] = None,
    max_tenants: Annotated[
        int, typer.Option(min=2, help="Keep the largest tenants, the rest are one.")
    ] = 50,
    max_broken: Annotated[
        str, typer.Option(metavar="SHARE", help="Refuse a log with more broken lines than this.")
    ] = "5%",
    keep_duplicates: Annotated[
        bool,
        typer.Option("--keep-duplicates", help="Records of one id are calls of their own."),
    ] = False,
    cycle: Annotated[
        CycleName,
        typer.Option(help="What the rate profile repeats; auto: a week where the log has one."),
    ] = CycleName.AUTO,
    blocking: Annotated[
        float, typer.Option(help="For which the scenario's limit is suggested.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Of the scenario.")] = 1,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write a page with charts to this file, like fit.html.",
            show_default=False,
        ),
    ] = None,
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
                columns=columns,
                output=output,
                force=force,
                times=times.value,
                lengths=lengths.value,
                timezone=timezone,
                tenant=tenant,
                max_tenants=max_tenants,
                max_broken=max_broken,
                keep_duplicates=keep_duplicates,
                cycle=cycle.value,
                blocking=blocking,
                seed=seed,
                page=page,
                compare=compare,
                capacity=capacity,
                replications=replications,
                workers=workers,
                as_json=as_json,
            )
        )

    finish(work)
