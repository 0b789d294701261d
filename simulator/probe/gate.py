"""Requests that leave at the same moment: connections are opened first and written to in one go."""

import asyncio
import resource
import time
from collections.abc import Callable, Sequence
from typing import Final, cast

import httptools

from simulator.engines import Inconclusive
from simulator.live.client import Address, Reply, reply_of

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


class _Connection(asyncio.Protocol):
    """One request and its answer."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.sent = False
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes) -> None:
        self.sent = True
        self._transport.write(request)

    def leave(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._become(Reply("indefinite", said="the answer is not HTTP"))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._become(reply_of(self._parser.get_status_code(), b"".join(self._body)))

    def connection_lost(self, _error: Exception | None) -> None:
        if self.sent:
            said = "the connection was closed without an answer"
            self._become(Reply("indefinite", said=said))
        else:
            self._become(Reply("failed", said="the connection was closed before the request"))

    def _become(self, reply: Reply) -> None:
        if not self.answered.done():
            self.answered.set_result(reply)


async def fire(
    address: Address,
    requests: Sequence[bytes],
    *,
    timeout_s: float,
    leave_after_s: float | None = None,
    before_sending: Callable[[], None],
) -> tuple[list[Reply], int]:
    """Send every request over a connection of its own, all at once; the replies and the spread.

    The spread is the time from the first request written to the last, in microseconds.
    ``leave_after_s``: the clients close their connections so long after, answered or not.
    ``before_sending`` is called when all connections stand. Raises :class:`Inconclusive` when they
    cannot be opened; then nothing was sent.
    """
    connections: list[_Connection] = []
    try:
        while len(connections) < len(requests):
            missing = len(requests) - len(connections)
            connections += await _open(address, min(OPENED_TOGETHER, missing), timeout_s)
        before_sending()
        began_ns = time.perf_counter_ns()
        for connection, request in zip(connections, requests, strict=True):
            connection.send(request)
        spread_us = (time.perf_counter_ns() - began_ns) // 1000
        answers = [connection.answered for connection in connections]
        await asyncio.wait(answers, timeout=timeout_s if leave_after_s is None else leave_after_s)
    finally:
        for connection in connections:
            connection.leave()
    late = Reply("indefinite", said="no answer in time")
    return [answer.result() if answer.done() else late for answer in answers], spread_us


async def _open(address: Address, count: int, timeout_s: float) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    connecting = (
        loop.create_connection(_Connection, address.host, address.port, ssl=address.context)
        for _ in range(count)
    )
    try:
        async with asyncio.timeout(timeout_s):
            opened = await asyncio.gather(*connecting, return_exceptions=True)
    except TimeoutError:
        raise Inconclusive(f"{count} connections could not be opened in {timeout_s:g} s") from None
    made = [one[1] for one in opened if not isinstance(one, BaseException)]
    for one in opened:
        if isinstance(one, BaseException):
            for connection in made:
                connection.leave()
            raise Inconclusive(f"a connection for the burst could not be opened: {one}") from one
    return made
