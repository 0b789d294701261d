"""What every command of ``busyhour`` shares: tokens, addresses, and how it ends."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer

from simulator.exit_codes import BROKEN_PIPE, INCONCLUSIVE, INTERRUPTED, INVALID

AdminToken = Annotated[
    str | None,
    typer.Option(envvar="BUSYHOUR_ADMIN_TOKEN", help="The target's.", show_default=False),
]
CallToken = Annotated[
    str | None,
    typer.Option(envvar="BUSYHOUR_CALL_TOKEN", help="The target's.", show_default=False),
]


def is_address(target: str) -> bool:
    """Whether this is the address of a service."""
    try:
        parts = urlsplit(target)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


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
