"""Groups with several streams, against balance equations and sums over every state."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import product
from math import comb, factorial, prod

import pytest

from simulator.analytics import (
    CallClass,
    PeakedTraffic,
    ReservedAgainst,
    SharingTenant,
    combined,
    equivalent_group,
    equivalent_random_loss,
    erlang_b,
    hayward_loss,
    kaufman_roberts,
    overflow_of,
    poisson,
    shared_group,
    trunk_reservation,
)
from tests.stationary import stationary

Calls = tuple[int, ...]


def solved(
    rates: Callable[[Calls], Sequence[float]],
    ends: Sequence[float],
    admits: Callable[[Calls, int], bool],
) -> dict[Calls, float]:
    """Shares of time of calls in progress by stream; call rates may depend on the state."""

    def moves(calls: Calls) -> Iterator[tuple[Calls, float]]:
        for stream, rate in enumerate(rates(calls)):
            if admits(calls, stream):
                yield (*calls[:stream], calls[stream] + 1, *calls[stream + 1 :]), rate
            if calls[stream]:
                left = (*calls[:stream], calls[stream] - 1, *calls[stream + 1 :])
                yield left, calls[stream] * ends[stream]

    return stationary((0,) * len(ends), moves)


# --- calls of several slots -----------------------------------------------------------------


def test_kaufman_roberts_is_the_sum_over_all_states() -> None:
    """The product form in rational numbers, state by state, without the recursion."""
    slots, offered, sizes = 12, (Fraction(7, 2), Fraction(5, 4), Fraction(1, 3)), (1, 2, 5)
    weights = {
        calls: prod(a**n / factorial(n) for a, n in zip(offered, calls, strict=True))
        for calls in product(*(range(slots // size + 1) for size in sizes))
        if sum(n * size for n, size in zip(calls, sizes, strict=True)) <= slots
    }
    total = sum(weights.values())
    result = kaufman_roberts(
        slots, [CallClass(float(a), size) for a, size in zip(offered, sizes, strict=True)]
    )
    for place, size in enumerate(sizes):
        blocked = sum(
            weight
            for calls, weight in weights.items()
            if sum(n * each for n, each in zip(calls, sizes, strict=True)) + size > slots
        )
        assert result.blocking[place] == pytest.approx(float(blocked / total), rel=1e-13)
    assert result.slots_in_use.sum() == pytest.approx(1, rel=1e-14)
    carried = sum(
        float(a) * (1 - blocking) * size
        for a, blocking, size in zip(offered, result.blocking, sizes, strict=True)
    )
    assert result.carried_slots == pytest.approx(carried, rel=1e-12)


def test_kaufman_roberts_holds_for_different_holding_times() -> None:
    """Two classes in balance, one with calls ten times as long: only erlangs matter."""
    shares = solved(
        lambda _: (2.0, 0.15), (1.0, 0.1), lambda calls, k: calls[0] + 2 * calls[1] + (1, 2)[k] <= 6
    )
    result = kaufman_roberts(6, [CallClass(2.0), CallClass(1.5, 2)])
    for place, size in enumerate((1, 2)):
        blocked = sum(p for calls, p in shares.items() if calls[0] + 2 * calls[1] + size > 6)
        assert result.blocking[place] == pytest.approx(blocked, rel=1e-12)


def test_a_class_larger_than_the_group_is_always_blocked() -> None:
    result = kaufman_roberts(4, [CallClass(2.0), CallClass(1.0, 5)])
    assert result.blocking[1] == pytest.approx(1, rel=1e-14)
    assert result.blocking[0] == pytest.approx(erlang_b(2.0, 4), rel=1e-13)


def test_large_overloaded_groups_neither_overflow_nor_underflow() -> None:
    result = kaufman_roberts(20_000, [CallClass(30_000.0), CallClass(10.0, 4)])
    # Two erlangs to a slot, and larger calls need four free ones of a Poisson-like tail.
    assert result.blocking[0] == pytest.approx(1 / 3, abs=0.01)
    assert 0.75 < result.blocking[1] < 0.85


# --- caps and guaranteed minima -------------------------------------------------------------

GROUPS: list[tuple[int, list[SharingTenant]]] = [
    (6, [SharingTenant(2.0, cap=4, reserved=1), SharingTenant(3.0, reserved=2)]),
    (7, [SharingTenant(5.0, cap=3, reserved=3), SharingTenant(0.5), SharingTenant(2.5, cap=5)]),
    (5, [SharingTenant(9.0, reserved=2), SharingTenant(0.0, reserved=2), SharingTenant(1.0)]),
    (4, [SharingTenant(3.0, reserved=2), SharingTenant(3.0, reserved=2)]),
    (6, [SharingTenant(0.4, reserved=2, sources=5), SharingTenant(3.0, cap=5)]),
    (5, [SharingTenant(1.5, cap=3, sources=3, reserved=1), SharingTenant(0.3, sources=9)]),
    (3, [SharingTenant(2.0, cap=0), SharingTenant(2.0)]),
    (4, [SharingTenant(1.0, reserved=4, sources=2), SharingTenant(2.0)]),
    (0, [SharingTenant(2.0), SharingTenant(0.5, sources=3)]),
]
LENGTHS = (1.0, 7.0, 0.3)


@pytest.mark.parametrize(("limit", "tenants"), GROUPS)
def test_sharing_is_the_solution_of_the_balance_equations(
    limit: int, tenants: list[SharingTenant]
) -> None:
    """By the admission rule as it is worded, with another mean holding time for each tenant."""

    def admits(calls: Calls, k: int) -> bool:
        if sum(calls) >= limit:
            return False
        if tenants[k].cap is not None and calls[k] >= (tenants[k].cap or 0):
            return False
        committed = sum(max(n, each.reserved) for n, each in zip(calls, tenants, strict=True))
        return calls[k] < tenants[k].reserved or committed < limit

    def rates(calls: Calls) -> list[float]:
        return [
            each.offered_erlangs
            * (1 if each.sources is None else each.sources - n)
            / LENGTHS[place]
            for place, (n, each) in enumerate(zip(calls, tenants, strict=True))
        ]

    shares = solved(rates, [1 / LENGTHS[place] for place in range(len(tenants))], admits)
    result = shared_group(limit, tenants)
    for k, loss in enumerate(result.tenants):
        offers = sum(rates(calls)[k] * p for calls, p in shares.items())
        lost = sum(rates(calls)[k] * p for calls, p in shares.items() if not admits(calls, k))
        if offers > 0:
            assert loss.call_congestion == pytest.approx(lost / offers, rel=1e-11, abs=1e-15)
        refused = sum(p for calls, p in shares.items() if not admits(calls, k))
        assert loss.time_congestion == pytest.approx(refused, rel=1e-11, abs=1e-15)
        carried = sum(calls[k] * p for calls, p in shares.items())
        assert loss.carried_erlangs == pytest.approx(carried, rel=1e-11, abs=1e-15)
        cap = tenants[k].cap
        at_cap = sum(p for calls, p in shares.items() if cap is not None and calls[k] >= cap)
        if cap is not None:
            assert loss.cap_congestion == pytest.approx(at_cap, rel=1e-11, abs=1e-15)
    full = sum(p for calls, p in shares.items() if sum(calls) >= limit)
    assert result.time_congestion == pytest.approx(full, rel=1e-11)


def test_sharing_is_the_sum_over_all_states() -> None:
    """The product form in rational numbers, refused as the rule is worded, without convolution."""
    limit, offered = 30, (Fraction(25, 2), Fraction(40), Fraction(1, 4))
    reserved, caps, sources = (4, 0, 6), (14, 30, 30), 20
    orders = (factorial, factorial, None)
    weigh = [
        [a**n / order(n) if order else comb(sources, n) * a**n for n in range(cap + 1)]
        for a, order, cap in zip(offered, orders, caps, strict=True)
    ]
    calling, refused = [Fraction(0)] * 3, [Fraction(0)] * 3
    for calls in product(*(range(cap + 1) for cap in caps)):
        committed = sum(map(max, calls, reserved))
        if committed > limit:
            continue
        weight = prod(row[n] for row, n in zip(weigh, calls, strict=True))
        for k, n in enumerate(calls):
            callers = weight if k < 2 else weight * (sources - n)
            calling[k] += callers
            if n == caps[k] or (n >= reserved[k] and committed == limit):
                refused[k] += callers
    result = shared_group(
        limit,
        [
            SharingTenant(12.5, cap=14, reserved=4),
            SharingTenant(40.0),
            SharingTenant(0.25, reserved=6, sources=sources),
        ],
    )
    for loss, blocked, offers in zip(result.tenants, refused, calling, strict=True):
        assert loss.call_congestion == pytest.approx(float(blocked / offers), rel=1e-12)


def test_sharing_without_limits_of_their_own_is_erlang_b_in_deep_overload() -> None:
    """Ten times as much as there is room for, where untilted weights would all be too small."""
    tenants = [SharingTenant(4_000.0, reserved=10), SharingTenant(6_000.0), SharingTenant(1e4)]
    result = shared_group(2_000, tenants)
    for loss in result.tenants:
        assert loss.call_congestion == pytest.approx(erlang_b(20_000.0, 2_000), rel=1e-9)


def test_when_all_is_reserved_every_tenant_has_a_group_of_its_own() -> None:
    result = shared_group(
        500, [SharingTenant(900.0, reserved=300), SharingTenant(5.0, reserved=200)]
    )
    assert result.tenants[0].call_congestion == pytest.approx(erlang_b(900.0, 300), rel=1e-10)
    assert result.tenants[1].call_congestion == pytest.approx(erlang_b(5.0, 200), rel=1e-10)


# --- trunk reservation ----------------------------------------------------------------------


@pytest.mark.parametrize(("slots", "kept"), [(6, (0, 2)), (5, (1, 3)), (4, (0, 4)), (3, (0, 0))])
def test_reservation_with_equal_holding_times_is_exact(slots: int, kept: tuple[int, int]) -> None:
    offered = (2.5, 1.75)
    shares = solved(lambda _: offered, (1.0, 1.0), lambda calls, k: sum(calls) < slots - kept[k])
    result = trunk_reservation(
        slots, [ReservedAgainst(a, t) for a, t in zip(offered, kept, strict=True)]
    )
    for k, blocking in enumerate(result.blocking):
        blocked = sum(p for calls, p in shares.items() if sum(calls) >= slots - kept[k])
        assert blocking == pytest.approx(blocked, rel=1e-12)
    full = sum(p for calls, p in shares.items() if sum(calls) == slots)
    assert result.time_congestion == pytest.approx(full, rel=1e-12, abs=1e-15)
    carried = sum(sum(calls) * p for calls, p in shares.items())
    assert result.carried_erlangs == pytest.approx(carried, rel=1e-12)


def test_reservation_with_different_holding_times_is_an_approximation() -> None:
    """The calls reserved against last five times as long: the order of magnitude, no more."""
    shares = solved(lambda _: (4.0, 0.8), (1.0, 0.2), lambda calls, k: sum(calls) < 10 - (0, 2)[k])
    result = trunk_reservation(10, [ReservedAgainst(4.0), ReservedAgainst(4.0, 2)])
    favoured, other = (
        sum(p for calls, p in shares.items() if sum(calls) >= 10 - kept) for kept in (0, 2)
    )
    assert (f"{result.blocking[0]:.3f}", f"{favoured:.3f}") == ("0.037", "0.059")
    assert result.blocking[1] == pytest.approx(other, rel=0.5)


# --- overflow -------------------------------------------------------------------------------


@pytest.mark.parametrize(("offered", "servers"), [(3.0, 2), (5.0, 7), (1.5, 0)])
def test_overflow_moments_are_those_of_an_infinite_second_group(
    offered: float, servers: int
) -> None:
    longest = 40
    start: Calls = (0, 0)

    def moves(state: Calls) -> Iterator[tuple[Calls, float]]:
        first, second = state
        if first < servers:
            yield (first + 1, second), offered
        elif second < longest:
            yield (first, second + 1), offered
        if first:
            yield (first - 1, second), first
        if second:
            yield (first, second - 1), second

    shares = stationary(start, moves)
    mean = sum(second * p for (_, second), p in shares.items())
    square = sum(second**2 * p for (_, second), p in shares.items())
    result = overflow_of(offered, servers)
    assert result.mean == pytest.approx(mean, rel=1e-10)
    assert result.variance == pytest.approx(square - mean**2, rel=1e-9)


@pytest.mark.parametrize(("offered", "servers"), [(10.0, 10), (0.01, 1), (100.0, 110), (7.0, 3)])
def test_the_equivalent_group_of_an_overflow_is_the_group_it_came_from(
    offered: float, servers: int
) -> None:
    overflow = overflow_of(offered, servers)
    group = equivalent_group(overflow)
    assert group.offered_erlangs == pytest.approx(offered, rel=1e-8)
    assert group.servers == pytest.approx(servers, rel=1e-8)
    # Poisson calls through both groups in turn meet servers + 5 in all.
    right = erlang_b(offered, servers + 5) / erlang_b(offered, servers)
    assert equivalent_random_loss(overflow, 5) == pytest.approx(right, rel=1e-7)


def test_two_overflows_on_one_group_by_two_moments() -> None:
    """Against the balance equations of two primary groups and the group behind them."""
    groups, behind = ((3.0, 3), (2.0, 2)), 4
    start: Calls = (0, 0, 0)

    def moves(state: Calls) -> Iterator[tuple[Calls, float]]:
        *primary, second = state
        for place, (offered, servers) in enumerate(groups):
            if primary[place] < servers:
                grown = list(state)
                grown[place] += 1
                yield tuple(grown), offered
            elif second < behind:
                yield (*primary, second + 1), offered
        for place in range(3):
            if state[place]:
                less = list(state)
                less[place] -= 1
                yield tuple(less), state[place]

    shares = stationary(start, moves)
    lost = sum(
        offered * p
        for state, p in shares.items()
        for place, (offered, servers) in enumerate(groups)
        if state[place] == servers and state[2] == behind
    )
    traffic = combined(overflow_of(*group) for group in groups)
    assert equivalent_random_loss(traffic, behind) == pytest.approx(lost / traffic.mean, rel=0.02)
    assert hayward_loss(traffic, behind) == pytest.approx(lost / traffic.mean, rel=0.3)


def test_hayward_is_as_near_as_it_says() -> None:
    """Behind one group the loss is known: its servers and those behind it are one larger group."""

    def off_by(offered: float, primary: int, behind: int) -> float:
        true = erlang_b(offered, primary + behind) / erlang_b(offered, primary)
        return hayward_loss(overflow_of(offered, primary), behind) / true - 1

    large, small = overflow_of(30.0, 20), overflow_of(10.0, 10)
    assert (f"{large.mean:.1f}", f"{large.peakedness:.1f}") == ("11.4", "2.1")
    assert (f"{small.mean:.1f}", f"{small.peakedness:.1f}") == ("2.1", "2.0")
    assert all(abs(off_by(30.0, 20, behind)) < 0.03 for behind in range(1, 23))
    assert -0.15 < off_by(10.0, 10, 3) < -0.1
    assert -0.35 < off_by(10.0, 10, 7) < -0.3


def test_poisson_traffic_is_not_peaked() -> None:
    assert equivalent_random_loss(poisson(8.0), 10) == pytest.approx(erlang_b(8.0, 10), rel=1e-9)
    assert hayward_loss(poisson(8.0), 10) == pytest.approx(erlang_b(8.0, 10), rel=1e-12)
    assert hayward_loss(PeakedTraffic(8.0, 4.0), 10) < erlang_b(8.0, 10)
    assert poisson(0.0).peakedness == 1
