"""Plays the gallery: does every broken controller raise an alarm, and the real one none?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.state.memory import MemoryCore
from simulator.engines.inproc import InprocEngine
from simulator.oracle import expect
from simulator.results import Progress, RunOutcome
from simulator.selftest.broken import BrokenController
from simulator.statistics import statistics_of
from simulator.trace import CallTrace
from simulator.verdict import Check, judge


@dataclass(frozen=True, slots=True)
class Alarm:
    """The first check that failed when a controller played a scenario."""

    scenario: str
    check: Check


@dataclass(frozen=True, slots=True)
class Catch:
    """What happened to one broken controller.

    ``alarms`` are those of the scenarios it was played against; ``missed_by`` are the scenarios
    that should have raised one and did not.
    """

    controller: BrokenController
    alarms: tuple[Alarm, ...]
    missed_by: tuple[str, ...]

    @property
    def caught(self) -> bool:
        return bool(self.alarms) and not self.missed_by


@dataclass(frozen=True, slots=True)
class SelftestReport:
    """Every broken controller, and the false alarms raised by the unbroken one."""

    catches: tuple[Catch, ...]
    false_alarms: tuple[Alarm, ...]

    @property
    def ok(self) -> bool:
        return not self.false_alarms and all(catch.caught for catch in self.catches)


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    trace: CallTrace
    expected: RunOutcome

    def alarm(self, core_factory: Callable[..., MemoryCore]) -> Alarm | None:
        observed = InprocEngine(core_factory=core_factory).run(self.trace)
        judgement = judge(
            trace=self.trace,
            observed=observed,
            expected=self.expected,
            statistics=statistics_of(self.trace, observed.log),
        )
        checks = (*judgement.expectations, *judgement.invariants)
        failed = next((check for check in checks if not check.ok), None)
        return None if failed is None else Alarm(self.name, failed)


def run_selftest(
    gallery: Sequence[BrokenController],
    scenarios: Mapping[str, CallTrace],
    progress: Progress | None = None,
) -> SelftestReport:
    """Play each broken controller against the scenarios that must catch it, the real one on all.

    A controller none of whose scenarios is among ``scenarios`` is played against all of them in
    turn, until one raises the alarm.
    """
    cases = {name: _Case(name, trace, expect(trace)) for name, trace in scenarios.items()}
    steps = len(gallery) + 1
    false_alarms = [
        alarm for case in cases.values() if (alarm := case.alarm(MemoryCore)) is not None
    ]
    catches = []
    for done, controller in enumerate(gallery, start=1):
        if progress is not None:
            progress(done, steps)
        catches.append(_try(controller, cases))
    if progress is not None:
        progress(steps, steps)
    return SelftestReport(tuple(catches), tuple(false_alarms))


def _try(controller: BrokenController, cases: Mapping[str, _Case]) -> Catch:
    named = [name for name in controller.caught_by if name in cases]
    alarms, missed_by = [], []
    for name in named or cases:
        alarm = cases[name].alarm(controller.factory)
        if alarm is not None:
            alarms.append(alarm)
            if not named:
                break
        elif named:
            missed_by.append(name)
    return Catch(controller, tuple(alarms), tuple(missed_by))
