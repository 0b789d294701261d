"""The oracle: what every counter of a run must be, computed without running anything.

It judges the service and the engines and therefore shares words with them, never logic: no states,
no events, no step function. A call is a few instants (:mod:`simulator.oracle.lives`), an admitted
call an interval (:mod:`simulator.oracle.offers`), and a counter at an instant T is the number of
calls whose instant lies at or before T. Checkpoints come after everything else at their instant, so
"at or before" is all there is to say about ties here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from service.calls import UNKNOWN_TENANT, Counter, Lookup
from simulator.oracle.lives import ENDLESS, Bools, Lives, lives_of
from simulator.oracle.offers import ADMITTED, LOOKUPS, NO_SLOT, NO_TENANT, Offers, offers_of
from simulator.results import (
    CallLog,
    CheckpointState,
    Fate,
    Held,
    HeldRows,
    Progress,
    RunOutcome,
)
from simulator.trace import NEVER, CallTrace, Conditions, Int64s, SharingPolicy

ENGINE: Final = "oracle"


def expect(trace: CallTrace, progress: Progress | None = None) -> RunOutcome:
    """What an engine must observe of ``trace``: counters, checkpoints with rows, and each call.

    Counters are exact integers. ``final`` is the state when nothing more is to come, whenever that
    is, so its ``at_us`` is NEVER; it still holds calls whose end was lost, and with ``drain`` off
    all that had not finished by the end of the run.
    """
    conditions = trace.conditions
    lives = lives_of(trace)
    offers = offers_of(trace, lives, progress)
    instants = _instants_of(trace, lives, offers)
    row_of_tenant, names = _counter_rows(conditions)
    tally = _Tally(
        conditions.checkpoints_us,
        row_of_tenant[np.broadcast_to(trace.tenant, len(trace))],
        len(names),
    )
    counters = _counters(tally, instants)
    held = _held(tally, instants)
    rows = _held_rows(conditions.checkpoints_us, instants)
    limits = _limits(conditions)
    states = tuple(
        CheckpointState(
            at_us=at_us,
            limit=limits[place],
            tenants={
                name: Held(*held[place, row].tolist())
                for row, name in enumerate(names)
                if name != UNKNOWN_TENANT
            },
            rows=rows[place],
            counters=_by_tenant(names, counters[place]),
            total_counters=_total(counters[place]),
        )
        for place, at_us in enumerate((*conditions.checkpoints_us, NEVER))
    )
    return RunOutcome(
        engine=ENGINE,
        total=_total(counters[-1]),
        tenants=_by_tenant(names, counters[-1]),
        checkpoints=states[:-1],
        final=states[-1],
        log=_log(instants, offers),
        preempted=_preempted(tally, instants, names)
        if conditions.policy == SharingPolicy.PRIORITY
        else {},
    )


# --- instants -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Instants:
    """When each thing happened to each row, absolute; shapes (n,), ENDLESS for what never did.

    ``leave_pending`` and ``leave_active`` close the intervals that ``admitted`` and ``started``
    open; ``released`` closes the whole. ``looked_up`` is when an effective accept was heard.
    ``preempted`` is when the interval was cut short: what would have come later did not.
    """

    offered: Int64s
    no_tenant: Int64s
    no_slot: Int64s
    admitted: Int64s
    looked_up: Int64s
    errors: Int64s
    fallbacks: Int64s
    refused: Int64s
    accepted: Int64s
    started: Int64s
    referred: Int64s
    released: Int64s
    failed: Bools
    preempted: Int64s


def _instants_of(trace: CallTrace, lives: Lives, offers: Offers) -> _Instants:
    conditions = trace.conditions
    admitted = np.where(offers.answer == ADMITTED, offers.offered_us, ENDLESS)

    def happened(offset_us: Int64s) -> Int64s:
        at_us = np.where(offset_us < ENDLESS, admitted + offset_us, ENDLESS)
        within = ENDLESS if conditions.drain else conditions.duration_us
        return np.where((at_us < within) & (at_us <= offers.cut_us), at_us, ENDLESS)

    fallback = np.array([tenant.fallback for tenant in conditions.tenants], np.bool_)
    may_fall_back = fallback[np.broadcast_to(trace.tenant, len(trace))]
    found = offers.lookup == LOOKUPS.index(Lookup.FOUND)
    error = offers.lookup == LOOKUPS.index(Lookup.ERROR)
    refused = ~found & ~may_fall_back & (lives.accept_us < ENDLESS)
    looked_up = happened(lives.accept_us)
    released = np.where(refused, looked_up, happened(lives.release_us))
    return _Instants(
        offered=offers.offered_us,
        no_tenant=np.where(offers.answer == NO_TENANT, offers.offered_us, ENDLESS),
        no_slot=np.where(offers.answer == NO_SLOT, offers.offered_us, ENDLESS),
        admitted=admitted,
        looked_up=looked_up,
        errors=np.where(error, looked_up, ENDLESS),
        fallbacks=np.where(~found & may_fall_back, looked_up, ENDLESS),
        refused=np.where(refused, looked_up, ENDLESS),
        accepted=np.where(refused, ENDLESS, looked_up),
        started=np.where(refused, ENDLESS, happened(lives.start_us)),
        referred=np.where(refused, ENDLESS, happened(lives.refer_us)),
        released=np.minimum(released, offers.cut_us),
        failed=lives.failed | (offers.cut_us < ENDLESS),
        preempted=offers.cut_us,
    )


# --- counting -------------------------------------------------------------------------------


class _Tally:
    """Counts instants by checkpoint and counter row; behind the checkpoints stands the end."""

    def __init__(self, checkpoints_us: Sequence[int], rows: npt.NDArray[np.int64], height: int):
        self._checkpoints = np.array(checkpoints_us, np.int64)
        self._rows = rows
        self._shape = (len(checkpoints_us) + 1, height)

    def _cells(self, instants: Int64s) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        calls = np.flatnonzero(instants < ENDLESS)
        place = np.searchsorted(self._checkpoints, instants[calls], side="left")
        return calls, place * self._shape[1] + self._rows[calls]

    def count(self, instants: Int64s) -> Int64s:
        """How many instants lie at or before each place: (checkpoints + 1, rows)."""
        _, cells = self._cells(instants)
        counts = np.bincount(cells, minlength=self._shape[0] * self._shape[1])
        return counts.reshape(self._shape).cumsum(axis=0, dtype=np.int64)

    def add_up(self, instants: Int64s, amounts: Int64s) -> Int64s:
        """The sum of the amounts whose instant lies at or before each place, likewise."""
        calls, cells = self._cells(instants)
        sums = np.zeros(self._shape[0] * self._shape[1], np.int64)
        np.add.at(sums, cells, amounts[calls])
        return sums.reshape(self._shape).cumsum(axis=0)


def _counters(tally: _Tally, instants: _Instants) -> Int64s:
    """Every counter at every checkpoint and at the end: (checkpoints + 1, rows, counters)."""
    started, released = instants.started, instants.released
    was_accepted, was_started = instants.accepted < ENDLESS, started < ENDLESS
    ended = np.where(was_started, released, ENDLESS)
    counted = {
        Counter.OFFERED_CALLS: instants.offered,
        Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED: instants.no_tenant,
        Counter.REJECTED_CALLS_CAPACITY: instants.no_slot,
        Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING: instants.refused,
        Counter.INSTRUCTIONS_DB_ERRORS: instants.errors,
        Counter.FALLBACK_INSTRUCTIONS_USED: instants.fallbacks,
        Counter.ACCEPTED_CALLS: instants.accepted,
        Counter.STARTED_CALLS: started,
        Counter.REFERRED_CALLS: instants.referred,
        Counter.ENDED_CALLS: ended,
        Counter.FAILED_CALLS: np.where(instants.failed, ended, ENDLESS),
        Counter.ABANDONED_PENDING: np.where(instants.looked_up < ENDLESS, ENDLESS, released),
        Counter.ABANDONED_ACCEPTED: np.where(was_accepted & ~was_started, released, ENDLESS),
    }
    tallies = {counter: tally.count(at_us) for counter, at_us in counted.items()}
    tallies[Counter.ACTIVE_CALLS] = tallies[Counter.STARTED_CALLS] - tallies[Counter.ENDED_CALLS]
    tallies[Counter.ACTIVE_US_TOTAL] = tally.add_up(ended, released - started)
    return np.stack([tallies[counter] for counter in Counter], axis=2)


def _preempted(tally: _Tally, instants: _Instants, names: Sequence[str]) -> Mapping[str, int]:
    """How many calls of each counter row gave way to another by the end."""
    return dict(zip(names, tally.count(instants.preempted)[-1].tolist(), strict=True))


def _held(tally: _Tally, instants: _Instants) -> Int64s:
    """Pending, accepted and active calls, likewise: (checkpoints + 1, rows, 3).

    The intervals that contain T are those begun at or before T less those over at or before T.
    """
    released = instants.released
    no_longer_pending = np.minimum(instants.looked_up, released)
    intervals = (
        (instants.admitted, no_longer_pending),
        (instants.accepted, np.where(instants.accepted < ENDLESS, released, ENDLESS)),
        (instants.started, np.where(instants.started < ENDLESS, released, ENDLESS)),
    )
    return np.stack([tally.count(begin) - tally.count(end) for begin, end in intervals], axis=2)


def _held_rows(checkpoints_us: Sequence[int], instants: _Instants) -> list[HeldRows]:
    """Which rows hold a slot at each checkpoint and at the end.

    A call is held at the checkpoints in [offer, release): a run of consecutive ones.
    """
    points = np.array((*checkpoints_us, ENDLESS - 1), np.int64)
    first = np.searchsorted(points, instants.admitted, side="left")
    beyond = np.searchsorted(points, instants.released, side="left")
    calls = np.flatnonzero((first < beyond) & (instants.admitted < ENDLESS))
    first, runs = first[calls], beyond[calls] - first[calls]
    members = np.repeat(calls, runs)
    offsets = np.arange(len(members)) - np.repeat(runs.cumsum() - runs, runs)
    place = np.repeat(first, runs) + offsets
    at_us = points[place]
    accepted, active = instants.accepted[members] <= at_us, instants.started[members] <= at_us

    def sets(chosen: Bools) -> list[frozenset[int]]:
        order = np.argsort(place[chosen], kind="stable")
        ids = members[chosen][order]
        cuts = np.searchsorted(place[chosen][order], np.arange(1, len(points)))
        return [frozenset(part.tolist()) for part in np.split(ids, cuts)]

    parts = zip(sets(~accepted), sets(accepted), sets(active), strict=True)
    return [HeldRows(*part) for part in parts]


# --- the outcome ----------------------------------------------------------------------------


def _counter_rows(conditions: Conditions) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """The counter row of each tenant's place, and the names of the rows, ``_unknown`` last."""
    names = (*conditions.configured_ids, UNKNOWN_TENANT)
    unknown = len(names) - 1
    place = {name: row for row, name in enumerate(names)}
    rows = [
        place[tenant.tenant_id] if tenant.configured else unknown for tenant in conditions.tenants
    ]
    return np.array(rows, np.int64), names


