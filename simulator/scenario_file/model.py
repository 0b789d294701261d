"""The shape of a scenario file: which keys there are, what they hold, and what they default to.

Only what one value can say about itself is checked here. What several keys say together is checked
in :mod:`simulator.scenario_file.checks` and where they become a scenario.
"""

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Discriminator, Field, Tag

from simulator.conditions import MOST_CALLS, MOST_PRIORITY
from simulator.scenario_file.arrivals_model import ArrivalsShape
from simulator.scenario_file.distribution_model import DistributionShape
from simulator.scenario_file.fields import (
    Calls,
    Duration,
    PositiveDuration,
    Probability,
    Shape,
    TenantLimit,
    kind_of,
    tagged,
)

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MOST_SEED: Final = 2**63 - 1

Limit = Annotated[int, Field(ge=1, le=MOST_CALLS)]


class DeadlinesShape(Shape):
    """How long a call may stay in a state before it expires; off unless given."""

    pending: PositiveDuration | None = None
    accepted: PositiveDuration | None = None
    active: PositiveDuration | None = None


class TenantChange(Shape):
    """New values for one tenant; what is not named stays."""

    max_concurrent_calls: TenantLimit | None = None
    reserved_calls: Calls | None = None
    enabled: bool | None = None


class Change(Shape):
    """A change of limits and tenants, applied whole at one instant."""

    at: Duration
    max_concurrent_calls: Limit | None = None
    tenants: Annotated[dict[str, TenantChange], Field(min_length=1)] | None = None


class Capacity(Shape):
    """The limit on concurrent calls, and how it changes."""

    max_concurrent_calls: Limit = Field(description="calls the platform may hold at once, like 100")
    policy: Literal["shared", "trunk_reservation", "priority"] = Field(
        "shared", description="how tenants share the slots; others than shared: engine kernel only"
    )
    deadlines: DeadlinesShape = DeadlinesShape()
    changes: list[Change] = Field([], description="timed changes, in the order of their instants")


class OutcomesShape(Shape):
    """How calls end that have started; what is left over completes."""

    failed: Probability = 0.0
    hung_up: Probability = 0.0
    referred: Probability = 0.0
    referred_at: Probability = Field(0.5, description="share of the holding time before a referral")


class RedialShape(Shape):
    """What a caller does whose call was rejected."""

    probability: Probability
    delay: DistributionShape
    max_attempts: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="attempts in all, the first included"
    )
    backoff: Annotated[float, Field(ge=1, le=100)] = Field(
        1.0, description="factor on the delay before each further redial; 1: none"
    )


class TenantShape(Shape):
    """A customer of the platform: its traffic and its place on it."""

    configured: bool = Field(
        True, description="false: its offers are rejected and count in _unknown"
    )
    enabled: bool = True
    max_concurrent_calls: TenantLimit | None = None
    reserved_calls: Calls = Field(0, description="slots kept for this tenant; policy shared only")
    leave_free: Calls = Field(
        0, description="slots its calls must leave free; policy trunk_reservation only"
    )
    priority: Annotated[int, Field(ge=1, le=MOST_PRIORITY)] | None = Field(
        None, description="1 is the most important; default: the least; policy priority only"
    )
    instructions: bool = Field(True, description="false: every lookup finds nothing")
    fallback: bool = Field(False, description="true: accepted on fallback instructions then")
    arrivals: ArrivalsShape | None = Field(
        None, description="when calls come, like {type: poisson, rate: 2/s}"
    )
    setup: DistributionShape = Field("0s", validate_default=True, description="offer to accept")
    connect: DistributionShape = Field("0s", validate_default=True, description="accept to start")
    hold: DistributionShape | None = Field(
        None, description="start to end, like 3m or {type: exponential, mean: 3m}"
    )
    outcomes: OutcomesShape = OutcomesShape()
    patience: DistributionShape | None = Field(
        None, description="how long a caller waits, from the offer, for the call to start"
    )
    redial: RedialShape | None = None


class DeliveryShape(Shape):
    """What happens to one event of a call on its way to the service."""

    event: Literal["offer", "accept", "start", "refer", "end", "hang_up"]
    action: Literal["lost", "late", "doubled"]
    delay: Duration = 0


class CallShape(Shape):
    """One call attempt with every value given, in place of drawn ones."""

    tenant: str
    at: Duration | None = Field(None, description="when it is offered; or after")
    setup: Duration = Field(0, description="offer to accept")
    connect: Duration = Field(0, description="accept to start")
    hold: Duration = Field(0, description="start to end")
    outcome: Literal["completed", "hung_up", "failed"] = "completed"
    refer: Duration | None = Field(None, description="start to referral; default: none")
    patience: Duration | None = Field(None, description="default: endless")
    lookup_draw: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        0, description="its accept finds a fault of probability p if this is below p * 2**32"
    )
    after: Annotated[int, Field(ge=0)] | None = Field(
        None, description="place of an earlier call in the list, counted from 0"
    )
    after_on: Literal["rejected", "finished"] | None = None
    delay: PositiveDuration | None = Field(None, description="from then to this offer")
    attempt: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    deliveries: list[DeliveryShape] = Field([])


class Every(Shape):
    """Checkpoints at equal distances."""

    every: PositiveDuration


