"""Every engine without HTTP gives the oracle's answer on the same trace, to the last call."""

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings

from simulator.engines.inproc import InprocEngine
from simulator.kernel import KernelRun
from simulator.oracle import expect
from simulator.results import RunOutcome
from simulator.statistics import statistics_of
from simulator.trace import CallTrace
from simulator.verdict import Verdict, judge
from tests.differential.agreement import assert_agree
from tests.strategies import seeded_trace, traces

Play = Callable[[CallTrace], RunOutcome]


def _kernel(*, compiled: bool) -> Play:
    def play(trace: CallTrace) -> RunOutcome:
        result = KernelRun(trace.conditions, compiled=compiled).play(trace)
        assert result.log is not None
        return RunOutcome(
            engine=f"kernel, {'compiled' if compiled else 'interpreted'}",
            total=result.total,
            tenants=result.tenants,
            checkpoints=result.checkpoints,
            final=result.final,
            log=result.log,
        )

    return play


ENGINES: Final[dict[str, Play]] = {
    "kernel-interpreted": _kernel(compiled=False),
    "kernel-compiled": _kernel(compiled=True),
    "inproc": InprocEngine().run,
}


@pytest.fixture(params=ENGINES)
def play(request: pytest.FixtureRequest) -> Play:
    return ENGINES[request.param]


@pytest.mark.parametrize("name", ENGINES)
def test_engine_agrees_with_oracle(name: str) -> None:
    # Hypothesis refuses fixtures of function scope, so the engine is closed over instead.
    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(traces())
    def agrees(trace: CallTrace) -> None:
        assert_agree(expect(trace), ENGINES[name](trace))

    agrees()


def test_engine_agrees_with_oracle_on_seeded_traces(play: Play) -> None:
    for seed in range(150):
        trace = seeded_trace(seed)
        assert_agree(expect(trace), play(trace))


def test_engine_agrees_with_oracle_on_longer_traces(play: Play) -> None:
    for seed in range(10):
        trace = seeded_trace(seed, most_calls=400)
        assert_agree(expect(trace), play(trace))


def _alarms(play: Play, seeds: range) -> list[str]:
    """What the judge has to say against runs of an engine that is known to be right."""
    alarms = []
    for seed in seeds:
        trace = seeded_trace(seed, most_calls=10 + seed % 60)
        observed = play(trace)
        judgement = judge(
            trace=trace,
            observed=observed,
            expected=expect(trace),
            statistics=statistics_of(trace, observed.log),
        )
        if judgement.verdict is not Verdict.PASS:
            alarms.append(f"seed {seed}: {judgement.verdict}, {judgement.reason}")
    return alarms


def test_no_alarm_from_an_unbroken_service(play: Play) -> None:
    assert _alarms(play, range(5_000, 5_060)) == []


@pytest.mark.soak
@pytest.mark.parametrize("first", range(100_000, 101_000, 100))
def test_no_alarm_in_many_runs_of_an_unbroken_service(play: Play, first: int) -> None:
    assert _alarms(play, range(first, first + 100)) == []
