"""Scenario files: YAML in, :class:`simulator.scenario.Scenario` out, every mistake with its place.

The reader (pydantic, ruamel.yaml) is imported when a file is read, so that the units and the
problems can be used without it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.scenario_file.problems import InputInvalid, Problem, ScenarioInvalid
from simulator.scenario_file.units import (
    UnitsInvalid,
    format_duration,
    parse_duration_us,
    parse_rate_per_us,
)

if TYPE_CHECKING:
    from simulator.scenario import Scenario

__all__ = [
    "InputInvalid",
    "Problem",
    "ScenarioInvalid",
    "UnitsInvalid",
    "format_duration",
    "json_schema",
    "load_scenario",
    "parse_duration_us",
    "parse_rate_per_us",
]


def load_scenario(path: Path, overrides: Sequence[str] = (), seed: int | None = None) -> "Scenario":
    """Read a scenario file.

    ``overrides`` are ``key.path=value`` texts laid over the file before it is checked; ``seed``
    takes the place of the file's own. Raises :class:`ScenarioInvalid` with every problem found.
    """
    from simulator.scenario_file.load import read_scenario

    return read_scenario(path, overrides, seed)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of scenario files, for editors and for checking by other tools."""
    from simulator.scenario_file.schema import scenario_schema

    return scenario_schema()
