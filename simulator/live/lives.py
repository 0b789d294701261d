"""What the answers say became of each row of a trace that was played in wall-clock time."""

from array import array
from typing import Final

import numpy as np

from service.calls import Scope
from simulator.live.client import Reply
from simulator.results import CallLog, Fate
from simulator.trace import NEVER

_SCOPE_BIT: Final = {scope.value: 1 << place for place, scope in enumerate(Scope)}
_REJECTED_FOR: Final = {
    "tenant_not_configured": Fate.REJECTED_TENANT,
    "capacity": Fate.REJECTED_CAPACITY,
    "instructions_missing": Fate.REJECTED_INSTRUCTIONS,
}
_RELEASED: Final = {
    Fate.STILL_PENDING: Fate.ABANDONED_PENDING,
    Fate.STILL_ACCEPTED: Fate.ABANDONED_ACCEPTED,
    Fate.STILL_ACTIVE: Fate.ENDED,
}


class Lives:
    """The state of every row as its caller knows it; instants in wall-clock microseconds.

    A slot counts as held from the answer to its offer to the first sending of its end: at least
    then it was. A row whose offer was never answered is not made, as far as anybody knows.
    """

    def __init__(self, rows: int) -> None:
        self._fate = bytearray(rows)
        self._scopes = bytearray(rows)
        never = array("q", [NEVER])
        self._offered_us = never * rows
        self._accepted_us = never * rows
        self._started_us = never * rows
        self._released_us = never * rows
        self._ending_us = never * rows

    def fate(self, row: int) -> Fate:
        return Fate(self._fate[row])

    def admitted(self, row: int, at_us: int) -> None:
        self._fate[row] = Fate.STILL_PENDING
        self._offered_us[row] = at_us

    def rejected(self, row: int, reply: Reply, at_us: int) -> None:
        """An offer or accept was answered with a rejection."""
        answer = reply.answer
        assert answer is not None
        fate = _REJECTED_FOR[answer.reason or "capacity"]
        if self._fate[row] == Fate.NOT_MADE:
            self._offered_us[row] = at_us
            self._scopes[row] = sum(_SCOPE_BIT[scope] for scope in answer.scopes)
        else:
            self._released_us[row] = at_us
        self._fate[row] = fate

    def accepted(self, row: int, at_us: int) -> None:
        if self._fate[row] == Fate.STILL_PENDING:
            self._fate[row] = Fate.STILL_ACCEPTED
            self._accepted_us[row] = at_us

    def started(self, row: int, at_us: int) -> None:
        """The accept before it may have been left without an answer; now it is known."""
        self.accepted(row, at_us)
        if self._fate[row] == Fate.STILL_ACCEPTED:
            self._fate[row] = Fate.STILL_ACTIVE
            self._started_us[row] = at_us

    def ending(self, row: int, at_us: int) -> None:
        """An end was sent that may have arrived, whatever is known of it later."""
        if self._ending_us[row] == NEVER:
            self._ending_us[row] = at_us

    def released(self, row: int, at_us: int, *, ended: bool = False) -> None:
        """The call is over. ``ended`` says the service answered that it had started."""
        if self._ending_us[row] != NEVER:
            at_us = min(at_us, self._ending_us[row])
        if ended:
            self.started(row, at_us)
        now = Fate(self._fate[row])
        if now in _RELEASED:
            self._fate[row] = _RELEASED[now]
            self._released_us[row] = max(at_us, self.latest_us(row))

    def log(self, speed: float) -> CallLog:
        """The log of the run, its instants in the trace's time."""

        def scaled(column: "array[int]") -> np.ndarray[tuple[int], np.dtype[np.int64]]:
            wall = np.array(column, np.int64)
            return np.where(wall == NEVER, NEVER, np.rint(wall * speed).astype(np.int64))

        return CallLog(
            fate=np.array(self._fate, np.int8),
            scopes=np.array(self._scopes, np.int8),
            offered_us=scaled(self._offered_us),
            accepted_us=scaled(self._accepted_us),
            started_us=scaled(self._started_us),
            released_us=scaled(self._released_us),
        )

    def latest_us(self, row: int) -> int:
        """When its caller last heard that it goes on."""
        return max(self._offered_us[row], self._accepted_us[row], self._started_us[row])
