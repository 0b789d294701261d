"""The service of a live run: started here on the system clock, and started again after a kill."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from simulator.engines.service_process import ServiceProcess, Tokens, service_settings
from simulator.trace import CallTrace

_DATABASE: Final = "busyhour.db"


class OwnLiveService:
    """A service process whose tenants outlive it; a context manager.

    Tenants are kept in a database file, so that they are in force from the first request after a
    restart. The total limit is a setting: ``limit_now`` is what it starts with the next time.
    """

    def __init__(self, trace: CallTrace, speed: float) -> None:
        self.tokens = Tokens()
        self.limit_now = trace.conditions.max_concurrent_calls
        self._settings: Mapping[str, str] = service_settings(trace, speed=speed)
        self._port = 0

    def __enter__(self) -> "OwnLiveService":
        self._stack = ExitStack()
        try:
            directory = self._stack.enter_context(
                tempfile.TemporaryDirectory(prefix="busyhour-", ignore_cleanup_errors=True)
            )
            self._database_url = f"sqlite+aiosqlite:///{Path(directory) / _DATABASE}"
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            with suppress(OSError):
                self._process.__exit__(None, None, None)
        finally:
            self._stack.close()

    def wait_until_ready(self) -> str:
        """Its address. Raises :class:`simulator.engines.Inconclusive`."""
        url = self._process.wait_until_ready()
        self._port = urlsplit(url).port or 0
        return url

    def last_words(self) -> str:
        return self._process.last_words()

    def kill(self) -> None:
        """Kill it without warning."""
        self._process.kill()
        self._process.__exit__(None, None, None)

    def start_again(self) -> None:
        """Start it at the address it had, and wait until it takes requests there."""
        self._start()
        self.wait_until_ready()

    def _start(self) -> None:
        settings = {
            **self._settings,
            "database_url": self._database_url,
            "max_concurrent_calls": str(self.limit_now),
        }
        self._process = ServiceProcess(settings, self.tokens, self._port)
        self._process.__enter__()
