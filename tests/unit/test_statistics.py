"""Statistics of runs small enough to work out by hand."""

from dataclasses import replace

import pytest

from simulator.kernel import KernelRun
from simulator.statistics import Statistics, statistics_of
from simulator.trace import AfterOn, CallTrace, LimitsChange, TraceTenant
from tests.strategies import Row, conditions, make_trace


def both(trace: CallTrace) -> Statistics:
    result = KernelRun(trace.conditions).play(trace)
    assert result.log is not None
    statistics = statistics_of(trace, result.log)
    assert statistics == result.statistics
    return statistics


def test_one_slot_and_two_calls() -> None:
    trace = make_trace(
        conditions(1, duration_us=100), [Row(10, setup=5, hold=15), Row(20), Row(30, hold=40)]
    )
    statistics = both(trace)
    assert statistics.blocking == 1 / 3
    assert statistics.carried_erlangs == 0.6  # 10 to 30 and 30 to 70
    assert statistics.time_congestion == 0.6
    assert statistics.occupancy == 0.6
    assert statistics.peak_in_use == 1


def test_the_window_cuts_offers_and_slot_time() -> None:
    trace = make_trace(
        conditions(1, duration_us=100, warm_up_us=50), [Row(10, hold=50), Row(20), Row(90, hold=99)]
    )
    statistics = both(trace)
    assert statistics.offered_calls == 1
    assert statistics.blocking == 0.0
    assert statistics.carried_erlangs == 0.4  # 50 to 60 and 90 to 100
    assert statistics.window_us == 50


def test_calls_of_length_zero_make_a_peak_and_take_no_time() -> None:
    trace = make_trace(conditions(2, duration_us=10), [Row(1, hold=5), Row(2), Row(2), Row(6)])
    statistics = both(trace)
    assert statistics.peak_in_use == 2
    assert statistics.time_congestion == 0.0
    assert statistics.carried_erlangs == 0.5


def test_a_limit_below_use_is_congestion_until_there_is_room() -> None:
    trace = make_trace(
        conditions(3, duration_us=100, changes=[LimitsChange(20, 1), LimitsChange(90, 3)]),
        [Row(10, hold=30), Row(10, hold=50), Row(10, hold=60), Row(65)],
    )
    statistics = both(trace)
    # Full from 10 with three calls, over the new limit from 20; the last call leaves at 70.
    assert statistics.time_congestion == 0.6
    assert statistics.blocking == 1 / 4
    assert statistics.occupancy == (30 + 50 + 60) / (3 * 20 + 1 * 70 + 3 * 10)


def test_redials_count_in_blocking_but_a_caller_is_lost_once() -> None:
    caller = Row(after_on=AfterOn.REJECTED, delay=10)
    trace = make_trace(
        conditions(1, duration_us=100),
        [
            Row(0, hold=45),
            Row(10),
            replace(caller, after=1, attempt=1),
            replace(caller, after=2, attempt=2),
            Row(20),
            replace(caller, after=4, attempt=1, delay=30),
        ],
    )
    statistics = both(trace)
    assert statistics.offered_calls == 6
    assert statistics.first_attempts == 3
    assert statistics.blocking == 4 / 6
    assert statistics.first_attempt_blocking == 2 / 3
    assert statistics.eventual_loss == 1 / 3


def test_offers_of_strangers_are_offers_but_not_blocked_ones() -> None:
    stranger = TraceTenant("stranger", configured=False)
    trace = make_trace(
        conditions(1, TraceTenant("acme"), stranger, duration_us=10),
        [Row(1, hold=5), Row(2, tenant=1), Row(3)],
    )
    statistics = both(trace)
    assert statistics.offered_calls == 3
    assert statistics.blocking == 0.5
    assert statistics.tenants["_unknown"].offered_calls == 1
    assert statistics.tenants["_unknown"].blocking is None
    assert "stranger" not in statistics.tenants


@pytest.mark.parametrize("warm_up_us", [0, 10])
def test_nothing_offered_leaves_ratios_undefined(warm_up_us: int) -> None:
    statistics = both(make_trace(conditions(1, duration_us=10, warm_up_us=warm_up_us), []))
    assert statistics.blocking is None
    assert statistics.first_attempt_blocking is None
    assert statistics.eventual_loss is None
    assert statistics.time_congestion == (None if warm_up_us else 0.0)
    assert statistics.carried_erlangs == 0.0
    assert statistics.to_dict()["tenants"]["acme"] == {
        "offered_calls": 0,
        "blocking": None,
        "carried_erlangs": 0.0,
        "peak_in_use": 0,
    }
