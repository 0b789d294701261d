"""What the formulas cost, beside the plainest way to the same number.

Run by hand: ``python -m bench.analytics``. Erlang B is timed beside the textbook recursion without
logarithms, and the shared group beside the same states summed one by one, for as many tenants and
slots as that can still do. Times are the best of several rounds.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from simulator.analytics import (
    CallClass,
    RateSteps,
    ReservedAgainst,
    SharingTenant,
    erlang_b,
    erlang_b_continuous,
    erlang_b_of,
    extended_erlang_b,
    interval_blocking,
    kaufman_roberts,
    limited_mean,
    servers_for_blocking,
    shared_group,
    traffic_for_blocking,
    trunk_reservation,
)
from simulator.scenario import Exponential, Lognormal

ROUNDS = 3


def textbook_erlang_b(offered: float, servers: int) -> float:
    """The recursion one would write first."""
    blocking = 1.0
    for k in range(1, servers + 1):
        blocking = offered * blocking / (k + offered * blocking)
    return blocking


def every_state(limit: int, tenants: Sequence[SharingTenant]) -> list[float]:
    """Blocking of each tenant by a sum over every state."""
    total, refused = 0.0, [0.0] * len(tenants)
    for calls in itertools.product(range(limit + 1), repeat=len(tenants)):
        if any(
            n > (limit if t.cap is None else t.cap) for n, t in zip(calls, tenants, strict=True)
        ):
            continue
        committed = sum(max(n, t.reserved) for n, t in zip(calls, tenants, strict=True))
        if committed > limit:
            continue
        weight = math.prod(
            t.offered_erlangs**n / math.factorial(n) for n, t in zip(calls, tenants, strict=True)
        )
        total += weight
        for k, (n, tenant) in enumerate(zip(calls, tenants, strict=True)):
            if n == tenant.cap or (n >= tenant.reserved and committed == limit):
                refused[k] += weight
    return [each / total for each in refused]


def seconds(work: Callable[[], object]) -> float:
    """What the work takes at best."""
    best = math.inf
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best


def show(name: str, work: Callable[[], object]) -> None:
    print(f"{name:66s} {seconds(work) * 1e3:10.2f} ms")


def main() -> None:
    show("Erlang B, 117 servers", lambda: erlang_b(100, 117))
    show("Erlang B, 100,000 servers", lambda: erlang_b(99_000, 100_000))
    show("  textbook recursion", lambda: textbook_erlang_b(99_000, 100_000))
    show("  continuous servers", lambda: erlang_b_continuous(99_000, 100_000.5))
    many = np.linspace(500, 1_500, 1_440)
    show("Erlang B of 1,440 traffics, 1,000 servers", lambda: erlang_b_of(many, 1_000))
    show("servers for 99,000 erlang at 1 %", lambda: servers_for_blocking(99_000, 0.01))
    show("traffic for 100,000 servers at 1 %", lambda: traffic_for_blocking(100_000, 0.01))
    show("extended Erlang B, 100,000 servers", lambda: extended_erlang_b(99_000, 100_000, 0.7))
    classes = [CallClass(1_000 / size, size) for size in (1, 2, 3, 5, 8, 13, 21, 34)]
    show("Kaufman-Roberts, 10,000 slots, 8 classes", lambda: kaufman_roberts(10_000, classes))
    kept = [ReservedAgainst(1_200.0, 5 * place) for place in range(8)]
    show("trunk reservation, 10,000 slots, 8 classes", lambda: trunk_reservation(10_000, kept))
    few = [SharingTenant(4.0 + place, 12, 2 + place) for place in range(4)]
    show("caps and minima, 20 slots, 4 tenants", lambda: shared_group(20, few))
    show("  every state, one by one", lambda: every_state(20, few))
    found = [each.call_congestion for each in shared_group(20, few).tenants]
    assert np.allclose(found, every_state(20, few), rtol=1e-10)
    ten = [SharingTenant(180.0 + 10 * place, 300, 50) for place in range(10)]
    show("caps and minima, 2,000 slots, 10 tenants", lambda: shared_group(2_000, ten))
    fifty = [SharingTenant(180.0 + place, None, 100) for place in range(50)]
    show("caps and minima, 10,000 slots, 50 tenants", lambda: shared_group(10_000, fifty))
    day = RateSteps(
        tuple(900.0 * k for k in range(96)), tuple(5 + 4 * math.sin(k / 8) for k in range(96))
    )
    bounds = [900.0 * k for k in range(97)]
    for name, hold in (
        ("exponential", limited_mean(Exponential(180.0))),
        ("lognormal", limited_mean(Lognormal(180.0, 1.5))),
    ):
        show(
            f"modified offered load, a day of quarter hours, {name} holding times",
            lambda hold=hold: interval_blocking(day, hold, 1_600, bounds),  # type: ignore[misc]
        )


if __name__ == "__main__":
    main()
