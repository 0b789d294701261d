"""Cutting many tenants' arrivals into windows of time, without holding more than a window."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from simulator.trace import Int64s
from simulator.traffic.arrival_process import ArrivalProcess

_SMALLEST_BLOCK: Final = 64
_ENDLESS: Final = 2**63 - 1
_NONE: Final = np.empty(0, dtype=np.int64)


class _Pending:
    """Arrivals of one process that were drawn and not yet given out.

    ``known_until``: every arrival before this instant is drawn. ``settled``: how many of the
    pending ones were drawn before the last block, and so lie before ``known_until``.
    """

    def __init__(self, process: ArrivalProcess, block_size: int) -> None:
        self._process = process
        self._block_size = block_size
        self._blocks: list[Int64s] = []
        self.settled = 0
        self.known_until = 0
        self.draw()

    def draw(self) -> None:
        self.settled = sum(len(block) for block in self._blocks)
        block = self._process.block(self._block_size)
        if len(block):
            self._blocks.append(block)
        self.known_until = _ENDLESS if self._process.done else int(block[-1])

    def any_before(self, instant: int) -> bool:
        return bool(self._blocks) and int(self._blocks[0][0]) < instant

    def take_before(self, instant: int) -> Int64s:
        blocks = self._blocks
        drawn = blocks[0] if len(blocks) == 1 else np.concatenate([_NONE, *blocks])
        cut = int(np.searchsorted(drawn, instant))
        self._blocks = [drawn[cut:]] if cut < len(drawn) else []
        self.settled = 0
        return drawn[:cut]


def windows(processes: Sequence[ArrivalProcess], chunk_calls: int) -> Iterator[list[Int64s]]:
    """For window after window of time, the arrivals of each process in it; at least one window.

    A window ends at the earliest instant up to which some process is drawn; that process draws on
    until about ``chunk_calls`` arrivals lie before the end. Calls at that very instant wait for the
    next window, because more of them may be to come.
    """
    expected = sum(process.expected_calls for process in processes) or 1.0
    pending = [
        _Pending(
            process,
            max(_SMALLEST_BLOCK, round(chunk_calls / 2 * process.expected_calls / expected)),
        )
        for process in processes
    ]
    known = np.array([each.known_until for each in pending], dtype=np.int64)
    settled = 0
    while len(known) and known.min() < _ENDLESS:
        last = int(known.argmin())
        until = int(known[last])
        if settled >= chunk_calls // 2 and any(each.any_before(until) for each in pending):
            yield [each.take_before(until) for each in pending]
            settled = 0
        else:
            settled -= pending[last].settled
            pending[last].draw()
            settled += pending[last].settled
            known[last] = pending[last].known_until
    yield [each.take_before(_ENDLESS) for each in pending]