class InstructionFault(Shape):
    """What the two kinds of instruction faults have in common."""

    from_: Duration = Field(0, alias="from")
    until: PositiveDuration | None = Field(None, description="default: the end of the run")
    probability: Probability = 1.0
    tenants: Annotated[list[str], Field(min_length=1)] | None = None


class InstructionsError(InstructionFault):
    """Lookups of instructions that fail in the database for a while."""

    kind: Literal["instructions_error"]


class InstructionsMissing(InstructionFault):
    """Lookups of instructions that find nothing for a while."""

    kind: Literal["instructions_missing"]


class DeliveryFault(Shape):
    """What the four kinds of delivery faults have in common."""

    event: Literal["offer", "accept", "start", "refer", "end", "hang_up"]
    probability: Probability
    tenants: Annotated[list[str], Field(min_length=1)] | None = None


class EventLost(DeliveryFault):
    """Events that never reach the service."""

    kind: Literal["event_lost"]


class EventLate(DeliveryFault):
    """Events that reach the service late."""

    kind: Literal["event_late"]
    delay: PositiveDuration


class EventDoubled(DeliveryFault):
    """Events that reach the service when due and once more after a delay."""

    kind: Literal["event_doubled"]
    delay: Duration


class EventReordered(DeliveryFault):
    """Events that reach the service just after the next event of their call."""

    kind: Literal["event_reordered"]


class OfferRetried(Shape):
    """Offers that the caller repeats, with the same id, because no answer came in time."""

    kind: Literal["offer_retried"]
    event: ClassVar[str] = "offer"
    timeout: PositiveDuration = Field(description="how long the caller waits for an answer")
    probability: Probability
    tenants: Annotated[list[str], Field(min_length=1)] | None = None


class ClientCancelled(Shape):
    """Clients that close the connection when a request is sent and not yet answered."""

    kind: Literal["client_cancelled"]
    event: Literal["offer", "accept", "start", "refer", "end", "hang_up"]
    probability: Probability
    tenants: Annotated[list[str], Field(min_length=1)] | None = None


class ServiceKilled(Shape):
    """A service that is killed and started again; what it held and counted is gone."""

    kind: Literal["service_killed"]
    at: Duration
    restart_after: Duration = Field(description="from the kill to the start of the new service")


FaultShape = Annotated[
    Annotated[InstructionsError, Tag(tagged("instructions_error"))]
    | Annotated[InstructionsMissing, Tag(tagged("instructions_missing"))]
    | Annotated[EventLost, Tag(tagged("event_lost"))]
    | Annotated[EventLate, Tag(tagged("event_late"))]
    | Annotated[EventDoubled, Tag(tagged("event_doubled"))]
    | Annotated[EventReordered, Tag(tagged("event_reordered"))]
    | Annotated[OfferRetried, Tag(tagged("offer_retried"))]
    | Annotated[ClientCancelled, Tag(tagged("client_cancelled"))]
    | Annotated[ServiceKilled, Tag(tagged("service_killed"))],
    Discriminator(kind_of),
]


class Range(Shape):
    """From min to max, both included; either may be left out."""

    min: Annotated[float, Field(ge=0)] | None = None
    max: Annotated[float, Field(ge=0)] | None = None


def _exact_or_range(value: Any) -> str:
    return tagged("range") if isinstance(value, dict) else tagged("exact")


def _list_or_every(value: Any) -> str:
    return tagged("every") if isinstance(value, dict) else tagged("list")


ExpectedValue = Annotated[
    Annotated[Annotated[float, Field(ge=0)], Tag(tagged("exact"))]
    | Annotated[Range, Tag(tagged("range"))],
    Discriminator(_exact_or_range),
]
Checkpoints = Annotated[
    Annotated[list[Duration], Tag(tagged("list"))] | Annotated[Every, Tag(tagged("every"))],
    Discriminator(_list_or_every),
]


class Expect(Shape):
    """What the counters must be at the end of the run."""

    total: dict[str, ExpectedValue] = Field({})
    tenants: dict[str, dict[str, ExpectedValue]] = Field({})


class ScenarioShape(Shape):
    """A scenario file."""

    version: Literal[1] = Field(description="version of this grammar: 1")
    name: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(
        description="short name, used for directories: letters, digits, '.', '_' and '-'"
    )
    description: Annotated[str, Field(max_length=2000)] = ""
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 0
    duration: PositiveDuration = Field(description="length of the run, like 1h")
    warm_up: Duration = Field(0, description="time cut off the statistics, never off the counters")
    drain: bool = Field(True, description="play calls still held after the run to their end")
    capacity: Capacity = Field(description="like {max_concurrent_calls: 100}")
    tenants: Annotated[dict[str, TenantShape], Field(min_length=1)] = Field(
        description="tenants by id, each with arrivals and hold"
    )
    calls: Annotated[list[CallShape], Field(min_length=1)] | None = Field(
        None, description="exactly these calls, in order of their instants, in place of arrivals"
    )
    checkpoints: Checkpoints = Field([])
    faults: list[FaultShape] = Field([])
    expect: Expect = Expect()
    thresholds: dict[str, Annotated[list[str], Field(min_length=1)]] = Field({})
