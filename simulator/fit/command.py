"""``busyhour fit``: from options to an exit code."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulator.cdr.lines import CallLogInvalid
from simulator.cdr.mappings import MappingInvalid
from simulator.cdr.options import OptionInvalid
from simulator.cdr.reader import read_calls
from simulator.cdr.recorded import RecordedCalls
from simulator.console import ProgressLine, say
from simulator.exit_codes import INVALID, PASSED
from simulator.fit.capacity import TrafficTooGreat
from simulator.fit.comparison import Comparison, compare_log
from simulator.fit.comparison_words import comparison_lines
from simulator.fit.document import fit_document
from simulator.fit.estimating import NothingToFit, fit_log
from simulator.fit.fitted import Fitted
from simulator.fit.reading_words import fitted_lines, reading_lines
from simulator.fit.request import (
    FitRequest,
    check_files,
    command_of,
    cycle_of,
    read_options,
)
from simulator.fit.scenario_text import scenario_text
from simulator.fit.words import counted
from simulator.report.pages import write
from simulator.report.pages.fit_page import fit_page
from simulator.scenario import Scenario
from simulator.scenario_file import load_scenario
from simulator.trace import TraceInvalid


def fit(request: FitRequest) -> int:
    """Read the logs, fit a scenario, write it and print what it loses; 2 for wrong input.

    The scenario and the page are written when all else is done. Raises OSError where they cannot
    be.
    """
    progress = ProgressLine("fit", sys.stderr)
    try:
        options = read_options(request)
        check_files(request)
        log = read_calls(
            request.logs,
            options,
            lambda path, done, total: progress(f"reading {path.name}", done, total),
        )
        fitted = fit_log(
            log,
            cycle=cycle_of(request),
            blocking=request.blocking,
            seed=request.seed,
            progress=lambda done, total: progress("fitting", done, total),
        )
        text = _text(request, log, fitted)
        with _Part(request.output, text) as part:
            comparison = _compared(request, log, fitted, part.scenario(), progress)
            _write_page(request, log, fitted, text, comparison)
            part.put_in_place()
    except CallLogInvalid as error:
        return _refuse(progress, *error.problems)
    except (NothingToFit, TrafficTooGreat) as error:
        return _refuse(progress, f"{', '.join(map(str, request.logs))}: {error}")
    except (MappingInvalid, OptionInvalid, TraceInvalid) as error:
        return _refuse(progress, error)
    finally:
        progress.clear()
    if request.as_json:
        document = fit_document(log, fitted, comparison, request.output, request.html)
        print(json.dumps(document, allow_nan=False), flush=True)
    else:
        print("\n".join(_lines(request, log, fitted, comparison)), flush=True)
    return PASSED


def _refuse(progress: ProgressLine, *problems: object) -> int:
    progress.clear()
    for problem in problems:
        say(str(problem))
    return INVALID


@dataclass(slots=True)
class _Part:
    """A scenario file under a name beside its own, until it is put in its place."""

    path: Path
    text: str

    @property
    def _part(self) -> Path:
        return self.path.with_name(f".{self.path.name}-{os.getpid()}.part")

    def __enter__(self) -> "_Part":
        try:
            self._part.write_text(self.text, encoding="utf-8")
        except OSError as error:
            self._part.unlink(missing_ok=True)
            reason = error.strerror or str(error)
            raise OSError(f"--output: {self.path} cannot be written: {reason}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._part.unlink(missing_ok=True)

    def scenario(self) -> Scenario:
        """The scenario as anybody would load it."""
        return load_scenario(self._part)

    def put_in_place(self) -> None:
        self._part.replace(self.path)


def _text(request: FitRequest, log: RecordedCalls, fitted: Fitted) -> str:
    remarks = [f"From {each.path.name}, SHA-256 {each.sha256}." for each in log.files]
    if log.broken.count:
        verb = "was" if log.broken.count == 1 else "were"
        remarks.append(f"{counted(log.broken.count, 'broken line')} {verb} left out.")
    return scenario_text(
        fitted,
        name=request.output.stem,
        command=command_of(request),
        remarks=(*remarks, *log.notes),
    )


def _compared(
    request: FitRequest,
    log: RecordedCalls,
    fitted: Fitted,
    scenario: Scenario,
    progress: ProgressLine,
) -> Comparison | None:
    if not request.compare:
        return None
    capacity = request.capacity
    return compare_log(
        log,
        fitted,
        scenario,
        scenario.max_concurrent_calls if capacity is None else capacity,
        request.replications,
        request.workers or os.cpu_count() or 1,
        lambda done, total: progress("comparing with the log", done, total),
    )


def _write_page(
    request: FitRequest,
    log: RecordedCalls,
    fitted: Fitted,
    text: str,
    comparison: Comparison | None,
) -> None:
    if request.html is None:
        return
    page = fit_page(
        fitted,
        log,
        comparison,
        name=request.output.stem,
        command=command_of(request),
        scenario=text,
    )
    write(page, request.html)


def _lines(
    request: FitRequest, log: RecordedCalls, fitted: Fitted, comparison: Comparison | None
) -> Iterator[str]:
    yield from reading_lines(log)
    yield from fitted_lines(fitted)
    if comparison is not None:
        yield from comparison_lines(comparison)
    yield f"scenario: {request.output}"
    if request.html is not None:
        yield f"page: {request.html}"
