"""Plays traces in a world of counted time: what the driver did there, and what it wrote down."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from service.state.memory import MemoryCore
from simulator.engines import Inconclusive
from simulator.history import (
    History,
    HistoryDeadlines,
    HistoryHeader,
    HistoryWriter,
    TenantLimits,
    read_history,
)
from simulator.live.calls import CallRules, LiveTarget
from simulator.live.driver import Driver
from simulator.live.meters import Meters
from simulator.live.plan import ClientFaults, Plan
from simulator.live.recorder import Recorder
from simulator.scenario import ServiceKill
from simulator.trace import CallTrace
from tests.live_world import FakeClient, FakeService, Restarter, VirtualLoop, World, in_virtual_time

NO_FAULTS = ClientFaults()
RULES = CallRules()


@dataclass(frozen=True)
class Anew:
    """At ``at_us`` of wall-clock time somebody else has ``core`` at the place of a target.

    Nobody answers there for ``down_us`` before that. ``group`` is the target's history;
    ``instance`` what it calls itself, None: a name of its own.
    """

    at_us: int
    core: MemoryCore
    down_us: int = 0
    group: int = 0
    instance: str | None = None


@dataclass(frozen=True)
class Played:
    """``core`` and ``history`` are of the first of the ``histories``.

    ``stopped`` says why a run did not come to its end.
    """

    driver: Driver
    meters: Meters
    histories: tuple[History, ...]
    world: World
    core: MemoryCore
    stopped: str | None

    @property
    def history(self) -> History:
        return self.histories[0]

    def operations(self, call_id: str) -> list[tuple[str, int, str]]:
        return [
            (operation.op, operation.invoke_us, operation.result)
            for operation in sorted(self.history.operations, key=lambda each: each.invoke_us)
            if operation.call_id == call_id
        ]


def play(
    trace: CallTrace,
    directory: Path,
    *,
    world: World | None = None,
    speed: float = 0.001,
    faults: ClientFaults = NO_FAULTS,
    rules: CallRules = RULES,
    cancel_at_us: int | None = None,
    kills: Sequence[ServiceKill] = (),
    begins_anew: Sequence[Anew] = (),
    groups: Sequence[int] = (1,),
    given: bool = False,
) -> Played:
    """Drive a trace in virtual time; at the default speed 1 us of the trace is 1 ms.

    ``groups`` has a service for each number, and so many targets lead to it. ``given``: they are
    somebody else's, as they are with ``begins_anew``.
    """
    world = world or World()
    plan = Plan(trace, speed, faults)
    services = [FakeService(world.core(plan)) for _ in groups]
    core = services[0].core
    given = given or bool(begins_anew)
    meters = Meters(late_us=50_000)
    paths = [directory / f"history-{place}.jsonl" for place in range(len(groups))]

    async def drive(loop: VirtualLoop) -> tuple[Driver, str | None]:
        recorders, targets = [], []
        for service, count, path in zip(services, groups, paths, strict=True):
            clients = [FakeClient(world, service, loop) for _ in range(count)]
            before = await clients[0].capacity() if given else {"total": {}, "tenants": {}}
            writer = HistoryWriter(path, _header(trace, world, count))
            recorders.append(Recorder(writer, before, meters.results, watched=given))
            targets.append(
                [
                    LiveTarget(client, recorders[-1], "c", place)
                    for place, client in enumerate(clients)
                ]
            )
        for anew in begins_anew:
            _begin_anew_later(loop, services[anew.group], anew)
        own = Restarter(world, services[0], trace.conditions.max_concurrent_calls)
        driver = Driver(
            plan, targets, rules, meters, lambda: loop.now_us,
            kills=kills, service=None if given else own,
        )  # fmt: skip
        task = asyncio.ensure_future(driver.run())
        if cancel_at_us is not None:
            loop.call_at(cancel_at_us / 1e6, task.cancel)
        (raised,) = await asyncio.gather(task, return_exceptions=True)
        with suppress(OSError):
            for recorder in recorders:
                recorder.close(loop.now_us)
        if isinstance(raised, asyncio.CancelledError | Inconclusive | OSError):
            return driver, str(raised)
        if raised is not None:
            raise raised
        return driver, None

    driver, stopped = in_virtual_time(drive)
    histories = tuple(read_history(path) for path in paths)
    return Played(driver, meters, histories, world, core, stopped)


def _begin_anew_later(loop: VirtualLoop, service: FakeService, anew: Anew) -> None:
    def go_down() -> None:
        service.down = True

    if anew.down_us:
        loop.call_at(max(0, anew.at_us - anew.down_us) / 1e6, go_down)
    loop.call_at(anew.at_us / 1e6, partial(service.begin_anew, anew.core, instance=anew.instance))


def _header(trace: CallTrace, world: World, targets: int) -> HistoryHeader:
    return HistoryHeader(
        limit=trace.conditions.max_concurrent_calls,
        tenants={
            tenant.tenant_id: TenantLimits(
                tenant.max_concurrent_calls, tenant.reserved_calls, tenant.enabled
            )
            for tenant in trace.conditions.tenants
            if tenant.configured
        },
        deadlines=HistoryDeadlines(
            world.deadlines.pending_us, world.deadlines.accepted_us, world.deadlines.active_us
        ),
        timeout_us=world.timeout_us,
        targets=tuple(f"target {place}" for place in range(targets)),
    )


def drawn_world(rng: random.Random, timeout_us: int = 30_000) -> World:
    """A service that takes up to 20 ms each way and now and then does not answer."""
    return World(
        to_us=lambda: rng.randint(0, 20_000) * rng.randint(0, 1),
        back_us=lambda: rng.randint(0, 20_000) * rng.randint(0, 1),
        silent=lambda: rng.randint(0, 19) == 0,
        timeout_us=timeout_us,
    )


def kinds(alarms: Sequence[Any]) -> list[str]:
    return [f"{alarm.kind}: {alarm.message}" for alarm in alarms]
