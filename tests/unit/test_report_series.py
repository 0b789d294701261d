"""The series of a report against a plain walk through the same few calls, instant by instant."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls import Reason
from simulator.report.series import bin_edges, series_of
from simulator.results import LOG_COLUMNS, CallLog, Fate
from simulator.trace import NEVER, CallTrace, Conditions, LimitsChange, TraceTenant

REJECTED = {
    Fate.REJECTED_CAPACITY: Reason.CAPACITY,
    Fate.REJECTED_TENANT: Reason.TENANT_NOT_CONFIGURED,
    Fate.REJECTED_INSTRUCTIONS: Reason.INSTRUCTIONS_MISSING,
}
NEVER_HELD = {Fate.NOT_MADE, Fate.REJECTED_TENANT, Fate.REJECTED_CAPACITY}
TENANTS = (
    TraceTenant("a"),
    TraceTenant("ghost", configured=False),
    TraceTenant("b"),
)
ROW_OF = {0: 0, 1: 2, 2: 1}  # place in TENANTS -> place in (a, b, _unknown)


@dataclass(frozen=True)
class Call:
    tenant: int
    attempt: int
    fate: Fate
    offered: int
    released: int


@st.composite
def runs(draw: st.DrawFn) -> tuple[Conditions, list[Call]]:
    duration = draw(st.integers(1, 60))
    instant = st.integers(0, duration - 1)
    changes = draw(st.lists(st.tuples(instant, st.none() | st.integers(0, 9)), max_size=4))
    conditions = Conditions(
        duration_us=duration,
        max_concurrent_calls=draw(st.integers(0, 9)),
        tenants=TENANTS,
        changes=tuple(LimitsChange(at, limit) for at, limit in sorted(changes, key=lambda c: c[0])),
    )
    firsts = sorted(draw(st.lists(st.tuples(instant, st.integers(0, 2)), max_size=12)))
    calls = []
    for offered, tenant in firsts:
        for attempt in range(draw(st.integers(1, 3))):
            fate = draw(st.sampled_from([f for f in Fate if f is not Fate.NOT_MADE or attempt]))
            held_us = draw(st.sampled_from([0, 0, 1, 2, 10, 70]))
            calls.append(Call(tenant, attempt, fate, offered, offered + held_us))
            offered = draw(st.integers(offered, duration - 1))
    return conditions, calls


def columns(conditions: Conditions, calls: list[Call]) -> tuple[CallTrace, CallLog]:
    first = np.array([call.attempt == 0 for call in calls], bool)
    row = np.arange(len(calls), dtype=np.int64)
    offered = np.array([call.offered for call in calls], np.int64)
    held_open = [Fate.STILL_PENDING, Fate.STILL_ACCEPTED, Fate.STILL_ACTIVE]

    def one(value: int, kind: type[np.generic]) -> np.ndarray:
        return np.full(1, value, kind)

    trace = CallTrace(
        conditions=conditions,
        tenant=np.array([call.tenant for call in calls], np.int32),
        offer_us=np.where(first, offered, NEVER),
        setup_us=one(0, np.int64),
        connect_us=one(0, np.int64),
        hold_us=one(0, np.int64),
        end_kind=one(0, np.int8),
        refer_us=one(NEVER, np.int64),
        patience_us=one(NEVER, np.int64),
        lookup_draw=one(0, np.uint32),
        after=np.where(first, NEVER, row - 1),
        after_on=np.where(first, 0, 1).astype(np.int8),
        delay_us=np.where(first, 0, 1).astype(np.int64),
        attempt=np.array([call.attempt for call in calls], np.int32),
    )
    log = CallLog(
        fate=np.array([call.fate for call in calls], np.int8),
        scopes=np.zeros(len(calls), np.int8),
        offered_us=np.array(
            [NEVER if c.fate is Fate.NOT_MADE else c.offered for c in calls], np.int64
        ),
        accepted_us=np.full(len(calls), NEVER, np.int64),
        started_us=np.full(len(calls), NEVER, np.int64),
        released_us=np.array(
            [NEVER if c.fate in NEVER_HELD or c.fate in held_open else c.released for c in calls],
            np.int64,
        ),
    )
    return trace, log


@dataclass
class Bin:
    largest: int = 0
    slot_us: int = 0
    limit: int = 0


def walk(conditions: Conditions, calls: list[Call], edges: list[int]) -> list[Bin]:
    """Every microsecond in turn: changes, releases of earlier calls, offers by attempt and row."""
    limit = conditions.max_concurrent_calls
    held: list[Call] = []
    bins: list[Bin] = []
    for at in range(conditions.duration_us):
        if at in edges:
            bins.append(Bin())
        new = [c.max_concurrent_calls for c in conditions.changes if c.at_us == at]
        limit = next((value for value in reversed(new) if value is not None), limit)
        held = [c for c in held if c.released > at or c.fate >= Fate.STILL_PENDING]
        peak = len(held)
        for call in sorted((c for c in calls if c.offered == at), key=lambda c: c.attempt):
            if call.fate in NEVER_HELD:
                continue
            peak = max(peak, len(held) + 1)
            if call.released > at or call.fate >= Fate.STILL_PENDING:
                held.append(call)
        bins[-1].largest = max(bins[-1].largest, peak)
        bins[-1].slot_us += len(held)
        bins[-1].limit = max(bins[-1].limit, limit)
    return bins


@settings(max_examples=300, deadline=None)
@given(run=runs(), most_bins=st.integers(1, 70))
def test_slots_and_limit_match_a_plain_walk(
    run: tuple[Conditions, list[Call]], most_bins: int
) -> None:
    conditions, calls = run
    series = series_of(*columns(conditions, calls), most_bins)
    edges = series.edges_us.tolist()
    expected = walk(conditions, calls, edges)
    assert series.in_use_max.tolist() == [one.largest for one in expected]
    assert series.limit.tolist() == [one.limit for one in expected]
    means = [one.slot_us / width for one, width in zip(expected, np.diff(edges), strict=True)]
    assert series.in_use_mean.tolist() == means


@settings(max_examples=200, deadline=None)
@given(run=runs(), most_bins=st.integers(1, 70))
def test_every_rejection_falls_in_one_bin_of_its_tenant_and_reason(
    run: tuple[Conditions, list[Call]], most_bins: int
) -> None:
    conditions, calls = run
    series = series_of(*columns(conditions, calls), most_bins)
    expected = np.zeros((len(series) + 1, 3, len(Reason)), np.int64)
    for call in calls:
        if call.fate in REJECTED:
            late = call.fate is Fate.REJECTED_INSTRUCTIONS
            at = call.released if late else call.offered
            bins = [i for i in range(len(series)) if series.edges_us[i] <= at]
            place = len(series) if at >= conditions.duration_us else bins[-1]
            expected[place, ROW_OF[call.tenant], list(Reason).index(REJECTED[call.fate])] += 1
    assert series.tenants == ("a", "b", "_unknown")
    assert series.rejections.tolist() == expected[:-1].tolist()
    assert series.rejections_after_end.tolist() == expected[-1].tolist()


@given(duration=st.integers(1, 10**13), most_bins=st.integers(1, 400))
def test_bins_cover_the_run_evenly(duration: int, most_bins: int) -> None:
    edges = bin_edges(duration, most_bins)
    widths = np.diff(edges)
    assert (edges[0], edges[-1]) == (0, duration)
    assert 1 <= len(widths) <= most_bins
    assert (widths[:-1] == widths[0]).all()
    assert 0 < widths[-1] <= widths[0]


@pytest.mark.parametrize(
    ("hours", "bins", "seconds"), [(1, 360, 10), (2, 240, 30), (24, 288, 300), (168, 336, 1800)]
)
def test_usual_durations_get_round_bins(hours: int, bins: int, seconds: int) -> None:
    edges = bin_edges(hours * 3_600_000_000, 360)
    assert len(edges) - 1 == bins
    assert edges[1] == seconds * 1_000_000


def test_slot_time_beyond_int64_sums_still_comes_out_exactly() -> None:
    """The sums of instants of this many late calls wrap around; the mean must not notice."""
    day = 24 * 3_600_000_000
    calls = 300_000
    conditions = Conditions(day * 400, 10**6, TENANTS)
    one = [Call(0, 0, Fate.STILL_ACTIVE, day * 398, NEVER)]
    trace, log = columns(conditions, one)
    many = CallLog(*(np.repeat(getattr(log, name), calls) for name in LOG_COLUMNS))
    assert calls * day * 398 > 2**63
    series = series_of(trace, many)
    assert series.in_use_mean[-1] == calls
    assert series.in_use_mean[0] == 0
