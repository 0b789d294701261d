"""A run small enough to work out by hand, for the tests of the reports.

Seven calls in a minute on two slots, one from 0:30 on: two of ``acme`` are answered, one finds no
slot, one hangs up; ``b|b`` has one that fails and one whose instructions cannot be read; ``ghost``
is not configured. The figures below are counted from that story, by nobody's code.
"""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from service.calls import UNKNOWN_TENANT, Lookup
from simulator.result import RunResult
from simulator.results import CallLog, CheckpointState, Fate, Held, RunOutcome
from simulator.scenario import Deterministic, ExactCount, Scenario, Tenant
from simulator.statistics import Statistics, TenantStatistics
from simulator.trace import NEVER, EndKind, LimitsChange, LookupFault, TraceTenant
from simulator.verdict import Check, Judgement, Verdict
from tests.strategies import FULL_SPAN, Row, conditions, make_trace

SECOND = 1_000_000
OTHER = "b|b"
HOSTILE = "</script><script>alert(1)</script><b>&amp;\u202e|`x`\x1b"

# active, accepted, no slot, not configured, instructions, db errors, fallback, started, ended,
# failed, referred, active us, offered, given up pending, given up accepted
ACME_ROW = (0, 2, 1, 0, 0, 0, 0, 2, 2, 0, 1, 40 * SECOND, 4, 1, 0)
OTHER_ROW = (0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 30 * SECOND, 2, 0, 0)
UNKNOWN_ROW = (0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0)
TOTAL_ROW = (0, 3, 1, 1, 1, 1, 0, 3, 3, 1, 1, 70 * SECOND, 7, 1, 0)


def _log() -> CallLog:
    """Fate, and the seconds of offer, accept, start and release, of each of the seven calls."""
    lives = [
        (Fate.ENDED, 0, 1, 2, 3, 23),
        (Fate.ENDED, 0, 5, 7, 8, 38),
        (Fate.REJECTED_CAPACITY, 1, 10, None, None, None),
        (Fate.REJECTED_TENANT, 0, 12, None, None, None),
        (Fate.ABANDONED_PENDING, 0, 25, None, None, 28),
        (Fate.REJECTED_INSTRUCTIONS, 0, 29, None, None, 31),
        (Fate.ENDED, 0, 50, 51, 52, 72),
    ]
    fate, scopes, *instants = zip(*lives, strict=True)
    return CallLog(
        np.array(fate, np.int8),
        np.array(scopes, np.int8),
        *(
            np.array([NEVER if at is None else at * SECOND for at in column], np.int64)
            for column in instants
        ),
    )


def _outcome(engine: str, other: str) -> RunOutcome:
    one = Held(0, 1, 1)
    empty = {"acme": Held(), other: Held()}
    return RunOutcome(
        engine=engine,
        total=TOTAL_ROW,
        tenants={"acme": ACME_ROW, other: OTHER_ROW, UNKNOWN_TENANT: UNKNOWN_ROW},
        checkpoints=(
            CheckpointState(20 * SECOND, 2, {"acme": one, other: one}),
            CheckpointState(40 * SECOND, 1, empty),
        ),
        final=CheckpointState(72 * SECOND, 1, empty),
        log=_log(),
    )


