"""What the keys of a scenario say together: limits over time, windows, names, probabilities."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.calls import UNKNOWN_TENANT
from simulator.conditions import CALL_MEMORY_US, UNLIMITED
from simulator.scenario_file import model
from simulator.scenario_file.problems import Path, Report, did_you_mean
from simulator.scenario_file.units import format_duration

MOST_CHECKPOINTS: Final = 10_000
_LONGEST_ID: Final = 200
_SLACK: Final = 1e-9
_FORGOTTEN: Final = "must be under 1h: a call is forgotten then, and the offer would be a new one"
_NO_NEXT_EVENT: Final = ("end", "hang_up")


def check_all(
    shape: model.ScenarioShape,
    configured: Mapping[str, bool],
    is_own: Callable[[Path], bool],
    report: Report,
) -> None:
    """Report everything that is wrong across keys, whatever part of the file it is in."""
    if shape.warm_up >= shape.duration:
        report(("warm_up",), f"must be shorter than the duration {format_duration(shape.duration)}")
    _check_tenants(shape, report)
    _check_limits(shape, configured, is_own, report)
    faults = [
        (place, fault) for place, fault in enumerate(shape.faults) if is_own(("faults", place))
    ]
    for place, fault in faults:
        _check_fault(fault, ("faults", place), shape.duration, configured, report)
    _check_kills(faults, report)
    _check_retries(faults, configured, report)
    _check_lookup_shares(faults, shape.duration, configured, report)
    _check_delivery_shares(faults, configured, report)


def checkpoints_us(
    written: list[int] | model.Every, duration_us: int, report: Report
) -> tuple[int, ...]:
    """Instants of the checkpoints, sorted."""
    if isinstance(written, model.Every):
        if duration_us // written.every > MOST_CHECKPOINTS:
            report(
                ("checkpoints", "every"),
                f"makes more than {MOST_CHECKPOINTS} checkpoints",
                because_of=("duration",),
            )
            return ()
        if written.every >= duration_us:
            report(
                ("checkpoints", "every"),
                f"must be shorter than the duration {format_duration(duration_us)}",
            )
        return tuple(range(written.every, duration_us, written.every))
    seen: set[int] = set()
    for place, instant in enumerate(written):
        if instant >= duration_us:
            report(
                ("checkpoints", place),
                f"lies outside the run; it must be before {format_duration(duration_us)}",
            )
        if instant in seen:
            report(("checkpoints", place), "stands twice")
        seen.add(instant)
    if len(written) > MOST_CHECKPOINTS:
        report(("checkpoints",), f"are more than {MOST_CHECKPOINTS}")
    return tuple(sorted(seen))


def _check_tenants(shape: model.ScenarioShape, report: Report) -> None:
    for tenant_id, tenant in shape.tenants.items():
        path = ("tenants", tenant_id)
        if tenant_id == UNKNOWN_TENANT:
            report(
                path, "is reserved for the offers of tenants that are not configured", at_key=True
            )
        elif not 1 <= len(tenant_id) <= _LONGEST_ID or not tenant_id.isprintable():
            report(path, f"a tenant id has 1 to {_LONGEST_ID} printable characters", at_key=True)
        if tenant.outcomes.failed + tenant.outcomes.hung_up > 1 + _SLACK:
            report((*path, "outcomes"), "failed and hung_up together must be at most 1")
        if shape.calls is not None:
            _check_has_no_traffic(tenant, path, report)
            continue
        if tenant.arrivals is None:
            report(
                (*path, "arrivals"), "is missing: when calls come, like {type: poisson, rate: 2/s}"
            )
            continue
        if tenant.redial is not None and tenant.arrivals.type == "finite_source":
            report(
                (*path, "redial"),
                "does not go with finite_source: a rejected source thinks, then calls again anyway",
            )
        given = tenant.arrivals.type == "trace" and tenant.arrivals.columns.hold is not None
        if tenant.hold is None and not given:
            report(
                (*path, "hold"),
                "is missing: start to end, like 3m or {type: exponential, mean: 3m}",
            )
        if tenant.hold is not None and given:
            report((*path, "hold"), "has no effect: the log has a column of holding times")


def _check_has_no_traffic(tenant: model.TenantShape, path: Path, report: Report) -> None:
    """Where calls are given one by one, what tenants would draw has no place."""
    drawn = ("arrivals", "setup", "connect", "hold", "outcomes", "patience", "redial")
    for key in drawn:
        if key in tenant.model_fields_set:
            report((*path, key), "has no effect: the calls are given in calls", at_key=True)


@dataclass(slots=True)
class _Limits:
    """Limits as they stand at some instant; a cap of None is no cap."""

    total: int
    caps: dict[str, int | None]
    reserved: dict[str, int]


def _cap(value: int | str | None) -> int | None:
    return value if isinstance(value, int) else None


def _check_limits(
    shape: model.ScenarioShape,
    configured: Mapping[str, bool],
    is_own: Callable[[Path], bool],
    report: Report,
) -> None:
    """Every state of the limits: the first, and the one after each change."""
    present = {key: tenant for key, tenant in shape.tenants.items() if tenant.configured}
    limits = _Limits(
        shape.capacity.max_concurrent_calls,
        {key: _cap(tenant.max_concurrent_calls) for key, tenant in present.items()},
        {key: tenant.reserved_calls for key, tenant in present.items()},
    )
    for key in present:
        _check_reserved(limits, key, ("tenants", key, "reserved_calls"), report)
    total_path: Path = ("capacity", "max_concurrent_calls")
    _check_sum(limits, total_path, report)
    last_us = 0
    for place, change in enumerate(shape.capacity.changes):
        path: Path = ("capacity", "changes", place)
        if not is_own((*path, "at")):
            continue
        if change.at < last_us:
            report((*path, "at"), "is earlier than the change before it; sort changes by time")
        if change.at >= shape.duration:
            end = format_duration(shape.duration)
            report((*path, "at"), f"lies outside the run; it must be before {end}")
        last_us = max(last_us, change.at)
        _apply(change, path, limits, configured, report)
        _check_sum(limits, path, report)


def _apply(
    change: model.Change,
    path: Path,
    limits: _Limits,
    configured: Mapping[str, bool],
    report: Report,
) -> None:
    if change.max_concurrent_calls is None and change.tenants is None:
        report(path, "changes nothing; give max_concurrent_calls or tenants")
    if change.max_concurrent_calls is not None:
        limits.total = change.max_concurrent_calls
    for key, tenant in (change.tenants or {}).items():
        here = (*path, "tenants", key)
        if not _is_configured(key, configured, here, report) or key not in limits.caps:
            continue
        if tenant == model.TenantChange():
            report(here, "changes nothing; give max_concurrent_calls, reserved_calls or enabled")
        if tenant.max_concurrent_calls is not None:
            value = tenant.max_concurrent_calls
            limits.caps[key] = None if value == UNLIMITED else _cap(value)
        if tenant.reserved_calls is not None:
            limits.reserved[key] = tenant.reserved_calls
        _check_reserved(limits, key, here, report)


def _check_reserved(limits: _Limits, key: str, path: Path, report: Report) -> None:
    cap, reserved = limits.caps[key], limits.reserved[key]
    if cap is not None and reserved > cap:
        report(
            path, f"{reserved} reserved slots are more than the tenant's max_concurrent_calls {cap}"
        )


def _check_sum(limits: _Limits, path: Path, report: Report) -> None:
    reserved = sum(limits.reserved.values())
    if reserved > limits.total:
        report(
            path,
            f"the tenants' reserved slots come to {reserved}, more than the total limit "
            f"{limits.total}",
        )


def _is_configured(key: str, configured: Mapping[str, bool], path: Path, report: Report) -> bool:
    if key not in configured:
        report(
            path,
            f"names a tenant the scenario does not have{did_you_mean(key, configured)}",
            at_key=True,
        )
    elif not configured[key]:
        report(path, f"{key!r} is not configured, so it has no limits to change", at_key=True)
    else:
        return True
    return False


def _check_fault(
    fault: "model.FaultShape",
    path: Path,
    duration_us: int,
    configured: Mapping[str, bool],
    report: Report,
) -> None:
    if isinstance(fault, model.ServiceKilled):
        if fault.at >= duration_us:
            end = format_duration(duration_us)
            report((*path, "at"), f"lies outside the run; it must be before {end}")
        return
    seen = set()
    for place, key in enumerate(fault.tenants or ()):
        here = (*path, "tenants", place)
        if key not in configured:
            report(here, f"{key!r} is not a tenant of the scenario{did_you_mean(key, configured)}")
        if key in seen:
            report(here, f"{key!r} stands twice")
        seen.add(key)
    if isinstance(fault, model.InstructionFault):
        _check_window(fault, path, duration_us, report)
        return
    if isinstance(fault, model.ClientCancelled):
        return
    if isinstance(fault, model.OfferRetried):
        if fault.timeout >= CALL_MEMORY_US:
            report((*path, "timeout"), _FORGOTTEN)
        return
    if fault.event == "offer" and not isinstance(fault, model.EventDoubled):
        report((*path, "event"), "an offer can only be doubled: without its offer there is no call")
    if isinstance(fault, model.EventReordered) and fault.event in _NO_NEXT_EVENT:
        report(
            (*path, "event"),
            f"nothing follows {fault.event} in a call, so it cannot come after the next event",
        )
    if (
        isinstance(fault, model.EventDoubled)
        and fault.event == "offer"
        and fault.delay >= CALL_MEMORY_US
    ):
        report((*path, "delay"), _FORGOTTEN)


def _check_kills(faults: Sequence[tuple[int, "model.FaultShape"]], report: Report) -> None:
    """One kill after the other: a service that is down cannot be killed."""
    up_us = 0
    for place, fault in faults:
        if not isinstance(fault, model.ServiceKilled):
            continue
        if fault.at < up_us:
            report(
                ("faults", place, "at"),
                f"is earlier than {format_duration(up_us)}, until when the service is down or "
                "killed already; sort kills by time",
            )
        up_us = max(up_us, fault.at + fault.restart_after)


def _check_retries(
    faults: Sequence[tuple[int, "model.FaultShape"]],
    configured: Mapping[str, bool],
    report: Report,
) -> None:
    """A trace marks an offer that comes twice by its delay alone: retries need one of their own."""
    doubled = [
        fault
        for _, fault in faults
        if isinstance(fault, model.EventDoubled) and fault.event == "offer"
    ]
    for place, fault in faults:
        if not isinstance(fault, model.OfferRetried):
            continue
        names = set(fault.tenants or configured)
        if any(
            other.delay == fault.timeout and names & set(other.tenants or configured)
            for other in doubled
        ):
            report(
                ("faults", place, "timeout"),
                "is also the delay of a doubled offer of the same tenant; make them differ",
            )


def _check_window(
    fault: model.InstructionFault, path: Path, duration_us: int, report: Report
) -> None:
    end = format_duration(duration_us)
    if fault.from_ >= duration_us:
        report((*path, "from"), f"lies outside the run; it must be before {end}")
        return
    if fault.until is None:
        return
    if fault.until <= fault.from_:
        report((*path, "until"), "must be later than from: the window is empty")
    if fault.until > duration_us:
        report((*path, "until"), f"lies outside the run; it must be {end} at most")


def _check_lookup_shares(
    faults: Sequence[tuple[int, "model.FaultShape"]],
    duration_us: int,
    configured: Mapping[str, bool],
    report: Report,
) -> None:
    """Of the accepts of a tenant at one instant the faults in force take disjoint shares."""
    lookups = [
        (place, fault) for place, fault in faults if isinstance(fault, model.InstructionFault)
    ]
    for number, (place, fault) in enumerate(lookups):
        for key in fault.tenants or configured:
            share = (
                fault.probability
                + sum(
                    other.probability
                    for _, other in lookups[:number]
                    if _concerns(other, key)
                    and other.from_ <= fault.from_ < (other.until or duration_us)
                )
                + sum(
                    other.probability
                    for _, other in lookups[number + 1 :]
                    if _concerns(other, key)
                    and other.from_ < fault.from_ < (other.until or duration_us)
                )
            )
            if share > 1 + _SLACK:
                report(
                    ("faults", place, "probability"),
                    f"at {format_duration(fault.from_)} the instruction faults of {key!r} come to "
                    f"{share:g}, more than 1",
                )
                break


def _check_delivery_shares(
    faults: Sequence[tuple[int, "model.FaultShape"]],
    configured: Mapping[str, bool],
    report: Report,
) -> None:
    """One event has one fault at most, so the faults of an event take disjoint shares of it."""
    shares: dict[tuple[str, str], float] = {}
    for place, fault in faults:
        if not isinstance(fault, model.DeliveryFault | model.OfferRetried):
            continue
        over = False
        for key in dict.fromkeys(fault.tenants or configured):
            share = shares.get((key, fault.event), 0.0) + fault.probability
            shares[key, fault.event] = share
            over = over or share > 1 + _SLACK
        if over:
            report(
                ("faults", place, "probability"),
                f"with the faults above, {fault.event} has faults of more than 1 in all",
            )


def _concerns(fault: model.InstructionFault, key: str) -> bool:
    return fault.tenants is None or key in fault.tenants


def configured_tenants(tree: Mapping[str, object]) -> dict[str, bool]:
    """Ids of the tenants as the file writes them, and whether each is configured."""
    tenants = tree.get("tenants")
    items: Iterable[tuple[str, object]] = tenants.items() if isinstance(tenants, dict) else ()
    return {
        key: not (isinstance(tenant, dict) and tenant.get("configured") is False)
        for key, tenant in items
    }
