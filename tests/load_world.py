"""A world for runs shared out among workers in which time is counted, not spent.

Workers with clocks of their own play their shares against the service's own core, over answers and
messages that take drawn times. They may sleep, be cut off from the master, lose reports or die. The
master's record writes a real file. Every request that was sent is remembered, with the instants of
the master's clock at which it really was sent and over.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from service.calls import Lookup, Outcome, all_figures
from service.state.base import Answer as CoreAnswer
from service.state.memory import MemoryCore
from simulator.engines.limits import limit_change, service_deadlines, starting_policies
from simulator.history import CountersRead, InUseRead, Operation, TenantLimits
from simulator.load.answers import Answer
from simulator.load.coordinator import Coordinator
from simulator.load.gathering import FOREVER_US
from simulator.load.history import header_of
from simulator.load.messages import Plan, player_of, report_in, report_of
from simulator.load.player import CALLS, Player, Request
from simulator.load.reading import Done
from simulator.load.record import GONE_S, RunRecord
from simulator.load.talk import HELLO, REPORT, MasterTalk, WorkerTalk
from simulator.trace import CallTrace, LimitsChange

SPEED: Final = 1e-6
"""One microsecond of a trace is a second."""

S: Final = 1_000_000
PREFIX: Final = "p"
USERS: Final = 4
HELLO_US, REPORT_US, KEEP_US, MISSED_US = S // 2, S, S, 4 * S
LEAD_US: Final = 4 * S


@dataclass
class Fates:
    """What may happen to one worker; instants and spans in microseconds of the master's clock.

    Instants are counted from when the run begins. It sleeps for ``sleeps_us`` from
    ``sleeps_at_us``, cannot be heard for ``cut_us`` from ``cut_at_us``, loses one of
    ``loses_one_in`` reports, and dies at ``dies_us``.
    """

    distance_us: int = 0
    sleeps_at_us: int | None = None
    sleeps_us: int = 0
    cut_at_us: int | None = None
    cut_us: int = 0
    loses_one_in: int = 0
    dies_us: int | None = None


@dataclass
class Truth:
    """A request as it really was; ``over_us`` None while it is under way."""

    row: int
    kind: int
    sent_us: int
    over_us: int | None = None


@dataclass
class _Message:
    data: Any
    node_id: str


class World:
    """One run. ``draw`` decides all that chance does."""

    def __init__(
        self,
        trace: CallTrace,
        directory: Path,
        fates: Sequence[Fates],
        draw: random.Random,
        *,
        slow_us: int = S // 3,
        silent_one_in: int = 20,
        make_core: Callable[..., MemoryCore] = MemoryCore,
    ) -> None:
        self.trace = trace
        self.draw = draw
        self.now_us = 50 * S
        self.slow_us = slow_us
        self.silent_one_in = silent_one_in
        self.timeout_us = 5 * S
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._events = 0
        conditions = trace.conditions
        deadlines = service_deadlines(conditions, SPEED)
        self.core = make_core(
            conditions.max_concurrent_calls,
            tenants=starting_policies(conditions),
            deadlines=deadlines,
        )
        self.lookups = {
            tenant.tenant_id: Lookup.FOUND if tenant.instructions else Lookup.MISSING
            for tenant in conditions.tenants
        }
        self.truths: list[Truth] = []
        self.heard: list[Truth] = []
        self.most_held = 0
        self.origin_us = self.now_us
        self.own = Own(self)
        self.workers = {f"w{n}": Worker(self, f"w{n}", each) for n, each in enumerate(fates)}
        self.coordinator = Coordinator(
            trace,
            "hash",
            run="run",
            shares=len(fates),
            speed=SPEED,
            prefix=PREFIX,
            late_us=1000 * S,
        )
        self.talk = MasterTalk(
            lambda kind, data, worker: self.workers[worker].send_down(kind, data),
            lambda: self.now_us,
        )
        self.talk.coordinator = self.coordinator
        self._directory = directory

    # --- the machine ----------------------------------------------------------------------

    def at(self, at_us: int, act: Callable[[], None]) -> None:
        self._events += 1
        heapq.heappush(self._queue, (max(at_us, self.now_us), self._events, act))

    def drawn_us(self) -> int:
        """How long something takes: often nothing, never more than ``slow_us``."""
        return self.draw.choice([0, self.draw.randint(0, 2000), self.draw.randint(0, self.slow_us)])

    def one_in(self, count: int) -> bool:
        return count > 0 and self.draw.randrange(count) == 0

    def play(self) -> Path:
        """Play the run to its end; gives the history's file."""
        for worker in self.workers.values():
            worker.come()
        self.at(self.now_us + LEAD_US, self._begin)
        self._ended = False
        while not self._ended:
            at_us, _, act = heapq.heappop(self._queue)
            self.now_us = at_us
            act()
        return self.record.path

    def _begin(self) -> None:
        assert self.coordinator.ready() == len(self.workers)
        self.coordinator.begin(self.now_us + 2 * S)
        header = header_of(self.trace.conditions, speed=SPEED, url="http://x", about={})
        self.record = RunRecord(
            self.trace,
            header,
            self._directory,
            self.coordinator,
            self.own,
            prefix=PREFIX,
            speed=SPEED,
            clock_s=lambda: self.now_us / 1e6,
        )
        self.talk.share_out()
        self.own.plan(self.now_us + 2 * S)
        self._told_since_us: int | None = None
        self._latest_us = self.now_us + (self.trace.conditions.duration_us + 60) * S
        self._keep()

    def _keep(self) -> None:
        alive = frozenset(name for name, each in self.workers.items() if each.seems_alive)
        self.record.keep(alive)
        self.most_held = max(self.most_held, self.record.held)
        if self.coordinator.all_told(frozenset(self.workers)) or self.now_us > self._latest_us:
            self._finish()
        elif not self.coordinator.all_told(alive):
            self._told_since_us = None
        elif self._told_since_us is None:
            self._told_since_us = self.now_us
        elif self.now_us - self._told_since_us > GONE_S * S:
            self._finish()
        self.at(self.now_us + KEEP_US, self._keep)

    def _finish(self) -> None:
        self.own.read(0)
        self.record.conclude()
        self._ended = True

    # --- the service ----------------------------------------------------------------------

    def step(self, request: Request) -> Answer:
        """What the service makes of a request now."""
        core, at_us, body = self.core, self.now_us, msgspec.json.decode(request.body)
        parts = request.path.removeprefix(CALLS).split("/")
        if parts == [""]:
            return _said(core.offer(body["call_id"], body["tenant_id"], at_us))
        _, call_id, event = parts
        if event == "accept":
            view = core.call(call_id)
            found = Lookup.FOUND if view is None else self.lookups[view.tenant_id]
            return _said(core.accept(call_id, Lookup(body.get("lookup", found)), at_us))
        if event == "end":
            outcome = Outcome(body.get("outcome", Outcome.COMPLETED))
            return _said(core.end(call_id, outcome, at_us))
        return _said(getattr(core, event)(call_id, at_us))


