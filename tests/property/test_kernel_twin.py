"""The kernel against a twin that plays event by event, on drawn traces full of ties."""

import random
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engines.kernel import KernelEngine
from simulator.kernel import KernelResult, KernelRun, core
from simulator.results import CallLog
from simulator.trace import (
    NEVER,
    ROW_COLUMNS,
    CallTrace,
    Conditions,
    Deliveries,
    LimitsChange,
    SharingPolicy,
    TenantLimitsChange,
    TraceTenant,
)
from tests.naive_kernel import Naive
from tests.strategies import traces_of_all_policies

LOG_COLUMNS = tuple(CallLog.__dataclass_fields__)


def assert_plays_like_twin(trace: CallTrace, result: KernelResult) -> None:
    naive = Naive(trace)
    assert result.log is not None
    rows = [(c.fate, c.scopes, c.offered, c.accepted, c.started, c.released) for c in naive.calls]
    columns = (getattr(result.log, name).tolist() for name in core.Log._fields)
    assert list(zip(*columns, strict=True)) == rows
    if trace.conditions.policy == SharingPolicy.PRIORITY:
        assert result.log.preempted_by is not None
        assert result.log.preempted_by.tolist() == [call.preempted_by for call in naive.calls]
    else:
        assert result.log.preempted_by is None
    assert result.tenants == {name: tuple(row) for name, row in naive.counters.items()}
    assert result.total == tuple(map(sum, zip(*naive.counters.values(), strict=True)))
    assert list(result.checkpoints) == naive.checkpoints
    assert result.final == naive.final
    assert result.statistics.peak_in_use == naive.peak
    assert {n: t.peak_in_use for n, t in result.statistics.tenants.items()} == naive.peaks


def assert_same(one: KernelResult, other: KernelResult) -> None:
    assert one.log is not None
    assert other.log is not None
    for name in LOG_COLUMNS:
        assert np.array_equal(getattr(one.log, name), getattr(other.log, name)), name
    for name in ("total", "tenants", "checkpoints", "final", "sums", "statistics", "preempted"):
        assert getattr(one, name) == getattr(other, name), name


def cut_up(trace: CallTrace, rng: random.Random) -> list[CallTrace]:
    """The trace in chunks: cut before some of its independent rows."""
    roots = np.flatnonzero(trace.offer_us != NEVER).tolist()
    cuts = [0, *(row for row in roots[1:] if rng.random() < 0.5), len(trace)]
    chunks = []
    for begin, end in pairwise(cuts):
        columns = {name: trace.column(name)[begin:end].copy() for name in ROW_COLUMNS}
        columns["after"][columns["after"] != NEVER] -= begin
        found = trace.deliveries
        mine = (found.call >= begin) & (found.call < end)
        deliveries = Deliveries(
            found.call[mine] - begin, found.event[mine], found.action[mine], found.delay_us[mine]
        )
        chunks.append(CallTrace(trace.conditions, **columns, deliveries=deliveries))
    return chunks


@settings(max_examples=150, deadline=None)
@given(traces_of_all_policies())
def test_kernel_plays_like_its_event_by_event_twin(trace: CallTrace) -> None:
    assert_plays_like_twin(trace, KernelRun(trace.conditions).play(trace))


@settings(max_examples=100, deadline=None)
@given(traces_of_all_policies())
def test_compiled_and_interpreted_kernel_are_the_same(trace: CallTrace) -> None:
    compiled = KernelRun(trace.conditions, compiled=True).play(trace)
    assert_same(compiled, KernelRun(trace.conditions, compiled=False).play(trace))


@settings(max_examples=100, deadline=None)
@given(traces_of_all_policies(), st.randoms(use_true_random=False))
def test_chunks_change_nothing(trace: CallTrace, rng: random.Random) -> None:
    whole = KernelRun(trace.conditions).play(trace)
    chunked = KernelRun(trace.conditions)
    counted = KernelRun(trace.conditions, keep_log=False)
    for chunk in cut_up(trace, rng):
        chunked.feed(chunk)
        counted.feed(chunk)
    assert_same(whole, chunked.finish())
    without_log = counted.finish()
    assert without_log.log is None
    assert without_log.statistics == whole.statistics
    assert without_log.tenants == whole.tenants


@settings(max_examples=50, deadline=None)
@given(traces_of_all_policies())
def test_engine_reports_what_the_kernel_found(trace: CallTrace) -> None:
    outcome = KernelEngine().run(trace)
    result = KernelRun(trace.conditions).play(trace)
    assert (outcome.engine, outcome.total, dict(outcome.tenants)) == (
        "kernel",
        result.total,
        result.tenants,
    )
    assert outcome.checkpoints == result.checkpoints
    assert all(state.rows is None and state.counters is None for state in outcome.checkpoints)


def wide_trace(seed: int, calls: int) -> CallTrace:
    """Few tenants, instants far apart, lives from nothing to many times the ring of buckets."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(1, 7)
    offers = np.sort((rng.pareto(1.2, calls) * scale).astype(np.int64) * rng.integers(1, 3, calls))
    duration = int(offers[-1]) + int(rng.integers(1, int(scale) + 2))
    limit = int(rng.integers(1, 40))

    def lives() -> np.ndarray:
        return np.minimum((rng.pareto(0.9, calls) * scale * 3).astype(np.int64), 10**13)

    at = sorted(rng.integers(0, duration, 3).tolist())
    settings = Conditions(
        duration_us=duration,
        max_concurrent_calls=limit,
        tenants=(
            TraceTenant("capped", max_concurrent_calls=max(1, limit // 2)),
            TraceTenant("reserving", reserved_calls=limit // 3),
        ),
        warm_up_us=int(rng.integers(0, duration // 2 + 1)),
        drain=bool(rng.integers(0, 2)),
        changes=(
            LimitsChange(at[0], max(1, limit // 3)),
            LimitsChange(at[1], None, {"reserving": TenantLimitsChange(reserved_calls=0)}),
            LimitsChange(at[2], limit + 5),
        ),
        checkpoints_us=tuple(np.unique(rng.integers(0, duration, 8)).tolist()),
    )
    one = np.full(calls, NEVER)
    return CallTrace(
        settings,
        tenant=rng.integers(0, 2, calls).astype(np.int32),
        offer_us=offers,
        setup_us=lives(),
        connect_us=lives(),
        hold_us=lives(),
        end_kind=rng.integers(0, 3, calls).astype(np.int8),
        refer_us=one,
        patience_us=np.where(rng.random(calls) < 0.2, lives(), NEVER),
        lookup_draw=np.zeros(1, np.uint32),
        after=one,
        after_on=np.zeros(1, np.int8),
        delay_us=np.zeros(1, np.int64),
        attempt=np.zeros(1, np.int32),
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 120), st.randoms(use_true_random=False))
def test_calendar_holds_over_laps_and_empty_stretches(
    seed: int, calls: int, rng: random.Random
) -> None:
    trace = wide_trace(seed, calls)
    whole = KernelRun(trace.conditions).play(trace)
    assert_plays_like_twin(trace, whole)
    chunked = KernelRun(trace.conditions)
    for chunk in cut_up(trace, rng):
        chunked.feed(chunk)
    assert_same(whole, chunked.finish())
