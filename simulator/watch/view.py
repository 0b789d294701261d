"""What is shown of a watch: a table that stays on the terminal, plain lines, or JSON lines."""

import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from service.calls import MINUTES_PROCESSED, PUBLISHED
from simulator.watch.checker import Finding
from simulator.watch.documents import Capacity, Debug, Figures, Live, Poll
from simulator.watch.laws import Suspicion, Violation

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(slots=True)
class Tally:
    """What a watch has seen so far."""

    polls: int = 0
    failures: int = 0
    restarts: int = 0
    violations: int = 0


class Show(Protocol):
    """Told everything as it happens."""

    def polled(self, poll: Poll, findings: tuple[Finding, ...], tally: Tally) -> None: ...

    def noted(self, kind: str, message: str) -> None:
        """Something that is no finding: a target out of reach, a tenant that is not there."""
        ...

    def finished(self, verdict: str, tally: Tally) -> None: ...


class JsonLines:
    """One object a line; ``event`` is a kind of finding, ``poll``, ``note`` or, last, ``end``."""

    def polled(self, poll: Poll, findings: tuple[Finding, ...], tally: Tally) -> None:
        for finding in findings:
            self._print(event=type(finding).__name__.lower(), poll=tally.polls, **asdict(finding))
        state = _state(poll)
        figures = state.pop("figures")
        self._print(event="poll", poll=tally.polls, total=_published(figures), **state)

    def noted(self, kind: str, message: str) -> None:
        self._print(event="note", kind=kind, message=message)

    def finished(self, verdict: str, tally: Tally) -> None:
        self._print(event="end", verdict=verdict, **asdict(tally))

    def _print(self, **fields: object) -> None:
        print(json.dumps({"at": _now(), **fields}), flush=True)


class PlainLines:
    """A line for everything that matters, and the verdict."""

    def polled(self, poll: Poll, findings: tuple[Finding, ...], tally: Tally) -> None:
        if tally.polls == 1:
            print(f"{_now()} watching; {_in_words(poll)}", flush=True)
        for finding in findings:
            print(f"{_now()} {said(finding)}", flush=True)

    def noted(self, kind: str, message: str) -> None:
        print(f"{_now()} {kind}: {message}", flush=True)

    def finished(self, verdict: str, tally: Tally) -> None:
        print(f"{verdict.upper()}: {_summary(tally)}", flush=True)


class Terminal:
    """The figures, renewed in place below the findings, which scroll as lines do."""

    def __init__(self, target: str) -> None:
        from rich.live import Live as RichLive

        self._target = target
        self._live = RichLive(auto_refresh=False, transient=True)
        self._live.start()

    def polled(self, poll: Poll, findings: tuple[Finding, ...], tally: Tally) -> None:
        for finding in findings:
            self._print(f"{_now()} {said(finding)}")
        self._live.update(self._drawn(poll, tally), refresh=True)

    def noted(self, kind: str, message: str) -> None:
        self._print(f"{_now()} {kind}: {message}")

    def finished(self, verdict: str, tally: Tally) -> None:
        self._live.stop()
        print(f"{verdict.upper()}: {_summary(tally)}", flush=True)

    def _print(self, line: str) -> None:
        from rich.text import Text

        # The line may name calls and tenants of strangers: text, never markup.
        self._live.console.print(Text(line), soft_wrap=True)

    def _drawn(self, poll: Poll, tally: Tally) -> "Table":
        from rich.table import Table
        from rich.text import Text

        table = Table(title=f"{self._target}: {_summary(tally)}", title_justify="left")
        table.add_column("")
        table.add_column("total", justify="right")
        rows = [read.document for read in poll.reads if isinstance(read.document, Live)]
        tenants = {live.tenant_id: live.figures for live in rows if live.tenant_id is not None}
        for tenant_id in tenants:
            table.add_column(Text(tenant_id), justify="right")
        state = _state(poll)
        total = _published(state.pop("figures"))
        columns = [total, *(_published(figures) for figures in tenants.values())]
        for name in total:
            table.add_row(name, *(f"{column[name]:,}" for column in columns))
        for name, value in state.items():
            table.add_row(name, f"{value:,}")
        return table


def show_for(target: str, as_json: bool) -> Show:
    """JSON on request, a table on a terminal, else plain lines."""
    if as_json:
        return JsonLines()
    return Terminal(target) if sys.stdout.isatty() else PlainLines()


def said(finding: Finding) -> str:
    """A finding in one line."""
    if isinstance(finding, Violation):
        return f"VIOLATION {finding.law} ({finding.scope}): {finding.message}"
    if isinstance(finding, Suspicion):
        return f"suspicion ({finding.scope}): {finding.message}"
    return f"restart: {finding.message}"


def _state(poll: Poll) -> dict[str, Any]:
    """The total's figures after the poll and the calls held during it."""
    state: dict[str, Any] = {}
    for read in poll.reads:
        match read.document:
            case Live(tenant_id=None, figures=figures):
                state["figures"] = figures
            case Capacity(total=total):
                state["figures"] = total.figures
                state["in_use"] = total.slots.in_use
                state["max_concurrent_calls"] = total.limit
            case Debug() as debug:
                state["pending_count"] = debug.pending_count
                state["accepted_count"] = debug.accepted_count
                state["active_count"] = debug.active_count
    return state


def _published(figures: Figures) -> dict[str, int | float]:
    named: dict[str, int | float] = {spec.name: figures[spec.counter] for spec in PUBLISHED}
    named[MINUTES_PROCESSED] = figures.minutes
    return named


def _in_words(poll: Poll) -> str:
    state = _state(poll)
    held = f"{state['pending_count']} calls pending, {state['accepted_count']} accepted"
    if "in_use" in state:
        return f"{held}; the limit is {state['max_concurrent_calls']}"
    return f"{held}; it has no capacity document, so sums over all tenants cannot be checked"


def _summary(tally: Tally) -> str:
    parts = [f"{tally.polls:,} polls", f"{tally.violations:,} violations"]
    if tally.restarts:
        parts.append(f"{tally.restarts:,} restarts")
    if tally.failures:
        parts.append(f"{tally.failures:,} times out of reach")
    return ", ".join(parts)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
