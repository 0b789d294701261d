"""The master's side of a run: who plays which share, what they told, and whether all is told."""

import zlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import numpy as np

from simulator.load.answers import Answer
from simulator.load.clocks import SAME_CLOCK, ClockComparison, Offset
from simulator.load.lateness import Lateness
from simulator.load.player import NOT_DUE, OVER, Player, Sent, Share
from simulator.load.shares import Union, rows_digest, share_of, union_of
from simulator.trace import CallTrace

LOCAL: Final = "local"
"""Stands for the worker's name where one process is both."""

_SENT: Final = msgspec.msgpack.Decoder(list[Sent])
_ANSWERS: Final = msgspec.msgpack.Decoder(list[Answer])


@dataclass(frozen=True, slots=True)
class Batch:
    """What a worker told at once, and how far its clock was from the master's meanwhile.

    By ``told_us`` of the worker's clock, all it had been answered is told in this batch or in one
    before it, and what was under way was sent at ``oldest_us`` at the earliest. ``answers`` are
    all it was given so far. ``after_loss``: a report before this one was lost on the way;
    ``last``: there is nothing more to tell.
    """

    share: int
    sent: Sequence[Sent]
    answers: Sequence[Answer]
    offset: Offset
    told_us: int
    oldest_us: int
    after_loss: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of one share. ``whole``: nothing the worker told was lost on the way."""

    share: int
    worker: str
    rows: list[int]
    offset: Offset
    whole: bool


@dataclass(slots=True)
class _Worker:
    clock: ClockComparison = field(default_factory=ClockComparison)
    share: int | None = None
    reports: int = 0
    missed: bool = False
    done: bool = False
    waiting: list[Batch] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    trouble: str = ""


class Coordinator:
    """One run. ``shares`` workers are expected; a share goes to whoever says hello next.

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
        self.lateness = Lateness(late_us)
        self._rows = len(trace)
        self._hash = trace_hash
        self._speed = speed
        self._prefix = prefix
        self._workers: dict[str, _Worker] = {}
        self._ready: list[Batch] = []

    # --- workers come ---------------------------------------------------------------------

    def hello(self, worker: str, trace_hash: str, *, same_kernel: bool) -> bool:
        """Note a worker; whether it drew the same trace and may take part."""
        known = self._workers.setdefault(worker, _Worker())
        known.clock.same_kernel = same_kernel
        if trace_hash != self._hash:
            known.trouble = (
                f"worker {worker} has drawn another trace ({trace_hash[:12]}, not "
                f"{self._hash[:12]}): give it the same scenario, seed, overrides and versions"
            )
        return not known.trouble

    def clock_read(self, worker: str, sent_us: int, clock_us: int, received_us: int) -> None:
        """Note when a worker's clock stood at ``clock_us``."""
        known = self._workers.get(worker)
        if known is None:
            return
        known.clock.answered(sent_us, clock_us, received_us)
        # What was told before this reading lies between two of them: now its instants are known.
        while known.waiting and known.waiting[0].told_us <= clock_us:
            self._ready.append(replace(known.waiting.pop(0), offset=known.clock.offset()))

    def ready(self) -> int:
        """How many workers could take a share: their trace is the same, their clock is known."""
        return sum(_may_play(each) for each in self._workers.values())

    def begin(self, start_us: int) -> None:
        """Say when instant 0 of the trace is."""
        self.start_us = start_us

    def plan_for(self, worker: str) -> dict[str, Any] | None:
        """The message that tells a worker its share, once; None when there is none for it."""
        known = self._workers.get(worker)
        if self.start_us is None or known is None or not _may_play(known):
            return None
        taken = {each.share for each in self._workers.values() if each.share is not None}
        free = next((share for share in range(self.shares) if share not in taken), None)
        if known.share is not None or free is None:
            return None
        known.share = free
        return {
            "run": self.run,
            "share": free,
            "shares": self.shares,
            "start_us": self.start_us - known.clock.offset().middle_us,
            "speed": self._speed,
            "prefix": self._prefix,
            "late_us": self.lateness.limit_us,
        }

    @property
    def workers(self) -> list[str]:
        return list(self._workers)

    # --- workers tell ---------------------------------------------------------------------

    def report(self, worker: str, data: Mapping[str, Any]) -> None:
        """Note what a worker tells; see :func:`report_of`. Reports of other runs are ignored."""
        known = self._workers.get(worker)
        if known is None or data["run"] != self.run or data["share"] != known.share:
            return
        after_loss = data["number"] != known.reports
        known.missed |= after_loss
        known.reports = data["number"] + 1
        known.answers += _ANSWERS.decode(data["answers"])
        batch = Batch(
            known.share,
            # With a report answers may be lost, and then those told later are not the right ones.
            [] if known.missed else _SENT.decode(data["sent"]),
            known.answers,
            SAME_CLOCK if worker == LOCAL else known.clock.offset(),
            data["told_us"],
            data["oldest_us"],
            after_loss,
            last=data["final"] is not None,
        )
        (self._ready if worker == LOCAL else known.waiting).append(batch)
        if data["final"] is None:
            return
        final = data["final"]
        known.rows = np.frombuffer(zlib.decompress(final["rows"]), np.int64).tolist()
        if rows_digest(known.rows) != final["digest"]:
            known.missed = True
        self.lateness.add(final["late"], final["worst_us"], final["counts"])
        known.done = True

    def batches(self, *, all_of_them: bool = False) -> list[Batch]:
        """What was told since the last time and has its place in time.

        ``all_of_them``: that too which a later look at the worker's clock may place better.
        """
        ready, self._ready = self._ready, []
        if all_of_them:
            for each in self._workers.values():
                if each.waiting:
                    offset = each.clock.offset()
                    ready += [replace(batch, offset=offset) for batch in each.waiting]
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
                SAME_CLOCK if name == LOCAL else each.clock.offset(),
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
        found = [each.trouble for each in self._workers.values() if each.trouble]
        given = {each.share for each in self._workers.values()}
        vacant = [share for share in range(self.shares) if share not in given]
        if vacant:
            found.append(f"{len(vacant)} of {self.shares} workers never came")
        for name, each in self._workers.items():
            if each.share is None:
                continue
            if not each.done:
                found.append(
                    f"worker {name} went away before it told what became of share {each.share}"
                )
            elif each.missed:
                found.append(f"a report of worker {name} was lost on the way")
            if each.clock.jump_us:
                found.append(
                    f"the clock of worker {name} jumped by {each.clock.jump_us / 1e6:.3f} s "
                    "against the master's"
                )
        return found


