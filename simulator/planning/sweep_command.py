"""``busyhour sweep``: from options to an exit code."""

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulator.console import ProgressLine, say
from simulator.exit_codes import INCONCLUSIVE, INVALID, PASSED
from simulator.planning.cluster import (
    ClusterFailed,
    check_address,
    on_scheduler,
    on_worker_processes,
)
from simulator.planning.documents import sweep_csv, sweep_document
from simulator.planning.options import interval_us_of, share_of
from simulator.planning.result import PlanRefused
from simulator.planning.sweep import Sweep, grid_points
from simulator.planning.sweep import sweep as run_sweep
from simulator.planning.tasks import Scheduler, on_threads
from simulator.planning.vary import axes_of
from simulator.planning.words import interval_text, percent, span
from simulator.report.pages import check_writable, command_text, write
from simulator.report.pages.sweep_page import sweep_page
from simulator.scenario_file import ScenarioInvalid
from simulator.scenario_file.load import ScenarioSource
from simulator.trace import TraceInvalid

_KINDS: Final = (".csv", ".json")
_MOST_PROBLEMS: Final = 20


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """The options of ``busyhour sweep`` as they were written.

    ``workers``, ``scheduler`` and ``cluster`` say who does the work: at most one of them.
    """

    scenario: Path
    overrides: tuple[str, ...]
    seed: int | None
    vary: tuple[str, ...]
    replications: int
    confidence: float
    worst_interval: str | None
    output: tuple[Path, ...]
    workers: int | None
    as_json: bool
    scheduler: str | None = None
    cluster: int | None = None
    html: Path | None = None


def sweep(request: SweepRequest) -> int:
    """Play a grid, write and print it; 2 for wrong input, 3 when a cluster fails.

    Raises OSError where a file cannot be written.
    """
    check_writable("--html", request.html)
    progress = ProgressLine(request.scenario.stem, sys.stderr)
    try:
        found = _swept(request, progress)
    except ScenarioInvalid as error:
        for problem in error.problems[:_MOST_PROBLEMS]:
            say(str(problem))
        if len(error.problems) > _MOST_PROBLEMS:
            say(f"and {len(error.problems) - _MOST_PROBLEMS} more problems")
        return INVALID
    except (PlanRefused, TraceInvalid) as error:
        say(str(error))
        return INVALID
    except ClusterFailed as error:
        progress.clear()
        say(str(error))
        return INCONCLUSIVE
    finally:
        progress.clear()
    document = json.dumps(sweep_document(found), allow_nan=False)
    for path in request.output:
        text = sweep_csv(found) if path.suffix == ".csv" else document + "\n"
        path.write_text(text, encoding="utf-8")
    if request.html is not None:
        write(sweep_page(found, _command(request)), request.html)
    print(document if request.as_json else "\n".join(_lines(found)), flush=True)
    return PASSED


def _command(request: SweepRequest) -> str:
    """The command to type again."""
    return command_text(
        "sweep",
        request.scenario,
        (
            ("--vary", request.vary),
            ("--replications", request.replications),
            ("--confidence", request.confidence),
            ("--worst-interval", request.worst_interval),
            ("--seed", request.seed),
            ("--set", request.overrides),
            ("--output", request.output),
            ("--html", request.html),
        ),
    )


def _swept(request: SweepRequest, progress: ProgressLine) -> Sweep:
    """Raises ScenarioInvalid, PlanRefused, TraceInvalid and ClusterFailed."""
    _check_who(request)
    for path in request.output:
        if path.suffix not in _KINDS:
            raise PlanRefused(f"--output: {path} must end in .csv or .json")
        if not path.parent.is_dir():
            raise PlanRefused(f"--output: there is no directory {path.parent}")
    share_of("--confidence", request.confidence)
    source = ScenarioSource(request.scenario)
    axes = axes_of(request.vary, source, request.overrides)
    points = grid_points(source, axes, request.overrides, request.seed)
    interval_us = interval_us_of(
        request.worst_interval, min(point.scenario.duration_us for point in points)
    )
    with _who(request) as scheduler:
        return run_sweep(
            points,
            [axis.key for axis in axes],
            request.replications,
            scheduler,
            lambda done, total: progress("replications", done, total),
            confidence=request.confidence,
            interval_us=interval_us,
        )


def _check_who(request: SweepRequest) -> None:
    """Raises :class:`PlanRefused` for an address that is none, and for two who are to do it."""
    given = {
        "--workers": request.workers,
        "--scheduler": request.scheduler,
        "--cluster": request.cluster,
    }
    named = [option for option, value in given.items() if value is not None]
    if len(named) > 1:
        raise PlanRefused(f"{' and '.join(named)}: one of them does the work; give one")
    if request.scheduler is not None:
        check_address(request.scheduler)


def _who(request: SweepRequest) -> AbstractContextManager[Scheduler]:
    if request.scheduler is not None:
        return on_scheduler(request.scheduler)
    if request.cluster is not None:
        return on_worker_processes(request.cluster)
    return nullcontext(on_threads(request.workers))


def _lines(found: Sweep) -> Iterator[str]:
    """A table: the values of each point, and what was found there."""
    yield (
        f"{found.scenario}: {len(found.points):,} points, {found.replications} replications each, "
        f"intervals at {100 * found.confidence:g} %"
    )
    widths = [
        max(len(key), *(len(point.values[place]) for point in found.points))
        for place, key in enumerate(found.keys)
    ]
    head = "  ".join(f"{key:>{width}}" for key, width in zip(found.keys, widths, strict=True))
    worst = "  worst interval" if found.interval_us else ""
    yield f"  {head}  {'blocking':<32}{'time congestion':<32}{'occupancy':>9}{worst}"
    for point in found.points:
        values = (f"{value:>{width}}" for value, width in zip(point.values, widths, strict=True))
        figures = point.figures
        occupancy = "-" if figures.occupancy is None else percent(figures.occupancy.value)
        line = (
            f"  {'  '.join(values)}  {interval_text(figures.blocking):<32}"
            f"{interval_text(figures.time_congestion):<32}{occupancy:>9}"
        )
        if figures.worst_interval is not None and figures.worst_interval.blocking is not None:
            blocking = percent(figures.worst_interval.blocking.value)
            line += f"  {span(figures.worst_interval)}: {blocking}"
        yield line
