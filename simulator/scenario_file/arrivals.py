"""Arrivals as a scenario file writes them, as the scenario's own types."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulator import scenario
from simulator.cdr.lines import CallLogInvalid
from simulator.cdr.mappings import by_names
from simulator.cdr.reader import ReadOptions, read_calls
from simulator.scenario_file import arrivals_model as shapes
from simulator.scenario_file.distributions import Reading, distribution, erlang_phases
from simulator.scenario_file.problems import Path, Problem, Report
from simulator.traffic.chains import MOST_DEPENDENTS, most_calls_of
from simulator.traffic.samplers import mean_us

STAND_IN: Final = scenario.ExactCount(0)
"""Takes the place of arrivals that have a problem; the scenario is refused anyway."""

_MOST_PER_US: Final = 1.0
_UNIFORM_CV_MOST: Final = 1 / math.sqrt(3)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a tenant's arrivals need to know of the rest: the mean time a call holds a slot."""

    tenant_id: str
    duration_us: int
    slot_us_mean: float


def arrivals(
    shape: "shapes.ArrivalsShape", path: Path, setting: Setting, reading: Reading
) -> scenario.Arrivals:
    """The arrivals at ``path``; what is wrong with them is reported."""
    match shape:
        case shapes.PoissonShape():
            return scenario.Poisson(_offered_rate(shape, path, setting, reading))
        case shapes.RegularShape():
            return _regular(shape, path, setting, reading)
        case shapes.RenewalShape():
            return _renewal(shape, path, setting, reading)
        case shapes.ProfileShape():
            return _profile(shape, path, setting, reading)
        case shapes.SinusoidShape():
            rate = _offered_rate(shape, path, setting, reading)
            return scenario.Sinusoid(rate, shape.amplitude, shape.period, shape.phase)
        case shapes.MmppShape():
            if all(state.rate == 0 for state in shape.states):
                reading.report((*path, "states"), "offer nothing: every rate is zero")
            return scenario.Mmpp(
                tuple(state.rate for state in shape.states),
                tuple(float(state.mean_stay) for state in shape.states),
            )
        case shapes.FlashCrowdShape():
            return _flash_crowd(shape, path, setting, reading)
        case shapes.BatchShape():
            if (shape.rate is None) == (shape.every is None):
                reading.report(path, "needs either rate (of batches) or every")
            gap = None if shape.every is None else float(shape.every)
            return scenario.Batch(shape.size, shape.rate, gap)
        case shapes.FiniteSourceShape():
            think = distribution(shape.think, (*path, "think"), reading)
            if mean_us(think) < 1:
                reading.report((*path, "think"), "must have a mean above zero")
            return _finite_source(
                scenario.FiniteSource(shape.sources, think), path, setting, reading
            )
        case shapes.ExactCountShape():
            return scenario.ExactCount(shape.count)
        case shapes.LogShape():
            return _log(shape, path, setting, reading)


def _offered_rate(shape: shapes.Offered, path: Path, setting: Setting, reading: Reading) -> float:
    """Calls per microsecond, given or from the erlangs: rate = erlangs / mean slot time."""
    if (shape.rate is None) == (shape.erlangs is None):
        reading.report(path, "needs one of rate and erlangs, not both")
        return 0.0
    if shape.rate is not None:
        return shape.rate
    if setting.slot_us_mean <= 0:
        reading.report(
            (*path, "erlangs"), "needs calls that last: setup, connect and hold are all zero"
        )
        return 0.0
    rate = (shape.erlangs or 0.0) / setting.slot_us_mean
    if rate > _MOST_PER_US:
        reading.report((*path, "erlangs"), "comes to more than a million calls a second")
    return rate


