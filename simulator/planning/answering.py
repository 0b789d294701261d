"""The answer of a plan: how many replications are made, and the least limit they show to be enough.

Replications are made in rounds of doubling number. In every round the least limit is sought at
which the target is met with confidence; common random numbers make the search on the same calls at
every limit. It ends when one slot less is known to be too few, when the interval is short enough,
or at the most replications allowed. Looking several times at growing evidence would raise the
chance of being wrong, so that chance is shared out equally over the rounds there may be.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from simulator.analytics.loss import servers_for_blocking
from simulator.planning.aim import ROOM_FOR_ALL, Aim
from simulator.planning.measure import Clock
from simulator.planning.replication import Traffic
from simulator.planning.result import PlanUnmet, Stopped

FIRST_REPLICATIONS: Final = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer, the replications it rests on, and why no more were made."""

    limit: int
    replications: int
    stopped: Stopped


def rounds_of(most: int) -> list[int]:
    """How many replications there may be after each round, at most ``most``."""
    rounds = [min(FIRST_REPLICATIONS, most)]
    while rounds[-1] < most:
        rounds.append(min(2 * rounds[-1], most))
    return rounds


def sure_of(confidence: float, rounds: Sequence[int]) -> float:
    """The confidence of two-sided intervals whose one end decides, looked at in every round."""
    return 1 - 2 * (1 - confidence) / len(rounds)


def find_answer(
    name: str,
    aim: Aim,
    rounds: Sequence[int],
    clock: Clock,
    confidence: float,
    precision: float,
    step: Callable[[int, int], None],
) -> Answer:
    """The least limit that meets the target; ``name`` is the scenario's.

    ``precision``: half the length of an interval at ``confidence`` that is short enough. Raises
    :class:`PlanUnmet`, and :class:`~simulator.trace.TraceInvalid`.
    """
    limit = None
    for count in rounds:
        traffic = aim.replications.prepare(count)
        step(count, rounds[-1])
        guess = _guess(aim, traffic, clock) if limit is None else limit
        limit = aim.least(guess, count, surely=True, step=None if limit is None else 1)
        if limit is None:
            _give_up_if_hopeless(aim, count, confidence)
            continue
        if limit == aim.floor or aim.is_missed(limit - 1, count):
            return Answer(limit, count, Stopped.DECIDED)
        widths = [each.half_width for each in aim.estimates(limit, count, confidence)]
        if max(widths) <= precision:
            return Answer(limit, count, Stopped.PRECISE)
    if limit is None:
        raise PlanUnmet(
            f"{rounds[-1]} replications (--max-replications) of {name} have too few calls to show "
            f"{aim.target} with confidence at any limit; allow more, or lengthen the run"
        )
    return Answer(limit, rounds[-1], Stopped.BOUNDED)


def _guess(aim: Aim, traffic: Sequence[Traffic], clock: Clock) -> int:
    """Erlang's formula for the calls in progress in the busiest interval."""
    spans = [clock.bounds(place) for place in range(len(traffic[0].held_us))]
    erlangs = max(
        sum(int(each.held_us[place]) for each in traffic) / len(traffic) / (until - since)
        for place, (since, until) in enumerate(spans)
    )
    try:
        return max(aim.floor, servers_for_blocking(erlangs, aim.target.value))
    except ValueError:
        return max(aim.floor, math.ceil(erlangs))


def _give_up_if_hopeless(aim: Aim, count: int, confidence: float) -> None:
    """Raises :class:`PlanUnmet` when the target is missed where there is room for all."""
    if not aim.is_missed(ROOM_FOR_ALL, count):
        return
    left = aim.estimates_by_tenant(ROOM_FOR_ALL, count, confidence)
    missed = {
        tenant: estimate
        for tenant, estimate in left.items()
        if not aim.target.met_by(estimate.value)
    }
    gravest_first = sorted(missed, key=lambda tenant: -missed[tenant].value)
    worst = missed[gravest_first[0]]
    named = [tenant for tenant in gravest_first if tenant is not None]
    whose = f" for {named[0]}" if named else ""
    raised = ", ".join(f"tenants.{tenant}.max_concurrent_calls" for tenant in named or ["*"])
    raise PlanUnmet(
        f"no max_concurrent_calls meets {aim.target}: with room for all it is still "
        f"{worst.value:.3g} ({worst.low:.3g} to {worst.high:.3g}){whose}, because tenants reach "
        f"limits of their own; raise {raised}"
    )
