"""The options that say how a log is to be read, checked."""

import codecs
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from simulator.cdr.instants import LengthUnit, Times
from simulator.cdr.lines import UTF_8
from simulator.cdr.mappings import parse_columns
from simulator.cdr.reader import ReadOptions
from simulator.cdr.records import MOST_TENANTS
from simulator.scenario_file.problems import did_you_mean

_PERCENT: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*", re.ASCII)
_LONGEST_TENANT: Final = 200
_ASCII: Final = "".join(map(chr, range(128)))


class OptionInvalid(ValueError):
    """An option cannot be used; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class ReadingArguments:
    """How a log is to be read, as it was written on the command line."""

    columns: str
    times: str = Times.AUTO.value
    lengths: str = LengthUnit.SECONDS.value
    timezone: str | None = None
    encoding: str = UTF_8
    tenant: str | None = None
    keep_duplicates: bool = False

    def options(self, *, most_tenants: int = MOST_TENANTS, most_broken: float = 0.0) -> ReadOptions:
        """Raises :class:`OptionInvalid` and :class:`~simulator.cdr.mappings.MappingInvalid`."""
        return ReadOptions(
            mapping=parse_columns(self.columns),
            times=Times(self.times),
            lengths=LengthUnit(self.lengths),
            zone=_zone(self.timezone),
            tenant=_tenant(self.tenant),
            most_tenants=most_tenants,
            most_broken=most_broken,
            merge=not self.keep_duplicates,
            encoding=_encoding(self.encoding),
        )

    def given(self) -> Iterator[tuple[str, str | bool | None]]:
        """The options to type again; None for those that were left as they are."""
        yield "--columns", self.columns
        for name, usual in (("times", Times.AUTO), ("lengths", LengthUnit.SECONDS)):
            value: str = getattr(self, name)
            yield f"--{name}", None if value == usual.value else value
        yield "--timezone", self.timezone
        yield "--encoding", None if self.encoding == UTF_8 else self.encoding
        yield "--tenant", self.tenant
        yield "--keep-duplicates", self.keep_duplicates


def share_of(option: str, text: str) -> float:
    """``5%`` as 0.05. Raises :class:`OptionInvalid`."""
    match = _PERCENT.fullmatch(text)
    share = math.nan if match is None else float(match[1]) / 100
    if not 0 <= share <= 1:
        raise OptionInvalid(f"{option}: {text!r} is no share of lines; write it like 5%")
    return share


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    known = available_timezones()
    if name not in known:
        near = did_you_mean(name, sorted(known)) or "; write it like Europe/Berlin"
        raise OptionInvalid(f"--timezone: {name!r} is no time zone{near}")
    return ZoneInfo(name)


def _encoding(name: str) -> str:
    try:
        if codecs.lookup(name).encode(_ASCII)[0] == _ASCII.encode("ascii"):
            return name
    except (LookupError, ValueError, TypeError):
        pass
    raise OptionInvalid(
        f"--encoding: {name!r} is none that a log can be read in; write UTF-8, or one of a byte a "
        "character like cp1252 or latin-1"
    )


def _tenant(name: str | None) -> str | None:
    if name is not None and (
        not name.strip() or len(name) > _LONGEST_TENANT or not name.isprintable()
    ):
        raise OptionInvalid(f"--tenant: a tenant has a name of 1 to {_LONGEST_TENANT} characters")
    return name
