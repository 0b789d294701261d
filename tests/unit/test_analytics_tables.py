"""Formulas against published figures, to the digits printed."""

import pytest

from simulator.analytics import (
    engset,
    erlang_b,
    erlang_b_continuous,
    servers_for_blocking,
    traffic_for_blocking,
    waiting,
)

# T. S. Rappaport, "Wireless Communications: Principles and Practice", 2nd edition, Prentice Hall,
# 2002, table 3.4, "Capacity of an Erlang B System": erlangs by channels and grade of service. Its
# rows of 40 and 100 channels are left out: exact rational arithmetic gives other last digits.
GRADES = (0.01, 0.005, 0.002, 0.001)
CAPACITY_OF_AN_ERLANG_B_SYSTEM = {
    2: ("0.153", "0.105", "0.065", "0.046"),
    4: ("0.869", "0.701", "0.535", "0.439"),
    5: ("1.36", "1.13", "0.900", "0.762"),
    10: ("4.46", "3.96", "3.43", "3.09"),
    20: ("12.0", "11.1", "10.1", "9.41"),
    24: ("15.3", "14.2", "13.0", "12.2"),
    70: ("56.1", "53.7", "51.0", "49.2"),
}
ERLANG_B_ROWS = [
    (channels, grade, printed)
    for channels, row in CAPACITY_OF_AN_ERLANG_B_SYSTEM.items()
    for grade, printed in zip(GRADES, row, strict=True)
]

# "Erlang-B capacity table, voice channels needed to serve offered traffic load for 2% blocking",
# Lucent Technologies WirelessU, garywagoner.tripod.com/traffic/ERLANG.HTML; the part up to 31
# channels, because further down single digits are misprinted (61 channels: 50.389 for 50.589).
TWO_PER_CENT = {
    1: "0.020",
    3: "0.602",
    5: "1.657",
    7: "2.935",
    9: "4.345",
    11: "5.842",
    13: "7.402",
    15: "9.010",
    17: "10.656",
    19: "12.333",
    21: "14.036",
    23: "15.761",
    25: "17.505",
    27: "19.265",
    29: "21.039",
    31: "22.827",
}
ERLANG_B_ROWS += [(channels, 0.02, printed) for channels, printed in TWO_PER_CENT.items()]


def as_printed(value: float, printed: str) -> str:
    """``value`` with as many decimals as the printed figure has."""
    return f"{value:.{len(printed.partition('.')[2])}f}"


@pytest.mark.parametrize(("channels", "grade", "printed"), ERLANG_B_ROWS)
def test_traffic_of_the_erlang_b_table(channels: int, grade: float, printed: str) -> None:
    erlangs = traffic_for_blocking(channels, grade)
    assert as_printed(erlangs, printed) == printed


@pytest.mark.parametrize(("channels", "grade", "printed"), ERLANG_B_ROWS)
def test_the_printed_traffic_needs_the_channels_of_its_row(
    channels: int, grade: float, printed: str
) -> None:
    # Half a unit of the last digit below the printed figure is below the true one.
    half = 0.5 * 10.0 ** -len(printed.partition(".")[2])
    assert servers_for_blocking(float(printed) - half, grade) == channels


def test_hundred_erlang_at_one_per_cent() -> None:
    assert servers_for_blocking(100, 0.01) == 117
    assert f"{erlang_b(100, 117):.5f}" == "0.00979"
    assert f"{erlang_b(100, 116):.5f}" == "0.01157"
    assert f"{erlang_b_continuous(100, 117.0):.5f}" == "0.00979"


def test_engset_with_four_sources_on_three_trunks() -> None:
    """V. B. Iversen, "Teletraffic Engineering Handbook", ITU-D SG 2/16 and ITC, 2005, chapter on
    loss systems with full accessibility: the example with S = 4, n = 3, beta = 1/3, where
    E = 4/85, B = 1/64 and C = 1/85."""
    result = engset(3, 4, per_idle_source=1 / 3)
    assert f"{result.time_congestion:.4f}" == "0.0471"
    assert f"{result.call_congestion:.4f}" == "0.0156"
    assert f"{result.traffic_congestion:.4f}" == "0.0118"
    assert result.time_congestion == pytest.approx(4 / 85, rel=1e-14)
    assert result.call_congestion == pytest.approx(1 / 64, rel=1e-14)
    assert result.traffic_congestion == pytest.approx(1 / 85, rel=1e-14)
    assert result.intended_erlangs == pytest.approx(1, rel=1e-14)


def test_waiting_at_the_eye_clinic() -> None:
    """D. Gross and C. M. Harris, "Fundamentals of Queueing Theory", 3rd edition, Wiley, 1998,
    chapter 2, the eye clinic: three doctors, six patients an hour, 20 minutes each;
    L_q = 8/9 and W = 28.9 minutes."""
    result = waiting(6 * 20 / 60, 3, hold_mean=20)
    assert result.queue_mean == pytest.approx(8 / 9, rel=1e-14)
    assert f"{result.wait_mean + 20:.1f}" == "28.9"
