"""The command that compares ways to share the slots: policies."""

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.common import finish
from simulator.cli.planning import Html, Overrides, ScenarioFile, Seed, Workers


def policies(
    scenario: ScenarioFile,
    target: Annotated[
        str,
        typer.Option(
            metavar="blocking<SHARE", help="What no tenant may lose more of its calls than."
        ),
    ] = "blocking<0.01",
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[: KEY=VALUE, ...]",
            help="Compare this built-in policy only, or one with values of your own, like "
            "'gold first: capacity.policy=priority, tenants.gold.priority=1'; may be given several "
            "times. Built in: one pool, own pools, caps, guaranteed minimum, trunk reservation, "
            "priority.",
            show_default=False,
        ),
    ] = None,
    protect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TENANT",
            help="Only these tenants must meet the target, and reservation and priority prefer "
            "them; may be given several times.",
            show_default=False,
        ),
    ] = None,
    overload: Annotated[
        str | None,
        typer.Option(
            metavar="TENANT=xFACTOR",
            help="Who overloads in the test of who is hurt, or none; the largest tenant at x2 "
            "unless given.",
            show_default=False,
        ),
    ] = None,
    slots: Annotated[
        bool, typer.Option(help="Seek the slots that each policy needs for the target.")
    ] = True,
    replications: Annotated[int, typer.Option(min=2, help="Of every policy.")] = 30,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Write the results to FILE.json; may be given several times.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = None,
    overrides: Overrides = None,
    workers: Workers = None,
    html: Html = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare ways to share the slots among tenants, on the very same calls."""

    def work() -> int:
        from simulator.planning.policies.command import PoliciesRequest, policies

        return policies(
            PoliciesRequest(
                scenario=scenario,
                overrides=tuple(overrides or ()),
                seed=seed,
                target=target,
                policies=tuple(policy or ()),
                protect=tuple(protect or ()),
                overload=overload,
                slots=slots,
                replications=replications,
                confidence=confidence,
                output=tuple(output or ()),
                workers=workers,
                as_json=as_json,
                html=html,
            )
        )

    finish(work)
