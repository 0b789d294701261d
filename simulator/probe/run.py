"""Fires bursts at a service round after round, and ends every call it opened whatever happens."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from service.calls import Counter
from simulator.engines import Inconclusive
from simulator.live.client import CALLS, CallClient, Reply, event_path, offer_body
from simulator.probe.gate import allow_connections, fire
from simulator.probe.plan import (
    LIST_OF_ACTIVE,
    Burst,
    BurstResult,
    Fired,
    Kind,
    Life,
    bursts,
    judge_burst,
    published_counters,
)
from simulator.probe.room import limit_warning, shortest_stay_us

TIMEOUT_S: Final = 30.0
"""For a burst as a whole; a healthy service answers a thousand offers in a fraction of a second."""

LEAVE_AFTER_S: Final = 0.005
"""Long enough for a request to be under way on the other side, short for one that is."""

TRIES: Final = 6
FIRST_WAIT_S: Final = 0.1
"""Before the second try; each further wait is twice as long."""

_HOLDS_NOTHING: Final = (404, 409)

_T = TypeVar("_T")

_AT_ONCE: Final = 64
"""Requests under way when it is not the burst that is probed."""


@dataclass(slots=True)
class ProbeReport:
    """What the probe found, in the order in which it was fired.

    ``warnings`` are said before the first burst. ``not_ended`` are calls that may still hold a
    slot. ``stopped`` says why it came to no end.
    """

    results: list[BurstResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rounds: int = 0
    not_ended: tuple[str, ...] = ()
    stopped: str | None = None
    interrupted: bool = False

    @property
    def problems(self) -> list[str]:
        return [problem for result in self.results for problem in result.problems]


class Probe:
    """One service and one tenant. ``limit``: so many calls of the tenant fit, and no more."""

    def __init__(self, client: CallClient, tenant_id: str | None, limit: int) -> None:
        self._client = client
        self._tenant_id = tenant_id or ""
        self._limit = limit
        self._prefix = f"probe-{secrets.token_hex(6)}-"
        self._number = 0
        self._capacity: Mapping[str, Any] = {}
        self._open: dict[str, None] = {}

    async def run(
        self,
        rounds: int,
        progress: Callable[[int, int], None],
        warn: Callable[[str], None] = lambda _warning: None,
    ) -> ProbeReport:
        """Probe until the rounds are done, something is in the way, or it is cancelled.

        ``warn`` is told at once what the report says as well.
        """
        report = ProbeReport()
        plan = bursts(self._limit)
        try:
            allow_connections(max(burst.requests for burst in plan))
            await self._check_target()
            warning = limit_warning(self._capacity, self._tenant_id, self._limit)
            if warning is not None:
                report.warnings.append(warning)
                warn(warning)
            for done in range(rounds):
                for step, burst in enumerate(plan):
                    progress(done * len(plan) + step, rounds * len(plan))
                    report.results.append(judge_burst(await self._fire(burst), self._limit))
                report.rounds += 1
        except Inconclusive as error:
            report.stopped = str(error)
        except asyncio.CancelledError:
            report.interrupted = True
        finally:
            report.not_ended = await self._end_all()
        return report

    # --- before the first burst ---------------------------------------------------------------

    async def _check_target(self) -> None:
        """Raises :class:`Inconclusive` unless the service is there, idle and on its own clock."""
        held = await self._held()
        if held:
            raise Inconclusive(
                f"{len(held)} calls are held at {self._client.url}, {min(held)} among them; the "
                "probe needs a service that nobody uses"
            )
        await self._counters()
        await self._client.check_call_token()
        # Our service only; another one says with its first answers whether it can be probed.
        with suppress(Inconclusive):
            self._capacity = await self._client.capacity()
        if self._capacity.get("clock") == "virtual":
            raise Inconclusive(
                f"{self._client.url} runs on the virtual clock, where requests come one after the "
                "other in the order of their times, and none at once; start it with "
                "BUSYHOUR_CLOCK=system"
            )
        tenants = self._capacity.get("tenants")
        if not self._tenant_id:
            self._tenant_id = self._first_tenant(tenants if isinstance(tenants, dict) else {})

    def _first_tenant(self, tenants: Mapping[str, Any]) -> str:
        for tenant_id, row in tenants.items():
            if row.get("configured") and row.get("enabled"):
                return str(tenant_id)
        raise Inconclusive(
            f"{self._client.url} names no tenant that may call; configure one, or name one with "
            "--tenant"
        )

    # --- one burst ----------------------------------------------------------------------------

    async def _fire(self, burst: Burst) -> Fired:
        calls = [self._new_call() for _ in range(burst.calls)]
        before = await self._counters()
        lives: dict[str, Life] = {}
        spread_us = None
        begin_ns = time.monotonic_ns()
        if burst.kind is Kind.LIVE:
            replies, lives = await self._fire_lives(calls)
        else:
            replies, spread_us = await self._fire_offers(burst.kind, calls)
        known = await _together(self._settled(call_id, replies[call_id]) for call_id in calls)
        counted = await self._counters()
        held = None if burst.kind is Kind.LIVE else frozenset(await self._held())
        self._check_stay(burst, (time.monotonic_ns() - begin_ns) // 1000)
        if burst.kind is Kind.LEAVE:
            await self._leave_while_ending(calls)
        await _together(self._end(call_id) for call_id in calls)
        return Fired(
            burst,
            dict(zip(calls, known, strict=True)),
            spread_us,
            held,
            {counter: counted[counter] - before[counter] for counter in counted},
            lives,
            frozenset(await self._held()),
        )

    def _check_stay(self, burst: Burst, took_us: int) -> None:
        """Raises :class:`Inconclusive` where calls of a burst may have ended by themselves."""
        stay_us = shortest_stay_us(self._capacity, whole_lives=burst.kind is Kind.LIVE)
        if stay_us is not None and took_us >= stay_us:
            raise Inconclusive(
                f"{self._client.url} ends calls by itself after {stay_us / 1000:,.0f} ms, and the "
                f"burst {burst.name} took {took_us / 1000:,.0f} ms; start it with longer "
                "deadlines, or probe a smaller limit"
            )

    async def _fire_offers(
        self, kind: Kind, calls: Sequence[str]
    ) -> tuple[dict[str, list[Reply]], int]:
        """Every answer to the offers of each call, and the spread of the burst in microseconds."""
        each = 2 if kind is Kind.TWICE else 1
        requests = [
            self._client.written(CALLS, offer_body(call_id, self._tenant_id)) for call_id in calls
        ]
        got, spread_us = await fire(
            self._client.address,
            requests * each,
            timeout_s=TIMEOUT_S,
            leave_after_s=LEAVE_AFTER_S if kind is Kind.LEAVE else None,
            before_sending=lambda: self._open.update(dict.fromkeys(calls)),
        )
        replies: dict[str, list[Reply]] = {call_id: [] for call_id in calls}
        for call_id, reply in zip([*calls] * each, got, strict=True):
            replies[call_id].append(reply)
        return replies, spread_us

    async def _fire_lives(
        self, calls: Sequence[str]
    ) -> tuple[dict[str, list[Reply]], dict[str, Life]]:
        """The answers to the offer of each call, and to what came after it."""
        self._open.update(dict.fromkeys(calls))
        whole = await _together(self._live(call_id) for call_id in calls)
        replies = {call_id: [offered] for call_id, (offered, _) in zip(calls, whole, strict=True)}
        lives = {
            call_id: life
            for call_id, (_, life) in zip(calls, whole, strict=True)
            if life is not None
        }
        return replies, lives

    def _new_call(self) -> str:
        self._number += 1
        return f"{self._prefix}{self._number}"

    async def _live(self, call_id: str) -> tuple[Reply, Life | None]:
        """One call from its offer to its end, as far as the answers let it go."""
        client = self._client
        offered = await client.offer(call_id, self._tenant_id)
        if offered.decision != "admitted":
            return offered, None
        accepted = await client.accept(call_id)
        if accepted.decision != "accepted":
            return offered, Life(_definite(accepted))
        started = await client.start(call_id)
        if started.decision != "started":
            return offered, Life(accepted, _definite(started))
        return offered, Life(accepted, started, _definite(await client.end(call_id)))

    async def _settled(self, call_id: str, replies: list[Reply]) -> list[Reply]:
        """The decisions on an offer; it is offered again where an answer was lost.

        A repeated offer gets the first answer, or becomes the first. So afterwards the service
        knows the call, and what is still on its way changes nothing. Raises :class:`Inconclusive`.
        """
        definite = [reply for reply in replies if reply.result in ("ok", "refused")]
        if len(definite) < len(replies):
            body = offer_body(call_id, self._tenant_id)
            definite.append(await self._persist(CALLS, body))
        for reply in definite:
            self._check_decision(reply)
        return definite

    def _check_decision(self, reply: Reply) -> None:
        """Raises :class:`Inconclusive` for an answer that has nothing to do with slots."""
        if reply.result != "ok":
            raise Inconclusive(f"{self._client.url} refused an offer: {_words(reply)}")
        answer = reply.answer
        if answer is None or answer.decision not in ("admitted", "rejected"):
            raise Inconclusive(
                f"{self._client.url} answered an offer with {reply.decision}, neither admitted "
                "nor rejected"
            )
        if answer.decision == "rejected" and answer.reason != "capacity":
            raise Inconclusive(
                f"{self._client.url} rejected offers of {self._tenant_id}: {answer.reason}; name a "
                "tenant that may call with --tenant"
            )

    async def _persist(self, path: str, body: bytes) -> Reply:
        """Ask until there is an answer. Raises :class:`Inconclusive` when there never is."""
        wait_s = FIRST_WAIT_S
        reply = await self._client.post(path, body)
        for _ in range(TRIES - 1):
            if reply.result in ("ok", "refused"):
                return reply
            await asyncio.sleep(wait_s)
            wait_s *= 2
            reply = await self._client.post(path, body)
        if reply.result in ("ok", "refused"):
            return reply
        raise Inconclusive(f"{self._client.url} does not answer any more: {_words(reply)}")

    # --- ending -------------------------------------------------------------------------------

    async def _leave_while_ending(self, calls: Iterable[str]) -> None:
        requests = [
            self._client.written(event_path(call_id, "end"), b'{"outcome":"hung_up"}')
            for call_id in calls
        ]
        await fire(
            self._client.address,
            requests,
            timeout_s=TIMEOUT_S,
            leave_after_s=LEAVE_AFTER_S,
            before_sending=_nothing,
        )

    async def _end(self, call_id: str) -> None:
        """End a call whose offer is settled; 404 and 409 say that it holds nothing.

        Raises :class:`Inconclusive` when there is no saying.
        """
        reply = await self._persist(event_path(call_id, "end"), b'{"outcome":"hung_up"}')
        if reply.result != "ok" and reply.status not in _HOLDS_NOTHING:
            raise Inconclusive(f"{self._client.url} refused an end: {_words(reply)}")
        self._open.pop(call_id, None)

    async def _end_all(self) -> tuple[str, ...]:
        """End whatever may be open; the calls for which there is no saying."""

        async def settle_and_end(call_id: str) -> None:
            with suppress(Inconclusive):
                # An offer still on its way must not be admitted after the end.
                await self._persist(CALLS, offer_body(call_id, self._tenant_id))
                await self._end(call_id)

        if self._open:
            # If not even one can be ended, trying thousands more only takes time.
            first = next(iter(self._open))
            await settle_and_end(first)
            if first not in self._open:
                await _together(settle_and_end(call_id) for call_id in list(self._open))
        return tuple(self._open)

    # --- reading ------------------------------------------------------------------------------

    async def _held(self) -> set[str]:
        """The probe's calls that hold a slot. Raises :class:`Inconclusive` for somebody else's."""
        document = await self._client.held()
        try:
            held = {
                *document["pending_call_ids"],
                *document["accepted_call_ids"],
                *(call["call_id"] for call in document[LIST_OF_ACTIVE]),
            }
        except (KeyError, TypeError) as error:
            raise Inconclusive(
                f"{self._client.url} is no such service: its debug document lacks {error}"
            ) from None
        strangers = {call_id for call_id in held if not str(call_id).startswith(self._prefix)}
        if strangers and self._number:
            raise Inconclusive(
                f"somebody else calls at {self._client.url} ({min(strangers)}); the probe needs a "
                "service that nobody uses"
            )
        return held

    async def _counters(self) -> dict[Counter, int]:
        try:
            return published_counters(await self._client.live())
        except ValueError as error:
            raise Inconclusive(f"{self._client.url} is no such service: {error}") from None


async def _together(work: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All of it, so many at a time as a client may have under way; results in order.

    Raises the first of their errors, when all have come to their end.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(coroutine: Coroutine[Any, Any, _T]) -> _T:
        async with slots:
            return await coroutine

    done = await asyncio.gather(*map(one, work), return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return [result for result in done if not isinstance(result, BaseException)]


def _nothing() -> None:
    """The calls are noted already."""


def _definite(reply: Reply) -> Reply:
    """Raises :class:`Inconclusive` for an answer that was lost."""
    if reply.result in ("ok", "refused"):
        return reply
    raise Inconclusive(f"an event of a call got no answer: {_words(reply)}")


def _words(reply: Reply) -> str:
    return f"{reply.code}: {reply.said}" if reply.code else reply.said
