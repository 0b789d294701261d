"""The master's own dealings with the service: setting it up, changing its limits, reading figures.

Instants are microseconds of the master's clock since ``origin_us``.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Final, TypeVar

import httpx
import numpy as np

from service.calls import COUNTERS, UNKNOWN_TENANT
from service.state.base import TenantPolicy
from simulator.engines import Inconclusive
from simulator.engines.limits import limit_change, starting_policies
from simulator.engines.observe import Observer
from simulator.engines.setup import SYSTEM, prepare
from simulator.engines.target import Document, Target, call_ids_held
from simulator.history import CALL_OPS, Operation, Result, TenantLimits
from simulator.live.recorder import Reading, Recorder
from simulator.load.answers import AnswerReader
from simulator.load.player import GIVEN_UP
from simulator.results import CallLog, CheckpointState, Held, RunOutcome
from simulator.statistics import tenant_rows
from simulator.trace import NEVER, CallTrace, Conditions

ENGINE: Final = "locust"

PULSE_S: Final = 1.0
"""How often the master looks whether the service is still the same one."""

_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_TRIES: Final = 10
_PAUSE_S: Final = 0.1
_HANG_UPS: Final = 3
_END: Final = CALL_OPS.index("end")

T = TypeVar("T")
_Take = Callable[[Document, int, int, int], T]
"""Takes a capacity document, when it was asked for and when it was there, and the target."""

Mark = tuple[int, Callable[[], object]]


def now_us() -> int:
    """This process's monotonic clock in microseconds."""
    return time.monotonic_ns() // 1000


