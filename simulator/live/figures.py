"""The figures of a live run as the reports take them."""

from dataclasses import asdict

from simulator.live.engine import LiveRun
from simulator.live.meters import Spread
from simulator.result import LiveFigures


def figures_of(run: LiveRun, notes: tuple[str, ...]) -> LiveFigures:
    """Latencies, the driver's own figures, and notes of a run."""
    figures = run.driver
    return LiveFigures(
        latency={name: _percentiles(spread) for name, spread in run.latencies.items()},
        driver={
            "speed": figures.speed,
            "sends": figures.sends,
            "late_sends": figures.late_sends,
            "late_ms": figures.late_ms,
            "held_back": figures.held_back,
            "dropped": figures.dropped,
            "indefinite": figures.indefinite,
            "failed": figures.failed,
            "refused": figures.refused,
            "lag": _percentiles(figures.lag),
            "longest_stall_ms": figures.longest_stall_ms,
            "cpu_share": figures.cpu_share,
            "wall_s": figures.wall_s,
            "restarts": run.restarts,
        },
        notes=notes,
    )


def _percentiles(spread: Spread) -> dict[str, int | float]:
    found: dict[str, int | float] = asdict(spread)
    return found
