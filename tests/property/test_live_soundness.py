"""A sound service never gives an alarm, whatever the network does to requests and answers."""

import asyncio
import random
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls import Event, Lookup, Outcome
from service.state.base import Deadlines
from service.state.memory import MemoryCore
from simulator.checker import check_history
from simulator.engines.limits import starting_policies
from simulator.history import MOST_US, History, HistoryDeadlines
from simulator.live import driver
from simulator.live.calls import CallRules
from simulator.live.plan import ClientFaults
from simulator.scenario import CancelFault, ServiceKill
from simulator.statistics import statistics_of
from simulator.trace import CallTrace, Conditions
from tests.live_play import Anew, Played, drawn_world, kinds, play
from tests.live_world import World
from tests.strategies import seeded_trace, traces


def assert_sound(trace: CallTrace, seed: int) -> None:
    rng = random.Random(seed)
    cancels = tuple(CancelFault(event, 0.1) for event in Event if event <= Event.HANGUP)
    with tempfile.TemporaryDirectory() as directory:
        played = play(
            trace,
            Path(directory),
            world=drawn_world(rng),
            faults=ClientFaults(seed, cancels=cancels if rng.randint(0, 1) else ()),
            rules=CallRules(retries=rng.randint(0, 2)),
        )
    assert not played.history.truncated
    judged = check_history(played.history)
    assert kinds(judged.alarms) == []
    for bound in judged.bounds:
        assert bound.low <= bound.observed
        assert bound.high is None or bound.observed <= bound.high
    if played.history.header.deadlines == HistoryDeadlines():
        # What callers know holds a slot at least; deadlines end calls behind their backs.
        limits = [change.max_concurrent_calls or 0 for change in trace.conditions.changes]
        log = played.driver.calls.lives.log(0.001)
        most = max(trace.conditions.max_concurrent_calls, *limits, 0)
        assert statistics_of(trace, log).peak_in_use <= most


