"""Statistics from the log, and the kernel's own, against a walk over every single microsecond."""

from hypothesis import given, settings

from service.calls import UNKNOWN_TENANT
from simulator.kernel import KernelRun
from simulator.results import Fate
from simulator.statistics import statistics_of, window_sums
from simulator.trace import NEVER, CallTrace
from tests.naive_kernel import Call, Naive
from tests.strategies import traces_of_all_policies


def ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def share_rejected(calls: list[Call]) -> float | None:
    served = [call for call in calls if call.fate != Fate.REJECTED_TENANT]
    return ratio(sum(call.fate == Fate.REJECTED_CAPACITY for call in served), len(served))


@settings(max_examples=150, deadline=None)
@given(traces_of_all_policies())
def test_statistics_from_the_log_are_those_the_kernel_sums_up(trace: CallTrace) -> None:
    result = KernelRun(trace.conditions).play(trace)
    assert result.log is not None
    assert result.sums == window_sums(trace, result.log)
    assert result.statistics == statistics_of(trace, result.log)


@settings(max_examples=100, deadline=None)
@given(traces_of_all_policies())
def test_times_and_peaks_are_those_of_every_microsecond(trace: CallTrace) -> None:
    naive, conditions = Naive(trace), trace.conditions
    statistics = KernelRun(conditions).play(trace).statistics
    in_use, limit = [0] * len(conditions.tenants), conditions.max_concurrent_calls
    used, full, available = [0] * len(in_use), 0, 0
    for at in range(conditions.duration_us):
        if at in naive.instants:
            in_use, limit = naive.instants[at].in_use, naive.instants[at].limit
        if at >= conditions.warm_up_us:
            used = [sum(pair) for pair in zip(used, in_use, strict=True)]
            full += sum(in_use) >= limit
            available += limit
    window = conditions.duration_us - conditions.warm_up_us
    assert statistics.window_us == window
    assert statistics.carried_erlangs == (ratio(sum(used), window) or 0.0)
    assert statistics.time_congestion == ratio(full, window)
    assert statistics.occupancy == ratio(sum(used), available)
    assert statistics.peak_in_use == naive.peak
    for place, tenant in enumerate(conditions.tenants):
        if tenant.configured:
            mine = statistics.tenants[tenant.tenant_id]
            assert mine.carried_erlangs == (ratio(used[place], window) or 0.0)
            assert mine.peak_in_use == naive.peaks[tenant.tenant_id]


@settings(max_examples=100, deadline=None)
@given(traces_of_all_policies())
def test_shares_are_those_of_the_single_calls(trace: CallTrace) -> None:
    naive, conditions = Naive(trace), trace.conditions
    statistics = KernelRun(conditions).play(trace).statistics
    rows = [row for row, call in enumerate(naive.calls) if call.offered >= conditions.warm_up_us]
    rows = [row for row in rows if naive.calls[row].offered != NEVER]
    first = [row for row in rows if naive.value("attempt", row) == 0]
    calls = [naive.calls[row] for row in rows]
    assert statistics.offered_calls == len(calls)
    assert statistics.first_attempts == len(first)
    assert statistics.blocking == share_rejected(calls)
    assert statistics.first_attempt_blocking == share_rejected([naive.calls[r] for r in first])
    for place, tenant in enumerate(conditions.tenants):
        if tenant.configured:
            mine = [call for call in calls if call.place == place]
            assert statistics.tenants[tenant.tenant_id].offered_calls == len(mine)
            assert statistics.tenants[tenant.tenant_id].blocking == share_rejected(mine)
    strangers = [call for call in calls if not conditions.tenants[call.place].configured]
    assert statistics.tenants[UNKNOWN_TENANT].offered_calls == len(strangers)
    assert statistics.tenants[UNKNOWN_TENANT].blocking is None


@settings(max_examples=100, deadline=None)
@given(traces_of_all_policies())
def test_eventual_loss_follows_every_caller_to_the_last_attempt(trace: CallTrace) -> None:
    naive = Naive(trace)

    def lost_ends(row: int) -> int:
        """How many attempts end this caller's tries for good with a capacity rejection."""
        redials = [
            later
            for later in range(len(trace))
            if naive.value("after", later) == row
            and naive.value("attempt", later) > 0
            and naive.calls[later].offered != NEVER
        ]
        if redials:
            return sum(lost_ends(later) for later in redials)
        return int(naive.calls[row].fate == Fate.REJECTED_CAPACITY)

    served = [
        row
        for row, call in enumerate(naive.calls)
        if naive.value("attempt", row) == 0
        and call.offered != NEVER
        and call.offered >= trace.conditions.warm_up_us
        and call.fate != Fate.REJECTED_TENANT
    ]
    statistics = KernelRun(trace.conditions).play(trace).statistics
    assert statistics.eventual_loss == ratio(sum(map(lost_ends, served)), len(served))
