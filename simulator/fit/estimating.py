"""From a call log to what a scenario says of it: the one place that knows the steps' order."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from service.calls import UNKNOWN_TENANT
from simulator.cdr.recorded import CallEnd, RecordedCalls
from simulator.fit.capacity import dispersion_of, suggest
from simulator.fit.dispersion import bunching_of
from simulator.fit.fitted import (
    Cycle,
    Durations,
    Fitted,
    Grid,
    Rates,
    Ringing,
    TenantFit,
)
from simulator.fit.holding import FEWEST, fit_durations
from simulator.fit.rates import DAY_US, added_up, counts_of, fit_rates, make_grid
from simulator.fit.redials import fit_redials, next_calls, redials_of_refused, wilson
from simulator.fit.ringing import fit_ringing
from simulator.fit.words import counted, notes_of, warnings_of
from simulator.scenario import Deterministic
from simulator.traffic.samplers import mean_us

Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

_LONGEST_ID: Final = 200
_UNSEEN_HOLD_US: Final = 60_000_000.0
BLOCKING: Final = 0.01
"""Blocking for which slots are suggested."""
_DATES: Final = "%a %d %b %Y, %H:%M"


class NothingToFit(ValueError):
    """The calls of a log say nothing of how often calls come; the message says why."""


def fit_log(
    log: RecordedCalls,
    *,
    cycle: Cycle | None = None,
    blocking: float = BLOCKING,
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Fitted:
    """Everything that is estimated from a log, which must hold a call.

    ``cycle`` is what the rate profile repeats (None: a week if the log spans one, else nothing),
    ``blocking`` the target of the suggested limit, ``seed`` that of the scenario. ``progress``
    is told how many tenants are fitted, of how many. Raises :class:`NothingToFit` for a log whose
    calls start at a single instant, and :class:`~simulator.fit.capacity.TrafficTooGreat`.
    """
    wall = log.wall_us()
    if not len(log) or wall.min() == wall.max():
        raise NothingToFit(
            f"has {counted(len(log), 'call')} at a single instant: how often calls come is told by "
            "the time between them"
        )
    following = next_calls(log)
    arrivals = ~redials_of_refused(log, following)
    weekday = None if log.clock is None else log.clock.weekday
    # Wall time may step back where summer time ends, so the ends need not be the extremes.
    first, last = int(wall.min()), int(wall.max())
    grid = make_grid(first, last, weekday, cycle, (last - first) // max(1, len(log) - 1))
    offers = [np.sort(wall[arrivals & (log.tenant == place)]) for place in range(len(log.tenants))]
    counts = np.array([counts_of(grid, each) for each in offers])
    rates = fit_rates(grid, counts, [bunching_of(grid, each) for each in offers])
    redials = fit_redials(log, following)
    pool = _Pool(log)
    tenants = []
    for place, name in enumerate(scenario_ids(log.tenants)):
        progress(place, len(log.tenants))
        own = log.tenant == place
        tenants.append(_tenant(log, pool, own, arrivals, place, name, rates[place]))
    total = counts.sum(axis=0)
    dispersion = dispersion_of(grid, np.sort(wall[arrivals]), tenants, log.resolution_us)
    fitted = Fitted(
        grid=grid,
        tenants=tuple(tenants),
        duration_us=grid.length_us,
        total_counts=tuple(total.tolist()),
        total_rates=added_up(grid, rates, total),
        dispersion=dispersion,
        suggestion=suggest(tenants, grid.length_us, dispersion, blocking),
        redials=redials,
        weekday=_first_weekday(grid, weekday),
        starts=_starts(grid, log),
        span=_span(log),
        seed=seed,
    )
    return replace(fitted, notes=notes_of(fitted), warnings=warnings_of(fitted))


class _Pool:
    """Durations of tenants, and of the others where a tenant has too few of its own."""

    def __init__(self, log: RecordedCalls) -> None:
        self._log = log
        self._answered = log.answered
        self._rang = log.end != CallEnd.REFUSED
        self._few_answered = self._few(self._answered)
        self._few_rang = self._few(self._rang)
        self._holds: dict[str, Durations] = {}
        self._ringings: dict[str, Ringing] = {}

    def _few(self, calls: Bools) -> Bools:
        """Calls of the tenants that have too few of these calls."""
        sizes = np.bincount(self._log.tenant[calls], minlength=len(self._log.tenants))
        few: Bools = calls & (sizes < FEWEST)[self._log.tenant]
        return few

    def _chosen(self, own: Bools, calls: Bools, few: Bools) -> tuple[Bools, str]:
        mine = own & calls
        if mine.sum() >= FEWEST:
            return mine, ""
        if few.sum() >= FEWEST and few.sum() < calls.sum():
            return few, "all tenants with few calls"
        return (mine, "") if mine.sum() == calls.sum() else (calls, "all tenants")

    def hold(self, own: Bools) -> Durations:
        chosen, whose = self._chosen(own, self._answered, self._few_answered)
        if not chosen.any():
            return Durations(
                chosen=Deterministic(_UNSEEN_HOLD_US),
                chosen_name="deterministic",
                n=0,
                mean_us=0.0,
                cv=0.0,
                resolution_us=self._log.resolution_us,
                distance=0.0,
                accepted_distance=0.0,
                why="no call was answered, so this stands for nothing that was seen",
            )
        if not whose or whose not in self._holds:
            found = fit_durations(self._log.hold_us[chosen], self._log.resolution_us)
            if not whose:
                return found
            self._holds[whose] = replace(found, pooled=whose)
        return self._holds[whose]

    def ringing(self, own: Bools) -> Ringing:
        chosen, whose = self._chosen(own, self._rang, self._few_rang)
        if not chosen.any():
            return Ringing(Deterministic(0.0), None, 0, 0, 0.0, 0.0, 1.0)
        if not whose or whose not in self._ringings:
            answered = chosen & self._answered
            found = fit_ringing(
                self._log.setup_us[answered],
                self._log.slot_us[chosen & ~answered],
                self._log.resolution_us,
            )
            if not whose:
                return found
            self._ringings[whose] = replace(found, pooled=whose)
        return self._ringings[whose]


def _tenant(
    log: RecordedCalls,
    pool: _Pool,
    own: Bools,
    arrivals: Bools,
    place: int,
    name: str,
    rates: Rates,
) -> TenantFit:
    hold, ringing = pool.hold(own), pool.ringing(own)
    answered = int((own & log.answered).sum())
    return TenantFit(
        name=log.tenants[place],
        tenant_id=name,
        offers=int(own.sum()),
        first_attempts=int((own & arrivals).sum()),
        answered=answered,
        rates=rates,
        hold=hold,
        ringing=ringing,
        failed=wilson(int((own & (log.end == CallEnd.FAILED)).sum()), answered),
        ends=tuple((end.name.lower(), int((own & (log.end == end)).sum())) for end in CallEnd),
        slot_us_mean=ringing.model_slot_us_mean
        + ringing.model_answered_share * mean_us(hold.chosen),
    )


def scenario_ids(names: tuple[str, ...]) -> tuple[str, ...]:
    """Ids that a scenario takes, no two alike: the names themselves wherever they can be.

    The reserved one becomes ``unknown``; characters that cannot be printed become ``?``, and what
    is longer than an id may be is cut.
    """
    wanted = [_allowed(name) for name in names]
    taken = {name for name, id_ in zip(names, wanted, strict=True) if name == id_}
    ids = []
    for name, base in zip(names, wanted, strict=True):
        chosen, number = base, 1
        while name != base and chosen in taken:
            number += 1
            chosen = f"{base[: _LONGEST_ID - 8]}-{number}"
        taken.add(chosen)
        ids.append(chosen)
    return tuple(ids)


def _allowed(name: str) -> str:
    if name in (UNKNOWN_TENANT, ""):
        return "unknown"
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:_LONGEST_ID]


def _first_weekday(grid: Grid, weekday: int | None) -> int | None:
    if weekday is None or grid.cycle is Cycle.DAY:
        return None
    if grid.cycle is Cycle.WEEK:
        return 0
    return (weekday + grid.begin_us // DAY_US) % 7


def _starts(grid: Grid, log: RecordedCalls) -> str:
    if grid.cycle is Cycle.WEEK:
        return "Monday 0:00" if log.clock else "the start of a week of the log"
    if grid.cycle is Cycle.DAY:
        return "midnight" if log.clock else "the start of a day of the log"
    if log.clock is None:
        return f"second {grid.begin_us / 1e6:g} of the log"
    origin = log.clock.origin.replace(tzinfo=None)
    return (origin + timedelta(microseconds=grid.begin_us)).strftime(_DATES)


def _span(log: RecordedCalls) -> str:
    wall = log.wall_us()
    first, last = int(wall.min()), int(wall.max())
    if log.clock is None:
        return f"{first / 1e6:g} s to {last / 1e6:g} s"
    origin = log.clock.origin.replace(tzinfo=None)
    ends = [(origin + timedelta(microseconds=each)).strftime(_DATES) for each in (first, last)]
    return " to ".join(ends)
