"""What happened over time, in bins: slots in use, the limit, and rejections by reason.

Everything is exact: slots are integrated in whole microseconds and divided once, and the largest
value of a bin is the largest that held at any instant of it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from service.calls import UNKNOWN_TENANT, US_PER_MINUTE, US_PER_SECOND, Reason
from simulator.results import CallLog, Fate
from simulator.trace import NEVER, CallTrace, Conditions, Int64s

MOST_BINS: Final = 360
"""An hour makes 360 bins of 10 s, a day 288 bins of 5 min."""

_HOUR: Final = 60 * US_PER_MINUTE
_ROUND_WIDTHS_US: Final = tuple(
    [step * 10**power for power in range(6) for step in (1, 2, 5)]
    + [step * US_PER_SECOND for step in (1, 2, 5, 10, 15, 30)]
    + [step * US_PER_MINUTE for step in (1, 2, 5, 10, 15, 30)]
    + [step * _HOUR for step in (1, 2, 3, 6, 12)]
)

_FATE_OF: Final = {
    Reason.CAPACITY: Fate.REJECTED_CAPACITY,
    Reason.TENANT_NOT_CONFIGURED: Fate.REJECTED_TENANT,
    Reason.INSTRUCTIONS_MISSING: Fate.REJECTED_INSTRUCTIONS,
}
_NEVER_HELD: Final = (Fate.NOT_MADE, Fate.REJECTED_TENANT, Fate.REJECTED_CAPACITY)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Bins ``[edges_us[i], edges_us[i + 1])`` over [0, duration), b of them; the last may be short.

    ``in_use_max`` int64 (b,): the largest number of slots in use, counting the value a bin opens
    with (after the releases of that instant) and the value right after each admission in it.
    ``in_use_mean`` float64 (b,): its mean over the bin. ``limit`` int64 (b,): the largest total
    limit in force in the bin. ``rejections`` int64 (b, tenants, reasons), at the instant of the
    rejection, tenants as in ``tenants`` and reasons in :class:`Reason` order;
    ``rejections_after_end`` int64 (tenants, reasons): those at or after the duration.
    """

    edges_us: Int64s
    in_use_max: Int64s
    in_use_mean: npt.NDArray[np.float64]
    limit: Int64s
    tenants: tuple[str, ...]
    rejections: Int64s
    rejections_after_end: Int64s

    def __len__(self) -> int:
        return len(self.edges_us) - 1


def series_of(trace: CallTrace, log: CallLog, most_bins: int = MOST_BINS) -> Series:
    """The series of one run, in at most ``most_bins`` bins of a round width."""
    conditions = trace.conditions
    edges = bin_edges(conditions.duration_us, most_bins)
    held = ~np.isin(log.fate, _NEVER_HELD)
    attempt = np.broadcast_to(trace.attempt, log.fate.shape)[held]
    order = np.lexsort((attempt, log.offered_us[held]))
    offered = log.offered_us[held][order]
    released = log.released_us[held][order]
    rejections, after_end = _rejections(trace, log, edges)
    return Series(
        edges_us=edges,
        in_use_max=_in_use_max(offered, released, edges),
        in_use_mean=_in_use_mean(offered, released, edges),
        limit=_limits(conditions, edges),
        tenants=(*conditions.configured_ids, UNKNOWN_TENANT),
        rejections=rejections,
        rejections_after_end=after_end,
    )


