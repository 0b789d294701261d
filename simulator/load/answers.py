"""What the service answered to one call event, as little as a worker needs to tell on."""

from typing import Any, Final

import msgspec

from simulator.history import CALL_OPS, DecisionName, ReasonName, Result, ScopeName
from simulator.history_reading import ANSWERS
from simulator.live.errors import result_of_error, result_of_status

_MOST_KNOWN: Final = 1024


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """``result`` is as in a history; the rest is there when it is ``ok``, else ``code``."""

    result: Result
    decision: DecisionName | None = None
    reason: ReasonName | None = None
    scopes: tuple[ScopeName, ...] = ()
    fallback: bool = False
    code: str | None = None


NOT_UNDERSTOOD: Final = Answer("indefinite", code="not_understood")


class _Decided(msgspec.Struct, frozen=True):
    decision: DecisionName
    reason: ReasonName | None = None
    scopes: tuple[ScopeName, ...] = ()
    fallback: bool = False


class AnswerReader:
    """Reads answers; the few that a service gives over and over are read once."""

    def __init__(self) -> None:
        self._known: list[dict[bytes, Answer]] = [{} for _ in CALL_OPS]

    def read(
        self, op: int, status: int, content: bytes | None, error: BaseException | None
    ) -> Answer:
        """The answer in a response, or in the error that came in its place (``status`` 0).

        ``op`` is the place of the operation in :data:`CALL_OPS`.
        """
        if status == 200 and content is not None:
            known = self._known[op].get(content)
            return known if known is not None else self._read_new(op, content)
        if status == 0:
            if error is None:
                return Answer("indefinite")
            return Answer(result_of_error(error)[0], code=type(error).__name__)
        code = _code_of(content) or str(status)
        return Answer(result_of_status(status, code), code=code)

    def _read_new(self, op: int, content: bytes) -> Answer:
        try:
            said = msgspec.json.decode(content, type=_Decided)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return NOT_UNDERSTOOD
        # An answer that does not belong to what was asked says nothing of what was done.
        if said.decision not in ANSWERS[CALL_OPS[op]]:
            return NOT_UNDERSTOOD
        if said.decision == "rejected" and said.reason is None:
            return NOT_UNDERSTOOD
        answer = Answer("ok", said.decision, said.reason, said.scopes, said.fallback)
        if len(self._known[op]) < _MOST_KNOWN:
            self._known[op][content] = answer
        return answer


def _code_of(content: bytes | None) -> str | None:
    try:
        problem = msgspec.json.decode(content or b"", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    code = problem.get("code")
    return code if isinstance(code, str) else None
