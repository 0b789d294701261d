"""The shape of a duration's distribution in a scenario file."""

import math
from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from simulator.scenario_file.fields import (
    TAG,
    Duration,
    Positive,
    PositiveDuration,
    Shape,
    VariationCoefficient,
    kind_of,
    tagged,
)

BARE: Final = tagged("duration")
_UNIFORM_CV_MOST: Final = 1 / math.sqrt(3)


class ExponentialShape(Shape):
    """Memoryless; cv is 1."""

    type: Literal["exponential"]
    mean: PositiveDuration


class DeterministicShape(Shape):
    """Always the same; a bare duration means this too."""

    type: Literal["deterministic"]
    value: Duration


class UniformShape(Shape):
    """Any value between low and high alike; or by mean and cv (at most 0.577)."""

    type: Literal["uniform"]
    low: Duration | None = None
    high: PositiveDuration | None = None
    mean: PositiveDuration | None = None
    cv: Annotated[float, Field(gt=0, le=_UNIFORM_CV_MOST)] | None = None


class GammaShape(Shape):
    """Gamma by mean and cv."""

    type: Literal["gamma"]
    mean: PositiveDuration
    cv: VariationCoefficient


class ErlangShape(Shape):
    """Sum of equal exponential phases; by their number, or by a cv of 1/sqrt(phases)."""

    type: Literal["erlang"]
    mean: PositiveDuration
    phases: Annotated[int, Field(ge=1, le=10_000)] | None = None
    cv: Annotated[float, Field(ge=0.01, le=1)] | None = None


class LognormalShape(Shape):
    """Lognormal by mean and cv, the usual one for holding times."""

    type: Literal["lognormal"]
    mean: PositiveDuration
    cv: VariationCoefficient


class WeibullShape(Shape):
    """Weibull by mean and cv."""

    type: Literal["weibull"]
    mean: PositiveDuration
    cv: VariationCoefficient


class ParetoShape(Shape):
    """Pareto cut off at high; by low, or by the mean it should have."""

    type: Literal["pareto"]
    shape: Annotated[float, Field(gt=0, le=100)]
    high: PositiveDuration
    low: PositiveDuration | None = None
    mean: PositiveDuration | None = None


class HyperExponentialShape(Shape):
    """Two exponential phases with balanced means; burstier than exponential, so cv is 1 or more."""

    type: Literal["hyperexponential"]
    mean: PositiveDuration
    cv: Annotated[float, Field(ge=1, le=100)]


class EmpiricalShape(Shape):
    """Any of the listed values alike; or of a column of seconds in a CSV file."""

    type: Literal["empirical"]
    values: Annotated[list[Duration], Field(min_length=1)] | None = None
    file: Annotated[str, Field(min_length=1)] | None = None
    column: Annotated[str, Field(min_length=1)] | None = None


class Part(Shape):
    """One part of a mixture: a distribution with its weight written beside its own keys."""

    weight: Positive
    distribution: "DistributionShape" = Field(alias=TAG)

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        rest = {key: item for key, item in value.items() if key != "weight"}
        # the alias is a tag, which is left out of places: the keys do stand beside the weight
        return {TAG: rest} | {key: value[key] for key in ("weight",) if key in value}


class MixtureShape(Shape):
    """One of several distributions, each chosen in proportion to its weight."""

    type: Literal["mixture"]
    parts: Annotated[list[Part], Field(min_length=1)]


def _kind(value: Any) -> str | None:
    return kind_of(value) if isinstance(value, dict) else BARE


DistributionShape = Annotated[
    Annotated[Duration, Tag(BARE)]
    | Annotated[ExponentialShape, Tag(tagged("exponential"))]
    | Annotated[DeterministicShape, Tag(tagged("deterministic"))]
    | Annotated[UniformShape, Tag(tagged("uniform"))]
    | Annotated[GammaShape, Tag(tagged("gamma"))]
    | Annotated[ErlangShape, Tag(tagged("erlang"))]
    | Annotated[LognormalShape, Tag(tagged("lognormal"))]
    | Annotated[WeibullShape, Tag(tagged("weibull"))]
    | Annotated[ParetoShape, Tag(tagged("pareto"))]
    | Annotated[HyperExponentialShape, Tag(tagged("hyperexponential"))]
    | Annotated[EmpiricalShape, Tag(tagged("empirical"))]
    | Annotated[MixtureShape, Tag(tagged("mixture"))],
    Discriminator(_kind),
]
