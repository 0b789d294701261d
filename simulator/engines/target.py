"""The service as the http engine sees it: its documents read, its events and settings written."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from service.calls import Reason, Scope
from service.state.base import Decision, Refusal
from simulator.engines import Inconclusive

API: Final = "/api/v1"
HANG_UP: Final = b'{"outcome":"hung_up"}'


class ItemAnswer(msgspec.Struct, frozen=True, gc=False):
    """The answer to one event of a batch; a refusal has a ``code`` and no decision."""

    status: int
    decision: Decision | None = None
    reason: Reason | None = None
    scopes: tuple[Scope, ...] = ()
    fallback: bool = False
    code: str | None = None


class _BatchAnswer(msgspec.Struct, frozen=True, gc=False):
    answers: list[ItemAnswer]


_BATCH_DECODER: Final = msgspec.json.Decoder(_BatchAnswer)

Document = dict[str, Any]


class Target:
    """One running service. Every method raises :class:`Inconclusive` when it does not answer."""

    def __init__(self, client: httpx.Client, admin_token: str, call_token: str) -> None:
        self._client = client
        self._admin = {"X-Admin-Token": admin_token}
        self._call = {"X-Call-Token": call_token, "Content-Type": "application/json"}

    @property
    def url(self) -> str:
        return str(self._client.base_url)

    def send_events(self, body: bytes) -> bytes:
        """Send a batch, written as JSON; its answers as they came."""
        return self._request("POST", "/calls/events", self._call, content=body).content

    def answers_in(self, content: bytes) -> list[ItemAnswer]:
        """The answers to a batch, one an event."""
        try:
            return _BATCH_DECODER.decode(content).answers
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Inconclusive(
                f"{self.url} answered a batch in a form that is not known: {error}"
            ) from None

    def hang_up(self, call_id: str) -> httpx.Response:
        """End a call by its caller; the answer as it came, a refusal too."""
        return self._send("POST", f"/calls/{_quoted(call_id)}/end", self._call, content=HANG_UP)

    def tick(self, at_us: int) -> None:
        """Advance the virtual clock and apply the deadlines that fell due."""
        body = msgspec.json.encode({"events": [{"event": "tick", "at_us": at_us}]})
        answers = self.answers_in(self.send_events(body))
        if [answer.status for answer in answers] != [200]:
            raise Inconclusive(f"{self.url} did not advance its clock: {answers}")

    def check_call_token(self) -> None:
        """Raise :class:`Inconclusive` when call events would not be let in."""
        path = "/calls/no-such-call"
        response = self._send("GET", path, self._call)
        if response.status_code == 401:
            self._check(response)
        if (_problem_in(response) or {}).get("code") != Refusal.UNKNOWN_CALL.value:
            raise Inconclusive(
                f"{self.url} has no call interface: GET {API}{path} gave {response.status_code}, "
                "not 404 unknown_call"
            )

    def capacity(self) -> Document:
        """Limits, slots and counters of everything: one snapshot."""
        return self._read("/capacity")

    def held(self) -> Document:
        """The ids of the calls that hold a slot, by state."""
        return self._read("/metrics/capacity/debug")

    def live(self) -> Document:
        """The published figures of all tenants."""
        return self._read("/metrics/live")

    def live_for(self, tenant_id: str) -> Document:
        """The published figures of one configured tenant."""
        return self._read(f"/metrics/live/{_quoted(tenant_id)}")

    def has_instructions(self, tenant_id: str) -> bool:
        response = self._send("GET", f"/tenants/{_quoted(tenant_id)}/instructions", self._admin)
        if response.status_code == 404:
            return False
        self._check(response)
        return True

    def put_instructions(self, tenant_id: str, text: str, at_us: int | None) -> None:
        """``at_us`` is None on the system clock, here and below."""
        self._write(
            "PUT", f"/tenants/{_quoted(tenant_id)}/instructions", {"text": text, **_moment(at_us)}
        )

    def delete_instructions(self, tenant_id: str, at_us: int | None) -> None:
        self._request(
            "DELETE",
            f"/tenants/{_quoted(tenant_id)}/instructions",
            self._admin,
            params=_moment(at_us),
        )

    def create_tenant(self, document: Mapping[str, object]) -> None:
        self._write("POST", "/tenants", document)

    def delete_tenant(self, tenant_id: str, at_us: int | None) -> None:
        self._request(
            "DELETE", f"/tenants/{_quoted(tenant_id)}", self._admin, params=_moment(at_us)
        )

    def change_limits(self, document: Mapping[str, object]) -> None:
        self._write("PATCH", "/capacity", document)

    def _read(self, path: str) -> Document:
        response = self._send("GET", path, self._admin)
        # A tenant that is not there is a 404 as well, with a problem that has a code.
        if response.status_code == 404 and "code" not in (_problem_in(response) or {}):
            raise Inconclusive(f"{self.url} is no such service: it has no {API}{path}")
        self._check(response)
        try:
            document: Document = msgspec.json.decode(response.content, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Inconclusive(f"{self.url}{API}{path} is not a JSON object: {error}") from None
        return document

    def _write(self, method: str, path: str, document: Mapping[str, object]) -> None:
        headers = {**self._admin, "Content-Type": "application/json"}
        self._request(method, path, headers, content=msgspec.json.encode(document))

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        content: bytes | None = None,
        params: Mapping[str, int] | None = None,
    ) -> httpx.Response:
        response = self._send(method, path, headers, content=content, params=params)
        self._check(response)
        return response

    def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        content: bytes | None = None,
        params: Mapping[str, int] | None = None,
    ) -> httpx.Response:
        try:
            return self._client.request(
                method, API + path, headers=headers, content=content, params=params
            )
        except httpx.HTTPError as error:
            raise Inconclusive(
                f"{self.url} did not answer {method} {API}{path}: "
                f"{str(error) or type(error).__name__}"
            ) from error

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status < 300:
            return
        asked = f"{response.request.method} {response.request.url.path}"
        if status == 401:
            raise Inconclusive(
                f"{self.url} does not take the token for {asked}; set BUSYHOUR_ADMIN_TOKEN and "
                "BUSYHOUR_CALL_TOKEN to the service's"
            )
        raise Inconclusive(f"{self.url} answered {asked} with {status}: {_what_it_says(response)}")


def call_ids_held(debug: Mapping[str, Any]) -> list[str]:
    """The calls that hold a slot by a capacity/debug document. Raises :class:`Inconclusive`."""
    try:
        return [*map(str, debug["pending_call_ids"]), *map(str, debug["accepted_call_ids"])]
    except (KeyError, TypeError) as error:
        raise Inconclusive(
            "the service lists the calls it holds in a form that is not known: "
            f"{type(error).__name__}: {error}"
        ) from error


def _moment(at_us: int | None) -> dict[str, int]:
    return {} if at_us is None else {"at_us": at_us}


def _quoted(tenant_id: str) -> str:
    return quote(tenant_id, safe="")


def _problem_in(response: httpx.Response) -> Document | None:
    """The problem document that an answer carries, or None."""
    try:
        problem: Document = msgspec.json.decode(response.content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return problem


def _what_it_says(response: httpx.Response) -> str:
    """The problem's own words, or the beginning of whatever came instead."""
    problem = _problem_in(response)
    if problem is None:
        return " ".join(response.text.split())[:200] or response.reason_phrase
    said = str(problem.get("detail") or problem.get("title") or response.reason_phrase)
    errors = problem.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        where = ".".join(str(part) for part in errors[0].get("loc", ()))
        what = str(errors[0].get("msg", ""))
        more = ": ".join(part for part in (where, what if what != said else "") if part)
        said = f"{said} ({more})" if more else said
    return said