def _limits(conditions: Conditions) -> list[int]:
    """The total limit after everything at each checkpoint, then after the run."""
    last_us = ENDLESS if conditions.drain else conditions.duration_us - 1
    limits = []
    for at_us in (*conditions.checkpoints_us, last_us):
        said = [
            change.max_concurrent_calls
            for change in conditions.changes
            if change.at_us <= at_us and change.max_concurrent_calls is not None
        ]
        limits.append(said[-1] if said else conditions.max_concurrent_calls)
    return limits


def _by_tenant(names: Sequence[str], counters: Int64s) -> Mapping[str, tuple[int, ...]]:
    return {name: tuple(row) for name, row in zip(names, counters.tolist(), strict=True)}


def _total(counters: Int64s) -> tuple[int, ...]:
    return tuple(counters.sum(axis=0).tolist())


def _log(instants: _Instants, offers: Offers) -> CallLog:
    def ever(at_us: Int64s) -> Bools:
        return at_us < ENDLESS

    def shown(at_us: Int64s) -> Int64s:
        return np.where(ever(at_us), at_us, NEVER)

    released, accepted = ever(instants.released), ever(instants.accepted)
    started, refused = ever(instants.started), ever(instants.refused)
    # The last of the conditions that holds names the fate, so they go from early to late.
    fate = np.full(len(instants.offered), Fate.NOT_MADE, np.int8)
    for holds, name in (
        (ever(instants.no_tenant), Fate.REJECTED_TENANT),
        (ever(instants.no_slot), Fate.REJECTED_CAPACITY),
        (ever(instants.admitted), Fate.STILL_PENDING),
        (released, Fate.ABANDONED_PENDING),
        (refused, Fate.REJECTED_INSTRUCTIONS),
        (accepted, Fate.STILL_ACCEPTED),
        (accepted & released, Fate.ABANDONED_ACCEPTED),
        (started, Fate.STILL_ACTIVE),
        (started & released, Fate.ENDED),
    ):
        fate[holds] = name
    return CallLog(
        fate=fate,
        scopes=offers.scopes,
        offered_us=shown(instants.offered),
        accepted_us=shown(instants.accepted),
        started_us=shown(instants.started),
        released_us=shown(instants.released),
        preempted_by=offers.taken_by,
    )
