"""What fitting assumed and found, in sentences, for the scenario's comments and the page."""

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from simulator.fit.capacity import by_interval
from simulator.fit.dispersion import SIGNIFICANT
from simulator.fit.fitted import Cycle, DispersionRow, Fitted
from simulator.fit.rates import DAY_US, FEW_CALLS
from simulator.scenario_file.units import format_duration

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WIDTH: Final = 100
_FEW_IN_ALL: Final = 100
_MOST_NAMED: Final = 5
_LARGE_MOVE: Final = 0.05


def percent(share: float) -> str:
    """``1.2 %``: three significant figures, or as many more as it takes not to say 100 of less."""
    value = 100 * share
    for figures in range(3, 12):
        text = f"{value:.{figures}g}"
        if float(text) < 100 or share >= 1:
            break
    return f"{text if 'e' not in text else f'{value:.12f}'.rstrip('0')} %"


def counted(number: int, thing: str) -> str:
    """``1 call``, ``2,000 calls``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def roughly(duration_us: int) -> str:
    """A duration in whole seconds, or in whole minutes from an hour on."""
    unit_us = 60_000_000 if duration_us >= 3_600_000_000 else 1_000_000
    return format_duration(round(duration_us / unit_us) * unit_us or duration_us)


def wrapped(text: str, start: str = "", further: str | None = None) -> list[str]:
    """A text in lines of at most 100 characters behind ``start``, the further ones behind
    ``further``; a figure and its sign stay on one line."""
    lines = wrap(
        text.replace(" %", "\xa0%"),
        WIDTH,
        initial_indent=start,
        subsequent_indent=start if further is None else further,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\xa0", " ") for line in lines]


def at_of(at_us: int, weekday: int) -> str:
    """An instant since the midnight of a weekday as people say it: ``Tue 08:00``."""
    days, rest = divmod(at_us, DAY_US)
    minutes, seconds = divmod(rest // 1_000_000, 60)
    clock = f"{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
    return f"{WEEKDAYS[(weekday + days) % 7]} {clock}"


def _clock_us(fitted: Fitted, at_us: int) -> int:
    """An instant of the profile as time since the midnight of its first day."""
    if fitted.grid.cycle is Cycle.SPAN:
        return at_us + fitted.grid.begin_us % DAY_US
    return at_us


def when(fitted: Fitted, at_us: int) -> str:
    """An instant of the scenario in the words of the log's calendar."""
    if fitted.weekday is None:
        return format_duration(at_us)
    return at_of(_clock_us(fitted, at_us), fitted.weekday)


def dispersion_words(row: DispersionRow) -> str:
    """One row in a sentence."""
    compared = (
        "the same times of other cycles"
        if row.across
        else f"the {format_duration(row.block_us)} around them"
    )
    return (
        f"in intervals of {format_duration(row.interval_us)}, compared with {compared}, the "
        f"variance of the number of calls is {row.index:.2f} times the mean "
        f"(Poisson: {row.low:.2f} to {row.high:.2f})"
    )


def notes_of(fitted: Fitted) -> tuple[str, ...]:
    """Decisions and assumptions that hold for the whole."""
    return tuple(_notes(fitted))


