"""Controllers that lose slots, free them twice, or free them at the wrong time."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from service.calls import Outcome, State
from service.lifecycle import Input
from service.state.base import Answer, HeldCalls, TenantPolicy
from service.state.ledgers import Ledgers
from service.state.memory import MemoryCore
from service.state.records import Ledger
from simulator.selftest.broken import BrokenController, edited


class _FreedTwice(MemoryCore):
    def end(self, call_id: str, outcome: Outcome, at_us: int) -> Answer:
        call = self._calls.get(call_id)
        if call is not None and call.end_answer is not None and call.ledger.in_use:
            self._ledgers.free_slot(call.ledger)
        return super().end(call_id, outcome, at_us)


class _LateLedgers(Ledgers):
    def __init__(self, limit: int, tenants: Mapping[str, TenantPolicy]) -> None:
        super().__init__(limit, tenants)
        self._late: list[Ledger] = []

    def free_slot(self, ledger: Ledger) -> None:
        self._late.append(ledger)

    def free_late(self) -> None:
        while self._late:
            super().free_slot(self._late.pop())


class _FreedLate(MemoryCore):
    ledgers = _LateLedgers
    _caught_up_us = -1

    def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer:
        self._catch_up(at_us)
        return super().offer(call_id, tenant_id, at_us)

    def end(self, call_id: str, outcome: Outcome, at_us: int) -> Answer:
        self._catch_up(at_us)
        return super().end(call_id, outcome, at_us)

    def advance(self, at_us: int) -> None:
        self._catch_up(at_us)
        super().advance(at_us)

    def _catch_up(self, at_us: int) -> None:
        assert isinstance(self._ledgers, _LateLedgers)
        if at_us > self._caught_up_us:
            self._ledgers.free_late()
            self._caught_up_us = at_us


class _EndedByReferral(MemoryCore):
    def refer(self, call_id: str, at_us: int) -> Answer:
        answer = super().refer(call_id, at_us)
        self.end(call_id, Outcome.COMPLETED, at_us)
        return answer


class _RunningNotListed(MemoryCore):
    def held(self) -> HeldCalls:
        held = super().held()
        waiting = tuple(call for call in held.accepted if call not in held.active)
        return replace(held, accepted=waiting)


class _ForgottenAtOnce(MemoryCore):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "call_id_retention_us": 0})


class _NeverExpires(MemoryCore):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.pop("deadlines", None)
        super().__init__(*args, **kwargs)


SLOT_BUGS: Final = (
    BrokenController(
        "leak-on-missing",
        "a call rejected for missing instructions keeps its slot",
        edited(
            State.PENDING,
            Input.ACCEPT_REJECTED_MISSING,
            Input.ACCEPT_REJECTED_ERROR,
            frees_slot=False,
        ),
        ("smoke", "instructions-outage"),
    ),
    BrokenController(
        "leak-on-abandonment",
        "a caller who hangs up before the answer keeps the slot",
        edited(State.PENDING, Input.END, Input.END_FAILED, frees_slot=False),
        ("abandonment",),
    ),
    BrokenController(
        "leak-on-failure",
        "only a call that ends well gives its slot back",
        edited(State.ACTIVE, Input.END_FAILED, frees_slot=False),
        ("smoke", "over-capacity"),
    ),
    BrokenController(
        "freed-twice",
        "an end that arrives again frees a second slot, and one call too many gets in",
        _FreedTwice,
        ("smoke", "edge-ties"),
    ),
    BrokenController(
        "freed-late",
        "a slot freed at an instant is not free for the offers of that instant",
        _FreedLate,
        ("edge-ties",),
    ),
    BrokenController(
        "ended-by-referral",
        "takes a referral for the end of the call",
        _EndedByReferral,
        ("smoke",),
    ),
    BrokenController(
        "running-not-listed",
        "lists the accepted calls without those that already run",
        _RunningNotListed,
        ("smoke",),
    ),
    BrokenController(
        "forgotten-at-once",
        "forgets a call when it finishes: a repeated offer is a new call",
        _ForgottenAtOnce,
        ("smoke",),
    ),
    BrokenController(
        "never-expires",
        "has a setting for deadlines and does nothing about them",
        _NeverExpires,
        ("abandonment",),
    ),
)
