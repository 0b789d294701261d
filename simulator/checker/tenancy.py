"""Rejected as unknown though configured, or admitted though not."""

from collections.abc import Callable

import numpy as np

from simulator.checker.columns import Bools, Names
from simulator.checker.judgement import Alarm, Findings
from simulator.checker.limits import LimitsOverTime, TenantRanges
from simulator.checker.stretch import Evidence, in_order
from simulator.checker.windows import Effect, Windows
from simulator.history import Operation
from simulator.trace import Int64s


def judge_tenancy(
    windows: Windows,
    names: Names,
    limits: LimitsOverTime,
    changes: tuple[Operation, ...],
    evidence: Evidence,
    found: Findings,
) -> None:
    """Whether each decided offer fits what its tenant was, throughout the offer."""
    if not limits.tenants_known:
        found.note("the configured tenants are not known: rejections as unknown are not judged")
        return

    def surely_open(ranges: TenantRanges, low: Int64s, high: Int64s) -> Bools:
        found: Bools = ranges.open.least.least(low, high) > 0
        return found

    def surely_closed(ranges: TenantRanges, low: Int64s, high: Int64s) -> Bools:
        found: Bools = ranges.open.greatest.greatest(low, high) == 0
        return found

    checks: tuple[tuple[str, Effect, Callable[[TenantRanges, Int64s, Int64s], Bools], str], ...] = (
        (
            "rejected_as_unknown",
            windows.rejected_tenant,
            surely_open,
            "was rejected as not configured although its tenant {} was configured and enabled",
        ),
        (
            "admitted_unknown",
            windows.admitted,
            surely_closed,
            "was admitted although its tenant {} was not configured or disabled",
        ),
        (
            "wrong_reason",
            windows.rejected_capacity,
            surely_closed,
            "was rejected for capacity although its tenant {} was not configured or disabled",
        ),
    )
    for number, tenant in enumerate(names.tenants):
        ranges = limits.of_tenant(tenant)
        assert ranges is not None
        own = names.tenant_of == number
        for kind, effect, contradicts, words in checks:
            calls = np.flatnonzero(own & effect.sure)
            low, high = effect.low_us[calls], effect.high_us[calls]
            wrong = calls[contradicts(ranges, low, high)]
            if not len(wrong):
                continue
            first = int(wrong[np.argmin(effect.high_us[wrong])])
            until = int(effect.high_us[first])
            shown = [change for change in changes if change.invoke_us <= until]
            more = f" ({len(wrong) - 1} more like it)" if len(wrong) > 1 else ""
            found.alarms.append(
                Alarm(
                    kind,
                    f"{names.calls[first]} {words.format(tenant)} throughout{more}",
                    tuple(names.calls[call] for call in wrong.tolist()),
                    in_order([*evidence.of_calls([first], until), *shown]),
                )
            )
