"""Sharing policies around the kernel: the grammar, who refuses them, laws, hashes, reports."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from simulator.commands import EngineChoice, Output, run
from simulator.conditions import MOST_PRIORITY
from simulator.engines.http import HttpEngine
from simulator.engines.inproc import InprocEngine
from simulator.engines.kernel import KernelEngine
from simulator.exit_codes import INVALID, PASSED
from simulator.invariants import check_invariants
from simulator.live.plan import Plan
from simulator.oracle import expect
from simulator.results import RunOutcome
from simulator.scenario_file import ScenarioInvalid, load_scenario
from simulator.scenario_file.given_calls import scenario_text
from simulator.statistics import statistics_of
from simulator.trace import (
    NEVER,
    CallTrace,
    LimitsChange,
    SharingPolicy,
    TenantLimitsChange,
    TraceInvalid,
    TraceTenant,
    trace_hash,
)
from simulator.traffic import build_trace
from simulator.verdict import Verdict, judge
from tests.strategies import Row, conditions, make_trace, traces_of_all_policies

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "scenarios" / "policies").glob("*.yaml"))
TRUNK, PRIORITY = SharingPolicy.TRUNK_RESERVATION, SharingPolicy.PRIORITY

TEXT = """\
version: 1
name: example
duration: 1h
capacity:
  max_concurrent_calls: 5
{capacity}
tenants:
  acme:
    hold: 1m
    arrivals: {{type: poisson, rate: 1/m}}
    {tenant}
