"""The fitted scenario as a file: YAML with a comment on where each figure comes from."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from simulator.fit.capacity import by_interval
from simulator.fit.distribution_text import distribution_lines, significant
from simulator.fit.fitted import Cycle, Durations, Fitted, Rates, Redials, Share, TenantFit
from simulator.fit.words import counted, percent, roughly, when, wrapped
from simulator.scenario_file.units import format_duration

_HOUR_US: Final = 3_600_000_000
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
_NOT_TEXT: Final = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 64


def scenario_name(text: str) -> str:
    """A text as the name of a scenario: the characters a name may have, ``fitted`` of none."""
    name = _NOT_IN_NAMES.sub("-", text).strip("._-")[:_LONGEST_NAME]
    return name or "fitted"


def scenario_text(fitted: Fitted, *, name: str, command: str, remarks: Iterable[str] = ()) -> str:
    """The scenario file. The same fit gives the same text.

    ``name`` is made a valid one; ``command`` made it, and ``remarks`` are what else there is to say
    of that (a sentence each).
    """
    lines = [
        *_head(fitted, command, remarks),
        "version: 1",
        f"name: {json.dumps(scenario_name(name))}",
        f"description: {json.dumps(f'Fitted from a log of calls, {fitted.span}.')}",
        f"seed: {fitted.seed}",
        *_duration(fitted),
        "",
        *_capacity(fitted),
        "",
        "tenants:",
    ]
    anchored = False
    for tenant in fitted.tenants:
        lines += [*_tenant(fitted, tenant, anchored=anchored), ""]
        anchored = anchored or tenant.rates.shared
    return "\n".join(lines[:-1]) + "\n"


def _comment(text: str, indent: int = 0, bullet: str = "") -> list[str]:
    """A text as comment lines; what cannot be printed is shown as ``?``."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    start = " " * indent + "# "
    return wrapped(printable, start + bullet, start + " " * len(bullet))


def _head(fitted: Fitted, command: str, remarks: Iterable[str]) -> Iterator[str]:
    calls = sum(each.offers for each in fitted.tenants)
    yield from _comment(
        f"Fitted by busyhour from {calls:,} calls of {counted(len(fitted.tenants), 'tenant')}, "
        f"{fitted.span}."
    )
    yield from _comment(f"Made with: {command}")
    for remark in remarks:
        yield from _comment(remark)
    if fitted.warnings:
        yield "#"
        yield from _comment("Mind:")
        for warning in fitted.warnings:
            yield from _comment(warning, bullet="- ")
    yield "#"
    yield from _comment("What it rests on:")
    for note in fitted.notes:
        yield from _comment(note, bullet="- ")


def _duration(fitted: Fitted) -> Iterator[str]:
    if fitted.grid.cycle is Cycle.SPAN:
        yield from _comment(f"The span of the log; it starts at {fitted.starts}.")
    else:
        yield from _comment(
            f"One {fitted.grid.cycle.value}, from {fitted.starts}; a longer run repeats it."
        )
    yield f"duration: {format_duration(fitted.duration_us)}"


def _capacity(fitted: Fitted) -> Iterator[str]:
    suggestion = fitted.suggestion
    yield "capacity:"
    yield from _comment(
        f"The busiest step, {when(fitted, suggestion.busiest_from_us)} to "
        f"{when(fitted, suggestion.busiest_until_us)}, offers {suggestion.erlangs:.4g} erlang; "
        f"Erlang B: {suggestion.slots_poisson} slots for {percent(suggestion.blocking)} blocking.",
        2,
    )
    row = by_interval(fitted.dispersion)
    if fitted.dispersion.peakedness > 1 and row is not None:
        yield from _comment(
            f"The log's calls are bunched (peakedness {fitted.dispersion.peakedness:.2f}); "
            f"Hayward's approximation: {suggestion.slots_peaked} slots. The arrivals below are "
            "Poisson, so this scenario played on that limit blocks less than the platform would.",
            2,
        )
    yield f"  max_concurrent_calls: {suggestion.slots}"


def _tenant(fitted: Fitted, tenant: TenantFit, *, anchored: bool) -> Iterator[str]:
    ends = ", ".join(f"{count:,} {end.replace('_', ' ')}" for end, count in tenant.ends if count)
    yield from _comment(f"{counted(tenant.offers, 'call')} in the log: {ends}.", 2)
    if tenant.name != tenant.tenant_id:
        yield from _comment(f"The log calls it {tenant.name!r}.", 2)
    yield f"  {_key(tenant.tenant_id)}:"
    yield from _arrivals(fitted, tenant, anchored=anchored)
    yield from _ringing(tenant)
    yield from _hold(tenant.hold)
    if tenant.failed.part:
        yield from _comment(f"{_share(tenant.failed)} of answered calls failed.", 4)
        yield f"    outcomes: {{failed: {significant(tenant.failed.value)}}}"
    if fitted.redials is not None:
        yield from _redial(fitted.redials)


def _key(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False)


def _share(share: Share) -> str:
    return (
        f"{share.part} of {share.whole}, {percent(share.value)} "
        f"({percent(share.low)} to {percent(share.high)})"
    )


