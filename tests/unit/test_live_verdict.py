"""When a live run is trusted: a driver that was the bottleneck proves no pass."""

from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from service.calls import COUNTERS, UNKNOWN_TENANT
from simulator.history import (
    CountersRead,
    HistoryHeader,
    InUseRead,
    Operation,
    Result,
    TenantLimits,
    write_history,
)
from simulator.live.engine import LiveRun
from simulator.live.meters import DriverFigures, Meters, Spread
from simulator.live.verdict import judge_live, lag_bound_ms
from simulator.measured import unmade_calls
from simulator.result import Interval
from simulator.results import CallLog, CheckpointState, Held, RunOutcome
from simulator.scenario import Deterministic, ExactCount, Scenario, ServiceKill, Tenant, Threshold
from simulator.traffic import build_trace
from simulator.verdict import Verdict

SCENARIO = Scenario(
    "quiet", "", 1, 60_000_000, 5, (Tenant("acme", ExactCount(1), Deterministic(6e6)),)
)
TRACE = build_trace(SCENARIO)
FINE = DriverFigures(
    lag=Spread(4, 0.1, 0.2, 0.3, 0.4), late_ms=50.0, sends=4, late_sends=0, held_back=0,
    dropped=0, answered=4, indefinite=0, failed=0, refused=0, longest_stall_ms=3.0, cpu_share=0.2,
    wall_s=1.0, speed=60.0,
)  # fmt: skip


def run_of(
    directory: Path,
    driver: DriverFigures = FINE,
    *,
    active: int = 0,
    before: Sequence[Operation] = (),
) -> LiveRun:
    """A run of one call that was rejected, and a service that says so unless ``active``."""
    row: dict[str, int | float] = {spec.name: 0 for spec in COUNTERS}
    row["offered_calls"] = row["rejected_calls_capacity"] = 1
    row["active_calls"] = active
    none: dict[str, int | float] = {spec.name: 0 for spec in COUNTERS}
    path = directory / "history.jsonl"
    full = Operation(
        op="offer", call_id="c0", tenant_id="acme", invoke_us=5, complete_us=9,
        decision="rejected", reason="capacity", scopes=("total",),
    )  # fmt: skip
    read = Operation(
        op="read", invoke_us=20, complete_us=30,
        counters=CountersRead(dict(row), {"acme": dict(row), UNKNOWN_TENANT: none}),
        in_use=InUseRead(0, {"acme": 0, UNKNOWN_TENANT: 0}),
    )  # fmt: skip
    write_history(
        path, HistoryHeader(limit=0, tenants={"acme": TenantLimits()}), [*before, full, read]
    )
    counters = tuple(int(row[spec.name]) for spec in COUNTERS)
    zeros = (0,) * len(COUNTERS)
    tenants = {"acme": counters, UNKNOWN_TENANT: zeros}
    state = CheckpointState(
        60_000_000, 5, {"acme": Held()}, counters=tenants, total_counters=counters
    )
    column = np.array([5], np.int64)
    never = np.array([-1], np.int64)
    log = CallLog(np.array([2], np.int8), np.array([1], np.int8), column, never, never, never)
    outcome = RunOutcome("live", counters, tenants, (), state, log)
    return LiveRun((path,), (outcome,), {"offer": FINE.lag}, driver, 0, 0.0)


def verdict_of(run: LiveRun, scenario: Scenario = SCENARIO) -> tuple[Verdict, str]:
    judged = judge_live(scenario, TRACE, run).judgement
    return judged.verdict, judged.reason


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"dropped": 1}, "never sent"),
        ({"late_sends": 1}, "50 ms late"),
        ({"lag": Spread(4, 1.0, 2.0, 11.0, 12.0)}, "99th percentile of 11.0 ms, more than 10.0 ms"),
        ({"cpu_share": 0.99}, "busy 99 % of the time"),
        ({"longest_stall_ms": 2500.0}, "stood still for 2.5 s"),
        ({"answered": 0, "indefinite": 4}, "no event got an answer that is known"),
    ],
)
def test_a_doubt_about_the_driver_is_said(
    figures: dict[str, object], said: str, tmp_path: Path
) -> None:
    run = run_of(tmp_path)
    verdict, reason = verdict_of(replace(run, driver=replace(FINE, **figures)))  # type: ignore[arg-type]
    assert verdict is Verdict.INCONCLUSIVE
    assert said in reason


