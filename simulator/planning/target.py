"""What a plan is to reach: ``blocking<0.01``, in the grammar of a scenario's thresholds."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from simulator.scenario_file.judging import THRESHOLD_PATTERN
from simulator.scenario_file.problems import did_you_mean, one_of
from simulator.statistics import WindowSums

BLOCKING: Final = "blocking"
TIME_CONGESTION: Final = "time_congestion"
WORST_INTERVAL: Final = "worst_interval_blocking"
TARGET_STATISTICS: Final = (
    BLOCKING,
    "first_attempt_blocking",
    "eventual_loss",
    TIME_CONGESTION,
    WORST_INTERVAL,
)
"""What a larger limit lowers."""

_TARGET: Final = re.compile(
    r"\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*(\{\s*tenant\s*:\s*(?P<tenant>[^}]+?)\s*\})?"
    r"\s*(?P<rest>(?:value\s*)?[<>=!].*)",
    re.DOTALL,
)


class TargetInvalid(ValueError):
    """A target, or an option beside it, that no plan can aim at; the message says what would be."""


@dataclass(frozen=True, slots=True)
class Target:
    """``statistic`` of all calls, or of one tenant, at most (or below) ``value``."""

    statistic: str
    value: float
    is_strict: bool
    tenant: str | None = None

    def __str__(self) -> str:
        tenant = "" if self.tenant is None else f"{{tenant:{self.tenant}}}"
        return f"{self.statistic}{tenant}{'<' if self.is_strict else '<='}{self.value:g}"

    def met_by(self, value: float) -> bool:
        """Whether a value is within the target."""
        return value < self.value if self.is_strict else value <= self.value


def parse_target(text: str, tenants: Collection[str], *, has_interval: bool) -> Target:
    """The target of ``--target``.

    ``tenants`` are those configured; ``has_interval`` whether a clock interval is given, which
    ``worst_interval_blocking`` needs. Raises :class:`TargetInvalid`.
    """
    match = _TARGET.fullmatch(text)
    if match is None:
        raise TargetInvalid(f"{text!r} is not a target; write it like blocking<0.01 or blocking<1%")
    name, tenant = match["name"], match["tenant"]
    if name not in TARGET_STATISTICS:
        raise TargetInvalid(
            f"{name!r} is not a statistic to plan for{did_you_mean(name, TARGET_STATISTICS)} "
            f"(known: {one_of(TARGET_STATISTICS)})"
        )
    if tenant is not None:
        if name not in (BLOCKING, WORST_INTERVAL):
            raise TargetInvalid(
                f"{name} is known of all calls only; of one tenant there are {BLOCKING} and "
                f"{WORST_INTERVAL}"
            )
        if tenant not in tenants:
            raise TargetInvalid(
                f"the scenario has no configured tenant {tenant!r}{did_you_mean(tenant, tenants)}"
            )
    if name == WORST_INTERVAL and not has_interval:
        raise TargetInvalid(f"{WORST_INTERVAL} needs --worst-interval, like --worst-interval 15m")
    operator, value = _bound(text, match["rest"])
    return Target(name, value, operator == "<", tenant)


def _bound(text: str, rest: str) -> tuple[str, float]:
    rest = rest.removeprefix("value").strip()
    is_percent = rest.endswith("%")
    rest = rest.removesuffix("%").rstrip()
    if not re.fullmatch(THRESHOLD_PATTERN, f"value{rest}", re.ASCII):
        raise TargetInvalid(
            f"{text!r} has no number to compare with; write it like blocking<0.01 or blocking<1%"
        )
    operator = rest[:2] if rest[1] == "=" else rest[:1]
    if operator not in ("<", "<="):
        raise TargetInvalid(
            f"{text!r}: more slots lower the statistic, so a target is an upper bound; use < or <="
        )
    number = Decimal(rest[len(operator) :].strip())
    value = float(number / 100 if is_percent else number)
    if not 0 < value < 1:
        raise TargetInvalid(
            f"{text!r}: the bound is a share and must lie between 0 and 1, or between 0% and 100%"
        )
    return operator, value


def of_total(statistic: str, sums: WindowSums) -> tuple[int, int]:
    """Part and whole of a statistic of all calls, as :mod:`simulator.statistics` divides them."""
    if statistic == TIME_CONGESTION:
        return sums.congested_us, sums.window_us
    first = sums.first_attempts - sums.first_rejected_tenant
    if statistic == "first_attempt_blocking":
        return sums.first_rejected_capacity, first
    if statistic == "eventual_loss":
        return sums.eventually_lost, first
    return sums.total.rejected_capacity, sums.total.offered - sums.total.rejected_tenant
