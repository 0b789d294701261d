"""Controllers that let the wrong calls in, or keep the wrong ones out."""

from typing import Final

from service.admission import NO_CAP, TOTAL_FULL, full_scopes
from service.calls import Outcome
from service.lifecycle import REJECTED_CAPACITY, Transition
from service.state.base import Answer, LimitChange
from service.state.ledgers import Ledgers
from service.state.memory import MemoryCore
from service.state.records import Ledger
from simulator.selftest.broken import BrokenController, with_ledgers


class _LimitPlusOne(Ledgers):
    def full_scopes(self, ledger: Ledger) -> int:
        return full_scopes(
            self.limit + 1,
            self.total.in_use,
            ledger.cap,
            ledger.in_use,
            ledger.reserved,
            self.committed,
        )


class _CapPlusOne(Ledgers):
    def full_scopes(self, ledger: Ledger) -> int:
        cap, reserved = ledger.cap + 1, ledger.reserved
        return full_scopes(
            self.limit, self.total.in_use, cap, ledger.in_use, reserved, self.committed
        )


class _NoCaps(Ledgers):
    def full_scopes(self, ledger: Ledger) -> int:
        reserved = ledger.reserved
        return full_scopes(
            self.limit, self.total.in_use, NO_CAP, ledger.in_use, reserved, self.committed
        )


class _NoReservations(Ledgers):
    def full_scopes(self, ledger: Ledger) -> int:
        in_use = self.total.in_use
        return full_scopes(self.limit, in_use, ledger.cap, ledger.in_use, ledger.reserved, in_use)


class _ReservationsOnTop(Ledgers):
    def full_scopes(self, ledger: Ledger) -> int:
        in_use, reserved = self.total.in_use, ledger.reserved
        committed = in_use + sum(other.reserved for other in self.by_tenant.values())
        return full_scopes(self.limit, in_use, ledger.cap, ledger.in_use, reserved, committed)


class _PendingIsFree(Ledgers):
    def full_scopes(self, ledger: Ledger) -> int:
        pending = sum(other.pending for other in self.by_tenant.values())
        in_use, own = self.total.in_use - pending, ledger.in_use - ledger.pending
        committed = self.committed - pending
        return full_scopes(self.limit, in_use, ledger.cap, own, ledger.reserved, committed)


class _CapacityFirst(MemoryCore):
    def _judge(self, tenant_id: str) -> tuple[Ledger, Transition, Answer]:
        ledgers = self._ledgers
        if ledgers.total.in_use >= ledgers.limit:
            row = ledgers.by_tenant.get(tenant_id, ledgers.unknown)
            return row, self._reject_capacity, REJECTED_CAPACITY[TOTAL_FULL]
        return super()._judge(tenant_id)


class _DisabledGetIn(MemoryCore):
    def _judge(self, tenant_id: str) -> tuple[Ledger, Transition, Answer]:
        ledger = self._ledgers.configured(tenant_id)
        if ledger is not None and not ledger.enabled and not self._ledgers.full_scopes(ledger):
            return ledger, self._admit, self._admit.answer
        return super()._judge(tenant_id)


class _ChangesForgotten(MemoryCore):
    def change_limits(self, change: LimitChange, at_us: int) -> None:  # noqa: ARG002 - the bug
        super().change_limits(LimitChange(), at_us)


class _ChangesDropCalls(MemoryCore):
    def change_limits(self, change: LimitChange, at_us: int) -> None:
        super().change_limits(change, at_us)
        held = self.held()
        too_many = len(held.pending) + len(held.accepted) - self._ledgers.limit
        for call_id in [*held.pending, *held.accepted][: max(0, too_many)]:
            self.end(call_id, Outcome.HUNG_UP, at_us)


class _ChangesForgetUse(MemoryCore):
    def change_limits(self, change: LimitChange, at_us: int) -> None:
        super().change_limits(change, at_us)
        self._ledgers.committed -= self._ledgers.total.in_use
        self._ledgers.total.in_use = 0


ADMISSION_BUGS: Final = (
    BrokenController(
        "limit-off-by-one",
        "compares with > where >= is meant: one call more than the limit is let in",
        with_ledgers(_LimitPlusOne),
        ("smoke", "over-capacity"),
    ),
    BrokenController(
        "cap-off-by-one",
        "compares with > where >= is meant at a tenant's own limit",
        with_ledgers(_CapPlusOne),
        ("smoke", "edge-ties"),
    ),
    BrokenController(
        "cap-ignored",
        "checks the total limit only: one tenant can take every slot",
        with_ledgers(_NoCaps),
        ("tenant-caps",),
    ),
    BrokenController(
        "reservation-ignored",
        "gives slots reserved for a tenant to whoever comes first",
        with_ledgers(_NoReservations),
        ("reserved-slots", "redial-storm"),
    ),
    BrokenController(
        "reservation-on-top",
        "keeps reserved slots free even while their tenant already uses them",
        with_ledgers(_ReservationsOnTop),
        ("reserved-slots",),
    ),
    BrokenController(
        "pending-is-free",
        "counts a slot only once the call is accepted, so a burst of offers gets in at once",
        with_ledgers(_PendingIsFree),
        ("smoke", "flash-crowd"),
    ),
    BrokenController(
        "capacity-before-tenant",
        "checks capacity first: what a stray call is counted as depends on the load",
        _CapacityFirst,
        ("smoke", "misconfigured-tenants"),
    ),
    BrokenController(
        "disabled-admitted",
        "looks up whether a tenant exists, not whether it is enabled",
        _DisabledGetIn,
        ("misconfigured-tenants",),
    ),
    BrokenController(
        "change-forgotten",
        "answers a change of limits with success and goes on with the old ones",
        _ChangesForgotten,
        ("limit-change",),
    ),
    BrokenController(
        "change-drops-calls",
        "hangs up calls when the limit is lowered below use",
        _ChangesDropCalls,
        ("limit-change",),
    ),
    BrokenController(
        "change-forgets-use",
        "starts the count of slots in use again at zero when a limit changes",
        _ChangesForgetUse,
        ("limit-change",),
    ),
)
