"""The verdict of a run shared out among workers."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from simulator.history import History, Operation
from simulator.load.coordinator import Coordinator
from simulator.load.history import Frame, RowLog, header_of, operations_of
from simulator.load.judging import Heard, judge_load
from simulator.load.reading import nothing_counted
from simulator.scenario import Scenario
from simulator.trace import CallTrace
from simulator.verdict import Judgement, Verdict
from tests.load_runs import PREFIX, coordinator_of, join, plan_of, played, trace_of

SCENARIO = Scenario("s", "", 0, 1, 1, ())


def run_of(trace: CallTrace, shares: int, tell: int) -> Coordinator:
    """A run of which the first ``tell`` workers told all, and the others nothing."""
    coordinator = coordinator_of(trace, shares)
    for share in range(shares):
        join(coordinator, f"w{share}")
    coordinator.begin(1_000)
    for share in range(shares):
        plan = plan_of(coordinator, f"w{share}")
        if share < tell:
            coordinator.report(f"w{share}", played(trace, plan))
    return coordinator


def heard(trace: CallTrace, coordinator: Coordinator) -> Heard:
    """What was heard of a run; the service's figures were not read."""
    frame, log = Frame(PREFIX, 0, 1_000, 1.0), RowLog(len(trace), start_us=1_000, speed=1.0)
    operations: list[Operation] = []
    for batch in coordinator.batches(all_of_them=True):
        log.note(batch)
        operations += operations_of(trace, batch, frame)
    header = header_of(trace.conditions, speed=1.0, url="http://x", about={})
    return Heard(History(header, operations), log.log(), None)


def judged(trace: CallTrace, coordinator: Coordinator, doubts: tuple[str, ...] = ()) -> Judgement:
    said = replace(heard(trace, coordinator), doubts=doubts)
    return judge_load(SCENARIO, trace, coordinator, said).judgement


def test_a_whole_run_passes_and_a_doubt_keeps_it_from_passing() -> None:
    trace = trace_of(4)
    assert judged(trace, run_of(trace, 2, tell=2)).verdict is Verdict.PASS
    doubtful = judged(trace, run_of(trace, 2, tell=2), ("figures could not be read",))
    assert doubtful.verdict is Verdict.INCONCLUSIVE
    lost = judged(trace, run_of(trace, 2, tell=1))
    assert lost.verdict is Verdict.INCONCLUSIVE
    assert "2 rows were lost: 1, 3" in lost.reason


def test_a_proven_violation_fails_whatever_was_lost() -> None:
    trace = trace_of(40, limit=3, hold_us=10_000_000)
    found = judged(trace, run_of(trace, 2, tell=1))
    assert found.verdict is Verdict.FAIL
    assert any(not each.ok for each in found.invariants)


def test_sends_that_were_late_make_a_run_inconclusive() -> None:
    trace = trace_of(4)
    coordinator = run_of(trace, 1, tell=1)
    coordinator.meters.behind.note(np.full(3, 2_000_000))
    coordinator.meters.late += 3
    found = judged(trace, coordinator)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "bottleneck" in found.reason


def not_let_in(operation: Operation) -> Operation:
    # One of two workers has the wrong token.
    row = int((operation.call_id or PREFIX).removeprefix(PREFIX))
    return operation if row % 2 else changed(operation, "refused", "401")


def changed(operation: Operation, result: str, code: str) -> Operation:
    return msgspec.structs.replace(operation, result=result, code=code, decision=None)


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        (not_let_in, "2 of 4 offers made no call: 2 times 401; a sender has the wrong"),
        (
            lambda each: changed(each, "failed", "ConnectionRefusedError"),
            "4 of 4 offers made no call: 4 times ConnectionRefusedError",
        ),
        (lambda each: changed(each, "indefinite", "502"), "no event was answered"),
    ],
    ids=["wrong token", "out of reach", "behind a broken proxy"],
)
def test_traffic_that_was_none_is_no_pass(
    answered: Callable[[Operation], Operation], said: str
) -> None:
    trace = trace_of(4)
    coordinator = run_of(trace, 2, tell=2)
    before = heard(trace, coordinator)
    operations = [answered(each) for each in before.history.operations]
    history = History(before.history.header, operations)
    judgement = judge_load(SCENARIO, trace, coordinator, replace(before, history=history)).judgement
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert said in judgement.reason


def test_a_service_begun_anew_is_not_accused() -> None:
    trace = trace_of(4)
    coordinator = run_of(trace, 1, tell=1)
    before = heard(trace, coordinator)
    restart = Operation(op="restart", invoke_us=0, complete_us=1 << 40, unexpected=True)
    history = History(before.history.header, [*before.history.operations, restart])
    judgement = judge_load(SCENARIO, trace, coordinator, replace(before, history=history)).judgement
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "restarted by somebody else" in judgement.reason


def test_a_history_that_was_cut_off_is_no_pass() -> None:
    trace = trace_of(4)
    coordinator = run_of(trace, 1, tell=1)
    before = heard(trace, coordinator)
    cut = replace(before, history=replace(before.history, truncated=True))
    judgement = judge_load(SCENARIO, trace, coordinator, cut).judgement
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "not known to be whole" in judgement.reason


def test_documents_that_do_not_fit_together_are_a_failure() -> None:
    trace = trace_of(4)
    coordinator = run_of(trace, 1, tell=1)
    final = replace(nothing_counted(trace), contradictions=("pending_count is 3, not 2",))
    judgement = judge_load(
        SCENARIO, trace, coordinator, replace(heard(trace, coordinator), final=final)
    ).judgement
    assert judgement.verdict is Verdict.FAIL
    assert any("pending_count" in each.detail for each in judgement.invariants)
