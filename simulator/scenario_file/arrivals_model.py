"""The shape of a tenant's arrivals in a scenario file."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from simulator.scenario_file.distribution_model import DistributionShape
from simulator.scenario_file.fields import (
    Duration,
    Positive,
    PositiveDuration,
    PositiveRate,
    Rate,
    Shape,
    VariationCoefficient,
    kind_of,
    tagged,
)

MOST_CALLS_A_TENANT = 1_000_000_000

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Offered(Shape):
    """Arrivals whose volume is a rate, or the erlangs it offers with the tenant's own times."""

    rate: PositiveRate | None = Field(None, description="calls per unit of time, like 2/s")
    erlangs: Positive | None = Field(
        None, description="offered traffic; the rate follows from the mean setup, connect and hold"
    )


class PoissonShape(Offered):
    """Calls at random, at a constant rate."""

    type: Literal["poisson"]


class RegularShape(Offered):
    """Calls at equal distances, the first one distance after the start."""

    type: Literal["deterministic"]
    every: PositiveDuration | None = Field(None, description="the distance, exactly")


class RenewalShape(Offered):
    """Independent gaps: of any distribution, or by rate and cv."""

    type: Literal["renewal"]
    gap: DistributionShape | None = None
    distribution: (
        Literal["gamma", "weibull", "lognormal", "hyperexponential", "erlang", "uniform"] | None
    ) = None
    cv: VariationCoefficient | None = None


class RateFrom(Shape):
    """A rate from an instant on."""

    from_: Duration = Field(alias="from")
    rate: Rate


class FactorFrom(Shape):
    """A multiple of the base rate from an instant on."""

    from_: Duration = Field(alias="from")
    factor: Annotated[float, Field(ge=0, le=1_000_000)]


class ProfileShape(Offered):
    """Poisson at rates that change at given instants: listed, or a shape times a base rate."""

    type: Literal["profile"]
    rates: Annotated[list[RateFrom], Field(min_length=1)] | None = None
    shape: Annotated[list[FactorFrom], Field(min_length=1)] | None = None
    repeat: PositiveDuration | None = Field(None, description="length after which it starts anew")


class SinusoidShape(Offered):
    """Poisson at a rate that swings: rate * (1 + amplitude * sin(2 pi (t - phase) / period))."""

    type: Literal["sinusoid"]
    amplitude: Annotated[float, Field(ge=0, le=1)]
    period: PositiveDuration
    phase: Duration = 0


class MmppState(Shape):
    """One state of a Markov-modulated Poisson process."""

    rate: Rate
    mean_stay: PositiveDuration


class MmppShape(Shape):
    """Poisson at the rate of the present state; the states follow one another in a circle."""

    type: Literal["mmpp"]
    states: Annotated[list[MmppState], Field(min_length=2)]


class FlashCrowdShape(Offered):
    """Poisson that climbs to a peak, stays there and falls back."""

    type: Literal["flash_crowd"]
    peak_rate: PositiveRate | None = None
    peak_factor: Positive | None = Field(None, description="peak as a multiple of the base rate")
    at: Duration = Field(description="when the full peak is reached")
    ramp: Duration = Field(0, description="time to climb before the peak, and to fall after it")
    hold: PositiveDuration = Field(description="how long the full peak lasts")


class BatchShape(Shape):
    """Several calls at one instant; the batches at random (rate) or at equal distances (every)."""

    type: Literal["batch"]
    size: Annotated[int, Field(ge=1, le=1_000_000)]
    rate: PositiveRate | None = Field(None, description="batches per unit of time")
    every: PositiveDuration | None = Field(None, description="distance between batches, exactly")


class FiniteSourceShape(Shape):
    """A number of callers; each thinks for a while after its last call, then calls again."""

    type: Literal["finite_source"]
    sources: Annotated[int, Field(ge=1, le=1_000_000)]
    think: DistributionShape


class ExactCountShape(Shape):
    """Exactly this many calls, placed anywhere in the run alike."""

    type: Literal["exact_count"]
    count: Annotated[int, Field(ge=0, le=MOST_CALLS_A_TENANT)]


class LogColumns(Shape):
    """Which column of the CSV file holds what."""

    start: Name = Field(description="seconds from the start of the run, or ISO 8601 timestamps")
    hold: Name | None = Field(None, description="holding time in seconds")
    tenant: Name | None = Field(None, description="whose call it is")


class LogShape(Shape):
    """The calls of a log: a CSV file beside the scenario."""

    type: Literal["trace"]
    file: Annotated[str, Field(min_length=1)]
    columns: LogColumns
    tenant: Name | None = Field(
        None, description="take the rows with this tenant only (default: this tenant's id)"
    )


ArrivalsShape = Annotated[
    Annotated[PoissonShape, Tag(tagged("poisson"))]
    | Annotated[RegularShape, Tag(tagged("deterministic"))]
    | Annotated[RenewalShape, Tag(tagged("renewal"))]
    | Annotated[ProfileShape, Tag(tagged("profile"))]
    | Annotated[SinusoidShape, Tag(tagged("sinusoid"))]
    | Annotated[MmppShape, Tag(tagged("mmpp"))]
    | Annotated[FlashCrowdShape, Tag(tagged("flash_crowd"))]
    | Annotated[BatchShape, Tag(tagged("batch"))]
    | Annotated[FiniteSourceShape, Tag(tagged("finite_source"))]
    | Annotated[ExactCountShape, Tag(tagged("exact_count"))]
    | Annotated[LogShape, Tag(tagged("trace"))],
    Discriminator(kind_of),
]
