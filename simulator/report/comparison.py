"""Observed beside expected, as every document shows it: counters and checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.calls import (
    COUNTER_NAMES,
    COUNTERS,
    MINUTES_PROCESSED,
    US_PER_MINUTE,
    Counter,
    Reason,
    all_figures,
)
from simulator.result import Interval, RunResult
from simulator.results import CheckpointState, Held

REJECTED_AS: Final = {
    Reason.CAPACITY: COUNTER_NAMES[Counter.REJECTED_CALLS_CAPACITY],
    Reason.TENANT_NOT_CONFIGURED: COUNTER_NAMES[Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED],
    Reason.INSTRUCTIONS_MISSING: COUNTER_NAMES[Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING],
}
"""The name of the counter of each reason."""

_HELP: Final = {spec.name: spec.help for spec in COUNTERS} | {
    MINUTES_PROCESSED: "Minutes between start and end, over ended calls"
}


@dataclass(frozen=True, slots=True)
class Line:
    """One counter of one row. A side that has no such row is None."""

    counter: str
    help: str
    observed: int | float | None
    expected: int | float | Interval | None

    @property
    def equal(self) -> bool:
        if isinstance(self.expected, Interval):
            return self.observed is not None and self.observed in self.expected
        return self.observed == self.expected

    @property
    def difference(self) -> int | float | None:
        """Observed minus expected (or its nearest value), or None where a side is missing."""
        if self.observed is None or self.expected is None:
            return None
        if isinstance(self.expected, Interval):
            return self.observed - self.expected.nearest(self.observed)
        return self.observed - self.expected


@dataclass(frozen=True, slots=True)
class Comparison:
    """The counters of the total (``tenant`` None) or of one tenant, in published order."""

    tenant: str | None
    lines: tuple[Line, ...]

    @property
    def differing(self) -> int:
        return sum(not line.equal for line in self.lines)


def compare_total(result: RunResult) -> Comparison:
    return _compare(None, result.observed.total, result.expected.total, result.bounds)


def compare_tenants(result: RunResult) -> tuple[Comparison, ...]:
    """Every tenant that either side has, in the order of the expected ones."""
    observed, expected = result.observed.tenants, result.expected.tenants
    names = list(dict.fromkeys((*expected, *observed)))
    return tuple(
        _compare(name, observed.get(name), expected.get(name), result.bounds) for name in names
    )


def _compare(
    tenant: str | None,
    observed: Sequence[int] | None,
    expected: Sequence[int] | None,
    bounds: Mapping[str | None, Mapping[str, Interval]],
) -> Comparison:
    seen, due = figures(observed), expected_figures(expected, bounds.get(tenant, {}))
    lines = (Line(name, _HELP[name], seen.get(name), due.get(name)) for name in seen or due)
    return Comparison(tenant, tuple(lines))


def expected_figures(
    row: Sequence[int] | None, bounds: Mapping[str, Interval]
) -> Mapping[str, int | float | Interval]:
    """As :func:`figures`, with an interval where more than one value is allowed."""
    due: dict[str, int | float | Interval] = dict(figures(row))
    for name, allowed in bounds.items():
        if name in due and allowed.low != allowed.high:
            due[name] = allowed
    minutes = due.get(COUNTER_NAMES[Counter.ACTIVE_US_TOTAL])
    if isinstance(minutes, Interval):
        high = None if minutes.high is None else minutes.high / US_PER_MINUTE
        due[MINUTES_PROCESSED] = Interval(minutes.low / US_PER_MINUTE, high)
    return due


def figures(row: Sequence[int] | None) -> Mapping[str, int | float]:
    """The twelve published figures of a counter row and the four beside them; none of None."""
    return {} if row is None else all_figures(tuple(map(int, row)))


@dataclass(frozen=True, slots=True)
class CheckpointLine:
    """One checkpoint on both sides; a side that did not reach it is None."""

    at_us: int
    limit: int
    observed: CheckpointState | None
    expected: CheckpointState | None
    ok: bool

    @property
    def differing_tenants(self) -> tuple[tuple[str, Held | None, Held | None], ...]:
        """Tenants whose slots differ, with their observed and expected slots."""
        observed = self.observed.tenants if self.observed else {}
        expected = self.expected.tenants if self.expected else {}
        names = dict.fromkeys((*expected, *observed))
        pairs = ((name, observed.get(name), expected.get(name)) for name in names)
        return tuple(pair for pair in pairs if pair[1] != pair[2])


def compare_checkpoints(result: RunResult) -> tuple[CheckpointLine, ...]:
    """The checkpoints of either side, by instant. ``ok`` is what the judgement said of them."""
    if result.live is not None:
        # What was read in wall-clock time is judged with the history, not against one state.
        return ()
    observed = {state.at_us: state for state in result.observed.checkpoints}
    expected = {state.at_us: state for state in result.expected.checkpoints}
    # A checkpoint's checks are named "checkpoints.<at_us>", and ".<what>" where something differs.
    broken = {
        check.name.split(".", 2)[1]
        for check in result.judgement.expectations
        if check.name.startswith("checkpoints.") and check.kind == "checkpoint" and not check.ok
    }
    lines = []
    for at_us in sorted(observed.keys() | expected.keys()):
        either = expected.get(at_us) or observed[at_us]
        reached = at_us in observed and at_us in expected
        lines.append(
            CheckpointLine(
                at_us=at_us,
                limit=either.limit,
                observed=observed.get(at_us),
                expected=expected.get(at_us),
                ok=reached and str(at_us) not in broken,
            )
        )
    return tuple(lines)