def _regular(
    shape: shapes.RegularShape, path: Path, setting: Setting, reading: Reading
) -> scenario.Arrivals:
    if shape.every is not None:
        if shape.rate is not None or shape.erlangs is not None:
            reading.report(path, "needs only one of every, rate and erlangs")
        return scenario.Regular(float(shape.every))
    if shape.rate is None and shape.erlangs is None:
        reading.report(path, "needs one of every, rate and erlangs")
        return STAND_IN
    rate = _offered_rate(shape, path, setting, reading)
    return scenario.Regular(1 / rate) if rate else STAND_IN


def _by_mean_and_cv(name: str, mean: float, cv: float) -> scenario.Distribution | str:
    """A distribution of gaps, or why there is none with this cv."""
    match name:
        case "gamma":
            return scenario.Gamma(mean, cv)
        case "weibull":
            return scenario.Weibull(mean, cv)
        case "lognormal":
            return scenario.Lognormal(mean, cv)
        case "hyperexponential":
            if cv < 1:
                return "a hyperexponential distribution has cv 1 or more; gamma takes any cv"
            return scenario.HyperExponential(mean, cv)
        case "erlang":
            phases = erlang_phases(cv)
            if phases is None:
                return f"no number of phases has cv {cv:g} = 1/sqrt(phases); gamma takes any cv"
            return scenario.Erlang(mean, phases)
        case _:
            half = mean * cv * math.sqrt(3)
            if cv > _UNIFORM_CV_MOST:
                return f"a uniform distribution from zero up has cv {_UNIFORM_CV_MOST:.3f} at most"
            return scenario.Uniform(max(0.0, mean - half), mean + half)


def _renewal(
    shape: shapes.RenewalShape, path: Path, setting: Setting, reading: Reading
) -> scenario.Arrivals:
    by_rate = [shape.rate, shape.erlangs, shape.distribution, shape.cv]
    if shape.gap is not None:
        if any(value is not None for value in by_rate):
            reading.report(path, "has a gap, so rate, erlangs, distribution and cv have no place")
        gap = distribution(shape.gap, (*path, "gap"), reading)
        if mean_us(gap) < 1:
            reading.report((*path, "gap"), "must have a mean above zero")
        return scenario.Renewal(gap)
    if shape.distribution is None or shape.cv is None:
        reading.report(path, "needs either gap, or rate (or erlangs), distribution and cv")
        return STAND_IN
    rate = _offered_rate(shape, path, setting, reading)
    if rate == 0:
        return STAND_IN
    by_cv = _by_mean_and_cv(shape.distribution, 1 / rate, shape.cv)
    if isinstance(by_cv, str):
        reading.report((*path, "cv"), by_cv)
        return STAND_IN
    return scenario.Renewal(by_cv)


def _profile(
    shape: shapes.ProfileShape, path: Path, setting: Setting, reading: Reading
) -> scenario.Arrivals:
    pieces: Sequence[shapes.RateFrom | shapes.FactorFrom]
    if shape.rates is not None:
        if shape.shape is not None or shape.rate is not None or shape.erlangs is not None:
            reading.report(path, "has rates, so shape, rate and erlangs have no place")
        key, pieces = "rates", shape.rates
        rates = tuple(piece.rate for piece in shape.rates)
    elif shape.shape is not None:
        key, pieces = "shape", shape.shape
        base = _offered_rate(shape, path, setting, reading)
        rates = tuple(base * piece.factor for piece in shape.shape)
        for place, rate in enumerate(rates):
            if rate > _MOST_PER_US:
                here = (*path, key, place, "factor")
                reading.report(here, "comes to more than a million calls a second")
    else:
        reading.report(path, "needs either rates, or shape and a rate (or erlangs)")
        return STAND_IN
    starts = tuple(piece.from_ for piece in pieces)
    _check_starts(starts, (*path, key), shape, setting, reading.report)
    multipliers = [
        piece.rate if isinstance(piece, shapes.RateFrom) else piece.factor for piece in pieces
    ]
    if not any(multipliers):
        reading.report((*path, key), "offers nothing: every entry is zero")
    if shape.repeat is not None and starts[-1] >= shape.repeat:
        reading.report((*path, "repeat"), "must be longer than the last from")
    return scenario.RateProfile(starts, rates, shape.repeat)


