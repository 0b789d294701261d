"""The kinds of value a scenario file is made of: how each is checked, and its JSON Schema."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from simulator.conditions import MOST_CALLS, UNLIMITED
from simulator.scenario_file.units import (
    DURATION_PATTERN,
    POSITIVE_DURATION_PATTERN,
    RATE_PATTERN,
    UnitsInvalid,
    parse_duration_us,
    parse_rate_per_us,
)

TAG: Final = "\0"
"""First character of the union tags pydantic puts into the place of an error; no key has it."""

SAID: Final = "said"
"""Error type of a custom check whose message is already what the reader should see."""


class Shape(BaseModel):
    """Base of every mapping in a scenario file: exact types, no key it does not know."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, validate_by_alias=True
    )


def say(message: str) -> PydanticCustomError:
    # braces would be taken for places to fill in
    return PydanticCustomError(SAID, "{message}", {"message": message})


def shown(value: Any) -> str:
    """A value as a message shows it: as YAML would write it, cut when it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _duration(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise say(f"must be a duration like 90s or 1h30m, not {shown(value)}")
    if isinstance(value, int | float):
        if value < 0:
            raise say(f"{value} is negative; a duration is zero or more, like 90s")
        raise say(f"{value} has no unit; write {value}s, {value}m or {value}ms")
    try:
        return parse_duration_us(value)
    except UnitsInvalid as error:
        raise say(str(error)) from None


def _positive_duration(value: Any) -> int:
    duration_us = _duration(value)
    if duration_us == 0:
        raise say("must be longer than zero")
    return duration_us


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise say(f"must be a rate like 2/s or 300/h, not {shown(value)}")
    if isinstance(value, int | float):
        raise say(f"{value} has no unit of time; write {value}/s, {value}/m or {value}/h")
    try:
        rate = parse_rate_per_us(value)
    except UnitsInvalid as error:
        raise say(str(error)) from None
    if rate > 1:
        raise say(f"{value} is more than a million calls a second")
    return float(rate)


def _positive_rate(value: Any) -> float:
    rate = _rate(value)
    if rate == 0:
        raise say("must be above zero, like 2/s")
    return rate


def _limit_or_unlimited(value: Any) -> int | str:
    if value == UNLIMITED:
        return UNLIMITED
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_CALLS:
        raise say(f"must be a whole number of calls, 0 or more, or unlimited, not {shown(value)}")
    return value


Duration = Annotated[
    int,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN}),
]
PositiveDuration = Annotated[
    int,
    BeforeValidator(_positive_duration),
    WithJsonSchema({"type": "string", "pattern": POSITIVE_DURATION_PATTERN}),
]
Rate = Annotated[
    float, BeforeValidator(_rate), WithJsonSchema({"type": "string", "pattern": RATE_PATTERN})
]
PositiveRate = Annotated[
    float,
    BeforeValidator(_positive_rate),
    WithJsonSchema({"type": "string", "pattern": rf"^(?=.*[1-9]){RATE_PATTERN[1:]}"}),
]
TenantLimit = Annotated[
    int | str,
    BeforeValidator(_limit_or_unlimited),
    WithJsonSchema(
        {"oneOf": [{"type": "integer", "minimum": 0, "maximum": MOST_CALLS}, {"const": UNLIMITED}]}
    ),
]
Calls = Annotated[int, Field(ge=0, le=MOST_CALLS)]
Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1_000_000_000)]
VariationCoefficient = Annotated[float, Field(gt=0, le=100)]
"""A coefficient of variation: standard deviation over mean."""


def tagged(kind: str) -> str:
    return TAG + kind


def kind_of(value: Any) -> str | None:
    """Tag of the union member that a value's ``type`` (or a fault's ``kind``) names."""
    if isinstance(value, dict):
        kind = value.get("type", value.get("kind"))
        return tagged(kind) if isinstance(kind, str) else None
    return None
