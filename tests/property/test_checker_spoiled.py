"""One answer or one figure that is wrong, in a history in which nothing overlaps, never slips by.

Where one request is over before the next one is sent, every answer and every counter has one right
value, so that whatever is spoiled must raise an alarm.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls import COUNTER_NAMES, Counter, Lookup, Outcome
from service.state.base import TenantPolicy
from service.state.memory import MemoryCore
from simulator.checker import check_history
from simulator.history import CountersRead, History, HistoryHeader, InUseRead, Operation
from tests.sound_histories import limits_of, read_of, said_of

seeds = st.integers(0, 2**32 - 1)

UNTOLD = COUNTER_NAMES[Counter.INSTRUCTIONS_DB_ERRORS]
"""No answer tells of one, so it has an upper bound only."""

STARTED, ENDED, ACTIVE = (
    COUNTER_NAMES[counter]
    for counter in (Counter.STARTED_CALLS, Counter.ENDED_CALLS, Counter.ACTIVE_CALLS)
)
WITH_IT = {STARTED: (ACTIVE, 1), ENDED: (ACTIVE, -1), ACTIVE: (STARTED, 1)}
"""What moves along, so that the laws within one read still hold: the bounds must catch it."""

ACTIVE_US = COUNTER_NAMES[Counter.ACTIVE_US_TOTAL]
SURELY_OFF_US = 10_000
"""Active time has some room at its ends, for clocks that differ and for instants cut off."""

OTHER_DECISIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "offer": (
        {"decision": "admitted"},
        {"decision": "rejected", "reason": "tenant_not_configured"},
        *(
            {"decision": "rejected", "reason": "capacity", "scopes": (scope,)}
            for scope in ("total", "tenant", "reserved")
        ),
    ),
    "accept": (
        {"decision": "accepted"},
        {"decision": "rejected", "reason": "instructions_missing"},
    ),
    "start": (),
    "refer": (),
    "end": ({"decision": "ended"}, {"decision": "abandoned"}),
}


def in_turn(random: Random) -> History:
    """Requests to a sound service, one after the other, with reads between them and at the end.

    It begins with an offer: a read before the first one would say where the counters began.
    """
    limit = random.randint(1, 5)
    left, policies = limit, {}
    for name in ("a", "b", "c")[: random.randint(1, 3)]:
        cap = random.choice([None, None, random.randint(1, 3)])
        reserved = random.choice([0, 0, random.randint(0, left if cap is None else min(left, cap))])
        left -= reserved
        policies[name] = TenantPolicy(random.random() > 0.1, cap, reserved, True)
    core = MemoryCore(limit, tenants=policies)
    operations: list[Operation] = []
    now = 0

    def send(apply: Callable[[int], dict[str, Any]], **fields: Any) -> None:
        nonlocal now
        now += random.choice([3, 5, 50, 1000])
        answer = apply(now + 1)
        operations.append(Operation(**fields, **answer, invoke_us=now, complete_us=now + 2))

    def event(op: str, call_id: str) -> None:
        if op == "accept":
            lookup = random.choice([Lookup.FOUND, Lookup.FOUND, Lookup.MISSING])
            send(lambda at: said_of(core.accept(call_id, lookup, at)), op=op, call_id=call_id)
        elif op == "end":
            outcome = random.choice(list(Outcome))
            send(
                lambda at: said_of(core.end(call_id, outcome, at)),
                op=op, call_id=call_id, outcome=outcome.value,
            )  # fmt: skip
        else:
            send(lambda at: said_of(getattr(core, op)(call_id, at)), op=op, call_id=call_id)

    calls: list[str] = []
    for _ in range(random.randint(5, 50)):
        what = random.choice(["offer", "offer", "accept", "start", "refer", "end", "end", "read"])
        if what == "read" and calls:
            send(lambda at: read_of(core, at), op="read")
        elif what == "offer" or not calls:
            call_id, tenant = f"c{len(calls)}", random.choice([*policies, "nobody"])
            calls.append(call_id)
            send(
                lambda at, c=call_id, t=tenant: said_of(core.offer(c, t, at)),  # type: ignore[misc]
                op="offer", call_id=call_id, tenant_id=tenant,
            )  # fmt: skip
        else:
            event(what, random.choice(calls[-5:]))
    send(lambda at: read_of(core, at), op="read")
    tenants = {name: limits_of(policy) for name, policy in policies.items()}
    return History(HistoryHeader(limit=limit, tenants=tenants), operations)


def alarmed(history: History, place: int, *instead: Operation) -> bool:
    operations = list(history.operations)
    operations[place : place + 1] = instead
    return bool(check_history(History(history.header, operations)).alarms)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_no_answer_but_the_right_one(seed: int) -> None:
    random = Random(seed)
    history = in_turn(random)
    assert check_history(history).alarms == ()
    for place, operation in enumerate(history.operations):
        if operation.op == "read" or random.random() < 0.8:
            continue
        for wrong in wrong_answers(operation):
            assert alarmed(history, place, wrong), (operation, wrong)


def wrong_answers(operation: Operation) -> Iterator[Operation]:
    """Every other answer to an operation; a refusal is the right one where it was given."""
    if operation.result == "refused":
        return
    asked = Operation(
        op=operation.op,
        invoke_us=operation.invoke_us,
        complete_us=operation.complete_us,
        call_id=operation.call_id,
        tenant_id=operation.tenant_id,
        outcome=operation.outcome,
    )
    given = operation.decision, operation.reason
    for answer in OTHER_DECISIONS[operation.op]:
        if (answer["decision"], answer.get("reason")) != given:
            yield msgspec.structs.replace(asked, **answer)
    if operation.op != "offer":
        yield msgspec.structs.replace(asked, result="refused", code="wrong_state")


@given(seeds, st.sampled_from([1, -1]))
@settings(max_examples=60, deadline=None)
def test_no_figure_but_the_right_one(seed: int, by: int) -> None:
    random = Random(seed)
    history = in_turn(random)
    place = random.choice([i for i, each in enumerate(history.operations) if each.op == "read"])
    read = history.operations[place]
    counters, in_use = read.counters, read.in_use
    assert counters is not None
    assert counters.total is not None
    assert in_use is not None
    assert in_use.total is not None
    tenant = random.choice(list(counters.tenants))
    row = counters.tenants[tenant]
    for name in random.sample(COUNTER_NAMES, 5):
        also, along = WITH_IT.get(name, (name, 1))
        step = by * SURELY_OFF_US if name == ACTIVE_US else by
        moved = {name: step, also: along * step}
        if name == UNTOLD or any(row[key] + change < 0 for key, change in moved.items()):
            continue
        wrong = CountersRead(
            {key: value + moved.get(key, 0) for key, value in counters.total.items()},
            {
                **counters.tenants,
                tenant: {key: value + moved.get(key, 0) for key, value in row.items()},
            },
        )
        assert alarmed(history, place, msgspec.structs.replace(read, counters=wrong)), name
    if in_use.tenants[tenant] + by >= 0:
        slots = {**in_use.tenants, tenant: in_use.tenants[tenant] + by}
        spoiled = msgspec.structs.replace(read, in_use=InUseRead(in_use.total + by, slots))
        assert alarmed(history, place, spoiled)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_no_call_that_nobody_made(seed: int) -> None:
    """An admitted call that is missing in the history was counted by the service."""
    random = Random(seed)
    history = in_turn(random)
    offers = {
        each.call_id: place
        for place, each in reversed(list(enumerate(history.operations)))
        if each.op == "offer" and each.decision == "admitted" and place > 0
    }
    for place in offers.values():
        assert alarmed(history, place)
