"""What runs in wall-clock time have in common when they are judged, whoever drove them."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from service.calls import COUNTER_NAMES, COUNTERS
from simulator.checker import Alarm, Bound, HistoryJudgement
from simulator.history import Operation
from simulator.invariants import check_counters
from simulator.result import Interval
from simulator.results import RunOutcome
from simulator.trace import CallTrace
from simulator.verdict import Check

MOST_LATE: Final = 0.01
"""The share of sends that may be late."""

LAG_SHARE: Final = 0.1
"""How much of a call's mean time on a slot the lag may be: more would be other traffic."""

MOST_SUSPENDED_S: Final = 0.5
"""How long the machine may have slept during a run; clocks stand still meanwhile."""

MOST_UNMADE: Final = 0.01
"""The share of the calls offered that may not have been made: refused, or never arrived."""

_NAMED_CALLS: Final = 5
_NAMED_CODES: Final = 3


def asleep_s() -> float:
    """How long the machine has slept since it was started, where the system tells."""
    if sys.platform != "linux":
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def slept(suspended_s: float) -> Iterator[str]:
    """The doubt about a run during which the machine slept for so long, if any."""
    if suspended_s > MOST_SUSPENDED_S:
        yield f"the machine slept for {suspended_s:.1f} s during the run"


def lag_bound_us(trace: CallTrace, speed: float, *, least_us: float, most_us: float) -> float:
    """How far behind their instants sends may be, in microseconds of wall-clock time.

    A tenth of a call's mean time on a slot at this ``speed``, between ``least_us`` and ``most_us``:
    with more, other calls would meet than the scenario has meet.
    """
    if not len(trace):
        return most_us
    slot_us = sum(
        float(np.mean(trace.column(name))) for name in ("setup_us", "connect_us", "hold_us")
    )
    return min(most_us, max(least_us, LAG_SHARE * slot_us / speed))


def unmade_calls(operations: Iterable[Operation], *, may_be_down: bool = False) -> Iterator[str]:
    """The doubt about a run of which too many offers made no call, whatever the service decides.

    ``may_be_down``: the scenario has the service down for a while, so that offers fail to arrive.
    """
    unmade: dict[str | None, str] = {}
    made: set[str | None] = set()
    for each in operations:
        if each.op != "offer":
            continue
        if each.result == "refused" or (each.result == "failed" and not may_be_down):
            unmade[each.call_id] = each.code or "never arrived"
        else:
            made.add(each.call_id)
    codes = Counter(code for call_id, code in unmade.items() if call_id not in made)
    offered = len(unmade.keys() | made)
    if codes.total() > MOST_UNMADE * offered:
        why = ", ".join(f"{count} times {code}" for code, count in codes.most_common(_NAMED_CODES))
        remedy = "; a sender has the wrong BUSYHOUR_CALL_TOKEN" if "401" in codes else ""
        yield f"{codes.total()} of {offered} offers made no call: {why}{remedy}"


def alarm_checks(history: HistoryJudgement, prefix: str = "") -> Iterator[Check]:
    """What the checker proved of a history, or that it proved nothing."""
    said = f"{history.operations} operations"
    if not history.alarms:
        yield Check(f"{prefix}history", "invariant", True, "no alarm", "no alarm", said)
    for alarm in history.alarms:
        name = f"{prefix}history.{alarm.kind}"
        yield Check(name, "invariant", False, "no alarm", "broken", _told(alarm))


def bound_checks(bounds: Sequence[Bound], prefix: str = "") -> Iterator[Check]:
    """The counters that were read against what the answers allow."""
    for bound in bounds:
        whose = "total" if bound.tenant is None else f"tenants.{bound.tenant}"
        allowed = Interval(bound.low, bound.high)
        ok = bound.observed in allowed
        detail = "" if ok else "outside what the answers allow"
        yield Check(
            f"{prefix}{whose}.{bound.name}", "oracle", ok, str(allowed), bound.observed, detail
        )


def law_checks(trace: CallTrace, outcome: RunOutcome, prefix: str = "") -> Iterator[Check]:
    """The laws between counters."""
    for found in check_counters(trace, outcome):
        held = "holds" if found.ok else "broken"
        name = f"{prefix}{found.name}"
        yield Check(name, "invariant", found.ok, found.formula, held, found.detail)


def bounds_by_row(
    parts: Sequence[Sequence[Bound]],
) -> dict[str | None, dict[str, Interval]]:
    """What histories allow of figures, added up, by tenant (None: the total) and name."""
    summed: dict[str | None, dict[str, Interval]] = {}
    for bounds in parts:
        for bound in bounds:
            row = summed.setdefault(bound.tenant, {})
            row[bound.name] = Interval(bound.low, bound.high) + row.get(bound.name, Interval(0, 0))
    return summed


def nearest_allowed(
    observed: RunOutcome, bounds: Mapping[str | None, Mapping[str, Interval]]
) -> RunOutcome:
    """What was observed, each counter moved to the nearest value that the answers allow."""

    def moved(tenant: str | None, row: Sequence[int]) -> tuple[int, ...]:
        allowed = bounds.get(tenant, {})
        return tuple(
            round(allowed[name].nearest(row[spec.counter]))
            if name in allowed
            else row[spec.counter]
            for name, spec in zip(COUNTER_NAMES, COUNTERS, strict=True)
        )

    return replace(
        observed,
        engine="history",
        total=moved(None, observed.total),
        tenants={name: moved(name, row) for name, row in observed.tenants.items()},
        checkpoints=(),
    )


def _told(alarm: Alarm) -> str:
    calls = ", ".join(alarm.calls[:_NAMED_CALLS])
    more = len(alarm.calls) - _NAMED_CALLS
    return alarm.message + (f"; calls {calls}" if calls else "") + (
        f" and {more} more" if more > 0 else ""
    )  # fmt: skip
