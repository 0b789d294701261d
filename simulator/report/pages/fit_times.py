"""The sections of the page about durations: holding times against the families, setup, patience."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from simulator.fit.distribution_text import duration_text, significant
from simulator.fit.fitted import Candidate, Cells, Durations, Fitted, TenantFit
from simulator.fit.tails import longer_than
from simulator.fit.words import percent
from simulator.report.figures import NOTHING, THIN_SPACE, fixed, number
from simulator.report.pages.blocks import (
    Axis,
    Block,
    Cell,
    Chart,
    Column,
    Folded,
    Kind,
    Line,
    Section,
    Shape,
    Table,
    Text,
)
from simulator.report.pages.formats import spaced
from simulator.scenario import (
    Distribution,
    Empirical,
    Gamma,
    HyperExponential,
    Lognormal,
    Pareto,
    Weibull,
)

MOST_TENANTS: Final = 100
"""Rows of a table of tenants, those with most calls; the scenario has them all."""
_HALF: Final = 0.5
_MOST_SHOWN: Final = 3
_MOST_FAMILIES: Final = 3
_LEAST_SHARE: Final = 1e-4
_TONES: Final = (1, 3, 4)
_DATA_TONE: Final = 2


def holding_section(fitted: Fitted) -> Section:
    """Holding times of the largest tenants, and the pooled ones, against what was fitted."""
    blocks: list[Block] = [
        Text(
            "Distance is the largest difference between the distribution of the log and that of "
            "the family (Kolmogorov-Smirnov). No p-value goes with it: the parameters were fitted "
            "to the same calls, and of a long log the usual tables would refuse every family. A "
            "family is taken if it has the least AIC of those that are near enough and keep the "
            "mean; where none is, the calls themselves are, as equal parts."
        )
    ]
    shown: set[str] = set()
    for place, tenant in enumerate(_by_size(fitted)):
        whose = tenant.hold.pooled or tenant.name
        if whose in shown or not tenant.hold.n:
            continue
        parts = list(_holding_blocks(f"hold-{place}", whose, tenant.hold))
        if not shown:
            blocks += parts
        else:
            blocks.append(Folded(f"{whose}: {tenant.hold.chosen_name}", tuple(parts)))
        shown.add(whose)
        if len(shown) == _MOST_SHOWN:
            break
    return Section("holding", "Holding times", tuple(blocks))


def percent_of(share: float) -> str:
    """A share as this page writes it, like ``1 %``."""
    return spaced(percent(share))


def _by_size(fitted: Fitted) -> list[TenantFit]:
    return sorted(fitted.tenants, key=lambda each: -each.answered)


def _holding_blocks(key: str, whose: str, hold: Durations) -> Iterator[Block]:
    if hold.cells is None:
        yield Text(f"{whose}: {number(hold.n)} calls, each {duration_text(hold.mean_us)}.")
        return
    yield from _charts(key, whose, hold, hold.cells)
    yield _candidate_table(key, whose, hold)


def _charts(key: str, whose: str, hold: Durations, cells: Cells) -> Iterator[Chart]:
    """The share of calls that have ended, and that of those that last longer for its tail."""
    at = np.array(cells.edges_us[1:])
    ended = np.cumsum(cells.counts) / sum(cells.counts)
    families = [
        (label, 1 - longer_than(distribution, at), tone, dashed)
        for tone, (label, distribution, dashed) in zip(_TONES, _drawn(hold), strict=False)
    ]
    log = f"Log, {number(hold.n)} calls"
    half = _short_time(float(at[np.argmax(ended >= _HALF)]))
    fits = (
        f"at most {percent_of(hold.distance)} of all calls away from the log"
        if hold.chosen_name != "empirical"
        else "because no family fits"
    )
    axis = Axis(
        "holding time, on a logarithmic scale",
        Kind.NAMES,
        names=tuple(_short_time(each) for each in at.tolist()),
    )
    xs = tuple(float(place) for place in range(len(at)))
    yield Chart(
        key=f"{key}-ended",
        title=f"Calls that have ended, {whose}",
        sentence=(
            f"Half of the calls end within about {half}, the mean is {_short_time(hold.mean_us)}. "
            f"Taken: {hold.chosen_name}, {fits}."
        ),
        x=axis,
        y=Axis("share of calls that have ended", Kind.PERCENT, high=1.0),
        xs=xs,
        lines=(
            Line(log, tuple(ended.tolist()), tone=_DATA_TONE, shape=Shape.DOTS),
            *(
                Line(label, tuple(share.tolist()), tone=tone, dashed=dashed)
                for label, share, tone, dashed in families
            ),
        ),
    )
    yield Chart(
        key=f"{key}-tail",
        title=f"Calls that last longer, {whose}",
        sentence="The same for the few long calls, by the share that is still going on.",
        x=axis,
        y=Axis("share of calls that last longer", Kind.PERCENT, log=True, low=_LEAST_SHARE),
        xs=xs,
        lines=(
            Line(log, _shares(1 - ended), tone=_DATA_TONE, shape=Shape.DOTS),
            *(
                Line(label, _shares(1 - share), tone=tone, dashed=dashed)
                for label, share, tone, dashed in families
            ),
        ),
        note=(
            f"Times of the log come in steps of {duration_text(float(hold.resolution_us))}."
            if hold.resolution_us > 1
            else ""
        ),
    )


def _drawn(hold: Durations) -> Iterator[tuple[str, Distribution, bool]]:
    yield f"Taken: {hold.chosen_name}", hold.chosen, False
    others = [each for each in hold.candidates if each.name != hold.chosen_name]
    for each in others[: _MOST_FAMILIES - 1]:
        yield each.name.capitalize(), each.distribution, True


def _shares(values: "np.typing.NDArray[np.float64]") -> tuple[float | None, ...]:
    return tuple(value if value > _LEAST_SHARE else None for value in values.tolist())


def _short_time(us: float) -> str:
    """Three figures: ``1.25 s``, ``183 s``, ``25 min``, ``2.1 h``."""
    seconds = us / 1e6
    for length, unit, least in ((3600.0, "h", 7200.0), (60.0, "min", 600.0)):
        if seconds >= least:
            return f"{seconds / length:.3g}{THIN_SPACE}{unit}"
    if seconds >= 0.1:
        return f"{seconds:.3g}{THIN_SPACE}s"
    return f"{seconds * 1000:.3g}{THIN_SPACE}ms"


def _candidate_table(key: str, whose: str, hold: Durations) -> Table:
    best = min((each.aic for each in hold.candidates), default=0.0)
    rows: list[tuple[Cell | str, ...]] = [
        (
            each.name,
            _parameters(each.distribution),
            _aic(each, best),
            fixed(each.distance, 4),
            _short_time(each.mean_us),
            each.refused or ("taken" if each.name == hold.chosen_name else "near enough"),
        )
        for each in hold.candidates
    ]
    if hold.chosen_name == "empirical" and isinstance(hold.chosen, Empirical):
        parts = f"{len(hold.chosen.values_us)} values"
        rows.append(("empirical", parts, NOTHING, NOTHING, _short_time(hold.mean_us), "taken"))
    return Table(
        key=f"{key}-families",
        caption=f"Families fitted to {number(hold.n)} calls, {whose}",
        columns=(
            Column("Family", words=True),
            Column("Parameters", words=True),
            Column("AIC above the least"),
            Column("Distance"),
            Column("Mean"),
            Column("Verdict", words=True),
        ),
        rows=tuple(rows),
        marked=tuple(place for place, row in enumerate(rows) if row[5] == "taken"),
        note=(
            f"Mean of the log {_short_time(hold.mean_us)}, coefficient of variation "
            f"{hold.cv:.3g}; near enough is a distance up to {hold.accepted_distance:.3f} and a "
            f"mean within 1{THIN_SPACE}% or two standard errors."
        ),
    )


def _aic(candidate: Candidate, best: float) -> str:
    return fixed(candidate.aic - best, 1) if math.isfinite(candidate.aic) else "too few calls"


def _parameters(distribution: Distribution) -> str:
    match distribution:
        case Gamma(mean, cv) | Lognormal(mean, cv) | Weibull(mean, cv) | HyperExponential(mean, cv):
            return f"mean {_short_time(mean)}, cv {cv:.3g}"
        case Pareto(shape, low, high):
            return (
                f"shape {significant(round(shape, 3))}, {_short_time(low)} to {_short_time(high)}"
            )
        case _:
            return "mean only"


def ringing_section(fitted: Fitted) -> Section | None:
    """How calls got to an answer, in the log and in the scenario."""
    rows: list[tuple[Cell | str, ...]] = []
    for tenant in _by_size(fitted)[:MOST_TENANTS]:
        ringing = tenant.ringing
        whole = ringing.answered + ringing.unanswered
        if not whole:
            continue
        rows.append(
            (
                tenant.name,
                ringing.pooled or "its own",
                Cell(number(ringing.answered), sort=ringing.answered),
                Cell(number(ringing.unanswered), sort=ringing.unanswered),
                Cell(percent_of(ringing.answered / whole), sort=ringing.answered / whole),
                Cell(percent_of(ringing.model_answered_share), sort=ringing.model_answered_share),
                Cell(_short_time(ringing.slot_us_mean), sort=ringing.slot_us_mean),
                Cell(_short_time(ringing.model_slot_us_mean), sort=ringing.model_slot_us_mean),
            )
        )
    if not rows:
        return None
    return Section(
        "answers",
        "Setup and patience",
        (
            Text(
                "A record shows the answer or the end of waiting, whichever came first. A scenario "
                "draws both, and the shorter one happens: these are the one pair of independent "
                "distributions that would have left this record (product-limit estimate), in at "
                "most 50 values each. Refused calls are left out: they waited for nothing."
            ),
            Table(
                key="answers-table",
                caption="Until the answer or giving up, log and scenario",
                columns=(
                    Column("Tenant", words=True),
                    Column("Calls of", words=True),
                    Column("Answered"),
                    Column("Not answered"),
                    Column("Share answered, log"),
                    Column("Scenario"),
                    Column("Mean time, log"),
                    Column("Scenario"),
                ),
                rows=tuple(rows),
                sortable=len(rows) > 1,
                filterable=len(rows) > 10,
            ),
        ),
    )
