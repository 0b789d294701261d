"""A sound service never gives an alarm, whatever the network does to requests and answers."""

import random
import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls import Event
from service.state.base import Deadlines
from service.state.memory import MemoryCore
from simulator.checker import check_history
from simulator.engines.limits import starting_policies
from simulator.history import History, read_history
from simulator.live import driver
from simulator.live.calls import CallRules
from simulator.live.plan import ClientFaults
from simulator.scenario import CancelFault, ServiceKill
from simulator.trace import CallTrace
from tests.live_world import World, drawn_world, kinds, play
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


@given(traces(12), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_no_alarm_whatever_is_lost_or_late(trace: CallTrace, seed: int) -> None:
    assert_sound(trace, seed)


@pytest.mark.soak
def test_no_alarm_in_two_thousand_runs() -> None:
    for seed in range(2000):
        assert_sound(seeded_trace(seed), seed)


@given(traces(12), st.integers(0, 2**32), st.booleans(), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_a_run_that_is_cut_off_anywhere_is_judged_up_to_where_it_was_whole(
    trace: CallTrace, seed: int, killed: bool, percent: int
) -> None:
    rng = random.Random(seed)
    kills = (ServiceKill(rng.randint(1, trace.conditions.duration_us), 5),) if killed else ()
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "SETTLE_EVERY", 1)
        play(trace, Path(directory), world=drawn_world(rng), kills=kills)
        path = Path(directory) / "history.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[: max(1, len(lines) * percent // 100)]))
        history = read_history(path)
    # Up to the mark alone: a kill, done in a thread, takes as long as it likes in counted time.
    header = msgspec.structs.replace(history.header, timeout_us=None)
    judged = check_history(replace(history, header=header))
    assert kinds(judged.alarms) == []
    settled = [each.invoke_us for each in history.operations if each.op == "settled"]
    if history.truncated and settled:
        assert any(note.endswith(f"up to {settled[-1]} us") for note in judged.notes)


@given(traces(12), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_restart_that_nobody_planned_accuses_nobody(trace: CallTrace, seed: int) -> None:
    """Whenever it is, whatever limits it comes back with, and whoever runs it."""
    rng = random.Random(seed)
    policies = starting_policies(trace.conditions)
    tenants = {name: policies[name] for name in policies if rng.randint(0, 1)}
    reserved = sum(policy.reserved_calls for policy in tenants.values())
    other = MemoryCore(
        reserved + rng.randint(0, 3), tenants=tenants, deadlines=Deadlines(None, None, 7_000)
    )
    at_us = rng.randint(1, 1_200 * trace.conditions.duration_us)
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "PULSE_S", 0.02)
        patch.setattr(driver, "SETTLE_EVERY", 1)
        played = play(trace, Path(directory), world=drawn_world(rng), begins_anew=[(at_us, other)])
    assert kinds(check_history(played.history).alarms) == []
    for length in range(len(played.history.operations)):
        header = msgspec.structs.replace(played.history.header, timeout_us=None)
        cut = History(header, played.history.operations[:length], truncated=True)
        assert kinds(check_history(cut).alarms) == []


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
