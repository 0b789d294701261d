"""The monitor against services that are right, read at random instants, and against spoiled reads.

Whatever a sound service does between two requests, no law may be called broken. A figure changed in
one document must be noticed wherever the documents around it determine it.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.documents import capacity_document
from service.calls import Lookup, Outcome, published_figures
from service.state.base import Deadlines, LimitChange, TenantPolicy
from service.state.memory import MemoryCore
from simulator.watch.checker import Watch
from simulator.watch.documents import Poll, Read, capacity_of, debug_of, live_of
from simulator.watch.laws import Suspicion, Violation
from simulator.watch.lives import Restart

TENANTS = ("acme", "brook")
NAMES = (*TENANTS, "nobody")
STEP_US = 40_000


def debug_document(core: MemoryCore) -> dict[str, Any]:
    """The published debug document, written down anew from what is held."""
    held = core.held()
    by_tenant: dict[str, list[str]] = {}
    for call_id, tenant_id in held.pending.items():
        by_tenant.setdefault(tenant_id, []).append(call_id)
    return {
        "active_count": len(held.active),
        "active_calls": [{"call_id": call_id, "status": "RUNNING"} for call_id in held.active],
        "accepted_count": len(held.accepted),
        "accepted_call_ids": list(held.accepted),
        "pending_count": len(held.pending),
        "pending_call_ids": list(held.pending),
        "pending_by_tenant_count": {key: len(calls) for key, calls in by_tenant.items()},
        "pending_by_tenant": by_tenant,
        "pending_tenant_by_call_id_count": len(held.pending),
        "pending_tenant_by_call_id": dict(held.pending),
    }


@dataclass
class World:
    """A service and its monitor on one time axis; ``wall_us`` is the monitor's clock.

    ``tells_instance``: its capacity document names the process.
    """

    with_capacity: bool
    limit: int = 3
    wall_us: int = 5_000_000
    connection: int = 0
    failed: bool = False
    tells_instance: bool = True
    starts: int = 0
    core: MemoryCore = field(init=False)
    began_us: int = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A service that has just been started; its own clock begins at zero."""
        policies = {"acme": TenantPolicy(reserved_calls=1), "brook": TenantPolicy(True, 2)}
        self.core = MemoryCore(
            self.limit,
            tenants=policies,
            deadlines=Deadlines(9 * STEP_US, 8 * STEP_US, 15 * STEP_US),
            call_id_retention_us=3 * STEP_US,
        )
        self.began_us = self.wall_us
        self.starts += 1

    @property
    def now_us(self) -> int:
        return self.wall_us - self.began_us

    def documents(self) -> dict[str, Callable[[], Any]]:
        core = self.core

        def plain(document: object) -> Any:
            return json.loads(msgspec.json.encode(document))

        def settled(make: Callable[[], Any]) -> Callable[[], Any]:
            def made() -> Any:
                core.advance(self.now_us)
                return plain(make())

            return made

        def live(tenant_id: str) -> Any:
            row = core.tenant_counters(tenant_id)
            assert row is not None
            return published_figures(row)

        def capacity() -> Any:
            instance = f"start {self.starts}"
            document = capacity_document(core.snapshot(), self.now_us, "system", False, instance)
            if not self.tells_instance:
                del document["instance"]
            return document

        return {
            "capacity": settled(capacity),
            "total": settled(lambda: published_figures(core.total_counters())),
            "debug": settled(lambda: debug_document(core)),
            **{name: settled(lambda name=name: live(name)) for name in TENANTS},  # type: ignore[misc]
        }

    def sequence(self) -> list[str]:
        if self.with_capacity:
            return ["capacity", "total", "debug", *TENANTS, "capacity"]
        return ["total", "debug", *TENANTS, "total"]


def parsed(name: str, document: Any) -> Any:
    if name == "capacity":
        return capacity_of(document)
    if name == "debug":
        return debug_of(document)
    return live_of(document, None if name == "total" else name)


def act(world: World, what: tuple[int, int, int]) -> None:
    """One thing that may happen at a service, drawn as three small numbers."""
    kind, call, choice = what
    core, now_us, call_id = world.core, world.now_us, f"c{call}"
    if kind <= 3:
        core.offer(call_id, NAMES[(call + choice) % 3], now_us)
    elif kind <= 5:
        core.accept(call_id, list(Lookup)[choice % 3], now_us)
    elif kind <= 7:
        core.start(call_id, now_us)
    elif kind == 8:
        core.refer(call_id, now_us)
    elif kind <= 10:
        core.end(call_id, list(Outcome)[choice % 3], now_us)
    elif kind == 11:
        core.change_limits(LimitChange(2 + choice % 2), now_us)
    world.wall_us += STEP_US * (choice % 4) // 3


