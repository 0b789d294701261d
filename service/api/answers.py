"""Ready-made answers: what the state can say is little, so each answer is encoded once."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from service.api.problems import ProblemError
from service.state.base import Answer, Refusal

JSON_TYPE: Final = "application/json"

STATUS_OF_REFUSAL: Final = {
    Refusal.UNKNOWN_CALL: 404,
    Refusal.OTHER_TENANT: 409,
    Refusal.WRONG_STATE: 409,
    Refusal.CALL_MEMORY_FULL: 503,
}
DETAIL_OF_REFUSAL: Final = {
    Refusal.UNKNOWN_CALL: "no call of this id was offered, or it is forgotten",
    Refusal.OTHER_TENANT: "this call id belongs to a call of another tenant",
    Refusal.WRONG_STATE: "the call is not in a state in which this can happen; nothing changed",
    Refusal.CALL_MEMORY_FULL: "as many calls are remembered as may be; try again later",
}

CLOCK_BACKWARDS_ITEM: Final = b'{"status":409,"code":"clock_backwards"}'
NO_VIRTUAL_CLOCK_ITEM: Final = b'{"status":422,"code":"no_virtual_clock"}'


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful response: its body, and the headers that go with it for the fast lane."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    content_type: str = JSON_TYPE

    @classmethod
    def of(cls, body: bytes, content_type: str = JSON_TYPE) -> "Reply":
        headers = (
            (b"content-length", str(len(body)).encode()),
            (b"content-type", content_type.encode()),
        )
        return cls(200, body, headers, content_type)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An answer as a batch item and, unless it is a refusal, as a response of its own."""

    answer: Answer
    item: bytes
    reply: Reply | None


class Answers:
    """Each answer's encoded forms, made when it is first seen.

    A backend hands out one shared instance an answer, which is found by identity; an equal one
    that is not the shared instance is found by value, at the price of hashing it.
    """

    def __init__(self) -> None:
        self._by_identity: dict[int, Prepared] = {}
        self._by_value: dict[Answer, Prepared] = {}

    def prepared(self, answer: Answer) -> Prepared:
        known = self._by_identity.get(id(answer))
        return known if known is not None else self._find(answer)

    def reply(self, answer: Answer) -> Reply:
        """The response to a single event. Raises :class:`ProblemError` for a refusal."""
        reply = self.prepared(answer).reply
        if reply is None:
            assert answer.refusal is not None
            raise ProblemError(
                STATUS_OF_REFUSAL[answer.refusal],
                DETAIL_OF_REFUSAL[answer.refusal],
                code=answer.refusal,
            )
        return reply

    def _find(self, answer: Answer) -> Prepared:
        known = self._by_value.get(answer)
        if known is None:
            # The instance is kept alive here, so its identity stays its own.
            known = self._by_value[answer] = _prepare(answer)
            self._by_identity[id(answer)] = known
        return known


def answer_fields(answer: Answer) -> dict[str, Any]:
    """The four fields of an answer that is no refusal."""
    return {
        "decision": answer.decision,
        "reason": answer.reason,
        "scopes": answer.scopes,
        "fallback": answer.fallback,
    }


TICKED: Final = Answer()
"""What a tick is answered with: nothing was decided."""


def _prepare(answer: Answer) -> Prepared:
    if answer.refusal is not None:
        document = {"status": STATUS_OF_REFUSAL[answer.refusal], "code": answer.refusal}
        return Prepared(answer, msgspec.json.encode(document), None)
    fields = answer_fields(answer)
    return Prepared(
        answer,
        msgspec.json.encode({"status": 200, **fields}),
        Reply.of(msgspec.json.encode(fields)),
    )
