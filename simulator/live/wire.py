"""HTTP/1.1 connections for call events: only what it takes, so that the driver is no bottleneck.

A request is written whole and answered whole before the next one on its connection. A connection
that anything went wrong on is closed and never used again.
"""

import asyncio
import ssl
from collections import deque
from typing import Final

import httptools

KEEPALIVE_S: Final = 3.0
"""How long an idle connection is kept: less than servers do, which may close it under a request."""


class NotConnected(ConnectionError):
    """No connection could be made: nothing was sent."""


class ConnectionGone(ConnectionError):
    """The connection was closed before the answer was whole."""


class NoHttp(ConnectionError):
    """What came back is not HTTP."""


class AnswerTimeout(TimeoutError):
    """There was no whole answer in time."""


class Connection(asyncio.Protocol):
    """One connection, made by :func:`open_connection`; at most one request is under way on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._waiter: asyncio.Future[tuple[int, bytes]] | None = None
        self.is_open = False
        self.idle_since_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.is_open = True

    async def exchange(self, request: bytes, timeout_s: float) -> tuple[int, bytes]:
        """As :meth:`Wire.exchange`; the request is written before anything is waited for.

        Cancelling it closes the connection.
        """
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(timeout_s, self._fail, AnswerTimeout())
        try:
            self._transport.write(request)
            return await self._waiter
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()
            self._waiter = None

    def close(self) -> None:
        self.is_open = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(NoHttp(str(error)))

    def connection_lost(self, _error: Exception | None) -> None:
        self.is_open = False
        self._fail(ConnectionGone())

    # Called by the parser.
    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        if not self._parser.should_keep_alive() or self._waiter is None:
            self.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result((status, self._body))

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


class Wire:
    """Connections to one service, as many as there are requests under way."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._idle: deque[Connection] = deque()

    async def exchange(self, request: bytes, timeout_s: float) -> tuple[int, bytes]:
        """Send a request, written out whole; the status and the body of its answer.

        Raises :class:`NotConnected`, :class:`ConnectionGone`, :class:`NoHttp` and
        :class:`AnswerTimeout`.
        """
        loop = asyncio.get_running_loop()
        connection = self._take(loop.time()) or await open_connection(
            self._host, self._port, self._context, timeout_s
        )
        answer = await connection.exchange(request, timeout_s)
        if connection.is_open:
            connection.idle_since_s = loop.time()
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take(self, now_s: float) -> Connection | None:
        """The connection that was idle the shortest; those idle too long are closed."""
        idle = self._idle
        while idle and now_s - idle[0].idle_since_s > KEEPALIVE_S:
            idle.popleft().close()
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
        return None


async def open_connection(
    host: str, port: int, context: ssl.SSLContext | None, timeout_s: float
) -> Connection:
    """A connection on which nothing was sent. Raises :class:`NotConnected`."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            _, connection = await loop.create_connection(
                lambda: Connection(loop), host, port, ssl=context
            )
    except OSError as error:  # a TimeoutError is one
        raise NotConnected(str(error) or "no connection was made in time") from error
    return connection
