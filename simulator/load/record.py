"""What was measured of a run, saved while it lasts: its directory, and the history in it."""

import time
from collections.abc import Callable, Set
from pathlib import Path
from typing import Final, Protocol

from simulator.history import HISTORY, History, HistoryHeader, HistoryWriter, read_history
from simulator.load.coordinator import Coordinator
from simulator.load.gathering import Gathering
from simulator.load.history import Frame
from simulator.load.reading import Done
from simulator.results import CallLog
from simulator.trace import CallTrace

GONE_S: Final = 5.0
"""How long a worker may be missing before nobody waits for what it has to tell."""

SILENT_S: Final = 30.0
"""How long a worker may be there and tell nothing."""


class Reader(Protocol):
    """The master's own dealings with the service: :class:`simulator.load.reading.ServiceReader`."""

    origin_us: int

    def done(self) -> Done: ...


class RunRecord:
    """One run's history in ``directory``. Methods that write raise OSError."""

    def __init__(
        self,
        trace: CallTrace,
        header: HistoryHeader,
        directory: Path,
        coordinator: Coordinator,
        reader: Reader,
        *,
        prefix: str,
        speed: float,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        assert coordinator.start_us is not None
        self.path = directory / HISTORY
        self._coordinator = coordinator
        self._reader = reader
        self._clock_s = clock_s
        self._writer = HistoryWriter(self.path, header)
        frame = Frame(prefix, reader.origin_us, coordinator.start_us, speed)
        self._gathering = Gathering(trace, coordinator.shares, frame, self._writer)
        self._told_s: dict[int, float] = {}
        self._there_s: dict[int, float] = {}

    def keep(self, alive: Set[str]) -> None:
        """Write what is known by now; ``alive`` are the workers that are here."""
        self._take(all_of_them=False)
        now_s = self._clock_s()
        for each in self._coordinator.told():
            if each.worker in alive:
                self._there_s[each.share] = now_s
            missing_s = now_s - self._there_s.setdefault(each.share, now_s)
            silent_s = now_s - self._told_s.setdefault(each.share, now_s)
            if missing_s > GONE_S or silent_s > SILENT_S:
                self._gathering.gone(each.share, each.start_us)
        done = self._reader.done()
        for operation in done.operations:
            self._gathering.own(operation)
        self._gathering.release(done.until_us, done.oldest_us)

    def conclude(self) -> None:
        """Write the rest, and that nothing is missing, where that is known."""
        self._take(all_of_them=True)
        for each in self._coordinator.told():
            if not each.whole:
                self._gathering.gone(each.share, each.start_us)
        done = self._reader.done()
        for operation in done.operations:
            self._gathering.own(operation)
        if self._gathering.conclude(done.oldest_us):
            self._writer.close()
        else:
            self._writer.abandon()

    def abandon(self) -> None:
        """Leave the history as it is: one that was cut off."""
        self._writer.abandon()

    def history(self) -> History:
        """The history as it stands in the file."""
        return read_history(self.path)

    def log(self) -> CallLog:
        """What became of each row."""
        return self._gathering.log.log()

    @property
    def held(self) -> int:
        """How many operations are held back."""
        return self._gathering.held

    def _take(self, *, all_of_them: bool) -> None:
        start_us = {}
        for each in self._coordinator.told():
            self._gathering.expect(each.share)
            start_us[each.share] = each.start_us
        now_s = self._clock_s()
        for batch in self._coordinator.batches(all_of_them=all_of_them):
            share = batch.report.share
            self._told_s[share] = now_s
            self._gathering.heard(batch, start_us[share])