def test_without_a_doubt_it_passes_and_thresholds_decide(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    assert verdict_of(run)[0] is Verdict.PASS
    for limit, verdict in ((0.3, Verdict.PASS), (0.2, Verdict.THRESHOLDS_FAILED)):
        text = f"value<={limit}"
        threshold = Threshold("offer_latency_p99_ms", "<=", limit, text)
        assert verdict_of(run, replace(SCENARIO, thresholds=(threshold,)))[0] is verdict


def test_a_proven_violation_fails_however_the_driver_did(tmp_path: Path) -> None:
    slow = replace(FINE, cpu_share=1.0, late_sends=4, dropped=9)
    verdict, _ = verdict_of(run_of(tmp_path, slow, active=1))
    assert verdict is Verdict.FAIL


RESTART = Operation(op="restart", invoke_us=0, complete_us=1, unexpected=True)


@pytest.mark.parametrize(
    ("result", "code", "kills", "said"),
    [
        ("refused", "call_memory_full", (), "1 of 2 offers made no call: 1 times call_memory_full"),
        ("failed", None, (), "1 of 2 offers made no call: 1 times never arrived"),
        ("failed", None, (ServiceKill(1_000_000, 0),), None),
        ("refused", "call_memory_full", (ServiceKill(1_000_000, 0),), "made no call"),
    ],
)
def test_offers_that_made_no_call_are_other_traffic(
    result: Result, code: str | None, kills: tuple[ServiceKill, ...], said: str | None,
    tmp_path: Path,
) -> None:  # fmt: skip
    unmade = Operation(
        op="offer", call_id="c1", tenant_id="acme", invoke_us=1, complete_us=2, result=result,
        code=code,
    )  # fmt: skip
    run = run_of(tmp_path, before=[unmade])
    verdict, reason = verdict_of(run, replace(SCENARIO, kills=kills))
    assert verdict is (Verdict.PASS if said is None else Verdict.INCONCLUSIVE)
    assert (said or "") in reason
    again = msgspec.structs.replace(unmade, result="indefinite", code=None, complete_us=None)
    assert list(unmade_calls([unmade, again])) == [], "sent again it may have made one"


def test_a_restart_that_nobody_planned_proves_no_pass_and_hides_no_violation(
    tmp_path: Path,
) -> None:
    verdict, reason = verdict_of(run_of(tmp_path, before=[RESTART]))
    assert verdict is Verdict.INCONCLUSIVE
    assert reason.startswith("the service was restarted by somebody else")
    planned = msgspec.structs.replace(RESTART, unexpected=False)
    assert verdict_of(run_of(tmp_path, before=[planned]))[0] is Verdict.PASS
    assert verdict_of(run_of(tmp_path, before=[RESTART], active=1))[0] is Verdict.FAIL


def test_a_suspended_machine_is_a_doubt(tmp_path: Path) -> None:
    run = replace(run_of(tmp_path), suspended_s=30.0)
    assert verdict_of(run) == (
        Verdict.INCONCLUSIVE, "the machine slept for 30.0 s during the run",
    )  # fmt: skip


def test_the_lag_that_matters_follows_from_how_long_calls_are() -> None:
    # 6 s of trace are 100 ms at speed 60; a tenth of it is 10 ms, at most what makes a send late.
    assert lag_bound_ms(TRACE, FINE) == pytest.approx(10.0)
    assert lag_bound_ms(TRACE, replace(FINE, speed=6000.0)) == pytest.approx(5.0)
    assert lag_bound_ms(TRACE, replace(FINE, speed=1.0)) == pytest.approx(50.0)


def test_percentiles_are_values_that_were_measured() -> None:
    spread = Spread.of(array("q", [1000 * k for k in range(1, 101)]))
    assert (spread.count, spread.p50_ms, spread.p95_ms, spread.p99_ms, spread.max_ms) == (
        100, 50.0, 95.0, 99.0, 100.0,
    )  # fmt: skip
    assert Spread.of(array("q")) == Spread(0, 0.0, 0.0, 0.0, 0.0)


def test_lag_counts_from_when_a_send_was_possible() -> None:
    meters = Meters(late_us=50)
    meters.sent(100, 0, 120)
    meters.sent(100, 300, 310)
    meters.sent(100, 0, 151)
    assert meters.lag.values.tolist() == [20, 10, 51]
    assert (meters.sends, meters.late_sends, meters.held_back) == (3, 1, 1)


@pytest.mark.parametrize(
    ("interval", "inside", "outside", "text"),
    [
        (Interval(2, 5), (2, 5), (1, 6), "2 to 5"),
        (Interval(2, None), (2, 10**9), (1,), "at least 2"),
        (Interval(3, 3), (3,), (2, 4), "3"),
    ],
)
def test_intervals(
    interval: Interval, inside: tuple[int, ...], outside: tuple[int, ...], text: str
) -> None:
    assert all(value in interval for value in inside)
    assert not any(value in interval for value in outside)
    assert all(interval.nearest(value) == value for value in inside)
    assert all(interval.nearest(value) in interval for value in outside)
    assert str(interval) == text