def _may_play(worker: _Worker) -> bool:
    return worker.clock.known and not worker.trouble


# --- the worker's side of the messages ------------------------------------------------------


def player_of(trace: CallTrace, plan: Mapping[str, Any]) -> Player:
    """The player of the share a plan gives."""
    share = Share(
        rows=share_of(trace, plan["share"], plan["shares"]),
        start_us=plan["start_us"],
        speed=plan["speed"],
        prefix=plan["prefix"],
    )
    return Player(trace, share, plan["late_us"])


def report_of(
    plan: Mapping[str, Any], player: Player, number: int, told_us: int, *, final: bool
) -> dict[str, Any]:
    """What there is to tell at ``told_us`` since the last report, number ``number - 1``.

    A final one adds the rows that are accounted for: played, or found not to be due.
    """
    sent, answers = player.drain_report()
    report: dict[str, Any] = {
        "run": plan["run"],
        "share": plan["share"],
        "number": number,
        "told_us": told_us,
        "oldest_us": player.oldest_us(told_us),
        "sent": msgspec.msgpack.encode(sent),
        "answers": msgspec.msgpack.encode(answers),
        "final": None,
    }
    if final:
        rows = player.rows_in(OVER, NOT_DUE)
        report["final"] = {
            "rows": zlib.compress(np.array(rows, np.int64).tobytes(), 1),
            "digest": rows_digest(rows),
            "late": player.lateness.late,
            "worst_us": player.lateness.worst_us,
            "counts": player.lateness.counts,
        }
    return report