def _check_starts(
    starts: Sequence[int],
    path: Path,
    shape: shapes.ProfileShape,
    setting: Setting,
    report: Report,
) -> None:
    if starts[0] != 0:
        report((*path, 0, "from"), "must be 0s: the first rate holds from the start")
    for place in range(1, len(starts)):
        if starts[place] <= starts[place - 1]:
            report((*path, place, "from"), "must be later than the entry before it")
        elif starts[place] >= setting.duration_us and shape.repeat is None:
            report((*path, place, "from"), "lies beyond the end of the run")


def _flash_crowd(
    shape: shapes.FlashCrowdShape, path: Path, setting: Setting, reading: Reading
) -> scenario.Arrivals:
    rate = _offered_rate(shape, path, setting, reading)
    if (shape.peak_rate is None) == (shape.peak_factor is None):
        reading.report(path, "needs either peak_rate or peak_factor")
        return STAND_IN
    name = "peak_factor" if shape.peak_rate is None else "peak_rate"
    peak = rate * (shape.peak_factor or 0.0) if shape.peak_rate is None else shape.peak_rate
    if peak < rate:
        reading.report((*path, name), "must be at least the base rate")
    if peak > _MOST_PER_US:
        reading.report((*path, name), "comes to more than a million calls a second")
    if shape.at < shape.ramp:
        reading.report((*path, "at"), "must leave room for the ramp before it")
    if shape.at >= setting.duration_us:
        reading.report((*path, "at"), "lies beyond the end of the run")
    return scenario.FlashCrowd(rate, peak, shape.at, shape.ramp, shape.hold)


def _finite_source(
    finite: scenario.FiniteSource, path: Path, setting: Setting, reading: Reading
) -> scenario.FiniteSource:
    most = most_calls_of(finite, setting.duration_us)
    if most > MOST_DEPENDENTS:
        reading.report(
            (*path, "sources"),
            f"may make {most:.3g} calls in the run, more than {MOST_DEPENDENTS:,}; take fewer "
            "sources, a longer think time or a shorter run",
            because_of=("duration",),
        )
    return finite


def _log(
    shape: shapes.LogShape, path: Path, setting: Setting, reading: Reading
) -> scenario.Arrivals:
    if shape.tenant is not None and shape.columns.tenant is None:
        reading.report((*path, "tenant"), "needs columns.tenant, to tell whose call a row is")
        return STAND_IN
    file = reading.file_named(shape.file)
    columns = {
        name: column for name, column in shape.columns.model_dump().items() if column is not None
    }
    try:
        log = read_calls([file], ReadOptions(by_names(columns), merge=False))
    except CallLogInvalid as error:
        for problem in error.problems:
            reading.add(problem)
        return STAND_IN
    rows = np.arange(len(log))
    if shape.columns.tenant is not None:
        wanted = shape.tenant if shape.tenant is not None else setting.tenant_id
        if wanted not in log.tenants:
            reading.report((*path, "file"), f"has no rows with the tenant {wanted!r}")
            return STAND_IN
        rows = np.flatnonzero(log.tenant == log.tenants.index(wanted))
    starts = log.run_us()[rows]
    beyond = rows[starts >= setting.duration_us]
    if len(beyond):
        reading.add(
            Problem(
                str(file),
                int(log.line[beyond[0]]),
                1,
                shape.columns.start,
                f"starts beyond the end of the run, as do {len(beyond)} rows in all; "
                "lengthen the duration or shorten the log",
            )
        )
    has_holds = shape.columns.hold is not None
    return scenario.TraceArrivals(
        tuple(starts.tolist()), tuple(log.hold_us[rows].tolist()) if has_holds else None
    )
