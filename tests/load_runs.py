"""Runs shared out among workers, played at once: every answer is the one that is wanted."""

from typing import Final

from simulator.load.answers import Answer
from simulator.load.coordinator import RELEASE, Coordinator
from simulator.load.messages import Plan, Report, player_of, report_of
from simulator.load.player import Player
from simulator.trace import CallTrace, Conditions, TraceTenant
from tests.strategies import Row, make_trace

ADMITTED: Final = Answer("ok", "admitted")
GOOD: Final = {
    0: ADMITTED,
    1: Answer("ok", "accepted"),
    2: Answer("ok", "started"),
    3: Answer("ok", "referred"),
    4: Answer("ok", "ended"),
    5: Answer("ok", "ended"),
}
PREFIX: Final = "p"


def trace_of(
    calls: int, limit: int = 10, hold_us: int = 1_000_000, apart_us: int = 1000
) -> CallTrace:
    """Calls of one tenant, one each ``apart_us``."""
    duration_us = max(60_000_000, calls * apart_us + 1)
    conditions = Conditions(duration_us, limit, (TraceTenant("acme"),))
    return make_trace(
        conditions, [Row(offer=place * apart_us, hold=hold_us) for place in range(calls)]
    )


def coordinator_of(trace: CallTrace, shares: int) -> Coordinator:
    return Coordinator(
        trace, "hash", run="run", shares=shares, speed=1.0, prefix=PREFIX, late_us=1000
    )


def join(coordinator: Coordinator, worker: str, distance_us: int = 0, at_us: int = 0) -> None:
    """A worker comes, and its clock is read until it is known."""
    coordinator.hello(worker, "hash", RELEASE)
    while not coordinator.clock_read(worker, at_us, at_us + 1 - distance_us, at_us + 2):
        at_us += 1


def plan_of(coordinator: Coordinator, worker: str) -> Plan:
    plan = coordinator.plan_for(worker)
    assert plan is not None
    return plan


def play(player: Player, from_us: int, until_us: int) -> None:
    """Play what is due before an instant of the worker's clock; answers take a microsecond."""
    now_us = from_us
    while (due_us := player.next_due_us()) is not None and due_us < until_us:
        now_us = max(now_us, due_us)
        request = player.take(now_us)
        assert request is not None
        request.invoke_us = now_us
        player.answered(request, GOOD[request.kind], now_us + 1)
        now_us += 1


def played(trace: CallTrace, plan: Plan) -> Report:
    """The only report of a worker that plays its share to the end."""
    player = player_of(trace, plan)
    play(player, plan.start_us, 1 << 62)
    return report_of(plan, player, 0, 1 << 60, final=True)
