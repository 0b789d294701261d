"""The master's own dealings with the service: setting it up, changing its limits, reading figures.

Instants are microseconds of the master's clock since ``origin_us``.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

import httpx
import numpy as np

from service.calls import COUNTERS, UNKNOWN_TENANT, all_figures
from service.state.base import TenantPolicy
from simulator.engines import Inconclusive
from simulator.engines.limits import limit_change, starting_policies
from simulator.engines.observe import Observer
from simulator.engines.setup import SYSTEM, prepare
from simulator.engines.target import Target
from simulator.history import Operation, TenantLimits
from simulator.load.history import read_of
from simulator.results import CallLog, CheckpointState, Held, RunOutcome
from simulator.statistics import tenant_rows
from simulator.trace import NEVER, CallTrace, Conditions

ENGINE: Final = "locust"

_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_TRIES: Final = 10
_PAUSE_S: Final = 0.1

Mark = tuple[int, Callable[[], object]]


def now_us() -> int:
    """This process's monotonic clock in microseconds."""
    return time.monotonic_ns() // 1000


class ServiceReader:
    """One service during one run. Methods raise :class:`Inconclusive`."""

    def __init__(self, trace: CallTrace, url: str, admin_token: str, call_token: str) -> None:
        self.origin_us = now_us()
        self._operations: list[Operation] = []
        self._changing_us: int | None = None
        self._conditions = trace.conditions
        self._client = httpx.Client(base_url=url.rstrip("/"), timeout=_TIMEOUT, trust_env=False)
        self._target = Target(self._client, admin_token, call_token)
        self._policies = starting_policies(trace.conditions)

    def close(self) -> None:
        self._client.close()

    def operations(self) -> tuple[list[Operation], int]:
        """What was done since the last time, and until when that is all: later ones may follow."""
        done, self._operations = self._operations, []
        return done, self._now_us() if self._changing_us is None else self._changing_us

    def prepare(self, prefix: str, *, may_change: bool, speed: float) -> None:
        """Make sure the service is idle and set up; call ids of the run begin with ``prefix``."""
        start = prepare(
            self._target, self._conditions, may_change=may_change, clock=SYSTEM, speed=speed
        )
        self._observer = Observer(
            self._target, start.before, self._conditions.configured_ids, prefix
        )

    def marks(self) -> Iterator[Mark]:
        """Trace instants in order, and what is to be done at each: changes first, then readings."""
        changes = [(at.at_us, 0, i) for i, at in enumerate(self._conditions.changes)]
        points = [(at_us, 1, i) for i, at_us in enumerate(self._conditions.checkpoints_us)]
        for at_us, kind, place in sorted(changes + points):
            yield at_us, partial(self._change, place) if kind == 0 else self.read

    def read(self) -> CheckpointState:
        """Read everything once. Mid-run the lists of calls are another snapshot than the counts."""
        invoke_us = self._now_us()
        state = self._observer.state(0)
        self._operations.append(read_of(state, all_figures, invoke_us, self._now_us()))
        return replace(state, rows=None)

    def final(self, at_us: int, settle_s: float) -> RunOutcome:
        """The figures after the run, from the published endpoints, once they stand still.

        Waits up to ``settle_s`` for calls that are still held: deadlines may yet end them.
        """
        settled_by = time.monotonic() + settle_s
        for _ in range(_TRIES):
            before = self.read()
            while _held(before) and time.monotonic() < settled_by:
                time.sleep(_PAUSE_S)
                before = self.read()
            with_rows = self._observer.state(at_us)
            total, tenants = self._observer.published(with_rows)
            after = self.read()
            if before.counters == after.counters and before.tenants == after.tenants:
                return RunOutcome(
                    ENGINE, total, tenants, (), replace(with_rows, at_us=at_us), no_log(0)
                )
            time.sleep(_PAUSE_S)
        raise Inconclusive(f"{self._target.url} goes on counting after the last call was over")

    def _change(self, place: int) -> None:
        planned = self._conditions.changes[place]
        change = limit_change(planned, self._policies)
        self._policies.update(change.tenants)
        invoke_us = self._changing_us = self._now_us()
        document: dict[str, object] = {
            "tenants": {name: _policy(policy) for name, policy in change.tenants.items()}
        }
        if change.max_concurrent_calls is not None:
            document["max_concurrent_calls"] = change.max_concurrent_calls
        complete_us = None
        try:
            self._target.change_limits(document)
            complete_us = self._now_us()
        finally:
            # One without an answer too: what was admitted since may be due to it.
            self._operations.append(
                Operation(
                    op="limits",
                    invoke_us=invoke_us,
                    complete_us=complete_us,
                    result="ok" if complete_us is not None else "indefinite",
                    max_concurrent_calls=change.max_concurrent_calls,
                    tenants={
                        name: TenantLimits(
                            policy.max_concurrent_calls, policy.reserved_calls, policy.enabled
                        )
                        for name, policy in change.tenants.items()
                    },
                )
            )
            self._changing_us = None

    def _now_us(self) -> int:
        return now_us() - self.origin_us


def settle_s(conditions: Conditions, speed: float) -> float:
    """How long after the last event deadlines may still end calls; 0 without them."""
    deadlines = (
        conditions.pending_deadline_us,
        conditions.accepted_deadline_us,
        conditions.active_deadline_us,
    )
    longest = max(each or 0 for each in deadlines)
    return longest / speed / 1e6 + 1.0 if longest and conditions.drain else 0.0


def nothing_counted(trace: CallTrace) -> RunOutcome:
    """Stands for the figures of a service that could not be read."""
    zero = (0,) * len(COUNTERS)
    names, _ = tenant_rows(trace.conditions)
    tenants = {name: Held() for name in names if name != UNKNOWN_TENANT}
    state = CheckpointState(
        trace.conditions.duration_us, trace.conditions.max_concurrent_calls, tenants
    )
    return RunOutcome(ENGINE, zero, dict.fromkeys(names, zero), (), state, no_log(len(trace)))


def no_log(rows: int) -> CallLog:
    """The log of rows of which nothing is known."""
    nevers = np.full(rows, NEVER, np.int64)
    zeros = np.zeros(rows, np.int8)
    return CallLog(zeros, zeros, nevers, nevers, nevers, nevers)


def _held(state: CheckpointState) -> int:
    return state.total.pending + state.total.accepted


def _policy(policy: TenantPolicy) -> dict[str, object]:
    return {
        "enabled": policy.enabled,
        "max_concurrent_calls": policy.max_concurrent_calls,
        "reserved_calls": policy.reserved_calls,
    }
