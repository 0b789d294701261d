"""Rejected as unknown though configured, or admitted though not."""

from collections.abc import Callable

import numpy as np

from simulator.checker.columns import Bools, Names
from simulator.checker.judgement import Claim, Findings, more_like_it
from simulator.checker.limits import LimitsOverTime, TenantRanges
from simulator.checker.stretch import Evidence
from simulator.checker.windows import Effect, Windows, first_over
from simulator.trace import Int64s


def judge_tenancy(
    windows: Windows,
    names: Names,
    limits: LimitsOverTime,
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
            first = first_over(effect, wrong, names)
            claim = Claim(
                kind,
                f"{names.calls[first]} {words.format(tenant)} throughout",
                tuple(names.calls[call] for call in wrong.tolist()),
                evidence.of(np.array([first])),
                more_like_it(len(wrong)),
            )
            found.claims.append(claim)
