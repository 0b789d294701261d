"""What the service is told by its environment: ``BUSYHOUR_*`` variables, or a ``.env`` file."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.calls import US_PER_SECOND

ENV_PREFIX = "BUSYHOUR_"

DATABASE_SCHEME = "sqlite+aiosqlite://"

Seconds = Annotated[Decimal, Field(ge=Decimal("0.000001"), le=10**9, allow_inf_nan=False)]


def _can_be_sent(token: SecretStr) -> SecretStr:
    """A header keeps neither the spaces around its value nor control characters."""
    text = token.get_secret_value()
    if not text.isprintable() or text != text.strip():
        raise PydanticCustomError(
            "token", "must be printable characters without spaces before or after them"
        )
    return token


Token = Annotated[SecretStr, Field(min_length=1), AfterValidator(_can_be_sent)]


class SettingsInvalid(ValueError):
    """The environment does not give a usable configuration; the text names every variable."""


class Settings(BaseSettings):
    """Every setting of the service. A variable that is set to nothing counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    admin_token: Token
    call_token: Token
    metrics_token: Token | None = None
    max_concurrent_calls: Annotated[int, Field(ge=0, le=10**9)] = 100
    database_url: str = DATABASE_SCHEME
    testbed: bool = False
    clock: Literal["system", "virtual"] = "system"
    call_id_retention_s: Seconds = Decimal(3600)
    max_remembered_calls: Annotated[int, Field(ge=1, le=10**9)] = 1_000_000
    pending_deadline_s: Seconds | None = None
    accepted_deadline_s: Seconds | None = None
    active_deadline_s: Seconds | None = None
    instructions_cache_s: Annotated[Decimal, Field(ge=0, le=10**9, allow_inf_nan=False)] = Decimal(
        60
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    stop_with_stdin: bool = False

    @field_validator("database_url")
    @classmethod
    def _sqlite_only(cls, url: str) -> str:
        path = url.removeprefix(DATABASE_SCHEME)
        if path == url or (path and not path.startswith("/")) or "?" in path:
            raise PydanticCustomError(
                "database_url",
                "must be sqlite+aiosqlite:///busyhour.db for a file of the working directory, "
                "sqlite+aiosqlite:////var/lib/busyhour.db for any other, or sqlite+aiosqlite:// "
                "for memory, without options",
            )
        return url

    @model_validator(mode="after")
    def _virtual_clock_is_for_the_testbed(self) -> Self:
        if self.clock == "virtual" and not self.testbed:
            raise PydanticCustomError(
                "clock",
                "BUSYHOUR_CLOCK=virtual needs BUSYHOUR_TESTBED=true: a client that sets the time "
                "sets what is billed",
            )
        return self


def microseconds(seconds: Decimal) -> int:
    """Whole microseconds of decimal seconds, half to even."""
    return int((seconds * US_PER_SECOND).to_integral_value(ROUND_HALF_EVEN))


def load_settings() -> Settings:
    """Settings from the environment. Raises :class:`SettingsInvalid`, all faults in one line."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsInvalid("; ".join(_faults(error))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"the file .env cannot be read: {error}") from None


def _faults(error: ValidationError) -> list[str]:
    faults = []
    for detail in error.errors(include_url=False, include_context=False):
        if not detail["loc"]:
            faults.append(detail["msg"])
            continue
        variable = ENV_PREFIX + str(detail["loc"][0]).upper()
        if detail["type"] == "missing":
            faults.append(f"{variable} is not set")
        else:
            message = detail["msg"]
            faults.append(f"{variable}: {message[0].lower()}{message[1:]}")
    return faults
