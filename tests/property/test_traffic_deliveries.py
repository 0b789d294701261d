"""Deliveries drawn from delivery faults, against a plain reading of each row's life."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls import Event
from simulator.scenario import (
    DeliveryFault,
    Deterministic,
    Empirical,
    Exponential,
    Outcomes,
    Poisson,
    Redial,
    Scenario,
    Tenant,
)
from simulator.trace import NEVER, CallTrace, DeliveryAction, TraceInvalid
from simulator.traffic import build_trace

MINUTE = 60_000_000


def scenario_of(*faults: DeliveryFault, seed: int = 1) -> Scenario:
    """Calls of which some hang up before the answer, some after it, and some are referred."""
    patient = Tenant(
        "a",
        Poisson(3e-6),
        Empirical((0.0, 5e6)),
        setup=Exponential(2e6),
        connect=Empirical((0.0, 1e6)),
        patience=Exponential(2e6),
        outcomes=Outcomes(referred=0.5, referred_at=0.5),
        redial=Redial(0.5, Exponential(1e6), 3),
    )
    endless = Tenant("b", Poisson(1e-6), Deterministic(4.0), outcomes=Outcomes(referred=0.5))
    return Scenario("faulty", "", seed, MINUTE, 10, (patient, endless), delivery_faults=faults)


def due_instants(trace: CallTrace, row: int) -> list[tuple[Event, int]]:
    """A row's events in order with when each is due after its offer."""
    setup, connect, hold, refer, patience = (
        int(trace.column(name)[row])
        for name in ("setup_us", "connect_us", "hold_us", "refer_us", "patience_us")
    )
    answer = setup + connect
    due = [(Event.OFFER, 0)]
    if patience != NEVER and patience < answer:
        if setup <= patience:
            due.append((Event.ACCEPT, setup))
        return [*due, (Event.HANGUP, patience)]
    due += [(Event.ACCEPT, setup), (Event.START, answer)]
    if refer != NEVER:
        due.append((Event.REFER, answer + refer))
    return [*due, (Event.END, answer + hold)]


def found_in(trace: CallTrace) -> dict[tuple[int, Event], tuple[DeliveryAction, int]]:
    found = trace.deliveries
    columns = (found.call.tolist(), found.event.tolist(), found.action.tolist())
    return {
        (call, Event(event)): (DeliveryAction(action), delay)
        for call, event, action, delay in zip(*columns, found.delay_us.tolist(), strict=True)
    }


plain_faults = st.builds(
    DeliveryFault,
    st.sampled_from([Event.ACCEPT, Event.START, Event.REFER, Event.END, Event.HANGUP]),
    st.sampled_from(DeliveryAction),
    st.sampled_from([0.0, 0.4, 1.0]),
    delay_us=st.sampled_from([0, 7]),
    reordered=st.booleans(),
    tenants=st.sampled_from([None, ("a",), ("b", "a")]),
)


@settings(max_examples=40, deadline=None)
@given(faults=st.lists(plain_faults, max_size=4))
def test_deliveries_only_touch_due_events_as_one_listed_fault_says(
    faults: list[DeliveryFault],
) -> None:
    trace = build_trace(scenario_of(*faults))
    tenants = trace.column("tenant")
    for (row, event), (action, delay) in found_in(trace).items():
        due = due_instants(trace, row)
        place = [each for each, _ in due].index(event)
        offered_by = "ab"[tenants[row]]
        allowed = set()
        for fault in faults:
            if fault.event != event or not (fault.tenants is None or offered_by in fault.tenants):
                continue
            if fault.reordered:
                if place + 1 < len(due):
                    allowed.add((DeliveryAction.LATE, due[place + 1][1] - due[place][1] + 1))
            else:
                lost = fault.action == DeliveryAction.LOST
                allowed.add((fault.action, 0 if lost else fault.delay_us))
        assert (action, delay) in allowed


@pytest.mark.parametrize("event", [Event.ACCEPT, Event.START, Event.REFER, Event.END, Event.HANGUP])
@pytest.mark.parametrize("reordered", [False, True])
def test_a_certain_fault_hits_every_due_event(event: Event, reordered: bool) -> None:
    fault = DeliveryFault(event, DeliveryAction.LATE, 1.0, delay_us=9, reordered=reordered)
    trace = build_trace(scenario_of(fault))
    expected = {}
    for row in range(len(trace)):
        due = dict(due_instants(trace, row))
        later = [at for each, at in due.items() if each > event]
        if event in due and not reordered:
            expected[row, event] = (DeliveryAction.LATE, 9)
        elif event in due and later:
            expected[row, event] = (DeliveryAction.LATE, min(later) - due[event] + 1)
    assert found_in(trace) == expected
    assert expected or (reordered and event in (Event.END, Event.HANGUP))


def test_the_first_listed_fault_that_fires_wins() -> None:
    lost = DeliveryFault(Event.END, DeliveryAction.LOST, 0.5)
    late = DeliveryFault(Event.END, DeliveryAction.LATE, 1.0, delay_us=3)
    both = found_in(build_trace(scenario_of(lost, late)))
    only_lost = found_in(build_trace(scenario_of(lost)))
    only_late = found_in(build_trace(scenario_of(late)))
    assert 0 < len(only_lost) < len(only_late)
    assert both == only_late | only_lost


def test_a_fault_added_behind_leaves_the_others_as_they_were() -> None:
    doubled = DeliveryFault(Event.OFFER, DeliveryAction.DOUBLED, 0.5, delay_us=3)
    lost = DeliveryFault(Event.END, DeliveryAction.LOST, 0.5)
    alone = found_in(build_trace(scenario_of(doubled)))
    joined = found_in(build_trace(scenario_of(doubled, lost)))
    assert alone == {key: value for key, value in joined.items() if key[1] == Event.OFFER}


def test_redialled_calls_have_deliveries_too() -> None:
    trace = build_trace(scenario_of(DeliveryFault(Event.OFFER, DeliveryAction.DOUBLED, 0.5)))
    hit = trace.column("attempt")[trace.deliveries.call]
    redials = int((trace.column("attempt") > 0).sum())
    share = np.count_nonzero(hit) / redials
    assert share == pytest.approx(0.5, abs=4.5 * 0.5 / redials**0.5)


def test_only_doubling_makes_sense_of_an_offer() -> None:
    lost = DeliveryFault(Event.OFFER, DeliveryAction.LOST, 1.0)
    with pytest.raises(TraceInvalid, match="an offer can only be doubled"):
        build_trace(replace(scenario_of(), delivery_faults=(lost,)))
