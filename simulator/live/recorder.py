"""Writes down what was asked of one service and what it answered, relative to the run's start."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from service.calls import COUNTER_NAMES
from simulator.engines import Inconclusive
from simulator.history import (
    CALL_OPS,
    Calls,
    CountersRead,
    HistoryDeadlines,
    InUseRead,
    Operation,
    OpName,
    TenantLimits,
)
from simulator.live.client import Reply
from simulator.live.instances import Seen, began_anew

Document = dict[str, Any]

_NO_ANSWER: Final = "indefinite"
_ANSWERED: Final = (*CALL_OPS, "limits")
"""Operations whose answers tell which service gave them."""

_LIMITS: Final = ("max_concurrent_calls", "reserved_calls", "enabled")


class Writer(Protocol):
    """Takes operations, as :class:`simulator.history.HistoryWriter` does."""

    def append(self, operation: Operation) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """A capacity document that was read, with the counters of the run alone.

    ``rows`` holds the document's own rows of ``total`` and the tenants, ``counters`` the counters
    of each since the run began (names as in :data:`service.calls.COUNTER_NAMES`).
    """

    limit: int
    total: Mapping[str, Any]
    tenants: Mapping[str, Mapping[str, Any]]
    total_counters: Mapping[str, int]
    tenant_counters: Mapping[str, Mapping[str, int]]


class Recorder:
    """One history under way. ``before`` is the capacity document when the run began.

    ``watched``: somebody else runs the service and may restart it; documents tell.
    """

    def __init__(
        self,
        writer: Writer,
        before: Document,
        results: dict[str, int],
        *,
        watched: bool = False,
    ) -> None:
        self._writer = writer
        self._before = before
        self._results = results
        self._seen = Seen(before, 0, None) if watched else None
        self._instances = {before.get("instance")}
        self._answered_us = 0
        self._lost = False
        self._begun = 0
        self._under_way: dict[int, int] = {}

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing: no request is open, and no restart can have gone unnoticed.

        Of a service that somebody else runs, only a document shows that it still was the same.
        """
        noticed = self._seen is None or self._seen.invoke_us >= self._answered_us
        return noticed and not self._under_way and not self._lost

    def close(self, now_us: int) -> None:
        """End the history, as one that is cut off where it may not be whole."""
        if self.is_whole:
            self._writer.close()
        else:
            self.settle(now_us)
            self._writer.abandon()

    def begins(self, invoke_us: int) -> int:
        """Something begins that is written down only later; a token to say then that it is.

        ``invoke_us`` is not earlier than that of what began before.
        """
        self._begun += 1
        self._under_way[self._begun] = invoke_us
        return self._begun

    def written(self, token: int) -> None:
        """What began with ``token`` stands in the history now."""
        del self._under_way[token]

    def settle(self, now_us: int) -> None:
        """Say up to when the history is whole, and hand it to the operating system.

        Should the driver be cut off later, what it had written until then can still be judged.
        """
        settled_us = next(iter(self._under_way.values()), now_us)
        if self._seen is not None:
            # A restart since then would be noticed only with the next document.
            settled_us = min(settled_us, self._seen.invoke_us)
        self.append(Operation(op="settled", invoke_us=settled_us, complete_us=now_us))
        if self._lost:
            return
        try:
            self._writer.flush()
        except OSError:
            self._lost = True
            raise

    def call(
        self, op: OpName, call_id: str, invoke_us: int, complete_us: int, reply: Reply, **more: Any
    ) -> None:
        """An event of a call. Without an answer it has no completion."""
        result, answer = reply.result, reply.answer
        self._results[result] = self._results.get(result, 0) + 1
        self.append(
            Operation(
                op=op,
                call_id=call_id,
                invoke_us=invoke_us,
                complete_us=None if result == _NO_ANSWER else complete_us,
                result=result,
                decision=None if answer is None else answer.decision,
                reason=None if answer is None else answer.reason,
                scopes=() if answer is None else answer.scopes,
                fallback=answer is not None and answer.fallback,
                code=reply.code,
                **more,
            )
        )

    def append(self, operation: Operation) -> None:
        """Write an operation down. Raises OSError, once: what comes after that is lost.

        So the calls that a run holds can still be ended.
        """
        if self._lost:
            return
        if operation.op in _ANSWERED and operation.result != _NO_ANSWER:
            self._answered_us = max(self._answered_us, operation.complete_us or 0)
        try:
            self._writer.append(operation)
        except OSError:
            self._lost = True
            raise

    def notice(
        self, document: Document, invoke_us: int, complete_us: int, target: int
    ) -> Operation | None:
        """Look whether a document is that of a service begun anew: then that, written down as well.

        Calls and counters of before are gone then, and limits, tenants and deadlines are those that
        it shows now. Documents come one after the other, none asked for before the one ahead of it
        was there. Raises :class:`Inconclusive`.
        """
        if self._seen is None:
            return None
        restart: Operation | None = None
        now = Seen(document, invoke_us, complete_us)
        try:
            if began_anew(self._seen, now):
                self._refuse_one_seen_before(document.get("instance"))
                restart = restart_of(document, self._seen.invoke_us, complete_us, target)
                self._before = {"total": {}, "tenants": {}}
                self.append(restart)
        except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
            raise _unknown_form(error) from error
        self._seen = now
        return restart

    def _refuse_one_seen_before(self, instance: str | None) -> None:
        if instance is not None and instance in self._instances:
            raise Inconclusive(
                "an instance of the service answers again after another one: several services "
                "share the address, each with calls and counters of its own; give every one of "
                "them as a --target of its own"
            )
        self._instances.add(instance)

    def read(self, document: Document, invoke_us: int, complete_us: int, target: int) -> Reading:
        """A capacity document that was noticed. Raises :class:`Inconclusive` for a part missing."""
        try:
            reading = self._reading(document)
            counters = {"total": reading.total_counters, "tenants": reading.tenant_counters}
            in_use = {
                "total": reading.total["in_use"],
                "tenants": {name: row["in_use"] for name, row in reading.tenants.items()},
            }
            read = msgspec.convert(counters, CountersRead), msgspec.convert(in_use, InUseRead)
        except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
            raise _unknown_form(error) from error
        self.append(
            Operation(
                op="read",
                invoke_us=invoke_us,
                complete_us=complete_us,
                counters=read[0],
                in_use=read[1],
                target=target,
            )
        )
        return reading

    def restarted(self, invoke_us: int, complete_us: int, target: int) -> None:
        """The service lost its state in between, and with it what was counted before the run."""
        self._before = {"total": {}, "tenants": {}}
        self.append(
            Operation(op="restart", invoke_us=invoke_us, complete_us=complete_us, target=target)
        )

    def _reading(self, document: Document) -> Reading:
        before, tenants = self._before, document["tenants"]
        return Reading(
            limit=document["max_concurrent_calls"],
            total=document["total"],
            tenants=tenants,
            total_counters=_since(document["total"], before["total"]),
            tenant_counters={
                name: _since(row, before["tenants"].get(name, {})) for name, row in tenants.items()
            },
        )


def restart_of(document: Document, invoke_us: int, complete_us: int, target: int) -> Operation:
    """A restart that nobody planned, with what the service that came back says of itself."""
    return Operation(
        op="restart",
        invoke_us=invoke_us,
        complete_us=complete_us,
        target=target,
        unexpected=True,
        max_concurrent_calls=msgspec.convert(document["max_concurrent_calls"], Calls),
        tenants={
            name: msgspec.convert({field: row[field] for field in _LIMITS}, TenantLimits)
            for name, row in document["tenants"].items()
            if row["configured"]
        },
        deadlines=msgspec.convert(document.get("deadlines"), HistoryDeadlines | None),
    )


def _unknown_form(error: Exception) -> Inconclusive:
    return Inconclusive(
        "the service describes its capacity in a form that is not known: "
        f"{type(error).__name__}: {error}"
    )


def _since(row: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, int]:
    return {name: row[name] - before.get(name, 0) for name in COUNTER_NAMES}
