"""A service that somebody else restarts is told from one that loses calls or counts backwards."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from service.calls import COUNTERS, Outcome
from service.state.base import Answer, Refusal
from service.state.memory import MemoryCore
from simulator.checker import check_history
from simulator.engines.limits import starting_policies
from simulator.live import driver
from simulator.live.instances import Seen, began_anew
from simulator.trace import CallTrace, TraceTenant
from tests.live_world import Anew, Played, World, kinds, play
from tests.strategies import Row, conditions, make_trace

MS: Final = 1000
S: Final = 1_000_000


def seen(asked_us: int, *counted: int, **more: Any) -> Seen:
    """A document with these counters, in the order of the list, asked for at ``asked_us``."""
    growing = [spec.name for spec in COUNTERS if not spec.is_gauge]
    return Seen(
        {"total": dict(zip(growing, counted, strict=False)), **more}, asked_us, asked_us + MS
    )


@pytest.mark.parametrize(
    ("earlier", "later", "anew"),
    [
        # The service's own word decides, whatever else there is to see.
        (seen(0, 5, 3, instance="a"), seen(S, 0, 0, instance="b"), True),
        (seen(0, 5, 3, instance="a"), seen(S, 9, 9, instance="b"), True),
        (seen(0, 5, 3, instance="a"), seen(S, 0, 0, instance="a"), False),
        (seen(0, 5, 3, instance="a", at_us=50 * S), seen(S, 0, 0, instance="a", at_us=0), False),
        # Without it: everything fell at once.
        (seen(0, 5, 3, 0), seen(S, 1, 2, 4), True),
        (seen(0, 5, 3), seen(S, 1, 3), False),
        (seen(0, 0, 0), seen(S, 0, 0), False),
        # Or something fell and the clock began later: here 49 s, there by less than drift allows.
        (seen(0, 5, 3, at_us=50 * S), seen(S, 1, 3, at_us=2 * S), True),
        (seen(0, 5, 3, at_us=50 * S), seen(S, 1, 3, at_us=51 * S - 500), False),
        (seen(0, 5, 3, at_us=50 * S), seen(S, 6, 3, at_us=2 * S), False),
        # Wall-clock time does not begin with the process.
        (seen(0, 5, 3, at_us=10**15), seen(S, 1, 2, at_us=10**15 + S), True),
    ],
)
def test_what_counts_as_a_restart(earlier: Seen, later: Seen, anew: bool) -> None:
    assert began_anew(earlier, later) is anew


def test_of_what_was_seen_before_the_run_no_clock_is_known() -> None:
    before = Seen({"total": {"offered_calls": 5}, "at_us": 50 * S}, 0, None)
    later = Seen({"total": {"offered_calls": 5}, "at_us": 0}, S, S)
    assert not began_anew(before, later)


def steady(limit: int = 3) -> CallTrace:
    """A call every 10 ms for half a second, each of 25 ms: nearly three at a time."""
    rows = [Row(at, hold=25) for at in range(0, 500, 10)]
    return make_trace(conditions(limit, TraceTenant("a"), duration_us=500, checkpoints=[400]), rows)


def restarted(directory: Path, trace: CallTrace, core: MemoryCore, world: World) -> Played:
    """Played with another core from 255 ms on."""
    return looked_at(directory, trace, [Anew(255 * MS, core)], world)


def looked_at(
    directory: Path, trace: CallTrace, begins_anew: Sequence[Anew], world: World | None = None
) -> Played:
    """Played by a driver that looks every 50 ms which instance it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "PULSE_S", 0.05)
        return play(trace, directory, world=world, begins_anew=begins_anew)


@pytest.mark.parametrize("tells_instance", [True, False])
def test_a_restart_is_written_down_and_excuses_what_it_took(
    tmp_path: Path, tells_instance: bool
) -> None:
    trace = steady()
    core = MemoryCore(3, tenants=starting_policies(trace.conditions))
    played = restarted(tmp_path, trace, core, World(tells_instance=tells_instance))
    (restart,) = [each for each in played.history.operations if each.op == "restart"]
    # Between the last look at the first one and the first look at the second.
    assert (restart.invoke_us, restart.complete_us) == (250 * MS, 300 * MS)
    assert restart.unexpected
    lost = [each for each in played.history.operations if each.code == "unknown_call"]
    assert lost
    judged = check_history(played.history)
    assert kinds(judged.alarms) == []
    assert judged.restarted


@pytest.mark.parametrize("limit", [2, 4])
def test_the_service_may_come_back_with_other_limits(tmp_path: Path, limit: int) -> None:
    trace = steady()
    core = MemoryCore(limit, tenants=starting_policies(trace.conditions))
    assert kinds(check_history(restarted(tmp_path, trace, core, World()).history).alarms) == []


def test_the_service_may_come_back_without_its_tenants(tmp_path: Path) -> None:
    played = restarted(tmp_path, steady(), MemoryCore(3), World())
    assert any(each.reason == "tenant_not_configured" for each in played.history.operations)
    assert kinds(check_history(played.history).alarms) == []


