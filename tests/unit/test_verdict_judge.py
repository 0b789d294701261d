"""What the judge says of outcomes that are right, wrong in one place, or about nothing."""

from dataclasses import replace

import numpy as np
import pytest

from service.calls import COUNTERS, UNKNOWN_TENANT, Counter, CounterSpec
from simulator.oracle import expect
from simulator.results import LOG_COLUMNS, CallLog, Fate, Held, HeldRows, RunOutcome
from simulator.scenario import Expectation, Threshold
from simulator.statistics import Statistics, TenantStatistics
from simulator.trace import NEVER, CallTrace, TraceTenant
from simulator.verdict import Check, Judgement, Verdict, judge
from tests.strategies import Row, conditions, make_trace

STATISTICS = Statistics(
    offered_calls=4,
    first_attempts=4,
    blocking=0.25,
    first_attempt_blocking=0.25,
    eventual_loss=None,
    time_congestion=0.5,
    peak_in_use=1,
    carried_erlangs=0.75,
    occupancy=0.75,
    window_us=100,
    tenants={"a": TenantStatistics(3, 0.5, 0.5, 1), "b": TenantStatistics(1, None, 0.0, 0)},
)


@pytest.fixture
def trace() -> CallTrace:
    """One slot. a's call 0 holds [0, 3_000_000), a's call 1 is rejected, b's call 2 gets in."""
    rows = [
        Row(0, hold=3_000_000),
        Row(1_000_000, hold=3_000_000),
        Row(3_000_000, tenant=1, hold=3_000_000),
        Row(6_000_000, tenant=2),
    ]
    tenants = (TraceTenant("a"), TraceTenant("b"), TraceTenant("stranger", configured=False))
    settings = conditions(1, *tenants, duration_us=60_000_000, checkpoints=[2_000_000, 4_000_000])
    return make_trace(settings, rows)


def judged(
    trace: CallTrace,
    observed: RunOutcome,
    expectations: list[Expectation] | None = None,
    thresholds: list[Threshold] | None = None,
) -> Judgement:
    return judge(
        trace=trace,
        observed=observed,
        expected=expect(trace),
        statistics=STATISTICS,
        expect=expectations or [],
        thresholds=thresholds or [],
    )


def failed(judgement: Judgement) -> dict[str, Check]:
    checks = (*judgement.expectations, *judgement.invariants, *judgement.thresholds)
    return {check.name: check for check in checks if not check.ok}


def threshold(text: str, statistic: str = "blocking", tenant: str | None = None) -> Threshold:
    for operator in ("<=", ">=", "==", "!=", "<", ">"):
        if operator in text:
            return Threshold(statistic, operator, float(text.split(operator)[1]), text, tenant)
    raise AssertionError(text)


# --- verdicts -------------------------------------------------------------------------------


def test_a_right_outcome_passes(trace: CallTrace) -> None:
    judgement = judged(trace, expect(trace))
    assert failed(judgement) == {}
    assert judgement.verdict is Verdict.PASS
    assert "\n" not in judgement.reason
    names = [check.name for check in judgement.expectations]
    # Fifteen counters and the minutes, for the total, a, b and _unknown; single calls; two
    # checkpoints; the end.
    assert len(names) == 16 * 4 + 1 + 2 + 1
    assert {"total.minutes_processed", "tenants._unknown.offered_calls"} <= set(names)
    assert {"checkpoints.2000000", "checkpoints.4000000", "final"} <= set(names)
    assert len(set(names)) == len(names)
    assert {check.kind for check in judgement.expectations} == {"oracle", "checkpoint"}
    assert {check.kind for check in judgement.invariants} == {"invariant"}


def test_minutes_are_derived_from_microseconds(trace: CallTrace) -> None:
    checks = {check.name: check for check in judged(trace, expect(trace)).expectations}
    # Two calls of three seconds: a tenth of a minute.
    assert checks["total.minutes_processed"].expected == 0.1
    assert checks["tenants.a.minutes_processed"].observed == 0.05


