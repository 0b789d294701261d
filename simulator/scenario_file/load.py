"""From the text of a scenario file to a scenario, or to all of its problems."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import Any, Final

from service.calls import Event, Lookup
from simulator import scenario
from simulator.scenario_file import model
from simulator.scenario_file.arrivals import Setting, arrivals
from simulator.scenario_file.checks import check_all, checkpoints_us, configured_tenants
from simulator.scenario_file.distributions import Reading, distribution
from simulator.scenario_file.document import Document
from simulator.scenario_file.given_calls import given_calls
from simulator.scenario_file.judging import expectations, thresholds
from simulator.scenario_file.overrides import apply_overrides
from simulator.scenario_file.policy_checks import check_policy
from simulator.scenario_file.problems import Path, Problem, ScenarioInvalid
from simulator.scenario_file.validate import Validated
from simulator.trace import DeliveryAction, LimitsChange, SharingPolicy, TenantLimitsChange
from simulator.traffic.samplers import mean_us

_EVENTS: Final = {
    "offer": Event.OFFER,
    "accept": Event.ACCEPT,
    "start": Event.START,
    "refer": Event.REFER,
    "end": Event.END,
    "hang_up": Event.HANGUP,
}


def read_scenario(path: FilePath, overrides: Sequence[str], seed: int | None) -> scenario.Scenario:
    """See :func:`simulator.scenario_file.load_scenario`."""
    return ScenarioSource(path).scenario(overrides, seed)


class ScenarioSource:
    """A scenario file read once, to be made into scenarios under different overrides.

    Raises :class:`ScenarioInvalid` when there is no document to lay anything over.
    """

    def __init__(self, path: FilePath) -> None:
        self._path = path
        self._raw = _read(path)
        self._document = Document(str(path), self._raw.decode("utf-8-sig"))
        document = self._document
        if not isinstance(document.tree, dict):
            if not document.problems:
                what = "is empty" if document.tree is None else "is not a mapping of keys to values"
                document.problems.append(
                    Problem(str(path), 1, 1, "", f"{what}; a scenario starts with version: 1")
                )
            raise ScenarioInvalid(document.problems)

    def document(self, overrides: Sequence[str] = ()) -> Document:
        """The document with overrides laid over it, which are not checked."""
        document = self._document.copy()
        apply_overrides(document, overrides)
        return document

    def edited(
        self, overrides: Sequence[str], edit: Callable[[dict[str, Any]], None]
    ) -> "ScenarioSource":
        """The file as it is under overrides and after ``edit``; problems keep their places."""
        twin = copy.copy(self)
        twin._document = self.document(overrides)
        edit(twin._document.tree)
        return twin

    def scenario(self, overrides: Sequence[str] = (), seed: int | None = None) -> scenario.Scenario:
        """See :func:`simulator.scenario_file.load_scenario`."""
        document = self.document(overrides)
        problems = document.problems
        if seed is not None:
            if 0 <= seed <= model.MOST_SEED:
                document.tree["seed"] = seed
            else:
                problems.append(
                    Problem("--seed", 0, 0, "", f"{seed} is not between 0 and 2**63 - 1")
                )
        validated = Validated(document)
        problems += validated.problems

        def report(
            path: Path, message: str, *, at_key: bool = False, because_of: Path | None = None
        ) -> None:
            if because_of is not None and not validated.is_own(because_of):
                return
            if validated.is_own(path):
                problems.append(document.problem(path, message, at_key=at_key))

        reading = Reading(self._path.parent, report, problems.append)
        read = _scenario(validated, document, reading, _digest(self._raw, overrides, seed))
        if problems:
            raise ScenarioInvalid(_sorted(problems, document.file))
        return read


def _read(path: FilePath) -> bytes:
    try:
        raw = path.read_bytes()
        raw.decode("utf-8-sig")
    except IsADirectoryError:
        message = f"is a directory; name the scenario files in it, like {path / '*.yaml'}"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        message = "is not a UTF-8 text file"
    else:
        return raw
    raise ScenarioInvalid([Problem(str(path), 0, 0, "", message)])


def _sorted(problems: list[Problem], file: str) -> list[Problem]:
    """By place, the scenario file first; each said once."""
    unique = list(dict.fromkeys(problems))
    return sorted(unique, key=lambda each: (each.file != file, each.file, each.line, each.column))


def _digest(raw: bytes, overrides: Sequence[str], seed: int | None) -> str:
    digest = hashlib.sha256(raw)
    for text in overrides:
        digest.update(b"\0set\0" + text.encode())
    if seed is not None:
        digest.update(b"\0seed\0" + str(seed).encode())
    return digest.hexdigest()


def _scenario(
    validated: Validated, document: Document, reading: Reading, digest: str
) -> scenario.Scenario:
    shape, report = validated.shape, reading.report
    configured = configured_tenants(document.tree)
    check_all(shape, configured, validated.is_own, report)
    check_policy(shape, report)
    deadlines = shape.capacity.deadlines
    return scenario.Scenario(
        name=shape.name,
        description=shape.description,
        seed=shape.seed,
        duration_us=shape.duration,
        max_concurrent_calls=shape.capacity.max_concurrent_calls,
        tenants=tuple(
            _tenant(tenant_id, tenant, shape.duration, reading)
            for tenant_id, tenant in shape.tenants.items()
        ),
        warm_up_us=shape.warm_up,
        drain=shape.drain,
        deadlines=scenario.Deadlines(deadlines.pending, deadlines.accepted, deadlines.active),
        changes=tuple(_change(change) for change in shape.capacity.changes),
        checkpoints_us=checkpoints_us(shape.checkpoints, shape.duration, report),
        instruction_faults=tuple(
            _instruction_fault(fault, shape.duration)
            for fault in shape.faults
            if isinstance(fault, model.InstructionFault)
        ),
        delivery_faults=tuple(
            _delivery_fault(fault)
            for fault in shape.faults
            if isinstance(fault, model.DeliveryFault | model.OfferRetried)
        ),
        cancel_faults=tuple(
            scenario.CancelFault(_EVENTS[fault.event], fault.probability, _names(fault.tenants))
            for fault in shape.faults
            if isinstance(fault, model.ClientCancelled)
        ),
        kills=tuple(
            scenario.ServiceKill(fault.at, fault.restart_after)
            for fault in shape.faults
            if isinstance(fault, model.ServiceKilled)
        ),
        expect=expectations(shape.expect, configured, report),
        thresholds=thresholds(shape.thresholds, configured, report),
        calls=given_calls(shape, report),
        policy=SharingPolicy(shape.capacity.policy),
        digest=digest,
    )


def _tenant(
    tenant_id: str, shape: model.TenantShape, duration_us: int, reading: Reading
) -> scenario.Tenant:
    path: Path = ("tenants", tenant_id)
    setup = distribution(shape.setup, (*path, "setup"), reading)
    connect = distribution(shape.connect, (*path, "connect"), reading)
    hold: scenario.Distribution = scenario.Deterministic(0.0)
    if shape.hold is not None:
        hold = distribution(shape.hold, (*path, "hold"), reading)
    patience = redial = None
    if shape.patience is not None:
        patience = distribution(shape.patience, (*path, "patience"), reading)
    if shape.redial is not None:
        delay = distribution(shape.redial.delay, (*path, "redial", "delay"), reading)
        redial = scenario.Redial(
            shape.redial.probability, delay, shape.redial.max_attempts, shape.redial.backoff
        )
    slot_us_mean = mean_us(setup) + mean_us(connect) + mean_us(hold)
    setting = Setting(tenant_id, duration_us, slot_us_mean)
    cap = shape.max_concurrent_calls
    outcomes = shape.outcomes
    return scenario.Tenant(
        tenant_id=tenant_id,
        arrivals=scenario.ExactCount(0)
        if shape.arrivals is None
        else arrivals(shape.arrivals, (*path, "arrivals"), setting, reading),
        hold=hold,
        setup=setup,
        connect=connect,
        patience=patience,
        outcomes=scenario.Outcomes(
            outcomes.failed, outcomes.hung_up, outcomes.referred, outcomes.referred_at
        ),
        redial=redial,
        configured=shape.configured,
        enabled=shape.enabled,
        max_concurrent_calls=cap if isinstance(cap, int) else None,
        reserved_calls=shape.reserved_calls,
        instructions=shape.instructions,
        fallback=shape.fallback,
        leave_free=shape.leave_free,
        priority=shape.priority or 0,
    )


def _change(shape: model.Change) -> LimitsChange:
    return LimitsChange(
        shape.at,
        shape.max_concurrent_calls,
        {
            tenant_id: TenantLimitsChange(
                tenant.max_concurrent_calls, tenant.reserved_calls, tenant.enabled
            )
            for tenant_id, tenant in (shape.tenants or {}).items()
        },
    )


def _instruction_fault(
    shape: model.InstructionFault, duration_us: int
) -> scenario.InstructionFault:
    missing = isinstance(shape, model.InstructionsMissing)
    return scenario.InstructionFault(
        result=Lookup.MISSING if missing else Lookup.ERROR,
        from_us=shape.from_,
        until_us=duration_us if shape.until is None else shape.until,
        probability=shape.probability,
        tenants=_names(shape.tenants),
    )


def _names(tenants: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if tenants is None else tuple(tenants)


def _delivery_fault(shape: model.DeliveryFault | model.OfferRetried) -> scenario.DeliveryFault:
    action, delay_us = DeliveryAction.LATE, 0
    if isinstance(shape, model.EventLost):
        action = DeliveryAction.LOST
    elif isinstance(shape, model.EventLate):
        delay_us = shape.delay
    elif isinstance(shape, model.EventDoubled):
        action, delay_us = DeliveryAction.DOUBLED, shape.delay
    elif isinstance(shape, model.OfferRetried):
        action, delay_us = DeliveryAction.DOUBLED, shape.timeout
    return scenario.DeliveryFault(
        event=_EVENTS[shape.event],
        action=action,
        probability=shape.probability,
        delay_us=delay_us,
        reordered=isinstance(shape, model.EventReordered),
        tenants=_names(shape.tenants),
        retried=isinstance(shape, model.OfferRetried),
    )
