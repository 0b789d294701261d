"""The kernel's own corners: its numbers, its memory, and when it compiles."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from service.calls import Counter, Event
from simulator.kernel import KernelRun, core, preemption
from simulator.results import CallLog, Fate
from simulator.trace import (
    AfterOn,
    CallTrace,
    DeliveryAction,
    EndKind,
    TraceTenant,
)
from tests.strategies import Row, conditions, make_trace


def test_numbers_of_the_compiled_loop_are_those_of_the_vocabulary() -> None:
    counters = {
        "ABANDONED_PENDING": core.ABANDONED_PENDING_CALLS,
        "ABANDONED_ACCEPTED": core.ABANDONED_ACCEPTED_CALLS,
    }
    for counter in Counter:
        assert counters.get(counter.name, getattr(core, counter.name)) == counter
    assert len(Counter) == core.COUNTER_COUNT
    for fate in Fate:
        assert fate is Fate.NOT_MADE or getattr(core, fate.name) == fate
    for event in (Event.ACCEPT, Event.START, Event.REFER, Event.END, Event.HANGUP):
        assert getattr(core, event.name) == event
    for action in DeliveryAction:
        assert getattr(core, action.name) == action
    assert core.AFTER_REJECTED == AfterOn.REJECTED
    assert core.AFTER_FINISHED == AfterOn.FINISHED
    assert core.END_FAILED == EndKind.FAILED
    columns = tuple(CallLog.__dataclass_fields__)
    assert columns == (*core.Log._fields, "preempted_by")
    assert preemption.Calls._fields[: len(columns)] == columns


def test_a_small_run_never_loads_numba() -> None:
    script = (
        "import sys\n"
        "from simulator.engines.kernel import KernelEngine\n"
        "from tests.strategies import Row, conditions, make_trace\n"
        "outcome = KernelEngine().run(make_trace(conditions(1), [Row(5, hold=10), Row(6)]))\n"
        "assert outcome.total[2] == 1, outcome.total\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_no_rows_at_all() -> None:
    trace = make_trace(conditions(2, checkpoints=[3]), [])
    run = KernelRun(trace.conditions)
    run.feed(trace)
    result = run.finish()
    assert result.total == (0,) * len(Counter)
    assert result.log is not None
    assert len(result.log.fate) == 0
    assert [state.total.pending for state in result.checkpoints] == [0]


def test_a_shared_column_is_the_same_as_a_full_one() -> None:
    full = make_trace(conditions(2), [Row(offer, hold=7) for offer in range(0, 40, 2)])
    shared = replace(
        full, **{name: getattr(full, name)[:1] for name in ("tenant", "hold_us", "setup_us")}
    )
    one = KernelRun(full.conditions).play(full)
    other = KernelRun(shared.conditions).play(shared)
    assert one.total == other.total
    assert one.statistics == other.statistics


@pytest.mark.parametrize("compiled", [False, True])
def test_calls_that_begin_and_end_together(compiled: bool) -> None:
    calls, limit = 3000, 2000
    rows = [Row(10, hold=50)] * calls + [Row(59)] * 5 + [Row(60, hold=50)] * calls
    trace = make_trace(conditions(limit), rows)
    result = KernelRun(trace.conditions, compiled=compiled).play(trace)
    assert result.total[Counter.REJECTED_CALLS_CAPACITY] == 2 * (calls - limit) + 5
    assert result.total[Counter.ACTIVE_US_TOTAL] == 2 * limit * 50
    assert result.statistics.peak_in_use == limit


def chunk(settings: CallTrace, offers: np.ndarray) -> CallTrace:
    return replace(settings, offer_us=offers.astype(np.int64))


@pytest.mark.parametrize(("limit", "warm_up_us"), [(50, 0), (10**9, 0), (10**9, 10**9)])
def test_memory_does_not_grow_with_the_number_of_chunks(limit: int, warm_up_us: int) -> None:
    # One column value for all, so that a chunk is nothing but its offers.
    settings = make_trace(
        conditions(limit, duration_us=10**9, warm_up_us=warm_up_us), [Row(0, hold=30)]
    )
    run = KernelRun(settings.conditions, keep_log=False)
    for begin in range(0, 40_000, 1000):
        run.feed(chunk(settings, np.arange(begin, begin + 1000)))
    assert len(run._slots.tenant) <= 1100
    assert len(run._rows) == 0
    assert run.finish().total[Counter.ENDED_CALLS] == 40_000


def test_a_waiting_redial_takes_only_its_chain_to_the_next_chunk() -> None:
    tenant = TraceTenant("acme", max_concurrent_calls=0)
    first = make_trace(
        conditions(1, tenant, duration_us=100),
        [
            Row(1),
            Row(after=0, after_on=AfterOn.REJECTED, delay=50, attempt=1),
            Row(after=1, after_on=AfterOn.REJECTED, delay=30, attempt=2),
            Row(2),
        ],
    )
    run = KernelRun(first.conditions)
    run.feed(first)
    assert run._rows.row_id.tolist() == [1, 2]
    run.feed(make_trace(first.conditions, [Row(60)]))
    assert run._rows.row_id.tolist() == [2]
    log = run.finish().log
    assert log is not None
    assert log.offered_us.tolist() == [1, 51, 81, 2, 60]
