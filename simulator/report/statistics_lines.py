"""The statistics of a run in words, for the documents that people read."""

from dataclasses import dataclass

from simulator.report.figures import THIN_SPACE, fixed, number, percent
from simulator.statistics import PREEMPTED_CALLS, Statistics


@dataclass(frozen=True, slots=True)
class StatisticLine:
    """One statistic: its key in ``result.json``, the written figure, and what it means."""

    key: str
    label: str
    text: str
    meaning: str


def statistic_lines(statistics: Statistics) -> tuple[StatisticLine, ...]:
    erlang = f"{THIN_SPACE}E"
    rows: tuple[tuple[str, str, str, str], ...] = (
        (
            "offered_calls",
            "Offered calls",
            number(statistics.offered_calls),
            "call attempts in the window, redials included",
        ),
        (
            "first_attempts",
            "First attempts",
            number(statistics.first_attempts),
            "call attempts that are not redials",
        ),
        (
            "blocking",
            "Blocking",
            percent(statistics.blocking),
            "share of attempts rejected for capacity; those of tenants not configured left out",
        ),
        (
            "first_attempt_blocking",
            "First-attempt blocking",
            percent(statistics.first_attempt_blocking),
            "the same over first attempts alone",
        ),
        (
            "eventual_loss",
            "Eventual loss",
            percent(statistics.eventual_loss),
            "share of callers whose last attempt was rejected for capacity",
        ),
        (
            "time_congestion",
            "Time congestion",
            percent(statistics.time_congestion),
            "share of time with no slot free",
        ),
        (
            "peak_in_use",
            "Peak in use",
            number(statistics.peak_in_use),
            "largest number of slots right after an admission",
        ),
        (
            "carried_erlangs",
            "Carried traffic",
            fixed(statistics.carried_erlangs, 2) + erlang,
            "mean number of slots in use, setup included",
        ),
        (
            "occupancy",
            "Occupancy",
            percent(statistics.occupancy),
            "carried traffic over the mean limit",
        ),
    )
    if statistics.preempted_calls is not None:
        rows += (
            (
                PREEMPTED_CALLS,
                "Preempted calls",
                number(statistics.preempted_calls),
                "calls that had to give way to a more important one",
            ),
        )
    return tuple(StatisticLine(*row) for row in rows)