def passing(other: str = OTHER) -> RunResult:
    """Everything as expected; ``other`` is the second tenant's name."""
    second = SECOND
    trace = make_trace(
        conditions(
            2,
            TraceTenant("acme"),
            TraceTenant(other),
            TraceTenant("ghost", configured=False),
            duration_us=60 * second,
            changes=[LimitsChange(30 * second, max_concurrent_calls=1)],
            checkpoints=[20 * second, 40 * second],
            lookup_faults=[LookupFault(Lookup.ERROR, 29 * second, 32 * second, FULL_SPAN)],
        ),
        [
            Row(1 * second, 0, 1 * second, 1 * second, 20 * second),
            Row(5 * second, 1, 2 * second, 1 * second, 30 * second, EndKind.FAILED),
            Row(10 * second, 0, 1 * second, 1 * second, 20 * second),
            Row(12 * second, 2, 1 * second, 1 * second, 20 * second),
            Row(25 * second, 0, 5 * second, 1 * second, 20 * second, patience=3 * second),
            Row(29 * second, 1, 2 * second, 1 * second, 20 * second),
            Row(50 * second, 0, 1 * second, 1 * second, 20 * second, refer=5 * second),
        ],
    )
    arrivals = ExactCount(1)
    hold = Deterministic(20e6)
    return RunResult(
        scenario=Scenario(
            name="seven-calls",
            description="Seven calls, worked out by hand",
            seed=7,
            duration_us=60 * second,
            max_concurrent_calls=2,
            tenants=tuple(Tenant(name, arrivals, hold) for name in ("acme", other, "ghost")),
            checkpoints_us=(20 * second, 40 * second),
            digest="5ce7" * 16,
        ),
        trace=trace,
        trace_hash="7ace" * 16,
        engine="http",
        target="http://127.0.0.1:8000",
        observed=_outcome("http", other),
        expected=_outcome("oracle", other),
        statistics=Statistics(
            offered_calls=7,
            first_attempts=7,
            blocking=1 / 6,
            first_attempt_blocking=1 / 6,
            eventual_loss=1 / 6,
            time_congestion=40 / 60,
            peak_in_use=2,
            carried_erlangs=70 / 60,
            occupancy=70 / 90,
            window_us=60 * second,
            tenants={
                "acme": TenantStatistics(4, 1 / 4, 35 / 60, 1),
                other: TenantStatistics(2, 0.0, 35 / 60, 2),
                UNKNOWN_TENANT: TenantStatistics(1, None, 0.0, 0),
            },
        ),
        judgement=Judgement(
            Verdict.PASS,
            "all 5 checks hold, and 1 of 1 thresholds",
            expectations=(
                Check("total.accepted_calls", "oracle", True, 3, 3),
                Check(f"tenants.{other}.minutes_processed", "oracle", True, 0.5, 0.5),
                Check("checkpoints.20000000", "checkpoint", True, "2 in use", "2 in use"),
                Check("tenants.acme.ended_calls", "scenario", True, "at least 1", 2),
            ),
            invariants=(
                Check("bound.failed", "invariant", True, "failed_calls <= ended_calls", "holds"),
            ),
            thresholds=(Check("blocking value<0.5", "threshold", True, "< 0.5", 1 / 6),),
        ),
        started_at=datetime(2026, 3, 4, 5, 6, 7, 890_000, UTC),
        duration_s=3.21,
        versions={"busyhour": "0.1.0", "python": "3.11.2"},
        command="busyhour run scenarios/seven-calls.yaml --engine http",
    )


def failing(other: str = OTHER) -> RunResult:
    """The same run on a service that counted one of ``acme``'s calls twice and a second short,
    and held a slot too many of ``other`` at the first checkpoint."""
    good = passing(other)
    acme = (0, 3, 1, 0, 0, 0, 0, 2, 2, 0, 1, 39 * SECOND, 4, 1, 0)
    total = (0, 4, 1, 1, 1, 1, 0, 3, 3, 1, 1, 69 * SECOND, 7, 1, 0)
    first = good.observed.checkpoints[0]
    observed = replace(
        good.observed,
        total=total,
        tenants={**good.observed.tenants, "acme": acme},
        checkpoints=(
            replace(first, tenants={**first.tenants, other: Held(0, 2, 1)}),
            good.observed.checkpoints[1],
        ),
    )
    judgement = Judgement(
        Verdict.FAIL,
        "total.accepted_calls: expected 3, observed 4; and 3 others",
        expectations=(
            Check("total.accepted_calls", "oracle", False, 3, 4, "only the counting differs"),
            Check(f"tenants.{other}.minutes_processed", "oracle", True, 0.5, 0.5),
            Check(f"checkpoints.20000000.{other}.accepted", "checkpoint", False, 1, 2, "a slot"),
            Check("tenants.acme.ended_calls", "scenario", True, "at least 1", 2),
        ),
        invariants=(
            Check("conservation.offered", "invariant", False, "a = b", "broken", "4 = 5 is not so"),
        ),
        thresholds=(Check("blocking value<0.1", "threshold", False, "< 0.1", 1 / 6, "is 0.167"),),
    )
    return replace(good, observed=observed, judgement=judgement)


def nothing_to_judge() -> RunResult:
    """A run in which nothing was offered: no statistic has anything to divide by."""
    good = passing()
    nobody = {name: (0,) * len(TOTAL_ROW) for name in good.observed.tenants}
    still = _log()
    still.fate[:] = Fate.NOT_MADE
    for column in (still.offered_us, still.accepted_us, still.started_us, still.released_us):
        column[:] = NEVER
    outcome = replace(
        good.observed, total=(0,) * len(TOTAL_ROW), tenants=nobody, checkpoints=(), log=still
    )
    return replace(
        good,
        target=None,
        observed=outcome,
        expected=outcome,
        statistics=Statistics(0, 0, None, None, None, 0.0, 0, 0.0, None, 60 * SECOND, {}),
        judgement=Judgement(Verdict.INCONCLUSIVE, "no call was offered", (), (), ()),
    )
