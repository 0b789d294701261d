"""What formulas say beside a simulated plan, in words."""

from collections.abc import Iterator, Sequence
from typing import Final

from simulator.planning.formula import Formula, FormulaKind
from simulator.planning.result import Plan
from simulator.scenario_file.units import format_duration

FORMULA_NAMES: Final = {
    FormulaKind.ERLANG_B: "Erlang B",
    FormulaKind.CAPS_AND_MINIMA: "caps and minima",
    FormulaKind.MODIFIED_OFFERED_LOAD: "modified offered load",
}

_MODIFIED_OFFERED_LOAD: Final = (
    "Modified offered load is Erlang B of the load at each instant in place of the average: an "
    "approximation, for load that changes slowly."
)
_HOLDS: Final = {
    FormulaKind.ERLANG_B: (
        "The assumptions of Erlang B hold here: calls come at random at a constant rate, share all "
        "slots and are cleared when none is free"
    ),
    FormulaKind.CAPS_AND_MINIMA: (
        "The formula for caps and guaranteed minima is exact here: calls come at random at a "
        "constant rate, and nothing else stands in their way"
    ),
}


def load_words(formula: Formula) -> str:
    """``370.68 E on average, measured``, or ``446.80 E at its largest, after 44m57s``."""
    erlangs = f"{formula.erlangs:,.2f} E"
    if formula.peak_at_us is not None:
        return f"{erlangs} at its largest, after {format_duration(round(formula.peak_at_us, -6))}"
    return f"{erlangs} on average{', measured' if formula.is_measured else ''}"


def formula_sentences(plan: Plan) -> Iterator[str]:
    """How far each formula can be believed."""
    for formula in plan.formulas:
        if formula.kind is FormulaKind.MODIFIED_OFFERED_LOAD:
            yield _MODIFIED_OFFERED_LOAD
        elif formula.holds and formula.slots is not None:
            differs = plan.answer - formula.slots
            caution = f", so the difference of {differs:+,} slots is the caution of the interval"
            yield f"{_HOLDS[formula.kind]}{caution if differs else ''}."
    if not plan.is_of_all and len(plan.formulas) == 1 and not plan.erlang_b.holds:
        whom = plan.target.tenant or "each tenant"
        yield (
            f"No formula gives {whom} by itself here: the exact one for caps and guaranteed minima "
            "needs calls at random at a constant rate, and blocking over the whole run as the "
            "target. What counts is the simulation."
        )


def unknown_to(formulas: Sequence[Formula]) -> Iterator[str]:
    """What formulas do not know of, and where there are two, which of them does not."""
    for reason in dict.fromkeys(reason for formula in formulas for reason in formula.unknown):
        blind = [formula for formula in formulas if reason in formula.unknown]
        if len(formulas) == 1:
            yield f"{reason}."
        else:
            both = len(blind) == len(formulas)
            yield f"{reason} [{'both' if both else FORMULA_NAMES[blind[0].kind]}]."