@dataclass(frozen=True, slots=True)
class Done:
    """What the master did since it was asked last.

    All that was completed by ``until_us`` and all that began before ``oldest_us`` was told by now.
    """

    operations: list[Operation]
    until_us: int
    oldest_us: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a recorder writes to: operations are kept until they are asked for."""

    append: Callable[[Operation], None]

    def flush(self) -> None:
        """There is nothing to hand on."""

    def close(self) -> None:
        """The history is closed by whoever writes it."""

    abandon = close


class ServiceReader:
    """One service during one run. Methods raise :class:`Inconclusive`."""

    def __init__(self, trace: CallTrace, url: str, admin_token: str, call_token: str) -> None:
        self.origin_us = now_us()
        self._operations: list[Operation] = []
        self._under_way: list[int] = []
        self._answers = AnswerReader()
        self._conditions = trace.conditions
        self._client = httpx.Client(base_url=url.rstrip("/"), timeout=_TIMEOUT, trust_env=False)
        self._target = Target(self._client, admin_token, call_token)
        self._policies = starting_policies(trace.conditions)
        self._one_by_one = Lock()
        self._seen_us = 0

    def close(self) -> None:
        self._client.close()

    def done(self) -> Done:
        """What was done since the last time."""
        operations, self._operations = self._operations, []
        until_us = self._now_us()
        # A restart since the service was seen last would be noticed only with the next look.
        return Done(operations, until_us, min([until_us, self._seen_us, *self._under_way]))

    def prepare(self, prefix: str, *, may_change: bool, speed: float) -> None:
        """Make sure the service is idle and set up; call ids of the run begin with ``prefix``."""
        start = prepare(
            self._target, self._conditions, may_change=may_change, clock=SYSTEM, speed=speed
        )
        self._prefix = prefix
        self._observe(start.before)
        self._recorder = Recorder(_Kept(self._keep), start.before, {}, watched=True)

    def marks(self) -> Iterator[Mark]:
        """Trace instants in order, and what is to be done at each: changes first, then readings."""
        changes = [(at.at_us, 0, i) for i, at in enumerate(self._conditions.changes)]
        points = [(at_us, 1, i) for i, at_us in enumerate(self._conditions.checkpoints_us)]
        for at_us, kind, place in sorted(changes + points):
            yield at_us, partial(self._change, place) if kind == 0 else self.glance

    def glance(self) -> None:
        """Read everything once; a service that does not answer now is only missed.

        Raises :class:`Inconclusive` for an answer that is no such service's, or of one of several.
        """
        self._look_if_there(self._noticed)

    def watch(self) -> None:
        """Look whether the service is still the one it was; raises as :meth:`glance` does."""
        self._look_if_there(self._recorder.notice)

    def read(self) -> Reading:
        """Read everything once."""
        with self._one_by_one, self._begun() as invoke_us:
            return self._taken(self._noticed, self._target.capacity(), invoke_us)

    def final(self, at_us: int, settle_s: float) -> RunOutcome:
        """The figures after the run, from the published endpoints, once they stand still.

        Waits up to ``settle_s`` for calls that are still held: deadlines may yet end them. Then it
        hangs up what is held all the same, like calls whose end was lost.
        """
        settled_by = time.monotonic() + settle_s
        while self.read().total["in_use"] and time.monotonic() < settled_by:
            time.sleep(_PAUSE_S)
        self._hang_up_the_rest()
        for _ in range(_TRIES):
            before = self.read()
            observer = self._observer
            state = observer.state(at_us)
            total, tenants = observer.published(state)
            after = self.read()
            if (before.total, before.tenants) == (after.total, after.tenants):
                return RunOutcome(
                    ENGINE, total, tenants, (), state, no_log(0), tuple(observer.contradictions)
                )
            time.sleep(_PAUSE_S)
        raise Inconclusive(f"{self._target.url} goes on counting after the last call was over")

    def _hang_up_the_rest(self) -> None:
        """End every call of the run that holds a slot, again where it still does after that."""
        for _ in range(_HANG_UPS):
            held = call_ids_held(self._target.held())
            mine = [call_id for call_id in held if call_id.startswith(self._prefix)]
            for call_id in mine:
                self._hang_up(call_id)
            if not mine:
                return

    def _hang_up(self, call_id: str) -> None:
        with self._begun() as invoke_us:
            answer = GIVEN_UP
            try:
                response = self._target.hang_up(call_id)
                answer = self._answers.read(_END, response.status_code, response.content, None)
            finally:
                self._operations.append(
                    Operation(
                        op="end",
                        call_id=call_id,
                        invoke_us=invoke_us,
                        complete_us=self._now_us(),
                        result=answer.result,
                        decision=answer.decision,
                        outcome="hung_up",
                        code=answer.code,
                    )
                )

    def _keep(self, operation: Operation) -> None:
        self._operations.append(operation)
        if operation.op == "restart":
            self._observe({"total": None, "tenants": {}})

    def _observe(self, before: Document) -> None:
        self._observer = Observer(
            self._target, before, self._conditions.configured_ids, self._prefix
        )

    def _look_if_there(self, take: _Take[object]) -> None:
        with self._one_by_one, self._begun() as invoke_us:
            try:
                document = self._target.capacity()
            except Inconclusive:
                return
            self._taken(take, document, invoke_us)

    def _taken(self, take: _Take[T], document: Document, invoke_us: int) -> T:
        taken = take(document, invoke_us, self._now_us(), 0)
        self._seen_us = invoke_us
        return taken

    def _noticed(
        self, document: Document, invoke_us: int, complete_us: int, target: int
    ) -> Reading:
        """A reading; first it is told if it is another service's than the one before."""
        self._recorder.notice(document, invoke_us, complete_us, target)
        return self._recorder.read(document, invoke_us, complete_us, target)

    @contextmanager
    def _begun(self) -> Iterator[int]:
        """Something is under way since the instant it gives, and is written before it is over."""
        invoke_us = self._now_us()
        self._under_way.append(invoke_us)
        try:
            yield invoke_us
        finally:
            self._under_way.remove(invoke_us)

    def _change(self, place: int) -> None:
        planned = self._conditions.changes[place]
        change = limit_change(planned, self._policies)
        self._policies.update(change.tenants)
        document: dict[str, object] = {
            "tenants": {name: _policy(policy) for name, policy in change.tenants.items()}
        }
        if change.max_concurrent_calls is not None:
            document["max_concurrent_calls"] = change.max_concurrent_calls
        with self._begun() as invoke_us:
            result: Result = "indefinite"
            try:
                self._target.change_limits(document)
                result = "ok"
            finally:
                # One without an answer too: what was admitted since may be due to it.
                self._operations.append(
                    Operation(
                        op="limits",
                        invoke_us=invoke_us,
                        complete_us=self._now_us(),
                        result=result,
                        max_concurrent_calls=change.max_concurrent_calls,
                        tenants={
                            name: TenantLimits(
                                policy.max_concurrent_calls, policy.reserved_calls, policy.enabled
                            )
                            for name, policy in change.tenants.items()
                        },
                    )
                )

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


def _policy(policy: TenantPolicy) -> dict[str, object]:
    return {
        "enabled": policy.enabled,
        "max_concurrent_calls": policy.max_concurrent_calls,
        "reserved_calls": policy.reserved_calls,
    }
