"""The rule for other seeds: how often sound runs are suspected, and what it finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.compare.chance import judge_difference


@settings(max_examples=60)
@given(
    data=st.data(),
    pairs=st.integers(2, 6),
    figures=st.integers(1, 5),
)
def test_of_any_pairs_at_most_one_stands_out(data: st.DataObject, pairs: int, figures: int) -> None:
    """What makes the rule exact: whatever the numbers are, only one pair is the farthest."""
    value = st.integers(0, 40) | st.integers(0, 10_000)
    row = st.lists(value, min_size=figures, max_size=figures)
    runs = np.array(data.draw(st.lists(row, min_size=2 * pairs, max_size=2 * pairs)), float)
    weight = np.array(
        data.draw(st.lists(st.sampled_from([1.0, 0.01, 7.0]), min_size=figures, max_size=figures))
    )
    suspected = 0
    for pair in range(pairs):
        here = slice(2 * pair, 2 * pair + 2)
        base, new = runs[here]
        others = np.delete(runs, here, axis=0)
        found = judge_difference(base, new, others, weight)
        assert found.false_alarm == pytest.approx(1 / pairs)
        suspected += bool(found.beyond.any())
    assert suspected <= 1


@settings(max_examples=40)
@given(data=st.data(), figures=st.integers(1, 4))
def test_the_range_says_the_same_as_the_verdict(data: st.DataObject, figures: int) -> None:
    row = st.lists(st.integers(0, 300), min_size=figures, max_size=figures)
    base, new, *runs = np.array(data.draw(st.lists(row, min_size=8, max_size=8)), float)
    found = judge_difference(base, new, np.array(runs), np.ones(figures))
    near = 1e-9 * (1 + new)
    assert (found.low <= base + near).all()
    assert (found.high >= base - near).all()
    outside = (new < found.low - near) | (new > found.high + near)
    inside = (new > found.low + near) & (new < found.high - near)
    assert not (outside & ~found.beyond).any()
    assert not (inside & found.beyond).any()


def _clustered(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Counts whose variance is many times their mean, half of them rare."""
    mean = np.where(np.arange(shape[1]) % 2, 0.3, 60.0)
    return rng.negative_binomial(1.5, 1.5 / (1.5 + mean), shape).astype(float)


def test_sound_runs_of_clustered_losses_are_seldom_suspected() -> None:
    """At most 1 in 11; 4 standard deviations above that is the bound."""
    rng = np.random.default_rng(5)
    trials, figures = 400, 30
    suspected = 0
    for _ in range(trials):
        runs = _clustered(rng, (22, figures))
        found = judge_difference(runs[0], runs[1], runs[2:], np.ones(figures))
        suspected += bool(found.beyond.any())
    assert suspected <= trials / 11 + 4 * np.sqrt(trials * (1 / 11) * (10 / 11))


def test_a_poisson_bar_would_suspect_them_nearly_always() -> None:
    """Why the rule is not a bar of two independent counts, at the same rate of false alarms."""
    rng = np.random.default_rng(6)
    base, new = _clustered(rng, (200, 30)), _clustered(rng, (200, 30))
    # For 1 in 11 over 30 figures 3 standard deviations would do; these are nearly 4.
    bar = 3.9 * np.sqrt(base + new)
    assert (np.abs(base - new) > bar).any(axis=1).mean() > 0.9


def test_what_moved_is_found_and_named_alone() -> None:
    rng = np.random.default_rng(7)
    runs = rng.poisson(1000.0, (42, 20)).astype(float)
    runs[1, 3] = 1600.0
    found = judge_difference(runs[0], runs[1], runs[2:], np.ones(20))
    assert np.flatnonzero(found.beyond).tolist() == [3]


def test_what_no_replication_varies_may_not_vary() -> None:
    runs = np.full((40, 2), 500.0)
    found = judge_difference(np.array([500.0, 500.0]), np.array([500.0, 501.0]), runs, np.ones(2))
    assert found.beyond.tolist() == [False, True]
    assert found.low.tolist() == found.high.tolist() == [500.0, 500.0]


def test_one_replication_that_differs_by_a_call_does_not_blind_the_rule() -> None:
    """A figure at its limit in all runs but one, like a peak: others are judged all the same."""
    rng = np.random.default_rng(8)
    runs = rng.poisson(400.0, (42, 2)).astype(float)
    runs[:, 0] = 50.0
    runs[9, 0] = 49.0
    runs[1, 1] = 800.0
    found = judge_difference(runs[0], runs[1], runs[2:], np.ones(2))
    assert found.beyond.tolist() == [False, True]