"""


def written(directory: Path, tenant: str = "", capacity: str = "") -> Path:
    path = directory / "example.yaml"
    path.write_text(TEXT.format(capacity=capacity, tenant=tenant), encoding="utf-8")
    return path


def problems(directory: Path, tenant: str, capacity: str = "") -> list[str]:
    path = written(directory, tenant, capacity)
    with pytest.raises(ScenarioInvalid) as refused:
        load_scenario(path)
    return [str(problem).removeprefix(f"{path}:") for problem in refused.value.problems]


# --- the grammar ----------------------------------------------------------------------------


def test_a_file_without_a_policy_shares_one_pool(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path))
    assert scenario.policy is SharingPolicy.SHARED
    assert (scenario.tenants[0].leave_free, scenario.tenants[0].priority) == (0, 0)


@pytest.mark.parametrize(
    ("policy", "key", "field", "value"),
    [(TRUNK, "leave_free: 2", "leave_free", 2), (PRIORITY, "priority: 3", "priority", 3)],
)
def test_what_a_policy_goes_by_reaches_the_trace(
    tmp_path: Path, policy: SharingPolicy, key: str, field: str, value: int
) -> None:
    scenario = load_scenario(written(tmp_path, key, f"  policy: {policy}"))
    assert scenario.policy is policy
    settings_ = build_trace(scenario).conditions
    assert settings_.policy is policy
    assert getattr(settings_.tenants[0], field) == value


@pytest.mark.parametrize(
    ("tenant", "capacity", "said"),
    [
        ("leave_free: 1", "", "11:5: tenants.acme.leave_free: leave_free needs capacity.policy: "
         "trunk_reservation, and it is shared"),
        ("priority: 1", "  policy: trunk_reservation", "11:5: tenants.acme.priority: priority "
         "needs capacity.policy: priority, and it is trunk_reservation"),
        ("reserved_calls: 0", "  policy: priority", "11:5: tenants.acme.reserved_calls: "
         "reserved_calls needs capacity.policy: shared, and it is priority"),
        ("priority: 0", "  policy: priority", "11:15: tenants.acme.priority: must be at least 1, "
         "not 0"),
        ("leave_free: -1", "  policy: trunk_reservation", "11:17: tenants.acme.leave_free: must be "
         "at least 0, not -1"),
        ("", "  policy: fair", "6:11: capacity.policy: must be 'shared', 'trunk_reservation' or "
         "'priority', not 'fair'"),
        ("", "  policy: priority\n  changes: [{at: 1m, tenants: {acme: {reserved_calls: 1}}}]",
         "7:39: capacity.changes[0].tenants.acme.reserved_calls: reserved_calls needs "
         "capacity.policy: shared, and it is priority"),
    ],
)  # fmt: skip
def test_a_key_of_another_policy_is_a_mistake(
    tmp_path: Path, tenant: str, capacity: str, said: str
) -> None:
    assert problems(tmp_path, tenant, capacity) == [said]


def test_a_threshold_on_preempted_calls_needs_priorities(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text() + 'thresholds: {preempted_calls: ["value<3"]}\n')
    with pytest.raises(ScenarioInvalid, match="preempted_calls needs"):
        load_scenario(path)


def test_nobodys_priority_changes_during_a_run(tmp_path: Path) -> None:
    change = "  policy: priority\n  changes: [{at: 1m, tenants: {acme: {priority: 1}}}]"
    (said,) = problems(tmp_path, "", change)
    assert "capacity.changes[0].tenants.acme.priority: is not a key here" in said


# --- traces ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "tenant"),
    [
        (SharingPolicy.SHARED, TraceTenant("acme", leave_free=1)),
        (TRUNK, TraceTenant("acme", priority=1)),
        (PRIORITY, TraceTenant("acme", reserved_calls=1)),
        (TRUNK, TraceTenant("acme", leave_free=-1)),
        (PRIORITY, TraceTenant("acme", priority=MOST_PRIORITY + 1)),
    ],
)
def test_a_trace_refuses_what_does_not_go_together(
    policy: SharingPolicy, tenant: TraceTenant
) -> None:
    with pytest.raises(TraceInvalid):
        make_trace(replace(conditions(2, tenant), policy=policy), [Row(0)])


def test_a_trace_refuses_reservations_that_come_later() -> None:
    change = LimitsChange(5, None, {"acme": TenantLimitsChange(reserved_calls=1)})
    with pytest.raises(TraceInvalid, match="needs the policy shared, not priority"):
        make_trace(replace(conditions(2, changes=[change]), policy=PRIORITY), [Row(0)])


def test_the_hash_of_a_shared_trace_is_what_it_was_before_there_were_policies() -> None:
    # Written down before policies were added.
    known = json.loads((ROOT / "reports/baselines/smoke.json").read_text(encoding="ascii"))
    trace = build_trace(load_scenario(ROOT / "scenarios/smoke.yaml"))
    assert trace_hash(trace) == known["trace_hash"]


def test_the_hash_tells_policies_apart() -> None:
    tenants = (TraceTenant("acme"), TraceTenant("brook"))
    settings_ = conditions(2, *tenants)
    ranked = (replace(tenants[0], priority=1), tenants[1])
    kept = (replace(tenants[0], leave_free=1), tenants[1])
    hashes = {
        trace_hash(make_trace(each, [Row(0)]))
        for each in (
            settings_,
            replace(settings_, policy=TRUNK),
            replace(settings_, policy=TRUNK, tenants=kept),
            replace(settings_, policy=PRIORITY),
            replace(settings_, policy=PRIORITY, tenants=ranked),
        )
    }
    assert len(hashes) == 5


@settings(max_examples=40, deadline=None, derandomize=True)
@given(traces_of_all_policies(most_calls=6))
def test_a_trace_written_as_a_scenario_keeps_its_policy(
    tmp_path_factory: pytest.TempPathFactory, trace: CallTrace
) -> None:
    # A trace may say what a file may not: faults after the run, changes of nothing, no slot at all.
    limit = max(1, trace.conditions.max_concurrent_calls)
    change = LimitsChange(1, limit + 1)
    settings_ = replace(
        trace.conditions, max_concurrent_calls=limit, lookup_faults=(), changes=(change,)
    )
    path = tmp_path_factory.mktemp("written") / "written.yaml"
    path.write_text(
        scenario_text(replace(trace, conditions=settings_), "written", ""), encoding="utf-8"
    )
    read = build_trace(load_scenario(path)).conditions
    assert read.policy is settings_.policy
    assert [(t.leave_free, t.priority, t.reserved_calls) for t in read.tenants] == [
        (t.leave_free, t.priority, t.reserved_calls) for t in settings_.tenants
    ]


# --- who plays them -------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [TRUNK, PRIORITY])
def test_no_engine_with_a_service_takes_them(policy: SharingPolicy) -> None:
    trace = make_trace(replace(conditions(2), policy=policy), [Row(0)])
    for play in (InprocEngine().run, HttpEngine().run, lambda each: Plan(each, 1.0)):
        with pytest.raises(TraceInvalid, match="played by the engine kernel alone"):
            play(trace)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("engine", ["http", "inproc", "live"])
def test_other_engines_say_where_the_policy_stands_and_what_plays_it(
    path: Path, engine: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = run([path], (), None, EngineChoice(engine), Output(tmp_path, as_json=False))
    said = capsys.readouterr().err
    assert code == INVALID
    policy = load_scenario(path).policy
    assert f"{path}:13:11: capacity.policy: --engine {engine} knows only shared" in said
    assert f"{policy} is played by busyhour run --engine kernel" in said
    assert list(tmp_path.iterdir()) == []


def test_an_override_is_named_as_such(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path, overrides = written(tmp_path), ["capacity.policy=trunk_reservation"]
    output = Output(tmp_path / "out", as_json=False)
    assert run([path], overrides, None, EngineChoice("http"), output) == INVALID
    assert "--set: capacity.policy: --engine http knows only shared" in capsys.readouterr().err


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_ones_pass_on_the_kernel(
    path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = run([path], (), None, EngineChoice("kernel"), Output(tmp_path, as_json=True))
    document = json.loads(capsys.readouterr().out)
    assert code == PASSED
    assert document["verdict"] == "pass"
    ranked = load_scenario(path).policy is PRIORITY
    assert ("preempted_calls" in document["statistics"]) == ranked
    report = tmp_path / path.stem / "latest" / "summary.md"
    assert ("Preempted calls" in report.read_text(encoding="utf-8")) == ranked


# --- laws -----------------------------------------------------------------------------------

THREE = tuple(TraceTenant(name, priority=p) for name, p in (("gold", 1), ("silver", 2), ("tin", 0)))


def ranked(rows: list[Row], limit: int = 2) -> tuple[CallTrace, RunOutcome]:
    trace = make_trace(replace(conditions(limit, *THREE), policy=PRIORITY), rows)
    return trace, KernelEngine().run(trace)


def broken(trace: CallTrace, outcome: RunOutcome) -> set[str]:
    return {found.name for found in check_invariants(trace, outcome) if not found.ok}


def spoiled(outcome: RunOutcome, **columns: Callable[[np.ndarray], None]) -> RunOutcome:
    copies = {}
    for name, spoil in columns.items():
        copies[name] = getattr(outcome.log, name).copy()
        spoil(copies[name])
    return replace(outcome, log=replace(outcome.log, **copies))


def put(row: int, value: int) -> Callable[[np.ndarray], None]:
    def change(column: np.ndarray) -> None:
        column[row] = value

    return change


def test_giving_way_to_an_equal_breaks_a_law() -> None:
    trace, outcome = ranked([Row(0, 2, hold=50), Row(1, 1, hold=50), Row(9, 0, hold=50)])
    assert broken(trace, outcome) == set()
    equal = replace(
        trace,
        conditions=replace(
            trace.conditions, tenants=tuple(replace(each, priority=1) for each in THREE)
        ),
    )
    assert "preemption.needless" in broken(equal, outcome)


def test_giving_way_where_a_slot_was_free_breaks_a_law() -> None:
    trace, outcome = ranked([Row(0, 2, hold=50), Row(1, 1, hold=50), Row(9, 0, hold=50)])
    roomy = replace(trace, conditions=replace(trace.conditions, max_concurrent_calls=3))
    assert "preemption.needless" in broken(roomy, outcome)


def test_turning_the_important_away_while_others_are_held_breaks_a_law() -> None:
    # Played as equals, judged as what they are.
    trace, _ = ranked([Row(0, 2, hold=50), Row(1, 1, hold=50), Row(9, 0, hold=50)])
    alike = tuple(replace(each, priority=1) for each in THREE)
    settings_ = replace(trace.conditions, tenants=alike)
    outcome = KernelEngine().run(replace(trace, conditions=settings_))
    assert broken(trace, outcome) == {"preemption.missed"}


def test_calls_between_on_the_same_instant_see_the_slot_taken() -> None:
    rows = [Row(0, 2, hold=50), Row(9, 2, hold=50), Row(9, 2), Row(9, 0, hold=50), Row(9, 2)]
    trace, outcome = ranked(rows)
    assert outcome.log.preempted_by is not None
    assert outcome.log.preempted_by.tolist() == [NEVER, 3, NEVER, NEVER, NEVER]
    assert broken(trace, outcome) == set()
    assert statistics_of(trace, outcome.log).tenants["tin"].peak_in_use == 2


def test_leaving_fewer_slots_free_than_must_be_breaks_a_law() -> None:
    tenants = (TraceTenant("open"), TraceTenant("modest", leave_free=1))
    settings_ = replace(conditions(2, *tenants), policy=TRUNK)
    trace = make_trace(settings_, [Row(0, 0, hold=50), Row(1, 1)])
    outcome = KernelEngine().run(trace)
    assert broken(trace, outcome) == set()
    free = (tenants[0], replace(tenants[1], leave_free=0))
    let_in = KernelEngine().run(replace(trace, conditions=replace(settings_, tenants=free)))
    assert broken(trace, let_in) == {"slots.reserved"}


def test_a_miscounted_preemption_fails_the_run() -> None:
    trace, outcome = ranked([Row(0, 2, hold=50), Row(1, 1, hold=50), Row(9, 0, hold=50)])
    expected = expect(trace)

    def judged(observed: RunOutcome) -> Verdict:
        statistics = statistics_of(trace, observed.log)
        return judge(
            trace=trace, observed=observed, expected=expected, statistics=statistics
        ).verdict

    assert judged(outcome) is Verdict.PASS
    assert judged(replace(outcome, preempted={**outcome.preempted, "tin": 0})) is Verdict.FAIL
    assert judged(spoiled(outcome, preempted_by=put(0, NEVER))) is Verdict.FAIL
