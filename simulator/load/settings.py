"""What a Locust process is told through its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from simulator.address import is_address
from simulator.live.options import LEAST_SPEED, MOST_SPEED, SPEEDS

SCENARIO: Final = "BUSYHOUR_SCENARIO"
SEED: Final = "BUSYHOUR_SEED"
SET: Final = "BUSYHOUR_SET"
SPEED: Final = "BUSYHOUR_SPEED"
LATE: Final = "BUSYHOUR_LATE_S"
OUT: Final = "BUSYHOUR_OUT"
CONFIGURE: Final = "BUSYHOUR_CONFIGURE"
COMMAND: Final = "BUSYHOUR_COMMAND"
RESULT_FILE: Final = "BUSYHOUR_RESULT_FILE"
PARENT: Final = "BUSYHOUR_PARENT"
URL: Final = "BUSYHOUR_URL"
ADMIN_TOKEN: Final = "BUSYHOUR_ADMIN_TOKEN"  # noqa: S105 - the name of a variable
CALL_TOKEN: Final = "BUSYHOUR_CALL_TOKEN"  # noqa: S105 - the name of a variable

DEFAULT_URL: Final = "http://127.0.0.1:8000"
SHIPPED: Final = "smoke"
"""The shipped scenario that is played when none is named."""

_SEPARATOR: Final = "\n"


class SettingInvalid(ValueError):
    """A variable of the environment is wrong; the message names it and what would be right."""


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """A run as a Locust process is asked for it.

    ``late_s``: sends behind by more count as late; None leaves it to the traffic, see
    :attr:`simulator.load.master.Load.late_us`. ``result_file`` gets what ``busyhour run --json``
    prints, and the file beside it that :meth:`directory_file` names where the run's directory is.
    ``parent`` is the process without which there is to be no run.
    """

    scenario: Path
    seed: int | None = None
    overrides: tuple[str, ...] = ()
    speed: float = 1.0
    late_s: float | None = None
    out: Path = Path("reports")
    configure: bool = False
    url: str = DEFAULT_URL
    admin_token: str = ""
    call_token: str = ""
    command: str = ""
    result_file: Path | None = None
    parent: int | None = None

    @property
    def directory_file(self) -> Path | None:
        """What gets the path of the run's directory as soon as there is one."""
        return None if self.result_file is None else self.result_file.with_suffix(".directory")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises :class:`SettingInvalid`."""
        named, result_file = environment.get(SCENARIO), environment.get(RESULT_FILE)
        return cls(
            scenario=Path(named) if named else _shipped(),
            seed=_whole(environment, SEED),
            overrides=tuple(filter(None, environment.get(SET, "").split(_SEPARATOR))),
            speed=_speed(environment) if SPEED in environment else 1.0,
            late_s=_positive(environment, LATE) if LATE in environment else None,
            out=Path(environment.get(OUT, "reports")),
            configure=environment.get(CONFIGURE, "").lower() in ("1", "true", "yes"),
            url=checked_url(environment.get(URL, DEFAULT_URL), URL),
            admin_token=environment.get(ADMIN_TOKEN, ""),
            call_token=environment.get(CALL_TOKEN, ""),
            command=environment.get(COMMAND, ""),
            result_file=Path(result_file) if result_file else None,
            parent=_whole(environment, PARENT),
        )

    def to_environment(self) -> dict[str, str]:
        """The variables from which :meth:`from_environment` makes these settings again."""
        variables = {
            SCENARIO: str(self.scenario),
            SET: _SEPARATOR.join(self.overrides),
            SPEED: repr(self.speed),
            OUT: str(self.out),
            CONFIGURE: "true" if self.configure else "",
            URL: self.url,
            ADMIN_TOKEN: self.admin_token,
            CALL_TOKEN: self.call_token,
            COMMAND: self.command,
        }
        if self.seed is not None:
            variables[SEED] = str(self.seed)
        if self.result_file is not None:
            variables[RESULT_FILE] = str(self.result_file)
        if self.parent is not None:
            variables[PARENT] = str(self.parent)
        if self.late_s is not None:
            variables[LATE] = repr(self.late_s)
        return variables


def checked_url(url: str, name: str) -> str:
    """An address as it was given. Raises :class:`SettingInvalid`; ``name`` is where it stood."""
    if not is_address(url):
        raise SettingInvalid(f"{name}: {url!r} is no address of a service; write http://HOST:PORT")
    return url


def _whole(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise SettingInvalid(f"{name}: {text!r} is not a whole number, 0 or more")
    return int(text)


def _positive(environment: Mapping[str, str], name: str) -> float:
    text = environment[name]
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise SettingInvalid(f"{name}: {text!r} is not a number above 0")
    return value


def _speed(environment: Mapping[str, str]) -> float:
    speed = _positive(environment, SPEED)
    if not LEAST_SPEED <= speed <= MOST_SPEED:
        raise SettingInvalid(f"{SPEED}: {environment[SPEED]!r} is not {SPEEDS}")
    return speed


def _shipped() -> Path:
    from simulator.commands import shipped_scenarios

    for path in shipped_scenarios():
        if path.stem == SHIPPED:
            return path
    raise SettingInvalid(f"{SCENARIO}: the shipped scenarios are not here; name a scenario file")
