"""Call logs made up for the tests of fitting, with numpy alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.cdr.recorded import CallEnd, RecordedCalls, WallClock
from simulator.conditions import NEVER

Int64s = npt.NDArray[np.int64]
Numbers = Sequence[int] | npt.NDArray[np.signedinteger[Any]]
SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
WEDNESDAY = datetime(2026, 3, 4)


def call_log(
    offer_us: Numbers,
    hold_us: Numbers | int = 60 * SECOND,
    setup_us: Numbers | int = 0,
    end: Numbers | int = CallEnd.COMPLETED,
    tenant: Numbers | int = 0,
    caller: Numbers | None = None,
    tenants: tuple[str, ...] = ("acme",),
    dated: bool = True,
    resolution_us: int = SECOND,
) -> RecordedCalls:
    """A log from columns, in any order; ``setup_us`` of unanswered calls is how long they rang."""
    n = len(offer_us)
    offers = np.asarray(offer_us, np.int64)
    order = np.argsort(offers, kind="stable")

    def column(values: Numbers | int) -> Int64s:
        return np.broadcast_to(np.asarray(values, np.int64), (n,))[order]

    ends, setup, hold = column(end), column(setup_us), column(hold_us)
    answered = ends <= CallEnd.FAILED
    return RecordedCalls(
        tenants=tenants,
        tenant=column(tenant).astype(np.int32),
        offer_us=offers[order],
        slot_us=np.where(answered, setup + hold, setup),
        setup_us=np.where(answered, setup, NEVER),
        hold_us=np.where(answered, hold, NEVER),
        end=ends.astype(np.int8),
        line=(order + 1).astype(np.int32),
        caller=None if caller is None else column(caller),
        clock=WallClock(WEDNESDAY) if dated else None,
        resolution_us=resolution_us,
    )


def office_hours(calls: int, days: int, seed: int) -> Int64s:
    """Poisson offers that follow the day, in whole seconds: most at one in the afternoon."""
    rng = np.random.default_rng(seed)
    day = rng.integers(0, days, calls) * DAY
    return np.sort(day + np.clip(rng.normal(13, 3, calls), 0, 23.99) * HOUR).astype(np.int64)