def test_nothing_offered_is_inconclusive() -> None:
    silent = make_trace(conditions(1), [])
    judgement = judged(silent, expect(silent), [Expectation("offered_calls", 5, None)])
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "no call was offered" in judgement.reason


def test_calls_that_never_arrived_are_no_excuse(trace: CallTrace) -> None:
    outcome = expect(trace)
    zeros = (0,) * len(COUNTERS)
    silent = replace(outcome, total=zeros, tenants=dict.fromkeys(outcome.tenants, zeros))
    assert judged(trace, silent).verdict is Verdict.FAIL


def test_a_missed_threshold_alone_is_a_verdict_of_its_own(trace: CallTrace) -> None:
    judgement = judged(trace, expect(trace), thresholds=[threshold("value<0.01")])
    assert judgement.verdict is Verdict.THRESHOLDS_FAILED
    assert judgement.reason == (
        "blocking value<0.01: expected < 0.01, observed 0.25 (blocking is 0.25, not < 0.01)"
    )


def test_a_broken_expectation_weighs_more_than_a_threshold(trace: CallTrace) -> None:
    judgement = judged(
        trace,
        expect(trace),
        [Expectation("offered_calls", 5, 5)],
        [threshold("value<0.01")],
    )
    assert judgement.verdict is Verdict.FAIL


def test_a_broken_invariant_fails_even_what_the_oracle_expects(trace: CallTrace) -> None:
    # A service that counts as expected, and answers a repeated offer anew.
    observed = replace(expect(trace), contradictions=("call 1: admitted, then rejected",))
    judgement = judged(trace, observed)
    assert judgement.verdict is Verdict.FAIL
    assert all(check.ok for check in judgement.expectations)
    assert judgement.reason == "answers.consistent is broken (call 1: admitted, then rejected)"


def test_a_wrong_answer_fails_even_where_every_counter_is_right(trace: CallTrace) -> None:
    # A service that lets a call in while the slot is taken, and counts it as rejected.
    outcome = expect(trace)
    fate, released = outcome.log.fate.copy(), outcome.log.released_us.copy()
    fate[1], released[1] = Fate.ENDED, 4_000_000
    log = replace(outcome.log, fate=fate, released_us=released)
    judgement = judged(trace, replace(outcome, log=log))
    assert judgement.verdict is Verdict.FAIL
    (wrong,) = (check for check in judgement.expectations if not check.ok)
    assert (wrong.name, wrong.expected, wrong.observed) == ("calls.differing", 0, 1)
    assert wrong.detail.startswith("first differing call: row 1 of a")
    assert "slots.total" in failed(judgement)


def test_the_reason_names_the_first_trouble_and_counts_the_rest(trace: CallTrace) -> None:
    outcome = expect(trace)
    row = list(outcome.tenants["a"])
    row[Counter.FAILED_CALLS] += 1
    judgement = judged(trace, replace(outcome, tenants={**outcome.tenants, "a": tuple(row)}))
    # The oracle's check of the counter, and the law that the total is the sum of the rows.
    assert set(failed(judgement)) == {"tenants.a.failed_calls", "total.sum"}
    assert judgement.reason.startswith("tenants.a.failed_calls: expected 0, observed 1 (")
    assert judgement.reason.endswith("; and 1 more")


# --- against the oracle ---------------------------------------------------------------------


