"""Brings a service to the limits and tenants a trace starts from, or says how it differs."""

from dataclasses import asdict, dataclass
from typing import Final

from service.calls import UNKNOWN_TENANT
from simulator.engines import Inconclusive
from simulator.engines.limits import has_deadlines, service_deadlines
from simulator.engines.service_process import deadline_setting, decimal_seconds
from simulator.engines.target import Document, Target
from simulator.scenario_file.units import format_duration
from simulator.trace import Conditions, TraceTenant

INSTRUCTIONS_TEXT: Final = "Answer the call."
"""What is stored for tenants that have instructions; only that there is a text matters."""

VIRTUAL: Final = "virtual"
SYSTEM: Final = "system"
_WRONG_CLOCK: Final = {
    VIRTUAL: "runs on the system clock, so its counters cannot be exact; start it with "
    "BUSYHOUR_TESTBED=true and BUSYHOUR_CLOCK=virtual",
    SYSTEM: "runs on a virtual clock, which stands still under live traffic; start it without "
    "BUSYHOUR_CLOCK=virtual",
}
_NAMED_DIFFERENCES: Final = 3


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run starts: what was counted before it, and the service's time."""

    before: Document
    at_us: int


def prepare(
    target: Target,
    conditions: Conditions,
    *,
    may_change: bool,
    clock: str = VIRTUAL,
    speed: float = 1.0,
) -> Start:
    """Make sure the service is idle, runs on the ``clock`` and is set up as the trace says.

    With ``may_change`` it is set up, otherwise it must be; its deadlines, which only a restart
    changes, must be those of the trace over ``speed`` either way. A service on the system clock
    that does not tell its deadlines is taken at the trace's word. Raises :class:`Inconclusive`.
    """
    try:
        return _prepare(target, conditions, may_change, clock, speed)
    except KeyError as error:
        raise Inconclusive(
            f"{target.url} describes its limits in a form that is not known: {error} is missing"
        ) from error
    except (TypeError, AttributeError) as error:
        raise Inconclusive(
            f"{target.url} describes its limits in a form that is not known: {error}"
        ) from error


def _prepare(
    target: Target, conditions: Conditions, may_change: bool, clock: str, speed: float
) -> Start:
    document = target.capacity()
    if document["clock"] != clock:
        raise Inconclusive(f"{target.url} {_WRONG_CLOCK[clock]}")
    if clock == SYSTEM and conditions.lookup_faults and not document["testbed"]:
        raise Inconclusive(
            f"{target.url} takes no planned lookups, which the scenario's instruction faults need; "
            "start it with BUSYHOUR_TESTBED=true"
        )
    _check_deadlines(target, conditions, document, speed)
    held = document["total"]["in_use"]
    if held:
        raise Inconclusive(
            f"{target.url} is in use: {held} calls hold a slot; it must be idle when a run starts"
        )
    # Before anything is changed there, so that a wrong token leaves it as it was.
    target.check_call_token()
    if may_change:
        _set_up(target, conditions, document)
        document = target.capacity()
    elif conditions.changes:
        raise Inconclusive(
            "the scenario changes limits while it runs, which a target allows only with --configure"
        )
    differences = _differences(target, conditions, document)
    if differences:
        more = len(differences) - _NAMED_DIFFERENCES
        raise Inconclusive(
            f"{target.url} is not set up as the scenario says: "
            + "; ".join(differences[:_NAMED_DIFFERENCES])
            + (f"; and {more} more" if more > 0 else "")
            + ("" if may_change else " (--configure sets it up)")
        )
    return Start(document, document["at_us"])


def _check_deadlines(
    target: Target, conditions: Conditions, document: Document, speed: float
) -> None:
    here = service_deadlines(conditions, speed)
    there = document.get("deadlines")
    if there is None:
        if document["clock"] == VIRTUAL and has_deadlines(conditions):
            raise Inconclusive(
                f"the scenario has deadlines, and {target.url} does not tell its own; "
                "run it without --target"
            )
        return
    for name, wanted in asdict(here).items():
        if there[name] != wanted:
            variable = f"BUSYHOUR_{deadline_setting(name).upper()}"
            remedy = (
                f"without {variable}"
                if wanted is None
                else f"with {variable}={decimal_seconds(wanted)}"
            )
            raise Inconclusive(
                f"{target.url} lets calls stay {name.removesuffix('_us')} "
                f"{_lasting(there[name])}, the scenario {_lasting(wanted)}"
                + (f" at speed {speed:g}" if speed != 1 else "")
                + f"; start it {remedy}"
            )


