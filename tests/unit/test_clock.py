"""The clocks: time never goes back, and only the virtual one takes a request's word for it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.clock import (
    ClientTimeRefused,
    Clock,
    ClockBackwards,
    SystemClock,
    TimeMissing,
    VirtualClock,
)

instants = st.integers(0, 10**15)


@given(st.lists(instants, min_size=1))
def test_the_system_clock_is_the_largest_reading_so_far(readings: list[int]) -> None:
    source = iter([0, *readings])
    clock = SystemClock(lambda: next(source))
    expected = 0
    for reading in readings:
        expected = max(expected, reading // 1000)
        assert clock.now_us() == expected


def test_the_system_clock_counts_microseconds_from_its_start() -> None:
    source = iter([5_000_000_700, 5_000_001_700, 5_000_003_699])
    clock = SystemClock(lambda: next(source))
    assert [clock.now_us(), clock.now_us()] == [1, 2]


def test_the_system_clock_reads_the_monotonic_clock() -> None:
    before = time.monotonic_ns()
    clock = SystemClock()
    now_us = clock.now_us()
    assert 0 <= now_us <= (time.monotonic_ns() - before) // 1000


def test_a_request_may_not_bring_its_time_to_the_system_clock() -> None:
    clock: Clock = SystemClock()
    assert clock.kind == "system"
    assert clock.take(None) <= clock.now_us()
    with pytest.raises(ClientTimeRefused, match="at_us"):
        clock.take(0)


def test_a_request_must_bring_its_time_to_the_virtual_clock() -> None:
    clock: Clock = VirtualClock()
    assert clock.kind == "virtual"
    with pytest.raises(TimeMissing, match="at_us"):
        clock.take(None)
    assert clock.now_us() == 0


@given(st.lists(instants))
def test_the_virtual_clock_only_goes_forward(wanted: list[int]) -> None:
    clock = VirtualClock()
    now_us = 0
    for at_us in wanted:
        if at_us < now_us:
            with pytest.raises(ClockBackwards, match=rf"{at_us}.*{now_us}"):
                clock.take(at_us)
        else:
            assert clock.take(at_us) == at_us
            now_us = at_us
        assert clock.now_us() == now_us


def test_the_virtual_clock_stands_still_between_requests() -> None:
    clock = VirtualClock(7)
    assert clock.advance_to(7) == 7
    assert clock.advance_to(9) == 9
    assert [clock.now_us(), clock.now_us()] == [9, 9]
