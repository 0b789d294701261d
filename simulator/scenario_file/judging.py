"""``expect`` and ``thresholds`` of a scenario file: their grammar, and what they become."""

import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from service.calls import COUNTER_NAMES, MINUTES_PROCESSED, UNKNOWN_TENANT
from simulator.scenario import Expectation, Threshold
from simulator.scenario_file.fields import shown
from simulator.scenario_file.model import Expect, Range
from simulator.scenario_file.problems import Path, Report, did_you_mean, one_of
from simulator.statistics import Statistics, TenantStatistics

EXPECTABLE: Final = (*COUNTER_NAMES, MINUTES_PROCESSED)

TENANT_STATISTIC_NAMES: Final = tuple(field.name for field in fields(TenantStatistics))
STATISTIC_NAMES: Final = tuple(
    field.name for field in fields(Statistics) if field.name != "tenants"
)
LATENCY_NAMES: Final = tuple(
    f"{operation}_latency_{figure}_ms"
    for operation in ("offer", "accept", "start", "refer", "end")
    for figure in ("p50", "p95", "p99", "max")
)
"""Figures of runs in wall-clock time alone: from when an event was due to its answer."""

_NUMBER: Final = r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?"
THRESHOLD_PATTERN: Final = rf"^ *value *(<=|>=|==|!=|<|>) *{_NUMBER} *$"
_THRESHOLD: Final = re.compile(
    rf" *value *(?P<operator><=|>=|==|!=|<|>) *(?P<value>{_NUMBER}) *", re.ASCII
)
_SELECTOR: Final = re.compile(r"(?P<name>[^{]*)\{tenant:(?P<tenant>.+)\}", re.DOTALL)
_Group = tuple[Path, str | None, Mapping[str, float | Range]]


def expectations(
    expect: Expect, configured: Mapping[str, bool], report: Report
) -> tuple[Expectation, ...]:
    """The expected counters. ``configured`` says of each tenant of the file whether it is."""
    found = []
    groups: list[_Group] = [(("expect", "total"), None, expect.total)]
    for tenant_id, figures in expect.tenants.items():
        here: Path = ("expect", "tenants", tenant_id)
        _check_tenant(tenant_id, configured, here, report)
        groups.append((here, tenant_id, figures))
    for path, tenant, counters in groups:
        for counter, value in counters.items():
            here = (*path, counter)
            if counter not in EXPECTABLE:
                report(here, _not_known(counter, "a counter", EXPECTABLE), at_key=True)
                continue
            low, high = (value.min, value.max) if isinstance(value, Range) else (value, value)
            _check_range(counter, low, high, isinstance(value, Range), here, report)
            found.append(Expectation(counter, low, high, tenant))
    return tuple(found)


def thresholds(
    written: Mapping[str, list[str]], configured: Mapping[str, bool], report: Report
) -> tuple[Threshold, ...]:
    """The thresholds, in file order."""
    found = []
    for key, texts in written.items():
        path: Path = ("thresholds", key)
        name, tenant = key, None
        known: tuple[str, ...] = (*STATISTIC_NAMES, *LATENCY_NAMES)
        if selector := _SELECTOR.fullmatch(key):
            name, tenant = selector["name"], selector["tenant"]
            known = TENANT_STATISTIC_NAMES
            _check_tenant(tenant, configured, path, report)
        if name not in known:
            report(path, _not_known(name, "a statistic", known), at_key=True)
        for place, text in enumerate(texts):
            match = _THRESHOLD.fullmatch(text)
            if match is None:
                report(
                    (*path, place),
                    f"{shown(text)} is not a threshold; write it like value<0.01 "
                    "(with <, <=, >, >=, == or !=)",
                )
                continue
            value = float(match["value"])
            if not math.isfinite(value):
                report((*path, place), f"{match['value']} is too large for a threshold")
                continue
            found.append(Threshold(name, match["operator"], value, text.strip(), tenant))
    return tuple(found)


def _check_tenant(tenant: str, configured: Mapping[str, bool], path: Path, report: Report) -> None:
    if tenant == UNKNOWN_TENANT:
        return
    if tenant not in configured:
        report(
            path,
            f"names a tenant the scenario does not have{did_you_mean(tenant, configured)}",
            at_key=True,
        )
    elif not configured[tenant]:
        report(
            path,
            f"{tenant!r} is not configured, so it has no row; its offers count in {UNKNOWN_TENANT}",
            at_key=True,
        )


def _check_range(
    counter: str,
    low: float | None,
    high: float | None,
    is_range: bool,
    path: Path,
    report: Report,
) -> None:
    if low is None and high is None:
        report(path, "needs min, max or both")
    if low is not None and high is not None and low > high:
        report(path, f"min {low:g} is above max {high:g}, so nothing can fulfil it")
    if counter == MINUTES_PROCESSED:
        return
    for name, bound in (("min", low), ("max", high)):
        if bound is not None and not float(bound).is_integer():
            here = (*path, name) if is_range else path
            report(here, f"{counter} counts whole calls; {bound} is not a whole number")
            if not is_range:
                return


def _not_known(word: str, what: str, known: tuple[str, ...]) -> str:
    return f"{word!r} is not {what}{did_you_mean(word, known)} (known: {one_of(known)})"
