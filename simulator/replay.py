"""A log of calls that really happened, as a trace to be played against other limits."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from simulator.call_log import CallLogRows
from simulator.scenario import Deterministic, Scenario, Tenant, TraceArrivals
from simulator.scenario_file.problems import did_you_mean
from simulator.trace import NEVER, CallTrace
from simulator.traffic import conditions_of

_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


class ReplayInvalid(ValueError):
    """The limits name a tenant without calls; the message says which would be right."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a log is replayed against; a tenant without a cap is unlimited."""

    max_concurrent_calls: int
    caps: Mapping[str, int]
    reserved: Mapping[str, int]


def replay_scenario(path: Path, log: CallLogRows, limits: Limits) -> Scenario:
    """The scenario of a log: its tenants in order of their first call, nothing drawn by chance.

    It ends right after the last start and drains. Raises :class:`ReplayInvalid`.
    """
    assert log.hold_us is not None
    tenant_ids = tuple(dict.fromkeys(log.tenant))
    for option, named in (("--tenant-cap", limits.caps), ("--reserve", limits.reserved)):
        for tenant_id in named:
            if tenant_id not in tenant_ids:
                raise ReplayInvalid(
                    f"{option}: {path} has no calls of tenant {tenant_id!r}"
                    f"{did_you_mean(tenant_id, tenant_ids)}"
                )
    calls: dict[str, tuple[list[int], list[int]]] = {name: ([], []) for name in tenant_ids}
    for tenant_id, start, hold in zip(
        log.tenant, log.start_us.tolist(), log.hold_us.tolist(), strict=True
    ):
        calls[tenant_id][0].append(start)
        calls[tenant_id][1].append(hold)
    return Scenario(
        name=_NOT_IN_A_NAME.sub("-", path.stem).strip("-.") or "replay",
        description=f"Replay of {path.name}",
        seed=0,
        duration_us=int(log.start_us[-1]) + 1,
        max_concurrent_calls=limits.max_concurrent_calls,
        tenants=tuple(
            Tenant(
                tenant_id=tenant_id,
                arrivals=TraceArrivals(tuple(calls[tenant_id][0]), tuple(calls[tenant_id][1])),
                hold=Deterministic(0.0),
                max_concurrent_calls=limits.caps.get(tenant_id),
                reserved_calls=limits.reserved.get(tenant_id, 0),
            )
            for tenant_id in tenant_ids
        ),
        digest=_digest(path, limits),
    )


def replay_trace(scenario: Scenario, log: CallLogRows) -> CallTrace:
    """The calls of the log as they are in it: holding times and, where it has them, setup times.

    Raises :class:`simulator.trace.TraceInvalid` for limits that contradict each other.
    """
    assert log.hold_us is not None
    n = len(log)
    place_of = {tenant.tenant_id: place for place, tenant in enumerate(scenario.tenants)}
    place = np.array([place_of[tenant_id] for tenant_id in log.tenant], np.int32)
    order = np.lexsort((place, log.start_us))
    nothing, never = np.zeros(n, np.int64), np.full(n, NEVER, np.int64)
    return CallTrace(
        conditions=conditions_of(scenario),
        tenant=place[order],
        offer_us=log.start_us[order],
        setup_us=nothing if log.setup_us is None else log.setup_us[order],
        connect_us=nothing,
        hold_us=log.hold_us[order],
        end_kind=np.zeros(n, np.int8),
        refer_us=never,
        patience_us=never,
        lookup_draw=np.zeros(n, np.uint32),
        after=never,
        after_on=np.zeros(n, np.int8),
        delay_us=nothing,
        attempt=np.zeros(n, np.int32),
    )


def _digest(path: Path, limits: Limits) -> str:
    """SHA-256 of the log's bytes and the limits it is played against."""
    played_against = (
        limits.max_concurrent_calls,
        sorted(limits.caps.items()),
        sorted(limits.reserved.items()),
    )
    digest = hashlib.sha256(path.read_bytes())
    digest.update(repr(played_against).encode())
    return digest.hexdigest()
