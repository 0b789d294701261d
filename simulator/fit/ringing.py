"""From the offer to the answer, or to giving up: setup times and patience out of one record.

A record shows whichever came first. A scenario draws both, independently of each other, and lets
the shorter one happen. Of any record of what came first and when there is one such pair of
distributions that would have left it (A. Tsiatis, "A nonidentifiability aspect of the problem of
competing risks", Proceedings of the National Academy of Sciences 72, 1975), and the product-limit
estimator finds it (E. L. Kaplan and P. Meier, Journal of the American Statistical Association 53,
1958): answers with those who gave up as censored, and the other way round.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.fit.fitted import Ringing
from simulator.fit.holding import fit_durations, slice_means
from simulator.scenario import Deterministic, Distribution, Empirical, Mixture

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MOST_VALUES: Final = 50
_NOTHING_LEFT: Final = 1e-9
_BEYOND_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class _Masses:
    """A distribution with mass ``mass[i]`` at ``at_us[i]``; what is left of 1 is never reached."""

    at_us: Floats
    mass: Floats

    @property
    def left(self) -> float:
        return max(0.0, 1.0 - float(self.mass.sum()))


def fit_ringing(answer_us: Int64s, given_up_us: Int64s, resolution_us: int = 1) -> Ringing:
    """Setup and patience from the times to answers and the times of calls given up, each (n,) >= 0.

    Calls that were refused belong to neither. Where every call was answered the setup time is
    fitted as holding times are. Raises ValueError without any call.
    """
    answered, unanswered = len(answer_us), len(given_up_us)
    if not answered + unanswered:
        raise ValueError("there must be a call that was answered or given up")
    if not unanswered:
        fit = fit_durations(answer_us, resolution_us)
        mean = float(answer_us.mean())
        return Ringing(
            setup=fit.chosen,
            patience=None,
            answered=answered,
            unanswered=0,
            slot_us_mean=mean,
            model_slot_us_mean=mean,
            model_answered_share=1.0,
            fit=fit,
        )
    both = np.concatenate((answer_us, given_up_us))
    never = float(2 * both.max() + _BEYOND_US)
    answers, leavings = _product_limits(answer_us, given_up_us)
    setup = _sliced(answers, 1.0)
    patience = _sliced(leavings, 0.0)
    left = _share_left(setup, answers.left, patience, leavings.left, answered / len(both))
    share, mean = _first_of(setup, answers.left, patience, left, never)
    return Ringing(
        setup=_distribution(setup, answers.left, never),
        patience=_distribution(patience, left, never),
        answered=answered,
        unanswered=unanswered,
        slot_us_mean=float(both.mean()),
        model_slot_us_mean=mean,
        model_answered_share=share,
    )


def _product_limits(answer_us: Int64s, given_up_us: Int64s) -> tuple[_Masses, _Masses]:
    """Of answers and of giving up; of two at the same instant the latter counts as the earlier."""
    times = np.unique(np.concatenate((answer_us, given_up_us)))
    answers, leavings = (
        np.bincount(np.searchsorted(times, each), minlength=len(times))
        for each in (answer_us, given_up_us)
    )
    waiting = (answers + leavings)[::-1].cumsum()[::-1]
    # Nobody is left to be answered where all who wait give up.
    still = waiting - leavings
    hazard = np.divide(answers, still, out=np.zeros(len(times)), where=still > 0)
    return _masses(times, hazard), _masses(times, leavings / waiting)


def _masses(times: Int64s, hazard: Floats) -> _Masses:
    survival = np.concatenate(([1.0], np.cumprod(1 - hazard)))
    mass = survival[:-1] * hazard
    return _Masses(times[mass > 0].astype(np.float64), mass[mass > 0])


def _sliced(masses: _Masses, least_us: float) -> Floats:
    """Its values in at most 50 equal parts. Setup is never 0: one who gives up at once does."""
    if not len(masses.at_us):
        return np.empty(0)
    if len(masses.at_us) == 1:
        return np.maximum(masses.at_us, least_us)
    return np.maximum(slice_means(masses.at_us, _MOST_VALUES, masses.mass), least_us)


def _share_left(
    setup: Floats, setup_left: float, patience: Floats, left: float, answered_share: float
) -> float:
    """Who never gives up, so that the share of answers is that of the record.

    Slices blur who was first by a little; the weight of the finite part of patience makes up.
    """
    if not len(setup) or not len(patience):
        return left
    sooner = float(np.mean(patience[:, None] < setup[None, :]))
    earlier = setup_left + (1 - setup_left) * sooner
    return left if earlier <= 0 else max(0.0, 1 - min(1.0, (1 - answered_share) / earlier))


def _first_of(
    setup: Floats, setup_left: float, patience: Floats, left: float, never: float
) -> tuple[float, float]:
    """Share of answers, and mean time to whichever is first, of two sliced distributions."""
    a = np.append(setup, never)
    p = np.append(patience, never + 1)
    weight_a = np.append(np.full(len(setup), (1 - setup_left) / max(1, len(setup))), setup_left)
    weight_p = np.append(np.full(len(patience), (1 - left) / max(1, len(patience))), left)
    weights = weight_a[:, None] * weight_p[None, :]
    answered = a[:, None] <= p[None, :]
    share = float((weights * answered).sum())
    return share, float((weights * np.minimum(a[:, None], p[None, :])).sum())


def _distribution(values: Floats, left: float, never: float) -> Distribution:
    distinct = np.unique(values)
    within: Distribution = (
        Deterministic(float(distinct[0]))
        if len(distinct) == 1
        else Empirical(tuple(values.tolist()))
    )
    if not len(values) or left >= 1 - _NOTHING_LEFT:
        return Deterministic(never)
    if left <= _NOTHING_LEFT:
        return within
    return Mixture(((1 - left, within), (left, Deterministic(never))))
