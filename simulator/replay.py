"""A log of calls that really happened, as a trace to be played against other limits."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from simulator.cdr.options import ReadingArguments
from simulator.cdr.recorded import Bools, CallEnd, Int64s, RecordedCalls
from simulator.conditions import NEVER, Conditions, EndKind
from simulator.scenario import Deterministic, Scenario, Tenant, TraceArrivals
from simulator.scenario_file.problems import did_you_mean
from simulator.trace import CallTrace
from simulator.traffic import conditions_of

_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


class ReplayInvalid(ValueError):
    """The limits contradict each other, or name a tenant without calls; the message says how."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a log is replayed against; a tenant without a cap is unlimited."""

    max_concurrent_calls: int
    caps: Mapping[str, int]
    reserved: Mapping[str, int]


def replay_scenario(
    path: Path, log: RecordedCalls, reading: ReadingArguments, limits: Limits
) -> Scenario:
    """The scenario of a log read from ``path``: its tenants, and nothing drawn by chance.

    It ends right after the last start and drains. Raises :class:`ReplayInvalid`.
    """
    _check(path, log, limits)
    starts = log.run_us()
    return Scenario(
        name=_NOT_IN_A_NAME.sub("-", path.stem).strip("-.") or "replay",
        description=f"Replay of {path.name}",
        seed=0,
        duration_us=int(starts[-1]) + 1,
        max_concurrent_calls=limits.max_concurrent_calls,
        tenants=tuple(
            Tenant(
                tenant_id=tenant_id,
                arrivals=TraceArrivals(tuple(starts[log.tenant == place].tolist())),
                hold=Deterministic(0.0),
                max_concurrent_calls=limits.caps.get(tenant_id),
                reserved_calls=limits.reserved.get(tenant_id, 0),
            )
            for place, tenant_id in enumerate(log.tenants)
        ),
        digest=_digest(log, reading, limits),
    )


def _check(path: Path, log: RecordedCalls, limits: Limits) -> None:
    for option, named in (("--tenant-cap", limits.caps), ("--reserve", limits.reserved)):
        for tenant_id in named:
            if tenant_id not in log.tenants:
                raise ReplayInvalid(
                    f"{option}: {path} has no calls of tenant {tenant_id!r}"
                    f"{did_you_mean(tenant_id, log.tenants)}"
                )
    for tenant_id, reserved in limits.reserved.items():
        cap = limits.caps.get(tenant_id)
        if cap is not None and reserved > cap:
            raise ReplayInvalid(
                f"--reserve {tenant_id}={reserved} is more than --tenant-cap {tenant_id}={cap}"
            )
    together = sum(limits.reserved.values())
    if together > limits.max_concurrent_calls:
        raise ReplayInvalid(
            f"--reserve keeps {together} slots, more than --capacity {limits.max_concurrent_calls}"
        )


def replay_trace(scenario: Scenario, log: RecordedCalls) -> CallTrace:
    """The calls of the log as they are in it, see :func:`recorded_trace`.

    Raises :class:`simulator.trace.TraceInvalid` for limits that contradict each other.
    """
    everything = np.ones(len(log), np.bool_)
    return recorded_trace(log, log.run_us(), everything, conditions_of(scenario))


def recorded_trace(
    log: RecordedCalls, offer_us: Int64s, kept: Bools, conditions: Conditions
) -> CallTrace:
    """The ``kept`` calls of a log, shape (n,), offered at ``offer_us``, shape (n,).

    ``conditions`` have the tenants of the log. Answered calls have their setup and holding times,
    and fail where they did. A call that was not answered is given up when it was: it holds its slot
    until then and is abandoned. Raises :class:`simulator.trace.TraceInvalid`.
    """
    rows = np.flatnonzero(kept)
    rows = rows[np.lexsort((log.tenant[rows], offer_us[rows]))]
    answered, slot = log.answered[rows], log.slot_us[rows]
    nothing, never = np.zeros(1, np.int64), np.full(1, NEVER, np.int64)
    return CallTrace(
        conditions=conditions,
        tenant=log.tenant[rows],
        offer_us=offer_us[rows],
        # The answer would come too late: at a tie it wins.
        setup_us=np.where(answered, log.setup_us[rows], slot + 1),
        connect_us=nothing,
        hold_us=np.where(answered, log.hold_us[rows], 0),
        end_kind=np.where(log.end[rows] == CallEnd.FAILED, EndKind.FAILED, 0).astype(np.int8),
        refer_us=never,
        patience_us=np.where(answered, NEVER, slot),
        lookup_draw=np.zeros(1, np.uint32),
        after=never,
        after_on=np.zeros(1, np.int8),
        delay_us=nothing,
        attempt=np.zeros(1, np.int32),
    )


def _digest(log: RecordedCalls, reading: ReadingArguments, limits: Limits) -> str:
    """SHA-256 of the log's bytes, how they are read and the limits they are played against."""
    played = (
        [file.sha256 for file in log.files],
        list(reading.given()),
        limits.max_concurrent_calls,
        sorted(limits.caps.items()),
        sorted(limits.reserved.items()),
    )
    return hashlib.sha256(repr(played).encode()).hexdigest()
