"""The master's bookkeeping: clocks compared, shares handed out, reports collected, the verdict."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.checker import check_history
from simulator.history import History
from simulator.load.answers import Answer, AnswerReader
from simulator.load.clocks import SAME_CLOCK, ClockComparison, Offset
from simulator.load.coordinator import Coordinator, Told, player_of, report_of
from simulator.load.history import call_log_of, header_of, in_order, operations_of, unreported_of
from simulator.load.judging import Heard, judge_load
from simulator.load.lateness import Lateness
from simulator.load.master import Load
from simulator.load.player import Sent
from simulator.load.profile import LEAST_USERS, MOST_USERS, UserProfile
from simulator.load.settings import LoadSettings, SettingInvalid
from simulator.results import Fate
from simulator.scenario import Scenario
from simulator.statistics import statistics_of
from simulator.trace import NEVER, CallTrace, Conditions, TraceTenant
from simulator.verdict import Verdict
from tests.strategies import Row, make_trace

ADMITTED = Answer("ok", "admitted")
GOOD = {
    0: ADMITTED,
    1: Answer("ok", "accepted"),
    2: Answer("ok", "started"),
    3: Answer("ok", "referred"),
    4: Answer("ok", "ended"),
    5: Answer("ok", "ended"),
}


# --- clocks -------------------------------------------------------------------------------------


@given(
    st.integers(-(2**40), 2**40),
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 9_000), st.integers(0, 9_000))),
    st.booleans(),
)
def test_the_true_distance_is_never_left_out(
    distance_us: int, asked: list[tuple[int, int, int]], same_kernel: bool
) -> None:
    if same_kernel:
        distance_us = 0
    clock = ClockComparison(same_kernel=same_kernel)
    for sent_us, there_us, back_us in asked:
        read_us = sent_us + there_us
        clock.answered(sent_us, read_us - distance_us, read_us + back_us)
    if not asked:
        with pytest.raises(ValueError, match="never read"):
            clock.offset()
        return
    offset = clock.offset()
    assert offset.low_us <= distance_us <= offset.high_us
    if same_kernel:
        assert offset == SAME_CLOCK


def test_a_drifting_clock_is_known_between_its_ends() -> None:
    clock = ClockComparison()
    for step in range(20):
        clock.answered(step * 1000, step * 999, step * 1000 + 2)
    offset = clock.offset()
    assert offset.low_us <= 0
    assert offset.high_us >= 19


def test_an_answer_before_its_question_is_ignored() -> None:
    clock = ClockComparison()
    clock.answered(10, 5, 9)
    assert not clock.known


# --- sharing out --------------------------------------------------------------------------------


def trace_of(calls: int, limit: int = 10, hold_us: int = 1_000_000) -> CallTrace:
    conditions = Conditions(
        duration_us=60_000_000, max_concurrent_calls=limit, tenants=(TraceTenant("acme"),)
    )
    rows = [Row(offer=place * 1000, hold=hold_us) for place in range(calls)]
    return make_trace(conditions, rows)


def coordinator_of(trace: CallTrace, shares: int) -> Coordinator:
    return Coordinator(trace, "hash", run="run", shares=shares, speed=1.0, prefix="p", late_us=1000)


def join(coordinator: Coordinator, worker: str, distance_us: int = 0) -> None:
    coordinator.hello(worker, "hash", same_kernel=False)
    coordinator.clock_read(worker, 100, 101 - distance_us, 102)


def played(trace: CallTrace, plan: dict[str, Any]) -> dict[str, Any]:
    player = player_of(trace, plan)
    now_us = plan["start_us"]
    while not player.finished:
        due_us = player.next_due_us()
        assert due_us is not None
        now_us = max(now_us, due_us)
        request = player.take(now_us)
        assert request is not None
        player.answered(request, GOOD[request.kind], now_us + 1)
        now_us += 1
    return report_of(plan, player, 0, final=True)


def test_every_share_is_given_once_and_told_of() -> None:
    trace = trace_of(7)
    coordinator = coordinator_of(trace, 2)
    for name in ("a", "b", "c"):
        join(coordinator, name)
    assert coordinator.plan_for("a") is None, "nothing is shared out before the run begins"
    coordinator.begin(5_000)
    plans = {name: coordinator.plan_for(name) for name in ("a", "b", "c")}
    assert plans["c"] is None
    assert coordinator.plan_for("a") is None
    for name in ("a", "b"):
        plan = plans[name]
        assert plan is not None
        assert not coordinator.all_told({"a", "b"})
        coordinator.report(name, played(trace, plan))
    assert coordinator.all_told({"a", "b"})
    assert coordinator.union().whole
    assert coordinator.troubles() == []
    assert coordinator.lateness.sends == 7 * 4


def test_a_worker_starts_by_its_own_clock() -> None:
    coordinator = coordinator_of(trace_of(1), 1)
    join(coordinator, "a", distance_us=1_000_000)
    coordinator.begin(5_000_000)
    plan = coordinator.plan_for("a")
    assert plan is not None
    assert plan["start_us"] == pytest.approx(4_000_000, abs=2)


def test_another_trace_gets_no_share() -> None:
    coordinator = coordinator_of(trace_of(1), 1)
    assert not coordinator.hello("a", "other", same_kernel=False)
    coordinator.clock_read("a", 1, 1, 1)
    coordinator.begin(0)
    assert coordinator.plan_for("a") is None
    troubles = coordinator.troubles()
    assert any("another trace" in each for each in troubles)
    assert any("never came" in each for each in troubles)


def test_a_worker_that_went_away_leaves_its_rows_lost() -> None:
    trace = trace_of(6)
    coordinator = coordinator_of(trace, 2)
    join(coordinator, "a")
    join(coordinator, "b")
    coordinator.begin(0)
    plan = coordinator.plan_for("a")
    assert plan is not None
    assert coordinator.plan_for("b") is not None
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
    plan = coordinator.plan_for("a")
    assert plan is not None
    coordinator.report("a", {**played(trace, plan), "number": 1})
    assert coordinator.all_told({"a"})
    assert any("lost on the way" in each for each in coordinator.troubles())
    assert not coordinator.told()[0].whole


def test_reports_of_another_run_are_ignored() -> None:
    trace = trace_of(2)
    coordinator = coordinator_of(trace, 1)
    join(coordinator, "a")
    coordinator.begin(0)
    plan = coordinator.plan_for("a")
    assert plan is not None
    coordinator.report("a", {**played(trace, plan), "run": "older"})
    assert coordinator.told()[0].sent == []


# --- the history and the verdict ----------------------------------------------------------------


def told_of(sent: list[Sent], offset: Offset = SAME_CLOCK, share: int = 0) -> Told:
    answers = [*GOOD.values(), Answer("ok", "rejected", "capacity", ("total",))]
    answers.append(Answer("ok", "abandoned"))
    rows = sorted({each.row for each in sent})
    return Told(share, f"w{share}", sent, answers, rows, offset, whole=True)


def alarms_of(trace: CallTrace, told: list[Told]) -> set[str]:
    header = header_of(trace.conditions, speed=1.0, url="http://x", about={})
    operations = in_order(operations_of(trace, told, prefix="p", origin_us=0))
    return {alarm.kind for alarm in check_history(History(header, operations)).alarms}


def test_calls_of_two_workers_over_one_limit_are_proven() -> None:
    trace = trace_of(2, limit=1)
    one = told_of([Sent(0, 0, 100, 200, 0)])
    other = told_of([Sent(1, 0, 1100, 1200, 0)], Offset(-50, 50), share=1)
    assert alarms_of(trace, [one, other]) == {"over_admission"}
    # One ends before the other begins, if only by what the clocks leave open.
    over = told_of([Sent(0, 0, 100, 200, 0), Sent(0, 5, 1000, 1190, 7)])
    assert alarms_of(trace, [over, other]) == set()


def test_intervals_grow_by_what_a_clock_leaves_open() -> None:
    trace = trace_of(1)
    (operation,) = operations_of(
        trace, [told_of([Sent(0, 0, 100, 200, 0)], Offset(5, 25))], prefix="p", origin_us=50
    )
    assert (operation.invoke_us, operation.complete_us) == (55, 175)


def test_what_was_not_reported_is_possible_and_no_earlier_than_due() -> None:
    trace = trace_of(3)
    told = replace(told_of([Sent(0, 0, 100, 200, 0)]), whole=False)
    found = unreported_of(trace, told, [0, 1], prefix="p", origin_us=0, start_us=10_000, speed=1.0)
    assert {each.result for each in found} == {"indefinite"}
    by_call: dict[str | None, dict[str, int]] = {}
    for each in found:
        by_call.setdefault(each.call_id, {})[each.op] = each.invoke_us
    assert by_call["p0"] == {"accept": 100, "start": 100, "end": 100}
    assert by_call["p1"]["offer"] == 11_000


def test_the_log_never_overstates_a_call() -> None:
    trace = trace_of(2)
    sent = [
        Sent(0, 0, 100, 200, 0), Sent(0, 1, 300, 400, 1), Sent(0, 2, 500, 600, 2),
        Sent(0, 4, 900, 1000, 4), Sent(1, 0, 150, 250, 6),
    ]  # fmt: skip
    log = call_log_of(trace, [told_of(sent)], start_us=0, speed=2.0)
    assert log.fate.tolist() == [Fate.ENDED, Fate.REJECTED_CAPACITY]
    assert log.offered_us.tolist() == [400, 500]
    assert log.released_us.tolist() == [1800, NEVER]
    assert log.scopes.tolist() == [0, 1]
    assert statistics_of(trace, log).peak_in_use == 1


def judged(trace: CallTrace, coordinator: Coordinator, doubts: tuple[str, ...] = ()) -> Any:
    header = header_of(trace.conditions, speed=1.0, url="http://x", about={})
    operations = in_order(operations_of(trace, coordinator.told(), prefix="p", origin_us=0))
    scenario = Scenario(
        name="s", description="", seed=0, duration_us=1, max_concurrent_calls=1, tenants=()
    )
    heard = Heard(operations, None, doubts)
    return judge_load(scenario, trace, coordinator, heard, header, 1.0).judgement


def run_of(trace: CallTrace, shares: int, tell: int) -> Coordinator:
    coordinator = coordinator_of(trace, shares)
    for share in range(shares):
        join(coordinator, f"w{share}")
    coordinator.begin(1_000)
    for share in range(shares):
        plan = coordinator.plan_for(f"w{share}")
        assert plan is not None
        if share < tell:
            coordinator.report(f"w{share}", played(trace, plan))
    return coordinator


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
    coordinator.lateness.add(3, 2_000_000, [0] * 48)
    found = judged(trace, coordinator)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "bottleneck" in found.reason


@pytest.mark.parametrize(
    ("speed", "asked_s", "late_us"),
    [
        # Calls of 1 s: a tenth of that at the speed, but between 25 and 250 ms.
        (1.0, None, 100_000), (2.0, None, 50_000), (0.1, None, 250_000), (60.0, None, 25_000),
        (60.0, 600.0, 600_000_000),
    ],
)  # fmt: skip
def test_how_late_is_late_depends_on_the_traffic(
    speed: float, asked_s: float | None, late_us: int
) -> None:
    settings = LoadSettings(Path("x.yaml"), speed=speed, late_s=asked_s)
    scenario = Scenario("late", "", 1, 60_000_000, 1, ())
    assert Load(settings, scenario, trace_of(4), "hash").late_us == late_us


# --- small parts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "content", "answer"),
    [
        (200, b'{"decision":"admitted","reason":null,"scopes":[],"fallback":false}', ADMITTED),
        (
            200,
            b'{"decision":"rejected","reason":"capacity","scopes":["total"],"fallback":false}',
            Answer("ok", "rejected", "capacity", ("total",)),
        ),
        (409, b'{"code":"wrong_state"}', Answer("refused", code="wrong_state")),
        (503, b'{"code":"call_memory_full"}', Answer("refused", code="call_memory_full")),
        (503, b"busy", Answer("indefinite", code="503")),
        (500, b"", Answer("indefinite", code="500")),
        (200, b"<html>", Answer("indefinite", code="not_understood")),
    ],
)
def test_answers_are_read(status: int, content: bytes, answer: Answer) -> None:
    reader = AnswerReader()
    assert reader.read(status, content, None) == answer
    assert reader.read(status, content, None) == answer


def test_errors_are_definite_only_where_nothing_was_sent() -> None:
    reader = AnswerReader()
    assert reader.read(0, None, ConnectionRefusedError()).result == "failed"
    assert reader.read(0, None, ConnectionResetError()).result == "indefinite"
    assert reader.read(0, None, TimeoutError()).result == "indefinite"
    assert reader.read(0, None, None).result == "indefinite"


@given(st.lists(st.integers(0, 10**7), min_size=1), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_of_lateness_is_bounded_from_above(behind: list[int], share: float) -> None:
    lateness = Lateness(1000)
    for each in behind:
        lateness.note(each)
    at_most = lateness.quantile_us(share)
    assert sum(each <= at_most for each in behind) >= share * len(behind)
    assert lateness.worst_us == max(behind)
    assert lateness.late == sum(each > 1000 for each in behind)


def test_users_follow_the_calls_in_progress_within_bounds() -> None:
    few = UserProfile(trace_of(3), 1.0)
    assert few.users(0.0, 2) == 2 * LEAST_USERS
    many = UserProfile(trace_of(5000, hold_us=20_000_000), 1.0)
    assert many.users(5.0, 1) == MOST_USERS
    assert many.users(5.0, 100) == 5000
    assert many.users(30.0, 1) == LEAST_USERS


def test_settings_go_through_the_environment() -> None:
    wanted = LoadSettings.from_environment(
        {
            "BUSYHOUR_SCENARIO": "a.yaml",
            "BUSYHOUR_SEED": "7",
            "BUSYHOUR_SET": "a=1\nb=2",
            "BUSYHOUR_SPEED": "60",
            "BUSYHOUR_CONFIGURE": "true",
        }
    )
    assert (wanted.seed, wanted.overrides, wanted.speed) == (7, ("a=1", "b=2"), 60.0)
    assert wanted.configure
    assert LoadSettings.from_environment(wanted.to_environment()) == wanted


@pytest.mark.parametrize(
    "wrong",
    [{"BUSYHOUR_SPEED": "fast"}, {"BUSYHOUR_SPEED": "0"}, {"BUSYHOUR_LATE_S": "inf"},
     {"BUSYHOUR_SEED": "-1"}],
)  # fmt: skip
def test_a_wrong_setting_is_named(wrong: dict[str, str]) -> None:
    (name,) = wrong
    with pytest.raises(SettingInvalid, match=name):
        LoadSettings.from_environment({"BUSYHOUR_SCENARIO": "a.yaml", **wrong})


def test_the_shipped_smoke_is_the_default() -> None:
    assert LoadSettings.from_environment({}).scenario.name == "smoke.yaml"
