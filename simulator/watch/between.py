"""The laws between documents read one after the other.

Two requests are no single snapshot. What is read in between is compared with what the reads before
and after it allow: a number that only grows was then somewhere between its two readings.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from service.calls import COUNTERS, MINUTES_PROCESSED, US_PER_SECOND, Counter
from simulator.watch.documents import Capacity, CapacityRow, Debug, Figures, Read
from simulator.watch.laws import DEBUG, TOTAL, Suspicion, Violation, name_of

DRIFT = 0.001
"""How much two clocks may differ in speed; quartz differs by a hundredth of that."""

_GROWING = tuple(spec.counter for spec in COUNTERS if not spec.is_gauge)
_BEFORE_THE_ANSWER = (
    Counter.ACCEPTED_CALLS,
    Counter.REJECTED_CALLS_CAPACITY,
    Counter.REJECTED_CALLS_TENANT_NOT_CONFIGURED,
    Counter.REJECTED_CALLS_INSTRUCTIONS_MISSING,
    Counter.ABANDONED_PENDING,
)


@dataclass(frozen=True, slots=True)
class Span:
    """One scope's counters at two instants; in between each was no less and no more."""

    before: Figures
    after: Figures

    def count(self, plus: Iterable[Counter], minus: Iterable[Counter] = ()) -> tuple[int, int]:
        """The least and the greatest that a sum of counters less another can have been."""
        plus, minus = tuple(plus), tuple(minus)
        least = sum(self.before[c] for c in plus) - sum(self.after[c] for c in minus)
        most = sum(self.after[c] for c in plus) - sum(self.before[c] for c in minus)
        return max(0, least), most

    def growth(self, counter: Counter) -> int:
        return self.after[counter] - self.before[counter]


def grown_laws(scope: str, before: Figures, after: Figures) -> Iterator[Violation]:
    """Every counter but the gauge only grows."""
    for counter in _GROWING:
        if counter in before.counters and counter in after.counters:
            old, new = before[counter], after[counter]
            if new < old:
                yield _backwards(scope, name_of(counter), old, new)
    if after.minutes < before.minutes:
        yield _backwards(scope, MINUTES_PROCESSED, before.minutes, after.minutes)


def debug_within(span: Span, debug: Debug, abandoned: int) -> Iterator[Violation]:
    """The debug document's counts against the total's counters around it.

    ``abandoned``: so many calls at least were abandoned after their accept, where no document
    tells the number.
    """
    least_active, most_active = span.count([Counter.STARTED_CALLS], [Counter.ENDED_CALLS])
    yield from _within("active", len(debug.active), least_active, most_active)
    if Counter.ABANDONED_ACCEPTED in span.before.counters:
        least, most = span.count(
            [Counter.ACCEPTED_CALLS], [Counter.ENDED_CALLS, Counter.ABANDONED_ACCEPTED]
        )
    else:
        _, most = span.count([Counter.ACCEPTED_CALLS], [Counter.ENDED_CALLS])
        least, most = least_active, most - abandoned
    yield from _within("accepted", len(debug.accepted), least, most)
    if Counter.OFFERED_CALLS in span.before.counters:
        least, most = span.count([Counter.OFFERED_CALLS], _BEFORE_THE_ANSWER)
        yield from _within("pending", len(debug.pending), least, most)


def pending_within(before: Capacity, debug: Debug, after: Capacity) -> Iterator[Violation]:
    """Each tenant's pending calls in the debug document against its row around it."""
    for tenant_id in before.tenants.keys() & after.tenants.keys():
        span = Span(before.tenants[tenant_id].figures, after.tenants[tenant_id].figures)
        least, most = span.count([Counter.OFFERED_CALLS], _BEFORE_THE_ANSWER)
        listed = len(debug.pending_by_tenant.get(tenant_id, ()))
        yield from _within(f"pending of {tenant_id}", listed, least, most)
    strangers = debug.pending_by_tenant.keys() - after.tenants.keys()
    if strangers:
        yield Violation(
            "debug-fits-counters",
            DEBUG,
            f"calls of {', '.join(sorted(strangers))} are pending, which is no tenant there",
        )


def flow_laws(span: Span, earlier: Debug, later: Debug) -> Iterator[Violation]:
    """Calls that came and went between two debug documents against the counters around both."""
    was_active, is_active = set(earlier.active), set(later.active)
    was_accepted, is_accepted = set(earlier.accepted), set(later.accepted)
    # An active call that is merely accepted now has ended, and its id was accepted anew.
    again = (was_active & is_accepted) - is_active
    for what, calls, counter in (
        ("became active", is_active - was_active, Counter.STARTED_CALLS),
        ("are active no more", was_active - is_active, Counter.ENDED_CALLS),
        ("became accepted", (is_accepted - was_accepted) | again, Counter.ACCEPTED_CALLS),
    ):
        if calls and len(calls) > span.growth(counter):
            yield Violation(
                "debug-moves-with-counters",
                DEBUG,
                f"{len(calls)} calls {what}, {min(calls)} among them, but {name_of(counter)} grew "
                f"by {span.growth(counter)} at most",
            )