@pytest.mark.parametrize("spec", COUNTERS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("tenant", ["a", "b", UNKNOWN_TENANT, None])
def test_every_counter_of_everybody_is_checked(
    trace: CallTrace, spec: CounterSpec, tenant: str | None
) -> None:
    outcome = expect(trace)
    counter, name = spec.counter, spec.name
    right = outcome.total if tenant is None else outcome.tenants[tenant]
    wrong = (*right[:counter], right[counter] + 1, *right[counter + 1 :])
    if tenant is None:
        observed = replace(outcome, total=wrong)
    else:
        observed = replace(outcome, tenants={**outcome.tenants, tenant: wrong})
    check = failed(judged(trace, observed))[
        f"total.{name}" if tenant is None else f"tenants.{tenant}.{name}"
    ]
    assert (check.kind, check.expected, check.observed) == (
        "oracle",
        right[counter],
        right[counter] + 1,
    )
    assert check.detail == "no call's own history differs: only the counting does"


def test_a_missing_row_of_counters_fails(trace: CallTrace) -> None:
    outcome = expect(trace)
    observed = replace(
        outcome, tenants={name: row for name, row in outcome.tenants.items() if name != "b"}
    )
    check = failed(judged(trace, observed))["tenants.b.offered_calls"]
    assert (check.expected, check.observed) == (1, None)
    assert check.detail == "tenant b has no row of counters"


def _relogged(outcome: RunOutcome, row: int, **values: int) -> RunOutcome:
    columns = {name: getattr(outcome.log, name).copy() for name in LOG_COLUMNS}
    for name, value in values.items():
        columns[name][row] = value
    return replace(outcome, log=CallLog(**columns))


def test_a_failed_check_names_the_first_call_behind_it(trace: CallTrace) -> None:
    # The service let call 1 in, which the limit forbids, and rejected call 2.
    outcome = expect(trace)
    observed = _relogged(
        outcome,
        1,
        fate=Fate.ENDED,
        scopes=0,
        accepted_us=1_000_000,
        started_us=1_000_000,
        released_us=4_000_000,
    )
    a, b = list(outcome.tenants["a"]), list(outcome.tenants["b"])
    a[Counter.REJECTED_CALLS_CAPACITY] -= 1
    b[Counter.REJECTED_CALLS_CAPACITY] += 1
    observed = _relogged(
        replace(observed, tenants={**outcome.tenants, "a": tuple(a), "b": tuple(b)}),
        2,
        fate=Fate.REJECTED_CAPACITY,
        scopes=1,
        accepted_us=NEVER,
        started_us=NEVER,
        released_us=NEVER,
    )
    checks = failed(judged(trace, observed))
    assert checks["tenants.a.rejected_calls_capacity"].detail == (
        "first differing call: row 1 of a offered at 1.000000 s: expected rejected_capacity"
        " (total), observed ended; accepted expected never, observed 1.000000 s; started expected"
        " never, observed 1.000000 s; released expected never, observed 4.000000 s"
    )
    assert checks["tenants.b.rejected_calls_capacity"].detail.startswith(
        "first differing call: row 2 of b offered at 3.000000 s: expected ended, observed"
        " rejected_capacity (total)"
    )


def test_the_call_named_is_one_that_moved_the_counter(trace: CallTrace) -> None:
    # Call 0 ended a microsecond late, call 2 never ended: only that is behind ended_calls.
    outcome = expect(trace)
    late = _relogged(outcome, 0, released_us=3_000_001)
    observed = _relogged(late, 2, fate=Fate.STILL_ACTIVE, released_us=NEVER)
    total = list(outcome.total)
    total[Counter.ENDED_CALLS] -= 1
    total[Counter.ACTIVE_US_TOTAL] -= 2_999_999
    total[Counter.REFERRED_CALLS] += 1
    checks = failed(judged(trace, replace(observed, total=tuple(total))))
    assert "row 2 of b" in checks["total.ended_calls"].detail
    assert "row 0 of a" in checks["total.active_us_total"].detail
    assert "row 0 of a" in checks["total.minutes_processed"].detail
    # A referral leaves no mark in a log, so the first call that differs at all is named.
    assert "row 0 of a" in checks["total.referred_calls"].detail


def test_a_call_of_another_tenant_is_named_as_such(trace: CallTrace) -> None:
    outcome = expect(trace)
    row = list(outcome.tenants[UNKNOWN_TENANT])
    row[Counter.OFFERED_CALLS] += 1
    observed = _relogged(outcome, 0, released_us=3_000_001)
    observed = replace(observed, tenants={**outcome.tenants, UNKNOWN_TENANT: tuple(row)})
    check = failed(judged(trace, observed))["tenants._unknown.offered_calls"]
    assert check.detail.startswith("first differing call, of another tenant: row 0 of a")


# --- checkpoints ----------------------------------------------------------------------------


def test_slots_at_a_checkpoint(trace: CallTrace) -> None:
    outcome = expect(trace)
    first, second = outcome.checkpoints
    wrong = replace(first, tenants={**first.tenants, "a": Held(1, 0, 0)}, limit=2)
    checks = failed(judged(trace, replace(outcome, checkpoints=(wrong, second))))
    assert {
        "checkpoints.2000000.limit",
        "checkpoints.2000000.a.pending",
        "checkpoints.2000000.a.accepted",
        "checkpoints.2000000.a.active",
    } <= set(checks)
    assert checks["checkpoints.2000000.a.accepted"].expected == 1
    assert checks["checkpoints.2000000.a.accepted"].observed == 0


def test_ids_at_a_checkpoint(trace: CallTrace) -> None:
    outcome = expect(trace)
    first, second = outcome.checkpoints
    one = frozenset({1})
    wrong = replace(first, rows=HeldRows(frozenset(), one, one))
    checks = failed(judged(trace, replace(outcome, checkpoints=(wrong, second))))
    assert set(checks) == {"checkpoints.2000000.rows.accepted", "checkpoints.2000000.rows.active"}
    assert checks["checkpoints.2000000.rows.active"].detail == ("2 calls differ; row 0 is missing")


def test_counters_at_a_checkpoint(trace: CallTrace) -> None:
    outcome = expect(trace)
    first, second = outcome.checkpoints
    assert first.counters is not None
    row = list(first.counters["b"])
    row[Counter.REFERRED_CALLS] = 7
    wrong = replace(first, counters={**first.counters, "b": tuple(row)})
    checks = failed(judged(trace, replace(outcome, checkpoints=(wrong, second))))
    assert checks["checkpoints.2000000.b.referred_calls"].observed == 7
    missing = replace(first, counters={"a": first.counters["a"]})
    checks = failed(judged(trace, replace(outcome, checkpoints=(missing, second))))
    assert {"checkpoints.2000000.b.counters", "checkpoints.2000000._unknown.counters"} <= set(
        checks
    )
    total = replace(first, total_counters=(9,) * len(COUNTERS))
    checks = failed(judged(trace, replace(outcome, checkpoints=(total, second))))
    assert "checkpoints.2000000.total.offered_calls" in checks


def test_what_an_engine_cannot_tell_is_not_held_against_it(trace: CallTrace) -> None:
    outcome = expect(trace)
    modest = [
        replace(state, rows=None, counters=None, total_counters=None)
        for state in (*outcome.checkpoints, outcome.final)
    ]
    observed = replace(outcome, checkpoints=tuple(modest[:-1]), final=modest[-1])
    assert judged(trace, observed).verdict is Verdict.PASS


def test_checkpoints_left_out_or_made_up(trace: CallTrace) -> None:
    outcome = expect(trace)
    first, second = outcome.checkpoints
    made_up = replace(second, at_us=4_000_001)
    checks = failed(judged(trace, replace(outcome, checkpoints=(first, made_up))))
    assert checks["checkpoints.4000000"].observed is None
    assert checks["checkpoints.4000001"].expected is None


def test_the_state_after_the_run(trace: CallTrace) -> None:
    outcome = expect(trace)
    tenants = {**outcome.final.tenants, "b": Held(0, 1, 1)}
    observed = replace(outcome, final=replace(outcome.final, tenants=tenants))
    checks = failed(judged(trace, observed))
    assert {"final.b.accepted", "final.b.active", "drain.empty", "gauge.ids"} <= set(checks)


# --- against the scenario -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "ok", "allowed"),
    [
        (4, 4, True, "4"),
        (None, 4, True, "at most 4"),
        (4, None, True, "at least 4"),
        (1, 5, True, "1 to 5"),
        (None, None, True, "anything"),
        (5, None, False, "at least 5"),
        (None, 3, False, "at most 3"),
        (3, 3, False, "3"),
        (5, 9, False, "5 to 9"),
    ],
)
def test_a_counter_in_its_range(
    trace: CallTrace, low: float | None, high: float | None, ok: bool, allowed: str
) -> None:
    judgement = judged(trace, expect(trace), [Expectation("offered_calls", low, high)])
    check = judgement.expectations[-1]
    assert (check.name, check.kind) == ("total.offered_calls", "scenario")
    assert (check.ok, check.expected, check.observed) == (ok, allowed, 4)
    assert judgement.verdict is (Verdict.PASS if ok else Verdict.FAIL)


