"""Calls given one by one: read from a scenario file, and written into one that repeats a trace."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from service.calls import Event, Lookup, Outcome
from simulator import scenario
from simulator.conditions import UNLIMITED, SharingPolicy
from simulator.scenario_file import model
from simulator.scenario_file.problems import Path, Report, did_you_mean
from simulator.scenario_file.units import format_duration
from simulator.trace import NEVER, AfterOn, CallTrace, Conditions, DeliveryAction, LimitsChange

EVENTS: Final = {
    "offer": Event.OFFER,
    "accept": Event.ACCEPT,
    "start": Event.START,
    "refer": Event.REFER,
    "end": Event.END,
    "hang_up": Event.HANGUP,
}
_EVENT_NAMES: Final = {event: name for name, event in EVENTS.items()}
_ACTIONS: Final = {
    "lost": DeliveryAction.LOST,
    "late": DeliveryAction.LATE,
    "doubled": DeliveryAction.DOUBLED,
}
_ACTION_NAMES: Final = {action: name for name, action in _ACTIONS.items()}
_AFTER_ON: Final = {"rejected": AfterOn.REJECTED, "finished": AfterOn.FINISHED}
_AFTER_ON_NAMES: Final = {after_on: name for name, after_on in _AFTER_ON.items()}
_END_NAMES: Final = tuple(Outcome)
_FAULT_KINDS: Final = {
    Lookup.ERROR: "instructions_error",
    Lookup.MISSING: "instructions_missing",
}


def given_calls(
    shape: model.ScenarioShape, report: Report
) -> tuple[scenario.GivenCall, ...] | None:
    """The calls of the file, or None where it has none; what is wrong with them is reported."""
    if shape.calls is None:
        return None
    if any(isinstance(fault, model.DeliveryFault) for fault in shape.faults):
        report(("faults",), "deliveries of given calls are written beside each call")
    latest = 0
    for place, call in enumerate(shape.calls):
        path: Path = ("calls", place)
        if call.tenant not in shape.tenants:
            message = f"there is no such tenant{did_you_mean(call.tenant, list(shape.tenants))}"
            report((*path, "tenant"), message)
        if call.at is None:
            _check_dependent(call, place, path, report)
            continue
        for name in ("after", "after_on", "delay"):
            if getattr(call, name) is not None:
                report((*path, name), "has no effect: the call is offered at a given instant")
        if call.at >= shape.duration:
            report((*path, "at"), f"must be before the end, {format_duration(shape.duration)}")
        if call.at < latest:
            report((*path, "at"), "must not be before the call above it")
        latest = max(latest, call.at)
    return tuple(_given(call) for call in shape.calls)


def _check_dependent(call: model.CallShape, place: int, path: Path, report: Report) -> None:
    if call.after is None or call.after_on is None or call.delay is None:
        report(path, "needs either at, or after, after_on and delay")
    elif call.after >= place:
        report((*path, "after"), f"must be the place of a call above, 0 to {place - 1}")


def _given(call: model.CallShape) -> scenario.GivenCall:
    return scenario.GivenCall(
        tenant_id=call.tenant,
        offer_us=call.at,
        setup_us=call.setup,
        connect_us=call.connect,
        hold_us=call.hold,
        outcome=Outcome(call.outcome),
        refer_us=call.refer,
        patience_us=call.patience,
        lookup_draw=call.lookup_draw,
        after=call.after,
        after_on=AfterOn.NONE if call.after_on is None else _AFTER_ON[call.after_on],
        delay_us=call.delay or 0,
        attempt=call.attempt,
        deliveries=tuple(
            scenario.GivenDelivery(EVENTS[each.event], _ACTIONS[each.action], each.delay)
            for each in call.deliveries
        ),
    )


# --- writing --------------------------------------------------------------------------------


def scenario_text(trace: CallTrace, name: str, description: str) -> str:
    """A scenario file whose trace is ``trace``, call for call.

    YAML with JSON values. The total limit must be 1 or more, which is the grammar's own rule.
    """
    conditions = trace.conditions
    document: dict[str, Any] = {
        "version": 1,
        "name": name,
        "description": description,
        "duration": format_duration(conditions.duration_us),
        "warm_up": format_duration(conditions.warm_up_us),
        "drain": conditions.drain,
        "capacity": _capacity(conditions),
    }
    lines = [f"{key}: {_inline(value)}" for key, value in document.items()]
    lines.append("tenants:")
    lines += [
        f"  {_inline(tenant_id)}: {_inline(each)}" for tenant_id, each in _tenants(conditions)
    ]
    if conditions.checkpoints_us:
        lines.append(
            f"checkpoints: {_inline([format_duration(t) for t in conditions.checkpoints_us])}"
        )
    if conditions.lookup_faults:
        lines.append("faults:")
        lines += [f"  - {_inline(each)}" for each in _faults(conditions)]
    lines.append("calls:")
    lines += [f"  - {_inline(each)}" for each in _calls(trace)]
    return "\n".join(lines) + "\n"


def _inline(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def _capacity(conditions: Conditions) -> dict[str, Any]:
    capacity: dict[str, Any] = {"max_concurrent_calls": conditions.max_concurrent_calls}
    is_shared = conditions.policy == SharingPolicy.SHARED
    if not is_shared:
        capacity["policy"] = str(conditions.policy)
    deadlines = {
        name: format_duration(value)
        for name, value in (
            ("pending", conditions.pending_deadline_us),
            ("accepted", conditions.accepted_deadline_us),
            ("active", conditions.active_deadline_us),
        )
        if value is not None
    }
    if deadlines:
        capacity["deadlines"] = deadlines
    if conditions.changes:
        names = ("max_concurrent_calls", *(["reserved_calls"] if is_shared else []), "enabled")
        capacity["changes"] = [_change(change, names) for change in conditions.changes]
    return capacity


def _change(change: LimitsChange, names: Sequence[str]) -> dict[str, Any]:
    written: dict[str, Any] = {"at": format_duration(change.at_us)}
    if change.max_concurrent_calls is not None:
        written["max_concurrent_calls"] = change.max_concurrent_calls
    if change.tenants:
        written["tenants"] = {
            tenant_id: {
                name: value for name in names if (value := getattr(values, name)) is not None
            }
            for tenant_id, values in change.tenants.items()
        }
    return written


def _tenants(conditions: Conditions) -> Iterator[tuple[str, dict[str, Any]]]:
    for tenant in conditions.tenants:
        share: dict[str, Any] = {"reserved_calls": tenant.reserved_calls}
        if conditions.policy == SharingPolicy.TRUNK_RESERVATION:
            share = {"leave_free": tenant.leave_free}
        elif conditions.policy == SharingPolicy.PRIORITY:
            # Without a number it is the least important.
            share = {"priority": tenant.priority} if tenant.priority else {}
        cap = tenant.max_concurrent_calls
        yield (
            tenant.tenant_id,
            {
                "configured": tenant.configured,
                "enabled": tenant.enabled,
                "max_concurrent_calls": UNLIMITED if cap is None else cap,
                **share,
                "instructions": tenant.instructions,
                "fallback": tenant.fallback,
            },
        )


def _faults(conditions: Conditions) -> Iterator[dict[str, Any]]:
    for fault in conditions.lookup_faults:
        written: dict[str, Any] = {
            "kind": _FAULT_KINDS[fault.result],
            "from": format_duration(fault.from_us),
            "until": format_duration(fault.until_us),
            # A span is a whole number of 2**-32, so the decimal fraction is exact.
            "probability": fault.span / 2**32,
        }
        if fault.tenants is not None:
            written["tenants"] = list(fault.tenants)
        yield written


def _calls(trace: CallTrace) -> Iterator[dict[str, Any]]:
    deliveries: dict[int, list[dict[str, Any]]] = {}
    found = trace.deliveries
    for row, event, action, delay_us in zip(
        found.call.tolist(),
        found.event.tolist(),
        found.action.tolist(),
        found.delay_us.tolist(),
        strict=True,
    ):
        written = {
            "event": _EVENT_NAMES[Event(event)],
            "action": _ACTION_NAMES[DeliveryAction(action)],
            "delay": format_duration(delay_us),
        }
        deliveries.setdefault(row, []).append(written)
    for row in range(len(trace)):
        call: dict[str, Any] = {"tenant": _tenant_of(trace, row)}
        if (after := _value(trace, "after", row)) == NEVER:
            call["at"] = format_duration(_value(trace, "offer_us", row))
        else:
            call["after"] = after
            call["after_on"] = _AFTER_ON_NAMES[AfterOn(_value(trace, "after_on", row))]
            call["delay"] = format_duration(_value(trace, "delay_us", row))
        for name in ("setup", "connect", "hold", "refer", "patience"):
            if (value := _value(trace, f"{name}_us", row)) != NEVER:
                call[name] = format_duration(value)
        call["outcome"] = _END_NAMES[_value(trace, "end_kind", row)].value
        for name in ("lookup_draw", "attempt"):
            if value := _value(trace, name, row):
                call[name] = value
        if row in deliveries:
            call["deliveries"] = deliveries[row]
        yield call


def _value(trace: CallTrace, name: str, row: int) -> int:
    return int(trace.column(name)[row])


def _tenant_of(trace: CallTrace, row: int) -> str:
    return trace.conditions.tenants[_value(trace, "tenant", row)].tenant_id
