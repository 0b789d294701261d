"""What was read and what was fitted, in the lines a person at a terminal reads."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from simulator.cdr.recorded import BrokenLines, CallEnd, RecordedCalls
from simulator.fit.distribution_text import duration_text
from simulator.fit.fitted import Fitted, TenantFit
from simulator.fit.words import counted, percent, when, wrapped

_MOST_BROKEN_SHOWN: Final = 5
_MOST_TENANTS_SHOWN: Final = 10
_DATES: Final = "%a %Y-%m-%d %H:%M:%S"


def reading_lines(log: RecordedCalls) -> Iterator[str]:
    """What was read, from how many lines, and which of them are no calls."""
    lines = sum(file.lines for file in log.files)
    names = ", ".join(file.path.name for file in log.files)
    yield (
        f"{counted(len(log), 'call')} of {counted(len(log.tenants), 'tenant')} from "
        f"{counted(lines, 'line')} of {names}, {span_words(log)}"
    )
    ends = ", ".join(
        f"{count:,} {end.name.lower().replace('_', ' ')}"
        for end, count in log.ends.items()
        if count and end != CallEnd.COMPLETED
    )
    yield f"  answered {percent(float(log.answered.mean()))}" + (f"; {ends}" if ends else "")
    yield from broken_lines(log.broken, lines)
    for note in log.notes:
        yield from wrapped(note, "  ", "    ")


def span_words(log: RecordedCalls) -> str:
    """From when to when calls were offered."""
    if log.clock is None:
        return f"second {log.from_us / 1e6:,.10g} to {(log.until_us - 1) / 1e6:,.10g} of the log"
    wall = log.wall_us()
    midnight = log.clock.origin.replace(tzinfo=None)
    first, last = (
        (midnight + timedelta(microseconds=int(wall[place]))).strftime(_DATES) for place in (0, -1)
    )
    zone = "" if log.clock.zone is None else f" ({log.clock.zone})"
    return f"{first} to {last}{zone}"


def broken_lines(broken: BrokenLines, lines: int) -> Iterator[str]:
    """How many lines are broken, and the first of them."""
    if not broken.count:
        yield "  no broken lines"
        return
    are = "is" if broken.count == 1 else "are"
    yield (
        f"  {counted(broken.count, 'line')} of {lines:,} {are} broken and left out "
        f"({percent(broken.count / lines)}):"
    )
    for example in broken.examples[:_MOST_BROKEN_SHOWN]:
        yield f"    {example}"
    more = broken.count - min(_MOST_BROKEN_SHOWN, len(broken.examples))
    if more:
        yield f"    and {more:,} more"


def fitted_lines(fitted: Fitted) -> Iterator[str]:
    """What was fitted: the busiest step, the largest tenants, and what must be minded."""
    suggestion = fitted.suggestion
    yield (
        f"fitted: {suggestion.erlangs:,.4g} erlang in the busiest step, "
        f"{when(fitted, suggestion.busiest_from_us)} to "
        f"{when(fitted, suggestion.busiest_until_us)}; "
        f"{counted(suggestion.slots, 'slot')} suggested for {percent(suggestion.blocking)} blocking"
    )
    for tenant in fitted.tenants[:_MOST_TENANTS_SHOWN]:
        yield f"  {tenant_words(tenant, fitted.grid.length_us)}"
    more = len(fitted.tenants) - _MOST_TENANTS_SHOWN
    if more > 0:
        yield f"  and {counted(more, 'more tenant')}"
    for warning in fitted.warnings:
        yield from wrapped(warning, "  mind: ", "    ")


def tenant_words(tenant: TenantFit, length_us: int) -> str:
    """A tenant in a line: volume, profile, answers, holding times."""
    rate = tenant.rates.expected_calls(length_us) / length_us * 3_600_000_000
    steps = counted(len(tenant.rates.starts_us), "step")
    hold = tenant.hold
    held = f"{duration_text(hold.mean_us)} {hold.chosen_name}, cv {hold.cv:.2f}"
    return (
        f"{tenant.tenant_id}: {rate:,.4g} calls an hour in {steps}, "
        f"{percent(tenant.answered_share)} answered, hold {held}"
    )
