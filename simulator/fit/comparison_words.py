"""The comparison of a log with its model, in words and lines."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from simulator.fit.comparison import Comparison, Kind, Measure
from simulator.fit.words import percent, roughly, wrapped

_MORE: Final = {
    "offered_calls": "the log has more calls than the model draws",
    "offered_erlangs": "the log offers more traffic than the model",
    "busiest_minute": "the log is burstier from minute to minute than the model",
    "busiest_second": "the log is burstier within the minute than the model, calls come together",
    "peak": "the log piles up higher than the model ever does",
    "blocking": "the model loses too few calls, a limit planned with it is too low",
    "rejected_calls": "the model rejects too few calls, a limit planned with it is too low",
    "carried_erlangs": "the log fills the slots better than the model",
    "worst_interval": "the worst of the log is worse than that of the model",
    "slots_needed": "a limit planned with the model is too low for calls like those of the log",
}
_LESS: Final = {
    "offered_calls": "the log has fewer calls than the model draws",
    "offered_erlangs": "the log offers less traffic than the model",
    "busiest_minute": "the log is smoother from minute to minute than the model",
    "busiest_second": "the log is smoother within the minute than the model, calls keep apart",
    "peak": "the log never piles up as high as the model",
    "blocking": "the model loses too many calls, a limit planned with it is on the safe side",
    "rejected_calls": "the model rejects too many calls, a limit planned with it is on the safe "
    "side",
    "carried_erlangs": "the log leaves more of the slots unused than the model",
    "worst_interval": "the worst of the log is milder than that of the model",
    "slots_needed": "a limit planned with the model is higher than calls like the log's need",
}
_BUSY: Final = "in_use_p"
_SAID_ALREADY: Final = {"rejected_calls": "blocking"}
"""Measures of which nothing new is to be said where another one differs as well."""


def figure(kind: Kind, value: float) -> str:
    """A value as text."""
    if kind is Kind.SHARE:
        return percent(value)
    if kind is Kind.ERLANGS:
        return f"{value:,.2f}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def interval(measure: Measure) -> str:
    """Where further runs would lie; whole calls that lie within, where there are any."""
    low, high = measure.low, measure.high
    if measure.kind is Kind.CALLS:
        least, most = math.ceil(low), math.floor(high)
        if least == most:
            return f"{least:,}"
        return f"{least:,} to {most:,}" if least < most else f"{low:,.1f} to {high:,.1f}"
    return f"{figure(measure.kind, low)} to {figure(measure.kind, high)}"


def reason(measure: Measure) -> str:
    """What it says where the log is none like the runs; empty where it could be one of them."""
    if not measure.side:
        return ""
    if measure.key.startswith(_BUSY):
        many = "more" if measure.side > 0 else "fewer"
        return f"the log has {many} calls at once than the model"
    return (_MORE if measure.side > 0 else _LESS)[measure.key]


def sentences(comparison: Comparison) -> tuple[str, ...]:
    """What the differences say, in the order of the measures; a single sentence where there is
    none."""
    differing = {each.key: each for each in comparison.measures if each.side}
    busy = [each for key, each in differing.items() if key.startswith(_BUSY)]
    said = []
    for key, measure in differing.items():
        if measure in busy:
            if measure is busy[0]:
                said.append(_busy_sentence(busy))
        elif _SAID_ALREADY.get(key) not in differing:
            said.append(
                f"{_capital(reason(measure))} ({measure.name}: "
                f"{figure(measure.kind, measure.log)}, in the model {interval(measure)})."
            )
    return tuple(said) or ("In everything compared, the log could be one of the model's runs.",)


def _busy_sentence(busy: Sequence[Measure]) -> str:
    """All percentiles of time at which the log has more, or fewer, calls at once."""
    parts = []
    for side, word in ((1, "more"), (-1, "fewer")):
        places = [each.key.removeprefix(_BUSY) for each in busy if each.side == side]
        if places:
            parts.append(f"{word} calls at once than the model at {_listed(places)} % of the time")
    return f"The log has {', and '.join(parts)}."


def _listed(words: Sequence[str]) -> str:
    """``95``, ``95 and 99``, ``95, 99 and 99.9``."""
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """What a person at a terminal reads."""
    slots = "1 slot" if comparison.capacity == 1 else f"{comparison.capacity:,} slots"
    part = "" if comparison.is_whole else "the first "
    yield (
        f"the log against {comparison.replications} runs of the scenario on {slots}, "
        f"{part}{roughly(comparison.window_us)}:"
    )
    yield f"  {'':<42}{'log':>12}{'model':>12}   95 of 100 runs"
    for measure in comparison.measures:
        own, mean = figure(measure.kind, measure.log), figure(measure.kind, measure.mean)
        mark = "  <--" if measure.side else ""
        yield f"  {measure.name:<42}{own:>12}{mean:>12}   {interval(measure)}{mark}"
    for sentence in sentences(comparison):
        yield from wrapped(sentence, "  - ", "    ")
