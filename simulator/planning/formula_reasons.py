"""What a formula does not know of in a scenario, each as the end of a sentence that names whom."""

from collections.abc import Callable, Iterable, Iterator

from simulator.conditions import SharingPolicy
from simulator.planning.offered import callers_of, has_deadlines, mean_slot_us
from simulator.scenario import (
    Batch,
    ExactCount,
    FiniteSource,
    FlashCrowd,
    Mmpp,
    RateProfile,
    Regular,
    Renewal,
    Scenario,
    Sinusoid,
    Tenant,
    TraceArrivals,
)
from simulator.traffic.samplers import cv

_SETTLED_AFTER_LIVES = 5


def arrival_reasons(scenario: Scenario) -> Iterator[str]:
    """Calls that are not Poisson at a constant rate."""
    by_kind: dict[str, list[str]] = {}
    for tenant in callers_of(scenario):
        if kind := _kind_of(tenant):
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


def crowd_reasons(scenario: Scenario) -> Iterator[str]:
    """Load that jumps, for a formula that follows the load an endless group would have."""
    if names := _those(scenario, lambda tenant: isinstance(tenant.arrivals, FlashCrowd)):
        yield (
            f"a flash crowd ({names}): the load that is followed counts calls a full group never "
            "took, so it says too little while the crowd comes and too much after it has gone"
        )


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


def change_reasons(scenario: Scenario) -> Iterator[str]:
    """What is otherwise for a part of the run."""
    if scenario.changes:
        yield "limits or tenants change during the run"
    if scenario.instruction_faults:
        yield "failing lookups shorten calls for a part of the run"
    if scenario.delivery_faults:
        yield "events that are lost or late free slots late or never"


def shortened_reasons(scenario: Scenario) -> Iterator[str]:
    """Calls that end before they would, for a formula that goes by their whole length."""
    if names := _those(scenario, lambda tenant: tenant.patience is not None):
        yield f"some callers hang up before they are connected ({names})"
    if has_deadlines(scenario):
        yield "deadlines end calls that last too long"


def filling_reasons(scenario: Scenario) -> Iterator[str]:
    """A start that is not like the rest, for a formula of a settled group."""
    lives = [mean_slot_us(tenant) for tenant in callers_of(scenario)]
    if lives and scenario.warm_up_us < _SETTLED_AFTER_LIVES * max(lives):
        yield (
            "the run starts empty and fills up for several mean calls, of which the warm-up cuts "
            "off less than five"
        )


def _those(scenario: Scenario, test: Callable[[Tenant], bool]) -> str:
    return _names(tenant.tenant_id for tenant in callers_of(scenario) if test(tenant))


def _names(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    listed = list(names)
    shown = ", ".join(listed[:4])
    return f"{shown} and {len(listed) - 4} more" if len(listed) > 4 else shown
