"""The analytic answer beside a simulated one, and in words why the two differ."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from simulator.analytics.loss import erlang_b, servers_for_blocking
from simulator.conditions import SharingPolicy
from simulator.scenario import (
    Batch,
    ExactCount,
    FiniteSource,
    FlashCrowd,
    Mmpp,
    Poisson,
    RateProfile,
    Regular,
    Renewal,
    Scenario,
    Sinusoid,
    Tenant,
    TraceArrivals,
)
from simulator.traffic.samplers import cv, mean_us

_SETTLED_AFTER_LIVES = 5


@dataclass(frozen=True, slots=True)
class Formula:
    """What Erlang B says of ``offered_erlangs``.

    ``applies`` when its assumptions hold; else ``reasons`` says what it does not know of, one
    sentence each. ``is_measured``: the offered traffic was measured where there is always room,
    because no product of rate and mean gives it.
    """

    offered_erlangs: float
    is_measured: bool
    servers: int | None
    blocking_at_answer: float
    applies: bool
    reasons: tuple[str, ...]


def formula_for(
    scenario: Scenario, measured_erlangs: float, blocking: float, answer: int
) -> Formula:
    """Erlang B for a target of ``blocking``, and at the limit ``answer``.

    ``measured_erlangs`` is used where the traffic is not rate times mean time in a slot.
    """
    exact = exact_erlangs(scenario)
    offered = measured_erlangs if exact is None else exact
    reasons = tuple(_reasons(scenario))
    try:
        servers: int | None = servers_for_blocking(offered, blocking)
    except ValueError:
        servers = None
    return Formula(
        offered_erlangs=offered,
        is_measured=exact is None,
        servers=servers,
        blocking_at_answer=erlang_b(offered, answer),
        applies=not reasons,
        reasons=reasons,
    )


def exact_erlangs(scenario: Scenario) -> float | None:
    """Sum of rate times mean time in a slot; None when some tenant's is not known like that."""
    total = 0.0
    deadlines = scenario.deadlines
    any_deadline = (deadlines.pending_us, deadlines.accepted_us, deadlines.active_us) != (
        None,
        None,
        None,
    )
    if any_deadline or scenario.instruction_faults or scenario.delivery_faults:
        return None
    for tenant in callers_of(scenario):
        whole = tenant.patience is None and (tenant.instructions or tenant.fallback)
        if not (isinstance(tenant.arrivals, Poisson) and whole):
            return None
        mean = mean_us(tenant.setup) + mean_us(tenant.connect) + mean_us(tenant.hold)
        total += tenant.arrivals.rate_per_us * mean
    return total


def callers_of(scenario: Scenario) -> list[Tenant]:
    """The tenants whose calls may ask for a slot."""
    return [tenant for tenant in scenario.tenants if tenant.configured and tenant.enabled]


def _reasons(scenario: Scenario) -> Iterator[str]:
    """What Erlang B does not know of."""
    yield from _arrival_reasons(scenario)
    yield from redial_reasons(scenario)
    yield from own_limit_reasons(scenario)
    yield from _change_reasons(scenario)
    yield from _filling_reasons(scenario)


def other_reasons(scenario: Scenario) -> Iterator[str]:
    """What the formula for caps and guaranteed minima does not know of, of Poisson traffic."""
    yield from redial_reasons(scenario)
    yield from _change_reasons(scenario)
    yield from _filling_reasons(scenario)


def redial_reasons(scenario: Scenario) -> Iterator[str]:
    """Calls that come of calls turned away."""
    if names := _those(scenario, lambda tenant: tenant.redial is not None):
        yield f"rejected callers try again ({names}): they come back while it is still full"


def own_limit_reasons(scenario: Scenario) -> Iterator[str]:
    """Slots that are not everybody's."""
    if names := _those(scenario, lambda tenant: tenant.max_concurrent_calls is not None):
        yield f"limits of their own ({names}) turn calls away while there is room in the whole"
    if names := _those(scenario, lambda tenant: tenant.reserved_calls > 0):
        yield f"slots kept for some ({names}) stand empty while others are turned away"
    if scenario.policy is SharingPolicy.TRUNK_RESERVATION:
        yield "trunk reservation turns some away while a few slots are free"
    if scenario.policy is SharingPolicy.PRIORITY:
        yield "important calls end others where it is full, and take their slots"


def _those(scenario: Scenario, test: Callable[[Tenant], bool]) -> str:
    return _names(tenant.tenant_id for tenant in callers_of(scenario) if test(tenant))


def _change_reasons(scenario: Scenario) -> Iterator[str]:
    if scenario.changes:
        yield "limits or tenants change during the run"
    if scenario.instruction_faults:
        yield "failing lookups shorten calls for a part of the run"
    if scenario.delivery_faults:
        yield "events that are lost or late free slots late or never"


def _filling_reasons(scenario: Scenario) -> Iterator[str]:
    lives = [
        mean_us(tenant.setup) + mean_us(tenant.connect) + mean_us(tenant.hold)
        for tenant in callers_of(scenario)
    ]
    if lives and scenario.warm_up_us < _SETTLED_AFTER_LIVES * max(lives):
        yield (
            "the run starts empty and fills up for several mean calls, of which the warm-up cuts "
            "off less than five"
        )


def _arrival_reasons(scenario: Scenario) -> Iterator[str]:
    by_kind: dict[str, list[str]] = {}
    for tenant in callers_of(scenario):
        kind = _kind_of(tenant)
        if kind:
            by_kind.setdefault(kind, []).append(tenant.tenant_id)
    for kind, names in by_kind.items():
        yield f"{kind} ({_names(names)})"


def _kind_of(tenant: Tenant) -> str:
    match tenant.arrivals:
        case RateProfile() | Sinusoid() | FlashCrowd():
            return (
                "the rate varies over the run: calls are lost in the busiest part, which an "
                "average load hides"
            )
        case Mmpp() | Batch():
            return (
                "calls come in bursts (peaked traffic), which lose more than the same load evenly"
            )
        case Renewal(gap=gap) if cv(gap) > 1:
            return "gaps vary more than those of Poisson calls (peaked traffic)"
        case Renewal(gap=gap) if cv(gap) < 1:
            return "gaps vary less than those of Poisson calls (smooth traffic), so fewer are lost"
        case Regular():
            return "calls come at equal distances (smooth traffic), so fewer are lost"
        case FiniteSource():
            return "few callers: those in a call do not call, so the load falls where it is full"
        case ExactCount():
            return "the number of calls is fixed, so no run is busier than another"
        case TraceArrivals():
            return "calls come as the log has them, not at random"
        case _:
            return ""


def _names(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    listed = list(names)
    shown = ", ".join(listed[:4])
    return f"{shown} and {len(listed) - 4} more" if len(listed) > 4 else shown
