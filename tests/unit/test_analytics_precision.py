"""The precision that each formula states, against the same formula in fifty digits."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from simulator.analytics import (
    CallClass,
    PeakedTraffic,
    ReservedAgainst,
    engset,
    equivalent_group,
    erlang_b,
    erlang_b_continuous,
    erlang_b_of,
    erlang_c,
    extended_erlang_b,
    hayward_loss,
    kaufman_roberts,
    limited_mean,
    overflow_of,
    traffic_for_blocking,
    trunk_reservation,
)
from simulator.scenario import Gamma
from tests import fifty_digits
from tests.fifty_digits import with_fifty_digits


def soak(*values: float) -> Any:
    return pytest.param(*values, marks=pytest.mark.soak)


@pytest.mark.parametrize(
    ("offered", "servers"),
    [
        (1e-3, 30),
        (500.0, 1_000),
        (700.0, 900),
        (99e3, 100_000),
        soak(1e5, 100_000),
        soak(3e5, 100_000),
    ],
)
def test_erlang_b(offered: float, servers: int) -> None:
    right = float(fifty_digits.erlang_b(offered, servers))
    assert erlang_b(offered, servers) == pytest.approx(right, rel=1e-11)
    assert erlang_b_continuous(offered, float(servers)) == pytest.approx(right, rel=1e-11)
    many = erlang_b_of(np.array([offered, 0.0]), servers)
    assert many[0] == pytest.approx(right, rel=1e-10)
    assert many[1] == 0.0


@pytest.mark.parametrize(
    ("offered", "servers"),
    [
        (1e-6, 0.1),
        (0.001, 0.5),
        (0.4, 0.999),
        (0.3, 10.9),
        (1.49, 2.7),
        (1.51, 2.7),
        (10.0, 12.5),
        (80.0, 66.1),
        (1e5, 0.7),
        (99e3, 100_000.5),
    ],
)
def test_continuous_servers(offered: float, servers: float) -> None:
    right = float(fifty_digits.erlang_b_continuous(offered, servers))
    assert erlang_b_continuous(offered, servers) == pytest.approx(right, rel=1e-11)
    # A stream of peakedness 2 on twice the servers is Hayward's way to the same number.
    stream = PeakedTraffic(2 * offered, 4 * offered)
    if (2 * servers).is_integer():
        assert hayward_loss(stream, int(2 * servers)) == pytest.approx(right, rel=1e-11)


@pytest.mark.parametrize(
    ("servers", "blocking"),
    [(1, 0.5), (117, 0.01), (2_000, 1e-6), (50, 0.9), soak(100_000, 0.01), soak(100_000, 1e-9)],
)
def test_inverse_in_traffic(servers: int, blocking: float) -> None:
    offered = traffic_for_blocking(servers, blocking)
    assert float(fifty_digits.erlang_b(offered, servers)) == pytest.approx(blocking, rel=1e-10)


@pytest.mark.parametrize(
    ("fresh", "servers", "recall"),
    [(9.9, 10, 0.5), (30.0, 10, 0.9), (9.9, 10, 1.0), soak(99e3, 100_000, 0.7)],
)
def test_extended_erlang_b(fresh: float, servers: int, recall: float) -> None:
    """What is offered is the fresh traffic and the recalls of what it loses."""
    result = extended_erlang_b(fresh, servers, recall)
    blocking = float(fifty_digits.erlang_b(result.total_erlangs, servers))
    assert result.blocking == pytest.approx(blocking, rel=1e-10)
    assert result.total_erlangs * (1 - recall * blocking) == pytest.approx(fresh, rel=1e-10)


@pytest.mark.parametrize(
    ("offered", "servers"), [(0.001, 2), (9.999, 10), (99_900.0, 100_000), (90e3, 100_000)]
)
def test_erlang_c(offered: float, servers: int) -> None:
    lost = fifty_digits.erlang_b(offered, servers)
    right = float(servers * lost / (servers - Decimal(offered) * (1 - lost)))
    assert erlang_c(offered, servers) == pytest.approx(right, rel=1e-10, abs=1e-307)


@pytest.mark.parametrize(
    ("servers", "sources", "alpha"),
    [(3, 4, 0.4), (20, 10**6, 1e-5), (1_000, 1_001, 3.0), soak(100_000, 10**6, 0.11)],
)
def test_engset(servers: int, sources: int, alpha: float) -> None:
    result = engset(servers, sources, per_idle_source=alpha)
    time, call = (float(fifty_digits.engset(servers, s, alpha)) for s in (sources, sources - 1))
    assert result.time_congestion == pytest.approx(time, rel=1e-11)
    assert result.call_congestion == pytest.approx(call, rel=1e-11)


@with_fifty_digits
def shares_of_slots(slots: int, classes: Sequence[CallClass]) -> list[Decimal]:
    weights = [Decimal(1)]
    for j in range(1, slots + 1):
        terms = (
            Decimal(each.offered_erlangs) * each.slots * weights[j - each.slots]
            for each in classes
            if each.slots <= j
        )
        weights.append(sum(terms, Decimal(0)) / j)
    whole = sum(weights)
    return [weight / whole for weight in weights]


@pytest.mark.parametrize(
    ("slots", "classes"),
    [
        (50, [CallClass(20.0), CallClass(3.0, 5)]),
        (9, [CallClass(20.0), CallClass(3.0, 10)]),
        (5_000, [CallClass(8_000.0), CallClass(10.0, 4), CallClass(0.5, 700)]),
        (5_000, [CallClass(3_000.0), CallClass(250.0, 6)]),
    ],
)
def test_kaufman_roberts(slots: int, classes: list[CallClass]) -> None:
    """Some of these grow past what a float holds, several times over."""
    result = kaufman_roberts(slots, classes)
    shares = shares_of_slots(slots, classes)
    assert result.slots_in_use == pytest.approx(
        [float(each) for each in shares], rel=1e-10, abs=1e-250
    )
    for blocking, each in zip(result.blocking, classes, strict=True):
        blocked = float(sum(shares[max(0, slots - each.slots + 1) :]))
        assert blocking == pytest.approx(blocked, rel=1e-10)


@with_fifty_digits
def shares_reserved(slots: int, classes: Sequence[ReservedAgainst]) -> list[Decimal]:
    weights = [Decimal(1)]
    for n in range(slots):
        admitted = [Decimal(k.offered_erlangs) for k in classes if n < slots - k.kept_free]
        weights.append(weights[-1] * sum(admitted, Decimal(0)) / (n + 1))
    whole = sum(weights)
    return [weight / whole for weight in weights]


@pytest.mark.parametrize(
    ("slots", "favoured", "other", "kept"),
    [(50, 0.001, 10.0, 45), (5_000, 2_500.0, 2_600.0, 20), soak(100_000, 5e4, 5.2e4, 100)],
)
def test_trunk_reservation(slots: int, favoured: float, other: float, kept: int) -> None:
    classes = [ReservedAgainst(favoured), ReservedAgainst(other, kept)]
    shares = shares_reserved(slots, classes)
    result = trunk_reservation(slots, classes)
    for blocking, each in zip(result.blocking, classes, strict=True):
        blocked = float(sum(shares[slots - each.kept_free :]))
        assert blocking == pytest.approx(blocked, rel=1e-10)


@pytest.mark.parametrize(
    ("offered", "servers"),
    [(80.0, 100), (9.9e3, 10_000), (1.2e4, 10_000), (3e3, 2_000), (1e5, 10), (1e6, 50), (0.1, 9)],
)
@with_fifty_digits
def test_moments_of_overflow(offered: float, servers: int) -> None:
    """In deep overload too, where mean and traffic are nearly equal."""
    result = overflow_of(offered, servers)
    a = Decimal(offered)
    mean = a * fifty_digits.erlang_b(offered, servers)
    variance = mean * (1 - mean + a / (servers + 1 - a + mean))
    assert result.mean == pytest.approx(float(mean), rel=1e-10)
    assert result.variance == pytest.approx(float(variance), rel=1e-10)


@pytest.mark.parametrize(
    ("mean", "peakedness"),
    [(0.001, 1.06), (709.0, 1.0000014), (3.0, 2.5), (0.05, 8.0), (200.0, 4.0)],
)
@with_fifty_digits
def test_the_equivalent_group_has_the_moments_wanted(mean: float, peakedness: float) -> None:
    group = equivalent_group(PeakedTraffic(mean, mean * peakedness))
    a, servers = Decimal(group.offered_erlangs), Decimal(group.servers)
    lost = a * fifty_digits.erlang_b_continuous(group.offered_erlangs, group.servers)
    assert float(lost) == pytest.approx(mean, rel=1e-9)
    variance = lost * (1 - lost + a / (servers + 1 - a + lost))
    assert float(variance) == pytest.approx(mean * peakedness, rel=1e-9)


@pytest.mark.parametrize("cv", [9e-5, 3e-4, 0.003, 0.01, 0.2236, 1.0, 30.0])
def test_limited_mean_of_a_gamma_variable(cv: float) -> None:
    """From nearly fixed holding times, past where the distribution is taken for normal, to wild."""
    found = limited_mean(Gamma(3.0, cv))
    for off in (-2.0, 0.5):
        x = 3.0 * max(0.01, 1 + off * cv)
        right = float(fifty_digits.gamma_limited_mean(3.0, cv, x))
        assert found(x) == pytest.approx(right, abs=3e-11)
