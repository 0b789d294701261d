"""A fit of a made-up log with everything in it that a page can show."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from simulator.cdr.recorded import BrokenLines, CallEnd, FileRead, RecordedCalls
from simulator.fit.comparison import Comparison, Measure, measures_of
from simulator.fit.estimating import fit_log
from simulator.fit.fitted import Fitted
from simulator.scenario_file.problems import Problem
from tests.fitted_logs import DAY, SECOND, call_log, office_hours

QUARTER = 900 * SECOND


@cache
def fitted_sample() -> tuple[Fitted, RecordedCalls]:
    """Nine days of office hours in bunches of two, some of the calls refused and tried again."""
    rng = np.random.default_rng(3)
    offers = np.repeat(office_hours(700, 9, 4), 2)
    n = len(offers)
    end = rng.choice(list(CallEnd), n, p=[0.7, 0.03, 0.12, 0.05, 0.06, 0.04])
    log = call_log(
        offers,
        hold_us=np.ceil(rng.lognormal(4.8, 0.9, n)).astype(np.int64) * SECOND,
        setup_us=np.ceil(rng.gamma(3, 4, n)).astype(np.int64) * SECOND,
        end=end,
        tenant=(rng.random(n) < 0.2).astype(np.int64),
        caller=rng.integers(0, 60, n),
        tenants=("acme", "other"),
    )
    return fit_log(log), log


def fit_sample(
    name: str = "acme", other: str = "other"
) -> tuple[Fitted, RecordedCalls, Comparison]:
    """The fit, its log and how they compare, with two tenants, a file and a note so named."""
    fitted, log = fitted_sample()
    one, two = fitted.tenants
    fitted = replace(
        fitted,
        tenants=(replace(one, name=name), replace(two, name=f"{other}2")),
        notes=(f"A note on {name}.", *fitted.notes),
    )
    log = replace(
        log,
        tenants=(name, f"{other}2"),
        broken=BrokenLines(2, (Problem(f"{name}.csv", 7, 1, other, f"{other} is no number"),)),
        files=(FileRead(Path(f"{other}.csv"), 123, 1402, "ab" * 32),),
        notes=(f"Folded into {other}.",),
    )
    return fitted, log, compared_sample()


def compared_sample() -> Comparison:
    """Every third figure of the log is larger than any run's, every third smaller."""
    measures = []
    for place, (key, name, kind) in enumerate(measures_of(QUARTER, 0.01)):
        own = (0.5, 0.9, 0.1)[place % 3]
        measures.append(Measure(key, name, kind, own, (0.49, 0.5, 0.51), 0.45, 0.55))
    return Comparison(
        capacity=20,
        replications=3,
        window_us=9 * DAY,
        interval_us=QUARTER,
        calls=1400,
        is_whole=True,
        measures=tuple(measures),
    )
