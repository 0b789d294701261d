"""What a scenario says, as plain frozen data: no files, no parsing, no drawing.

:mod:`simulator.scenario_file` reads these from YAML, :mod:`simulator.traffic` draws a
:class:`~simulator.trace.CallTrace` from them. Times are in microseconds; those of distributions
are floats, because they are parameters and not instants.
"""

from dataclasses import dataclass, field

from service.calls import Event, Lookup, Outcome
from simulator.conditions import AfterOn, DeliveryAction, LimitsChange, SharingPolicy

# --- durations ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exponential:
    mean_us: float


@dataclass(frozen=True, slots=True)
class Deterministic:
    value_us: float


@dataclass(frozen=True, slots=True)
class Uniform:
    low_us: float
    high_us: float


@dataclass(frozen=True, slots=True)
class Gamma:
    mean_us: float
    cv: float


@dataclass(frozen=True, slots=True)
class Erlang:
    """Sum of ``phases`` exponentials; cv = 1/sqrt(phases)."""

    mean_us: float
    phases: int


@dataclass(frozen=True, slots=True)
class Lognormal:
    mean_us: float
    cv: float


@dataclass(frozen=True, slots=True)
class Weibull:
    mean_us: float
    cv: float


@dataclass(frozen=True, slots=True)
class Pareto:
    """Pareto (type I) truncated to [low, high]: density proportional to x**-(shape+1) there."""

    shape: float
    low_us: float
    high_us: float


@dataclass(frozen=True, slots=True)
class HyperExponential:
    """Two exponential phases with balanced means; cv >= 1."""

    mean_us: float
    cv: float


@dataclass(frozen=True, slots=True)
class Empirical:
    """Draws from the listed values with equal weight."""

    values_us: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Mixture:
    """Draws from part i with probability weight_i / sum of weights."""

    parts: tuple[tuple[float, "Distribution"], ...]


Distribution = (
    Exponential
    | Deterministic
    | Uniform
    | Gamma
    | Erlang
    | Lognormal
    | Weibull
    | Pareto
    | HyperExponential
    | Empirical
    | Mixture
)

# --- arrivals -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Poisson:
    rate_per_us: float


@dataclass(frozen=True, slots=True)
class Regular:
    """Deterministic arrivals, the first one gap after the start."""

    gap_us: float


@dataclass(frozen=True, slots=True)
class Renewal:
    """Independent gaps of any distribution, the first call one gap after the start."""

    gap: Distribution


@dataclass(frozen=True, slots=True)
class RateProfile:
    """Non-homogeneous Poisson; rates[i] holds from starts_us[i] to starts_us[i+1] (or the end).

    With ``repeat_us`` the profile starts again every ``repeat_us``.
    """

    starts_us: tuple[int, ...]
    rates_per_us: tuple[float, ...]
    repeat_us: int | None = None


@dataclass(frozen=True, slots=True)
class Sinusoid:
    """Non-homogeneous Poisson: rate * (1 + amplitude * sin(2 pi (t - phase) / period)), 0<=a<=1."""

    rate_per_us: float
    amplitude: float
    period_us: int
    phase_us: int = 0


@dataclass(frozen=True, slots=True)
class Mmpp:
    """Markov-modulated Poisson: states follow in a cycle, each left after an exponential time."""

    rates_per_us: tuple[float, ...]
    mean_stay_us: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FlashCrowd:
    """Poisson at ``rate``, and at ``peak_rate`` from ``at`` for ``hold``, with linear ramps."""

    rate_per_us: float
    peak_rate_per_us: float
    at_us: int
    ramp_us: int
    hold_us: int


@dataclass(frozen=True, slots=True)
class Batch:
    """``size`` calls at the same instant, batches as a Poisson process or at fixed gaps."""

    size: int
    rate_per_us: float | None = None
    gap_us: float | None = None


@dataclass(frozen=True, slots=True)
class FiniteSource:
    """``sources`` callers, each thinking for a drawn time after its last call finished."""

    sources: int
    think: Distribution


@dataclass(frozen=True, slots=True)
class ExactCount:
    """Exactly ``count`` calls, uniformly placed over the duration."""

    count: int


@dataclass(frozen=True, slots=True)
class TraceArrivals:
    """Calls read from a log. Columns are parallel; ``hold_us`` None leaves holding to ``hold``."""

    offer_us: tuple[int, ...]
    hold_us: tuple[int, ...] | None = None


Arrivals = (
    Poisson
    | Regular
    | Renewal
    | RateProfile
    | Sinusoid
    | Mmpp
    | FlashCrowd
    | Batch
    | FiniteSource
    | ExactCount
    | TraceArrivals
)


