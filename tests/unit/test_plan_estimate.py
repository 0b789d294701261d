"""Intervals over replications: Student's t and the ratio of sums."""

import math

import numpy as np
import pytest

from simulator.planning.estimate import FEW_LOSING, Estimate, bound, gravest, ratio
from simulator.planning.student import t_quantile


# Two-sided points of Student's distribution as printed in tables of it (three decimals).
@pytest.mark.parametrize(
    ("confidence", "degrees", "printed"),
    [
        (0.90, 1, 6.314),
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 3, 3.182),
        (0.95, 4, 2.776),
        (0.95, 9, 2.262),
        (0.95, 10, 2.228),
        (0.95, 30, 2.042),
        (0.95, 120, 1.980),
        (0.99, 5, 4.032),
        (0.99, 8, 3.355),
        (0.999, 15, 4.073),
    ],
)
def test_points_of_students_distribution(confidence: float, degrees: int, printed: float) -> None:
    assert t_quantile(confidence, degrees) == pytest.approx(printed, abs=6e-4)


@pytest.mark.parametrize("degrees", [1, 2, 3, 8, 31, 100, 511])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999, 0.9999])
def test_points_agree_with_another_computation(confidence: float, degrees: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.t.ppf((1 + confidence) / 2, degrees)
    assert t_quantile(confidence, degrees) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 15, 255, 1023])
def test_points_shared_out_over_many_looks_agree_as_well(degrees: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.t.isf(0.5e-7, degrees)
    assert t_quantile(1 - 1e-7, degrees) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("confidence", "degrees"), [(0.0, 3), (1.0, 3), (0.95, 0)])
def test_what_has_no_point_is_refused(confidence: float, degrees: int) -> None:
    with pytest.raises(ValueError, match=r"confidence is|degrees is"):
        t_quantile(confidence, degrees)


def test_a_ratio_worked_out_by_hand() -> None:
    # 1/10, 3/10, 2/10: mean 0.2, deviations -1, 1, 0; se = sqrt(2 / (3 * 2)) / 10 = 0.0577350
    estimate = ratio([1, 3, 2], [10, 10, 10], 0.95)
    assert estimate is not None
    assert estimate.value == pytest.approx(0.2)
    assert estimate.high == pytest.approx(0.2 + 4.303 * 0.0577350, abs=1e-4)
    assert estimate.low == 0.0
    assert estimate.half_width == pytest.approx(estimate.high / 2)


def test_a_ratio_weighs_replications_by_their_calls() -> None:
    estimate = ratio([1, 0], [10, 90], 0.95)
    assert estimate is not None
    assert estimate.value == pytest.approx(0.01)
    # residuals 1 - 0.1 and 0 - 0.9; se = sqrt(1.62 * 2) / 100 = 0.018
    assert estimate.high == pytest.approx(0.01 + 12.706 * 0.018, abs=1e-4)


def test_replications_that_agree_leave_no_doubt() -> None:
    assert ratio([5, 10], [50, 100], 0.95) == Estimate(0.1, 0.1, 0.1)


def test_no_loss_at_all_is_no_proof_of_none() -> None:
    # 3.69 = ln(2 / 0.05): at 3.69 expected losses none is seen with probability 0.025
    estimate = ratio([0, 0, 0], [100, 100, 100], 0.95)
    assert estimate is not None
    assert (estimate.value, estimate.low) == (0.0, 0.0)
    assert estimate.high == pytest.approx(3.6889 / 300, rel=1e-4)
    in_time = ratio([0, 0], [10**9, 10**9], 0.95, trials=50)
    assert in_time is not None
    assert in_time.high == pytest.approx(3.6889 / 50, rel=1e-4)


def sure(estimate: Estimate | None) -> Estimate:
    assert estimate is not None
    return estimate


# Upper ends of 95 % intervals of a Poisson count, as printed in tables of them (F. Garwood,
# "Fiducial limits for the Poisson distribution", Biometrika 28, 1936).
@pytest.mark.parametrize(("bursts", "printed"), [(1, 5.572), (2, 7.225), (3, 8.767), (4, 10.242)])
def test_few_losing_replications_bound_like_few_bursts(bursts: int, printed: float) -> None:
    # 2 b losing replications of very many are as good as b bursts of one size
    losing, count = 2 * bursts, 100_000
    parts = [1] * losing + [0] * (count - losing)
    found = sure(bound(parts, [10] * count, 0.95))
    assert found.value == losing / (10 * count)
    assert found.high / found.value == pytest.approx(printed / bursts, rel=2e-4)


def test_a_bound_is_students_where_enough_replications_lost() -> None:
    for losing, count in ((FEW_LOSING, 64), (3, 3)):
        parts = [4, *[1] * (losing - 1), *[0] * (count - losing)]
        wholes = [100] * count
        assert bound(parts, wholes, 0.95) == ratio(parts, wholes, 0.95)


def test_a_bound_of_no_loss_at_all_thinks_of_bursts() -> None:
    assert sure(bound([0, 0, 0], [100, 100, 100], 0.95)).high == pytest.approx(
        2 * 3.6889 / 300, 1e-4
    )


def test_a_bound_lies_below_the_truth_as_seldom_as_it_says() -> None:
    """64 replications of which four in a hundred lose a burst; bursts are geometric, 2 calls long.

    Of 1,000 upper ends at 90 % more than 65 are below the truth by chance once in 60 times, and by
    Student's t alone more than 130 are.
    """
    generator = np.random.default_rng(1)
    bursts = generator.random((1_000, 64)) < 0.04
    lost = bursts * generator.geometric(0.5, (1_000, 64))
    truth = 0.04 * 2 / 800
    wholes = [800] * 64
    below = [sure(bound(each.tolist(), wholes, 0.9)).high < truth for each in lost]
    students = [sure(ratio(each.tolist(), wholes, 0.9)).high < truth for each in lost]
    assert sum(below) <= 65
    assert sum(students) > 130


def test_one_replication_says_nothing_of_its_error() -> None:
    assert ratio([1], [10], 0.95) == Estimate(0.1, 0.0, math.inf)


def test_nothing_offered_has_no_ratio() -> None:
    assert ratio([0, 0], [0, 0], 0.95) is None


@pytest.mark.parametrize(("parts", "wholes"), [([], []), ([1], [1, 2])])
def test_parts_and_wholes_belong_together(parts: list[int], wholes: list[int]) -> None:
    with pytest.raises(ValueError, match="as many parts as wholes"):
        ratio(parts, wholes, 0.95)


def test_the_gravest_has_the_largest_value() -> None:
    small, large = Estimate(0.1, 0.0, 0.9), Estimate(0.2, 0.1, 0.3)
    assert gravest([small, large]) is large
