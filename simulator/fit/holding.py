"""Which distribution durations have: families fitted by maximum likelihood, or their quantiles.

A record gives durations in steps, of a second or of a billing unit. So a value v says only that
the duration lies within half a step of v, and the likelihood is that of such cells; ties and calls
of length zero need nothing further.
"""

import math
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.fit.families import Fit, Sample, fit_all
from simulator.fit.fitted import Candidate, Cells, Durations
from simulator.fit.tails import Floats
from simulator.scenario import Deterministic, Empirical
from simulator.traffic.samplers import mean_us

Int64s = npt.NDArray[np.int64]

FEWEST: Final = 50
"""Fewer values than this are pooled with those of other tenants."""
_MOST_CELLS: Final = 1000
_FEWEST_FOR_STEP: Final = 30
_NARROWEST: Final = 1e-4
_MOST_EDGES: Final = 64
_FARTHEST: Final = 1e5
"""Times shorter than the longest by more than this are drawn as one."""
MOST_VALUES: Final = 100
"""Values of an empirical distribution."""
FAR: Final = 0.05
"""A distance up to which a family is near enough, however sure one may be that it is another."""
_CHANCE: Final = 1.36
"""Times 1/sqrt(n): the distance of n values from their own distribution, exceeded once in 20."""
_MEAN_NEAR: Final = 0.01
_STANDARD_ERRORS: Final = 2.0


def fit_durations(values_us: Int64s, resolution_us: int = 1) -> Durations:
    """The distribution of durations >= 0 in microseconds, shape (n,), n >= 1.

    Candidates are exponential, gamma, lognormal, Weibull, hyperexponential and truncated Pareto, by
    maximum likelihood with all mass from 0 up. The one with the least AIC (corrected for few
    values; C. M. Hurvich and C.-L. Tsai, Biometrika 76, 1989) is taken, if its distance to the data
    is at most 0.05 or 1.36 / sqrt(n), the larger, and its mean is that of the data within 1 % or
    two standard errors, the larger: the mean is what traffic is made of. Where no candidate is,
    the distribution is ``empirical``: at most 100 values, each the mean of an equal part of the
    data, so that the mean is kept exactly. Values that are all the same are that value.

    No p-value goes with the distance: with fitted parameters the usual tables do not hold
    (H. W. Lilliefors, Journal of the American Statistical Association 62, 1967), and of a long log
    they would refuse every family. Raises ValueError without values or for one below 0.
    """
    if not len(values_us) or values_us.min() < 0:
        raise ValueError("durations must be at least one, and none below 0")
    step = _step(values_us, resolution_us)
    mean, spread = float(values_us.mean()), float(values_us.std())
    base = Durations(
        chosen=Deterministic(mean),
        chosen_name="deterministic",
        n=len(values_us),
        mean_us=mean,
        cv=spread / mean if mean else 0.0,
        resolution_us=step,
        distance=0.0,
        accepted_distance=max(FAR, _CHANCE / math.sqrt(len(values_us))),
        why="all are the same",
    )
    if values_us.min() == values_us.max():
        return base
    sample = _in_cells(values_us, step, mean, base.cv)
    cells = _drawn_cells(values_us, step)
    candidates = sorted(
        (_judged(fit, sample, base) for fit in fit_all(sample)), key=lambda each: each.aic
    )
    taken = next((each for each in candidates if not each.refused), None)
    if taken is not None:
        return replace(
            base,
            chosen=taken.distribution,
            chosen_name=taken.name,
            distance=taken.distance,
            candidates=tuple(candidates),
            cells=cells,
            why="least AIC" if taken is candidates[0] else "least AIC of those that fit",
        )
    return replace(
        base,
        chosen=Empirical(slice_means(values_us.astype(np.float64), MOST_VALUES)),
        chosen_name="empirical",
        candidates=tuple(candidates),
        cells=cells,
        why="no family fits",
    )


def _step(values_us: Int64s, resolution_us: int) -> int:
    """The largest step that all values are multiples of, if they are enough to tell."""
    found = int(np.gcd.reduce(values_us))
    if found == 0 or len(values_us) < _FEWEST_FOR_STEP:
        return resolution_us
    return max(found, resolution_us)


