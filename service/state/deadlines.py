"""Which held call's deadline falls due next."""

from typing import Final

from service.calls import State
from service.state.base import Deadlines
from service.state.records import Call

NEVER_DUE: Final = 1 << 62


class DeadlineWatch:
    """The held calls of each state that has a deadline.

    A state's deadline is the same for every call, so the order of entry is the order of falling
    due: a dict, with the next one in front, is queue enough.
    """

    __slots__ = ("_queues",)

    def __init__(self, deadlines: Deadlines) -> None:
        self._queues: dict[State, tuple[int, dict[Call, int]]] = {
            state: (deadline_us, {})
            for state, deadline_us in (
                (State.PENDING, deadlines.pending_us),
                (State.ACCEPTED, deadlines.accepted_us),
                (State.ACTIVE, deadlines.active_us),
            )
            if deadline_us is not None
        }

    def enter(self, call: Call, at_us: int) -> int:
        """Watch a call that has just entered its state; the instant its deadline falls due."""
        watched = self._queues.get(call.state)
        if watched is None:
            return NEVER_DUE
        deadline_us, queue = watched
        queue[call] = at_us + deadline_us
        return at_us + deadline_us

    def leave(self, call: Call) -> None:
        """Stop watching a call that is about to leave its state."""
        watched = self._queues.get(call.state)
        if watched is not None:
            del watched[1][call]

    def earliest(self) -> tuple[int, Call | None]:
        """The next deadline to fall due, and whose it is; NEVER_DUE and None if there is none."""
        due_us, who = NEVER_DUE, None
        for _, queue in self._queues.values():
            if queue:
                call = next(iter(queue))
                if queue[call] < due_us:
                    due_us, who = queue[call], call
        return due_us, who
