"""Asks a target for its documents: one request at a time, each timed."""

import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from simulator.watch.documents import (
    Capacity,
    Debug,
    Live,
    NotThisService,
    Poll,
    Read,
    capacity_of,
    debug_of,
    live_of,
)

API: Final = "/api/v1"
TIMEOUT: Final = httpx.Timeout(10.0)

LIVE_ROWS_A_POLL: Final = 4
"""So many tenants of the directory are asked for by themselves each time, in turn."""


class Unreachable(Exception):
    """The target did not answer, or said it cannot now; asking again later may help."""


class Refused(Exception):
    """Asking again will not help: the token is wrong, or it is no such service."""


class Poller:
    """One target. ``tenant_ids`` are asked for by themselves at every poll.

    A poll begins and ends with the same document: the capacity document where the target has one,
    which is our service, else the live document of the total.
    """

    def __init__(
        self, client: httpx.Client, admin_token: str, tenant_ids: Sequence[str] = ()
    ) -> None:
        self._client = client
        self._headers = {"X-Admin-Token": admin_token}
        self._tenant_ids = tuple(tenant_ids)
        self._has_capacity: bool | None = None
        self._turn = 0
        self.not_configured: tuple[str, ...] = ()
        """Tenants asked for by name that the target does not know."""

    def poll(self, *, after_failure: bool) -> Poll:
        """Raises :class:`Unreachable` and :class:`Refused`."""
        reads: list[Read] = []
        capacity = self._capacity()
        reads.append(capacity or self._live())
        if capacity is not None:
            reads.append(self._live())
        reads.append(self._debug())
        reads += self._tenants(None if capacity is None else capacity.document)
        last = self._live() if capacity is None else self._capacity()
        if last is None:
            raise Refused(f"{self._url} has no capacity document any more")
        reads.append(last)
        return Poll(tuple(reads), after_failure)

    @property
    def _url(self) -> str:
        return str(self._client.base_url).rstrip("/")

    def _capacity(self) -> Read | None:
        if self._has_capacity is False:
            return None
        path = "/capacity"
        read = self._read(path)
        try:
            if read is not None:
                sent_us, received_us, connection, document = read
                found = Read(sent_us, received_us, connection, capacity_of(document))
                self._has_capacity = True
                return found
        except NotThisService as error:
            if self._has_capacity:
                raise self._not_this_service(path, error) from None
        if self._has_capacity:
            raise Refused(f"{self._url} has no capacity document any more")
        self._has_capacity = False
        return None

    def _live(self) -> Read:
        path = "/metrics/live"
        return self._published(path, live_of)

    def _debug(self) -> Read:
        return self._published("/metrics/capacity/debug", debug_of)

    def _published(self, path: str, parse: Any) -> Read:
        read = self._read(path)
        if read is None:
            raise Refused(f"{self._url} is no such service: it has no {API}{path}")
        sent_us, received_us, connection, document = read
        try:
            parsed: Live | Debug | Capacity = parse(document)
        except NotThisService as error:
            raise self._not_this_service(path, error) from None
        return Read(sent_us, received_us, connection, parsed)

    def _tenants(self, capacity: object) -> list[Read]:
        """The rows of the tenants asked for, and of some of the directory in turn."""
        wanted = list(self._tenant_ids)
        if isinstance(capacity, Capacity):
            others = [
                tenant_id
                for tenant_id, row in capacity.tenants.items()
                if row.configured and tenant_id not in wanted
            ]
            for _ in range(min(LIVE_ROWS_A_POLL, len(others))):
                self._turn = (self._turn + 1) % len(others)
                wanted.append(others[self._turn])
        reads, missing = [], []
        for tenant_id in wanted:
            path = f"/metrics/live/{quote(tenant_id, safe='')}"
            read = self._read(path)
            if read is None:
                if tenant_id in self._tenant_ids:
                    missing.append(tenant_id)
                continue
            sent_us, received_us, connection, document = read
            try:
                live = live_of(document, tenant_id)
            except NotThisService as error:
                raise self._not_this_service(path, error) from None
            reads.append(Read(sent_us, received_us, connection, live))
        self.not_configured = tuple(missing)
        return reads

    def _read(self, path: str) -> tuple[int, int, str, object] | None:
        """When it was sent and answered, by which connection, and the answer; None for a 404."""
        sent_us = time.monotonic_ns() // 1000
        try:
            response = self._client.get(API + path, headers=self._headers)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"{self._url} did not answer: {reason}") from None
        received_us = time.monotonic_ns() // 1000
        status = response.status_code
        if status in (401, 403):
            raise Refused(
                f"{self._url} does not take the token; set BUSYHOUR_ADMIN_TOKEN to the service's"
            )
        if status >= 500 or status == 429:
            raise Unreachable(f"{self._url} answered {API}{path} with {status}")
        if status in (404, 405):
            return None
        if status != 200:
            raise Refused(f"{self._url} is no such service: {API}{path} answers {status}")
        try:
            document = msgspec.json.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if path == "/capacity" and not self._has_capacity:
                return None
            raise Refused(f"{self._url} is no such service: {API}{path} is no JSON") from None
        return sent_us, received_us, _connection(response, received_us), document

    def _not_this_service(self, path: str, error: NotThisService) -> Refused:
        return Refused(f"{self._url} is no such service: {API}{path}: {error}")


def _connection(response: httpx.Response, received_us: int) -> str:
    """A name for the connection that carried an answer: its own end of it."""
    try:
        return str(response.extensions["network_stream"].get_extra_info("client_addr"))
    except OSError:
        # The service closed it behind the answer, so nothing else goes over it.
        return f"closed at {received_us}"
