"""``busyhour probe``: fires, prints what came of each size of burst, and says whether it holds."""

import asyncio
import json
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from simulator.console import ProgressLine, say
from simulator.exit_codes import FAILED, INCONCLUSIVE, INTERRUPTED, PASSED
from simulator.live.client import CallClient
from simulator.probe.plan import BurstResult
from simulator.probe.run import TIMEOUT_S, Probe, ProbeReport

_SHOWN_PROBLEMS: Final = 10

_VERDICT: Final = {
    PASSED: "pass",
    FAILED: "fail",
    INCONCLUSIVE: "inconclusive",
    INTERRUPTED: "interrupted",
}


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """``tenant_id`` None takes the first that the service names."""

    target: str
    admin_token: str
    call_token: str
    tenant_id: str | None
    limit: int
    rounds: int
    as_json: bool


def probe(options: ProbeOptions) -> int:
    """Probe a target; the exit code.

    1 when a burst came out wrong, 0 when none did, 3 when it could not be told: the service is in
    use, out of reach, on the virtual clock, or a call of the probe could not be ended. 130 when
    interrupted.
    """
    report = asyncio.run(probe_report(options))
    code = _code(report)
    if options.as_json:
        print(json.dumps(_document(options, report, code)), flush=True)
    else:
        for line in _lines(options, report, code):
            print(line, flush=True)
    if report.not_ended:
        shown = ", ".join(report.not_ended[:_SHOWN_PROBLEMS])
        say(f"{len(report.not_ended)} calls could not be ended and may hold slots: {shown}")
    return code


async def probe_report(options: ProbeOptions) -> ProbeReport:
    """Probe a target. Cancelling it, or SIGTERM, ends the open calls first."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    progress = ProgressLine("probe", sys.stderr)

    def warn(warning: str) -> None:
        progress.clear()
        say(f"warning: {warning}")

    try:
        async with CallClient(
            options.target,
            call_token=options.call_token,
            admin_token=options.admin_token,
            timeout_s=TIMEOUT_S,
        ) as client:
            return await Probe(client, options.tenant_id, options.limit).run(
                options.rounds, lambda done, total: progress("firing", done, total), warn
            )
    finally:
        progress.clear()


def _code(report: ProbeReport) -> int:
    if report.interrupted:
        return INTERRUPTED
    if report.problems:
        return FAILED
    return INCONCLUSIVE if report.stopped or report.not_ended or not report.results else PASSED


def _reason(options: ProbeOptions, report: ProbeReport, code: int) -> str:
    if code == FAILED:
        return report.problems[0]
    if report.interrupted:
        return "interrupted"
    if report.stopped:
        return report.stopped
    if report.not_ended:
        return f"{len(report.not_ended)} calls could not be ended"
    if not report.results:
        return "nothing was fired"
    return f"{options.limit} calls were admitted of every burst that had as many, never one more"


def _by_burst(results: Sequence[BurstResult]) -> Iterator[dict[str, Any]]:
    """What came of each size of burst, over all rounds; the spread is in microseconds."""
    grouped: defaultdict[str, list[BurstResult]] = defaultdict(list)
    for result in results:
        grouped[result.burst.name].append(result)
    for name, group in grouped.items():
        admitted = [result.admitted for result in group]
        spreads = [result.spread_us for result in group if result.spread_us is not None]
        yield {
            "burst": name,
            "calls": group[0].burst.calls,
            "rounds": len(group),
            "admitted_min": min(admitted),
            "admitted_max": max(admitted),
            "rejected": sum(result.rejected for result in group),
            "over_admissions": sum(result.over_admissions for result in group),
            "false_rejections": sum(result.false_rejections for result in group),
            "alarms": sum(len(result.problems) for result in group),
            "spread_us_median": round(median(spreads)) if spreads else None,
            "spread_us_max": max(spreads, default=None),
        }


def _document(options: ProbeOptions, report: ProbeReport, code: int) -> dict[str, Any]:
    return {
        "target": options.target,
        "limit": options.limit,
        "rounds": report.rounds,
        "bursts": list(_by_burst(report.results)),
        "warnings": report.warnings,
        "problems": report.problems,
        "not_ended": list(report.not_ended),
        "verdict": _VERDICT[code],
        "reason": _reason(options, report, code),
    }


def _lines(options: ProbeOptions, report: ProbeReport, code: int) -> Iterator[str]:
    if report.results:
        yield (
            f"{'burst':10} {'calls':>7} {'rounds':>6} {'admitted':>11} {'over':>6} {'false':>6} "
            f"{'alarms':>6} {'spread':>10}"
        )
    for row in _by_burst(report.results):
        least, most = row["admitted_min"], row["admitted_max"]
        admitted = f"{least:,}" if least == most else f"{least:,}-{most:,}"
        spread_us = row["spread_us_median"]
        spread = "-" if spread_us is None else f"{spread_us / 1000:.1f} ms"
        yield (
            f"{row['burst']:10} {row['calls']:>7,} {row['rounds']:>6} {admitted:>11} "
            f"{row['over_admissions']:>6} {row['false_rejections']:>6} {row['alarms']:>6} "
            f"{spread:>10}"
        )
    for problem in report.problems[:_SHOWN_PROBLEMS]:
        yield f"  {problem}"
    more = len(report.problems) - _SHOWN_PROBLEMS
    if more > 0:
        yield f"  and {more} more"
    yield f"{_VERDICT[code].upper()}: {_reason(options, report, code)}"
