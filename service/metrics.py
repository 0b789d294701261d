"""The read side of the counters: what the published metrics endpoints answer."""

from service.calls import published_figures
from service.state.base import CallState


class LiveMetricsStore:
    """The twelve published figures, read from the call state whenever they are asked for.

    It keeps no numbers of its own, so there is nothing that could disagree with the state.
    """

    __slots__ = ("_state",)

    def __init__(self, state: CallState) -> None:
        self._state = state

    async def live(self) -> dict[str, int | float]:
        """The figures over all tenants, in published order."""
        return published_figures(await self._state.total_counters())

    async def live_for(self, tenant_id: str) -> dict[str, int | float] | None:
        """One tenant's figures, or None when it is not configured."""
        row = await self._state.tenant_counters(tenant_id)
        return None if row is None else published_figures(row)
