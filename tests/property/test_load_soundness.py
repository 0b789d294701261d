"""A history gathered from workers tells the truth, whatever happens to them and to the file."""

import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.checker import check_history
from simulator.history import CALL_OPS, Operation
from simulator.history_reading import parse_history
from simulator.load.gathering import FOREVER_US
from simulator.load.history import UNTOLD
from simulator.trace import CallTrace
from tests.live_play import kinds
from tests.load_world import PREFIX, World, drawn_fates
from tests.strategies import seeded_trace, traces

CUTS = 5

Name = tuple[str | None, str]
"""A call and an operation on it."""


def played(trace: CallTrace, seed: int, *, trouble: bool) -> tuple[World, bytes]:
    draw = random.Random(seed)
    fates = [drawn_fates(draw, trouble=trouble) for _ in range(draw.randint(1, 3))]
    with tempfile.TemporaryDirectory() as directory:
        world = World(trace, Path(directory), fates, draw)
        return world, world.play().read_bytes()


def check(trace: CallTrace, seed: int, *, trouble: bool) -> None:
    world, data = played(trace, seed, trouble=trouble)
    history = parse_history(data, "history")
    assert not history.truncated
    assert kinds(check_history(history).alarms) == []
    operations = list(history.operations)
    completed = [each.complete_us for each in operations if each.complete_us is not None]
    assert completed == sorted(completed)
    if not any(each.code == UNTOLD for each in operations):
        assert_nothing_began_before_a_line_above(operations)
    told = [each for each in operations if each.op in CALL_OPS and each.code != UNTOLD]
    assert_told(world, told)
    if not trouble:
        assert len(told) == len(world.truths)
        assert not any(each.code == UNTOLD for each in operations)
    draw = random.Random(seed)
    for _ in range(CUTS):
        assert_sound_when_cut(world, data[: draw.randint(0, len(data) - 1)])


def assert_nothing_began_before_a_line_above(operations: list[Operation]) -> None:
    settled_us = 0
    for each in operations:
        assert each.invoke_us >= settled_us
        if each.op == "settled":
            settled_us = each.invoke_us


def assert_told(world: World, told: list[Operation]) -> None:
    """Each request of a report that came is there once, within instants that are true."""
    here = sorted(told, key=lambda each: (each.call_id or "", each.op))
    there = sorted(world.heard, key=lambda each: (f"{PREFIX}{each.row}", CALL_OPS[each.kind]))
    names = [(f"{PREFIX}{each.row}", CALL_OPS[each.kind]) for each in there]
    assert [(each.call_id, each.op) for each in here] == names
    for name in set(names):
        operations = sorted(
            (each for each in here if (each.call_id, each.op) == name), key=lambda e: e.invoke_us
        )
        truths = sorted(
            (each for each, its in zip(there, names, strict=True) if its == name),
            key=lambda each: each.sent_us,
        )
        for operation, truth in zip(operations, truths, strict=True):
            assert operation.complete_us is not None
            assert truth.over_us is not None
            assert operation.invoke_us <= truth.sent_us - world.origin_us
            assert operation.complete_us >= truth.over_us - world.origin_us


def assert_sound_when_cut(world: World, data: bytes) -> None:
    if b"\n" not in data:
        return
    history = parse_history(data, "history")
    assert history.truncated
    judgement = check_history(history)
    assert kinds(judgement.alarms) == []
    settled_us = max((e.invoke_us for e in history.operations if e.op == "settled"), default=0)
    assert any(note.endswith(f"up to {settled_us} us") for note in judgement.notes)
    assert_everything_before(world, list(history.operations), settled_us + world.origin_us)


def assert_everything_before(world: World, operations: list[Operation], until_us: int) -> None:
    """What was really sent before is in the file: as it was told, or as possible since then.

    Only what changed nothing can be missing: what repeats a request that took effect, or may at
    any time, and what else was sent for a call that was rejected.
    """
    told: Counter[Name] = Counter()
    effective: set[Name] = set()
    possible: dict[Name, int] = {}
    for each in operations:
        name = each.call_id, each.op
        if each.code == UNTOLD:
            possible[name] = each.invoke_us + world.origin_us
            continue
        told[name] += 1
        if each.result in ("ok", "indefinite"):
            effective.add(name)
        if each.decision == "rejected":
            later = CALL_OPS[CALL_OPS.index(each.op) :]
            effective |= {(each.call_id, op) for op in later}
    for truth in sorted(world.truths, key=lambda each: each.sent_us):
        name = f"{PREFIX}{truth.row}", CALL_OPS[truth.kind]
        if truth.sent_us >= until_us or name in effective:
            continue
        told[name] -= 1
        assert told[name] >= 0 or possible.get(name, FOREVER_US) <= truth.sent_us, truth


@given(traces(12), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_a_sound_run_is_told_whole_and_sound_wherever_it_is_cut(
    trace: CallTrace, seed: int
) -> None:
    check(trace, seed, trouble=False)


@given(traces(12), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_no_alarm_and_no_lie_whatever_becomes_of_workers_and_reports(
    trace: CallTrace, seed: int
) -> None:
    check(trace, seed, trouble=True)


@pytest.mark.soak
@pytest.mark.parametrize("trouble", [False, True])
def test_a_thousand_runs_tell_the_truth(trouble: bool) -> None:
    for seed in range(1000):
        check(seeded_trace(seed), seed, trouble=trouble)
