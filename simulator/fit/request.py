"""The options of ``busyhour fit``, checked."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulator.cdr.options import OptionInvalid, ReadingArguments, share_of
from simulator.cdr.reader import ReadOptions
from simulator.fit.fitted import Cycle
from simulator.report.pages import check_writable, command_text

AUTO: Final = "auto"
MAX_TENANTS: Final = 50
MAX_BROKEN: Final = "5%"
BLOCKING: Final = 0.01
REPLICATIONS: Final = 20


@dataclass(frozen=True, slots=True)
class FitRequest:
    """The options of ``busyhour fit`` as they were written."""

    logs: tuple[Path, ...]
    reading: ReadingArguments
    output: Path
    force: bool = False
    max_tenants: int = MAX_TENANTS
    max_broken: str = MAX_BROKEN
    cycle: str = AUTO
    blocking: float = BLOCKING
    seed: int = 1
    html: Path | None = None
    compare: bool = True
    capacity: int | None = None
    replications: int = REPLICATIONS
    workers: int | None = None
    as_json: bool = False


def command_of(request: FitRequest) -> str:
    """The command to type again."""

    def unless(usual: object, value: str | int | float) -> str | int | float | None:
        return None if value == usual else value

    return command_text(
        "fit",
        request.logs,
        (
            *request.reading.given(),
            ("--max-tenants", unless(MAX_TENANTS, request.max_tenants)),
            ("--max-broken", unless(MAX_BROKEN, request.max_broken)),
            ("--cycle", unless(AUTO, request.cycle)),
            ("--blocking", unless(BLOCKING, request.blocking)),
            ("--seed", unless(1, request.seed)),
            ("--no-compare", not request.compare),
            ("--capacity", request.capacity),
            ("--replications", unless(REPLICATIONS, request.replications)),
            ("--output", request.output),
            ("--html", request.html),
            ("--force", request.force),
        ),
    )


def read_options(request: FitRequest) -> ReadOptions:
    """Raises :class:`OptionInvalid` and :class:`~simulator.cdr.mappings.MappingInvalid`."""
    if not 0 < request.blocking < 1:
        raise OptionInvalid(f"--blocking is {request.blocking:g}; write a share like 0.01")
    return request.reading.options(
        most_tenants=request.max_tenants,
        most_broken=share_of("--max-broken", request.max_broken),
    )


def cycle_of(request: FitRequest) -> Cycle | None:
    """What the rate profile repeats; None leaves it to the length of the log."""
    return None if request.cycle == AUTO else Cycle(request.cycle)


def check_files(request: FitRequest) -> None:
    """Raises :class:`OptionInvalid` and OSError now, and not after long work, where something is in
    the way of what will be written."""
    targets = (("--output", request.output), ("--html", request.html))
    for option, target in targets:
        check_writable(option, target)
    if request.output.exists() and not request.force:
        raise OptionInvalid(f"--output: {request.output} is there already; --force writes over it")
    for place, path in enumerate(request.logs):
        for option, target in targets:
            if target is not None and _is_same(path, target):
                raise OptionInvalid(f"{option}: {target} is the log itself")
        if any(_is_same(path, other) for other in request.logs[:place]):
            raise OptionInvalid(f"{path} is given twice; its calls would count double")
    if request.html is not None and _is_same(request.html, request.output):
        raise OptionInvalid("--html and --output name the same file")


def _is_same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return os.path.samefile(one, other)
    return one.absolute() == other.absolute()
