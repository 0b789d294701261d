"""How a command is told to read files of calls: the options that fit and replay share."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from simulator.cdr.options import ReadingArguments


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


Columns = Annotated[
    str,
    typer.Option(
        metavar="NAME|FIELD=COLUMN,...",
        help="asterisk, freeswitch, twilio, or your own columns by name or number (from 1): "
        "start, answer, end, duration, hold, setup, status, tenant, caller, id, other_id; "
        "start and one of duration, hold and end are needed.",
    ),
]
Times = Annotated[
    TimesName, typer.Option(help="How instants are written; auto goes by the first of them.")
]
Lengths = Annotated[
    LengthsName, typer.Option(help="What a bare number counts where a length stands.")
]
Timezone = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE",
        help="Where stamps without a zone are from, like Europe/Berlin; also what the time of "
        "day is said in.",
        show_default=False,
    ),
]
Encoding = Annotated[str, typer.Option(help="Of the files; Excel's CSV is often cp1252.")]
OnlyTenant = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="All calls are this tenant's, whatever the log says.",
        show_default=False,
    ),
]
KeepDuplicates = Annotated[
    bool, typer.Option("--keep-duplicates", help="Records of one id are calls of their own.")
]


def reading_arguments(
    columns: str,
    times: TimesName,
    lengths: LengthsName,
    timezone: str | None,
    encoding: str,
    tenant: str | None,
    keep_duplicates: bool,
) -> "ReadingArguments":
    from simulator.cdr.options import ReadingArguments

    return ReadingArguments(
        columns=columns,
        times=times.value,
        lengths=lengths.value,
        timezone=timezone,
        encoding=encoding,
        tenant=tenant,
        keep_duplicates=keep_duplicates,
    )