def _in_cells(values_us: Int64s, step: int, mean: float, cv: float) -> Sample:
    """Each distinct value as a cell one step wide; a long log in 1000 cells of like counts.

    Likelihood in 1000 cells loses no precision that could be seen, and takes the same time however
    long the log is. A cell is at least a ten thousandth of the mean wide: differences of the
    distribution function across less would be lost in its rounding.
    """
    distinct, counts = np.unique(values_us, return_counts=True)
    half = max(step, _NARROWEST * mean) / 2
    low: Floats = np.asarray(np.maximum(distinct - half, 0.0), np.float64)
    high: Floats = np.asarray(distinct + half, np.float64)
    if len(distinct) > _MOST_CELLS:
        share = np.cumsum(counts) / counts.sum()
        firsts = np.unique(
            np.searchsorted(share, np.arange(_MOST_CELLS) / _MOST_CELLS, side="right")
        )
        firsts = firsts[firsts < len(distinct)]
        between: Floats = (distinct[firsts[1:] - 1] + distinct[firsts[1:]]) / 2.0
        low = np.concatenate((low[:1], between))
        high = np.concatenate((between, high[-1:]))
        counts = np.add.reduceat(counts, firsts)
    return Sample(
        low=low / mean,
        high=high / mean,
        counts=counts.astype(np.float64),
        cv=cv,
        least=(int(values_us.min()) - step / 2) / mean,
        most=(int(values_us.max()) + step / 2) / mean,
    )


def _drawn_cells(values_us: Int64s, step: int) -> Cells:
    """Counts between at most 64 edges, equal factors apart, each half-way between two steps."""
    ranked = np.sort(values_us)
    least = max(float(ranked[np.searchsorted(ranked, 1)]), ranked[-1] / _FARTHEST)
    wanted = np.geomspace(least, float(ranked[-1]), _MOST_EDGES - 1)
    edges = np.concatenate(([0.0], np.unique(np.round(wanted / step)) * step + step / 2))
    ended = np.searchsorted(ranked, edges[1:], side="right")
    return Cells(tuple(edges.tolist()), tuple(np.diff(ended, prepend=0).tolist()))


def _judged(fit: Fit, sample: Sample, base: Durations) -> Candidate:
    distribution = fit.scaled(base.mean_us)
    fitted_mean = mean_us(distribution)
    distance = _distance(fit, sample)
    n, k = base.n, fit.parameters
    corrected = 2 * k * n / (n - k - 1) if n > k + 1 else math.inf
    error = base.cv / math.sqrt(n)
    reasons = []
    if not math.isfinite(corrected):
        reasons.append(f"{n} values are too few for {k} parameters")
    if distance > base.accepted_distance:
        reasons.append(f"distance above {base.accepted_distance:.3f}")
    off = fitted_mean / base.mean_us - 1
    if abs(off) > max(_MEAN_NEAR, _STANDARD_ERRORS * error):
        reasons.append(f"mean off by {100 * off:+.1f} %")
    return Candidate(
        name=fit.name,
        distribution=distribution,
        parameters=k,
        log_likelihood=fit.log_likelihood,
        aic=corrected - 2 * fit.log_likelihood,
        distance=distance,
        mean_us=fitted_mean,
        refused=" and ".join(reasons),
    )


def _distance(fit: Fit, sample: Sample) -> float:
    """The largest difference of the distribution functions, at the edges of cells.

    Inside a cell nothing is known; at its edges both are.
    """
    share = np.cumsum(sample.counts) / sample.n
    at_high = np.abs(fit.tails(sample.high)[0] - share)
    at_low = np.abs(fit.tails(sample.low)[0] - np.concatenate(([0.0], share[:-1])))
    return float(max(at_high.max(), at_low.max()))


def slice_means(values: Floats, most: int, weights: Floats | None = None) -> tuple[float, ...]:
    """Means of ``most`` equal parts of the sorted values (all values, if there are not more).

    With weights a part holds an equal share of them; a value may lie in two parts. So the mean of
    the parts is that of the values.
    """
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    if weights is None and len(values) <= most:
        return tuple(ranked.tolist())
    mass = np.ones(len(values)) if weights is None else weights[order]
    ends = np.concatenate(([0.0], np.cumsum(mass)))
    sums = np.concatenate(([0.0], np.cumsum(mass * ranked)))
    cuts = np.linspace(0.0, ends[-1], most + 1)
    parts = np.diff(np.interp(cuts, ends, sums)) / (ends[-1] / most)
    return tuple(np.clip(parts, ranked[0], ranked[-1]).tolist())