def _notes(fitted: Fitted) -> Iterator[str]:
    grid = fitted.grid
    slot = format_duration(grid.slot_us)
    if grid.cycle is Cycle.SPAN:
        yield (
            f"The rate follows the log from beginning to end, in clock slots of {slot}; it is too "
            "short to say what a week repeats, and a burst that lasts longer than a slot counts as "
            "part of the profile."
        )
    else:
        yield (
            f"Rates are by time of {grid.cycle.value}, in clock slots of {slot}, over "
            f"{grid.cycles:.2f} cycles of it; each slot counts by how long it was watched, so a "
            "day cut off at either end does no harm."
        )
    yield (
        "Neighbouring slots are one step unless the calls bear out a change of rate: of all ways "
        "to cut the profile into steps the likeliest for Poisson counts is taken, each further "
        "step at a price, so that constant traffic is left in one piece 19 times in 20"
        + (
            "."
            if grid.cycle is Cycle.SPAN
            else "; of bunched calls the price is higher, so that a bunch is no step."
        )
    )
    if any(each.rates.shared for each in fitted.tenants):
        yield (
            f"Tenants with fewer than {FEW_CALLS} calls share one shape of the profile, each with "
            "its own volume, unless its calls clearly fall otherwise."
        )
    yield (
        "Holding times are those of answered calls, from answer to end. A time in whole steps of "
        "the log says only in which step it lies; calls still going on when the log ends are as "
        "long as the log says."
    )
    if any(each.ringing.patience is not None for each in fitted.tenants):
        yield (
            "A record shows an answer or the end of waiting, whichever came first. Setup and "
            "patience are the one pair of independent times that would leave this record "
            "(product-limit estimate); busy and failed calls count as given up when they ended."
        )
    yield (
        "How a call ended says nothing of how long it was, and times do not depend on the time "
        "of day."
    )
    redials = fitted.redials
    if redials is None:
        yield "The log does not show redials, so each of its calls is an arrival."
    elif redials.refused:
        yield (
            f"{redials.removed} offers are redials of refused calls. They are no arrivals: the "
            "scenario redials itself, whenever it refuses a call."
        )
    else:
        yield (
            "Redials after unanswered calls stay among the arrivals, because a scenario redials "
            "only what it refuses."
        )
    yield (
        "The limit is by Erlang B for the busiest step as if it lasted for ever"
        + (", or by Hayward's approximation for bunched calls" if _is_peaked(fitted) else "")
        + "; busyhour plan finds it by simulation."
    )


def _is_peaked(fitted: Fitted) -> bool:
    return fitted.dispersion.peakedness > 1


def warnings_of(fitted: Fitted) -> tuple[str, ...]:
    """What a planner must know before using the scenario."""
    return tuple(_warnings(fitted))


def _warnings(fitted: Fitted) -> Iterator[str]:
    dispersion, suggestion = fitted.dispersion, fitted.suggestion
    read = by_interval(dispersion)
    if _is_peaked(fitted) and read is not None:
        yield (
            f"Calls come in bunches that a Poisson profile does not make: {dispersion_words(read)}."
            f" Calls in progress vary about {dispersion.peakedness:.2f} times as much as the "
            f"scenario's. With the {suggestion.slots_poisson} slots that Poisson calls need for "
            f"{percent(suggestion.blocking)} blocking, {percent(suggestion.blocking_peaked)} of "
            f"such calls would be lost in the busiest step; {suggestion.slots_peaked} slots are "
            "needed. A plan made with this scenario understates blocking by about as much."
        )
    elif dispersion.significant:
        worst = max((row for row in dispersion.rows if not row.across), key=lambda row: row.index)
        yield (
            f"Calls come in bunches: {dispersion_words(worst)}. At the length of the calls that "
            "does not show, so it hardly matters for slots."
        )
    for row in dispersion.rows:
        if row.across and row.p_value < SIGNIFICANT and row.level_cv > _LARGE_MOVE:
            yield (
                f"The same time of {fitted.grid.cycle.value} is busier in one "
                f"{fitted.grid.cycle.value} than in another: {dispersion_words(row)}. The rate "
                f"moves by about {percent(row.level_cv)} from one to the next, and the scenario "
                "has their mean; plan with a busier one as well."
            )
    if fitted.grid.cycle is Cycle.SPAN and fitted.grid.window_us < DAY_US:
        yield (
            f"The log spans {roughly(fitted.grid.window_us)}, less than a day: whether its "
            "busiest hour is in it is not known."
        )
    calls = sum(each.offers for each in fitted.tenants)
    if calls < _FEW_IN_ALL:
        yield f"The log has only {counted(calls, 'call')}, so nothing here is sure."
    unseen = [each.name for each in fitted.tenants if not each.hold.n]
    if unseen:
        yield (
            f"No call of tenant {', '.join(map(repr, unseen[:_MOST_NAMED]))} was answered, so the "
            "holding time is made up."
        )
    renamed = [each for each in fitted.tenants if each.name != each.tenant_id]
    for each in renamed:
        yield f"The tenant {each.name!r} of the log is {each.tenant_id!r} in the scenario."
