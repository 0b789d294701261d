"""Where two logs of the same trace part: the first call that fared differently than expected."""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from service.calls import SCOPE_SETS, US_PER_SECOND, Counter
from simulator.results import CallLog, Fate
from simulator.trace import NEVER, CallTrace

_Ints = npt.NDArray[np.int64]

_INSTANTS: Final = ("offered", "accepted", "started", "released")


def _fated(*fates: Fate) -> Callable[[CallLog, _Ints], _Ints]:
    return lambda log, rows: np.isin(log.fate[rows], fates).astype(np.int64)


def _active_us(log: CallLog, rows: _Ints) -> _Ints:
    ended = log.fate[rows] == Fate.ENDED
    return np.where(ended, log.released_us[rows] - log.started_us[rows], 0)


_SHARE: Final[dict[Counter, Callable[[CallLog, _Ints], _Ints]]] = {
    Counter.OFFERED_CALLS: lambda log, rows: (log.offered_us[rows] != NEVER).astype(np.int64),
    Counter.ACCEPTED_CALLS: lambda log, rows: (log.accepted_us[rows] != NEVER).astype(np.int64),
    Counter.STARTED_CALLS: lambda log, rows: (log.started_us[rows] != NEVER).astype(np.int64),
    Counter.ENDED_CALLS: _fated(Fate.ENDED),
    Counter.ACTIVE_CALLS: _fated(Fate.STILL_ACTIVE),
    Counter.ACTIVE_US_TOTAL: _active_us,
    Counter.REJECTED_CALLS_CAPACITY: _fated(Fate.REJECTED_CAPACITY),
    Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED: _fated(Fate.REJECTED_TENANT),
    Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING: _fated(Fate.REJECTED_INSTRUCTIONS),
    Counter.ABANDONED_PENDING: _fated(Fate.ABANDONED_PENDING),
    Counter.ABANDONED_ACCEPTED: _fated(Fate.ABANDONED_ACCEPTED),
}
"""What each row adds to a counter, as far as a log can tell; the others leave no trace in it."""


class Differences:
    """The rows whose logs differ, in the order they are offered; says the first one in words."""

    def __init__(self, trace: CallTrace, expected: CallLog, observed: CallLog) -> None:
        self._trace, self._expected, self._observed = trace, expected, observed
        differs = (expected.fate != observed.fate) | (expected.scopes != observed.scopes)
        for name in _INSTANTS:
            differs |= getattr(expected, f"{name}_us") != getattr(observed, f"{name}_us")
        if expected.preempted_by is not None and observed.preempted_by is not None:
            differs |= expected.preempted_by != observed.preempted_by
        rows = np.flatnonzero(differs)
        offered = np.where(
            expected.offered_us[rows] == NEVER,
            observed.offered_us[rows],
            expected.offered_us[rows],
        )
        self._rows = rows[np.lexsort((rows, offered))]
        tenant = np.broadcast_to(trace.tenant, len(trace))[self._rows]
        names = [t.tenant_id if t.configured else None for t in trace.conditions.tenants]
        self._row_names = np.array([*names, None], object)[tenant]

    def __len__(self) -> int:
        return len(self._rows)

    def first(
        self,
        counter: Counter | None = None,
        tenant_id: str | None = None,
        *,
        unknown: bool = False,
    ) -> str:
        """The first call behind a wrong counter of a tenant, else the first that differs at all.

        ``counter`` None asks for no counter in particular. ``tenant_id`` None means the total,
        ``unknown`` the row of the tenants not configured.
        """
        rows = self._rows
        if unknown:
            rows = rows[self._row_names == None]  # noqa: E711 (compared item by item)
        elif tenant_id is not None:
            rows = rows[self._row_names == tenant_id]
        share = None if counter is None else _SHARE.get(counter)
        if share is not None:
            at_fault = rows[share(self._expected, rows) != share(self._observed, rows)]
            rows = at_fault if len(at_fault) else rows
        if len(rows):
            return f"first differing call: {self._describe(int(rows[0]))}"
        if len(self._rows):
            return f"first differing call, of another tenant: {self._describe(int(self._rows[0]))}"
        return "no call's own history differs: only the counting does"

    def _describe(self, row: int) -> str:
        expected, observed = self._expected, self._observed
        tenant = self._trace.conditions.tenants[
            int(np.broadcast_to(self._trace.tenant, len(self._trace))[row])
        ]
        offered = int(expected.offered_us[row])
        if offered == NEVER:
            offered = int(observed.offered_us[row])
        was, is_now = (_fate(log, row) for log in (expected, observed))
        apart = "" if was == is_now else f" expected {was}, observed {is_now};"
        for name in _INSTANTS:
            left = int(getattr(expected, f"{name}_us")[row])
            right = int(getattr(observed, f"{name}_us")[row])
            if left != right:
                apart += f" {name} expected {_instant(left)}, observed {_instant(right)};"
        return f"row {row} of {tenant.tenant_id} offered at {_instant(offered)}:{apart}".rstrip(";")


def _fate(log: CallLog, row: int) -> str:
    try:
        fate = Fate(int(log.fate[row])).name.lower()
    except ValueError:
        return f"fate {log.fate[row]}"
    scopes = SCOPE_SETS[int(log.scopes[row]) & 7]
    return f"{fate} ({', '.join(scopes)})" if scopes else fate


def _instant(at_us: int) -> str:
    return "never" if at_us == NEVER else f"{at_us / US_PER_SECOND:.6f} s"
