"""What holds of every fit: watched time adds up, steps keep the calls, runs turn with the clock."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cdr.merging import NO_ID, Records, merge_legs
from simulator.cdr.recorded import CallEnd
from simulator.conditions import NEVER
from simulator.fit.comparison import begun_at, most_within, time_at
from simulator.fit.dispersion import dispersion_rows
from simulator.fit.fitted import Cycle
from simulator.fit.rates import added_up, counts_of, fit_rates, make_grid, segments, slot_of
from simulator.fit.redials import next_calls, redials_of_refused
from simulator.scenario import Deterministic, RateProfile, Scenario, Tenant
from tests.fitted_logs import DAY, HOUR, SECOND, call_log

Int64s = npt.NDArray[np.int64]
MINUTE = 60 * SECOND

offers = st.lists(st.integers(0, 16 * DAY), min_size=2, max_size=60, unique=True).map(sorted)


@given(offers, st.sampled_from(Cycle), st.integers(0, 6), st.booleans())
def test_watched_time_adds_up_and_every_call_is_counted(
    instants: list[int], cycle: Cycle, weekday: int, with_gap: bool
) -> None:
    wall = np.array(instants, np.int64)
    gap = (instants[-1] - instants[0]) // (len(instants) - 1) if with_gap else 0
    grid = make_grid(instants[0], instants[-1], weekday, cycle, gap)
    assert sum(grid.exposure_us) == grid.window_us == grid.until_us - grid.from_us
    assert grid.from_us <= instants[0]
    assert grid.until_us > instants[-1]
    assert grid.window_us <= instants[-1] - instants[0] + 1 + gap
    assert len(grid.exposure_us) == -(-grid.length_us // grid.slot_us)
    counts = counts_of(grid, wall)
    assert counts.sum() == len(instants)
    assert all(grid.exposure_us[slot] > 0 for slot in slot_of(grid, wall))
    # The same by going through the window in short steps, each cut off at the end.
    step = max(grid.slot_us // 8, grid.window_us // 20_000)
    places = np.arange(grid.from_us, grid.until_us, step, dtype=np.int64)
    lasting = np.minimum(step, grid.until_us - places)
    watched = np.bincount(slot_of(grid, places), lasting, minlength=len(grid.exposure_us))
    cycles = grid.window_us // grid.length_us + 2
    assert np.abs(watched - np.array(grid.exposure_us)).max() <= step * cycles


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
    st.floats(1, 5),
    st.sampled_from((0.0, 0.5, 3.0)),
)
def test_steps_are_the_likeliest_of_all_ways_to_cut(
    counts: list[int], bunching: float, least: float
) -> None:
    """Against every way to cut a short profile into two, and never too short ones."""
    exposure = np.ones(len(counts))
    exposure[0] = 0.125
    steps = segments(np.array(counts, np.int64), exposure, least, bunching)
    assert steps[0] == 0
    assert steps == sorted(set(steps))
    lengths = np.add.reduceat(exposure, steps)
    if exposure.sum() >= least:
        assert (lengths >= least - 1e-9).all()

    def score(starts: list[int]) -> float:
        calls = np.add.reduceat(np.array(counts, np.float64), starts)
        time = np.add.reduceat(exposure, starts)
        rates = np.where(calls > 0, calls / time, 1.0)
        penalty = bunching * max(4.0, 1 + np.log(len(counts)))
        return float((calls * np.log(rates)).sum() - penalty * len(starts))

    for cut in range(1, len(counts)):
        if min(exposure[:cut].sum(), exposure[cut:].sum()) >= least:
            assert score(steps) >= score([0, cut]) - 1e-6
    if exposure.sum() >= least:
        assert score(steps) >= score([0]) - 1e-6


@settings(deadline=None, max_examples=25)
@given(st.lists(offers, min_size=1, max_size=4))
def test_profiles_keep_the_calls_they_were_made_of(tenants: list[list[int]]) -> None:
    """Expected calls of what was watched are those counted, for each tenant and all together."""
    everything = sorted(instant for tenant in tenants for instant in tenant)
    grid = make_grid(everything[0], everything[-1], 2, Cycle.DAY)
    counts = np.array([counts_of(grid, np.array(tenant, np.int64)) for tenant in tenants])
    rates = fit_rates(grid, counts)
    exposure = np.array(grid.exposure_us, np.float64)
    slots = np.arange(len(exposure)) * grid.slot_us
    whole = added_up(grid, rates, counts.sum(axis=0))
    for profile, calls in [*zip(rates, counts.sum(axis=1), strict=True), (whole, counts.sum())]:
        place = np.searchsorted(profile.starts_us, slots, side="right") - 1
        expected = (np.array(profile.rates_per_us)[place] * exposure).sum()
        assert expected == pytest.approx(float(calls), rel=1e-9)
    assert sum(whole.calls) == counts.sum()
    assert sum(whole.exposure_us) == grid.window_us


intervals = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 50)).map(lambda each: (each[0], sum(each))),
    max_size=25,
)


@given(intervals, st.integers(1, 220))
def test_time_at_each_level_by_looking_at_every_microsecond(
    calls: list[tuple[int, int]], end: int
) -> None:
    since = np.array([each[0] for each in calls], np.int64)
    until = np.array([each[1] for each in calls], np.int64)
    found = time_at(since, until, end)
    there = [sum(a <= at < b for a, b in calls) for at in range(end)]
    assert found.tolist() == np.bincount(there, minlength=len(found)).tolist()
    assert found.sum() == end


@given(st.lists(st.integers(0, 300), max_size=30), st.integers(1, 60))
def test_the_busiest_interval_by_counting(instants: list[int], interval: int) -> None:
    wanted = max(
        (sum(k <= each / interval < k + 1 for each in instants) for k in range(301)), default=0
    )
    assert most_within(np.array(instants, np.int64), interval) == wanted


@given(
    st.lists(st.tuples(st.integers(1, 23), st.integers(0, 9)), max_size=6),
    st.integers(0, 24 * 3600 - 1),
    st.booleans(),
)
def test_a_profile_goes_on_from_any_instant(
    steps: list[tuple[int, int]], begin_s: int, repeats: bool
) -> None:
    hours = dict(sorted(steps))
    starts = (0, *(hour * HOUR for hour in hours))
    rates = (3.0, *(float(rate) for rate in hours.values()))
    profile = RateProfile(starts, rates, DAY if repeats else None)
    scenario = Scenario(
        name="day",
        description="",
        seed=1,
        duration_us=DAY,
        max_concurrent_calls=1,
        tenants=(Tenant("all", profile, Deterministic(1.0)),),
    )
    turned = begun_at(scenario, begin_s * SECOND, 5 * HOUR)
    assert turned.duration_us == 5 * HOUR
    arrivals = turned.tenants[0].arrivals
    assert isinstance(arrivals, RateProfile)
    assert arrivals.starts_us[0] == 0
    assert list(arrivals.starts_us) == sorted(set(arrivals.starts_us))

    def rate_at(given: RateProfile, at_us: int) -> float:
        at_us = at_us if given.repeat_us is None else at_us % given.repeat_us
        return given.rates_per_us[int(np.searchsorted(given.starts_us, at_us, side="right")) - 1]

    for at in range(0, DAY if repeats else DAY - begin_s * SECOND, 20 * MINUTE):
        assert rate_at(arrivals, at) == rate_at(profile, begin_s * SECOND + at)


@given(st.integers(0, 2**32), st.integers(1, 3))
@settings(deadline=None, max_examples=20)
def test_the_index_of_dispersion_does_not_depend_on_units_or_level(seed: int, days: int) -> None:
    """Every call doubled: the residuals are twice as large, their squares four times."""
    rng = np.random.default_rng(seed)
    wall = np.sort(rng.integers(0, days * DAY, 400 * days)).astype(np.int64)
    grid = make_grid(0, days * DAY - 1, 0, Cycle.SPAN)
    once, twice = (dispersion_rows(grid, each) for each in (wall, np.repeat(wall, 2)))
    for one, two in zip(once, twice, strict=True):
        assert two.index == pytest.approx(2 * one.index, rel=1e-9)
        assert one.low < 1 < one.high


calls = st.lists(
    st.tuples(
        st.integers(0, 5_000),
        st.integers(0, 40),
        st.integers(0, 3),
        st.integers(0, 1),
        st.sampled_from(CallEnd),
    ),
    min_size=1,
    max_size=30,
)


@given(calls, st.integers(1, 2_000))
def test_the_next_call_of_a_caller_by_looking_for_it(
    made: list[tuple[int, int, int, int, CallEnd]], window_s: int
) -> None:
    made = sorted(made, key=lambda each: each[0])
    at, ring, caller, tenant, end = zip(*made, strict=True)
    log = call_log(
        [each * SECOND for each in at],
        hold_us=0,
        setup_us=[each * SECOND for each in ring],
        end=list(end),
        tenant=list(tenant),
        caller=list(caller),
        tenants=("acme", "beta"),
    )
    found = next_calls(log)
    assert found is not None
    refused = set()
    for row in range(len(made)):
        later = [
            other
            for other in range(row + 1, len(made))
            if caller[row] and (caller[other], tenant[other]) == (caller[row], tenant[row])
        ]
        assert found.row[row] == (later[0] if later else -1)
        if later:
            after = at[later[0]] - at[row] - ring[row]
            assert found.after_us[row] == after * SECOND
            if end[row] == CallEnd.REFUSED and 0 <= after <= window_s:
                refused.add(later[0])
    marked = redials_of_refused(log, found, window_s * SECOND)
    assert set(np.flatnonzero(marked).tolist()) == refused


@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.integers(0, 30), st.integers(0, 5), st.integers(0, 5)),
        min_size=1,
        max_size=14,
    )
)
def test_records_linked_by_their_ids_are_one_call(rows: list[tuple[int, int, int, int]]) -> None:
    """Against joining sets of ids, one link after the other; id 0 is none."""
    rows = sorted(rows, key=lambda row: row[0])
    groups: list[set[int]] = []
    for _, _, own, other in rows:
        linked = {each for each in (own, other if own else 0) if each}
        touching = [group for group in groups if group & linked]
        groups = [group for group in groups if not group & linked]
        if linked:
            groups.append(linked.union(*touching))
    column = np.array(rows, np.int64)
    n = len(rows)
    merged = merge_legs(
        Records(
            tenant=np.zeros(n, np.int32),
            offer_us=column[:, 0],
            slot_us=column[:, 1],
            hold_us=np.full(n, NEVER, np.int64),
            end=np.full(n, CallEnd.NO_ANSWER, np.int8),
            line=np.arange(1, n + 1, dtype=np.int32),
            call_id=column[:, 2],
            other_id=column[:, 3],
        )
    )
    wanted = []
    seen: set[int] = set()
    for place, (at, _, own, _) in enumerate(rows):
        group = next((each for each in groups if own in each), None)
        if own == NO_ID or group is None:
            wanted.append((at, at + rows[place][1]))
        elif not group & seen:
            seen |= group
            legs = [row for row in rows if row[2] in group]
            wanted.append((at, max(row[0] + row[1] for row in legs)))
    found = zip(merged.offer_us.tolist(), (merged.offer_us + merged.slot_us).tolist(), strict=True)
    assert list(found) == wanted
