"""Laws of sharing rules and of paired differences, each against something it does not share."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.analytics.reservation import ReservedAgainst, trunk_reservation
from simulator.planning.policies.paired import Counted, difference, jain_index
from simulator.planning.policies.rules import kept_free, shares

NEEDS = st.lists(st.integers(0, 500), min_size=1, max_size=12)


@given(limit=st.integers(0, 5000), needs=NEEDS)
def test_shares_are_whole_add_up_and_keep_the_quota(limit: int, needs: list[int]) -> None:
    found = shares(limit, needs)
    whole = sum(needs)
    assert sum(found) == (limit if whole else 0)
    for share, need in zip(found, needs, strict=True):
        exact = limit * need / whole if whole else 0
        assert math.floor(exact - 1e-9) <= share <= math.ceil(exact + 1e-9)


@given(limit=st.integers(0, 5000), needs=NEEDS)
def test_whoever_needs_more_gets_no_less(limit: int, needs: list[int]) -> None:
    found = shares(limit, needs)
    by_need = sorted(zip(needs, found, strict=True))
    for (less, given_less), (more, given_more) in pairwise(by_need):
        if less < more:
            assert given_less <= given_more


@given(
    limit=st.integers(2, 120),
    erlangs=st.floats(0.1, 100),
    target=st.floats(0.001, 0.3),
)
def test_slots_kept_free_are_the_fewest_that_do_beside_an_endless_crowd(
    limit: int, erlangs: float, target: float
) -> None:
    found = kept_free(limit, erlangs, target)
    most = max(1, limit // 10)

    def loss(free: int) -> float:
        crowd = ReservedAgainst(1e9, free)
        return float(trunk_reservation(limit, [crowd, ReservedAgainst(erlangs)]).blocking[1])

    assert 1 <= found <= most
    if found < most:
        assert loss(found) <= target * (1 + 1e-6)
    if found > 1:
        assert loss(found - 1) > target * (1 - 1e-6)


@given(erlangs=st.floats(0.1, 100), target=st.floats(0.001, 0.3))
def test_one_slot_cannot_be_kept_free_of_one(erlangs: float, target: float) -> None:
    assert kept_free(1, erlangs, target) == 0
    assert kept_free(0, erlangs, target) == 0


COUNTS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(50, 100)),
    min_size=2,
    max_size=20,
)


def sides(counts: list[tuple[int, int, int]]) -> tuple[Counted, Counted]:
    one, other, offered = zip(*counts, strict=True)
    return Counted(one, offered), Counted(other, offered)


@given(
    lost=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=20),
    offered=st.integers(50, 1000),
    confidence=st.floats(0.6, 0.999),
)
def test_with_as_many_calls_each_time_it_is_the_paired_t_interval(
    lost: list[tuple[int, int]], offered: int, confidence: float
) -> None:
    one, other = sides([(first, second, offered) for first, second in lost])
    found = difference(one, other, confidence)
    assert found is not None
    apart = (np.array(one.lost) - np.array(other.lost)) / offered
    assert found.value == pytest.approx(apart.mean(), abs=1e-12)
    if np.ptp(apart) == 0:
        assert found.low == pytest.approx(found.high, abs=1e-12)
        return
    exact = stats.ttest_rel(
        np.array(one.lost) / offered, np.array(other.lost) / offered
    ).confidence_interval(confidence)
    assert found.low == pytest.approx(exact.low, rel=1e-6, abs=1e-9)
    assert found.high == pytest.approx(exact.high, rel=1e-6, abs=1e-9)


@given(COUNTS)
def test_a_difference_turns_its_sign_with_its_sides(counts: list[tuple[int, int, int]]) -> None:
    one, other = sides(counts)
    forth, back = difference(one, other, 0.95), difference(other, one, 0.95)
    assert forth is not None
    assert back is not None
    assert forth.value == -back.value
    assert forth.low == pytest.approx(-back.high, abs=1e-12)
    assert forth.is_sure == back.is_sure


@given(COUNTS)
def test_the_same_calls_with_the_same_fate_differ_by_nothing(
    counts: list[tuple[int, int, int]],
) -> None:
    one, _ = sides(counts)
    found = difference(one, one, 0.95)
    assert found is not None
    assert (found.value, found.low, found.high, found.is_sure) == (0, 0, 0, False)


@given(counts=COUNTS, looked_at=st.integers(2, 50))
def test_looking_at_more_makes_nothing_surer(
    counts: list[tuple[int, int, int]], looked_at: int
) -> None:
    one, other = sides(counts)
    alone, among = difference(one, other, 0.95), difference(one, other, 0.95, looked_at)
    assert alone is not None
    assert among is not None
    assert alone.is_sure >= among.is_sure
    assert (alone.low, alone.high) == (among.low, among.high)


def test_no_calls_have_no_difference_and_one_run_has_no_interval() -> None:
    nothing, some = Counted((0, 0), (0, 0)), Counted((1, 2), (5, 5))
    assert difference(nothing, some, 0.95) is None
    assert difference(some, nothing, 0.95) is None
    with pytest.raises(ValueError, match="at least 2"):
        difference(Counted((1,), (5,)), Counted((1,), (5,)), 0.95)
    with pytest.raises(ValueError, match="pairs"):
        difference(some, Counted((1, 2, 3), (5, 5, 5)), 0.95)


def test_among_differences_that_are_none_few_are_found_sure() -> None:
    """At 95 % over 20 looked at together, one family in 20 has a sure one; of 200, 10 are due.

    22 or more happen once in 3,000 times.
    """
    chance = np.random.default_rng(5)
    families = 0
    for _ in range(200):
        lost = chance.poisson(40, (20, 2, 25)).tolist()
        offered = (1000,) * 25
        families += any(
            found.is_sure
            for one, other in lost
            if (found := difference(Counted(tuple(one), offered), Counted(tuple(other), offered),
                                    0.95, 20)) is not None
        )  # fmt: skip
    assert families < 22


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=20), st.floats(0.1, 10))
def test_the_index_of_fairness(values: list[float], factor: float) -> None:
    index = jain_index(values)
    assert index is not None
    assert 1 / len(values) - 1e-12 <= index <= 1 + 1e-12
    assert jain_index([factor * value for value in values]) == pytest.approx(index)
    assert jain_index([values[0]] * len(values)) == pytest.approx(1)


def test_the_index_of_one_who_gets_everything() -> None:
    assert jain_index([0, 0, 7, 0]) == pytest.approx(1 / 4)
    # k of n alike and the others with nothing: k / n (Jain, Chiu and Hawe, 1984)
    assert jain_index([3, 3, 3, 0, 0]) == pytest.approx(3 / 5)
    assert jain_index([]) is None
    assert jain_index([0, 0]) is None
