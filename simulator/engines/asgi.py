"""An ASGI application behind a synchronous HTTP client, its lifespan entered, without sockets."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from simulator.engines import Inconclusive

T = TypeVar("T")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_STOP_TIMEOUT_S: Final = 10.0


class AsgiTransport(httpx.BaseTransport):
    """Runs an application on an event loop in a thread of its own.

    It is entered and left with the client it is given to. Requests may come from any thread.
    Never measure latency through it.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._inner = httpx.ASGITransport(app=app)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._lifespan: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._wait(self._start())
        except BaseException:
            self._stop_loop()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None = None,
        _error: BaseException | None = None,
        _trace: TracebackType | None = None,
    ) -> None:
        try:
            self._wait(self._stop())
        finally:
            self._stop_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._wait(self._answer(request))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        response = await self._inner.handle_async_request(
            httpx.Request(request.method, request.url, headers=request.headers, content=body)
        )
        content = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=content)

    async def _start(self) -> None:
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        self._lifespan = asyncio.create_task(
            self._app(scope, self._to_app.get, self._from_app.put)  # type: ignore[arg-type]
        )
        await self._exchange("lifespan.startup")

    async def _stop(self) -> None:
        await self._exchange("lifespan.shutdown")
        assert self._lifespan is not None
        await self._lifespan

    async def _exchange(self, what: str) -> None:
        """Tell the application to start or stop, and wait until it did."""
        assert self._lifespan is not None
        await self._to_app.put({"type": what})
        reply = asyncio.create_task(self._from_app.get())
        await asyncio.wait({reply, self._lifespan}, return_when=asyncio.FIRST_COMPLETED)
        if not reply.done():
            reply.cancel()
            await self._lifespan  # raises what the application raised
            raise Inconclusive("the application has no lifespan, so it cannot be started")
        message = reply.result()
        if message["type"] != f"{what}.complete":
            raise Inconclusive(f"the application failed at {what}: {message.get('message', '')}")

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_TIMEOUT_S)
        self._loop.close()
