"""What the service answered to one call event, as little as a worker needs to tell on."""

from typing import Any, Final

import msgspec

from simulator.history import DecisionName, ReasonName, Result, ScopeName
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


class _Decided(msgspec.Struct, frozen=True):
    decision: DecisionName
    reason: ReasonName | None = None
    scopes: tuple[ScopeName, ...] = ()
    fallback: bool = False


class AnswerReader:
    """Reads answers; the few that a service gives over and over are read once."""

    def __init__(self) -> None:
        self._known: dict[bytes, Answer] = {}

    def read(self, status: int, content: bytes | None, error: BaseException | None) -> Answer:
        """The answer in a response, or in the error that came in its place (``status`` 0)."""
        if status == 200 and content is not None:
            known = self._known.get(content)
            return known if known is not None else self._read_new(content)
        if status == 0:
            if error is None:
                return Answer("indefinite")
            return Answer(result_of_error(error)[0], code=type(error).__name__)
        code = _code_of(content) or str(status)
        return Answer(result_of_status(status, code), code=code)

    def _read_new(self, content: bytes) -> Answer:
        try:
            said = msgspec.json.decode(content, type=_Decided)
        except msgspec.DecodeError:
            return Answer("indefinite", code="not_understood")
        answer = Answer("ok", said.decision, said.reason, said.scopes, said.fallback)
        if len(self._known) < _MOST_KNOWN:
            self._known[content] = answer
        return answer


def _code_of(content: bytes | None) -> str | None:
    try:
        problem = msgspec.json.decode(content or b"", type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    code = problem.get("code")
    return code if isinstance(code, str) else None
