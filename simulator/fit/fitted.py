"""What fitting found in a call log, as plain frozen data: the scenario and the page are written
from it, and nothing else.

Instants are in microseconds since the start of the scenario, rates in calls per microsecond.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from simulator.scenario import Distribution

# --- when calls come ------------------------------------------------------------------------


class Cycle(StrEnum):
    """What a rate profile repeats."""

    SPAN = "span"
    """Nothing: it follows the log from its first slot to its last."""
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class Grid:
    """Clock slots that counts are made in.

    A call at wall time ``t`` lies in slot ``((t + offset_us) mod length_us) // slot_us``. The log
    was watched in [from_us, until_us) of wall time; ``exposure_us`` has a value a slot: how long it
    was watched, summed over the cycles.
    """

    cycle: Cycle
    slot_us: int
    length_us: int
    offset_us: int
    from_us: int
    until_us: int
    exposure_us: tuple[int, ...]

    @property
    def begin_us(self) -> int:
        """Wall time at which a profile that follows the log begins: that of its first slot."""
        return -self.offset_us

    @property
    def window_us(self) -> int:
        """How long the log was watched."""
        return self.until_us - self.from_us

    @property
    def cycles(self) -> float:
        """How often the profile came round."""
        return self.window_us / self.length_us


@dataclass(frozen=True, slots=True)
class Rates:
    """A rate profile in steps: ``rates_per_us[i]`` from ``starts_us[i]`` to the next or the end.

    ``calls`` are those counted in each step and ``exposure_us`` how long it was watched; of a
    ``shared`` profile they are those of all tenants that share it, and the rates are the tenant's
    part of them.
    """

    starts_us: tuple[int, ...]
    rates_per_us: tuple[float, ...]
    calls: tuple[int, ...]
    exposure_us: tuple[int, ...]
    shared: bool = False

    def expected_calls(self, length_us: int) -> float:
        """Calls to be expected in one cycle of ``length_us``."""
        ends = (*self.starts_us[1:], length_us)
        return sum(
            rate * (end - start)
            for rate, start, end in zip(self.rates_per_us, self.starts_us, ends, strict=True)
        )


# --- how long things take -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """A family of distributions fitted to durations.

    ``aic`` is Akaike's criterion with the correction for few values, the smaller the better;
    ``distance`` the largest difference to the data's distribution function (Kolmogorov-Smirnov).
    ``refused`` says why it was not taken, and is empty for the one that was or might have been.
    """

    name: str
    distribution: Distribution
    parameters: int
    log_likelihood: float
    aic: float
    distance: float
    mean_us: float
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Cells:
    """Durations to be drawn: ``counts[i]`` of them lie between ``edges_us[i]`` and the next.

    The edges, at most 65, rise by equal factors from the shortest to the longest, as far as the
    steps of the log let them.
    """

    edges_us: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Durations:
    """A distribution of durations with what it was chosen from.

    ``n`` values with mean ``mean_us`` and coefficient of variation ``cv`` were seen, in steps of
    ``resolution_us``. ``pooled`` says whose values they are when not the tenant's own.
    """

    chosen: Distribution
    chosen_name: str
    n: int
    mean_us: float
    cv: float
    resolution_us: int
    distance: float
    accepted_distance: float
    candidates: tuple[Candidate, ...] = ()
    cells: Cells | None = None
    pooled: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Ringing:
    """From the offer to the answer, or to giving up.

    ``setup`` and ``patience`` are independent in a scenario: the call is answered when the setup is
    the shorter. ``answered`` and ``unanswered`` are the counts; ``slot_us_mean`` the mean time to
    whichever came first, in the log and (``model_slot_us_mean``) of the two distributions;
    ``model_answered_share`` the share they answer.
    """

    setup: Distribution
    patience: Distribution | None
    answered: int
    unanswered: int
    slot_us_mean: float
    model_slot_us_mean: float
    model_answered_share: float
    fit: Durations | None = None
    """The fit of the setup time where every call was answered."""
    pooled: str = ""


# --- redials and bursts ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """A share ``part / whole`` and its 95 % interval (Wilson)."""

    part: int
    whole: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.part / self.whole if self.whole else 0.0


@dataclass(frozen=True, slots=True)
class RedialsAfter:
    """Callers who called the same tenant again within the window, by what they had met."""

    end: str
    again: Share
    delay_us_mean: float


@dataclass(frozen=True, slots=True)
class Redials:
    """What callers did whose call was not answered.

    ``after`` holds a row for each way a call may end, answered ones as the ``control``: who calls
    again within the window anyway. ``probability``, ``delay`` and ``max_attempts`` are those of
    calls that were refused, or where none was, of busy ones, or else of all unanswered ones
    (``basis``). ``refused`` is whether the scenario draws them: only refusals are redialled there.
    """

    window_us: int
    after: tuple[RedialsAfter, ...]
    control: Share
    basis: str
    probability: float
    delay: Durations | None
    max_attempts: int
    refused: bool
    removed: int
    """Offers taken out of the arrivals, because the scenario makes them again itself."""


@dataclass(frozen=True, slots=True)
class DispersionRow:
    """Variance to mean of counts in intervals of one length, after the profile was taken out.

    ``index`` is 1 in the mean for Poisson traffic and lies within [low, high] in 95 of 100 cases
    then; ``p_value`` is the chance of one as large. ``freedom`` are the degrees of freedom.
    """

    interval_us: int
    block_us: int
    index: float
    low: float
    high: float
    p_value: float
    freedom: int
    across: bool = False
    """Compared with the same time of other cycles, and not with its neighbours."""
    level_cv: float = 0.0
    """Of ``across``: how much the rate of a slot moves from cycle to cycle, relative to its mean,
    by what the index has above 1."""


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Rows by length of interval, and what they mean: variance to mean of calls in progress."""

    rows: tuple[DispersionRow, ...]
    peakedness: float
    peakedness_interval_us: int | None
    significant: bool


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Slots by formula: Erlang B for the busiest step, and Hayward's where traffic is peaked."""

    busiest_from_us: int
    busiest_until_us: int
    erlangs: float
    blocking: float
    slots_poisson: int
    slots_peaked: int
    blocking_peaked: float
    """Blocking of the peaked traffic on the slots that Poisson traffic would need."""

    @property
    def slots(self) -> int:
        return max(1, self.slots_poisson, self.slots_peaked)