ACTS = st.tuples(st.integers(0, 11), st.integers(0, 9), st.integers(0, 5))
GAPS = st.lists(ACTS, max_size=5)
POLLS = st.lists(
    st.tuples(st.lists(GAPS, min_size=6, max_size=6), st.booleans(), st.booleans()),
    min_size=1,
    max_size=5,
)


def read_polls(world: World, polls: Any, restarts: bool) -> list[list[tuple[str, Any, Read]]]:
    """Play what was drawn; each poll as its documents with their names."""
    played = []
    for gaps, broken, restart in polls:
        if restarts and restart:
            world.wall_us += 500_000
            world.start()
            world.connection += 1
        elif broken:
            world.connection += 1
        reads = []
        for name, gap in zip(world.sequence(), gaps, strict=False):
            for what in gap:
                act(world, what)
            sent_us = world.wall_us
            world.wall_us += 300
            document = world.documents()[name]()
            world.wall_us += 200
            read = Read(sent_us, world.wall_us, str(world.connection), parsed(name, document))
            reads.append((name, document, read))
        played.append(reads)
    return played


@pytest.mark.parametrize("with_capacity", [True, False])
@settings(max_examples=150, deadline=None)
@given(POLLS, st.sampled_from([None, 3]))
def test_no_alarm_about_a_sound_service(with_capacity: bool, polls: Any, limit: int | None) -> None:
    world = World(with_capacity)
    watch = Watch(limit)
    for reads in read_polls(world, polls, restarts=False):
        findings = watch.observe(Poll(tuple(read for _, _, read in reads)))
        assert [one for one in findings if not isinstance(one, Suspicion)] == []


@pytest.mark.parametrize("tells_instance", [True, False])
@settings(max_examples=80, deadline=None)
@given(POLLS)
def test_restarts_are_told_by_instance_or_clock_and_never_alarm(
    tells_instance: bool, polls: Any
) -> None:
    world = World(True, tells_instance=tells_instance)
    watch = Watch()
    told = 0
    for reads in read_polls(world, polls, restarts=True):
        findings = watch.observe(Poll(tuple(read for _, _, read in reads)))
        assert [one for one in findings if isinstance(one, Violation)] == []
        told += sum(isinstance(one, Restart) for one in findings)
    assert told == sum(restart for _, _, restart in polls[1:])


def test_a_machine_that_slept_under_the_service_is_no_restart() -> None:
    """Its clock stood still meanwhile, as a process that began later would have it."""
    world, watch = World(True), Watch()
    quiet: tuple[list[list[Any]], bool, bool] = ([[]] * 6, False, False)
    for _ in range(2):
        (reads,) = read_polls(world, [quiet], restarts=False)
        assert watch.observe(Poll(tuple(read for _, _, read in reads))) == ()
        world.wall_us += 3_600_000_000
        world.began_us += 3_600_000_000


def test_services_that_take_turns_behind_one_address_are_no_restarts() -> None:
    one, other, watch = World(True), World(True, starts=7), Watch()
    told = []
    for world in (one, other, one, other):
        (reads,) = read_polls(world, [([[(0, 1, 0)]] * 6, False, False)], restarts=False)
        told.append(watch.observe(Poll(tuple(read for _, _, read in reads))))
    assert [type(finding) for findings in told for finding in findings] == [
        Restart, Suspicion, Suspicion,
    ]  # fmt: skip
    assert "several services share this address" in told[2][0].message


def test_a_limit_raised_and_lowered_between_two_polls_is_no_more_than_suspicious() -> None:
    offers = [(0, call, 0) for call in (0, 3, 6)]
    nothing: list[list[tuple[int, int, int]]] = [[]] * 5
    polls = [
        ([*nothing, [(11, 0, 0)]], False, False),
        ([*nothing, []], False, False),
        ([[(11, 0, 1), *offers, (11, 0, 0)], *nothing], False, False),
    ]
    world = World(True, limit=2)
    watch = Watch()
    told = [
        watch.observe(Poll(tuple(read for _, _, read in reads)))
        for reads in read_polls(world, polls, restarts=False)
    ]
    assert told[:2] == [(), ()]
    assert told[2]
    assert all(isinstance(finding, Suspicion) for finding in told[2])


