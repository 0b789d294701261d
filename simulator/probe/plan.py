"""What a round of the probe fires, and what must come of each burst. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from service.calls import COUNTERS, MINUTES_PROCESSED, PUBLISHED, Counter
from simulator.live.client import Reply


class Kind(StrEnum):
    """What the clients of a burst do."""

    OFFER = "offer"
    TWICE = "twice"
    """Each call is offered by two requests at once, as by a client that lost patience."""
    LEAVE = "leave"
    """The clients hang up in the middle of the offer, ask again, and hang up in the end as well."""
    LIVE = "live"
    """Each call is offered, accepted, started and ended, one after the other."""


@dataclass(frozen=True, slots=True)
class Burst:
    """``calls`` offers at the same time."""

    name: str
    kind: Kind
    calls: int

    @property
    def requests(self) -> int:
        """How many connections it needs."""
        return 2 * self.calls if self.kind is Kind.TWICE else self.calls


def bursts(limit: int) -> tuple[Burst, ...]:
    """One round. The largest comes last: it finds every slot that the others lost or gained."""
    planned = (
        Burst("N-1", Kind.OFFER, limit - 1),
        Burst("N", Kind.OFFER, limit),
        Burst("N+1", Kind.OFFER, limit + 1),
        Burst("N twice", Kind.TWICE, limit),
        Burst("N leaving", Kind.LEAVE, limit),
        Burst("N whole", Kind.LIVE, limit),
        Burst("10 N", Kind.OFFER, 10 * limit),
    )
    return tuple(burst for burst in planned if burst.calls > 0)


@dataclass(frozen=True, slots=True)
class Fired:
    """What came of one burst, when every call's fate was known.

    ``replies`` are all answers to the offers of each call, in the order of the requests;
    ``spread_us`` is the time from the first request written to the last, None where each call went
    its own way.
    ``held`` are the probe's calls that the debug document listed before any was ended, or None for
    a burst that ends its calls itself; ``counted`` is how far the published counters moved
    meanwhile, and ``lives`` what the events after the offer were answered.
    """

    burst: Burst
    replies: Mapping[str, Sequence[Reply]]
    spread_us: int | None
    held: frozenset[str] | None
    counted: Mapping[Counter, int]
    lives: "Mapping[str, Life]"
    not_returned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Life:
    """The answers to accept, start and end of one call, as far as it went."""

    accept: Reply
    start: Reply | None = None
    end: Reply | None = None


@dataclass(frozen=True, slots=True)
class BurstResult:
    """The judgement on one burst. ``problems`` are sentences, each with the calls that prove it."""

    burst: Burst
    admitted: int
    rejected: int
    over_admissions: int
    false_rejections: int
    spread_us: int | None
    problems: tuple[str, ...]


_LIFE: Final = (("accept", "accepted"), ("start", "started"), ("end", "ended"))


def judge_burst(fired: Fired, limit: int) -> BurstResult:
    """Whether exactly as many calls got in as had to, and were counted and given back.

    Nothing is held when the burst begins and none of its calls is ended before all are answered, so
    min(calls, limit) is what must get in, whatever the order. The calls of a burst of whole lives
    are no more than the limit, so that all of them must.
    """
    admitted = {call_id for call_id, replies in fired.replies.items() if _says(replies, "admitted")}
    rejected = fired.replies.keys() - admitted
    room = min(fired.burst.calls, limit)
    over, false = max(0, len(admitted) - limit), max(0, room - len(admitted))
    problems = []
    if over:
        problems.append(f"{len(admitted)} calls were admitted at once, the limit is {limit}")
    if false:
        problems.append(
            f"{false} of {fired.burst.calls} calls were rejected while there was room, "
            f"{min(rejected)} among them"
        )
    for call_id, replies in fired.replies.items():
        if len({(reply.decision, reply.answer) for reply in replies}) > 1:
            said = " and ".join(str(reply.decision) for reply in replies)
            problems.append(f"the same offer of {call_id} was answered {said}")
            break
    if fired.held is not None:
        problems += _held_problems(fired.held, admitted)
    problems += _life_problems(fired.lives)
    problems += _counting_problems(fired, len(rejected))
    if fired.not_returned:
        problems.append(
            f"{len(fired.not_returned)} calls still hold a slot after their end was answered, "
            f"{min(fired.not_returned)} among them"
        )
    return BurstResult(
        fired.burst, len(admitted), len(rejected), over, false, fired.spread_us, tuple(problems)
    )


def _says(replies: Sequence[Reply], decision: str) -> bool:
    return any(reply.decision == decision for reply in replies)


def _held_problems(held: frozenset[str], admitted: set[str]) -> list[str]:
    problems = []
    if admitted - held:
        problems.append(
            f"{len(admitted - held)} admitted calls hold no slot, {min(admitted - held)} among them"
        )
    if held - admitted:
        problems.append(
            f"{len(held - admitted)} rejected calls hold a slot, {min(held - admitted)} among them"
        )
    return problems


def _life_problems(lives: "Mapping[str, Life]") -> list[str]:
    """At most one problem of each step: the first call that shows it."""
    found: dict[str, str] = {}
    for call_id, life in lives.items():
        for (step, due), reply in zip(_LIFE, (life.accept, life.start, life.end), strict=True):
            if reply is None or reply.decision == due:
                continue
            if step == "accept" and reply.decision == "rejected":
                break
            said = reply.decision or reply.code or reply.said
            found.setdefault(step, f"the {step} of {call_id} was answered {said}, not {due}")
            break
    return list(found.values())


def _counting_problems(fired: Fired, rejected: int) -> list[str]:
    """The counters must have moved by what was answered, and no other."""
    lives = fired.lives.values()
    accepts = [life.accept for life in lives]
    due = {
        Counter.REJECTED_CALLS_CAPACITY: rejected,
        Counter.ACCEPTED_CALLS: _count(accepts, "accepted"),
        Counter.FALLBACK_INSTRUCTIONS_USED: sum(
            reply.answer is not None and reply.answer.fallback for reply in accepts
        ),
        Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING: _count(accepts, "rejected"),
        Counter.STARTED_CALLS: _count([life.start for life in lives], "started"),
        Counter.ENDED_CALLS: _count([life.end for life in lives], "ended"),
    }
    # A lookup that failed is answered like one that found nothing, so errors are not told.
    untold = {Counter.INSTRUCTIONS_DB_ERRORS}
    return [
        f"{spec.name} moved by {fired.counted[spec.counter]}, the answers say "
        f"{due.get(spec.counter, 0)}"
        for spec in PUBLISHED
        if spec.counter not in untold and fired.counted[spec.counter] != due.get(spec.counter, 0)
    ]


def _count(replies: Sequence[Reply | None], decision: str) -> int:
    return sum(reply is not None and reply.decision == decision for reply in replies)


def published_counters(document: Mapping[str, object]) -> dict[Counter, int]:
    """The published whole numbers of a live document. Raises :class:`ValueError`."""
    counters = {}
    for spec in PUBLISHED:
        value = document.get(spec.name)
        if not isinstance(value, int):
            raise ValueError(f"{spec.name} is {value!r}, not a whole number")
        counters[spec.counter] = value
    if MINUTES_PROCESSED not in document:
        raise ValueError(f"{MINUTES_PROCESSED} is missing")
    return counters


LIST_OF_ACTIVE: Final = COUNTERS[Counter.ACTIVE_CALLS].name
