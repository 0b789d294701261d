"""The oracle's intervals against a run played out microsecond by microsecond."""

import pytest
from hypothesis import given, settings

from simulator.oracle import expect
from simulator.trace import CallTrace
from tests.brute_force import BruteForce
from tests.differential.agreement import assert_agree
from tests.strategies import seeded_trace, traces_of_all_policies


@settings(max_examples=100, deadline=None, derandomize=True)
@given(traces_of_all_policies())
def test_oracle_agrees_with_brute_force(trace: CallTrace) -> None:
    assert_agree(BruteForce(trace).play(), expect(trace))


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_oracle_agrees_with_brute_force_on_seeded_traces(first: int) -> None:
    for seed in range(first, first + 100):
        trace = seeded_trace(seed)
        assert_agree(BruteForce(trace).play(), expect(trace))


@pytest.mark.soak
@pytest.mark.parametrize("first", range(10_000, 30_000, 1_000))
def test_oracle_agrees_with_brute_force_on_many_traces(first: int) -> None:
    for seed in range(first, first + 1_000):
        trace = seeded_trace(seed, most_calls=10 + seed % 40)
        assert_agree(BruteForce(trace).play(), expect(trace))
