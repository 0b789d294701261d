"""The service as a process: sockets, signals, and the one line a user sees when it cannot start."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from types import FrameType
from typing import Final, NoReturn

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from service.app import Service, create_app
from service.database import reason_of
from service.logs import configure_logging
from service.settings import Settings, SettingsInvalid, load_settings
from service.state.base import LimitsInvalid

GRACE_S: Final = 10
"""Seconds that open requests get to finish when the process is told to stop."""

BACKLOG: Final = 2048

EXIT_CANNOT_START: Final = 2

STDIN: Final = 0
"""The file descriptor of standard input."""

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
KEPT_MEMORY: Final = 32 * 1024 * 1024
"""Freed memory up to this size stays with the process."""


class CannotStart(Exception):
    """Why the service does not start, in one line."""


class _Server(uvicorn.Server):
    """Says where it listens once it does."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"busyhour listening on {self._address}", flush=True)


def serve_from_environment(
    host: str, port: int, create: Callable[[Settings], Service] = create_app
) -> int:
    """Serve with the settings of the environment; the exit code of the process.

    0 after SIGTERM or SIGINT, 2 with one line on stderr when it cannot start.
    """
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        serve(load_settings(), host, port, create)
    except SettingsInvalid as error:
        return _refuse(f"{error} (settings are environment variables, see .env.example)")
    except CannotStart as error:
        return _refuse(str(error))
    return 0


def serve(
    settings: Settings,
    host: str,
    port: int,
    create: Callable[[Settings], Service] = create_app,
) -> None:
    """Serve until a signal comes. Port 0 takes a free one; the line on stdout tells which.

    ``create`` makes the service. Raises :class:`CannotStart` when the address is taken or the
    database or its content cannot be used.
    """
    listener = _bind(host, port)
    try:
        configure_logging(settings.log_level)
        if settings.stop_with_stdin:
            threading.Thread(target=_stop_at_end_of_stdin, daemon=True).start()
        _keep_freed_memory()
        service = create(settings)
        bound_host, bound_port = listener.getsockname()[:2]
        address = f"[{bound_host}]" if ":" in bound_host else bound_host
        config = uvicorn.Config(
            service,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = _Server(config, f"http://{address}:{bound_port}")
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_serve(service, server, listener))
    finally:
        listener.close()


def _keep_freed_memory() -> None:
    """Have glibc keep the memory of large bodies instead of handing it back after each.

    A debug document of ten thousand calls is half a megabyte. Taking that from the kernel anew,
    page by page, costs more than writing it. With another C library nothing is changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY)
        mallopt(M_TRIM_THRESHOLD, 2 * KEPT_MEMORY)


def _stop_at_end_of_stdin() -> None:
    """Tell this process to stop, as whoever started it would have, once nobody holds the pipe."""
    # Not through sys.stdin: its lock, held by a waiting thread, is fatal to an exiting interpreter.
    with suppress(OSError):
        while os.read(STDIN, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


async def _serve(service: Service, server: _Server, listener: socket.socket) -> None:
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(service.running())
        except SQLAlchemyError as error:
            _wait_for_threads()
            raise CannotStart(
                f"the database of BUSYHOUR_DATABASE_URL fails: {reason_of(error)}"
            ) from None
        except LimitsInvalid as error:
            raise CannotStart(
                f"the stored tenants do not fit BUSYHOUR_MAX_CONCURRENT_CALLS: {error}"
            ) from None
        await server.serve([listener])


def _wait_for_threads() -> None:
    """Let the driver's thread of a connection that did not open end before the loop does.

    It hands one last result to the loop, which nobody waits for; a closed loop would make it print
    a traceback.
    """
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(timeout=1)


def _bind(host: str, port: int) -> socket.socket:
    """Listen from the start: who connects early waits, and a taken port is known at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError) as error:
        raise CannotStart(f"cannot listen on {host}:{port}: {error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise CannotStart(f"cannot listen on {host}:{port}: {reason}") from None
    return listener


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """A signal outside the server's loop: while it starts, or when the loop hands it on."""
    sys.exit(0)


def _refuse(line: str) -> int:
    print(f"busyhour: cannot start: {line}", file=sys.stderr)
    return EXIT_CANNOT_START
