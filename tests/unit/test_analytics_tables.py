"""Formulas against published figures, to the digits printed.

Every figure was read at the place its comment names, and a table is quoted whole for the rows and
columns taken: where exact arithmetic gives another last digit, the figure stands among the known
misprints and must still be off by that digit. No published figures could be read for continuous
servers, overflow, trunk reservation, caps with guaranteed minima and changing rates; the sibling
modules check those by independent methods.
"""

from decimal import Decimal

import pytest

from simulator.analytics import (
    CallClass,
    engset,
    erlang_b,
    erlang_c,
    extended_erlang_b,
    kaufman_roberts,
    servers_for_blocking,
    servers_for_service_level,
    service_level,
    traffic_for_blocking,
    waiting,
)


def half_unit(printed: str) -> float:
    """Half a unit of the last digit printed."""
    return 0.5 * float(Decimal(1).scaleb(int(Decimal(printed).as_tuple().exponent)))


# --- Erlang B -------------------------------------------------------------------------------

# "Extract from the Table of the Erlang Loss Formula", edited by H. Leijon, ITU (itu.int, planitu),
# as copied into tests/TableA.csv of github.com/marplatense/erlang (commit 90d3c81, which names that
# page): erlangs by servers and blocking, trailing zeros left out. Of the 6,020 figures of the copy
# 337 are not the rounded ones, most of them for a blocking of 0.0001 and less.
BLOCKING = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
ERLANG_LOSS_TABLE = """
1    0.001   0.002   0.00503 0.0101  0.02041 0.05263 0.11111 0.25   0.66667
2    0.04576 0.06534 0.1054  0.15259 0.22347 0.38132 0.59543 1      2
5    0.76212 0.89986 1.132   1.3608  1.6571  2.2185  2.8811  4.0104 6.5955
10   3.092   3.4265  3.9607  4.4612  5.084   6.2157  7.5106  9.685  14.677
20   9.4115  10.068  11.092  12.031  13.182  15.249  17.613  21.635 31.152
30   16.684  17.606  19.034  20.337  21.932  24.802  28.113  33.84  47.735
50   32.512  33.876  35.982  37.901  40.255  44.533  49.562  58.508 80.988
75   53.511  55.337  58.153  60.728  63.9    69.738  76.741  89.532 122.61
100  75.242  77.469  80.91   84.064  87.972  95.24   104.11  120.64 164.25
116  89.401  91.864  95.672  99.171  103.52  111.66  121.68  140.58 190.91
117  90.291  92.768  96.599  100.12  104.49  112.69  122.78  141.83 192.57
150  119.94  122.86  127.4   131.58  136.8   146.71  159.12  182.98 247.56
200  165.62  169.15  174.65  179.74  186.16  198.51  214.32  245.38 330.88
250  211.92  216     222.36  228.3   235.83  250.5   269.62  307.82 414.2
300  258.65  263.23  270.41  277.13  285.71  302.62  324.98  370.28 497.53
"""
SERVERS_AND_TRAFFIC = [
    (int(servers), blocking, printed)
    for servers, *row in map(str.split, ERLANG_LOSS_TABLE.strip().splitlines())
    for blocking, printed in zip(BLOCKING, row, strict=True)
]

# "Erlang-B capacity table, voice channels needed to serve offered traffic load for 2% blocking",
# Lucent Technologies WirelessU, at garywagoner.tripod.com/traffic/ERLANG.HTML, whole.
TWO_PER_CENT = """
1 0.020    3 0.602    5 1.657    7 2.935    9 4.345    11 5.842   13 7.402   15 9.010
17 10.656  19 12.333  21 14.036  23 15.761  25 17.505  27 19.265  29 21.039  31 22.827
33 24.628  35 26.435  37 28.254  39 30.081  41 31.915  43 33.758  45 35.507  47 37.462
49 39.323  51 41.189  53 43.060  55 44.938  57 46.816  59 48.700  61 50.389  63 52.461
65 54.376  67 56.275  69 58.117  71 60.082  73 61.990  75 63.900  77 65.814  79 67.729
81 69.647  83 71.568  85 73.490  87 75.415  89 77.342
"""
_two_per_cent = TWO_PER_CENT.split()
SERVERS_AND_TRAFFIC += [
    (int(servers), 0.02, printed)
    for servers, printed in zip(_two_per_cent[::2], _two_per_cent[1::2], strict=True)
]

# Misprints, with what exact rational arithmetic gives.
MISPRINTED = {
    (5, 0.001, "0.76212"): "0.76211",
    (200, 0.005, "174.65"): "174.64",
    (33, 0.02, "24.628"): "24.626",
    (41, 0.02, "31.915"): "31.916",
    (45, 0.02, "35.507"): "35.607",
    (55, 0.02, "44.938"): "44.936",
    (61, 0.02, "50.389"): "50.589",
    (63, 0.02, "52.461"): "52.481",
    (69, 0.02, "58.117"): "58.177",
}


