"""Reads a history's lines and says, with its line, what is wrong with one."""

from collections.abc import Sequence
from typing import Final, get_args

import msgspec

from simulator.history import (
    MOST_US,
    Closing,
    DecisionName,
    History,
    HistoryHeader,
    HistoryInvalid,
    Operation,
    OpName,
    OutcomeName,
    ReasonName,
    Result,
    ScopeName,
)

_header: Final = msgspec.json.Decoder(HistoryHeader)
_operation: Final = msgspec.json.Decoder(Operation)
_closing: Final = msgspec.json.Decoder(Closing)

ANSWERS: Final = {
    "offer": ("admitted", "accepted", "rejected"),
    "accept": ("accepted", "rejected"),
    "start": ("started",),
    "refer": ("referred",),
    "end": ("ended", "abandoned"),
}
"""What an operation can be answered; an offer is ``accepted`` when it asked for both at once."""

_WORDS: Final = {
    "$.op": get_args(OpName),
    "$.result": get_args(Result),
    "$.decision": get_args(DecisionName),
    "$.reason": get_args(ReasonName),
    "$.outcome": get_args(OutcomeName),
    "$.scopes": get_args(ScopeName),
}
"""The words that may stand at a place of an operation."""


def parse_history(data: bytes, name: str) -> History:
    """The history in ``data``; ``name`` stands for the file in messages."""
    first, newline, rest = data.partition(b"\n")
    if not newline:
        raise HistoryInvalid(f"{name}:1: the header line is missing or cut off")
    header = _parse_header(first, name)
    whole = rest[: rest.rfind(b"\n") + 1]
    cut_off = len(whole) != len(rest)
    last = whole.rstrip(b"\n").rpartition(b"\n")[2]
    closing = None if cut_off else _parse_closing(last)
    if closing is not None:
        whole = whole[: len(whole.rstrip(b"\n")) - len(last)]
    operations = _parse_operations(whole, name)
    if closing is not None and closing.operations != len(operations):
        raise HistoryInvalid(
            f"{name}:{len(operations) + 2}: the closing line counts {closing.operations} "
            f"operations, the file has {len(operations)}"
        )
    return History(header, operations, truncated=closing is None)


def check_operations(operations: Sequence[Operation], name: str) -> None:
    """Raise :class:`HistoryInvalid` for the first operation that contradicts itself."""
    for number, operation in enumerate(operations, start=2):
        complete, invoke = operation.complete_us, operation.invoke_us
        if (
            0 <= invoke <= MOST_US
            and (complete is None or invoke <= complete <= MOST_US)
            and (operation.result != "ok" or complete is not None)
            and (problem := _missing(operation)) is None
        ):
            continue
        if not 0 <= invoke <= MOST_US:
            problem = f"invoke_us must be 0 to {MOST_US}, not {invoke}"
        elif complete is not None and complete < invoke:
            problem = f"complete_us {complete} is before invoke_us {invoke}"
        elif complete is not None and complete > MOST_US:
            problem = f"complete_us must be at most {MOST_US}, not {complete}"
        elif complete is None:
            problem = "complete_us is missing; only an operation without an answer has none"
        raise HistoryInvalid(f"{name}:{number}: {operation.op}: {problem}")


def _missing(operation: Operation) -> str | None:
    """What an operation of its kind lacks, or None."""
    answers = ANSWERS.get(operation.op)
    if answers is not None:
        if operation.call_id is None:
            return "call_id is missing"
        if operation.op == "offer" and operation.tenant_id is None:
            return "tenant_id is missing"
        if operation.result != "ok":
            return None
        if operation.decision not in answers:
            return f"decision must be one of {', '.join(answers)}, not {operation.decision}"
        if operation.decision == "rejected" and operation.reason is None:
            return "reason is missing of a rejection"
        return None
    if operation.op == "read" and operation.result == "ok":
        if operation.counters is None and operation.in_use is None:
            return "counters and in_use are both missing"
    elif operation.op == "limits":
        if operation.max_concurrent_calls is None and not operation.tenants:
            return "max_concurrent_calls and tenants are both missing"
    elif operation.op == "restart" and operation.complete_us is None:
        return "complete_us is missing"
    return None


def _parse_header(line: bytes, name: str) -> HistoryHeader:
    try:
        given = msgspec.json.decode(line)
        for required in ("format", "version"):
            if isinstance(given, dict) and required not in given:
                raise msgspec.ValidationError(f"{required} is missing")
        return _header.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HistoryInvalid(
            f'{name}:1: no header of a history, which begins {{"format": "busyhour-history", '
            f'"version": 1}}: {error}'
        ) from None


def _parse_closing(line: bytes) -> Closing | None:
    try:
        return _closing.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _parse_operations(lines: bytes, name: str) -> list[Operation]:
    try:
        operations = _operation.decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError):
        operations = []
    if len(operations) != lines.count(b"\n"):
        _refuse_line(lines, name)
    check_operations(operations, name)
    return operations


def _refuse_line(lines: bytes, name: str) -> None:
    """Name the line that cannot be read."""
    for number, line in enumerate(lines.split(b"\n")[:-1], start=2):
        if not line.strip():
            raise HistoryInvalid(f"{name}:{number}: the line is empty")
        if _parse_closing(line) is not None:
            raise HistoryInvalid(f"{name}:{number}: the closing line must be the last one")
        try:
            _operation.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HistoryInvalid(f"{name}:{number}: {error}{_words_there(error)}") from None


def _words_there(error: Exception) -> str:
    """The words that could stand where one does that is none of them."""
    said, _, place = str(error).partition(" - at ")
    words = _WORDS.get(place.strip("`").partition("[")[0])
    return f"; known are {', '.join(words)}" if words and "enum" in said else ""
