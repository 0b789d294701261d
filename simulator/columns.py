"""Drawing the columns of a chunk of calls: each tenant from its own streams, then into row order.

Values are drawn tenant by tenant into one array for each column ("draw order": every tenant's
independent calls, then every tenant's dependent calls) and taken from there into row order by one
gather. First attempts, redials and a finite source's later calls each have streams of their own,
so that redials leave first attempts as they were.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.samplers import Fill, Floats, fixed_us, round_us, sampler
from simulator.scenario import Distribution, Scenario, Tenant, TraceArrivals
from simulator.streams import Streams
from simulator.trace import NEVER, EndKind, Int8s, Int64s, UInt32s

DURATIONS: Final = ("setup", "connect", "hold", "patience")
"""The columns that are drawn durations, as the fields of :class:`simulator.scenario.Tenant`."""


class Rows:
    """The values of one kind of rows of one tenant, each purpose drawn strictly in row order.

    ``kind`` prefixes the purposes: empty for first attempts.
    """

    def __init__(self, tenant: Tenant, streams: Streams, kind: str = "") -> None:
        self._streams = streams
        self._kind = kind
        self._logged = _logged_holds(tenant)
        self.outcomes = tenant.outcomes
        self._durations: dict[str, Fill] = {
            name: _duration_fill(distribution, streams, kind + name)
            for name, distribution in _durations_of(tenant)
        }
        self._generators: dict[str, np.random.Generator] = {}

    def fill(self, column: str, out: Floats) -> None:
        self._durations[column](out)

    def fill_holds(self, out: Floats, times: Int64s | None) -> None:
        """Holding times: drawn, or those of the log, each repeated ``times`` (None: once)."""
        if self._logged is None:
            self._durations["hold"](out)
            return
        calls = len(out) if times is None else len(times)
        values, self._logged = self._logged[:calls], self._logged[calls:]
        out[:] = values if times is None else np.repeat(values, times)

    def generator(self, purpose: str) -> np.random.Generator:
        """The stream of ``purpose``, opened when it is first needed and kept."""
        if purpose not in self._generators:
            self._generators[purpose] = self._streams.open(self._kind + purpose)
        return self._generators[purpose]


def _durations_of(tenant: Tenant) -> Iterable[tuple[str, Distribution | None]]:
    return [(name, getattr(tenant, name)) for name in DURATIONS]


def _duration_fill(distribution: Distribution | None, streams: Streams, purpose: str) -> Fill:
    if distribution is None:
        return lambda out: out.fill(NEVER)
    return sampler(distribution, streams, purpose)


def _logged_holds(tenant: Tenant) -> Int64s | None:
    match tenant.arrivals:
        case TraceArrivals(offers, holds) if holds is not None:
            order = np.argsort(np.array(offers, dtype=np.int64), kind="stable")
            return np.array(holds, dtype=np.int64)[order]
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch [start, stop) of draw order filled from one tenant's ``rows``.

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

    def gather(self, drawn: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return drawn.take(self.source, mode="clip")


class Columns:
    """Draws the drawn columns of chunk after chunk.

    A column that is the same for all calls of the scenario has shape (1,) in every chunk.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._fixed = {name: _shared_value(scenario, name) for name in DURATIONS}
        outcomes = [tenant.outcomes for tenant in scenario.tenants]
        self._ends_vary = any(outcome.failed or outcome.hung_up for outcome in outcomes)
        self._any_referred = any(outcome.referred for outcome in outcomes)
        self._any_lookup = bool(scenario.instruction_faults)

    def duration(self, name: str, layout: Layout) -> Int64s:
        """A column of durations, in row order."""
        fixed = self._fixed[name]
        if fixed is not None:
            return np.array([fixed], dtype=np.int64)
        drawn = np.empty(len(layout.source))
        for part in layout.parts:
            part.rows.fill(name, drawn[part.start : part.stop])
        return round_us(layout.gather(drawn))

    def hold_and_refer(self, layout: Layout) -> tuple[Int64s, Int64s]:
        """Holding times and instants of referral, ``round(hold * referred_at)`` or NEVER."""
        fixed = self._fixed["hold"]
        if fixed is not None and not self._any_referred:
            return np.array([fixed], dtype=np.int64), np.array([NEVER], dtype=np.int64)
        drawn = np.empty(len(layout.source))
        for part in layout.parts:
            part.rows.fill_holds(drawn[part.start : part.stop], part.times)
        holds = round_us(drawn)
        if not self._any_referred:
            return layout.gather(holds), np.array([NEVER], dtype=np.int64)
        refers = np.full(len(holds), NEVER, dtype=np.int64)
        for part in layout.parts:
            outcomes, stretch = part.rows.outcomes, slice(part.start, part.stop)
            if outcomes.referred:
                chance = part.rows.generator("refer").random(part.stop - part.start)
                at = np.rint(holds[stretch] * outcomes.referred_at).astype(np.int64)
                refers[stretch] = np.where(chance < outcomes.referred, at, NEVER)
        return layout.gather(holds), layout.gather(refers)

    def end_kind(self, layout: Layout) -> Int8s:
        """How calls end: of a uniform draw u, failed below p_failed, hung up in the next span."""
        if not self._ends_vary:
            return np.array([EndKind.COMPLETED], dtype=np.int8)
        drawn = np.zeros(len(layout.source), dtype=np.int8)
        chance = np.empty(_longest(layout))
        for part in layout.parts:
            outcomes, size = part.rows.outcomes, part.stop - part.start
            if outcomes.failed or outcomes.hung_up:
                u = chance[:size]
                part.rows.generator("outcome").random(out=u)
                # COMPLETED, HUNG_UP and FAILED are 0, 1 and 2: one for each bound u lies below.
                ends = drawn[part.start : part.stop]
                np.less(u, outcomes.failed + outcomes.hung_up, out=ends.view(np.bool_))
                ends += u < outcomes.failed
        return layout.gather(drawn)

    def lookup_draw(self, layout: Layout) -> UInt32s:
        """Uniform on [0, 2**32); zero where no instruction fault asks for it."""
        if not self._any_lookup:
            return np.zeros(1, dtype=np.uint32)
        drawn = np.empty(len(layout.source), dtype=np.uint32)
        for part in layout.parts:
            size = part.stop - part.start
            draws = part.rows.generator("lookup").integers(0, 2**32, size, dtype=np.uint32)
            drawn[part.start : part.stop] = draws
        return layout.gather(drawn)


def uniforms(layout: Layout, purpose: str, asks: Callable[[Rows], bool]) -> Floats:
    """One uniform draw a row from the streams of ``purpose``, in row order.

    1.0, which no probability exceeds, in the rows of tenants that ``asks`` leaves out.
    """
    drawn = np.ones(len(layout.source))
    for part in layout.parts:
        if asks(part.rows):
            part.rows.generator(purpose).random(out=drawn[part.start : part.stop])
    return layout.gather(drawn)


def _shared_value(scenario: Scenario, name: str) -> int | None:
    """The value all calls of the scenario share in a column of durations, else None."""
    values = set()
    for tenant in scenario.tenants:
        distribution = getattr(tenant, name)
        logged = name == "hold" and _logged_holds(tenant) is not None
        values.add(None if logged else NEVER if distribution is None else fixed_us(distribution))
    return values.pop() if len(values) == 1 else None


def _longest(layout: Layout) -> int:
    return max((part.stop - part.start for part in layout.parts), default=0)