def test_expectations_of_a_tenant_and_of_minutes(trace: CallTrace) -> None:
    wanted = [
        Expectation("minutes_processed", 0.05, 0.05, "a"),
        Expectation("rejected_calls_tenant_not_configured", 1, 1, UNKNOWN_TENANT),
    ]
    assert judged(trace, expect(trace), wanted).verdict is Verdict.PASS
    wrong = [Expectation("minutes_processed", None, 0.0499, "a")]
    check = judged(trace, expect(trace), wrong).expectations[-1]
    assert (check.name, check.ok, check.observed) == ("tenants.a.minutes_processed", False, 0.05)


@pytest.mark.parametrize(
    ("expectation", "detail"),
    [
        (Expectation("offered_calls", 1, 1, "nobody"), "tenant nobody has no row of counters"),
        (Expectation("answered_calls", 1, 1), "there is no counter answered_calls"),
    ],
)
def test_an_expectation_of_what_is_not_there_fails(
    trace: CallTrace, expectation: Expectation, detail: str
) -> None:
    check = judged(trace, expect(trace), [expectation]).expectations[-1]
    assert (check.ok, check.observed, check.detail) == (False, None, detail)


# --- thresholds -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("value<0.25", False),
        ("value<=0.25", True),
        ("value>0.25", False),
        ("value>=0.25", True),
        ("value==0.25", True),
        ("value!=0.25", False),
        ("value<0.26", True),
        ("value>0.24", True),
    ],
)
def test_threshold_operators(trace: CallTrace, text: str, ok: bool) -> None:
    judgement = judged(trace, expect(trace), thresholds=[threshold(text)])
    assert judgement.thresholds[0].ok is ok
    assert judgement.thresholds[0].name == f"blocking {text}"
    assert judgement.verdict is (Verdict.PASS if ok else Verdict.THRESHOLDS_FAILED)


