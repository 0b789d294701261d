"""What the workers told as one history, as the fate of each row, and as a file under way."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.checker import check_history
from simulator.history import History, Operation, read_history
from simulator.load.answers import Answer
from simulator.load.clocks import SAME_CLOCK, Offset
from simulator.load.coordinator import Batch, Coordinator
from simulator.load.history import (
    UNTOLD,
    Frame,
    RowLog,
    header_of,
    operations_of,
    possible_of,
)
from simulator.load.messages import Report, player_of, report_of
from simulator.load.player import Sent
from simulator.load.reading import Done
from simulator.load.record import GONE_S, SILENT_S, RunRecord
from simulator.load.shares import share_of
from simulator.results import Fate
from simulator.statistics import statistics_of
from simulator.trace import NEVER, CallTrace
from tests.load_runs import GOOD, PREFIX, coordinator_of, join, plan_of, play, trace_of

S = 1_000_000
FRAME = Frame(PREFIX, origin_us=0, start_us=0, speed=1.0)
REJECTED, ABANDONED, REFUSED, NO_ANSWER = 6, 7, 8, 9
A_SECOND = 100
ANSWERS = [
    *GOOD.values(),
    Answer("ok", "rejected", "capacity", ("total",)),
    Answer("ok", "abandoned"),
    Answer("refused", code="wrong_state"),
    Answer("indefinite", code="TimeoutError"),
]


def batch_of(sent: list[Sent], offset: Offset = SAME_CLOCK, share: int = 0) -> Batch:
    """One batch; the place of an answer is the event's number, or one of the names above."""
    return Batch(Report("run", share, 0, 0, 0, sent, ANSWERS), offset)


def alarms_of(trace: CallTrace, *batches: Batch) -> set[str]:
    header = header_of(trace.conditions, speed=1.0, url="http://x", about={})
    operations = [each for batch in batches for each in operations_of(trace, batch, FRAME)]
    return {alarm.kind for alarm in check_history(History(header, operations)).alarms}


def test_calls_of_two_workers_over_one_limit_are_proven() -> None:
    trace = trace_of(2, limit=1)
    one = batch_of([Sent(0, 0, 100, 200, 0)])
    other = batch_of([Sent(1, 0, 1100, 1200, 0)], Offset(-50, 50), share=1)
    assert alarms_of(trace, one, other) == {"over_admission"}
    # One ends before the other begins, if only by what the clocks leave open.
    over = batch_of([Sent(0, 0, 100, 200, 0), Sent(0, 5, 1000, 1190, ABANDONED)])
    assert alarms_of(trace, over, other) == set()


def test_intervals_grow_by_what_a_clock_leaves_open() -> None:
    (operation,) = operations_of(
        trace_of(1),
        batch_of([Sent(0, 0, 100, 200, 0)], Offset(5, 25)),
        Frame(PREFIX, origin_us=50, start_us=0, speed=1.0),
    )
    assert (operation.invoke_us, operation.complete_us) == (55, 175)


def possible(trace: CallTrace, log: RowLog, **when: int) -> dict[str | None, dict[str, int]]:
    """When each operation may have begun, by call."""
    found: dict[str | None, dict[str, int]] = {}
    since_us = 0
    for each in possible_of(trace, share_of(trace, 0, 1), log, FRAME, **when):
        assert each.result == "indefinite"
        assert each.invoke_us >= since_us
        since_us = each.invoke_us
        found.setdefault(each.call_id, {})[each.op] = each.invoke_us
    return found


def test_what_was_not_told_is_possible_and_no_earlier_than_due() -> None:
    trace = trace_of(2)
    log = RowLog(2, start_us=0, speed=1.0)
    log.note(batch_of([Sent(0, 0, 100, 200, 0)]))
    found = possible(trace, log, start_us=10_000, earliest_us=0)
    assert found == {
        "p0": {"accept": 10_000, "start": 10_000, "end": 10_000},
        "p1": {"offer": 11_000, "accept": 11_000, "start": 11_000, "end": 11_000},
    }
    later = possible(trace, log, start_us=0, earliest_us=500)
    assert later["p0"]["accept"] == 500
    assert later["p1"]["offer"] == 1000


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        # Whoever was rejected says nothing more.
        ([(0, REJECTED)], set()),
        # What came before an end can have been lost on the way; what comes behind it cannot be.
        ([(4, 4)], {"offer", "accept", "start"}),
        ([(0, 0), (1, REJECTED)], set()),
        # Without an answer it may still take effect: nothing has to be added.
        ([(0, NO_ANSWER)], {"accept", "start", "end"}),
        # Refused, and sent again it may not be.
        ([(0, 0), (2, REFUSED)], {"accept", "start", "end"}),
        ([(0, 0), (1, 1), (2, 2), (5, 5)], set()),
    ],
)
def test_what_a_call_may_have_said_beside_what_was_told(
    sent: list[tuple[int, int]], left: set[str]
) -> None:
    log = RowLog(1, start_us=0, speed=1.0)
    told = [Sent(0, kind, 10 * at, 10 * at + 5, answer) for at, (kind, answer) in enumerate(sent)]
    log.note(batch_of(told))
    found = possible(trace_of(1), log, start_us=0, earliest_us=0)
    assert set(found.get("p0", {})) == left


