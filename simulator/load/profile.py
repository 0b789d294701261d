"""How many users Locust should run at each moment: the calls that are in progress by then."""

from typing import Final

import numpy as np

from simulator.trace import NEVER, CallTrace

LEAST_USERS: Final = 20
"""For each worker: enough to go on when answers are slow and calls fall behind the trace."""

MOST_USERS: Final = 200
"""For each worker: beyond it more connections only cost time, and events wait for none of them."""

_AHEAD_S: Final = 3
"""Locust asks once a second and needs time to start users."""


class UserProfile:
    """Calls in progress if none were turned away, over the time of the run at ``speed``.

    Rows that depend on another's end have no instant of their own and are left out.
    """

    def __init__(self, trace: CallTrace, speed: float) -> None:
        offers = trace.column("offer_us")
        fixed = offers != NEVER
        patience = trace.column("patience_us")
        setup = trace.column("setup_us") + trace.column("connect_us")
        leaves = (patience != NEVER) & (patience < setup)
        lasts = np.where(leaves, patience, setup + trace.column("hold_us"))
        self._starts_us = np.sort(offers[fixed])
        self._ends_us = np.sort((offers + lasts)[fixed])
        self._speed = speed

    def users(self, run_s: float, workers: int) -> int:
        """Users for ``workers`` workers, ``run_s`` seconds after the start.

        As many as calls are in progress now or within seconds, rounded up so that it does not
        change at every tick, within the bounds a worker has.
        """
        at_us = (run_s + np.arange(_AHEAD_S)) * 1e6 * self._speed
        begun = np.searchsorted(self._starts_us, at_us, side="right")
        over = np.searchsorted(self._ends_us, at_us, side="right")
        calls = int((begun - over).max())
        step = max(1, int(10 ** (len(str(max(calls, 1))) - 1)) // 2)
        rounded = -(-calls // step) * step
        return min(max(rounded, LEAST_USERS * workers), MOST_USERS * workers)
