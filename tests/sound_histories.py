"""Random histories of a sound service: every request takes effect at one instant of its own.

A heap of instants plays many callers at once against the service's own core. Instants are small
whole numbers, so that ties are the rule and not the exception. The random generator decides when
a request takes effect between its invocation and its completion, whether its answer is lost, and
whether it ever arrives.
"""

import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from service.calls import COUNTER_NAMES, Lookup, Outcome, all_figures
from service.state.base import (
    Answer,
    Deadlines,
    LimitChange,
    LimitsInvalid,
    TenantPolicy,
    TenantUnknown,
)
from service.state.memory import MemoryCore
from simulator.history import (
    CountersRead,
    History,
    HistoryDeadlines,
    HistoryHeader,
    InUseRead,
    Operation,
    TenantLimits,
)

CoreFactory = Callable[..., MemoryCore]

MOST_UNDER_WAY_US = 20
"""No request and no restart takes longer than this until it is written down."""


class Play:
    """One random execution; ``history`` is what was written down of it."""

    def __init__(
        self, seed: int, factory: CoreFactory = MemoryCore, *, plain: bool = False
    ) -> None:
        self._random = random = Random(seed)
        self._factory = factory
        self._plain = plain
        self.limit = random.randint(1, 4)
        self._policies: dict[str, TenantPolicy] = {}
        self._configure()
        self._core = self._new_core()
        self._heap: list[tuple[int, float, Callable[[int], None]]] = []
        self._operations: list[Operation] = []
        self._calls = 0
        self.header = HistoryHeader(
            limit=self.limit,
            tenants={name: limits_of(policy) for name, policy in self._policies.items()},
            deadlines=self._told_deadlines,
        )

    def _configure(self) -> None:
        """Draw tenants that fit the limit, and deadlines."""
        random = self._random
        reserved_left = self.limit
        for name in ("a", "b", "c")[: random.randint(1, 3)]:
            cap = random.choice([None, None, random.randint(1, 3)])
            most = min(reserved_left, self.limit if cap is None else cap)
            reserved = random.choice([0, 0, random.randint(0, most)])
            reserved_left -= reserved
            self._policies[name] = TenantPolicy(random.random() > 0.1, cap, reserved, True)
        deadlines = [
            random.randint(5, 60) if not self._plain and random.random() < 0.2 else None
            for _ in range(3)
        ]
        self._deadlines = Deadlines(*deadlines)
        self._told_deadlines = HistoryDeadlines(*deadlines)

    def _new_core(self) -> MemoryCore:
        return self._factory(self.limit, tenants=self._policies, deadlines=self._deadlines)

    def history(self, calls: int = 12) -> History:
        random = self._random
        begin = 0
        if not self._plain and random.random() < 0.3:
            begin = self._leave_over()
        span = random.choice([10, 40, 200])
        for _ in range(calls):
            self._at(begin + random.randint(0, span), self._caller())
        for _ in range(random.randint(0, 5)):
            self._at(begin + random.randint(0, 2 * span), self._read)
        if not self._plain:
            for _ in range(random.choice([0, 0, 1, 3])):
                self._at(begin + random.randint(0, span), self._change)
            for _ in range(random.choice([0, 0, 0, 1, 1, 2])):
                self._at(begin + random.randint(0, span), self._restart)
        while self._heap:
            at_us, _, action = heapq.heappop(self._heap)
            action(at_us)
        return History(self.header, self._operations)

    # --- the machine --------------------------------------------------------------------------

    def _at(self, at_us: int, action: Callable[[int], None]) -> None:
        heapq.heappush(self._heap, (at_us, self._random.random(), action))

    def _send(
        self,
        fields: dict[str, Any],
        now: int,
        apply: Callable[[int], dict[str, Any]],
        then: Callable[[dict[str, Any] | None, int], None] | None = None,
    ) -> None:
        random = self._random
        fate = 1.0 if self._plain else random.random()
        effect_us = now + random.choice([0, 1, random.randint(0, 8)])
        complete_us = effect_us + random.choice([0, 1, random.randint(0, 8)])
        answer: dict[str, Any] = {}

        def effect(at_us: int) -> None:
            answer.update(apply(at_us))

        def completed(at_us: int) -> None:
            done = {"invoke_us": now, "complete_us": at_us, **fields, **answer}
            self._operations.append(Operation(**done))
            if then is not None:
                then(answer, at_us)

        def given_up(at_us: int) -> None:
            heard_us = at_us if random.random() < 0.5 else None
            self._operations.append(
                Operation(**fields, invoke_us=now, complete_us=heard_us, result="indefinite")
            )
            if then is not None:
                then(None, at_us)

        if fate < 0.04:
            self._operations.append(
                Operation(**fields, invoke_us=now, complete_us=now, result="failed")
            )
        elif fate < 0.12:
            self._at(now + random.randint(0, 10), given_up)
            if random.random() < 0.6:
                self._at(now + random.randint(0, 40), effect)
        else:

            def heard(at_us: int) -> None:
                effect(at_us)
                self._at(complete_us, completed)

            self._at(effect_us, heard)

    def _caller(self) -> Callable[[int], None]:
        random = self._random
        number = self._calls
        self._calls += 1
        call_id = f"c{number}"
        names = [*self._policies, *(["ghost"] if random.random() < 0.1 else [])]
        tenant = random.choice(names)
        both = random.random() < 0.15
        steps = ["accept", "start"] if not both else ["start"]
        if random.random() < 0.3:
            steps.append("refer")
        steps.append("end")
        if not self._plain:
            if random.random() < 0.2:
                steps.pop(random.randrange(len(steps)))
            if random.random() < 0.2:
                random.shuffle(steps)
            if random.random() < 0.2:
                steps.insert(random.randint(0, len(steps)), random.choice(["accept", "end"]))
        else:
            steps = ["end"]

        def offer(now: int) -> None:
            fields: dict[str, Any] = {"op": "offer", "call_id": call_id, "tenant_id": tenant}
            if both and not self._plain:
                fields["accept"] = True

            def apply(at_us: int) -> dict[str, Any]:
                answer = self._core.offer(call_id, tenant, at_us)
                if "accept" in fields and answer.decision == "admitted":
                    answer = self._core.accept(call_id, self._lookup(), at_us)
                return said_of(answer)

            def then(answer: dict[str, Any] | None, at_us: int) -> None:
                if answer is None or (not self._plain and random.random() < 0.1):
                    self._at(at_us + random.randint(0, 6), offer)
                if answer is None or answer.get("decision") != "rejected" or random.random() < 0.1:
                    self._at(at_us + random.choice([0, 1, 5]), step)

            self._send(fields, now, apply, then)

        def step(now: int) -> None:
            if steps:
                self._event(steps.pop(0), call_id, now, step)

        return offer

    def _event(self, what: str, call_id: str, now: int, step: Callable[[int], None]) -> None:
        random = self._random
        fields: dict[str, Any] = {"op": what, "call_id": call_id}
        outcome = random.choice(list(Outcome))
        if what == "end":
            fields["outcome"] = outcome.value

        def apply(at_us: int) -> dict[str, Any]:
            core = self._core
            if what == "accept":
                return said_of(core.accept(call_id, self._lookup(), at_us))
            if what == "end":
                return said_of(core.end(call_id, outcome, at_us))
            return said_of(getattr(core, what)(call_id, at_us))

        def then(answer: dict[str, Any] | None, at_us: int) -> None:
            self._at(at_us + random.choice([0, 1, 5, random.randint(0, 40)]), step)
            if answer is None and random.random() < 0.5:
                self._event(what, call_id, at_us, lambda _at_us: None)

        self._send(fields, now, apply, then)

    def _lookup(self) -> Lookup:
        return self._random.choice([Lookup.FOUND, Lookup.FOUND, Lookup.MISSING, Lookup.ERROR])

    def _read(self, now: int) -> None:
        self._send({"op": "read"}, now, lambda at_us: read_of(self._core, at_us))

    def _change(self, now: int) -> None:
        random = self._random
        limit = random.choice([None, random.randint(1, 4)])
        name = random.choice(list(self._policies))
        policy = TenantPolicy(
            random.random() > 0.2, random.choice([None, 1, 2]), random.choice([0, 0, 1]), True
        )
        change = LimitChange(limit, {name: policy} if limit is None else {})
        fields = {
            "op": "limits",
            "max_concurrent_calls": limit,
            "tenants": {key: limits_of(each) for key, each in change.tenants.items()},
        }

        def apply(at_us: int) -> dict[str, Any]:
            try:
                self._core.change_limits(change, at_us)
            except (LimitsInvalid, TenantUnknown):
                return {"result": "refused", "code": "invalid"}
            return {}

        self._send(fields, now, apply)

    def _restart(self, now: int) -> None:
        """Planned, or by somebody else, who may have changed the limits and then it tells them."""
        complete_us = now + self._random.randint(0, 12)
        told: dict[str, Any] = {}
        if self._random.random() < 0.5:
            told["unexpected"] = True

        def gone(_at_us: int) -> None:
            if told:
                self.limit = self._random.randint(1, 4)
                self._policies = {}
                self._configure()
                told["deadlines"] = self._told_deadlines
            self._core = self._new_core()
            self._at(complete_us, completed)

        def completed(at_us: int) -> None:
            if told:
                # What it shows when somebody looks: changes since then are in it.
                shown = self._core.snapshot()
                told["max_concurrent_calls"] = shown.max_concurrent_calls
                told["tenants"] = {
                    name: limits_of(row.policy)
                    for name, row in shown.tenants.items()
                    if row.policy is not None
                }
            self._operations.append(
                Operation(op="restart", invoke_us=now, complete_us=at_us, **told)
            )

        self._at(self._random.randint(now, complete_us), gone)

    def _leave_over(self) -> int:
        """Use the service before the history begins; gives the instant at which it does."""
        for number in range(self._random.randint(0, 3)):
            self._core.offer(f"old{number}", "a", 0)
            self._core.accept(f"old{number}", Lookup.FOUND, 0)
        figures = read_of(self._core, 0)
        self._operations.append(Operation(op="read", invoke_us=0, complete_us=1, **figures))
        return 3


def limits_of(policy: TenantPolicy) -> TenantLimits:
    return TenantLimits(
        max_concurrent_calls=policy.max_concurrent_calls,
        reserved_calls=policy.reserved_calls,
        enabled=policy.enabled,
    )


def said_of(answer: Answer) -> dict[str, Any]:
    if answer.refusal is not None:
        return {"result": "refused", "code": answer.refusal.value}
    assert answer.decision is not None
    return {
        "decision": answer.decision.value,
        "reason": None if answer.reason is None else answer.reason.value,
        "scopes": tuple(scope.value for scope in answer.scopes),
        "fallback": answer.fallback,
    }


def read_of(core: MemoryCore, at_us: int) -> dict[str, Any]:
    """What a read of the core is answered."""
    core.advance(at_us)
    snapshot = core.snapshot()
    assert len(snapshot.total.counters) == len(COUNTER_NAMES)
    return {
        "counters": CountersRead(
            total=all_figures(snapshot.total.counters),
            tenants={name: all_figures(each.counters) for name, each in snapshot.tenants.items()},
        ),
        "in_use": InUseRead(
            total=snapshot.total.occupancy.in_use,
            tenants={name: each.occupancy.in_use for name, each in snapshot.tenants.items()},
        ),
    }
