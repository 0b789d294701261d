"""The options of ``busyhour compare``. Light to import."""

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.common import finish

_SIDE = "result.json, the directory of a run, or a scenario's name for its baseline."


def compare(
    base: Annotated[str, typer.Argument(metavar="BASE", help=_SIDE, show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same.", show_default=False)],
    replications: Annotated[
        int,
        typer.Option(
            min=20,
            help="Runs that measure chance where the seeds differ; so that two sound runs are "
            "suspected once in N / 2 + 1 comparisons at most.",
        ),
    ] = 40,
    scenario: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The scenario file of both, where it is not the shipped one or where the runs "
            "found it.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare two results: which figures moved, and what of it is beyond chance.

    Exit codes: 0 nothing beyond chance, 1 something moved, 2 usage or unreadable, 3 cannot be
    judged.
    """

    def work() -> int:
        from simulator.compare.command import run_compare

        return run_compare(base, new, replications=replications, scenario=scenario, as_json=as_json)

    finish(work)
