"""Laws of the formulas: monotony, inverses, and limits in which one formula becomes another."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analytics import (
    CallClass,
    RateSteps,
    ReservedAgainst,
    SharingTenant,
    engset,
    erlang_b,
    erlang_b_continuous,
    erlang_b_of,
    erlang_c,
    extended_erlang_b,
    hayward_loss,
    kaufman_roberts,
    limited_mean,
    offered_load,
    overflow_of,
    servers_for_blocking,
    shared_group,
    traffic_for_blocking,
    trunk_reservation,
)
from simulator.scenario import Exponential, Gamma

TRAFFIC = st.floats(0.01, 400.0)
SERVERS = st.integers(1, 300)
TARGETS = st.floats(1e-9, 0.95)


@given(TRAFFIC, SERVERS, st.floats(1.001, 2.0))
def test_blocking_rises_with_traffic_and_falls_with_servers(
    offered: float, servers: int, factor: float
) -> None:
    here = erlang_b(offered, servers)
    assert 0 <= here < 1
    assert here <= erlang_b(offered * factor, servers)
    assert erlang_b(offered, servers + 1) <= erlang_b_continuous(offered, servers + 0.5) <= here


@given(TRAFFIC, SERVERS)
def test_the_ways_to_erlang_b_agree(offered: float, servers: int) -> None:
    right = erlang_b(offered, servers)
    near = pytest.approx(right, rel=1e-11, abs=1e-280)
    assert erlang_b_continuous(offered, float(servers)) == near
    assert erlang_b_of(np.array([offered]), servers)[0] == near
    assert kaufman_roberts(servers, [CallClass(offered)]).blocking[0] == near
    assert shared_group(servers, [SharingTenant(offered)]).tenants[0].call_congestion == near
    assert trunk_reservation(servers, [ReservedAgainst(offered)]).blocking[0] == near
    assert extended_erlang_b(offered, servers, recall=0).blocking == near


@given(TRAFFIC, st.floats(0.0, 100.0))
def test_continuous_servers_obey_the_recursion(offered: float, servers: float) -> None:
    lost = offered * erlang_b_continuous(offered, servers)
    assert erlang_b_continuous(offered, servers + 1) == pytest.approx(
        lost / (servers + 1 + lost), rel=1e-10, abs=1e-280
    )


@given(SERVERS, TARGETS)
def test_traffic_is_the_inverse_of_blocking(servers: int, blocking: float) -> None:
    offered = traffic_for_blocking(servers, blocking)
    assert erlang_b(offered, servers) == pytest.approx(blocking, rel=1e-10)
    assert servers_for_blocking(offered * (1 - 1e-9), blocking) <= servers
    assert servers_for_blocking(offered * (1 + 1e-9), blocking) > servers


@given(TRAFFIC, TARGETS)
def test_servers_are_the_least_that_meet_the_blocking(offered: float, blocking: float) -> None:
    servers = servers_for_blocking(offered, blocking)
    assert erlang_b(offered, servers) <= blocking * (1 + 1e-11)
    assert servers == 0 or erlang_b(offered, servers - 1) > blocking * (1 - 1e-11)


@given(st.floats(0.01, 0.99), st.integers(1, 200))
def test_more_wait_than_would_be_lost(load: float, servers: int) -> None:
    offered = load * servers
    waits = erlang_c(offered, servers)
    assert erlang_b(offered, servers) <= waits <= 1
    assert waits >= erlang_c(offered, servers + 1)


@given(st.floats(0.05, 50.0), st.integers(1, 60))
def test_engset_tends_to_erlang_b_with_many_sources(offered: float, servers: int) -> None:
    right = erlang_b(offered, servers)
    sources = 1_000_000
    many = engset(servers, sources, per_source=offered / sources)
    assert many.time_congestion == pytest.approx(right, rel=0.01, abs=1e-280)
    assert many.call_congestion == pytest.approx(right, rel=0.01, abs=1e-280)
    assert many.intended_erlangs == pytest.approx(offered, rel=1e-9)


@given(st.floats(0.01, 5.0), st.integers(1, 40), st.integers(1, 60))
def test_congestions_of_finite_sources_come_in_order(
    alpha: float, servers: int, sources: int
) -> None:
    result = engset(servers, sources, per_idle_source=alpha)
    slack = 1 + 1e-12
    assert result.traffic_congestion <= result.call_congestion * slack
    assert result.call_congestion <= result.time_congestion * slack
    assert result.intended_erlangs <= result.offered_erlangs * slack
    single = shared_group(servers, [SharingTenant(alpha, sources=sources)]).tenants[0]
    assert single.call_congestion == pytest.approx(result.call_congestion, rel=1e-10, abs=1e-280)
    assert single.time_congestion == pytest.approx(result.time_congestion, rel=1e-10, abs=1e-280)


@given(TRAFFIC, SERVERS, st.floats(0.0, 0.95), st.floats(0.0, 0.04))
def test_more_recall_blocks_more_and_loses_less(
    fresh: float, servers: int, recall: float, more: float
) -> None:
    one = extended_erlang_b(fresh, servers, recall)
    other = extended_erlang_b(fresh, servers, recall + more)
    assert other.blocking >= one.blocking * (1 - 1e-10)
    assert other.lost_share <= one.lost_share * (1 + 1e-9)
    assert one.carried_erlangs <= min(fresh, servers) * (1 + 1e-10)


@st.composite
def groups(draw: st.DrawFn) -> tuple[int, list[SharingTenant]]:
    limit = draw(st.integers(1, 60))
    left = limit
    tenants = []
    for _ in range(draw(st.integers(1, 5))):
        reserved = draw(st.integers(0, left))
        left -= reserved
        cap = draw(st.none() | st.integers(reserved, limit + 5))
        tenants.append(SharingTenant(draw(st.just(0.0) | st.floats(1e-6, 80.0)), cap, reserved))
    return limit, tenants


@given(groups())
@settings(max_examples=60)
def test_poisson_calls_see_what_time_shows_and_carry_the_rest(
    group: tuple[int, list[SharingTenant]],
) -> None:
    limit, tenants = group
    result = shared_group(limit, tenants)
    assert result.carried_erlangs <= limit * (1 + 1e-12)
    assert result.time_congestion <= result.committed_congestion * (1 + 1e-12)
    for tenant, loss in zip(tenants, result.tenants, strict=True):
        assert loss.call_congestion == pytest.approx(loss.time_congestion, rel=1e-12)
        carried = tenant.offered_erlangs * (1 - loss.call_congestion)
        # Two sums over different states: the distribution's mean, and what was not refused.
        assert loss.carried_erlangs == pytest.approx(carried, rel=1e-9, abs=1e-11)
        # A guaranteed minimum is worth at least a group of its own of that size.
        own = erlang_b(tenant.offered_erlangs, tenant.reserved)
        assert loss.call_congestion <= own * (1 + 1e-9)


@given(groups())
@settings(max_examples=40)
def test_limits_without_effect_leave_erlang_b(group: tuple[int, list[SharingTenant]]) -> None:
    limit, tenants = group
    free = [SharingTenant(each.offered_erlangs, cap=limit) for each in tenants]
    right = erlang_b(math.fsum(each.offered_erlangs for each in tenants), limit)
    result = shared_group(limit, free)
    for loss in result.tenants:
        assert loss.call_congestion == pytest.approx(right, rel=1e-11, abs=1e-280)


@given(TRAFFIC, st.floats(0.1, 50.0), st.integers(1, 80), st.integers(0, 10))
def test_reservation_helps_those_it_is_for(
    favoured: float, other: float, slots: int, kept: int
) -> None:
    kept = min(kept, slots)
    plain = trunk_reservation(slots, [ReservedAgainst(favoured), ReservedAgainst(other)])
    result = trunk_reservation(slots, [ReservedAgainst(favoured), ReservedAgainst(other, kept)])
    assert result.blocking[0] <= plain.blocking[0] * (1 + 1e-10)
    assert result.blocking[1] >= plain.blocking[1] * (1 - 1e-10)


@given(TRAFFIC, SERVERS)
def test_overflow_is_peaked_and_poisson_before_any_server(offered: float, servers: int) -> None:
    assert overflow_of(offered, servers).peakedness >= 1 - 1e-9
    none = overflow_of(offered, 0)
    assert none.mean == pytest.approx(offered)
    assert none.peakedness == pytest.approx(1, rel=1e-9)
    assert hayward_loss(none, servers) == pytest.approx(
        erlang_b(offered, servers), rel=1e-7, abs=1e-280
    )


@given(
    st.lists(st.tuples(st.floats(0.1, 5.0), st.floats(0.0, 20.0)), min_size=1, max_size=6),
    st.floats(0.0, 40.0),
    st.floats(0.3, 2.0),
)
@settings(max_examples=40)
def test_load_is_linear_in_the_rate_and_what_came_in_leaves(
    steps: list[tuple[float, float]], instant: float, cv: float
) -> None:
    starts = tuple(np.cumsum([gap for gap, _ in steps]).tolist())
    rates = tuple(rate for _, rate in steps)
    hold = limited_mean(Gamma(2.0, cv))
    profile, double = RateSteps(starts, rates), RateSteps(starts, tuple(2 * r for r in rates))
    load = offered_load(profile, hold, [instant])[0]
    assert 0 <= load <= 2.0 * max(rates) + 1e-9
    assert offered_load(double, hold, [instant])[0] == pytest.approx(2 * load, abs=1e-9)
    # dm/dt = rate - m / mean for exponential holding times.
    flow = offered_load(profile, limited_mean(Exponential(2.0)), [instant, instant + 1e-5])
    if not any(instant <= start <= instant + 1e-5 for start in starts):
        slope = float(profile.at(instant)) - flow[0] / 2.0
        assert (flow[1] - flow[0]) / 1e-5 == pytest.approx(slope, abs=1e-3)