def test_the_log_never_overstates_a_call() -> None:
    trace = trace_of(2)
    rows = RowLog(2, start_us=0, speed=2.0)
    rows.note(batch_of([Sent(0, 0, 100, 200, 0), Sent(1, 0, 150, 250, REJECTED)]))
    rows.note(
        batch_of([Sent(0, 1, 300, 400, 1), Sent(0, 2, 500, 600, 2), Sent(0, 4, 900, 1000, 4)])
    )
    log = rows.log()
    assert log.fate.tolist() == [Fate.ENDED, Fate.REJECTED_CAPACITY]
    assert log.offered_us.tolist() == [400, 500]
    assert log.released_us.tolist() == [1800, NEVER]
    assert log.scopes.tolist() == [0, 1]
    assert statistics_of(trace, log).peak_in_use == 1


def test_scopes_are_kept_in_whatever_order_they_are_told() -> None:
    rows = RowLog(1, start_us=0, speed=1.0)
    answer = Answer("ok", "rejected", "capacity", ("tenant", "total"))
    rows.note(Batch(Report("run", 0, 0, 0, 0, [Sent(0, 0, 1, 2, 0)], [answer]), SAME_CLOCK))
    assert rows.log().scopes.tolist() == [3]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, len(ANSWERS) - 1)), max_size=8))
def test_an_occupancy_is_never_invented(sent: list[tuple[int, int]]) -> None:
    """Whatever was answered to what: a call is held from its admission, not before."""
    rows = RowLog(1, start_us=0, speed=1.0)
    told = [Sent(0, kind, 10 * at, 10 * at + 5, answer) for at, (kind, answer) in enumerate(sent)]
    rows.note(batch_of(told))
    log = rows.log()
    heard = [10 * at + 5 for at, (_, answer) in enumerate(sent) if ANSWERS[answer].result == "ok"]
    if log.offered_us[0] != NEVER:
        assert log.offered_us[0] in heard
    if log.released_us[0] != NEVER:
        assert log.released_us[0] >= log.offered_us[0]


# --- the file under way -------------------------------------------------------------------------


class Idle:
    """A master that does nothing of its own; its clock is the test's."""

    origin_us = 0
    now_us = 0
    seen_us = 1 << 60

    def done(self) -> Done:
        return Done([], self.now_us, min(self.now_us, self.seen_us))


class Run:
    """Two workers that play a call each 10 ms, and a record of it; time is counted."""

    def __init__(self, directory: Path, calls: int) -> None:
        self.trace = trace_of(calls, limit=calls, hold_us=200_000, apart_us=S // A_SECOND)
        self.coordinator: Coordinator = coordinator_of(self.trace, 2)
        self.master = Idle()
        for name in ("a", "b"):
            join(self.coordinator, name)
        self.coordinator.begin(S)
        self._plans = {name: plan_of(self.coordinator, name) for name in ("a", "b")}
        self._players = {name: player_of(self.trace, each) for name, each in self._plans.items()}
        self._numbers = dict.fromkeys(self._plans, 0)
        header = header_of(self.trace.conditions, speed=1.0, url="http://x", about={})
        self.record = RunRecord(
            self.trace,
            header,
            directory,
            self.coordinator,
            self.master,
            prefix=PREFIX,
            speed=1.0,
            clock_s=lambda: self.master.now_us / S,
        )

    def second(self, *, tell: str = "ab", alive: str = "ab", lose: str = "") -> None:
        """A second passes; these workers tell of it, and the master keeps what it knows."""
        before_us, self.master.now_us = self.master.now_us, self.master.now_us + S
        now_us = self.master.now_us
        for name in tell:
            plan, player = self._plans[name], self._players[name]
            play(player, before_us, now_us)
            report = report_of(plan, player, self._numbers[name], now_us, final=player.finished)
            self._numbers[name] += 1
            if name not in lose:
                self.coordinator.report(name, report)
            self.coordinator.clock_read(name, now_us, now_us, now_us)
        self.record.keep(frozenset(alive))

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_raised: object) -> None:
        self.record.abandon()

    @property
    def operations(self) -> list[Operation]:
        return list(read_history(self.record.path).operations)

    @property
    def settled_us(self) -> int:
        return max((e.invoke_us for e in self.operations if e.op == "settled"), default=0)


