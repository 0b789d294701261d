"""A live run in words: how long answers took, and how the driver itself did."""

from collections.abc import Mapping
from typing import Any

from simulator.report.figures import THIN_SPACE, fixed, number, percent
from simulator.result import LiveFigures

LATENCY_HEADER = ("Operation", "Sent", "Median ms", "95 % ms", "99 % ms", "Largest ms")


def latency_rows(live: LiveFigures) -> list[tuple[str, ...]]:
    """One row an operation, and the driver's own lag last."""
    rows = [_row(name, spread) for name, spread in live.latency.items()]
    lag: Any = live.driver["lag"]
    return [*rows, _row("lag of the driver", lag)]


def driver_lines(live: LiveFigures) -> list[tuple[str, str, str]]:
    """Label, figure and meaning of what the driver counted of itself."""
    driver: Mapping[str, Any] = live.driver
    return [
        ("Speed", f"{number(driver['speed'])}×", "time of the scenario over wall-clock time"),
        (
            "Late sends",
            f"{number(driver['late_sends'])} of {number(driver['sends'])}",
            f"events sent more than {number(driver['late_ms'])} ms behind their instant",
        ),
        ("Held back", number(driver["held_back"]), "waited for the answer to the event ahead"),
        ("Dropped", number(driver["dropped"]), "offers that were never sent"),
        (
            "Indefinite",
            number(driver["indefinite"]),
            "requests of which nobody knows whether they happened",
        ),
        ("Failed", number(driver["failed"]), "requests that never reached the service"),
        ("Refused", number(driver["refused"]), "requests the service refused; nothing changed"),
        (
            "Longest stall",
            f"{fixed(driver['longest_stall_ms'], 1)}{THIN_SPACE}ms",
            "time in which the driver did nothing",
        ),
        ("Processor", percent(driver["cpu_share"]), "of one processor, used by the driver"),
        ("Restarts", number(driver["restarts"]), "of the service, by faults of the scenario"),
    ]


def _row(name: str, spread: Mapping[str, Any]) -> tuple[str, ...]:
    figures = (fixed(spread[f"{key}_ms"], 1) for key in ("p50", "p95", "p99", "max"))
    return (name, number(spread["count"]), *figures)
