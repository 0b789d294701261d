"""One thread that sends batches in order while others are prepared."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Sender(Generic[T]):
    """Calls ``send`` for one body after the other in a thread of its own; a context manager.

    Leaving does not wait for what is still under way, so that a service that hangs cannot hold up
    an interruption; that thread ends with its connection or the process.
    """

    def __init__(self, send: Callable[[bytes], T]) -> None:
        self._send = send
        self._work: SimpleQueue[tuple[bytes, Future[T]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="busyhour-sender", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._work.put(None)

    def submit(self, body: bytes) -> "Future[T]":
        """Send a body after those before it; the result is what ``send`` returned or raised."""
        answer: Future[T] = Future()
        self._work.put((body, answer))
        return answer

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            body, answer = work
            try:
                answer.set_result(self._send(body))
            except BaseException as error:
                answer.set_exception(error)
