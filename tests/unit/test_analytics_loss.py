"""Loss and waiting formulas against exact arithmetic, integrals and balance equations."""

import math
from collections.abc import Iterator
from fractions import Fraction

import pytest

from simulator.analytics import (
    carried_traffic,
    engset,
    erlang_b,
    erlang_b_continuous,
    erlang_c,
    extended_erlang_b,
    servers_for_blocking,
    servers_for_service_level,
    service_level,
    waiting,
)
from tests import fifty_digits
from tests.stationary import stationary


def exact_erlang_b(offered: Fraction, servers: int) -> Fraction:
    term, total = Fraction(1), Fraction(1)
    for k in range(1, servers + 1):
        term = term * offered / k
        total += term
    return term / total


def test_hundred_erlang_at_one_per_cent() -> None:
    """In rational numbers 0.00979 with 117 servers, 0.01157 with one less."""
    for servers, digits in ((117, "0.00979"), (116, "0.01157")):
        assert f"{float(exact_erlang_b(Fraction(100), servers)):.5f}" == digits
        assert f"{erlang_b(100.0, servers):.5f}" == digits
    assert servers_for_blocking(100.0, 0.01) == 117


@pytest.mark.parametrize(("offered", "servers"), [(0.5, 3), (7.25, 0), (64.0, 80), (150.0, 120)])
def test_erlang_b_is_the_exact_ratio(offered: float, servers: int) -> None:
    right = float(exact_erlang_b(Fraction(offered), servers))
    assert erlang_b(offered, servers) == pytest.approx(right, rel=1e-13)
    assert erlang_b_continuous(offered, float(servers)) == pytest.approx(right, rel=1e-13)
    assert carried_traffic(offered, servers) == pytest.approx(offered * (1 - right), rel=1e-13)


def test_inverse_in_servers_counts_a_blocking_met_exactly() -> None:
    assert servers_for_blocking(1.0, 0.5) == 1  # B(1, 1) = 1/2
    assert servers_for_blocking(1.0, 0.2) == 2  # B(2, 1) = 1/5
    assert servers_for_blocking(1.0, 0.1999) == 3
    assert servers_for_blocking(0.0, 0.01) == 1
    assert servers_for_blocking(5.0, 1.0) == 0


@pytest.mark.parametrize(("fresh", "servers", "recall"), [(9.9, 10, 0.5), (30.0, 10, 0.9)])
def test_recalls_settle_where_what_comes_back_is_what_was_blocked(
    fresh: float, servers: int, recall: float
) -> None:
    """Fresh traffic and recalls iterated until they stand still, which for recall < 1 they do."""
    total = fresh
    for _ in range(5_000):
        total = fresh + recall * total * float(fifty_digits.erlang_b(total, servers))
    result = extended_erlang_b(fresh, servers, recall)
    assert result.total_erlangs == pytest.approx(total, rel=1e-9)
    assert result.blocking == pytest.approx(float(fifty_digits.erlang_b(total, servers)), rel=1e-9)
    assert result.lost_share == pytest.approx(1 - result.carried_erlangs / fresh, rel=1e-9)


def test_with_endless_recalls_everything_is_carried() -> None:
    result = extended_erlang_b(9.9, 10, recall=1)
    assert result.carried_erlangs == pytest.approx(9.9, rel=1e-12)
    assert result.lost_share == 0
    right = float(fifty_digits.erlang_b(result.total_erlangs, 10))
    assert result.blocking == pytest.approx(right, rel=1e-10)
    assert extended_erlang_b(9.9, 10, recall=0).blocking == erlang_b(9.9, 10)


@pytest.mark.parametrize(("servers", "sources", "alpha"), [(3, 4, 0.4), (5, 12, 0.6), (4, 4, 1.5)])
def test_engset_is_the_solution_of_the_balance_equations(
    servers: int, sources: int, alpha: float
) -> None:
    def moves(busy: int) -> Iterator[tuple[int, float]]:
        if busy < servers:
            yield busy + 1, (sources - busy) * alpha
        if busy:
            yield busy - 1, busy

    shares = stationary(0, moves)
    idle = sum((sources - busy) * share for busy, share in shares.items())
    refused = (sources - servers) * shares[servers] / idle
    result = engset(servers, sources, per_idle_source=alpha)
    assert result.time_congestion == pytest.approx(shares[servers], rel=1e-12)
    assert result.call_congestion == pytest.approx(refused, rel=1e-12, abs=1e-15)
    assert result.offered_erlangs == pytest.approx(alpha * idle, rel=1e-12)
    carried = sum(busy * share for busy, share in shares.items())
    assert result.carried_erlangs == pytest.approx(carried, rel=1e-12)
    assert result.traffic_congestion == pytest.approx(
        1 - carried / result.intended_erlangs, rel=1e-9, abs=1e-14
    )


def test_the_two_conventions_of_engset_differ_by_the_busy_source() -> None:
    # An idle source offers half an erlang: it would be busy a third of its time.
    one = engset(3, 10, per_idle_source=0.5)
    other = engset(3, 10, per_source=1 / 3)
    assert one.call_congestion == pytest.approx(other.call_congestion, rel=1e-12)
    assert one.intended_erlangs == pytest.approx(10 / 3, rel=1e-12)
    assert engset(3, 10, per_source=0.5).call_congestion > one.call_congestion


@pytest.mark.parametrize(("offered", "servers"), [(0.7, 1), (2.0, 3), (14.5, 16)])
def test_erlang_c_is_the_solution_of_the_balance_equations(offered: float, servers: int) -> None:
    longest = 600  # beyond it there is less than 1e-12 of the time

    def moves(calls: int) -> Iterator[tuple[int, float]]:
        if calls < longest:
            yield calls + 1, offered
        if calls:
            yield calls - 1, min(calls, servers)

    shares = stationary(0, moves)
    waits = sum(share for calls, share in shares.items() if calls >= servers)
    queue = sum((calls - servers) * share for calls, share in shares.items() if calls > servers)
    assert erlang_c(offered, servers) == pytest.approx(waits, rel=1e-9)
    result = waiting(offered, servers, hold_mean=180.0)
    assert result.queue_mean == pytest.approx(queue, rel=1e-9)
    # Little's law: calls waiting are arrivals per second times seconds waited.
    assert result.wait_mean == pytest.approx(queue / (offered / 180.0), rel=1e-9)


def test_service_level_is_that_of_a_queue_drained_one_by_one() -> None:
    """A call that finds j waiting waits for j + 1 departures at rate n: an Erlang distribution."""
    offered, servers, hold_s, within_s = 10.0, 12, 180.0, 20.0
    departures = servers / hold_s * within_s
    busy = offered / servers
    wait = erlang_c(offered, servers)
    too_long = sum(
        wait
        * (1 - busy)
        * busy**ahead
        * math.exp(-departures)
        * sum(departures**k / math.factorial(k) for k in range(ahead + 1))
        for ahead in range(150)
    )
    assert service_level(offered, servers, hold_s, within_s) == pytest.approx(
        1 - too_long, rel=1e-9
    )
    assert service_level(offered, servers, hold_s, 0) == pytest.approx(1 - wait, rel=1e-12)
    needed = servers_for_service_level(offered, hold_s, within_s, 0.8)
    assert service_level(offered, needed, hold_s, within_s) >= 0.8
    assert service_level(offered, needed - 1, hold_s, within_s) < 0.8
