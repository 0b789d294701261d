"""The commands that find out about capacity: plan and sweep."""

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.common import finish

ScenarioFile = Annotated[
    Path, typer.Argument(metavar="SCENARIO", help="A scenario file.", show_default=False)
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="In place of the scenario's own seed.", show_default=False)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Overrides one value of the file, like duration=2h.",
        show_default=False,
    ),
]
WorstInterval = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Also look at clock intervals of this length, like 15m.",
        show_default=False,
    ),
]
Precision = Annotated[
    float | None,
    typer.Option(
        help="Half the length of an interval that is short enough; a fiftieth of the target "
        "unless given.",
        show_default=False,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also write a page with charts to this file, like plan.html.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Threads; one a core unless given.", show_default=False),
]


def plan(
    scenario: ScenarioFile,
    target: Annotated[
        str,
        typer.Option(
            metavar="STATISTIC<SHARE",
            help="What to reach, like blocking<0.01 or blocking{tenant:acme}<0.01.",
            show_default=False,
        ),
    ],
    confidence: Annotated[float, typer.Option(help="Of the answer and of intervals.")] = 0.95,
    per_tenant: Annotated[
        bool, typer.Option("--per-tenant", help="Every tenant must meet the target by itself.")
    ] = False,
    worst_interval: WorstInterval = None,
    precision: Precision = None,
    max_replications: Annotated[
        int, typer.Option(min=2, help="Make no more replications than this.")
    ] = 256,
    node_slots: Annotated[
        int | None,
        typer.Option(min=1, help="Also lose a node of so many slots.", show_default=False),
    ] = None,
    growth: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT/month",
            help="Also let the load grow, like 3%/month.",
            show_default=False,
        ),
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(min=1, max=120, help="Months of --growth.", show_default="12"),
    ] = None,
    sensitivity: Annotated[bool, typer.Option(help="Vary load, holding times and redials.")] = True,
    seed: Seed = None,
    overrides: Overrides = None,
    workers: Workers = None,
    html: Html = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find the least max_concurrent_calls that meets a target, and how sure that is.

    Exit codes: 0 found, 2 usage or scenario, 3 none meets it or none can be shown to.
    """

    def work() -> int:
        from simulator.planning.plan_command import PlanRequest, plan

        return plan(
            PlanRequest(
                scenario=scenario,
                overrides=tuple(overrides or ()),
                seed=seed,
                target=target,
                confidence=confidence,
                per_tenant=per_tenant,
                worst_interval=worst_interval,
                precision=precision,
                max_replications=max_replications,
                node_slots=node_slots,
                growth=growth,
                horizon_months=horizon,
                sensitivity=sensitivity,
                workers=workers,
                as_json=as_json,
                html=html,
            )
        )

    finish(work)


def sweep(
    scenario: ScenarioFile,
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=VALUES",
            help="A key and its values: a range 80..140:5, factors x0.8,x1.2 or a list; may be "
            "given several times.",
            show_default=False,
        ),
    ],
    replications: Annotated[int, typer.Option(min=2, help="Of every point.")] = 30,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    worst_interval: WorstInterval = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Write the results to FILE.csv or FILE.json; may be given several times.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = None,
    overrides: Overrides = None,
    workers: Workers = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Hand the work to the Dask cluster of this scheduler, like tcp://10.0.0.5:8786.",
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Hand the work to a Dask cluster of N processes on this machine.",
            show_default=False,
        ),
    ] = None,
    html: Html = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Play a scenario over a grid of values, every point several times, with intervals.

    Exit codes: 0 played, 2 usage or scenario, 3 the cluster failed.
    """

    def work() -> int:
        from simulator.planning.sweep_command import SweepRequest, sweep

        return sweep(
            SweepRequest(
                scenario=scenario,
                overrides=tuple(overrides or ()),
                seed=seed,
                vary=tuple(vary),
                replications=replications,
                confidence=confidence,
                worst_interval=worst_interval,
                output=tuple(output or ()),
                workers=workers,
                as_json=as_json,
                html=html,
                scheduler=scheduler,
                cluster=cluster,
            )
        )

    finish(work)
