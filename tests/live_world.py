"""A world for live runs in which time is counted, not spent: an event loop and a service.

The loop never sleeps: when nothing is ready it goes on to the next timer. The service is the real
core behind answers that take drawn times, or never come.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from service.calls import COUNTER_NAMES, Lookup, Outcome
from service.state.base import (
    Answer,
    Deadlines,
    Decision,
    LimitChange,
    LimitsInvalid,
    Refusal,
    Snapshot,
    TenantPolicy,
    TenantUnknown,
)
from service.state.memory import MemoryCore
from simulator.engines import Inconclusive
from simulator.engines.limits import starting_policies
from simulator.live.client import CALLS, Reply
from simulator.live.client import Answer as Said
from simulator.live.plan import Plan

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time goes on only when there is nothing else to do, and then to the next timer at once."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now_s = max(self.now_s, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]

    @property
    def now_us(self) -> int:
        return round(self.now_s * 1e6)


def in_virtual_time(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work(loop))


@dataclass
class World:
    """One service and how it answers; times in microseconds of wall-clock time.

    A request arrives ``to_us`` after it was sent and is answered ``back_us`` later; both draw.
    ``silent`` says of a request whether its answer is lost. ``stall_us`` freezes the driver, not
    the service, in every send. ``change_takes_us`` passes from when a change of limits is in force
    to its answer. ``tells_instance``: the capacity document names the instance. ``stays_down``: a
    service that the driver kills is out of reach until the driver starts it again.
    ``held_document`` stands in for the list of the calls held.
    """

    make_core: Callable[..., MemoryCore] = MemoryCore
    to_us: Callable[[], int] = lambda: 0
    back_us: Callable[[], int] = lambda: 0
    silent: Callable[[], bool] = lambda: False
    timeout_us: int = 1_000_000
    stall_us: int = 0
    change_takes_us: int = 0
    tells_instance: bool = True
    stays_down: bool = False
    held_document: dict[str, Any] | None = None
    sent: list[tuple[int, str, str]] = field(default_factory=list)

    def core(self, plan: Plan) -> MemoryCore:
        conditions = plan.trace.conditions
        self.lookups = {
            tenant.tenant_id: Lookup.FOUND if tenant.instructions else Lookup.MISSING
            for tenant in conditions.tenants
        }

        def wall(deadline: int | None) -> int | None:
            return None if deadline is None else max(1, plan.wall_us(deadline))

        self.deadlines = Deadlines(
            wall(conditions.pending_deadline_us),
            wall(conditions.accepted_deadline_us),
            wall(conditions.active_deadline_us),
        )
        return self.make_core(
            conditions.max_concurrent_calls,
            tenants=starting_policies(conditions),
            deadlines=self.deadlines,
        )


@dataclass
class FakeService:
    """What is behind an address: one core after the other, or for a while nothing."""

    core: MemoryCore
    down: bool = False
    instance: str = "a"
    _starts: int = 1

    def begin_anew(
        self, core: MemoryCore, *, down: bool = False, instance: str | None = None
    ) -> None:
        """It is another one from now on, which knows nothing."""
        self._starts += 1
        self.core, self.down = core, down
        self.instance = f"start {self._starts}" if instance is None else instance


class FakeClient:
    """What the driver asks; the service's core answers at the loop's time."""

    def __init__(self, world: World, service: FakeService, loop: VirtualLoop) -> None:
        self._world = world
        self._service = service
        self._loop = loop
        self._arriving: set[asyncio.Task[Reply]] = set()

    async def post(self, path: str, body: bytes, timeout_s: float | None = None) -> Reply:
        world, parts = self._world, path.removeprefix(CALLS).split("/")
        document = msgspec.json.decode(body) if body else {}
        call_id = document["call_id"] if parts == [""] else unquote(parts[1])
        world.sent.append((self._loop.now_us, "offer" if parts == [""] else parts[2], call_id))
        if self._service.down:
            return Reply("failed", said="nobody listens at the address")
        self._loop.now_s += world.stall_us / 1e6
        task = asyncio.create_task(self._answer(parts[-1], call_id, document))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        try:
            async with asyncio.timeout(world.timeout_us / 1e6 if timeout_s is None else timeout_s):
                return await asyncio.shield(task)
        except TimeoutError:
            return Reply("indefinite", said="no answer in time")

    async def post_and_leave(self, path: str, body: bytes) -> Reply:
        await self.post(path, body, 1e-6)
        return Reply("indefinite", said="the client left before the answer")

    async def change_limits(self, document: dict[str, Any]) -> Reply:
        await asyncio.sleep(self._world.to_us() / 1e6)
        if self._service.down:
            return Reply("failed", said="nobody listens at the address")
        tenants = {name: TenantPolicy(**row) for name, row in document["tenants"].items()}
        change = LimitChange(document.get("max_concurrent_calls"), tenants)
        try:
            self._service.core.change_limits(change, self._loop.now_us)
        except LimitsInvalid as error:
            return Reply("refused", 422, said=str(error))
        except TenantUnknown as error:
            return Reply("refused", 404, code="unknown_tenant", said=str(error))
        await asyncio.sleep((self._world.back_us() + self._world.change_takes_us) / 1e6)
        if self._world.silent():
            return Reply("indefinite", said="no answer in time")
        return Reply("ok", 200, Said())

    async def capacity(self) -> dict[str, Any]:
        await asyncio.sleep(self._world.to_us() / 1e6)
        self._there()
        core, instance = self._service.core, self._service.instance
        core.advance(self._loop.now_us)
        document = _capacity(core.snapshot())
        if self._world.tells_instance:
            document["instance"] = instance
        await asyncio.sleep(self._world.back_us() / 1e6)
        return document

    async def held(self) -> dict[str, Any]:
        self._there()
        if self._world.held_document is not None:
            return self._world.held_document
        self._service.core.advance(self._loop.now_us)
        held = self._service.core.held()
        return {"pending_call_ids": list(held.pending), "accepted_call_ids": list(held.accepted)}

    def _there(self) -> None:
        if self._service.down:
            raise Inconclusive("nobody listens at the address")

    async def _answer(self, event: str, call_id: str, document: dict[str, Any]) -> Reply:
        world, service = self._world, self._service
        await asyncio.sleep(world.to_us() / 1e6)
        if service.down:
            return Reply("indefinite", said="the connection was lost")
        answer = self._step(event, call_id, document)
        if world.silent():
            await asyncio.sleep(world.timeout_us / 1e6 + 1)
        await asyncio.sleep(world.back_us() / 1e6)
        return _reply(answer)

    def _step(self, event: str, call_id: str, document: dict[str, Any]) -> Answer:
        core, at_us = self._service.core, self._loop.now_us
        if event == "":
            return core.offer(call_id, document["tenant_id"], at_us)
        if event == "accept":
            view = core.call(call_id)
            found = Lookup.FOUND if view is None else self._world.lookups[view.tenant_id]
            return core.accept(call_id, Lookup(document.get("lookup", found)), at_us)
        if event == "start":
            return core.start(call_id, at_us)
        if event == "refer":
            return core.refer(call_id, at_us)
        return core.end(call_id, Outcome(document["outcome"]), at_us)


@dataclass
class Restarter:
    """Kills the service, and has another one there with the limit of now and the tenants it had."""

    world: World
    service: FakeService
    limit_now: int

    def kill(self) -> None:
        self.service.begin_anew(self._another(), down=self.world.stays_down)

    def start_again(self) -> None:
        if self.service.down:
            self.service.begin_anew(self._another())

    def _another(self) -> MemoryCore:
        rows = self.service.core.snapshot().tenants
        policies = {name: row.policy for name, row in rows.items() if row.policy is not None}
        return self.world.make_core(
            self.limit_now, tenants=policies, deadlines=self.world.deadlines
        )


def _capacity(snapshot: Snapshot) -> dict[str, Any]:
    """What the driver reads of the capacity document."""

    def row(part: Any) -> dict[str, int]:
        held = part.occupancy
        return {
            "in_use": held.pending + held.accepted,
            "pending": held.pending,
            "accepted": held.accepted,
            "active": held.active,
            **dict(zip(COUNTER_NAMES, part.counters, strict=True)),
        }

    return {
        "max_concurrent_calls": snapshot.max_concurrent_calls,
        "deadlines": asdict(snapshot.deadlines),
        "total": row(snapshot.total),
        "tenants": {
            name: {
                "configured": part.policy is not None,
                **asdict(part.policy or TenantPolicy(enabled=False)),
                **row(part),
            }
            for name, part in snapshot.tenants.items()
        },
    }


_STATUS = {Refusal.UNKNOWN_CALL: 404, Refusal.CALL_MEMORY_FULL: 503}


def _reply(answer: Answer) -> Reply:
    if answer.refusal is not None:
        status = _STATUS.get(answer.refusal, 409)
        return Reply("refused", status, code=answer.refusal.value)
    assert isinstance(answer.decision, Decision)
    return Reply(
        "ok",
        200,
        Said(
            answer.decision.value,
            None if answer.reason is None else answer.reason.value,
            tuple(scope.value for scope in answer.scopes),
            answer.fallback,
        ),
    )