def _lasting(deadline_us: int | None) -> str:
    return "for ever" if deadline_us is None else f"for {format_duration(deadline_us)}"


_POLICY_KEYS: Final = ("enabled", "max_concurrent_calls", "reserved_calls", "fallback_allowed")


def _policy(tenant: TraceTenant) -> dict[str, object]:
    values = tenant.enabled, tenant.max_concurrent_calls, tenant.reserved_calls, tenant.fallback
    return dict(zip(_POLICY_KEYS, values, strict=True))


def _configured_at(document: Document) -> dict[str, Document]:
    return {
        tenant_id: row
        for tenant_id, row in document["tenants"].items()
        if row["configured"] and tenant_id != UNKNOWN_TENANT
    }


def _set_up(target: Target, conditions: Conditions, document: Document) -> None:
    """Remove who must be unknown, change who is there and the limit in one step, add the rest.

    Tenants the scenario does not know stay, but no slots are kept for them any more.
    """
    virtual = document["clock"] == VIRTUAL
    at_us = document["at_us"] if virtual else None
    moment = {"at_us": at_us} if virtual else {}
    there = _configured_at(document)
    for tenant in conditions.tenants:
        if not tenant.configured and tenant.tenant_id in there:
            target.delete_tenant(tenant.tenant_id, at_us)
    wanted = [tenant for tenant in conditions.tenants if tenant.configured]
    known = [tenant for tenant in wanted if tenant.tenant_id in there]
    policies = {tenant.tenant_id: _policy(tenant) for tenant in known}
    named = {tenant.tenant_id for tenant in conditions.tenants}
    for tenant_id, row in there.items():
        if tenant_id not in named and row["reserved_calls"]:
            policies[tenant_id] = {**{key: row[key] for key in _POLICY_KEYS}, "reserved_calls": 0}
    if policies or document["max_concurrent_calls"] != conditions.max_concurrent_calls:
        target.change_limits(
            {
                "max_concurrent_calls": conditions.max_concurrent_calls,
                "tenants": policies,
                **moment,
            }
        )
    for tenant in known:
        if target.has_instructions(tenant.tenant_id) == tenant.instructions:
            continue
        if tenant.instructions:
            target.put_instructions(tenant.tenant_id, INSTRUCTIONS_TEXT, at_us)
        else:
            target.delete_instructions(tenant.tenant_id, at_us)
    for tenant in wanted:
        if tenant.tenant_id not in there:
            new: dict[str, object] = {"tenant_id": tenant.tenant_id, **moment}
            new.update(_policy(tenant))
            if tenant.instructions:
                new["instructions"] = INSTRUCTIONS_TEXT
            target.create_tenant(new)


def _differences(target: Target, conditions: Conditions, document: Document) -> list[str]:
    """In what the service differs from the trace's start, one phrase each."""
    differences = []

    def compare(name: str, found: object, wanted: object) -> None:
        if found != wanted:
            differences.append(f"{name} is {_shown(found)} there, {_shown(wanted)} here")

    compare(
        "max_concurrent_calls", document["max_concurrent_calls"], conditions.max_concurrent_calls
    )
    there = _configured_at(document)
    for tenant in conditions.tenants:
        tenant_id = tenant.tenant_id
        row = there.pop(tenant_id, None)
        compare(f"tenants.{tenant_id}.configured", row is not None, tenant.configured)
        if row is None or not tenant.configured:
            continue
        for key, wanted in _policy(tenant).items():
            compare(f"tenants.{tenant_id}.{key}", row[key], wanted)
        compare(
            f"tenants.{tenant_id}.instructions",
            target.has_instructions(tenant_id),
            tenant.instructions,
        )
    for tenant_id, row in there.items():
        # Slots kept for a tenant the scenario does not know would be missing in it.
        compare(f"tenants.{tenant_id}.reserved_calls", row["reserved_calls"], 0)
    return differences


def _shown(value: object) -> str:
    if value is None:
        return "unlimited"
    return str(value).lower() if isinstance(value, bool) else str(value)
