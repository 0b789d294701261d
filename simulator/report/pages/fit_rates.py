"""The section of the page about when calls come: counts of the log, steps of the scenario."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from simulator.fit.fitted import Cycle, Fitted, Rates
from simulator.fit.rates import DAY_US
from simulator.fit.words import WEEKDAYS, when
from simulator.report.figures import number
from simulator.report.pages.blocks import (
    Axis,
    Block,
    Chart,
    Folded,
    Kind,
    Line,
    Mark,
    Section,
    Shape,
)
from simulator.scenario_file.units import format_duration

_HOUR_US: Final = 3_600_000_000
_SLOTS_DRAWN: Final = 700
_TENANTS_DRAWN: Final = 4
_WORTH_DRAWING: Final = 2


def rate_section(fitted: Fitted) -> Section:
    """All tenants together, log and scenario, and the largest tenants' steps."""
    blocks: list[Block] = [_rate_chart(fitted)]
    largest = sorted(fitted.tenants, key=lambda each: -each.first_attempts)[:_TENANTS_DRAWN]
    if len(fitted.tenants) >= _WORTH_DRAWING:
        starts = sorted({start for each in largest for start in each.rates.starts_us})
        lines = tuple(
            Line(each.name, (*_per_hour(each.rates, starts), None), tone=tone, shape=Shape.STEPS)
            for tone, each in enumerate(largest, 1)
        )
        blocks.append(
            Folded(
                "The fitted rates of the largest tenants",
                (
                    Chart(
                        key="tenant-rates",
                        title="Fitted arrival rates of the largest tenants",
                        sentence=f"The {len(largest)} tenants with most calls.",
                        x=_time_axis(fitted),
                        y=Axis("calls an hour"),
                        xs=(*(_clock_s(fitted, each) for each in starts), _end_s(fitted)),
                        lines=lines,
                        marks=tuple(_days(fitted)),
                    ),
                ),
            )
        )
    return Section("rates", "When calls come", tuple(blocks))


def _rate_chart(fitted: Fitted) -> Chart:
    grid, rates = fitted.grid, fitted.total_rates
    # So many slots that each is seen; a long span is drawn in wider ones.
    every = -(-len(fitted.total_counts) // _SLOTS_DRAWN)
    firsts = np.arange(0, len(fitted.total_counts), every)
    counts = np.add.reduceat(np.array(fitted.total_counts, np.float64), firsts)
    exposure = np.add.reduceat(np.array(grid.exposure_us, np.float64), firsts)
    width = grid.slot_us * every
    starts = [int(place) * width for place in range(len(firsts))]
    data = [
        count / watched * _HOUR_US if watched else None
        for count, watched in zip(counts.tolist(), exposure.tolist(), strict=True)
    ]
    model = _expected_per_hour(fitted, starts)
    texts = tuple(
        f"{number(value, 1)}, {when(fitted, start)}: {number(int(count))} calls"
        if value is not None
        else "not watched"
        for start, value, count in zip(starts, data, counts.tolist(), strict=True)
    )
    top = fitted.suggestion
    return Chart(
        key="rate-chart",
        title="Calls an hour, log and scenario",
        sentence=(
            f"{number(sum(fitted.total_counts))} arrivals in slots of {format_duration(width)}, "
            f"and the fitted steps; most traffic from {when(fitted, top.busiest_from_us)} to "
            f"{when(fitted, top.busiest_until_us)}."
        ),
        x=_time_axis(fitted),
        y=Axis("calls an hour"),
        xs=(*(_clock_s(fitted, start) for start in starts), _end_s(fitted)),
        lines=(
            Line("Log", (*data, None), tone=2, shape=Shape.AREA, texts=(*texts, "")),
            Line("Scenario", (*model, None), tone=1, shape=Shape.STEPS),
        ),
        marks=tuple(_days(fitted)),
        note=(
            f"{len(rates.starts_us)} steps, where any tenant's rate steps. The rate of a step is "
            "its calls over the time it was watched, so the scenario has as many calls as the log."
        ),
    )


def _expected_per_hour(fitted: Fitted, starts: list[int]) -> list[float]:
    """The fitted rate averaged over each drawn slot."""
    rates, length = fitted.total_rates, fitted.grid.length_us
    edges = np.array([*rates.starts_us, length], np.float64)
    expected = np.concatenate(([0.0], np.cumsum(np.array(rates.rates_per_us) * np.diff(edges))))
    cuts = np.array([*starts, length], np.float64)
    calls = np.diff(np.interp(cuts, edges, expected))
    per_hour: list[float] = (calls / np.diff(cuts) * _HOUR_US).tolist()
    return per_hour


def _per_hour(rates: Rates, starts: list[int]) -> list[float]:
    places = np.searchsorted(rates.starts_us, starts, side="right") - 1
    per_hour: list[float] = (np.array(rates.rates_per_us)[places] * _HOUR_US).tolist()
    return per_hour


def _day_offset_us(fitted: Fitted) -> int:
    return fitted.grid.begin_us % DAY_US if fitted.grid.cycle is Cycle.SPAN else 0


def _clock_s(fitted: Fitted, at_us: int) -> float:
    return (_day_offset_us(fitted) + at_us) / 1e6


def _end_s(fitted: Fitted) -> float:
    return _clock_s(fitted, fitted.grid.length_us)


def _time_axis(fitted: Fitted) -> Axis:
    if fitted.weekday is None:
        return Axis("hours and minutes of the profile", Kind.CLOCK)
    return Axis(f"hours and minutes since {WEEKDAYS[fitted.weekday]} 0:00", Kind.CLOCK)


def _days(fitted: Fitted) -> Iterator[Mark]:
    """Midnights, where the profile has any and not too many."""
    if fitted.weekday is None:
        return
    offset = _day_offset_us(fitted)
    days = (offset + fitted.grid.length_us - 1) // DAY_US
    if days <= 7:
        for day in range(1, days + 1):
            label = WEEKDAYS[(fitted.weekday + day) % 7]
            yield Mark(label, day * DAY_US / 1e6, tone=6)
