"""Judges a live run: the checker's proofs, the laws of the figures, and whether to trust the load.

What a scenario expects exactly is left to engines with a virtual clock: in wall-clock time, which
of two calls comes first is not the scenario's to say.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from simulator.checker import check_history
from simulator.checker.judgement import RESTARTED
from simulator.history import read_history
from simulator.live.engine import LiveRun
from simulator.live.meters import DriverFigures, Spread
from simulator.measured import (
    MOST_LATE,
    alarm_checks,
    bound_checks,
    bounds_by_row,
    lag_bound_us,
    law_checks,
    nearest_allowed,
    slept,
    unmade_calls,
)
from simulator.result import Interval
from simulator.results import CheckpointState, Held, RunOutcome
from simulator.scenario import Scenario
from simulator.statistics import Statistics, statistics_of
from simulator.trace import CallTrace
from simulator.verdict import Check, Judgement, judge_measured

MOST_CPU: Final = 0.95
"""The share of one processor beyond which the driver, not the service, sets the pace."""

MOST_STALL_MS: Final = 1000.0

LEAST_LAG_MS: Final = 5.0

_LATENCY_FIGURES: Final = ("p50", "p95", "p99", "max")


@dataclass(frozen=True, slots=True)
class LiveJudged:
    """A judgement and what belongs into the reports with it.

    ``bounds`` are what the answers allow, by tenant (None: the total) and figure. ``notes`` say
    what could not be judged.
    """

    judgement: Judgement
    observed: RunOutcome
    expected: RunOutcome
    statistics: Statistics
    bounds: Mapping[str | None, Mapping[str, Interval]]
    notes: tuple[str, ...]


def judge_live(scenario: Scenario, trace: CallTrace, run: LiveRun) -> LiveJudged:
    """Judge a run that came to its end, from its histories as they stand in the files."""
    histories = [read_history(path) for path in run.histories]
    judgements = [check_history(history) for history in histories]
    several = len(judgements) > 1
    operations = chain.from_iterable(history.operations for history in histories)
    proofs: list[Check] = []
    invariants: list[Check] = []
    for place, (history, outcome) in enumerate(zip(judgements, run.outcomes, strict=True)):
        prefix = f"target-{place + 1}." if several else ""
        proofs += bound_checks(history.bounds, prefix)
        invariants += alarm_checks(history, prefix)
        begun_anew = history.restarted or run.restarts > 0
        invariants += _law_checks(trace, outcome, prefix, begun_anew=begun_anew)
    observed = _together(run.outcomes)
    bounds = bounds_by_row([history.bounds for history in judgements])
    limit = trace.conditions.max_concurrent_calls * len(run.outcomes)
    conditions = replace(trace.conditions, max_concurrent_calls=limit)
    statistics = statistics_of(replace(trace, conditions=conditions), observed.log)
    offered = sum(history.calls_offered for history in judgements)
    doubts = [RESTARTED] if any(history.restarted for history in judgements) else []
    judgement = judge_measured(
        proofs=proofs,
        invariants=invariants,
        statistics=statistics,
        thresholds=scenario.thresholds,
        offered=offered,
        doubts=(
            *doubts,
            *_doubts(trace, run),
            *unmade_calls(operations, may_be_down=bool(scenario.kills)),
        ),
        measured=_measured(run.latencies),
    )
    notes = [note for history in judgements for note in history.notes]
    return LiveJudged(
        judgement,
        observed,
        nearest_allowed(observed, bounds),
        statistics,
        bounds,
        tuple(dict.fromkeys(notes)),
    )


def lag_bound_ms(trace: CallTrace, figures: DriverFigures) -> float:
    """How large the lag's 99th percentile may be; at most what makes a send late."""
    bound_us = lag_bound_us(
        trace, figures.speed, least_us=LEAST_LAG_MS * 1000, most_us=figures.late_ms * 1000
    )
    return bound_us / 1000


def _doubts(trace: CallTrace, run: LiveRun) -> Iterator[str]:
    """Why what was driven may not have been the scenario's traffic, most serious first."""
    figures, slower = run.driver, "use a lower speed or a quieter machine"
    if figures.dropped:
        yield f"{figures.dropped} offers were never sent; {slower}"
    if figures.late_share > MOST_LATE:
        yield (
            f"{figures.late_sends} of {figures.sends} events were sent more than "
            f"{figures.late_ms:g} ms late; {slower}"
        )
    bound_ms = lag_bound_ms(trace, figures)
    if figures.lag.p99_ms > bound_ms:
        yield (
            f"the driver's lag had a 99th percentile of {figures.lag.p99_ms:.1f} ms, more than "
            f"{bound_ms:.1f} ms; {slower}"
        )
    if figures.cpu_share > MOST_CPU:
        yield f"the driver was busy {100 * figures.cpu_share:.0f} % of the time; {slower}"
    if figures.longest_stall_ms > MOST_STALL_MS:
        yield f"the driver stood still for {figures.longest_stall_ms / 1000:.1f} s; {slower}"
    yield from slept(run.suspended_s)
    if figures.sends and not figures.answered:
        yield (
            "no event got an answer that is known: the service was out of reach during the run, or "
            "is no such service"
        )


def _measured(latencies: Mapping[str, Spread]) -> dict[str, float]:
    return {
        f"{name}_latency_{figure}_ms": getattr(spread, f"{figure}_ms")
        for name, spread in latencies.items()
        for figure in _LATENCY_FIGURES
    }


def _law_checks(
    trace: CallTrace, outcome: RunOutcome, prefix: str, *, begun_anew: bool
) -> Iterator[Check]:
    if begun_anew:
        # Counters begin anew with the service, so those of before the last start say nothing.
        outcome = replace(outcome, checkpoints=())
    return law_checks(trace, outcome, prefix)


def _together(outcomes: Sequence[RunOutcome]) -> RunOutcome:
    """Services with limits of their own as one; a single one as it is."""
    first = outcomes[0]
    if len(outcomes) == 1:
        return first
    final = first.final
    return replace(
        first,
        total=_added([outcome.total for outcome in outcomes]),
        tenants={
            name: _added([outcome.tenants[name] for outcome in outcomes]) for name in first.tenants
        },
        checkpoints=(),
        final=CheckpointState(
            final.at_us,
            sum(outcome.final.limit for outcome in outcomes),
            {
                name: Held(
                    sum(outcome.final.tenants[name].pending for outcome in outcomes),
                    sum(outcome.final.tenants[name].accepted for outcome in outcomes),
                    sum(outcome.final.tenants[name].active for outcome in outcomes),
                )
                for name in final.tenants
            },
        ),
    )


def _added(rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*rows, strict=True)))