def _arrivals(fitted: Fitted, tenant: TenantFit, *, anchored: bool) -> Iterator[str]:
    rates = tenant.rates
    first = tenant.first_attempts
    what = counted(first, "first attempt") if first < tenant.offers else counted(first, "arrival")
    mean = rates.expected_calls(fitted.grid.length_us) / fitted.grid.length_us
    yield from _comment(
        f"{what} in {roughly(fitted.grid.window_us)}, "
        f"{mean * tenant.slot_us_mean:.4g} erlang in the mean.",
        4,
    )
    if len(rates.starts_us) == 1:
        yield f"    arrivals: {{type: poisson, rate: {_rate(mean)}}}"
        return
    if rates.shared:
        yield from _comment("Too few calls for a shape of its own: that of tenants together.", 4)
    yield "    arrivals:"
    yield "      type: profile"
    if fitted.grid.cycle is not Cycle.SPAN:
        yield f"      repeat: {format_duration(fitted.grid.length_us)}"
    if not rates.shared:
        yield "      rates:"
        written = [f"rate: {_rate(rate)}" for rate in rates.rates_per_us]
        yield from _steps(fitted, rates, written)
        return
    yield f"      rate: {_rate(mean)}"
    if anchored:
        yield "      shape: *shared"
        return
    yield "      shape: &shared"
    written = [f"factor: {significant(rate / mean)}" for rate in rates.rates_per_us]
    yield from _steps(fitted, rates, written)


def _steps(fitted: Fitted, rates: Rates, written: list[str]) -> Iterator[str]:
    entries = [
        f"        - {{from: {format_duration(start)}, {value}}}"
        for start, value in zip(rates.starts_us, written, strict=True)
    ]
    width = max(map(len, entries))
    for place, entry in enumerate(entries):
        said = f"{counted(rates.calls[place], 'call')} in {roughly(rates.exposure_us[place])}"
        yield f"{entry.ljust(width)}  # {when(fitted, rates.starts_us[place])}: {said}"


def _rate(rate_per_us: float) -> str:
    return f"{significant(rate_per_us * _HOUR_US)}/h"


def _ringing(tenant: TenantFit) -> Iterator[str]:
    ringing = tenant.ringing
    if not ringing.answered + ringing.unanswered:
        return
    whose = f" Pooled: {ringing.pooled}." if ringing.pooled else ""
    if ringing.fit is not None:
        if ringing.fit.mean_us > 0:
            yield from _comment(f"Offer to answer: {_fit_words(ringing.fit)}.{whose}", 4)
            yield from distribution_lines("setup", ringing.setup)
        return
    yield from _comment(
        f"Offer to answer or giving up: {ringing.answered} answered, {ringing.unanswered} not, "
        f"{ringing.slot_us_mean / 1e6:.4g} s in the mean ({ringing.model_slot_us_mean / 1e6:.4g} s "
        f"here); {percent(ringing.model_answered_share)} are answered here. "
        f"The longest time stands for never.{whose}",
        4,
    )
    yield from distribution_lines("setup", ringing.setup)
    if ringing.patience is not None:
        yield from distribution_lines("patience", ringing.patience)


def _hold(hold: Durations) -> Iterator[str]:
    whose = f" Pooled: {hold.pooled}." if hold.pooled else ""
    words = _fit_words(hold) if hold.n else hold.why
    yield from _comment(f"Answer to end: {words}.{whose}", 4)
    yield from distribution_lines("hold", hold.chosen)


def _fit_words(fit: Durations) -> str:
    seen = f"{counted(fit.n, 'call')}, mean {fit.mean_us / 1e6:.4g} s, cv {fit.cv:.3g}"
    if fit.chosen_name == "empirical":
        return f"{seen}; no family fits, so equal parts of the calls themselves"
    if not fit.candidates:
        return f"{seen}; {fit.why}"
    return (
        f"{seen}; {fit.chosen_name} has the {fit.why}, distance {fit.distance:.3f} "
        f"(accepted up to {fit.accepted_distance:.3f})"
    )


def _redial(redials: Redials) -> Iterator[str]:
    found = next((row.again for row in redials.after if row.end == redials.basis), None)
    if redials.delay is None or redials.probability <= 0:
        return
    said = f"{_share(found)}" if found is not None else percent(redials.probability)
    yield from _comment(
        f"Called again within {format_duration(redials.window_us)}, all tenants: {said} of calls "
        f"that were {redials.basis.replace('_', ' ')}; of answered ones "
        f"{percent(redials.control.value)}.",
        4,
    )
    block = [
        "    redial:",
        f"      probability: {significant(min(1.0, redials.probability))}",
        *distribution_lines("delay", redials.delay.chosen, indent=6),
        f"      max_attempts: {max(2, redials.max_attempts)}",
    ]
    if redials.refused:
        yield from block
        return
    yield from _comment(
        "The log holds no refused calls, so what callers would do then is not known. Take these "
        f"lines in to have them do as after a call that was {redials.basis}.",
        4,
    )
    for line in block:
        yield f"    # {line[4:]}"
