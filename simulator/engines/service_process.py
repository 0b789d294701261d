"""Starts the service as a process of its own, and always stops it."""

import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import simulator
from service.calls import US_PER_SECOND
from simulator.engines import Inconclusive
from simulator.engines.limits import service_deadlines
from simulator.trace import CallTrace

READY: Final = "busyhour listening on "
"""What the service prints, followed by its address, when it takes connections."""

SERVE: Final = ("simulator.cli", "serve")

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 10.0

_KEPT_LINES: Final = 20
_LEAST_MEMORY: Final = 1_000_000
_ROOT: Final = Path(simulator.__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a service, drawn anew for every one that is started here."""

    admin: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    call: str = field(default_factory=lambda: secrets.token_urlsafe(24))


def deadline_setting(name: str) -> str:
    """The setting of a deadline: ``pending_us`` is set by ``pending_deadline_s``."""
    return f"{name.removesuffix('_us')}_deadline_s"


def decimal_seconds(microseconds: int) -> str:
    """Microseconds as the settings take them: exact decimal seconds."""
    return f"{microseconds // US_PER_SECOND}.{microseconds % US_PER_SECOND:06d}"


def service_settings(trace: CallTrace, *, speed: float | None = None) -> dict[str, str]:
    """The settings a trace is played with: ``BUSYHOUR_*`` in lower case, without the tokens.

    With a ``speed`` the service runs on the system clock, and its deadlines are that much shorter.
    """
    conditions = trace.conditions
    deadlines = asdict(service_deadlines(conditions, speed or 1.0))
    settings = {
        "testbed": "true",
        "clock": "virtual" if speed is None else "system",
        "database_url": "sqlite+aiosqlite://",
        "max_concurrent_calls": str(conditions.max_concurrent_calls),
        "max_remembered_calls": str(max(len(trace), _LEAST_MEMORY)),
        "log_level": "WARNING",
    }
    for name, deadline_us in deadlines.items():
        if deadline_us is not None:
            settings[deadline_setting(name)] = decimal_seconds(deadline_us)
    return settings


class ServiceProcess:
    """A running ``busyhour serve`` on a free port, as a context manager.

    It starts with :meth:`__enter__`; :meth:`wait_until_ready` gives its address. Leaving stops it:
    asked first, then killed; it stops by itself when this process is killed. It does not get the
    terminal's Ctrl-C, so that it lives until it is asked, and reads no ``.env`` file. ``port`` 0
    takes a free one. ``program`` is a module and its arguments that serves and takes ``--port``.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        tokens: Tokens,
        port: int = 0,
        program: Sequence[str] = SERVE,
    ) -> None:
        self._command = [sys.executable, "-m", *program, "--port", str(port)]
        own = {
            "admin_token": tokens.admin,
            "call_token": tokens.call,
            "stop_with_stdin": "true",
            **settings,
        }
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("BUSYHOUR_")
        }
        paths = [str(_ROOT), *filter(None, [inherited.get("PYTHONPATH")])]
        self._environment = {
            **inherited,
            **{f"BUSYHOUR_{name.upper()}": value for name, value in own.items()},
            "PYTHONPATH": os.pathsep.join(paths),
        }
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._url: str | None = None
        self._told = threading.Event()

    def __enter__(self) -> Self:
        # A directory of its own: the service would read a .env file from the present one.
        self._directory = tempfile.TemporaryDirectory(prefix="busyhour-")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command,
            cwd=self._directory.name,
            env=self._environment,
            # Never written to: it closes with this process, however that ends, and the service
            # stops then.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        process = self._process
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also when whoever waits is interrupted once more.
            if process.poll() is None:
                process.kill()
                process.wait()
        assert process.stdin is not None
        process.stdin.close()
        self._reader.join(STOP_TIMEOUT_S)
        with suppress(OSError):
            self._directory.cleanup()

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """Kill it without warning, as a crash would, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def wait_until_ready(self) -> str:
        """The service's address. Raises :class:`Inconclusive` if it dies or takes too long."""
        if not self._told.wait(START_TIMEOUT_S):
            raise Inconclusive(f"the service was not ready after {START_TIMEOUT_S:.0f} s")
        if self._url is None:
            raise Inconclusive(f"the service did not start{self.last_words()}")
        return self._url

    def last_words(self) -> str:
        """The last lines the service logged, to put behind a message; empty if it was silent."""
        lines = "\n  ".join(self._lines)
        return f"; its last lines:\n  {lines}" if lines else ""

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.startswith(READY) and self._url is None:
                    self._url = line.removeprefix(READY).strip()
                    self._told.set()
                else:
                    self._lines.append(line.rstrip())
        self._told.set()