def bin_edges(duration_us: int, most_bins: int) -> Int64s:
    """Edges 0, w, 2w, ... duration for the smallest round width w that needs few enough bins."""
    fits = (width for width in _ROUND_WIDTHS_US if -(-duration_us // width) <= most_bins)
    days = -(-duration_us // (24 * _HOUR * most_bins))
    width = next(fits, days * 24 * _HOUR)
    return np.append(np.arange(0, duration_us, width, dtype=np.int64), np.int64(duration_us))


def _in_use_max(offered: Int64s, released: Int64s, edges: Int64s) -> Int64s:
    """Largest slots in use per bin; ``offered`` sorted in admission order, its calls' releases
    beside it (NEVER: still held)."""
    releases = np.sort(released[released != NEVER])
    # A call of length zero is released at the instant it was offered, so among the releases at t
    # those of such calls do not come before the offers at t, as all others do.
    brief = released == offered
    brief_at = offered[brief]

    opening = edges[:-1]
    largest = np.searchsorted(offered, opening, "left") - (
        np.searchsorted(releases, opening, "right")
        - np.searchsorted(brief_at, opening, "right")
        + np.searchsorted(brief_at, opening, "left")
    )
    if len(offered) == 0:
        return largest
    gone = np.searchsorted(releases, offered, "right")
    if len(brief_at):
        brief_so_far = np.cumsum(brief)
        brief_by_now = np.searchsorted(brief_at, offered, "right")
        gone = gone - (brief_by_now - (brief_so_far - brief))
    after_admission = np.arange(1, len(offered) + 1, dtype=np.int64) - gone

    bin_of = np.searchsorted(edges, offered, "right") - 1
    starts = np.flatnonzero(np.diff(bin_of, prepend=-1))
    busy = bin_of[starts]
    inside = busy < len(opening)
    peaks = np.maximum.reduceat(after_admission, starts)
    largest[busy[inside]] = np.maximum(largest[busy[inside]], peaks[inside])
    return largest


def _in_use_mean(offered: Int64s, released: Int64s, edges: Int64s) -> npt.NDArray[np.float64]:
    """Mean slots in use per bin: slot time in whole microseconds, divided once."""
    slot_us = _time_since(offered, edges) - _time_since(np.sort(released[released != NEVER]), edges)
    return np.diff(slot_us) / np.diff(edges)


def _time_since(instants: Int64s, edges: Int64s) -> Int64s:
    """For each edge the sum of ``edge - instant`` over the (sorted) instants before it.

    The sums may wrap around in int64; differences of them come out right all the same.
    """
    before = np.searchsorted(instants, edges, "left")
    sums = np.concatenate((np.zeros(1, np.int64), np.cumsum(instants, dtype=np.int64)))
    return before * edges - sums[before]


def _limits(conditions: Conditions, edges: Int64s) -> Int64s:
    """Largest total limit in force per bin; changes at a bin's first instant count from there."""
    steps = limit_steps(conditions)
    at = np.array([at_us for at_us, _ in steps], np.int64)
    values = np.array([limit for _, limit in steps], np.int64)
    limits = values[np.searchsorted(at, edges[:-1], "right") - 1]
    inside = at < edges[-1]
    np.maximum.at(limits, np.searchsorted(edges, at[inside], "right") - 1, values[inside])
    return limits


def limit_steps(conditions: Conditions) -> tuple[tuple[int, int], ...]:
    """The total limit as steps (at_us, limit), the first at 0, instants rising."""
    steps = {0: conditions.max_concurrent_calls}
    for change in conditions.changes:
        if change.max_concurrent_calls is not None:
            steps[change.at_us] = change.max_concurrent_calls
    return tuple(sorted(steps.items()))


def _rejections(trace: CallTrace, log: CallLog, edges: Int64s) -> tuple[Int64s, Int64s]:
    """Rejections per bin, and those after the end; see :class:`Series` for shapes."""
    conditions = trace.conditions
    configured = {name: place for place, name in enumerate(conditions.configured_ids)}
    rows = len(configured) + 1
    row_of_place = np.array(
        [configured[t.tenant_id] if t.configured else rows - 1 for t in conditions.tenants],
        np.int64,
    )
    tenant = np.broadcast_to(trace.tenant, log.fate.shape)
    bins = len(edges) - 1
    counts = np.zeros((bins + 1, rows, len(Reason)), np.int64)
    for column, reason in enumerate(Reason):
        rejected = np.flatnonzero(log.fate == _FATE_OF[reason])
        # A call rejected for its instructions held a slot until the accept that rejected it.
        instants = log.released_us if reason is Reason.INSTRUCTIONS_MISSING else log.offered_us
        bin_of = np.minimum(np.searchsorted(edges, instants[rejected], "right") - 1, bins)
        cell = bin_of * rows + row_of_place[tenant[rejected]]
        counts[:, :, column] = np.bincount(cell, minlength=(bins + 1) * rows).reshape(-1, rows)
    return counts[:-1], counts[-1]
