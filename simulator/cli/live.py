"""The options of live runs. Light to import: what they lead to is imported when it runs."""

from typing import Annotated

import typer

from simulator.cli.common import check_speed, positive_us
from simulator.live.options import LiveSettings

_DEFAULT = LiveSettings()

Speed = Annotated[
    float | None,
    typer.Option(help="Live: trace time over wall-clock time; 60 by default.", show_default=False),
]
Timeout = Annotated[
    str | None,
    typer.Option(
        help="Live: how long to wait for an answer; 5s by default.",
        metavar="DURATION",
        show_default=False,
    ),
]
Retries = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=100,
        help="Live: how often an event is sent again that was not answered; 1 by default.",
        show_default=False,
    ),
]
Late = Annotated[
    str | None,
    typer.Option(
        help="Live: how far behind its instant a send is late; 50ms by default.",
        metavar="DURATION",
        show_default=False,
    ),
]
MostOpen = Annotated[
    int | None,
    typer.Option(
        "--max-open",
        min=1,
        help="Live: requests under way at once; offers beyond them are dropped; 1000 by default.",
        show_default=False,
    ),
]
SharedLimit = Annotated[
    bool,
    typer.Option(
        "--shared-limit", help="Live: the targets are replicas with one limit between them."
    ),
]


def live_settings(
    engine: str,
    speed: float | None,
    timeout: str | None,
    retries: int | None,
    late: str | None,
    most_open: int | None,
    shared_limit: bool,
) -> LiveSettings | None:
    """The settings that the options make for ``engine``; None when none is given.

    Raises :class:`typer.BadParameter`.
    """
    options = {
        "--speed": speed,
        "--timeout": timeout,
        "--retries": retries,
        "--late": late,
        "--max-open": most_open,
        "--shared-limit": shared_limit or None,
    }
    given = [option for option, value in options.items() if value is not None]
    if not given:
        return None
    if engine != "live":
        *others, last = given
        named = f"{', '.join(others)} and {last} need" if others else f"{last} needs"
        raise typer.BadParameter(f"{named} --engine live, not {engine}")
    if speed is not None:
        check_speed(speed)
    return LiveSettings(
        speed=_DEFAULT.speed if speed is None else speed,
        timeout_s=_seconds("--timeout", timeout, _DEFAULT.timeout_s),
        retries=_DEFAULT.retries if retries is None else retries,
        late_s=_seconds("--late", late, _DEFAULT.late_s),
        most_open=_DEFAULT.most_open if most_open is None else most_open,
        shared_limit=shared_limit,
    )


def _seconds(option: str, text: str | None, default: float) -> float:
    return default if text is None else positive_us(option, text) / 1e6
