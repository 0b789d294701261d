"""The lifecycle table is complete and keeps the laws that each of its rows must keep by itself."""

from dataclasses import asdict
from itertools import product

import pytest

from service.calls import Counter, Lookup, Outcome, Reason, Scope, State
from service.lifecycle import (
    ACCEPT_INPUTS,
    END_INPUTS,
    REJECTED_CAPACITY,
    TRANSITIONS,
    Input,
    Transition,
    moves,
    step,
)
from service.state.base import Answer, Decision

OFFERS = {Input.OFFER_ADMITTED, Input.OFFER_REJECTED_TENANT, Input.OFFER_REJECTED_CAPACITY}
ACCEPTS = {what for what in Input if what.name.startswith("ACCEPT_")}
ENDS = {Input.END, Input.END_FAILED, Input.EXPIRE}
HELD = {State.PENDING, State.ACCEPTED, State.ACTIVE}

ALLOWED = (
    set(product([None], OFFERS))
    | set(product([State.PENDING], ACCEPTS))
    | {(State.ACCEPTED, Input.START), (State.ACTIVE, Input.REFER)}
    | set(product(HELD, ENDS))
)

ROWS = sorted(TRANSITIONS.items(), key=str)


def change(move: Transition, counter: Counter) -> int:
    return move.up.count(counter) - move.down.count(counter)


def test_exactly_the_allowed_pairs_are_in_the_table() -> None:
    assert set(TRANSITIONS) == ALLOWED


@pytest.mark.parametrize("state", [None, *State])
@pytest.mark.parametrize("what", Input)
def test_step_refuses_what_is_not_allowed(state: State | None, what: Input) -> None:
    assert (step(state, what) is not None) == ((state, what) in ALLOWED)


@pytest.mark.parametrize("what", Input)
def test_moves_are_one_input_of_the_table(what: Input) -> None:
    assert moves(what) == {
        state: move for (state, of), move in TRANSITIONS.items() if of is what and state is not None
    }


@pytest.mark.parametrize(("pair", "move"), ROWS)
def test_a_slot_is_taken_on_entering_the_held_states_and_freed_on_leaving(
    pair: tuple[State | None, Input], move: Transition
) -> None:
    before = pair[0] in HELD
    after = move.to in HELD
    assert move.takes_slot == (after and not before)
    assert move.frees_slot == (before and not after)


@pytest.mark.parametrize(("pair", "move"), ROWS)
def test_every_row_keeps_the_conservation_laws(
    pair: tuple[State | None, Input], move: Transition
) -> None:
    state = pair[0]
    pending = (move.to is State.PENDING) - (state is State.PENDING)
    waiting = (move.to is State.ACCEPTED) - (state is State.ACCEPTED)
    active = (move.to is State.ACTIVE) - (state is State.ACTIVE)
    assert change(move, Counter.OFFERED_CALLS) == (
        pending
        + change(move, Counter.ACCEPTED_CALLS)
        + change(move, Counter.REJECTED_CALLS_CAPACITY)
        + change(move, Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED)
        + change(move, Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING)
        + change(move, Counter.ABANDONED_PENDING)
    )
    assert change(move, Counter.ACCEPTED_CALLS) == (
        change(move, Counter.STARTED_CALLS) + waiting + change(move, Counter.ABANDONED_ACCEPTED)
    )
    assert change(move, Counter.ACTIVE_CALLS) == active
    assert active == change(move, Counter.STARTED_CALLS) - change(move, Counter.ENDED_CALLS)
    assert change(move, Counter.FAILED_CALLS) <= change(move, Counter.ENDED_CALLS)
    assert move.adds_active_time == (state is State.ACTIVE and move.to is State.ENDED)
    assert set(move.down) <= {Counter.ACTIVE_CALLS}


@pytest.mark.parametrize(("pair", "move"), ROWS)
def test_the_answer_says_where_the_call_went(
    pair: tuple[State | None, Input], move: Transition
) -> None:
    said = {
        Decision.ADMITTED: State.PENDING,
        Decision.ACCEPTED: State.ACCEPTED,
        Decision.STARTED: State.ACTIVE,
        Decision.REFERRED: State.ACTIVE,
        Decision.ENDED: State.ENDED,
        Decision.ABANDONED: State.ABANDONED,
        Decision.REJECTED: State.REJECTED,
    }
    assert move.answer.decision is not None
    assert said[move.answer.decision] is move.to
    assert (move.answer.reason is not None) == (move.to is State.REJECTED)
    assert move.answer.fallback == (Counter.FALLBACK_INSTRUCTIONS_USED in move.up)


@pytest.mark.parametrize("lookup", Lookup)
@pytest.mark.parametrize("fallback", [False, True])
def test_an_accept_counts_what_its_lookup_found(lookup: Lookup, fallback: bool) -> None:
    move = TRANSITIONS[State.PENDING, ACCEPT_INPUTS[lookup, fallback]]
    accepted = lookup is Lookup.FOUND or fallback
    assert change(move, Counter.INSTRUCTIONS_DB_ERRORS) == (lookup is Lookup.ERROR)
    assert change(move, Counter.ACCEPTED_CALLS) == accepted
    assert change(move, Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING) == (not accepted)
    assert change(move, Counter.FALLBACK_INSTRUCTIONS_USED) == (
        accepted and lookup is not Lookup.FOUND
    )


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("state", sorted(HELD))
def test_only_a_started_call_can_fail(outcome: Outcome, state: State) -> None:
    move = TRANSITIONS[state, END_INPUTS[outcome]]
    failed = outcome is Outcome.FAILED and state is State.ACTIVE
    assert change(move, Counter.FAILED_CALLS) == failed


def test_an_expiry_is_a_hang_up_before_the_start_and_a_failed_end_after() -> None:
    for state in (State.PENDING, State.ACCEPTED):
        assert asdict(TRANSITIONS[state, Input.EXPIRE]) == asdict(TRANSITIONS[state, Input.END])
    expired = TRANSITIONS[State.ACTIVE, Input.EXPIRE]
    assert asdict(expired) == asdict(TRANSITIONS[State.ACTIVE, Input.END_FAILED])


@pytest.mark.parametrize("mask", range(8))
def test_a_capacity_rejection_lists_the_full_scopes_in_order(mask: int) -> None:
    names = [Scope.TOTAL, Scope.TENANT, Scope.RESERVED]
    scopes = tuple(name for place, name in enumerate(names) if mask & 2**place)
    assert REJECTED_CAPACITY[mask] == Answer(Decision.REJECTED, Reason.CAPACITY, scopes)