class Own:
    """The master's own dealings with the service."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.origin_us = world.now_us
        self._operations: list[Operation] = []
        self._under_way: list[int] = []
        self._policies = starting_policies(world.trace.conditions)

    def done(self) -> Done:
        operations, self._operations = self._operations, []
        until_us = self._world.now_us - self.origin_us
        return Done(operations, until_us, min([until_us, *self._under_way]))

    def plan(self, start_us: int) -> None:
        conditions = self._world.trace.conditions
        for change in conditions.changes:
            self._world.at(start_us + change.at_us * S, partial(self._change, change))
        for at_us in conditions.checkpoints_us:
            self._world.at(start_us + at_us * S, lambda: self.read(self._world.drawn_us()))

    def read(self, takes_us: int) -> None:
        world, sent_us = self._world, self._world.now_us - self.origin_us
        world.core.advance(world.now_us)
        snapshot = world.core.snapshot()
        counters = CountersRead(
            all_figures(snapshot.total.counters),
            {name: all_figures(each.counters) for name, each in snapshot.tenants.items()},
        )
        in_use = InUseRead(
            snapshot.total.occupancy.in_use,
            {name: each.occupancy.in_use for name, each in snapshot.tenants.items()},
        )
        self._answered(
            sent_us, takes_us, Operation(op="read", invoke_us=0, counters=counters, in_use=in_use)
        )

    def _change(self, planned: LimitsChange) -> None:
        world = self._world
        change = limit_change(planned, self._policies)
        self._policies.update(change.tenants)
        sent_us = world.now_us - self.origin_us
        world.core.change_limits(change, world.now_us)
        tenants = {
            name: TenantLimits(each.max_concurrent_calls, each.reserved_calls, each.enabled)
            for name, each in change.tenants.items()
        }
        operation = Operation(
            op="limits",
            invoke_us=0,
            max_concurrent_calls=change.max_concurrent_calls,
            tenants=tenants,
        )
        self._answered(sent_us, world.drawn_us(), operation)

    def _answered(self, sent_us: int, takes_us: int, operation: Operation) -> None:
        world = self._world
        self._under_way.append(sent_us)

        def answered() -> None:
            self._under_way.remove(sent_us)
            complete_us = world.now_us - self.origin_us
            self._operations.append(
                msgspec.structs.replace(operation, invoke_us=sent_us, complete_us=complete_us)
            )

        if takes_us:
            world.at(world.now_us + takes_us, answered)
        else:
            answered()


class Worker:
    """A worker process, its clock and its ways to the master."""

    def __init__(self, world: World, name: str, fates: Fates) -> None:
        self._world = world
        self._name = name
        self._fates = fates
        begins_us = world.now_us + LEAD_US
        self.sleeps_at_us, self.cut_at_us, self.dies_us = (
            None if moment is None else begins_us + moment
            for moment in (fates.sleeps_at_us, fates.cut_at_us, fates.dies_us)
        )
        self._player: Player | None = None
        self._busy = 0
        self._up_us = self._down_us = 0
        self._sent: dict[tuple[int, int, int, int], Truth] = {}

    def come(self) -> None:
        self._talk = WorkerTalk(self._send_up, "hash", self._play, lambda: None, self.clock_us)
        self._hello()

    def clock_us(self) -> int:
        now_us, slept_us = self._world.now_us, 0
        if self.sleeps_at_us is not None and now_us > self.sleeps_at_us:
            slept_us = min(now_us - self.sleeps_at_us, self._fates.sleeps_us)
        return now_us - self._fates.distance_us - slept_us

    @property
    def seems_alive(self) -> bool:
        """Whether the master has heard of it lately, as Locust finds out by heartbeats."""
        now_us, fates = self._world.now_us, self._fates
        silences = (
            (self.dies_us, FOREVER_US),
            (self.cut_at_us, fates.cut_us),
            (self.sleeps_at_us, fates.sleeps_us),
        )
        return not any(at is not None and MISSED_US < now_us - at < span for at, span in silences)

    def send_down(self, kind: str, data: dict[str, Any]) -> None:
        """A message of the master."""
        self._down_us = max(self._down_us, self._way(self._world.now_us))
        hear = self._talk.hears[kind]
        self._when_awake(self._down_us, lambda: hear(msg=_Message(data, self._name)))

    # --- inside ---------------------------------------------------------------------------

    def _when_awake(self, at_us: int, act: Callable[[], None]) -> None:
        """Do something at an instant, or when the worker wakes; never once it is dead."""
        if self.sleeps_at_us is not None and 0 <= at_us - self.sleeps_at_us < self._fates.sleeps_us:
            at_us = self.sleeps_at_us + self._fates.sleeps_us

        def unless_dead() -> None:
            if self.dies_us is None or self._world.now_us < self.dies_us:
                act()

        self._world.at(at_us, unless_dead)

    def _way(self, at_us: int) -> int:
        """When a message that was sent then is there."""
        there_us = at_us + self._world.drawn_us()
        if self.cut_at_us is not None and 0 <= there_us - self.cut_at_us < self._fates.cut_us:
            return self.cut_at_us + self._fates.cut_us
        return there_us

    def _send_up(self, kind: str, data: dict[str, Any]) -> None:
        world = self._world
        if kind == REPORT and world.one_in(self._fates.loses_one_in):
            return
        if kind == HELLO:
            data = {**data, "kernel": self._name}
        self._up_us = max(self._up_us, self._way(world.now_us))

        def hear() -> None:
            world.talk.hears[kind](msg=_Message(data, self._name))
            if kind == REPORT:
                for sent in report_in(data).sent:
                    world.heard.append(
                        self._sent[sent.row, sent.kind, sent.invoke_us, sent.complete_us]
                    )

        world.at(self._up_us, hear)

    def _hello(self) -> None:
        self._talk.say_hello()
        self._when_awake(self._world.now_us + HELLO_US, self._hello)

    def _play(self, plan: Plan) -> None:
        self._player = player_of(self._world.trace, plan)
        self._plan, self._reports = plan, 0
        self._pump()
        self._when_awake(self._world.now_us + REPORT_US, self._report)

    def _report(self) -> None:
        player = self._player
        assert player is not None
        final = player.finished
        self._talk.tell(report_of(self._plan, player, self._reports, self.clock_us(), final=final))
        self._reports += 1
        if not final:
            self._when_awake(self._world.now_us + REPORT_US, self._report)

    def _pump(self) -> None:
        """Let free users send what is due, and come back for the next."""
        player = self._player
        assert player is not None
        while self._busy < USERS and (request := player.take(self.clock_us())) is not None:
            self._post(player, request)
        due_us = player.next_due_us()
        if self._busy < USERS and due_us is not None:
            self._when_awake(self._world.now_us + due_us - self.clock_us(), self._pump)

    def _post(self, player: Player, request: Request) -> None:
        world = self._world
        self._busy += 1
        request.invoke_us = self.clock_us()
        truth = Truth(request.row, min(request.kind, 4), world.now_us)
        world.truths.append(truth)
        there_us = world.now_us + world.drawn_us()
        silent = world.one_in(world.silent_one_in)

        def over(answer: Answer) -> None:
            truth.over_us = world.now_us
            self._busy -= 1
            clock_us = self.clock_us()
            self._sent[request.row, request.kind, request.invoke_us, clock_us] = truth
            player.answered(request, answer, clock_us)
            self._pump()

        def arrives() -> None:
            answer = world.step(request)
            if not silent:
                self._when_awake(world.now_us + world.drawn_us(), lambda: over(answer))

        if silent:
            given_up_us = world.now_us + world.timeout_us
            self._when_awake(given_up_us, lambda: over(Answer("indefinite", code="TimeoutError")))
        if not (silent and world.one_in(2)):
            world.at(there_us, arrives)


def _said(answer: CoreAnswer) -> Answer:
    if answer.refusal is not None:
        return Answer("refused", code=answer.refusal.value)
    assert answer.decision is not None
    return Answer(
        "ok",
        answer.decision.value,
        None if answer.reason is None else answer.reason.value,
        tuple(scope.value for scope in answer.scopes),
        answer.fallback,
    )


def drawn_fates(draw: random.Random, *, trouble: bool) -> Fates:
    """A worker on a machine of its own, and without ``trouble`` a sound one."""
    fates = Fates(distance_us=draw.choice([0, draw.randint(-40 * S, 40 * S)]))
    if not trouble:
        return fates
    span_s = 40
    what = draw.randint(0, 4)
    moment_us = draw.randint(0, span_s * S)
    if what == 1:
        return replace(fates, sleeps_at_us=moment_us, sleeps_us=draw.randint(1, 20 * S))
    if what == 2:
        return replace(fates, cut_at_us=moment_us, cut_us=draw.randint(1, 40 * S))
    if what == 3:
        return replace(fates, loses_one_in=draw.randint(1, 6))
    if what == 4:
        return replace(fates, dies_us=moment_us)
    return fates
