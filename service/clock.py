"""Where the service takes its time from. Instants are whole microseconds since the clock began."""

import time
from collections.abc import Callable
from typing import Protocol


class ClockError(ValueError):
    """A time was given, missing or out of order; nothing changed."""


class ClientTimeRefused(ClockError):
    """A request brought its own time to a service that runs on the system clock."""


class TimeMissing(ClockError):
    """A request brought no time to a service that runs on the virtual clock."""


class ClockBackwards(ClockError):
    """A request brought a time earlier than the last one."""


class Clock(Protocol):
    """Never goes back. ``kind`` is ``system`` or ``virtual``."""

    @property
    def kind(self) -> str: ...

    def now_us(self) -> int:
        """The instant it is now."""
        ...

    def take(self, at_us: int | None) -> int:
        """The instant at which a request counts that brought ``at_us`` (None: brought none).

        Raises :class:`ClientTimeRefused`, :class:`TimeMissing` or :class:`ClockBackwards`.
        """
        ...


class SystemClock:
    """Time as it passes, read as max(last, now): no duration is ever negative.

    ``read_ns`` gives nanoseconds from any fixed point.
    """

    __slots__ = ("_last_us", "_origin_ns", "_read_ns")

    kind = "system"

    def __init__(self, read_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._read_ns = read_ns
        self._origin_ns = read_ns()
        self._last_us = 0

    def now_us(self) -> int:
        now_us = (self._read_ns() - self._origin_ns) // 1000
        if now_us > self._last_us:
            self._last_us = now_us
        return self._last_us

    def take(self, at_us: int | None) -> int:
        if at_us is not None:
            raise ClientTimeRefused(
                "at_us is refused: this service runs on the system clock, because durations are "
                "billed and a client may not set them"
            )
        return self.now_us()


class VirtualClock:
    """Time as requests bring it; it stands still in between."""

    __slots__ = ("_now_us",)

    kind = "virtual"

    def __init__(self, now_us: int = 0) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us

    def advance_to(self, at_us: int) -> int:
        """Move on to ``at_us`` and return it; an earlier time raises :class:`ClockBackwards`."""
        if at_us < self._now_us:
            raise ClockBackwards(
                f"at_us {at_us} is earlier than the last time {self._now_us}; "
                "the virtual clock only goes forward"
            )
        self._now_us = at_us
        return at_us

    def take(self, at_us: int | None) -> int:
        if at_us is None:
            raise TimeMissing("at_us is missing: this service runs on the virtual clock")
        return self.advance_to(at_us)