@pytest.mark.parametrize(("servers", "blocking", "printed"), SERVERS_AND_TRAFFIC)
def test_traffic_and_servers_of_the_tables(servers: int, blocking: float, printed: str) -> None:
    right = MISPRINTED.get((servers, blocking, printed), printed)
    erlangs, half = traffic_for_blocking(servers, blocking), half_unit(printed)
    assert erlangs == pytest.approx(float(right), abs=half * (1 + 1e-9))
    if right != printed:
        assert abs(erlangs - float(printed)) > half
    # Half a unit less than what is printed can be offered, half a unit more cannot.
    assert servers_for_blocking(float(right) - half, blocking) == servers
    assert servers_for_blocking(float(right) + half, blocking) == servers + 1


# Table E of the same extract, in tests/TableE_a.csv: blocking by erlangs and servers.
BLOCKING_BY_TRAFFIC = {
    0.5: "0.333333 0.076923 0.012658 0.00158 0.000158 0.000013 0.000001",
    2.0: "0.666667 0.4 0.210526 0.095238 0.036697 0.012085 0.003441 0.000859 0.000191 0.000038 "
    "0.000007 0.000001",
    5.0: "0.833333 0.675676 0.529661 0.398343 0.284868 0.191847 0.120519 0.070048 0.037458 "
    "0.018385 0.008287 0.003441 0.001322 0.000472 0.000157 0.000049 0.000014 0.000004 0.000001",
}
BLOCKING_OF_HUNDRED_ERLANG = {
    40: 0.60633,
    50: 0.509305,
    60: 0.413487,
    70: 0.31969,
    80: 0.229494,
    90: 0.146098,
    100: 0.0757,
}


@pytest.mark.parametrize("erlangs", BLOCKING_BY_TRAFFIC)
def test_blocking_of_the_table(erlangs: float) -> None:
    for servers, printed in enumerate(BLOCKING_BY_TRAFFIC[erlangs].split(), 1):
        assert erlang_b(erlangs, servers) == pytest.approx(float(printed), abs=0.5e-6)


@pytest.mark.parametrize(("servers", "printed"), BLOCKING_OF_HUNDRED_ERLANG.items())
def test_blocking_of_hundred_erlang(servers: int, printed: float) -> None:
    assert erlang_b(100.0, servers) == pytest.approx(printed, abs=0.5e-6)


def test_answers_of_a_calculator_in_its_manual() -> None:
    """erlang.com/calculatormanual: "How much traffic?" (15 lines, one call in a hundred blocked)
    and "How many lines does a trunk group need?" (158.333 erlang, 3 % blocked)."""
    assert f"{traffic_for_blocking(15, 0.01):.3f}" == "8.108"
    assert servers_for_blocking(158.333, 0.03) == 168


# Extended Erlang B: fresh erlangs by servers and blocking, tests/Table_ExtErlangB_40retry.csv and
# ..._50retry.csv of github.com/marplatense/erlang (commits 3d78c9c, f63756e), which do not say
# where the tables are from. They look made by halving an interval: of two servers and more, the
# figures end between 2e-4 above and 8e-4 below the solution, in parts of it.
RECALL_BLOCKING = (0.01, 0.05, 0.1, 0.2, 0.4)
EXTENDED_TABLES = {
    0.4: """
    2    0.1520   0.3735   0.5713   0.9199   1.6797
    5    1.3550   2.1741   2.7649   3.6890   5.5371
    10   4.4427   6.0913   7.2095   8.9087   12.3242
    20   11.9824  14.9438  16.9067  19.9023  26.1621
    60   46.7615  53.4741  57.9785  65.2295  81.9727
    300  276.0132 296.5576 311.9751 340.6494 417.7734
    """,
    0.5: """
    2    0.1518   0.3716   0.5654   0.8994   1.5996
    5    1.3538   2.1625   2.7368   3.6084   5.2734
    10   4.4385   6.0596   7.1338   8.7158   11.7383
    20   11.9702  14.8669  16.7310  19.4678  24.9219
    60   46.7139  53.1995  57.3779  63.8086  78.1055
    300  275.7385 295.0378 308.7158 333.2153 397.9980
    """,
}


@pytest.mark.parametrize("recall", EXTENDED_TABLES)
def test_fresh_traffic_of_the_extended_tables(recall: float) -> None:
    for servers, *row in map(str.split, EXTENDED_TABLES[recall].strip().splitlines()):
        for blocking, printed in zip(RECALL_BLOCKING, row, strict=True):
            below, above = (float(printed) * (1 + by) for by in (-2e-4, 8e-4))
            assert extended_erlang_b(below, int(servers), recall).blocking < blocking
            assert extended_erlang_b(above, int(servers), recall).blocking > blocking


# --- Erlang C -------------------------------------------------------------------------------