COUNTS = ("active_count", "accepted_count", "pending_count", "pending_tenant_by_call_id_count")


def spoil(name: str, document: Any, choice: int, by: int) -> Any:
    """The document with one figure changed, or an id gone from one list."""
    spoiled = deepcopy(document)
    if name == "debug":
        lists = ("accepted_call_ids", "pending_call_ids", "active_calls")
        if choice % 2 and any(spoiled[key] for key in lists):
            key = next(key for key in lists if spoiled[key])
            spoiled[key].pop()
        else:
            spoiled[COUNTS[choice % 4]] += by
        return spoiled
    if name == "capacity":
        rows = [spoiled["total"], *spoiled["tenants"].values()]
        row = rows[choice % len(rows)]
    else:
        row = spoiled
    # What another figure of the same document determines.
    keys = ["active_calls", "started_calls", "ended_calls"]
    if name == "capacity":
        keys += ["in_use", "pending", "accepted_calls", "offered_calls", "active_us_total"]
        keys += ["rejected_calls_capacity", "failed_calls", "referred_calls", "abandoned_accepted"]
    row[keys[choice % len(keys)]] += by
    return spoiled


@pytest.mark.parametrize("with_capacity", [True, False])
@settings(max_examples=200, deadline=None)
@given(POLLS, st.integers(0, 40), st.integers(0, 100), st.sampled_from([-1, 1, 7]))
def test_one_spoiled_figure_is_noticed(
    with_capacity: bool, polls: Any, place: int, choice: int, by: int
) -> None:
    world = World(with_capacity)
    played = read_polls(world, polls, restarts=False)
    flat = [(i, j) for i, reads in enumerate(played) for j in range(len(reads))]
    i, j = flat[place % len(flat)]
    name, document, read = played[i][j]
    spoiled = spoil(name, document, choice, by)
    played[i][j] = (name, spoiled, replace(read, document=parsed(name, spoiled)))
    watch = Watch()
    findings = [
        finding
        for reads in played
        for finding in watch.observe(Poll(tuple(read for _, _, read in reads)))
    ]
    assert any(isinstance(finding, Violation) for finding in findings)


def live(**counters: int) -> dict[str, float]:
    zero: dict[str, float] = dict(published_figures([0] * 15))
    return {**zero, **counters}


def poll_of_live(*documents: dict[str, float], connection: str = "1", at_us: int = 0) -> Poll:
    core = MemoryCore(9)
    first, last = documents[0], documents[-1]
    reads = (("total", first), ("debug", debug_document(core)), ("total", last))
    return Poll(
        tuple(
            Read(at_us, at_us + 1, connection, parsed(name, document)) for name, document in reads
        )
    )


BUSY = {"accepted_calls": 100, "started_calls": 90, "ended_calls": 90}


def test_without_a_clock_counters_that_fall_together_are_a_restart() -> None:
    watch = Watch()
    assert watch.observe(poll_of_live(live(**BUSY))) == ()
    few = live(accepted_calls=3, started_calls=2, ended_calls=2, rejected_calls_capacity=1)
    (finding,) = watch.observe(poll_of_live(few, connection="2"))
    assert isinstance(finding, Restart)


@pytest.mark.parametrize("counter", ["accepted_calls", "rejected_calls_capacity"])
def test_without_a_clock_a_counter_that_falls_alone_is_a_violation(counter: str) -> None:
    watch = Watch()
    before = live(**{**BUSY, "rejected_calls_capacity": 1000})
    assert watch.observe(poll_of_live(before)) == ()
    after = {**before, counter: 95 if counter == "accepted_calls" else 0}
    first, *others = watch.observe(poll_of_live(after))
    assert isinstance(first, Violation)
    assert (first.law, first.scope) == ("never-backwards", "total")
    assert counter in first.message
    assert not any(isinstance(finding, Restart) for finding in others)


def test_after_a_time_out_of_reach_whatever_fell_is_a_restart() -> None:
    watch = Watch()
    before = live(accepted_calls=4, started_calls=3, ended_calls=3)
    assert watch.observe(poll_of_live(before)) == ()
    after = live(accepted_calls=9, started_calls=2, ended_calls=2)
    (finding,) = watch.observe(replace(poll_of_live(after), after_failure=True))
    assert isinstance(finding, Restart)
