"""Who holds a slot under the policy priority, and who gives way to whom."""

from collections.abc import Sequence

from simulator.conditions import MOST_PRIORITY, NEVER


class Precedence:
    """The held calls by priority (1 the most important, 0 none given: the least), latest last.

    ``priorities`` are those of the tenants, by place.
    """

    def __init__(self, priorities: Sequence[int]) -> None:
        self._rank = [priority or MOST_PRIORITY + 1 for priority in priorities]
        self._latest: dict[int, list[int]] = {
            rank: [] for rank in sorted(set(self._rank), reverse=True)
        }
        self._until: dict[int, tuple[int, int]] = {}
        self._cut: set[int] = set()

    def hold(self, row: int, tenant: int, until_us: int) -> None:
        """The call of ``row`` is held until ``until_us``; it was offered after all the others."""
        self._until[row] = (until_us, tenant)
        self._latest[self._rank[tenant]].append(row)

    def cut_below(self, tenant: int, at_us: int) -> tuple[int, int]:
        """Cut short the call that gives way to the tenant at ``at_us``: its row and its tenant.

        Of the least important priority below the tenant's that holds a call at all, the call
        offered last; NEVER twice where there is none.
        """
        for rank, rows in self._latest.items():
            if rank <= self._rank[tenant]:
                break
            while rows:
                row = rows.pop()
                until_us, other = self._until.pop(row)
                if until_us > at_us:
                    self._cut.add(row)
                    return row, other
        return NEVER, NEVER

    def was_cut(self, row: int) -> bool:
        """Whether the call gave way to another."""
        return row in self._cut
