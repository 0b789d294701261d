"""The life of a call as data: what each input does in each state, and what it counts.

An input is an event together with what is known when it takes effect: an offer with the verdict of
admission, an accept with the result of its instructions lookup and the tenant's fallback setting.
:data:`TRANSITIONS` is the whole life; a pair that is not in it is refused and changes nothing.
Repeats are not in it either: each event takes effect at most once a call, and whoever keeps the
calls answers a repeat with the first answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from service.calls import SCOPE_SETS, Counter, Lookup, Outcome, Reason, State
from service.state.base import Answer, Decision, Refusal


class Input(Enum):
    """What can happen to a call, told apart as far as the effects differ."""

    OFFER_ADMITTED = auto()
    OFFER_REJECTED_TENANT = auto()
    OFFER_REJECTED_CAPACITY = auto()
    ACCEPT_FOUND = auto()
    ACCEPT_FALLBACK_AFTER_MISSING = auto()
    ACCEPT_FALLBACK_AFTER_ERROR = auto()
    ACCEPT_REJECTED_MISSING = auto()
    ACCEPT_REJECTED_ERROR = auto()
    START = auto()
    REFER = auto()
    END = auto()
    END_FAILED = auto()
    EXPIRE = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Transition:
    """Everything one input does in one state. Each one is itself, so it can be counted by.

    ``up`` and ``down`` are the counters raised and lowered by one, in the tenant's row and in the
    total. ``adds_active_time`` adds the time since the start to ``active_us_total``. ``answer`` is
    what the sender is told; an expiry has no sender.
    """

    to: State
    answer: Answer
    up: tuple[Counter, ...] = ()
    down: tuple[Counter, ...] = ()
    takes_slot: bool = False
    frees_slot: bool = False
    adds_active_time: bool = False


ADMITTED: Final = Answer(Decision.ADMITTED)
ACCEPTED: Final = Answer(Decision.ACCEPTED)
ACCEPTED_ON_FALLBACK: Final = Answer(Decision.ACCEPTED, fallback=True)
STARTED: Final = Answer(Decision.STARTED)
REFERRED: Final = Answer(Decision.REFERRED)
ENDED: Final = Answer(Decision.ENDED)
ABANDONED: Final = Answer(Decision.ABANDONED)
REJECTED_TENANT: Final = Answer(Decision.REJECTED, Reason.TENANT_NOT_CONFIGURED)
REJECTED_INSTRUCTIONS: Final = Answer(Decision.REJECTED, Reason.INSTRUCTIONS_MISSING)
REJECTED_CAPACITY: Final = tuple(
    Answer(Decision.REJECTED, Reason.CAPACITY, scopes) for scopes in SCOPE_SETS
)
"""By bit mask of the full scopes, as :data:`service.calls.SCOPE_SETS`."""

UNKNOWN_CALL: Final = Answer(refusal=Refusal.UNKNOWN_CALL)
OTHER_TENANT: Final = Answer(refusal=Refusal.OTHER_TENANT)
WRONG_STATE: Final = Answer(refusal=Refusal.WRONG_STATE)
CALL_MEMORY_FULL: Final = Answer(refusal=Refusal.CALL_MEMORY_FULL)

Transitions = Mapping[tuple[State | None, Input], Transition]
"""By the state before (None: the call is new) and the input."""

TRANSITIONS: Final[Transitions] = MappingProxyType(
    {
        # An offer makes the call. Only an admitted one takes a slot.
        (None, Input.OFFER_ADMITTED): Transition(
            State.PENDING, ADMITTED, up=(Counter.OFFERED_CALLS,), takes_slot=True
        ),
        (None, Input.OFFER_REJECTED_TENANT): Transition(
            State.REJECTED,
            REJECTED_TENANT,
            up=(Counter.OFFERED_CALLS, Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED),
        ),
        (None, Input.OFFER_REJECTED_CAPACITY): Transition(
            State.REJECTED,
            REJECTED_CAPACITY[0],  # admission puts the answer that names the full scopes
            up=(Counter.OFFERED_CALLS, Counter.REJECTED_CALLS_CAPACITY),
        ),
        # Pending: the slot is held while the instructions are looked up.
        (State.PENDING, Input.ACCEPT_FOUND): Transition(
            State.ACCEPTED, ACCEPTED, up=(Counter.ACCEPTED_CALLS,)
        ),
        (State.PENDING, Input.ACCEPT_FALLBACK_AFTER_MISSING): Transition(
            State.ACCEPTED,
            ACCEPTED_ON_FALLBACK,
            up=(Counter.FALLBACK_INSTRUCTIONS_USED, Counter.ACCEPTED_CALLS),
        ),
        (State.PENDING, Input.ACCEPT_FALLBACK_AFTER_ERROR): Transition(
            State.ACCEPTED,
            ACCEPTED_ON_FALLBACK,
            up=(
                Counter.INSTRUCTIONS_DB_ERRORS,
                Counter.FALLBACK_INSTRUCTIONS_USED,
                Counter.ACCEPTED_CALLS,
            ),
        ),
        (State.PENDING, Input.ACCEPT_REJECTED_MISSING): Transition(
            State.REJECTED,
            REJECTED_INSTRUCTIONS,
            up=(Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING,),
            frees_slot=True,
        ),
        (State.PENDING, Input.ACCEPT_REJECTED_ERROR): Transition(
            State.REJECTED,
            REJECTED_INSTRUCTIONS,
            up=(Counter.INSTRUCTIONS_DB_ERRORS, Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING),
            frees_slot=True,
        ),
        (State.PENDING, Input.END): Transition(
            State.ABANDONED, ABANDONED, up=(Counter.ABANDONED_PENDING,), frees_slot=True
        ),
        (State.PENDING, Input.END_FAILED): Transition(
            State.ABANDONED, ABANDONED, up=(Counter.ABANDONED_PENDING,), frees_slot=True
        ),
        (State.PENDING, Input.EXPIRE): Transition(
            State.ABANDONED, ABANDONED, up=(Counter.ABANDONED_PENDING,), frees_slot=True
        ),
        # Accepted: answered, the session not yet started.
        (State.ACCEPTED, Input.START): Transition(
            State.ACTIVE, STARTED, up=(Counter.STARTED_CALLS, Counter.ACTIVE_CALLS)
        ),
        (State.ACCEPTED, Input.END): Transition(
            State.ABANDONED, ABANDONED, up=(Counter.ABANDONED_ACCEPTED,), frees_slot=True
        ),
        (State.ACCEPTED, Input.END_FAILED): Transition(
            State.ABANDONED, ABANDONED, up=(Counter.ABANDONED_ACCEPTED,), frees_slot=True
        ),
        (State.ACCEPTED, Input.EXPIRE): Transition(
            State.ABANDONED, ABANDONED, up=(Counter.ABANDONED_ACCEPTED,), frees_slot=True
        ),
        # Active: running. A referred call goes on until it ends.
        (State.ACTIVE, Input.REFER): Transition(
            State.ACTIVE, REFERRED, up=(Counter.REFERRED_CALLS,)
        ),
        (State.ACTIVE, Input.END): Transition(
            State.ENDED,
            ENDED,
            up=(Counter.ENDED_CALLS,),
            down=(Counter.ACTIVE_CALLS,),
            frees_slot=True,
            adds_active_time=True,
        ),
        (State.ACTIVE, Input.END_FAILED): Transition(
            State.ENDED,
            ENDED,
            up=(Counter.ENDED_CALLS, Counter.FAILED_CALLS),
            down=(Counter.ACTIVE_CALLS,),
            frees_slot=True,
            adds_active_time=True,
        ),
        (State.ACTIVE, Input.EXPIRE): Transition(
            State.ENDED,
            ENDED,
            up=(Counter.ENDED_CALLS, Counter.FAILED_CALLS),
            down=(Counter.ACTIVE_CALLS,),
            frees_slot=True,
            adds_active_time=True,
        ),
        # Ended, rejected and abandoned are final: nothing leads out of them.
    }
)

ACCEPT_INPUTS: Final[Mapping[tuple[Lookup, bool], Input]] = MappingProxyType(
    {
        (Lookup.FOUND, False): Input.ACCEPT_FOUND,
        (Lookup.FOUND, True): Input.ACCEPT_FOUND,
        (Lookup.MISSING, False): Input.ACCEPT_REJECTED_MISSING,
        (Lookup.MISSING, True): Input.ACCEPT_FALLBACK_AFTER_MISSING,
        (Lookup.ERROR, False): Input.ACCEPT_REJECTED_ERROR,
        (Lookup.ERROR, True): Input.ACCEPT_FALLBACK_AFTER_ERROR,
    }
)
"""The input an accept is, by the result of its lookup and whether the tenant allows a fallback."""

END_INPUTS: Final[Mapping[Outcome, Input]] = MappingProxyType(
    {
        Outcome.COMPLETED: Input.END,
        Outcome.HUNG_UP: Input.END,
        Outcome.FAILED: Input.END_FAILED,
    }
)
"""The input an end is, by its outcome."""


def step(
    state: State | None, what: Input, transitions: Transitions = TRANSITIONS
) -> Transition | None:
    """What ``what`` does to a call in ``state``, or None when it is refused there."""
    return transitions.get((state, what))


def moves(what: Input, transitions: Transitions = TRANSITIONS) -> dict[State, Transition]:
    """One input's transitions by the state before, for those who look up the same input often."""
    return {
        state: found for state in State if (found := step(state, what, transitions)) is not None
    }
