"""When each event of a trace is due in wall-clock time, worked out before the first one is sent.

Instants here are microseconds of the driver's clock since the run began: those of the trace
divided by the speed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.calls import Event
from simulator.conditions import require_shared_policy
from simulator.engines.schedule import OFFER, Dependent, dependents_of, hearings_of
from simulator.scenario import CancelFault, DeliveryFault, Scenario
from simulator.trace import NEVER, CallTrace, DeliveryAction, Int64s
from simulator.traffic.streams import Streams

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ClientFaults:
    """What clients do wrong in a run, whatever the network does.

    ``retries`` are doubled offers of which the client does not await the first answer, ``cancels``
    requests that it leaves once they are sent.
    """

    seed: int = 0
    retries: tuple[DeliveryFault, ...] = ()
    cancels: tuple[CancelFault, ...] = ()

    @staticmethod
    def of(scenario: Scenario) -> "ClientFaults":
        retries = tuple(fault for fault in scenario.delivery_faults if fault.retried)
        return ClientFaults(scenario.seed, retries, scenario.cancel_faults)


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a call, due ``after_us`` behind its offer; ``kind`` is an :class:`Event`.

    ``leaves``: the client closes the connection once it is sent.
    """

    after_us: int
    kind: int
    leaves: bool


class Plan:
    """The calls of a trace in wall-clock time at ``speed`` (trace time over wall-clock time)."""

    def __init__(
        self, trace: CallTrace, speed: float, faults: ClientFaults = ClientFaults()
    ) -> None:
        self.trace = trace
        self.speed = speed
        n = len(trace)
        conditions = trace.conditions
        require_shared_policy(conditions)
        self.duration_us = self.wall_us(conditions.duration_us)
        self.tenant_of: list[int] = trace.column("tenant").tolist()
        self.end_kind_of: list[int] = trace.column("end_kind").tolist()
        self.lookup_draw_of: list[int] = trace.column("lookup_draw").tolist()
        self.dependents: dict[int, list[Dependent]] = dependents_of(trace)
        self.retry_after_us = self._retries(faults.retries)
        """Rows whose offer is repeated when it was not answered in so many microseconds."""
        self._set_steps(n, faults)
        self.offers = self._independent_offers()
        """(due, row) of the calls that wait for no other, in the order they are due."""

    def wall_us(self, trace_us: int) -> int:
        """A length of trace time in wall-clock microseconds."""
        return round(trace_us / self.speed)

    def trace_us(self, wall_us: int) -> int:
        """A length of wall-clock time in microseconds of the trace."""
        return round(wall_us * self.speed)

    def steps(self, row: int) -> list[Step]:
        """The events of a row in the order they are due, the offer first."""
        first, last = self._first[row], self._first[row + 1]
        return [Step(self._after_us[i], self._kind[i], self._leaves[i]) for i in range(first, last)]

    def _retries(self, retries: Sequence[DeliveryFault]) -> dict[int, int]:
        """A doubled offer is a retried one when its delay is that of a retry of its tenant."""
        trace, found = self.trace, self.trace.deliveries
        doubled = (found.event == Event.OFFER) & (found.action == DeliveryAction.DOUBLED)
        rows: dict[int, int] = {}
        for fault in retries:
            mine = doubled & (found.delay_us == fault.delay_us)
            for row in found.call[mine].tolist():
                tenant = trace.conditions.tenants[self.tenant_of[row]].tenant_id
                if fault.tenants is None or tenant in fault.tenants:
                    rows[row] = max(1, self.wall_us(fault.delay_us))
        return rows

    def _set_steps(self, n: int, faults: ClientFaults) -> None:
        heard = hearings_of(self.trace)
        retried = np.zeros(n, np.bool_)
        retried[list(self.retry_after_us)] = True
        # The driver repeats a retried offer by itself, when it knows that no answer came.
        kept = ~(retried[heard.row] & (heard.event == OFFER) & (heard.since_offer_us > 0))
        row, event, since = heard.row[kept], heard.event[kept], heard.since_offer_us[kept]
        order = np.lexsort((event, since, row))
        row, event, since = row[order], event[order], since[order]
        self._first: list[int] = np.searchsorted(row, np.arange(n + 1)).tolist()
        self._after_us: list[int] = self._wall(since).tolist()
        self._kind: list[int] = event.tolist()
        self._leaves: list[bool] = self._left(row, event, faults).tolist()

    def _left(self, row: Int64s, event: Int64s, faults: ClientFaults) -> _Mask:
        """Which events are left: one draw a row and fault, from streams of the tenant's own."""
        left = np.zeros(len(row), np.bool_)
        tenant = self.trace.column("tenant")
        for number, fault in enumerate(faults.cancels):
            chance = np.ones(len(self.trace))
            for place, each in enumerate(self.trace.conditions.tenants):
                if fault.tenants is None or each.tenant_id in fault.tenants:
                    stream = Streams(faults.seed, each.tenant_id).open(f"client/{number}")
                    mine = tenant == place
                    chance[mine] = stream.random(int(mine.sum()))
            left |= (event == fault.event) & (chance < fault.probability)[row]
        return left

    def _independent_offers(self) -> list[tuple[int, int]]:
        offer_us = self.trace.column("offer_us")
        rows = np.flatnonzero((offer_us != NEVER) & (offer_us < self.trace.conditions.duration_us))
        rows = rows[np.lexsort((rows, offer_us[rows]))]
        return list(zip(self._wall(offer_us[rows]).tolist(), rows.tolist(), strict=True))

    def _wall(self, trace_us: Int64s) -> Int64s:
        return np.rint(trace_us / self.speed).astype(np.int64)