@given(traces(12), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_no_alarm_whatever_is_lost_or_late(trace: CallTrace, seed: int) -> None:
    assert_sound(trace, seed)


@pytest.mark.soak
def test_no_alarm_in_two_thousand_runs() -> None:
    for seed in range(2000):
        assert_sound(seeded_trace(seed), seed)


@given(traces(12), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_run_that_is_cut_off_anywhere_is_judged_up_to_where_it_was_whole(
    trace: CallTrace, seed: int
) -> None:
    rng = random.Random(seed)
    world = drawn_world(rng)
    world.stays_down = bool(rng.randint(0, 1))
    kills = [ServiceKill(rng.randint(1, trace.conditions.duration_us), rng.randint(1, 30))]
    played = played_often_looked_at(trace, world, kills=kills[: rng.randint(0, 1)])
    assert_no_alarm_in_any_part(played.history, seed)


@given(traces(12), st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_restarts_that_nobody_planned_accuse_nobody(trace: CallTrace, seed: int) -> None:
    """However many, whenever, whatever limits the service comes back with, if it does."""
    played = played_with_restarts(trace, seed)
    for history in played.histories:
        assert_no_alarm_in_any_part(history, seed)


@pytest.mark.soak
def test_no_alarm_in_two_thousand_runs_with_restarts() -> None:
    for seed in range(2000):
        for history in played_with_restarts(seeded_trace(seed), seed).histories:
            assert_no_alarm_in_any_part(history, seed)


def played_with_restarts(trace: CallTrace, seed: int) -> Played:
    rng = random.Random(seed)
    conditions = trace.conditions
    groups = rng.choice([(1,), (1,), (2,), (1, 1), (2, 1)])
    world = drawn_world(rng)
    world.make_core = partial(_used_before, rng.randint(0, 5), conditions.configured_ids)
    end_us = 1_200 * conditions.duration_us
    begins_anew = []
    for group in range(len(groups)):
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            down_us = rng.choice([0, 0, rng.randint(0, 60_000)])
            core = _of_somebody_else(rng, conditions)
            begins_anew.append(Anew(rng.randint(1, end_us), core, down_us, group))
    return played_often_looked_at(
        trace,
        world,
        groups=groups,
        given=True,
        begins_anew=begins_anew,
        rules=CallRules(retries=rng.randint(0, 2)),
        cancel_at_us=rng.choice([None, None, rng.randint(0, end_us)]),
    )


def _used_before(calls: int, callers: Sequence[str], limit: int, **named: Any) -> MemoryCore:
    """A core that has counted something before the run."""
    core = MemoryCore(limit, **named)
    for number in range(calls):
        call_id = f"old{number}"
        core.offer(call_id, (*callers, "nobody")[number % (len(callers) + 1)], 0)
        core.accept(call_id, Lookup.FOUND, 0)
        core.end(call_id, Outcome.COMPLETED, 0)
    return core


def _of_somebody_else(rng: random.Random, conditions: Conditions) -> MemoryCore:
    """A core set up like the first one, or with other limits, tenants and deadlines."""
    policies = starting_policies(conditions)
    if rng.randint(0, 1):
        return MemoryCore(conditions.max_concurrent_calls, tenants=policies)
    tenants = {name: policies[name] for name in policies if rng.randint(0, 2)}
    reserved = sum(policy.reserved_calls for policy in tenants.values())
    deadlines = [rng.choice([None, None, rng.randint(1_000, 30_000)]) for _ in range(3)]
    return MemoryCore(
        reserved + rng.randint(0, 3), tenants=tenants, deadlines=Deadlines(*deadlines)
    )


def played_often_looked_at(trace: CallTrace, world: World, **how: Any) -> Played:
    async def in_counted_time(work: Callable[[], None]) -> None:
        await asyncio.sleep(world.to_us() / 1e6)
        work()
        await asyncio.sleep(world.back_us() / 1e6)

    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "PULSE_S", 0.02)
        patch.setattr(driver, "SETTLE_EVERY", 1)
        # A thread would take as long as it likes while counted time goes on.
        patch.setattr(driver, "_to_its_end", in_counted_time)
        return play(trace, Path(directory), world=world, **how)


MOST_CUTS: Final = 15


def assert_no_alarm_in_any_part(history: History, seed: int) -> None:
    """Neither in the whole history nor in what is left of it when it is cut off."""
    assert kinds(check_history(history).alarms) == []
    # By its marks alone: a kill and a change of limits may take longer than a call's request.
    header = msgspec.structs.replace(history.header, timeout_us=None)
    step = 1 + len(history.operations) // MOST_CUTS
    settled_us = 0
    earliest_us = MOST_US
    for each in reversed(history.operations):
        if each.op == "settled":
            assert each.invoke_us <= earliest_us, "what began before it stands above it"
        else:
            earliest_us = min(earliest_us, each.invoke_us)
    for length, operation in enumerate((None, *history.operations)):
        if operation is not None and operation.op == "settled":
            settled_us = operation.invoke_us
        if length % step == seed % step:
            judged = check_history(History(header, history.operations[:length], truncated=True))
            assert kinds(judged.alarms) == []
            assert any(note.endswith(f"up to {settled_us} us") for note in judged.notes)


@given(traces(12))
@settings(max_examples=40, deadline=None)
def test_with_every_answer_at_once_nothing_is_uncertain(trace: CallTrace) -> None:
    """Then every offer that was made has an answer, and every slot is free in the end."""
    with tempfile.TemporaryDirectory() as directory:
        played = play(trace, Path(directory), world=World())
    (final,) = played.driver.final
    assert final.total["in_use"] == 0
    assert {operation.result for operation in played.history.operations} <= {"ok", "refused"}
    offered = {each.call_id for each in played.history.operations if each.op == "offer"}
    assert final.total_counters["offered_calls"] == len(offered)
    assert played.meters.late_sends == played.meters.dropped == 0
