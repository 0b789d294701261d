"""The master's bookkeeping: clocks compared, shares handed out, reports collected."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.load.clocks import DRIFT_US, KEPT, SAME_CLOCK, ClockComparison
from simulator.load.coordinator import LOCAL, RELEASE
from simulator.load.messages import packed, plan_in, report_in
from simulator.load.shares import Union
from tests.load_runs import coordinator_of, join, plan_of, played, trace_of

# --- clocks -------------------------------------------------------------------------------------

Asked = tuple[int, int, int]
"""How long after the last question this one is asked, and how long it takes there and back."""

asked = st.lists(
    st.tuples(
        st.integers(1, 2_000_000),
        st.one_of(st.integers(0, 5), st.integers(0, 90_000)),
        st.one_of(st.integers(0, 5), st.integers(0, 90_000)),
    ),
    min_size=1,
    max_size=30,
)


@given(st.integers(-(2**40), 2**40), asked, st.booleans())
def test_the_true_distance_is_never_left_out(
    distance_us: int, questions: Sequence[Asked], same_kernel: bool
) -> None:
    if same_kernel:
        distance_us = 0
    clock = ClockComparison(same_kernel=same_kernel)
    sent_us = 0
    for wait_us, there_us, back_us in questions:
        sent_us += wait_us
        read_us = sent_us + there_us
        clock.answered(sent_us, read_us - distance_us, read_us + back_us)
    if len(questions) < KEPT:
        with pytest.raises(ValueError, match="not read often enough"):
            clock.offset()
        return
    offset = clock.offset()
    assert offset.low_us <= distance_us <= offset.high_us
    assert clock.jump_us == 0
    if same_kernel:
        assert offset == SAME_CLOCK


@given(
    asked,
    st.dictionaries(st.integers(0, 29), st.one_of(st.integers(0, 9), st.integers(0, 300_000))),
    st.sampled_from([1, -1]),
)
def test_whatever_jumps_are_seen_or_not_the_distance_is_certain_once_it_is_said_to_be(
    questions: Sequence[Asked], jumps: dict[int, int], direction: int
) -> None:
    """Jumps are between two readings; small ones, and those that no answer contradicts, as well.

    A clock stands still for as long as it jumps: the worker's where the distance grows, and else
    the master's.
    """
    clock, sent_us, distance_us = ClockComparison(), 0, 0
    # What the distance was when the worker's clock showed this, once it was known.
    was: list[tuple[int, int]] = []
    for place, (wait_us, there_us, back_us) in enumerate(questions):
        sent_us += wait_us
        read_us = sent_us + there_us
        clock.answered(sent_us, read_us - distance_us, read_us + back_us)
        if clock.known:
            was.append((read_us - distance_us, distance_us))
            distance_us += direction * jumps.get(place, 0)
        sent_us = read_us + back_us + (jumps.get(place, 0) if direction > 0 else 0)
        if clock.known:
            was.append((sent_us - distance_us, distance_us))
        if clock.certain_us is not None:
            offset = clock.offset()
            for clock_us, distance_then_us in was:
                if clock_us <= clock.certain_us:
                    assert offset.low_us <= distance_then_us <= offset.high_us


@given(st.integers(DRIFT_US + 3, 2**40), st.sampled_from([1, -1]), st.integers(KEPT, 20))
def test_a_jump_is_told(jump_us: int, direction: int, before: int) -> None:
    clock = ClockComparison()
    for step in range(2 * before):
        distance_us = direction * jump_us if step >= before else 0
        at_us = step * 500_000
        clock.answered(at_us, at_us + 1 - distance_us, at_us + 2)
    assert jump_us - 2 <= clock.jump_us <= jump_us
    offset = clock.offset()
    assert min(offset.low_us, offset.high_us - jump_us) <= 0
    assert offset.low_us <= min(0, direction * jump_us)
    assert offset.high_us >= max(0, direction * jump_us)


def test_what_a_clock_was_is_certain_only_when_all_answers_that_count_came_after_it() -> None:
    clock = ClockComparison()
    for step in range(KEPT + 2):
        clock.answered(step, 10 + step, step)
        assert clock.certain_us == (None if step < KEPT - 1 else 10 + step - KEPT + 1)


def test_a_drifting_clock_is_known_between_its_ends() -> None:
    clock = ClockComparison()
    for step in range(20):
        clock.answered(step * 1000, step * 999, step * 1000 + 2)
    offset = clock.offset()
    assert offset.low_us <= 0
    assert offset.high_us >= 19


def test_an_answer_before_its_question_is_ignored() -> None:
    clock = ClockComparison()
    for _ in range(KEPT):
        clock.answered(10, 5, 9)
    assert not clock.known


# --- sharing out --------------------------------------------------------------------------------


def test_every_share_is_given_once_and_told_of() -> None:
    trace = trace_of(7)
    coordinator = coordinator_of(trace, 2)
    for name in ("a", "b", "c"):
        join(coordinator, name)
    assert coordinator.plan_for("a") is None, "nothing is shared out before the run begins"
    coordinator.begin(5_000)
    plans = {name: plan_of(coordinator, name) for name in ("a", "b")}
    assert coordinator.plan_for("c") is None
    assert coordinator.plan_for("a") is None
    for name, plan in plans.items():
        assert not coordinator.all_told({"a", "b"})
        coordinator.report(name, played(trace, plan))
    assert coordinator.all_told({"a", "b"})
    assert coordinator.union() == Union((), ())
    assert coordinator.troubles() == []
    assert coordinator.meters.sends == 7 * 4


def test_messages_are_the_same_on_the_other_side() -> None:
    trace = trace_of(3)
    coordinator = coordinator_of(trace, 1)
    join(coordinator, "a")
    coordinator.begin(0)
    plan = plan_of(coordinator, "a")
    report = played(trace, plan)
    assert plan_in(packed(plan)) == plan
    assert report_in(packed(report)) == report


def test_a_worker_starts_by_its_own_clock() -> None:
    coordinator = coordinator_of(trace_of(1), 1)
    join(coordinator, "a", distance_us=1_000_000)
    coordinator.begin(5_000_000)
    assert plan_of(coordinator, "a").start_us == pytest.approx(4_000_000, abs=2)
    (told,) = coordinator.told()
    # As early by the master's clock as the worker's may be ahead of what it was taken for.
    assert told.start_us == pytest.approx(5_000_000 - DRIFT_US, abs=2)


def test_a_worker_whose_clock_is_not_known_gets_no_share() -> None:
    coordinator = coordinator_of(trace_of(1), 1)
    coordinator.begin(0)
    coordinator.hello("a", "hash", RELEASE)
    for step in range(KEPT - 1):
        assert not coordinator.clock_read("a", step, step, step)
        assert coordinator.plan_for("a") is None
    assert coordinator.clock_read("a", 9, 9, 9)
    assert coordinator.plan_for("a") is not None


@pytest.mark.parametrize(
    ("trace_hash", "release", "said"),
    [("other", RELEASE, "another trace"), ("hash", "0.0", "is busyhour 0.0, the master is")],
)
def test_another_trace_or_release_gets_no_share(trace_hash: str, release: str, said: str) -> None:
    coordinator = coordinator_of(trace_of(1), 1)
    assert not coordinator.hello("a", trace_hash, release)
    for _ in range(KEPT):
        coordinator.clock_read("a", 1, 1, 1)
    coordinator.begin(0)
    assert coordinator.plan_for("a") is None
    assert coordinator.ready() == 0
    assert [said in each for each in coordinator.misfits()] == [True]
    assert coordinator.troubles() == coordinator.misfits()


def test_a_worker_that_went_away_leaves_its_rows_lost() -> None:
    trace = trace_of(6)
    coordinator = coordinator_of(trace, 2)
    join(coordinator, "a")
    join(coordinator, "b")
    coordinator.begin(0)
    plan = plan_of(coordinator, "a")
    plan_of(coordinator, "b")
    coordinator.report("a", played(trace, plan))
    assert not coordinator.all_told({"a", "b"})
    assert coordinator.all_told({"a"})
    assert coordinator.union().lost == (1, 3, 5)
    assert any("worker b went away" in each for each in coordinator.troubles())


def test_a_report_lost_on_the_way_is_noticed() -> None:
    trace = trace_of(2)
    coordinator = coordinator_of(trace, 1)
    join(coordinator, "a")
    coordinator.begin(0)
    report = played(trace, plan_of(coordinator, "a"))
    coordinator.report("a", msgspec.structs.replace(report, number=1))
    assert coordinator.all_told({"a"})
    assert any("lost on the way" in each for each in coordinator.troubles())
    assert not coordinator.told()[0].whole
    (batch,) = coordinator.batches(all_of_them=True)
    assert batch.after_loss


def test_rows_that_are_not_those_that_were_meant_are_not_believed() -> None:
    trace = trace_of(2)
    coordinator = coordinator_of(trace, 1)
    join(coordinator, "a")
    coordinator.begin(0)
    report = played(trace, plan_of(coordinator, "a"))
    assert report.accounts is not None
    broken = msgspec.structs.replace(report.accounts, rows=b"no rows at all")
    coordinator.report("a", msgspec.structs.replace(report, accounts=broken))
    assert coordinator.union().lost == (0, 1)
    assert not coordinator.told()[0].whole


def test_reports_of_another_run_are_ignored() -> None:
    trace = trace_of(2)
    coordinator = coordinator_of(trace, 1)
    join(coordinator, "a")
    coordinator.begin(0)
    report = played(trace, plan_of(coordinator, "a"))
    coordinator.report("a", msgspec.structs.replace(report, run="older"))
    assert coordinator.batches(all_of_them=True) == []
    assert coordinator.told()[0].rows == []


def test_what_a_worker_tells_waits_until_its_clock_is_certain() -> None:
    trace = trace_of(2)
    coordinator = coordinator_of(trace, 1)
    join(coordinator, "a")
    coordinator.begin(0)
    report = msgspec.structs.replace(played(trace, plan_of(coordinator, "a")), told_us=1000)
    coordinator.report("a", report)
    for step in range(KEPT):
        assert coordinator.batches() == []
        coordinator.clock_read("a", 1000 + step, 1000 + step, 1000 + step)
    (batch,) = coordinator.batches()
    assert batch.report == report


def test_a_worker_on_the_same_kernel_need_not_wait() -> None:
    trace = trace_of(2)
    coordinator = coordinator_of(trace, 1)
    coordinator.hello("a", "hash", RELEASE, same_kernel=True)
    join(coordinator, "a")
    coordinator.begin(0)
    report = played(trace, plan_of(coordinator, "a"))
    coordinator.report("a", report)
    (batch,) = coordinator.batches()
    assert batch.offset == SAME_CLOCK


def test_the_masters_own_worker_needs_no_clock() -> None:
    trace = trace_of(2)
    coordinator = coordinator_of(trace, 1)
    coordinator.hello(LOCAL, "hash", RELEASE)
    coordinator.begin(7)
    plan = plan_of(coordinator, LOCAL)
    assert plan.start_us == 7
    coordinator.report(LOCAL, played(trace, plan))
    (batch,) = coordinator.batches()
    assert batch.offset == SAME_CLOCK
