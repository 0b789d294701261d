"""Serves each service of the concurrency gallery: do the probe and the live engine catch it?"""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from simulator.engines import Inconclusive
from simulator.engines.service_process import ServiceProcess, Tokens
from simulator.live.engine import GivenTargets, LiveEngine
from simulator.live.verdict import judge_live
from simulator.probe.command import ProbeOptions, probe_report
from simulator.results import Progress
from simulator.scenario import Scenario
from simulator.selftest.concurrency import CONCURRENCY_BUGS, SOUND, BrokenService
from simulator.traffic import build_trace

SCENARIO: Final = "live-gallery"
"""The shipped scenario that must catch them all."""

PROBED_LIMIT: Final = 5
CHANGED_LIMIT: Final = 3
"""Probed again after this change, without a restart."""

_TENANT: Final = "acme"
_TIMEOUT_S: Final = 30.0
_LONGEST_ALARM: Final = 100


@dataclass(frozen=True, slots=True)
class LiveCatch:
    """The first alarm that each of the two raised about a service, or None."""

    service: BrokenService
    probe: str | None
    live: str | None

    @property
    def caught(self) -> bool:
        return self.probe is not None and self.live is not None


@dataclass(frozen=True, slots=True)
class LiveSelftest:
    """Every broken service, and what was said of the sound one."""

    catches: tuple[LiveCatch, ...]
    sound: LiveCatch

    @property
    def ok(self) -> bool:
        quiet = self.sound.probe is None and self.sound.live is None
        return quiet and all(catch.caught for catch in self.catches)


def run_live_selftest(
    scenario: Scenario,
    progress: Progress | None = None,
    gallery: Sequence[BrokenService] = CONCURRENCY_BUGS,
) -> LiveSelftest:
    """Probe each service and drive it with a scenario, each time started afresh.

    Raises :class:`Inconclusive` when a service does not start or cannot be probed.
    """
    catches = []
    services = (SOUND, *gallery)
    for done, service in enumerate(services):
        if progress is not None:
            progress(done, len(services))
        with _served(service) as (url, tokens):
            probe = _probed(url, tokens)
        with _served(service) as (url, tokens):
            live = _driven(url, tokens, scenario)
        catches.append(LiveCatch(service, probe, live))
    return LiveSelftest(tuple(catches[1:]), catches[0])


def live_lines(report: LiveSelftest) -> Iterator[str]:
    """Who caught what with which alarm, then the verdict."""
    for catch in report.catches:
        yield f"  {'caught' if catch.caught else 'MISSED'}  {catch.service.name}: " + (
            catch.service.bug
        )
        yield f"          probe: {catch.probe or '-'}"
        yield f"          live:  {catch.live or '-'}"
    alarms = [alarm for alarm in (report.sound.probe, report.sound.live) if alarm is not None]
    for alarm in alarms:
        yield f"  FALSE ALARM about the sound service: {alarm}"
    caught = sum(catch.caught for catch in report.catches)
    yield (
        f"{'PASS' if report.ok else 'FAIL'}: {caught} of {len(report.catches)} broken services "
        f"caught by probe and live engine, {len(alarms)} false alarms"
    )


@contextmanager
def _served(service: BrokenService) -> Iterator[tuple[str, Tokens]]:
    """One of the gallery in a process of its own."""
    settings: Mapping[str, str] = {
        "database_url": "sqlite+aiosqlite://",
        "max_concurrent_calls": str(PROBED_LIMIT),
        "log_level": "ERROR",
    }
    tokens = Tokens()
    program = ("simulator.selftest.concurrency", service.name)
    with ServiceProcess(settings, tokens, program=program) as process:
        yield process.wait_until_ready(), tokens


def _probed(url: str, tokens: Tokens) -> str | None:
    """The probe's first alarm, before or after a change of the limit."""
    with httpx.Client(
        base_url=url, headers={"X-Admin-Token": tokens.admin}, timeout=_TIMEOUT_S, trust_env=False
    ) as client:
        tenant = {"tenant_id": _TENANT, "instructions": "answer"}
        client.post("/api/v1/tenants", json=tenant).raise_for_status()
        alarm = _probe(url, tokens, PROBED_LIMIT)
        if alarm is None:
            change = {"max_concurrent_calls": CHANGED_LIMIT}
            client.patch("/api/v1/capacity", json=change).raise_for_status()
            alarm = _probe(url, tokens, CHANGED_LIMIT)
    return alarm


def _probe(url: str, tokens: Tokens, limit: int) -> str | None:
    report = asyncio.run(
        probe_report(ProbeOptions(url, tokens.admin, tokens.call, _TENANT, limit, 1, False))
    )
    if report.interrupted:
        raise KeyboardInterrupt
    if report.problems:
        return _short(report.problems[0])
    if report.stopped or report.not_ended:
        raise Inconclusive(report.stopped or "calls of the probe could not be ended")
    return None


def _driven(url: str, tokens: Tokens, scenario: Scenario) -> str | None:
    """The first alarm of a live run."""
    trace = build_trace(scenario)
    targets = GivenTargets((url,), tokens.admin, tokens.call, configure=True)
    with tempfile.TemporaryDirectory(prefix="busyhour-") as directory:
        run = LiveEngine(targets=targets).play(scenario, trace, Path(directory))
        judgement = judge_live(scenario, trace, run).judgement
    for check in (*judgement.invariants, *judgement.expectations):
        if not check.ok:
            return _short(f"{check.name}: {check.detail}")
    return None


def _short(alarm: str) -> str:
    return alarm if len(alarm) <= _LONGEST_ALARM else f"{alarm[: _LONGEST_ALARM - 3]}..."
