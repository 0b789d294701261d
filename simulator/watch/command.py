"""``busyhour watch``: polls until it is told to stop, and leaves with what it saw."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httpx

from service.calls import US_PER_SECOND
from simulator.exit_codes import FAILED, INCONCLUSIVE, PASSED
from simulator.watch.checker import Watch
from simulator.watch.laws import Violation
from simulator.watch.lives import Restart
from simulator.watch.polling import TIMEOUT, Poller, Refused, Unreachable
from simulator.watch.view import Show, Tally, show_for

LONGEST_WAIT_S: Final = 30.0
"""Between two attempts at a target that does not answer, unless the interval is longer."""

_VERDICT: Final = {PASSED: "pass", FAILED: "fail", INCONCLUSIVE: "inconclusive"}


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """``count``: so many attempts to poll, None for as long as nobody interrupts."""

    target: str
    admin_token: str
    tenant_ids: tuple[str, ...]
    limit: int | None
    interval_us: int
    count: int | None
    as_json: bool
    fail_fast: bool


def watch(options: WatchOptions) -> int:
    """Watch a target; the exit code.

    1 when a law was broken, 0 when none was, 3 when nothing could be read: the target was out of
    reach from the start, the token is wrong, or it is no such service. An interruption ends the
    watch as ``count`` does.
    """
    show = show_for(options.target, options.as_json)
    tally = Tally()
    gave_up = False
    try:
        url = options.target.rstrip("/")
        with httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False) as client:
            poller = Poller(client, options.admin_token, options.tenant_ids)
            _Round(options, poller, show, tally).until_stopped(time.sleep)
    except KeyboardInterrupt:
        show.noted("stopped", "interrupted")
    except (Refused, Unreachable) as error:
        gave_up = True
        show.noted("stopped", str(error))
    code = PASSED if tally.polls and not gave_up else INCONCLUSIVE
    if tally.violations:
        code = FAILED
    show.finished(_VERDICT[code], tally)
    return code


class _Round:
    """The loop over polls."""

    def __init__(self, options: WatchOptions, poller: Poller, show: Show, tally: Tally) -> None:
        self._options = options
        self._poller = poller
        self._show = show
        self._tally = tally
        self._checker = Watch(options.limit)
        self._missing: tuple[str, ...] = ()

    def until_stopped(self, sleep: Callable[[float], None]) -> None:
        """Raises :class:`Unreachable` when the very first attempt fails, and :class:`Refused`."""
        interval_s = self._options.interval_us / US_PER_SECOND
        attempts = failed_in_a_row = 0
        due = time.monotonic()
        while True:
            attempts += 1
            wait_s = interval_s
            try:
                poll = self._poller.poll(after_failure=failed_in_a_row > 0)
            except Unreachable as error:
                if self._tally.polls == 0:
                    raise
                failed_in_a_row += 1
                self._tally.failures += 1
                longest_s = max(interval_s, LONGEST_WAIT_S)
                wait_s = min(interval_s * 2 ** min(failed_in_a_row, 30), longest_s)
                self._show.noted("unreachable", f"{error}; asking again in {wait_s:g} s")
            else:
                failed_in_a_row = 0
                self._tally.polls += 1
                findings = self._checker.observe(poll)
                broken = sum(isinstance(finding, Violation) for finding in findings)
                self._tally.violations += broken
                self._tally.restarts += sum(isinstance(f, Restart) for f in findings)
                self._note_missing()
                self._show.polled(poll, findings, self._tally)
                if broken and self._options.fail_fast:
                    return
            if attempts == self._options.count:
                return
            due = max(due + wait_s, time.monotonic())
            sleep(max(0.0, due - time.monotonic()))

    def _note_missing(self) -> None:
        missing = self._poller.not_configured
        if missing != self._missing:
            self._missing = missing
            for tenant_id in missing:
                self._show.noted("tenant", f"{tenant_id} is not configured there")
