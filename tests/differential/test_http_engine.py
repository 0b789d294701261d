"""The real service behind its HTTP documents, in this process, gives the oracle's answer."""

import pytest
from hypothesis import given, settings

from simulator.engines.http import HttpEngine
from simulator.engines.sources import AppService
from simulator.oracle import expect
from simulator.statistics import statistics_of
from simulator.trace import CallTrace
from simulator.verdict import Verdict, judge
from tests.differential.agreement import assert_agree
from tests.strategies import seeded_trace, traces


def engine(most_items: int = 1_000) -> HttpEngine:
    return HttpEngine(AppService(), most_items=most_items)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(traces())
def test_http_agrees_with_oracle(trace: CallTrace) -> None:
    assert_agree(expect(trace), engine().run(trace))


@pytest.mark.parametrize("most_items", [1, 5, 1_000])
def test_http_agrees_whatever_the_size_of_its_batches(most_items: int) -> None:
    for seed in range(10):
        trace = seeded_trace(200 + seed)
        assert_agree(expect(trace), engine(most_items).run(trace))


def test_http_agrees_with_oracle_on_longer_traces() -> None:
    for seed in range(3):
        trace = seeded_trace(seed, most_calls=400)
        assert_agree(expect(trace), engine(50).run(trace))


@pytest.mark.soak
@pytest.mark.parametrize("first", range(200_000, 200_500, 50))
def test_no_alarm_in_many_runs_of_an_unbroken_service(first: int) -> None:
    for seed in range(first, first + 50):
        trace = seeded_trace(seed, most_calls=10 + seed % 60)
        observed = engine().run(trace)
        judgement = judge(
            trace=trace,
            observed=observed,
            expected=expect(trace),
            statistics=statistics_of(trace, observed.log),
        )
        assert judgement.verdict is Verdict.PASS, f"seed {seed}: {judgement.reason}"
