"""The gallery of broken controllers, and the run that shows that every one of them is caught."""

from collections.abc import Mapping
from typing import Final

from simulator.results import Progress
from simulator.selftest import runner
from simulator.selftest.admission_bugs import ADMISSION_BUGS
from simulator.selftest.broken import BrokenController
from simulator.selftest.counting_bugs import COUNTING_BUGS
from simulator.selftest.runner import Alarm, Catch, SelftestReport
from simulator.selftest.slot_bugs import SLOT_BUGS
from simulator.trace import CallTrace

__all__ = [
    "GALLERY",
    "SCENARIOS",
    "Alarm",
    "BrokenController",
    "Catch",
    "SelftestReport",
    "run_selftest",
]

GALLERY: Final[tuple[BrokenController, ...]] = (*ADMISSION_BUGS, *SLOT_BUGS, *COUNTING_BUGS)


def run_selftest(
    scenarios: Mapping[str, CallTrace], progress: Progress | None = None
) -> SelftestReport:
    """Play the whole gallery against traces of shipped scenarios, by name."""
    return runner.run_selftest(GALLERY, scenarios, progress)
