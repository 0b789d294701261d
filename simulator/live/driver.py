"""Plays a plan on running services: an open loop, whatever they answer and however late."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from simulator.engines import Inconclusive
from simulator.engines.limits import limit_change, starting_policies
from simulator.engines.target import call_ids_held
from simulator.history import Operation, TenantLimits
from simulator.live.calls import CallRules, Calls, LiveTarget, wait_until
from simulator.live.client import Reply
from simulator.live.meters import Meters
from simulator.live.plan import Plan
from simulator.live.recorder import Document, Reading
from simulator.results import Progress
from simulator.scenario import ServiceKill
from simulator.trace import AfterOn

TICK_US: Final = 20_000
"""How often the driver looks whether it was held up."""

SETTLE_EVERY: Final = 50
"""Ticks after which the histories say anew up to when they are whole."""

SETTLE_S: Final = 3.0
"""How long the driver waits, after it has ended every call, for the last slot to be freed."""

PULSE_S: Final = 1.0
"""How often the driver looks whether a service that somebody else runs was restarted."""

INTERRUPT_S: Final = 5.0
"""How long an interrupted run may take to end the calls it holds."""

_SETTLE_PAUSE_S: Final = 0.05
_ENDS_AT_ONCE: Final = 64


class Restarter(Protocol):
    """A service of our own that can be killed. Both methods block.

    ``limit_now`` is the total limit that it is started with.
    """

    limit_now: int

    def kill(self) -> None: ...
    def start_again(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What each history's service said at a checkpoint (trace time), None where it did not."""

    at_us: int
    readings: tuple[Reading | None, ...]


