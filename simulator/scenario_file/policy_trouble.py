"""The refusal of a sharing policy, with the place that names it in the file."""

from collections.abc import Sequence
from pathlib import Path

from simulator.conditions import SharingPolicy
from simulator.scenario_file.load import ScenarioSource
from simulator.scenario_file.problems import Problem


def policy_trouble(
    path: Path, overrides: Sequence[str], policy: SharingPolicy, engine: str
) -> Problem | None:
    """Why ``engine`` cannot play the scenario of the file; None for the policy that all know."""
    if policy == SharingPolicy.SHARED:
        return None
    return (
        ScenarioSource(path)
        .document(overrides)
        .problem(
            ("capacity", "policy"),
            f"{engine} knows only {SharingPolicy.SHARED}; {policy} is played by "
            "busyhour run --engine kernel",
        )
    )
