"""Drawing the columns of a chunk of calls: each tenant from its own streams, then into row order.

Values are drawn tenant by tenant into one array for each column ("draw order": every tenant's
independent calls, then every tenant's dependent calls) and taken from there into row order by one
gather. First attempts, redials and a finite source's later calls each have streams of their own,
so that redials leave first attempts as they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from simulator.scenario import Outcomes, Scenario, Tenant, TraceArrivals
from simulator.trace import NEVER, EndKind, Int8s, Int32s, Int64s, UInt32s
from simulator.traffic.arrivals import logged_order
from simulator.traffic.samplers import Fill, Floats, fixed_us, round_us, sampler
from simulator.traffic.streams import Streams

DURATIONS: Final = ("setup", "connect", "hold", "patience")
"""The drawn durations, as the fields of :class:`simulator.scenario.Tenant`."""

_Scalar = TypeVar("_Scalar", bound=np.generic)


class Rows:
    """The values of one kind of rows of one tenant, each purpose drawn strictly in row order.

    ``place`` is the tenant's among the scenario's; ``kind`` prefixes the purposes, empty for first
    attempts. Raises :class:`~simulator.traffic.samplers.ParametersInvalid`.
    """

    def __init__(self, tenant: Tenant, place: int, streams: Streams, kind: str = "") -> None:
        self.tenant_id: Final = tenant.tenant_id
        self.place: Final = place
        self.outcomes: Final[Outcomes] = tenant.outcomes
        self._streams = streams
        self._kind = kind
        self._fills: dict[str, Fill] = {}
        for name in DURATIONS:
            distribution = getattr(tenant, name)
            if distribution is not None:
                self._fills[name] = sampler(distribution, streams, kind + name)
        self._logged_holds = _logged_holds(tenant)
        self._generators: dict[str, np.random.Generator] = {}

    def fill(self, name: str, out: Floats, times: Int64s | None) -> None:
        """The next values of a duration; NEVER for a patience without end.

        Holding times from a log are repeated ``times`` (None: once): a caller who tries again wants
        the same call.
        """
        if name == "hold" and self._logged_holds is not None:
            calls = len(out) if times is None else len(times)
            values = self._logged_holds[:calls]
            self._logged_holds = self._logged_holds[calls:]
            out[:] = values if times is None else np.repeat(values, times)
        elif name in self._fills:
            self._fills[name](out)
        else:
            out.fill(NEVER)

    def generator(self, purpose: str) -> np.random.Generator:
        """The stream of ``purpose``, opened when it is first needed and kept."""
        if purpose not in self._generators:
            self._generators[purpose] = self._streams.open(self._kind + purpose)
        return self._generators[purpose]


def _has_logged_holds(tenant: Tenant) -> bool:
    return isinstance(tenant.arrivals, TraceArrivals) and tenant.arrivals.hold_us is not None


def _logged_holds(tenant: Tenant) -> Int64s | None:
    match tenant.arrivals:
        case TraceArrivals(hold_us=holds) as log if holds is not None:
            return np.array(holds, dtype=np.int64)[logged_order(log)]
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch [start, stop) of draw order, filled from one tenant's ``rows``.

    ``times`` is None for independent calls; for dependents, how many each independent call has.
    """

    rows: Rows
    start: int
    stop: int
    times: Int64s | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Who fills draw order, and for every row of the chunk its place there, ``source`` (n,)."""

    parts: Sequence[Part]
    source: Int64s

    def __len__(self) -> int:
        return len(self.source)

    def gather(self, drawn: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
        """An array in draw order, in row order."""
        return drawn.take(self.source, mode="clip")


class Columns:
    """Draws the columns of chunk after chunk.

    A column that is the same for all calls of the scenario has shape (1,) in every chunk.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._fixed = {name: _shared_value(scenario, name) for name in DURATIONS}
        outcomes = [tenant.outcomes for tenant in scenario.tenants]
        self._one_tenant = len(scenario.tenants) <= 1
        self._ends_vary = any(each.failed > 0 or each.hung_up > 0 for each in outcomes)
        self._any_referred = any(each.referred > 0 for each in outcomes)
        self._any_lookup = bool(scenario.instruction_faults)
        self._scratch: dict[str, npt.NDArray[Any]] = {}

    def _space(self, dtype: type[_Scalar], size: int) -> npt.NDArray[_Scalar]:
        """Memory to draw into, kept from chunk to chunk; its content is whatever was there."""
        held = self._scratch.get(dtype.__name__)
        if held is None or len(held) < size:
            held = self._scratch[dtype.__name__] = np.empty(size, dtype=dtype)
        return held[:size]

    def tenant(self, layout: Layout) -> Int32s:
        """The place of each row's tenant."""
        if self._one_tenant:
            return np.zeros(1, dtype=np.int32)
        drawn = self._space(np.int32, len(layout))
        for part in layout.parts:
            drawn[part.start : part.stop] = part.rows.place
        return layout.gather(drawn)

    def duration(self, name: str, layout: Layout) -> Int64s:
        """A column of durations."""
        fixed = self._fixed[name]
        if fixed is not None:
            return np.array([fixed], dtype=np.int64)
        return layout.gather(self._drawn_durations(name, layout))

    def _drawn_durations(self, name: str, layout: Layout) -> Int64s:
        drawn = self._space(np.float64, len(layout))
        for part in layout.parts:
            part.rows.fill(name, drawn[part.start : part.stop], part.times)
        return round_us(drawn, out=self._space(np.int64, len(layout)))

    def hold_and_refer(self, layout: Layout) -> tuple[Int64s, Int64s]:
        """Holding times, and instants of referral: round(hold * referred_at) or NEVER."""
        if not self._any_referred:
            return self.duration("hold", layout), np.array([NEVER], dtype=np.int64)
        holds = self._drawn_durations("hold", layout)
        refers = np.full(len(layout), NEVER, dtype=np.int64)
        for part in layout.parts:
            outcomes, stretch = part.rows.outcomes, slice(part.start, part.stop)
            if outcomes.referred > 0:
                chance = part.rows.generator("refer").random(part.stop - part.start)
                at = np.rint(holds[stretch] * outcomes.referred_at).astype(np.int64)
                refers[stretch] = np.where(chance < outcomes.referred, at, NEVER)
        return layout.gather(holds), layout.gather(refers)

    def end_kind(self, layout: Layout) -> Int8s:
        """How calls end: of a uniform draw, failed below p_failed, hung up in the next span."""
        if not self._ends_vary:
            return np.array([EndKind.COMPLETED], dtype=np.int8)
        drawn = self._space(np.int8, len(layout))
        chances = self._space(np.float64, len(layout))
        for part in layout.parts:
            outcomes, ends = part.rows.outcomes, drawn[part.start : part.stop]
            if outcomes.failed > 0 or outcomes.hung_up > 0:
                chance = chances[part.start : part.stop]
                part.rows.generator("outcome").random(out=chance)
                # COMPLETED, HUNG_UP, FAILED are 0, 1, 2: the number of bounds above the draw.
                np.less(chance, outcomes.failed + outcomes.hung_up, out=ends.view(np.bool_))
                ends += chance < outcomes.failed
            else:
                ends.fill(EndKind.COMPLETED)
        return layout.gather(drawn)

    def lookup_draw(self, layout: Layout) -> UInt32s:
        """Uniform on [0, 2**32); 0 where no instruction fault asks for it."""
        if not self._any_lookup:
            return np.zeros(1, dtype=np.uint32)
        drawn = self._space(np.uint32, len(layout))
        for part in layout.parts:
            drawn[part.start : part.stop] = part.rows.generator("lookup").integers(
                0, 2**32, part.stop - part.start, dtype=np.uint32
            )
        return layout.gather(drawn)


def uniforms(layout: Layout, purpose: str, tenants: Sequence[str] | None) -> Floats:
    """One uniform draw a row from the streams of ``purpose``, in row order.

    The value 1.0, below which nothing is drawn, in rows of tenants other than ``tenants`` (None:
    all of them).
    """
    drawn = np.ones(len(layout))
    for part in layout.parts:
        if tenants is None or part.rows.tenant_id in tenants:
            part.rows.generator(purpose).random(out=drawn[part.start : part.stop])
    return layout.gather(drawn)


def _shared_value(scenario: Scenario, name: str) -> int | None:
    """The value all calls of the scenario share in a column of durations, else None."""
    values: set[int | None] = set()
    for tenant in scenario.tenants:
        distribution = getattr(tenant, name)
        if name == "hold" and _has_logged_holds(tenant):
            values.add(None)
        else:
            values.add(NEVER if distribution is None else fixed_us(distribution))
    return values.pop() if len(values) == 1 else None