# --- the whole ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TenantFit:
    """One tenant: its calls, and what was found in them."""

    name: str
    """As the log writes it."""
    tenant_id: str
    """As the scenario writes it."""
    offers: int
    first_attempts: int
    """Offers that are arrivals of the scenario, redials of refused calls left out."""
    answered: int
    rates: Rates
    hold: Durations
    ringing: Ringing
    failed: Share
    """Answered calls that ended by an error."""
    ends: tuple[tuple[str, int], ...]
    """How its calls ended, by :class:`~simulator.cdr.recorded.CallEnd`'s names in small letters."""
    slot_us_mean: float
    """Mean time a call holds its slot, by the fitted distributions."""

    @property
    def answered_share(self) -> float:
        return self.answered / self.offers if self.offers else 0.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """A log of calls as a scenario would have it."""

    grid: Grid
    tenants: tuple[TenantFit, ...]
    duration_us: int
    total_counts: tuple[int, ...]
    """First attempts in each slot of the grid, shape (slots,)."""
    total_rates: Rates
    """The tenants' profiles added up; its calls are those of all."""
    dispersion: Dispersion
    suggestion: Suggestion
    redials: Redials | None
    weekday: int | None
    """Day of the week on which the scenario starts, 0 is Monday; None where there are no dates."""
    starts: str
    """When the scenario starts, in words."""
    span: str
    """What the log spans, in words."""
    seed: int = 1
    notes: tuple[str, ...] = ()
    """Decisions that hold for the whole, in sentences."""
    warnings: tuple[str, ...] = field(default=())
