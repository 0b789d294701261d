"""The master's side of a run: who plays which share, what they told, and whether all is told."""

from collections.abc import Set
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

from simulator.load.clocks import SAME_CLOCK, ClockComparison, Offset
from simulator.load.messages import Plan, Report
from simulator.load.meters import Meters
from simulator.load.shares import Union, union_of
from simulator.trace import CallTrace

RELEASE: Final = version("busyhour")
"""Which busyhour this is; masters and workers understand each other where it is the same."""

LOCAL: Final = "local"
"""Stands for the worker's name where one process is both."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A report, and how far the worker's clock was from the master's meanwhile.

    ``after_loss``: a report before this one was lost on the way.
    """

    report: Report
    offset: Offset
    after_loss: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of one share.

    ``start_us`` of the master's clock is the earliest at which instant 0 of the trace can have
    been for the worker. ``whole``: it told all, and nothing was lost on the way.
    """

    share: int
    worker: str
    rows: list[int]
    offset: Offset
    start_us: int
    whole: bool


@dataclass(slots=True)
class _Worker:
    """``clock`` is None for one that reads the master's own."""

    clock: ClockComparison | None
    share: int | None = None
    start_us: int = 0
    reports: int = 0
    missed: bool = False
    done: bool = False
    waiting: list[tuple[Report, bool]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    trouble: str = ""

    @property
    def offset(self) -> Offset:
        return SAME_CLOCK if self.clock is None else self.clock.offset()

    @property
    def may_play(self) -> bool:
        """Whether its trace is the same and its clock is known."""
        return (self.clock is None or self.clock.known) and not self.trouble


class Coordinator:
    """One run. ``shares`` workers are expected, and each that is ready gets a share.

    Instants are those of the master's clock. ``start_us`` is set by :meth:`begin`.
    """

    def __init__(
        self,
        trace: CallTrace,
        trace_hash: str,
        *,
        run: str,
        shares: int,
        speed: float,
        prefix: str,
        late_us: int,
    ) -> None:
        self.run = run
        self.shares = shares
        self.start_us: int | None = None
        self.meters = Meters(late_us)
        self._rows = len(trace)
        self.trace_hash = trace_hash
        self._speed = speed
        self._prefix = prefix
        self._workers: dict[str, _Worker] = {}
        self._ready: list[Batch] = []

    # --- workers come ---------------------------------------------------------------------

    def hello(
        self, worker: str, trace_hash: str, release: str, *, same_kernel: bool = False
    ) -> bool:
        """Note a worker; whether it is of the same release, drew the same trace, may take part."""
        clock = None if worker == LOCAL else ClockComparison(same_kernel)
        known = self._workers.setdefault(worker, _Worker(clock))
        if release != RELEASE:
            known.trouble = f"worker {worker} is busyhour {release}, the master is {RELEASE}"
        elif trace_hash != self.trace_hash:
            known.trouble = (
                f"worker {worker} has drawn another trace ({trace_hash[:12]}, not "
                f"{self.trace_hash[:12]}): give it the same scenario, seed, overrides and versions"
            )
        return not known.trouble

    def clock_read(self, worker: str, sent_us: int, clock_us: int, received_us: int) -> bool:
        """Note when a worker's clock stood at ``clock_us``; whether it is known well enough now."""
        known = self._workers.get(worker)
        if known is None or known.clock is None:
            return True
        known.clock.answered(sent_us, clock_us, received_us)
        certain_us = known.clock.certain_us
        if certain_us is not None:
            while known.waiting and known.waiting[0][0].told_us <= certain_us:
                report, after_loss = known.waiting.pop(0)
                self._ready.append(Batch(report, known.offset, after_loss))
        return known.clock.known

    def ready(self) -> int:
        """How many workers could take a share."""
        return sum(each.may_play for each in self._workers.values())

    def misfits(self) -> list[str]:
        """Why workers that came may not take part, one line each."""
        return [each.trouble for each in self._workers.values() if each.trouble]

    def begin(self, start_us: int) -> None:
        """Say when instant 0 of the trace is."""
        self.start_us = start_us

    def plan_for(self, worker: str) -> Plan | None:
        """What tells a worker its share, once; None when there is none for it."""
        known = self._workers.get(worker)
        if self.start_us is None or known is None or not known.may_play:
            return None
        taken = {each.share for each in self._workers.values() if each.share is not None}
        free = next((share for share in range(self.shares) if share not in taken), None)
        if known.share is not None or free is None:
            return None
        known.share = free
        known.start_us = self.start_us - known.offset.middle_us
        return Plan(
            self.run,
            free,
            self.shares,
            known.start_us,
            self._speed,
            self._prefix,
            self.meters.late_us,
        )

    @property
    def workers(self) -> list[str]:
        return list(self._workers)

    # --- workers tell ---------------------------------------------------------------------

    def report(self, worker: str, report: Report) -> None:
        """Note what a worker tells. Reports of other runs are ignored."""
        known = self._workers.get(worker)
        if known is None or report.run != self.run or report.share != known.share:
            return
        after_loss = report.number != known.reports
        known.missed |= after_loss
        known.reports = report.number + 1
        if known.clock is None or known.clock.is_the_same:
            self._ready.append(Batch(report, SAME_CLOCK, after_loss))
        else:
            known.waiting.append((report, after_loss))
        accounts = report.accounts
        if accounts is None:
            return
        rows = accounts.told_rows()
        known.rows, known.missed = rows or [], known.missed or rows is None
        self.meters.add(accounts.meters)
        known.done = True

    def batches(self, *, all_of_them: bool = False) -> list[Batch]:
        """What was told since the last time and has its place in time.

        ``all_of_them``: that too which later looks at a worker's clock may place better.
        """
        ready, self._ready = self._ready, []
        if all_of_them:
            for each in self._workers.values():
                ready += [Batch(report, each.offset, lost) for report, lost in each.waiting]
                each.waiting.clear()
        return ready

    def all_told(self, alive: Set[str]) -> bool:
        """Whether no share is left of which somebody who is there will still tell."""
        given = {name: each for name, each in self._workers.items() if each.share is not None}
        waited_for = [name for name, each in given.items() if name in alive and not each.done]
        return len(given) == self.shares and not waited_for

    def told(self) -> list[Told]:
        """What each share's worker told, in order of the shares."""
        given = [
            Told(
                each.share,
                name,
                each.rows,
                each.offset,
                each.start_us + each.offset.low_us,
                each.done and not each.missed,
            )
            for name, each in self._workers.items()
            if each.share is not None
        ]
        return sorted(given, key=lambda each: each.share)

    def union(self) -> Union:
        """All rows that were told of, against all rows of the trace."""
        return union_of(self._rows, {each.share: each.rows for each in self.told()})

    def troubles(self) -> list[str]:
        """What keeps the run from being judged, one line each."""
        found = self.misfits()
        for name, each in self._workers.items():
            if each.share is None:
                continue
            if not each.done:
                found.append(
                    f"worker {name} went away before it told what became of share {each.share}"
                )
            elif each.missed:
                found.append(f"a report of worker {name} was lost on the way")
            if each.clock is not None and each.clock.jump_us:
                found.append(
                    f"the clock of worker {name} jumped by {each.clock.jump_us / 1e6:.3f} s "
                    "against the master's"
                )
        return found