def test_a_call_centre_of_fourteen() -> None:
    """The project description of pyworkforce 0.1.0 on pypi.org: 100 calls in 30 minutes, each of 3
    minutes, 80 % to be answered in 20 seconds. The README of ErlangC 0.1.0 on CRAN has the same
    case, with the mean wait and a first step with 11 agents."""
    offered, hold_s, within_s = 100 / 30 * 3, 180.0, 20.0
    assert servers_for_service_level(offered, hold_s, within_s, 0.8) == 14
    assert erlang_c(offered, 14) == pytest.approx(0.1741319335950498, rel=1e-14)
    assert service_level(offered, 14, hold_s, within_s) == pytest.approx(
        0.8883500191794669, rel=1e-14
    )
    assert f"{waiting(offered, 14, hold_s).wait_mean:.14f}" == "7.83593701177725"
    assert f"{erlang_c(offered, 11):.7f}" == "0.6821182"
    assert f"{service_level(offered, 11, hold_s, within_s):.7f}" == "0.3896138"


@pytest.mark.parametrize(
    ("channels", "queued", "printed", "longer"),
    [(8, 0.05, 3.87, "0.016"), (10, 0.01, 4.08, "0.0022")],
)
def test_queued_calls_of_a_trunked_radio_system(
    channels: int, queued: float, printed: float, longer: str
) -> None:
    """Wiley, "Digital Mobile Communications and the TETRA System", appendix A.3, doi
    10.1002/9781118832585.app3 (read at scribd.com/document/831962299): the Erlang C table, and the
    example before it, the share of 3.87 erlang's queued calls that wait for longer than they last.
    """
    assert erlang_c(printed - 0.005, channels) < queued < erlang_c(printed + 0.005, channels)
    late = 1 - service_level(3.87, channels, hold_mean=1.0, within=1.0)
    decimals = len(longer.partition(".")[2])
    assert f"{late / erlang_c(3.87, channels):.{decimals}f}" == longer


# --- Engset ---------------------------------------------------------------------------------


def test_examples_of_the_r_package_queueing() -> None:
    """queueing 0.2.12, B_erlang(2, 0.5/0.7) and Engset(3, 2, 0.5/0.7): the example output at
    rdrr.io/cran/queueing. What it calls blocking is the share of time with every server busy."""
    assert f"{erlang_b(0.5 / 0.7, 2):.7f}" == "0.1295337"
    assert f"{engset(2, 3, per_idle_source=0.5 / 0.7).time_congestion:.7f}" == "0.3275109"


@pytest.mark.parametrize(
    ("servers", "printed"), [(5, 0.016349962386312377), (4, 0.06495282643260683)]
)
def test_blocking_of_ten_sources_that_offer_two_erlang(servers: int, printed: float) -> None:
    """The README of github.com/parsiad/fast-engset (P. Azimzadeh and T. Carpenter, "Fast Engset
    computation", Operations Research Letters 44, 2016). Its load is what a source truly offers,
    x = alpha / (1 + alpha (1 - B)), which gives alpha for the blocking printed."""
    per_source = 0.2
    alpha = per_source / (1 - per_source * (1 - printed))
    result = engset(servers, 10, per_idle_source=alpha)
    assert result.call_congestion == pytest.approx(printed, rel=1e-14)
    assert result.offered_erlangs == pytest.approx(10 * per_source, rel=1e-14)


# --- Kaufman-Roberts ------------------------------------------------------------------------

# github.com/mariakourtesi/Teletraffic-models, multi-service-models/spec/formulas/kaufman-roberts
# (commit 974388c); the README has the first case as what teletraffic-models.appspot.com answers.
SHARED_LINKS = [
    ([(2, 1), (1, 2)], "0.08 0.16 0.24 0.2666667 0.2533333"),
    (
        [(1, 4), (2, 3), (3, 2), (4, 1)],
        "0.0005825 0.0023301 0.0064077 0.0143689 0.0280581 0.0492425 0.0795272 0.1199126 0.1705627 "
        "0.2306511 0.2983565",
    ),
]


@pytest.mark.parametrize(("classes", "printed"), SHARED_LINKS)
def test_slots_in_use_on_a_shared_link(classes: list[tuple[float, int]], printed: str) -> None:
    shares = [float(share) for share in printed.split()]
    result = kaufman_roberts(len(shares) - 1, [CallClass(*each) for each in classes])
    assert result.slots_in_use == pytest.approx(shares, abs=0.5e-7)


def test_blocking_on_a_shared_link() -> None:
    """The same, five slots; its answers are sums of figures already rounded to seven digits."""
    result = kaufman_roberts(5, [CallClass(2.0), CallClass(1.0, 2)])
    assert result.blocking == pytest.approx([0.1721854, 0.3818984], abs=1e-7)
    assert result.carried_slots == pytest.approx(2.8918321, abs=1e-6)
