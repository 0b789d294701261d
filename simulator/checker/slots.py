"""Slots in use over time, at least and at most, of the total, each tenant and what is reserved."""

from dataclasses import dataclass, field

import numpy as np

from simulator.checker.limits import LimitsOverTime, Range
from simulator.checker.steps import FOREVER, Steps, added, constant, counting, larger, summed
from simulator.checker.windows import Effect, Windows
from simulator.trace import Int32s, Int64s


@dataclass(slots=True)
class Slots:
    """Counts of calls that hold a slot.

    ``surely`` counts, at an instant, the calls that hold one throughout it; ``just_after`` those
    that hold one right after it (the calls admitted by then and released only later); ``possibly``
    those that may hold one at some moment of it. ``left_over`` are slots in use before the history
    began, by tenant id, which may be freed at any time.
    """

    windows: Windows
    tenant_of: Int32s
    tenants: tuple[str, ...]
    left_over_total: int = 0
    left_over: dict[str, int] = field(default_factory=dict)
    _of: dict[str, Int64s] = field(default_factory=dict)

    def calls_of(self, tenant: str | None) -> Int64s:
        """The numbers of a tenant's calls; of all for None."""
        if tenant is None:
            return np.arange(len(self.tenant_of))
        if not self._of:
            order = np.argsort(self.tenant_of, kind="stable")
            edges = np.searchsorted(
                self.tenant_of[order], np.arange(len(self.tenants) + 1), side="left"
            )
            for number, name in enumerate(self.tenants):
                self._of[name] = order[edges[number] : edges[number + 1]]
        return self._of.get(tenant, np.empty(0, np.int64))

    def surely(self, tenant: str | None) -> Steps:
        return self.held_surely(self.windows.admitted, self.windows.released, tenant, 1)

    def just_after(self, tenant: str | None) -> Steps:
        return self.held_surely(self.windows.admitted, self.windows.released, tenant, 0)

    def possibly(self, tenant: str | None) -> Steps:
        start = self.left_over_total if tenant is None else self.left_over.get(tenant, 0)
        return self.held_possibly(self.windows.admitted, self.windows.released, tenant, start)

    def held_surely(self, begun: Effect, over: Effect, tenant: str | None, after_us: int) -> Steps:
        """How many calls are certainly between two effects, ``after_us`` after the first."""
        calls = self.calls_of(tenant)
        calls = calls[begun.sure[calls]]
        low = begun.high_us[calls] + after_us
        return counting(low, np.where(over.possible[calls], over.low_us[calls], FOREVER))

    def held_possibly(self, begun: Effect, over: Effect, tenant: str | None, start: int) -> Steps:
        """How many calls may be between two effects."""
        calls = self.calls_of(tenant)
        calls = calls[begun.possible[calls]]
        until = np.where(over.sure[calls], over.high_us[calls] + 1, FOREVER)
        return counting(begun.low_us[calls], np.minimum(until, FOREVER), start)

    def committed(self, limits: LimitsOverTime, which: str) -> Steps:
        """The sum over tenants of max(slots in use, slots reserved).

        ``which``: ``surely`` and ``just_after`` with the least reservations, ``possibly`` with
        the greatest.
        """
        parts = []
        for name in dict.fromkeys((*limits.tenants, *self.tenants)):
            in_use: Steps = getattr(self, which)(name)
            ranges = limits.tenants.get(name)
            if ranges is not None:
                reserved = ranges.reserved
                in_use = larger(
                    in_use, reserved.greatest if which == "possibly" else reserved.least
                )
            parts.append(in_use)
        return added(parts) if parts else constant(0)


def beyond(in_use: Steps, limit: Range, *, least: bool) -> Steps:
    """``in_use`` less the limit: not negative where the scope is full.

    With ``least`` the greatest limit possibly in force counts, else the least one.
    """
    bound = limit.greatest if least else limit.least
    times, changes = bound.deltas()
    own_times, own_changes = in_use.deltas()
    return summed(
        np.concatenate((own_times, times)),
        np.concatenate((own_changes, -changes)),
        int(in_use.values[0] - bound.values[0]),
    )
