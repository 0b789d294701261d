"""What of a scenario its trace is played against."""

from service.calls import Lookup
from simulator.scenario import (
    Deadlines,
    Deterministic,
    InstructionFault,
    Poisson,
    Scenario,
    Tenant,
)
from simulator.trace import Conditions, LimitsChange, LookupFault, TraceTenant
from simulator.traffic import build_trace, conditions_of


def test_every_condition_comes_from_the_scenario() -> None:
    changes = (LimitsChange(7, 9),)
    tenants = (
        Tenant(
            "a",
            Poisson(0.0),
            Deterministic(1.0),
            configured=False,
            enabled=False,
            max_concurrent_calls=4,
            reserved_calls=3,
            instructions=False,
            fallback=True,
        ),
        Tenant("b", Poisson(0.0), Deterministic(1.0)),
    )
    scenario = Scenario(
        "all",
        "every field differs from its default",
        1,
        100,
        10,
        tenants,
        warm_up_us=20,
        drain=False,
        deadlines=Deadlines(1, 2, 3),
        changes=changes,
        checkpoints_us=(5, 6),
        instruction_faults=(
            InstructionFault(Lookup.MISSING, 30, 40, 0.25, ("a",)),
            InstructionFault(Lookup.ERROR, 50, 60),
        ),
    )
    expected = Conditions(
        duration_us=100,
        max_concurrent_calls=10,
        tenants=(
            TraceTenant("a", False, False, 4, 3, False, True),
            TraceTenant("b", True, True, None, 0, True, False),
        ),
        warm_up_us=20,
        drain=False,
        pending_deadline_us=1,
        accepted_deadline_us=2,
        active_deadline_us=3,
        changes=changes,
        checkpoints_us=(5, 6),
        lookup_faults=(
            LookupFault(Lookup.MISSING, 30, 40, 2**30, ("a",)),
            LookupFault(Lookup.ERROR, 50, 60, 2**32, None),
        ),
    )
    assert conditions_of(scenario) == expected
    trace = build_trace(scenario)
    assert trace.conditions == expected
    assert len(trace) == 0