def sum_laws(
    total: Span, earlier: Mapping[str, Figures] | None, later: Mapping[str, Figures]
) -> Iterator[Violation]:
    """Some tenants' rows against the total's, read before and after them.

    ``earlier`` are rows of the same tenants read after ``total.before``, ``later`` those read
    before ``total.after``.
    """
    for spec in COUNTERS:
        counter = spec.counter
        if spec.is_gauge or not spec.published or counter is Counter.ACTIVE_US_TOTAL:
            continue
        parts = sum(figures[counter] for figures in later.values())
        if parts > total.after[counter]:
            yield Violation(
                "tenants-within-total",
                TOTAL,
                f"{spec.name} is {total.after[counter]}, the named tenants had {parts} before",
            )
        elif earlier is not None:
            grown = parts - sum(figures[counter] for figures in earlier.values())
            if grown > max(0, total.growth(counter)):
                yield Violation(
                    "tenants-within-total",
                    TOTAL,
                    f"{spec.name} grew by {total.growth(counter)} at most, for the named tenants "
                    f"by {grown}",
                )
    _, most = total.count([Counter.STARTED_CALLS], [Counter.ENDED_CALLS])
    for tenant_id, figures in later.items():
        if earlier is None and figures[Counter.ACTIVE_CALLS] > most:
            yield Violation(
                "tenants-within-total",
                f"tenant {tenant_id}",
                f"{figures[Counter.ACTIVE_CALLS]} calls are active, of all tenants {most} at most",
            )


def clock_steps(earlier: Read, later: Read) -> Iterator[Suspicion]:
    """A service's clock that did not go on as the monitor's did.

    It may be the clock that jumped, which spoils minutes and deadlines, or a machine that slept.
    """
    before, after = earlier.document, later.document
    assert isinstance(before, Capacity)
    assert isinstance(after, Capacity)
    if before.clock != "system" or after.clock != "system":
        return
    least, most = later.sent_us - earlier.received_us, later.received_us - earlier.sent_us
    slack_us = DRIFT * most + 2  # instants are cut to whole microseconds
    passed_us = after.at_us - before.at_us
    if not least - slack_us <= passed_us <= most + slack_us:
        yield Suspicion(
            TOTAL,
            f"the service's clock went on by {passed_us / US_PER_SECOND:.3f} s, and the one here "
            f"by {least / US_PER_SECOND:.3f} s to {most / US_PER_SECOND:.3f} s: it jumped, or one "
            "of the machines slept",
        )


def capacity_steps(before: Capacity, after: Capacity) -> Iterator[Violation | Suspicion]:
    """What cannot happen between two snapshots of one unbroken stretch, or hardly can."""
    yield from _row_steps(TOTAL, before.total, after.total)
    for tenant_id, row in after.tenants.items():
        if tenant_id in before.tenants:
            yield from _row_steps(f"tenant {tenant_id}", before.tenants[tenant_id], row)


def _row_steps(
    scope: str, before: CapacityRow, after: CapacityRow
) -> Iterator[Violation | Suspicion]:
    in_use, limit = after.slots.in_use, after.limit
    if limit is not None and limit == before.limit and in_use > max(limit, before.slots.in_use):
        yield Suspicion(
            scope,
            f"slots in use rose from {before.slots.in_use} to {in_use}, the limit is {limit}: too "
            "many, unless it was raised and lowered again in between; --limit makes sure",
        )
    counter = Counter.ACTIVE_US_TOTAL
    if (
        after.figures[counter] > before.figures[counter]
        and after.figures[Counter.ENDED_CALLS] == before.figures[Counter.ENDED_CALLS]
    ):
        yield Violation(
            "minutes-come-with-ends",
            scope,
            f"{name_of(counter)} rose from {before.figures[counter]} to {after.figures[counter]}, "
            "and no call ended",
        )


def _within(what: str, listed: int, least: int, most: int) -> Iterator[Violation]:
    if not least <= listed <= most:
        yield Violation(
            "debug-fits-counters",
            DEBUG,
            f"{listed} calls are listed as {what}; by the counters around it at least {least} "
            f"and at most {most}",
        )


def _backwards(scope: str, name: str, old: float, new: float) -> Violation:
    return Violation("never-backwards", scope, f"{name} fell from {old} to {new}")
