"""What every command of ``busyhour`` shares: tokens, targets, and how it ends."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated, NoReturn

import typer

from simulator.address import is_address
from simulator.exit_codes import BROKEN_PIPE, INCONCLUSIVE, INTERRUPTED, INVALID
from simulator.live.options import LEAST_SPEED, MOST_SPEED, SPEEDS

AdminToken = Annotated[
    str | None,
    typer.Option(envvar="BUSYHOUR_ADMIN_TOKEN", help="The target's.", show_default=False),
]
CallToken = Annotated[
    str | None,
    typer.Option(envvar="BUSYHOUR_CALL_TOKEN", help="The target's.", show_default=False),
]


def check_target(target: str, **tokens: str | None) -> None:
    """Raises :class:`typer.BadParameter` for what is no address, and for a token that is missing.

    ``tokens`` are by the names of their variables.
    """
    if not is_address(target):
        raise typer.BadParameter(f"--target is {target!r}; write http://HOST:PORT")
    for variable, token in tokens.items():
        if not token:
            raise typer.BadParameter(f"--target needs the service's token in {variable}")
        if not token.isascii():
            raise typer.BadParameter(f"{variable} goes into an HTTP header and must be ASCII")


def positive_us(option: str, text: str) -> int:
    """A duration above zero, in microseconds. Raises :class:`typer.BadParameter`."""
    from simulator.scenario_file.units import UnitsInvalid, parse_duration_us

    try:
        duration_us = parse_duration_us(text)
    except UnitsInvalid as error:
        raise typer.BadParameter(f"{option}: {error}") from None
    if not duration_us:
        raise typer.BadParameter(f"{option} is {text}; it must be longer than nothing")
    return duration_us


def check_speed(speed: float) -> None:
    """Raises :class:`typer.BadParameter` for a ``--speed`` out of bounds."""
    if not LEAST_SPEED <= speed <= MOST_SPEED:
        raise typer.BadParameter(f"--speed is {speed:g}; it must be {SPEEDS}")


def finish(work: Callable[[], int]) -> NoReturn:
    """Do the work and leave with its exit code; interruptions have theirs."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = work()
        sys.stdout.flush()
    except KeyboardInterrupt as stopped:
        what_is_left = f"; {stopped}" if stopped.args else ""
        print(f"busyhour: interrupted{what_is_left}", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        code = BROKEN_PIPE
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        print(f"busyhour: {where}{error.strerror or error}", file=sys.stderr)
        code = INVALID
    except Exception:
        # A fault of this program is no verdict: a traceback to report, and inconclusive.
        sys.excepthook(*sys.exc_info())
        code = INCONCLUSIVE
    raise typer.Exit(code)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _drop_output() -> None:
    """Keep the interpreter from complaining when it flushes what nobody reads."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