RunWith = Callable[[int], Run]


@pytest.fixture
def run_with(tmp_path: Path) -> Iterator[RunWith]:
    """Makes a run of so many calls."""
    with ExitStack() as stack:
        yield lambda calls: stack.enter_context(Run(tmp_path, calls))


def test_what_is_held_back_does_not_grow(run_with: RunWith) -> None:
    """Beside a worker that is there and tells nothing, and one that went away."""
    run = run_with(90 * A_SECOND)
    held = []
    for second in range(90):
        run.second(tell="ab" if second < 3 else "a", alive="ab" if second < 50 else "a")
        held.append(run.record.held)
    a_second = 4 * A_SECOND // 2
    assert max(held) <= (SILENT_S + 10) * a_second
    assert max(held[60:]) <= 10 * a_second
    assert run.settled_us >= 80 * S


def test_a_worker_that_is_missing_is_not_waited_for_longer_than_it_may_be(
    run_with: Callable[[int], Run],
) -> None:
    run = run_with(40 * A_SECOND)
    for _ in range(8):
        run.second()
    assert run.settled_us > 0
    before_us = run.settled_us
    for _ in range(int(GONE_S)):
        run.second(tell="a", alive="a")
    assert run.settled_us <= 8 * S
    for _ in range(8):
        run.second(tell="a", alive="a")
    assert run.settled_us > before_us + GONE_S * S
    calls = {each.call_id for each in run.operations if each.code == UNTOLD}
    assert calls
    assert all(int((name or "p").removeprefix(PREFIX)) % 2 == 1 for name in calls)


def test_a_worker_that_comes_back_is_believed_and_no_lie_was_told(
    run_with: Callable[[int], Run],
) -> None:
    run = run_with(15 * A_SECOND)
    for second in range(25):
        here = "a" if 4 <= second < 14 else "ab"
        run.second(tell=here, alive=here)
    run.record.conclude()
    history = run.record.history()
    assert not history.truncated
    assert check_history(history).sound
    offers = Counter(
        each.call_id for each in history.operations if each.op == "offer" and each.code != UNTOLD
    )
    assert offers == Counter(f"{PREFIX}{row}" for row in range(15 * A_SECOND))
    assert all(each.whole for each in run.coordinator.told())


def test_after_a_lost_report_what_it_told_of_is_possible(run_with: RunWith) -> None:
    run = run_with(6 * A_SECOND)
    for second in range(14):
        run.second(lose="b" if second == 4 else "")
    run.record.conclude()
    history = run.record.history()
    offers = [each for each in history.operations if each.op == "offer"]
    untold = {each.call_id for each in offers if each.code == UNTOLD}
    told = {each.call_id for each in offers if each.code != UNTOLD}
    # Of the second that was lost: what the one worker offered in it.
    assert len(untold - told) == A_SECOND // 2
    assert check_history(history).sound


def test_a_record_that_is_abandoned_is_a_history_that_was_cut_off(
    run_with: Callable[[int], Run],
) -> None:
    run = run_with(6 * A_SECOND)
    for _ in range(8):
        run.second()
    run.record.abandon()
    history = run.record.history()
    assert history.truncated
    assert check_history(history).sound


def test_a_service_that_was_not_seen_to_the_end_may_have_been_another_one(
    run_with: RunWith,
) -> None:
    run = run_with(6 * A_SECOND)
    for second in range(10):
        if second == 4:
            run.master.seen_us = run.master.now_us
        run.second()
    run.record.conclude()
    history = run.record.history()
    assert history.truncated
    assert run.settled_us == run.master.seen_us
    assert sum(each.op == "offer" for each in history.operations) == 6 * A_SECOND