class Driver:
    """One run. ``groups`` are the targets of each history: those that share one limit."""

    def __init__(
        self,
        plan: Plan,
        groups: Sequence[Sequence[LiveTarget]],
        rules: CallRules,
        meters: Meters,
        now_us: Callable[[], int],
        *,
        kills: Sequence[ServiceKill] = (),
        service: Restarter | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._plan = plan
        self._conditions = plan.trace.conditions
        self._meters = meters
        self._now_us = now_us
        self._kills = kills
        self._service = service
        self._progress = progress
        self._groups = groups
        self._firsts = [group[0] for group in groups]
        self._one_by_one = {id(target): asyncio.Lock() for target in self._firsts}
        targets = tuple(target for group in groups for target in group)
        self.calls = Calls(plan, targets, rules, meters, now_us, self._follow)
        self.checkpoints: list[Checkpoint] = []
        self.final: tuple[Reading, ...] = ()
        self.restarts = 0
        self._policies = starting_policies(self._conditions)
        self._unmade = 0
        self._leaving = False

    async def run(self) -> None:
        """Play the whole plan, end what is left, and read the counters.

        Raises :class:`Inconclusive`, and OSError when a history cannot be written. Whatever ends
        it, it still ends the calls it holds.
        """
        try:
            await self._play()
            await self._clean_up()
            self.final = tuple([await self._read(target) for target in self._firsts])
        except asyncio.CancelledError:
            await self._leave()
            raise
        except Exception:
            await self._end_what_is_open()
            raise

    async def _play(self) -> None:
        try:
            async with asyncio.TaskGroup() as around:
                watching = [around.create_task(self._watch_itself())]
                if self._service is None:
                    watching += [around.create_task(self._watch(each)) for each in self._firsts]
                async with asyncio.TaskGroup() as self._group:
                    self._group.create_task(self._change_all())
                    for at_us, work in self._marks():
                        self._group.create_task(self._at(at_us, work))
                    await self._offer_all()
                    await self._until(self._plan.duration_us)
                for task in watching:
                    task.cancel()
        except BaseExceptionGroup as group:
            # The first fault ended everything else; it alone says what went wrong.
            raise _first(group) from group

    async def _offer_all(self) -> None:
        """Begin each call when it is due. Everything else follows from that."""
        create_task, play = self._group.create_task, self.calls.play
        self._unmade = len(self._plan.offers)
        for due_us, row in self._plan.offers:
            await self._until(due_us)
            self._unmade -= 1
            create_task(play(row, due_us))

    def _follow(self, row: int, at_us: int, rejected: bool) -> None:
        """Offer what depends on a call that is over, unless that is after the end of the run."""
        plan = self._plan
        for dependent in plan.dependents.get(row, ()):
            if dependent.after_on == AfterOn.REJECTED and not rejected:
                continue
            due_us = at_us + plan.wall_us(dependent.delay_us)
            if due_us < plan.duration_us and not self._leaving:
                self._group.create_task(self.calls.play(dependent.row, due_us))

    def _marks(self) -> list[tuple[int, Callable[[], Coroutine[Any, Any, None]]]]:
        """What happens to no single call, and when."""
        wall_us, conditions = self._plan.wall_us, self._conditions
        return [
            *((wall_us(at_us), partial(self._look, at_us)) for at_us in conditions.checkpoints_us),
            *((wall_us(kill.at_us), partial(self._kill, kill)) for kill in self._kills),
        ]

    async def _at(self, due_us: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await self._until(due_us)
        await work()

    async def _change_all(self) -> None:
        """Each change is made of what the one before it left, so it waits for its answer."""
        for place, change in enumerate(self._conditions.changes):
            await self._until(self._plan.wall_us(change.at_us))
            await self._change(place)

    async def _change(self, place: int) -> None:
        """Change the limits at every service that has its own."""
        change = limit_change(self._conditions.changes[place], self._policies)
        document: Document = {
            "tenants": {
                tenant_id: {
                    "enabled": policy.enabled,
                    "max_concurrent_calls": policy.max_concurrent_calls,
                    "reserved_calls": policy.reserved_calls,
                    "fallback_allowed": policy.fallback_allowed,
                }
                for tenant_id, policy in change.tenants.items()
            }
        }
        if change.max_concurrent_calls is not None:
            document["max_concurrent_calls"] = change.max_concurrent_calls
        self._policies.update(change.tenants)
        for target in self._firsts:
            invoke_us, reply = self._now_us(), Reply("indefinite")
            begun = target.recorder.begins(invoke_us)
            try:
                reply = await target.client.change_limits(document)
            finally:
                # Also one that was interrupted: what was admitted since may be due to it.
                target.recorder.append(
                    Operation(
                        op="limits",
                        invoke_us=invoke_us,
                        complete_us=None if reply.result == "indefinite" else self._now_us(),
                        result=reply.result,
                        code=reply.code,
                        max_concurrent_calls=change.max_concurrent_calls,
                        tenants={
                            tenant_id: TenantLimits(
                                policy.max_concurrent_calls, policy.reserved_calls, policy.enabled
                            )
                            for tenant_id, policy in change.tenants.items()
                        },
                        target=target.place,
                    )
                )
                target.recorder.written(begun)
            may_be = reply.result in ("ok", "indefinite")
            if self._service is not None and may_be and change.max_concurrent_calls is not None:
                self._service.limit_now = change.max_concurrent_calls

    async def _look(self, at_us: int) -> None:
        """Read the capacity; a service that does not answer now is only missed."""
        readings: list[Reading | None] = []
        for target in self._firsts:
            try:
                readings.append(await self._read(target))
            except Inconclusive:
                readings.append(None)
        self.checkpoints.append(Checkpoint(at_us, tuple(readings)))

    async def _read(self, target: LiveTarget) -> Reading:
        async with self._one_by_one[id(target)]:
            recorder, invoke_us = target.recorder, self._now_us()
            begun = recorder.begins(invoke_us)
            try:
                document = await target.client.capacity()
                now_us = self._now_us()
                self._forget(target, recorder.notice(document, invoke_us, now_us, target.place))
                return recorder.read(document, invoke_us, now_us, target.place)
            finally:
                recorder.written(begun)

    async def _watch(self, target: LiveTarget) -> None:
        """Look now and then which instance of the service it is; one that is silent is missed."""
        while True:
            await asyncio.sleep(PULSE_S)
            await self._notice(target)

    async def _notice(self, target: LiveTarget) -> None:
        """Raises :class:`Inconclusive` for a document that is no such service's."""
        async with self._one_by_one[id(target)]:
            invoke_us = self._now_us()
            try:
                document = await target.client.capacity()
            except Inconclusive:
                return
            restart = target.recorder.notice(document, invoke_us, self._now_us(), target.place)
            self._forget(target, restart)

    def _forget(self, first: LiveTarget, restart: Operation | None) -> None:
        """Of a restart that was noticed: the calls of that service are gone."""
        if restart is not None:
            group = next(group for group in self._groups if group[0] is first)
            self.calls.forgotten(restart.invoke_us, group)

    async def _look_last(self) -> None:
        """Were they the same services until now?"""
        for target in self._firsts:
            if not target.recorder.is_whole:
                with suppress(Inconclusive):
                    await self._notice(target)

    async def _kill(self, kill: ServiceKill) -> None:
        service = self._service
        assert service is not None
        from_us = self._now_us()
        begun = [target.recorder.begins(from_us) for target in self._firsts]
        try:
            await _to_its_end(service.kill)
        finally:
            # Written at once: its state is gone now, whatever becomes of the run until it is back.
            for target, token in zip(self._firsts, begun, strict=True):
                target.recorder.restarted(from_us, self._now_us(), target.place)
                target.recorder.written(token)
        for group in self._groups:
            self.calls.forgotten(from_us, group)
        await asyncio.sleep(self._plan.wall_us(kill.restart_after_us) / 1e6)
        await _to_its_end(service.start_again)
        self.restarts += 1

    async def _clean_up(self) -> None:
        """End every call that holds a slot, or may, until no service holds one of ours."""
        gate = asyncio.Semaphore(_ENDS_AT_ONCE)

        async def hang_up(row: int) -> None:
            async with gate:
                await self.calls.hang_up(row)

        self._leaving = True
        await asyncio.gather(*(hang_up(row) for row in list(self.calls.open)))
        until_us = self._now_us() + round(SETTLE_S * 1e6)
        while True:
            held = [row for target in self._firsts for row in await self._held(target)]
            if not held or self._now_us() >= until_us:
                return
            for row in held:
                if row in self.calls.open:
                    await hang_up(row)
            await asyncio.sleep(_SETTLE_PAUSE_S)

    async def _held(self, target: LiveTarget) -> list[int]:
        """Rows that the service holds. Raises :class:`Inconclusive` for a stranger's call."""
        rows = []
        for call_id in call_ids_held(await target.client.held()):
            row = call_id.removeprefix(target.prefix)
            if row == call_id or not row.isdecimal():
                raise Inconclusive(
                    f"the service holds call {call_id!r}, which is not of this run; nobody else "
                    "may use it meanwhile"
                )
            rows.append(int(row))
        return rows

    async def _leave(self) -> None:
        """End what an interrupted run still holds, as far as that goes quickly."""
        self._meters.dropped += self._unmade
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        await self._end_what_is_open()

    async def _end_what_is_open(self) -> None:
        """After a run that did not come to its end, as far as it goes quickly."""
        with suppress(Exception):
            async with asyncio.timeout(INTERRUPT_S):
                try:
                    await self._clean_up()
                finally:
                    await self._look_last()

    async def _watch_itself(self) -> None:
        """Note when the driver was held up, keep the histories on disk, and tell how far it is."""
        duration_us, last_us, ticks = self._plan.duration_us, self._now_us(), 0
        while True:
            await asyncio.sleep(TICK_US / 1e6)
            now_us = self._now_us()
            stall_us = now_us - last_us - TICK_US
            self._meters.longest_stall_us = max(self._meters.longest_stall_us, stall_us)
            last_us, ticks = now_us, ticks + 1
            if ticks % SETTLE_EVERY == 0:
                for target in self._firsts:
                    target.recorder.settle(now_us)
            if self._progress is not None:
                self._progress(min(now_us, duration_us), duration_us)

    async def _until(self, due_us: int) -> None:
        await wait_until(due_us, self._now_us)


async def _to_its_end(work: Callable[[], None]) -> None:
    """Do blocking work in a thread; who is cancelled meanwhile still waits until it is done."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
