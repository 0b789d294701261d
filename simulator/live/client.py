"""The call interface of a running service, for clients that keep many requests under way.

A request never raises for what the network or the service does: its :class:`Reply` says what
became of it. Reads of documents raise :class:`simulator.engines.Inconclusive`.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from yarl import URL

from simulator.engines import Inconclusive
from simulator.history import DecisionName, ReasonName, Result, ScopeName
from simulator.live.errors import result_of_error, result_of_status
from simulator.live.wire import KEEPALIVE_S, Wire

API: Final = "/api/v1"
CALLS: Final = f"{API}/calls"

_MOST_KNOWN: Final = 1024
_NO_AUTO: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Answer(msgspec.Struct, frozen=True):
    """What the service decided; see ``POST /api/v1/calls``."""

    decision: DecisionName | None = None
    reason: ReasonName | None = None
    scopes: tuple[ScopeName, ...] = ()
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request. ``answer`` is there when ``result`` is ``ok``.

    ``code`` is the word a refusal came with, or its status; ``said`` is one line for people.
    """

    result: Result
    status: int | None = None
    answer: Answer | None = None
    code: str | None = None
    said: str = ""

    @property
    def decision(self) -> DecisionName | None:
        return None if self.answer is None else self.answer.decision


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens; ``context`` is there when it speaks TLS."""

    host: str
    port: int
    context: ssl.SSLContext | None


def offer_body(call_id: str, tenant_id: str, *, accept: bool = False) -> bytes:
    """The body of an offer."""
    document: dict[str, object] = {"call_id": call_id, "tenant_id": tenant_id}
    if accept:
        document["accept"] = True
    return msgspec.json.encode(document)


def event_path(call_id: str, event: str) -> str:
    """The path of an event of a call: ``accept``, ``start``, ``refer`` or ``end``."""
    return f"{CALLS}/{quote(call_id, safe='')}/{event}"


def reply_of(status: int, content: bytes) -> Reply:
    """What an answer to a call event says."""
    if status == 200:
        try:
            return Reply("ok", status, msgspec.json.decode(content, type=Answer))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Reply("indefinite", status, said=f"the answer is not known: {error}")
    code = str(status)
    try:
        problem = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = {}
    if isinstance(problem.get("code"), str):
        code = problem["code"]
    said = str(problem.get("detail") or problem.get("title") or f"status {status}")
    return Reply(result_of_status(status, code), status, code=code, said=said)


class CallClient:
    """One service, over connections that are kept open; an async context manager.

    ``timeout_s`` is for an answer, and before that for a connection where one has to be made. Call
    events open as many connections as there are requests under way.
    """

    def __init__(
        self,
        url: str,
        *,
        call_token: str,
        admin_token: str = "",
        timeout_s: float = 5.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._call = {"X-Call-Token": call_token, "Content-Type": "application/json"}
        self._admin = {"X-Admin-Token": admin_token, "Content-Type": "application/json"}
        self._timeout_s = timeout_s
        self._known: dict[tuple[int, bytes], Reply] = {}

    async def __aenter__(self) -> Self:
        address, parts = self.address, urlsplit(self.url)
        self._wire = Wire(address.host, address.port, address.context)
        self._base = parts.path.encode("latin-1")
        headers = {"Host": parts.netloc, **self._call}
        self._head = "".join(
            (
                " HTTP/1.1\r\n",
                *(f"{name}: {value}\r\n" for name, value in headers.items()),
                "Content-Length: ",
            )
        ).encode("latin-1")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=KEEPALIVE_S),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            skip_auto_headers=_NO_AUTO,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._wire.close()
        await self._session.close()

    async def offer(self, call_id: str, tenant_id: str, *, accept: bool = False) -> Reply:
        return await self.post(CALLS, offer_body(call_id, tenant_id, accept=accept))

    async def accept(self, call_id: str) -> Reply:
        return await self.post(event_path(call_id, "accept"), b"")

    async def start(self, call_id: str) -> Reply:
        return await self.post(event_path(call_id, "start"), b"")

    async def refer(self, call_id: str) -> Reply:
        return await self.post(event_path(call_id, "refer"), b"")

    async def end(self, call_id: str, outcome: str = "completed") -> Reply:
        return await self.post(
            event_path(call_id, "end"), msgspec.json.encode({"outcome": outcome})
        )

    async def post(self, path: str, body: bytes, timeout_s: float | None = None) -> Reply:
        """Send a call event; ``timeout_s`` stands in for the client's own."""
        try:
            status, content = await self._wire.exchange(
                b"POST %b%b%b%d\r\n\r\n%b"
                % (self._base, path.encode("latin-1"), self._head, len(body), body),
                self._timeout_s if timeout_s is None else timeout_s,
            )
        except Exception as error:
            result, said = result_of_error(error)
            return Reply(result, said=said)
        return self._known.get((status, content)) or self._new_reply(status, content)

    @property
    def address(self) -> Address:
        """Where connections go that the client does not hold."""
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            return Address(parts.hostname or "", parts.port or 443, ssl.create_default_context())
        return Address(parts.hostname or "", parts.port or 80, None)

    def written(self, path: str, body: bytes) -> bytes:
        """A call event as it goes over the wire."""
        parts = urlsplit(self.url)
        headers = {"Host": parts.netloc, **self._call, "Content-Length": str(len(body))}
        head = f"POST {parts.path}{path} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{head}\r\n".encode("latin-1") + body

    async def post_and_leave(self, path: str, body: bytes) -> Reply:
        """Send a call event whole and close the connection without waiting for the answer.

        It has a connection of its own. The reply is ``failed`` or ``indefinite``.
        """
        address = self.address
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    _, writer = await asyncio.open_connection(
                        address.host, address.port, ssl=address.context
                    )
                except (OSError, TimeoutError) as error:
                    return Reply("failed", said=f"no connection could be made: {error}")
                writer.write(self.written(path, body))
                await writer.drain()
        except Exception as error:
            if writer is None:
                return Reply("failed", said="no connection was made in time")
            return Reply("indefinite", said=result_of_error(error)[1])
        finally:
            if writer is not None:
                writer.close()
        return Reply("indefinite", said="the client left before the answer")

    async def change_limits(self, document: Mapping[str, object]) -> Reply:
        """``PATCH /api/v1/capacity``."""
        body = msgspec.json.encode(document)
        return await self._send("PATCH", f"{API}/capacity", self._admin, body)

    async def capacity(self) -> dict[str, Any]:
        """Limits, slots and counters of everything: one snapshot."""
        return await self._read(f"{API}/capacity")

    async def live(self) -> dict[str, Any]:
        """The published figures of all tenants."""
        return await self._read(f"{API}/metrics/live")

    async def held(self) -> dict[str, Any]:
        """The ids of the calls that hold a slot, by state."""
        return await self._read(f"{API}/metrics/capacity/debug")

    async def check_call_token(self) -> None:
        """Raise :class:`Inconclusive` when call events would not be let in."""
        reply = await self._send("GET", f"{CALLS}/no-such-call", self._call, None)
        if reply.status == 401:
            raise Inconclusive(
                f"{self.url} does not take the call token; set BUSYHOUR_CALL_TOKEN to the service's"
            )
        if reply.code != "unknown_call":
            raise Inconclusive(
                f"{self.url} has no call interface: GET {CALLS}/no-such-call gave "
                f"{reply.status or reply.said}, not 404 unknown_call"
            )

    async def _read(self, path: str) -> dict[str, Any]:
        try:
            # Wherever a redirection leads to, it is not for the token.
            async with self._session.get(
                URL(self.url + path, encoded=True), headers=self._admin, allow_redirects=False
            ) as response:
                content, status = await response.read(), response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            said = result_of_error(error)[1]
            if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.strerror:
                said += f" ({error.os_error.strerror})"
            raise Inconclusive(f"{self.url} did not answer GET {path}: {said}") from error
        if status == 401:
            raise Inconclusive(
                f"{self.url} does not take the admin token; set BUSYHOUR_ADMIN_TOKEN to the "
                "service's"
            )
        if status == 404:
            raise Inconclusive(f"{self.url} is no such service: it has no {path}")
        if status != 200:
            raise Inconclusive(f"{self.url} answered GET {path} with {status}")
        try:
            document: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Inconclusive(f"{self.url}{path} is not a JSON object: {error}") from None
        return document

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        try:
            response = await self._session.request(
                method,
                URL(self.url + path, encoded=True),
                data=body,
                headers=headers,
                allow_redirects=False,
            )
            content = await response.read()
        except Exception as error:
            result, said = result_of_error(error)
            return Reply(result, said=said)
        return reply_of(response.status, content)

    def _new_reply(self, status: int, content: bytes) -> Reply:
        """Read an answer; those with 200 are few and remembered by their bytes."""
        reply = reply_of(status, content)
        if status == 200 and len(self._known) < _MOST_KNOWN:
            self._known[status, content] = reply
        return reply
