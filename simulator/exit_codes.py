"""The exit codes of the command, and which one stands for several runs."""

from collections.abc import Iterable
from typing import Final

PASSED: Final = 0
FAILED: Final = 1
"""An expectation or an invariant is broken."""
INVALID: Final = 2
"""The command line or a file it names is wrong."""
INCONCLUSIVE: Final = 3
"""The run came to no result, or nothing was offered."""
THRESHOLDS_FAILED: Final = 99
"""Everything holds but thresholds."""
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
"""Nobody reads the output any more: what a shell reports of a program ended by SIGPIPE."""

_GRAVEST_FIRST: Final = (INTERRUPTED, INVALID, FAILED, INCONCLUSIVE, THRESHOLDS_FAILED)


def first_of(codes: Iterable[int]) -> int:
    """The code of several runs: of 130, 2, 1, 3 and 99 the first that applies, else 0."""
    found = set(codes)
    return next((code for code in _GRAVEST_FIRST if code in found), PASSED)
