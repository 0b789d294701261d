"""Replications: the same numbers whatever plays them, however often and on how many threads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from simulator.kernel import KernelRun
from simulator.planning import replication as module
from simulator.planning.replication import Played, Replication, Replications
from simulator.replicate import replication_seed
from simulator.results import Fate
from simulator.scenario import Exponential, Poisson, Redial, Scenario, Tenant
from simulator.trace import LimitsChange, TenantLimitsChange
from simulator.traffic import build_trace

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US

PLAIN = Scenario(
    name="plain",
    description="two tenants, one of them with a limit of its own",
    seed=11,
    duration_us=HOUR_US,
    warm_up_us=7 * MINUTE_US,
    max_concurrent_calls=1,
    tenants=(
        Tenant("acme", Poisson(8 / 60e6), Exponential(60e6), max_concurrent_calls=9),
        Tenant("beta", Poisson(4 / 60e6), Exponential(60e6), reserved_calls=1),
        Tenant("gone", Poisson(1 / 60e6), Exponential(60e6), configured=False),
    ),
)
REDIALS = replace(
    PLAIN,
    name="redials",
    tenants=tuple(
        replace(each, redial=Redial(0.7, Exponential(30e6), 4)) for each in PLAIN.tenants
    ),
)
CHANGES = replace(
    PLAIN,
    name="changes",
    changes=(LimitsChange(20 * MINUTE_US, None, {"beta": TenantLimitsChange(enabled=False)}),),
)
INTERVAL_US = 25 * MINUTE_US


@pytest.mark.parametrize("scenario", [PLAIN, REDIALS, CHANGES], ids=lambda each: each.name)
@pytest.mark.parametrize("limit", [1, 9, 12, 40])
def test_a_replication_is_the_kernel_on_its_own_seed(scenario: Scenario, limit: int) -> None:
    replication = Replication(scenario, 3, INTERVAL_US)
    assert replication.is_quick == (scenario is PLAIN)
    (played,) = replication.play([limit])
    trace = build_trace(replace(scenario, seed=replication_seed(11, 3), max_concurrent_calls=limit))
    result = KernelRun(trace.conditions, compiled=False).play(trace)
    log = result.log
    assert log is not None
    assert played.sums == result.sums
    lost = np.zeros((3, 3), np.int64)
    served = np.zeros((3, 3), np.int64)
    for row in range(len(trace)):
        if log.fate[row] == Fate.NOT_MADE or log.offered_us[row] < scenario.warm_up_us:
            continue
        cell = (int(trace.column("tenant")[row]), int(log.offered_us[row] // INTERVAL_US))
        lost[cell] += log.fate[row] == Fate.REJECTED_CAPACITY
        served[cell] += log.fate[row] != Fate.REJECTED_TENANT
    assert (played.lost == lost).all()
    assert (played.served == served).all()


def test_the_offered_traffic_is_what_is_held_where_there_is_always_room() -> None:
    traffic = Replication(PLAIN, 0, INTERVAL_US).traffic
    trace = build_trace(PLAIN)
    spans = [
        (int(since), int(since + hold))
        for place, since, hold in zip(trace.tenant, trace.offer_us, trace.hold_us, strict=True)
        if place != 2
    ]

    def held(begin: int, end: int) -> int:
        return sum(max(0, min(until, end) - max(since, begin)) for since, until in spans)

    edges = [0, INTERVAL_US, 2 * INTERVAL_US, HOUR_US]
    assert traffic.held_us.tolist() == [held(a, b) for a, b in pairwise(edges)]
    assert traffic.window_held_us == held(PLAIN.warm_up_us, HOUR_US)


def everything(played: dict[int, list[Played]]) -> list[object]:
    return [
        (limit, each.sums, each.served.tolist(), each.lost.tolist())
        for limit, found in played.items()
        for each in found
    ]


@pytest.mark.parametrize("scenario", [PLAIN, REDIALS], ids=lambda each: each.name)
def test_threads_and_forgetting_change_nothing(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(1) as pool:
        alone = everything(Replications(scenario, INTERVAL_US, pool).play([10, 12, 14], 6))
    monkeypatch.setattr(module, "MOST_BYTES", 0)
    with ThreadPoolExecutor(4) as pool:
        many = Replications(scenario, INTERVAL_US, pool)
        many.play([12], 2)
        many.prepare(4)
        many.play([14, 10], 3)
        assert everything(many.play([10, 12, 14], 6)) == alone


def test_replications_draw_each_other_s_calls_never() -> None:
    with ThreadPoolExecutor(2) as pool:
        played = Replications(PLAIN, None, pool).play([12], 5)[12]
    assert len({each.sums.total.slot_us for each in played}) == 5