def test_thresholds_of_a_tenant_and_of_other_statistics(trace: CallTrace) -> None:
    judgement = judged(
        trace,
        expect(trace),
        thresholds=[
            threshold("value<0.4", tenant="a"),
            threshold("value<=1", statistic="peak_in_use"),
        ],
    )
    of_a, peak = judgement.thresholds
    assert (of_a.name, of_a.ok, of_a.observed) == ("blocking{tenant:a} value<0.4", False, 0.5)
    assert (peak.ok, peak.observed) == (True, 1)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (threshold("value<1", statistic="eventual_loss"), "eventual_loss is undefined"),
        (threshold("value<1", tenant="b"), "blocking{tenant:b} is undefined"),
        (threshold("value<1", tenant="nobody"), "there are no statistics of nobody"),
        (threshold("value<1", statistic="mood"), "there is no statistic mood"),
    ],
)
def test_a_statistic_that_is_undefined_meets_no_threshold(
    trace: CallTrace, limit: Threshold, words: str
) -> None:
    judgement = judged(trace, expect(trace), thresholds=[limit])
    assert judgement.verdict is Verdict.THRESHOLDS_FAILED
    assert judgement.thresholds[0].observed is None
    assert judgement.thresholds[0].detail.startswith(words)


def test_the_traces_story_is_as_told(trace: CallTrace) -> None:
    log = expect(trace).log
    assert np.array_equal(
        log.fate, [Fate.ENDED, Fate.REJECTED_CAPACITY, Fate.ENDED, Fate.REJECTED_TENANT]
    )
    assert log.released_us.tolist() == [3_000_000, NEVER, 6_000_000, NEVER]
