"""The live client against servers that misbehave: what became of a request is told rightly."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from simulator.engines import Inconclusive
from simulator.history import Result
from simulator.live.client import CALLS, CallClient, reply_of
from simulator.live.errors import ERRORS, result_of_error, result_of_status
from simulator.live.wire import AnswerTimeout, ConnectionGone, NoHttp, NotConnected

ADMITTED = b'{"decision":"admitted","reason":null,"scopes":[],"fallback":false}'

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


@asynccontextmanager
async def client_of(serve: Serve, timeout_s: float = 30.0) -> AsyncIterator[CallClient]:
    async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(safely, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with CallClient(
            f"http://127.0.0.1:{port}", call_token="call", timeout_s=timeout_s
        ) as client:
            yield client
    finally:
        server.close()


async def test_requests_follow_each_other_on_one_connection() -> None:
    connections, requests = [], []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while True:
            requests.append(await read_request(reader))
            writer.write(answer(200, ADMITTED))

    async with client_of(serve) as client:
        for _ in range(3):
            reply = await client.offer("c1", "acme")
            assert (reply.result, reply.decision) == ("ok", "admitted")
        await client.end("a/b", "failed")
    assert len(connections) == 1
    assert requests[0].startswith(b"POST /api/v1/calls HTTP/1.1\r\n")
    assert b"X-Call-Token: call\r\n" in requests[0]
    assert requests[0].endswith(b'{"call_id":"c1","tenant_id":"acme"}')
    assert requests[3].startswith(b"POST /api/v1/calls/a%2Fb/end HTTP/1.1\r\n")


async def test_an_answer_in_pieces_is_read_whole() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for piece in (ADMITTED[:10], ADMITTED[10:]):
            chunks += b"%x\r\n%b\r\n" % (len(piece), piece)
        for byte in chunks + b"0\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()

    async with client_of(serve) as client:
        assert (await client.offer("c1", "acme")).decision == "admitted"


async def test_a_closed_connection_is_not_used_again() -> None:
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await read_request(reader)
        served += 1
        writer.write(answer(200, ADMITTED, b"Connection: close"))

    async with client_of(serve) as client:
        for _ in range(3):
            assert (await client.offer("c1", "acme")).result == "ok"
    assert served == 3


async def test_nobody_at_the_door_is_a_failure() -> None:
    async with CallClient("http://127.0.0.1:1", call_token="call") as client:
        assert (await client.offer("c1", "acme")).result == "failed"
        assert (await client.post_and_leave(CALLS, b"{}")).result == "failed"
        with pytest.raises(Inconclusive, match="did not answer GET /api/v1/capacity"):
            await client.capacity()


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"hello there\r\n\r\n"],
    ids=["nothing", "half", "no http"],
)
async def test_a_request_whose_answer_is_cut_off_may_have_happened(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(said)

    async with client_of(serve) as client:
        assert (await client.offer("c1", "acme")).result == "indefinite"


async def test_silence_is_indefinite_and_the_connection_is_given_up() -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()
        left.set()

    async with client_of(serve, timeout_s=0.01) as client:
        assert (await client.offer("c1", "acme")).result == "indefinite"
        await left.wait()


async def test_a_client_that_leaves_has_sent_its_whole_request() -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await read_request(reader))

    async with client_of(serve) as client:
        reply = await client.post_and_leave(CALLS, b'{"call_id":"c1"}')
        assert reply.result == "indefinite"
        assert (await got).endswith(b'{"call_id":"c1"}')


@pytest.mark.parametrize(
    ("status", "code", "result"),
    [
        (200, None, "ok"),
        (201, None, "indefinite"),
        (302, None, "refused"),
        (401, None, "refused"),
        (404, "unknown_call", "refused"),
        (408, None, "indefinite"),
        (409, "wrong_state", "refused"),
        (422, None, "refused"),
        (500, None, "indefinite"),
        (502, None, "indefinite"),
        (503, None, "indefinite"),
        (503, "call_memory_full", "refused"),
        (503, "database_unavailable", "refused"),
        (504, None, "indefinite"),
    ],
)
def test_what_a_status_says(status: int, code: str | None, result: Result) -> None:
    assert result_of_status(status, code) == result


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (NotConnected(), "failed"),
        (ConnectionGone(), "indefinite"),
        (NoHttp(), "indefinite"),
        (AnswerTimeout(), "indefinite"),
        (aiohttp.ServerDisconnectedError(), "indefinite"),
        (aiohttp.ClientPayloadError(), "indefinite"),
        (aiohttp.ConnectionTimeoutError(), "failed"),
        (aiohttp.ServerTimeoutError(), "indefinite"),
        (ssl.SSLCertVerificationError(), "failed"),
        (ConnectionRefusedError(), "failed"),
        (ConnectionResetError(), "indefinite"),
        (BrokenPipeError(), "indefinite"),
        (TimeoutError(), "indefinite"),
        (asyncio.CancelledError(), "indefinite"),
        (ValueError("anything else"), "indefinite"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else each,
)
def test_what_an_error_says(error: BaseException, result: Result) -> None:
    assert result_of_error(error)[0] == result


def test_nothing_that_can_happen_after_sending_is_called_a_failure() -> None:
    """Of two entries that fit an error the first counts: no wider one hides a narrower one."""
    for place, (kind, _, _) in enumerate(ERRORS):
        assert not any(issubclass(kind, earlier) for earlier, _, _ in ERRORS[:place]), kind


def test_an_answer_that_is_not_known_tells_nothing() -> None:
    assert reply_of(200, b"<html>").result == "indefinite"
    assert reply_of(200, b'{"decision":"perhaps"}').result == "indefinite"
    assert reply_of(200, b'{"decision":"\xff"}').result == "indefinite"
    assert reply_of(409, b'{"code":"\xff"}').code == "409"
    refused = reply_of(409, b'{"code":"wrong_state","detail":"the call is over"}')
    assert (refused.result, refused.code, refused.said) == (
        "refused", "wrong_state", "the call is over",
    )  # fmt: skip
    assert reply_of(502, b"bad gateway").code == "502"