def test_a_service_that_does_not_come_back_leaves_a_history_that_is_cut_off(
    tmp_path: Path,
) -> None:
    """Its answers since the last look may be those of another one that nobody got to see."""
    gone = (
        Anew(255 * MS, MemoryCore(0)),
        Anew(3_600 * S, MemoryCore(0), down_us=3_600 * S - 270 * MS),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "PULSE_S", 0.05)
        played = play(steady(), tmp_path, begins_anew=gone)
    assert played.stopped
    assert played.history.truncated
    rejected = [each for each in played.history.operations if each.reason is not None]
    assert {each.reason for each in rejected} == {"tenant_not_configured"}
    judged = check_history(played.history)
    assert kinds(judged.alarms) == []
    assert any(note.endswith(f"up to {250 * MS} us") for note in judged.notes)


def test_an_interrupted_run_still_looks_whether_it_was_one_service(tmp_path: Path) -> None:
    begins_anew = [Anew(255 * MS, MemoryCore(3))]
    played = play(steady(), tmp_path, begins_anew=begins_anew, cancel_at_us=275 * MS)
    assert not played.history.truncated
    assert [each.op for each in played.history.operations].count("restart") == 1
    assert kinds(check_history(played.history).alarms) == []


def test_services_that_take_turns_behind_one_address_end_the_run(tmp_path: Path) -> None:
    trace = steady()
    policies = starting_policies(trace.conditions)
    one, other = (MemoryCore(3, tenants=policies) for _ in range(2))
    begins_anew = [
        Anew(at * MS, core, instance=instance)
        for at, core, instance in ((155, one, "b"), (255, other, "a"), (305, one, "b"))
    ]
    played = looked_at(tmp_path, trace, begins_anew)
    assert "several services share the address" in (played.stopped or "")
    assert all(
        each.invoke_us < 355 * MS for each in played.history.operations if each.op == "offer"
    )
    assert kinds(check_history(played.history).alarms) == []


class Generous(MemoryCore):
    """Admits one more than it says."""

    def __init__(self, limit: int, **named: Any) -> None:
        super().__init__(limit + 1, **named)
        self._told = limit

    def snapshot(self) -> Any:
        return replace(super().snapshot(), max_concurrent_calls=self._told)


@pytest.mark.parametrize("broken_first", [True, False])
def test_a_violation_in_either_life_stays_one(tmp_path: Path, broken_first: bool) -> None:
    trace = steady(1)
    policies = starting_policies(trace.conditions)
    first, second = (Generous, MemoryCore) if broken_first else (MemoryCore, Generous)
    played = restarted(tmp_path, trace, second(1, tenants=policies), World(make_core=first))
    judged = check_history(played.history)
    assert "over_admission" in {alarm.kind for alarm in judged.alarms}
    (restart,) = [each for each in played.history.operations if each.op == "restart"]
    proofs = [each for alarm in judged.alarms for each in alarm.stretch]
    assert all((each.invoke_us < restart.invoke_us) is broken_first for each in proofs)


class CountsAnew(MemoryCore):
    """Forgets what it counted now and then, but no call."""

    def snapshot(self) -> Any:
        found = super().snapshot()
        if self._at_us < 255 * MS:
            return found
        zeros = (0,) * len(found.total.counters)
        rows = {name: replace(row, counters=zeros) for name, row in found.tenants.items()}
        return replace(found, total=replace(found.total, counters=zeros), tenants=rows)


@pytest.mark.parametrize("tells_instance", [True, False])
def test_counters_that_fell_are_no_restart_while_the_calls_are_known(
    tmp_path: Path, tells_instance: bool
) -> None:
    trace = steady()
    world = World(make_core=CountsAnew, tells_instance=tells_instance)
    # Long after the run, so that somebody else's service is looked at as one is.
    played = looked_at(tmp_path, trace, [Anew(3_600 * S, MemoryCore(3))], world)
    found = {alarm.kind for alarm in check_history(played.history).alarms}
    assert found & {"counter_fell", "counted_too_few", "contradiction"}


class Loses(MemoryCore):
    """Forgets for a while every call that ends, and counts on."""

    def end(self, call_id: str, outcome: Outcome, at_us: int) -> Answer:
        if 255 * MS < at_us < 355 * MS:
            return Answer(refusal=Refusal.UNKNOWN_CALL)
        return super().end(call_id, outcome, at_us)


@pytest.mark.parametrize("tells_instance", [True, False])
def test_lost_calls_alone_are_no_restart(tmp_path: Path, tells_instance: bool) -> None:
    world = World(make_core=Loses, tells_instance=tells_instance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "PULSE_S", 0.05)
        played = play(steady(), tmp_path, world=world, begins_anew=[Anew(3_600 * S, MemoryCore(3))])
    judged = check_history(played.history)
    assert not judged.restarted
    assert "lost_call" in {alarm.kind for alarm in judged.alarms}
