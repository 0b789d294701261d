"""A load client on bare sockets, quick enough not to measure itself, for every peer alike."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

TIMEOUT_S = 120
ROOT = Path(__file__).resolve().parents[2]


class _Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered; wants Content-Length responses."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._missing = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            head = self._head + data
            end = head.find(b"\r\n\r\n")
            if end < 0:
                self._head = head
                return
            self._head = b""
            if not head.startswith(b"HTTP/1.1 200"):
                self._done.set_exception(RuntimeError(head[:500].decode("latin-1")))
                self._transport.close()
                return
            at = head.index(b"content-length: ") + 16
            length = int(head[at : head.index(b"\r", at)])
            self._missing = length - (len(head) - end - 4)
        if self._missing == 0:
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionError("the server closed the connection"))


def request_bytes(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """One HTTP/1.1 request; ``token`` is a whole header line."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{token}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Content-Type: application/json\r\n\r\n" + body


def requests_per_second(port: int, requests: list[bytes], connections: int = 16) -> float:
    """Send all requests over some connections, one in flight on each; the rate they took."""

    async def run() -> float:
        loop = asyncio.get_running_loop()
        shared = iter(requests)
        started = time.perf_counter()
        futures = []
        for _ in range(connections):
            done = loop.create_future()
            futures.append(done)
            await loop.create_connection(lambda d=done: _Connection(shared, d), "127.0.0.1", port)  # type: ignore[misc]
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*futures)
        return len(requests) / (time.perf_counter() - started)

    return uvloop.run(run())


@dataclass(frozen=True)
class RunningServer:
    """A server process, and the processor time that it has used (Linux)."""

    port: int
    pid: int

    def cpu_s(self) -> float:
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def measure(self, requests: list[bytes], connections: int = 16) -> tuple[float, float]:
        """Requests a second, and the server's processor time for one, in microseconds."""
        before = self.cpu_s()
        rate = requests_per_second(self.port, requests, connections)
        return rate, (self.cpu_s() - before) / len(requests) * 1e6


@contextmanager
def server(*program: str, environment: dict[str, str]) -> Iterator[RunningServer]:
    """Run ``python program --port 0`` until the block ends; it prints the address it listens on."""
    process = subprocess.Popen(
        [sys.executable, *program, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.rsplit(":", 1)[1])
        socket.create_connection(("127.0.0.1", port)).close()
        yield RunningServer(port, process.pid)
    finally:
        process.terminate()
        process.wait()
