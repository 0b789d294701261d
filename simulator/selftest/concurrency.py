"""Controllers that are right for one request at a time and wrong for several at once.

Each gives way to other requests exactly where it should not, for long enough that those which are
there at the same time always come in between. ``python -m simulator.selftest.concurrency NAME``
serves one of them: the real application, its interface and its settings, on a broken state.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Message, Receive, Scope, Send

from service.app import Service
from service.clock import SystemClock
from service.server import serve_from_environment
from service.settings import Settings
from service.state.base import CallState
from simulator.selftest.concurrency_replicas import TwoReplicas
from simulator.selftest.concurrency_states import (
    CheckThenAct,
    FreedAfterTheAnswer,
    FreedByCancellation,
    OpenState,
    OutOfOrder,
    RetriesCounted,
    StaleLimit,
)


class _CancelledWithClient(Service):
    """Cancels a request's work when its client goes away, as some frameworks do."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = super().__call__
        if scope["type"] != "http":
            await answer(scope, receive, send)
            return
        read: list[Message] = [await receive()]
        while read[-1]["type"] == "http.request" and read[-1].get("more_body", False):
            read.append(await receive())
        gone = asyncio.create_task(_awaited(receive))

        async def read_again() -> Message:
            return read.pop(0) if read else await gone

        work = asyncio.create_task(_awaited(lambda: answer(scope, read_again, send)))
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _awaited(make: Callable[[], Any]) -> Any:
    return await make()


@dataclass(frozen=True, slots=True)
class BrokenService:
    """A service with one bug that only simultaneous requests show.

    ``state`` makes its call state for a total limit. ``cancels``: a client that leaves takes its
    request with it.
    """

    name: str
    bug: str
    state: Callable[[int], CallState]
    cancels: bool = False

    def create(self, settings: Settings) -> Service:
        """The real application on this state."""
        kind = _CancelledWithClient if self.cancels else Service
        return kind(settings, self.state(settings.max_concurrent_calls), SystemClock())


SOUND: Final = BrokenService(
    "sound", "none: the real state, and requests go with their clients", OpenState, cancels=True
)

CONCURRENCY_BUGS: Final = (
    BrokenService(
        "check-then-act",
        "checks for room, lets others in between, and takes the slot without looking again",
        CheckThenAct,
    ),
    BrokenService(
        "two-local-limits",
        "two replicas share the calls but not the limit: each admits up to all of it",
        TwoReplicas,
    ),
    BrokenService(
        "cancelled-end-leaks",
        "frees the slot after the end is counted, and not at all if the client leaves in between",
        FreedAfterTheAnswer,
        cancels=True,
    ),
    BrokenService(
        "cancelled-offer-freed-twice",
        "frees the slot of an offer whose client left, and once more when the call ends",
        FreedByCancellation,
        cancels=True,
    ),
    BrokenService(
        "retry-counted-twice",
        "does not know an offer while it is at work on it: sent again it takes a second slot",
        RetriesCounted,
    ),
    BrokenService(
        "events-out-of-order",
        "answers a start at once and applies it from a queue that the end overtakes",
        OutOfOrder,
    ),
    BrokenService(
        "stale-limit",
        "goes on with the limit it has read before for a minute after it was changed",
        StaleLimit,
    ),
)


def broken_service(name: str) -> BrokenService:
    """Raises :class:`LookupError` with the names there are."""
    for service in (SOUND, *CONCURRENCY_BUGS):
        if service.name == name:
            return service
    names = ", ".join(service.name for service in (SOUND, *CONCURRENCY_BUGS))
    raise LookupError(f"no broken service is called {name}; there are {names}")


def serve_broken(name: str, port: int) -> int:
    """Serve one on 127.0.0.1 with the settings of the environment; the exit code of the process."""
    return serve_from_environment("127.0.0.1", port, broken_service(name).create)


def main() -> int:
    parser = argparse.ArgumentParser(description="Serves the application on a broken call state.")
    parser.add_argument("name", choices=[one.name for one in (SOUND, *CONCURRENCY_BUGS)])
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    return serve_broken(given.name, given.port)


if __name__ == "__main__":
    sys.exit(main())