@dataclass(frozen=True, slots=True)
class GivenDelivery:
    """What happens to one event of a given call on its way to the service."""

    event: Event
    action: DeliveryAction
    delay_us: int = 0


@dataclass(frozen=True, slots=True)
class GivenCall:
    """One call attempt whose every value is given: a row of a trace, in its words.

    ``offer_us`` or ``after`` (a place in the list) is None. ``lookup_draw`` is in [0, 2**32).
    """

    tenant_id: str
    offer_us: int | None
    setup_us: int = 0
    connect_us: int = 0
    hold_us: int = 0
    outcome: Outcome = Outcome.COMPLETED
    refer_us: int | None = None
    patience_us: int | None = None
    lookup_draw: int = 0
    after: int | None = None
    after_on: AfterOn = AfterOn.NONE
    delay_us: int = 0
    attempt: int = 0
    deliveries: tuple[GivenDelivery, ...] = ()


# --- tenants and the whole ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How started calls end. failed + hung_up <= 1, the rest completes.

    ``referred`` is the probability of being referred, at ``referred_at`` (0..1) of the hold time.
    """

    failed: float = 0.0
    hung_up: float = 0.0
    referred: float = 0.0
    referred_at: float = 0.5


@dataclass(frozen=True, slots=True)
class Redial:
    """After a rejection for capacity or instructions the caller tries again with ``probability``,
    after ``delay``, at most ``max_attempts`` attempts in all (the first one included).

    The delay before the k-th redial is multiplied by ``backoff ** (k - 1)``."""

    probability: float
    delay: Distribution
    max_attempts: int
    backoff: float = 1.0


@dataclass(frozen=True, slots=True)
class Tenant:
    tenant_id: str
    arrivals: Arrivals
    hold: Distribution
    setup: Distribution = Deterministic(0.0)
    connect: Distribution = Deterministic(0.0)
    patience: Distribution | None = None
    outcomes: Outcomes = Outcomes()
    redial: Redial | None = None
    configured: bool = True
    enabled: bool = True
    max_concurrent_calls: int | None = None
    reserved_calls: int = 0
    instructions: bool = True
    fallback: bool = False
    leave_free: int = 0
    """Slots that must stay free after an admission; trunk reservation only."""
    priority: int = 0
    """1 is the most important, 0: none given, the least important; policy priority only."""


@dataclass(frozen=True, slots=True)
class InstructionFault:
    """Accepts in [from, until) find ``result`` with ``probability``. tenants None: all of them."""

    result: Lookup
    from_us: int
    until_us: int
    probability: float = 1.0
    tenants: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFault:
    """Events of the kind reach the service as ``action`` says, each with ``probability``.

    ``reordered`` is a late delivery, just after the call's next event. ``retried`` is a doubled
    offer whose first answer the caller did not wait for: after ``delay_us`` it asks again.
    """

    event: Event
    action: DeliveryAction
    probability: float
    delay_us: int = 0
    reordered: bool = False
    tenants: tuple[str, ...] | None = None
    retried: bool = False


@dataclass(frozen=True, slots=True)
class CancelFault:
    """Clients that close the connection once such an event is sent, each with ``probability``."""

    event: Event
    probability: float
    tenants: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ServiceKill:
    """The service is killed at an instant and started again so much later."""

    at_us: int
    restart_after_us: int


@dataclass(frozen=True, slots=True)
class Expectation:
    """A counter must lie in [low, high]; tenant None is the total."""

    counter: str
    low: float | None
    high: float | None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """``statistic`` (of one tenant, or the total) ``operator`` ``value``, as k6 writes it."""

    statistic: str
    operator: str
    value: float
    text: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a call may stay in a state before it expires; None: for ever."""

    pending_us: int | None = None
    accepted_us: int | None = None
    active_us: int | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    description: str
    seed: int
    duration_us: int
    max_concurrent_calls: int
    tenants: tuple[Tenant, ...]
    warm_up_us: int = 0
    drain: bool = True
    deadlines: Deadlines = Deadlines()
    changes: tuple[LimitsChange, ...] = ()
    checkpoints_us: tuple[int, ...] = ()
    instruction_faults: tuple[InstructionFault, ...] = ()
    delivery_faults: tuple[DeliveryFault, ...] = ()
    cancel_faults: tuple[CancelFault, ...] = ()
    kills: tuple[ServiceKill, ...] = ()
    expect: tuple[Expectation, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    calls: tuple[GivenCall, ...] | None = None
    """Exactly these calls in place of drawn ones; the tenants' arrivals offer none then."""
    policy: SharingPolicy = SharingPolicy.SHARED
    """How tenants share the slots. Engines with a service behind them know the shared one alone."""
    digest: str = field(default="", compare=False)
    """SHA-256 of the file's text and the overrides applied to it."""
