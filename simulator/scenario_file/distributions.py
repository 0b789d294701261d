"""Distributions as a scenario file writes them, as the scenario's own types."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Final

from simulator import scenario
from simulator.cdr.lengths import read_lengths
from simulator.scenario_file import distribution_model as shapes
from simulator.scenario_file.problems import InputInvalid, Path, Problem, Report
from simulator.traffic.samplers import mean_us

_STAND_IN: Final = scenario.Deterministic(60_000_000.0)
"""Takes the place of a distribution that has a problem; the scenario is refused anyway."""

_SQRT_3: Final = math.sqrt(3)
_PHASES_SLACK: Final = 0.01


@dataclass(frozen=True, slots=True)
class Reading:
    """What turning one file into a scenario needs: where to look for files, whom to tell."""

    directory: FilePath
    report: Report
    add: Callable[[Problem], None]

    def file_named(self, name: str) -> FilePath:
        return self.directory / name


def distribution(
    shape: "shapes.DistributionShape", path: Path, reading: Reading
) -> scenario.Distribution:
    """The distribution at ``path``; what is wrong with it is reported."""
    match shape:
        case int():
            return scenario.Deterministic(float(shape))
        case shapes.ExponentialShape():
            return scenario.Exponential(float(shape.mean))
        case shapes.DeterministicShape():
            return scenario.Deterministic(float(shape.value))
        case shapes.GammaShape():
            return scenario.Gamma(float(shape.mean), shape.cv)
        case shapes.LognormalShape():
            return scenario.Lognormal(float(shape.mean), shape.cv)
        case shapes.WeibullShape():
            return scenario.Weibull(float(shape.mean), shape.cv)
        case shapes.HyperExponentialShape():
            return scenario.HyperExponential(float(shape.mean), shape.cv)
        case shapes.UniformShape():
            return _uniform(shape, path, reading)
        case shapes.ErlangShape():
            return _erlang(shape, path, reading)
        case shapes.ParetoShape():
            return _pareto(shape, path, reading)
        case shapes.EmpiricalShape():
            return _empirical(shape, path, reading)
        case shapes.MixtureShape():
            return scenario.Mixture(
                tuple(
                    (part.weight, distribution(part.distribution, (*path, "parts", i), reading))
                    for i, part in enumerate(shape.parts)
                )
            )


def erlang_phases(cv: float) -> int | None:
    """The number of phases whose Erlang distribution has this cv, or None when none has."""
    exact = 1 / (cv * cv)
    phases = max(1, round(exact))
    return phases if abs(exact - phases) <= _PHASES_SLACK * phases else None


def pareto_low(mean: float, shape: float, high: float) -> float:
    """Lower end at which a Pareto of ``shape`` truncated at ``high`` has ``mean`` (< high).

    The mean grows with the lower end, from 0 to ``high``, so bisection finds the one solution.
    """
    bottom, top = -700.0, 0.0
    for _ in range(200):
        middle = (bottom + top) / 2
        if mean_us(scenario.Pareto(shape, high * math.exp(middle), high)) < mean:
            bottom = middle
        else:
            top = middle
    return high * math.exp((bottom + top) / 2)


def _uniform(shape: shapes.UniformShape, path: Path, reading: Reading) -> scenario.Distribution:
    by_ends = shape.low is not None and shape.high is not None
    by_mean = shape.mean is not None and shape.cv is not None
    given = [shape.low, shape.high, shape.mean, shape.cv]
    if sum(value is not None for value in given) != 2 or not (by_ends or by_mean):
        reading.report(path, "needs either low and high, or mean and cv")
        return _STAND_IN
    if shape.low is not None and shape.high is not None:
        if shape.low > shape.high:
            reading.report((*path, "low"), "is above high, so no value lies between them")
        return scenario.Uniform(float(shape.low), float(shape.high))
    mean, cv = float(shape.mean or 0), shape.cv or 0.0
    half = mean * cv * _SQRT_3
    return scenario.Uniform(max(0.0, mean - half), mean + half)


def _erlang(shape: shapes.ErlangShape, path: Path, reading: Reading) -> scenario.Distribution:
    if (shape.phases is None) == (shape.cv is None):
        reading.report(path, "needs either phases or cv")
        return _STAND_IN
    phases = shape.phases
    if shape.cv is not None:
        phases = erlang_phases(shape.cv)
        if phases is None:
            near = max(1, round(1 / shape.cv**2))
            reading.report(
                (*path, "cv"),
                f"no number of phases has cv {shape.cv:g}; {near} phases have {near**-0.5:.4f} "
                "(cv is 1/sqrt(phases); gamma takes any cv)",
            )
    return scenario.Erlang(float(shape.mean), phases or 1)


def _pareto(shape: shapes.ParetoShape, path: Path, reading: Reading) -> scenario.Distribution:
    high = float(shape.high)
    if (shape.low is None) == (shape.mean is None):
        reading.report(path, "needs either low or mean, beside shape and high")
        return _STAND_IN
    name, value = ("low", shape.low) if shape.low is not None else ("mean", shape.mean)
    below = float(value or 0)
    if below >= high:
        reading.report(
            (*path, name),
            f"must be below high, where the values are cut off; {name} "
            "and high leave nothing between them",
        )
        return _STAND_IN
    low = below if name == "low" else pareto_low(below, shape.shape, high)
    if low < 1:
        reading.report((*path, name), "is so far below high that most values would round to zero")
        return _STAND_IN
    return scenario.Pareto(shape.shape, low, high)


def _empirical(shape: shapes.EmpiricalShape, path: Path, reading: Reading) -> scenario.Distribution:
    from_file = shape.file is not None or shape.column is not None
    if from_file == (shape.values is not None) or (
        from_file and (shape.file is None or shape.column is None)
    ):
        reading.report(path, "needs either values, or file and column")
        return _STAND_IN
    if shape.values is not None:
        return scenario.Empirical(tuple(float(value) for value in shape.values))
    try:
        values = read_lengths(reading.file_named(shape.file or ""), shape.column or "")
    except InputInvalid as error:
        for problem in error.problems:
            reading.add(problem)
        return _STAND_IN
    return scenario.Empirical(tuple(float(value) for value in values))
