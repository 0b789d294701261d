"""The options of ``busyhour fit``, checked."""

import math
import os
import re
import shlex
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from simulator.fit.fitted import Cycle
from simulator.fit.instants import LengthUnit, Times
from simulator.fit.mappings import parse_columns
from simulator.fit.reader import ReadOptions
from simulator.report.pages import check_writable, command_text
from simulator.scenario_file.problems import did_you_mean

AUTO: Final = "auto"
MAX_TENANTS: Final = 50
MAX_BROKEN: Final = "5%"
BLOCKING: Final = 0.01
REPLICATIONS: Final = 20
_PERCENT: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*", re.ASCII)
_LONGEST_TENANT: Final = 200


class FitRefused(ValueError):
    """An option cannot be used; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class FitRequest:
    """The options of ``busyhour fit`` as they were written."""

    logs: tuple[Path, ...]
    columns: str
    output: Path
    force: bool = False
    times: str = Times.AUTO.value
    lengths: str = LengthUnit.SECONDS.value
    timezone: str | None = None
    tenant: str | None = None
    max_tenants: int = MAX_TENANTS
    max_broken: str = MAX_BROKEN
    keep_duplicates: bool = False
    cycle: str = AUTO
    blocking: float = BLOCKING
    seed: int = 1
    page: Path | None = None
    compare: bool = True
    capacity: int | None = None
    replications: int = REPLICATIONS
    workers: int | None = None
    as_json: bool = False


def command_of(request: FitRequest) -> str:
    """The command to type again."""

    def unless(usual: object, value: str | int | float) -> str | int | float | None:
        return None if value == usual else value

    bare = command_text("fit", request.logs[0], ())
    whole = command_text(
        "fit",
        request.logs[0],
        (
            ("--columns", request.columns),
            ("--times", unless(Times.AUTO.value, request.times)),
            ("--lengths", unless(LengthUnit.SECONDS.value, request.lengths)),
            ("--timezone", request.timezone),
            ("--tenant", request.tenant),
            ("--max-tenants", unless(MAX_TENANTS, request.max_tenants)),
            ("--max-broken", unless(MAX_BROKEN, request.max_broken)),
            ("--keep-duplicates", request.keep_duplicates),
            ("--cycle", unless(AUTO, request.cycle)),
            ("--blocking", unless(BLOCKING, request.blocking)),
            ("--seed", unless(1, request.seed)),
            ("--output", request.output),
        ),
    )
    others = "".join(f" {shlex.quote(str(path))}" for path in request.logs[1:])
    return bare + others + whole.removeprefix(bare)


def read_options(request: FitRequest) -> ReadOptions:
    """Raises :class:`FitRefused` and :class:`~simulator.fit.mappings.MappingInvalid`."""
    mapping = parse_columns(request.columns)
    if not 0 < request.blocking < 1:
        raise FitRefused(f"--blocking is {request.blocking:g}; write a share like 0.01")
    return ReadOptions(
        mapping=mapping,
        times=Times(request.times),
        lengths=LengthUnit(request.lengths),
        zone=_zone(request.timezone),
        tenant=_tenant(request.tenant),
        most_tenants=request.max_tenants,
        most_broken=_share(request.max_broken),
        merge=not request.keep_duplicates,
    )


def cycle_of(request: FitRequest) -> Cycle | None:
    """What the rate profile repeats; None leaves it to the length of the log."""
    return None if request.cycle == AUTO else Cycle(request.cycle)


def check_files(request: FitRequest) -> None:
    """Raises :class:`FitRefused` and OSError now, and not after long work, where something is in
    the way of what will be written."""
    check_writable("--output", request.output)
    check_writable("--page", request.page)
    if request.output.exists() and not request.force:
        raise FitRefused(f"--output: {request.output} is there already; --force writes over it")
    for path in request.logs:
        for option, target in (("--output", request.output), ("--page", request.page)):
            if target is not None and target.exists() and os.path.samefile(path, target):
                raise FitRefused(f"{option}: {target} is the log itself")
    if request.page is not None and request.page.absolute() == request.output.absolute():
        raise FitRefused("--page and --output name the same file")


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    known = available_timezones()
    if name not in known:
        near = did_you_mean(name, sorted(known))
        raise FitRefused(f"--timezone: {name!r} is no time zone{near}; write it like Europe/Berlin")
    return ZoneInfo(name)


def _tenant(name: str | None) -> str | None:
    if name is not None and (
        not name.strip() or len(name) > _LONGEST_TENANT or not name.isprintable()
    ):
        raise FitRefused(f"--tenant: a tenant has a name of 1 to {_LONGEST_TENANT} characters")
    return name


def _share(text: str) -> float:
    match = _PERCENT.fullmatch(text)
    share = math.nan if match is None else float(match[1]) / 100
    if not 0 <= share <= 1:
        raise FitRefused(f"--max-broken: {text!r} is no share of lines; write it like 5%")
    return share
