"""Requests that leave at the same moment: connections are opened first and written to in one go."""

import asyncio
import resource
import time
from collections.abc import Callable, Sequence
from typing import Final

from simulator.engines import Inconclusive
from simulator.live.client import Address, Reply, reply_of
from simulator.live.errors import result_of_error
from simulator.live.wire import Connection, open_connection

OPENED_TOGETHER: Final = 100
"""A service's queue of connections it has not yet taken is short; it is not this that is probed."""

_SPARE_DESCRIPTORS: Final = 64


def allow_connections(count: int) -> None:
    """Raise this process's limit of open files if need be. Raises :class:`Inconclusive`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _SPARE_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Inconclusive(
            f"the largest burst needs {count:,} connections, and a process may open {hard:,} "
            "files here; raise it with ulimit -n, or probe a smaller limit"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


async def fire(
    address: Address,
    requests: Sequence[bytes],
    *,
    timeout_s: float,
    leave_after_s: float | None = None,
    before_sending: Callable[[], None],
) -> tuple[list[Reply], int]:
    """Send every request over a connection of its own, all at once; the replies and the spread.

    The spread is the time from the first request to the last, in microseconds. ``leave_after_s``:
    the clients close their connections so long after, answered or not. ``before_sending`` is called
    when all connections stand. Raises :class:`Inconclusive` when they cannot be opened; then
    nothing was sent.
    """
    connections: list[Connection] = []
    sent_ns: list[int] = []

    async def ask(connection: Connection, request: bytes) -> Reply:
        sent_ns.append(time.perf_counter_ns())
        try:
            return reply_of(*await connection.exchange(request, timeout_s))
        except Exception as error:
            result, said = result_of_error(error)
            return Reply(result, said=said)

    try:
        while len(connections) < len(requests):
            missing = len(requests) - len(connections)
            connections += await _open(address, min(OPENED_TOGETHER, missing), timeout_s)
        before_sending()
        # The loop takes the first step of every task, which writes the request, before it reads.
        asking = [
            asyncio.create_task(ask(connection, request))
            for connection, request in zip(connections, requests, strict=True)
        ]
        try:
            await asyncio.wait(asking, timeout=leave_after_s)
        finally:
            for task in asking:
                task.cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
    finally:
        for connection in connections:
            connection.close()
    left = Reply("indefinite", said="the client left before the answer")
    replies = [answer if isinstance(answer, Reply) else left for answer in answers]
    return replies, (sent_ns[-1] - sent_ns[0]) // 1000


async def _open(address: Address, count: int, timeout_s: float) -> list[Connection]:
    connecting = (
        open_connection(address.host, address.port, address.context, timeout_s)
        for _ in range(count)
    )
    opened = await asyncio.gather(*connecting, return_exceptions=True)
    made = [one for one in opened if isinstance(one, Connection)]
    for one in opened:
        if not isinstance(one, Connection):
            for connection in made:
                connection.close()
            raise Inconclusive(f"a connection for the burst could not be opened: {one}") from one
    return made
