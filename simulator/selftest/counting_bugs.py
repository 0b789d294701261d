"""Controllers that admit correctly, and count or answer wrongly."""

from typing import Final

from service.calls import US_PER_MINUTE, Counter, Lookup, Outcome, State
from service.lifecycle import TRANSITIONS, Input, Transition
from service.state.base import Answer, Refusal
from service.state.ledgers import Ledgers
from service.state.memory import MemoryCore
from service.state.records import Call, Ledger
from simulator.selftest.broken import BrokenController, edited, with_ledgers


class _RepeatsCounted(MemoryCore):
    def _repeated_offer(self, call: Call, tenant_id: str) -> Answer:
        self._ledgers.count(call.ledger, self._admit)
        return super()._repeated_offer(call, tenant_id)


class _RepeatsRefused(MemoryCore):
    def _repeated_offer(self, call: Call, tenant_id: str) -> Answer:  # noqa: ARG002 - the bug
        return Answer(refusal=Refusal.WRONG_STATE)


class _ReferralsCountedTwice(MemoryCore):
    def refer(self, call_id: str, at_us: int) -> Answer:
        call = self._calls.get(call_id)
        if call is not None and call.refer_answer is not None:
            self._ledgers.count(call.ledger, self._on_refer[State.ACTIVE])
        return super().refer(call_id, at_us)


class _RejectedInTotalOnly(Ledgers):
    def count(self, ledger: Ledger, move: Transition) -> None:
        super().count(ledger, move)
        if Counter.REJECTED_CALLS_CAPACITY in move.up:
            ledger.happened[move] -= 1
            ledger.happened[TRANSITIONS[None, Input.OFFER_ADMITTED]] += 1  # offered all the same


class _RowForEachName(Ledgers):
    def refused(self, tenant_id: str) -> Ledger:
        return self.by_tenant.setdefault(tenant_id, Ledger(tenant_id))


class _FallbackForAll(MemoryCore):
    def accept(self, call_id: str, lookup: Lookup, at_us: int) -> Answer:
        call = self._calls.get(call_id)
        if call is not None:
            call.ledger.fallback_allowed = True
        return super().accept(call_id, lookup, at_us)


class _DisabledCountAsUnknown(Ledgers):
    def refused(self, tenant_id: str) -> Ledger:  # noqa: ARG002 - the bug: it makes no difference
        return self.unknown


class _HangUpsFail(MemoryCore):
    def end(self, call_id: str, outcome: Outcome, at_us: int) -> Answer:
        failed = outcome is not Outcome.COMPLETED
        return super().end(call_id, Outcome.FAILED if failed else outcome, at_us)


class _TimeFromAccept(MemoryCore):
    def _active_us(self, call: Call, at_us: int) -> int:
        return at_us - call.accepted_us


class _WholeMinutes(MemoryCore):
    def _active_us(self, call: Call, at_us: int) -> int:
        return -(-super()._active_us(call, at_us) // US_PER_MINUTE) * US_PER_MINUTE


class _Milliseconds(MemoryCore):
    def _active_us(self, call: Call, at_us: int) -> int:
        return super()._active_us(call, at_us) // 1000 * 1000


class _TimeUntilNoticed(MemoryCore):
    def _expire(self, call: Call, due_us: int) -> None:
        super()._expire(call, max(due_us, self._at_us))


COUNTING_BUGS: Final = (
    BrokenController(
        "offer-counted-twice",
        "counts an offer again when it is sent again",
        _RepeatsCounted,
        ("smoke", "edge-ties"),
    ),
    BrokenController(
        "repeat-refused",
        "refuses an offer that is sent again instead of giving its first answer again",
        _RepeatsRefused,
        ("smoke", "edge-ties"),
    ),
    BrokenController(
        "referral-counted-twice",
        "counts a referral again when it is sent again",
        _ReferralsCountedTwice,
        ("edge-ties",),
    ),
    BrokenController(
        "failed-not-ended",
        "counts a failed call as failed and not as ended",
        edited(State.ACTIVE, Input.END_FAILED, up=(Counter.FAILED_CALLS,)),
        ("smoke", "tenant-caps"),
    ),
    BrokenController(
        "failed-stays-active",
        "does not lower active_calls when a call fails",
        edited(State.ACTIVE, Input.END_FAILED, down=()),
        ("smoke",),
    ),
    BrokenController(
        "hang-up-is-failure",
        "takes every end that is no completion for a failure",
        _HangUpsFail,
        ("smoke",),
    ),
    BrokenController(
        "abandoned-is-ended",
        "counts a call that never started as ended when the caller hangs up",
        edited(State.PENDING, Input.END, up=(Counter.ABANDONED_PENDING, Counter.ENDED_CALLS)),
        ("abandonment",),
    ),
    BrokenController(
        "expiry-not-failed",
        "counts an expired call as ended and not as failed",
        edited(State.ACTIVE, Input.EXPIRE, up=(Counter.ENDED_CALLS,)),
        ("abandonment",),
    ),
    BrokenController(
        "fallback-not-counted",
        "accepts on fallback instructions without counting it",
        edited(
            State.PENDING,
            Input.ACCEPT_FALLBACK_AFTER_MISSING,
            Input.ACCEPT_FALLBACK_AFTER_ERROR,
            up=(Counter.ACCEPTED_CALLS,),
        ),
        ("smoke", "instructions-outage"),
    ),
    BrokenController(
        "fallback-for-all",
        "accepts on fallback instructions where the tenant does not allow it",
        _FallbackForAll,
        ("smoke", "instructions-outage"),
    ),
    BrokenController(
        "db-error-not-counted",
        "counts a failed lookup only as missing instructions",
        edited(
            State.PENDING,
            Input.ACCEPT_REJECTED_ERROR,
            up=(Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING,),
        ),
        ("instructions-outage",),
    ),
    BrokenController(
        "rejection-in-total-only",
        "counts a capacity rejection in the total and not for the tenant",
        with_ledgers(_RejectedInTotalOnly),
        ("smoke", "over-capacity"),
    ),
    BrokenController(
        "row-for-each-name",
        "keeps a row for every tenant name it ever hears, so invented names fill memory",
        with_ledgers(_RowForEachName),
        ("smoke", "misconfigured-tenants"),
    ),
    BrokenController(
        "disabled-is-unknown",
        "counts the offers of a disabled tenant as those of an unknown one",
        with_ledgers(_DisabledCountAsUnknown),
        ("misconfigured-tenants",),
    ),
    BrokenController(
        "minutes-from-accept",
        "counts minutes from the accept instead of the start",
        _TimeFromAccept,
        ("smoke", "edge-ties"),
    ),
    BrokenController(
        "minutes-rounded",
        "rounds each call up to whole minutes before adding it",
        _WholeMinutes,
        ("smoke",),
    ),
    BrokenController(
        "minutes-in-milliseconds",
        "keeps time in milliseconds, and loses the rest of every call",
        _Milliseconds,
        ("smoke",),
    ),
    BrokenController(
        "failed-not-billed",
        "adds no time for calls that fail",
        edited(State.ACTIVE, Input.END_FAILED, adds_active_time=False),
        ("smoke",),
    ),
    BrokenController(
        "expired-when-noticed",
        "counts an expired call's minutes until the next event instead of until its deadline",
        _TimeUntilNoticed,
        ("abandonment",),
    ),
)
