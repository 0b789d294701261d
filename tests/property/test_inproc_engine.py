"""What the inproc engine does to a core, whatever the trace."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings

from service.calls import Lookup, Outcome, State
from service.state.base import Answer, Decision
from service.state.memory import MemoryCore
from simulator.engines.inproc import InprocEngine
from simulator.results import Fate
from simulator.trace import NEVER, CallTrace
from tests.strategies import traces

STATE_OF = {
    Fate.REJECTED_TENANT: State.REJECTED,
    Fate.REJECTED_CAPACITY: State.REJECTED,
    Fate.REJECTED_INSTRUCTIONS: State.REJECTED,
    Fate.ABANDONED_PENDING: State.ABANDONED,
    Fate.ABANDONED_ACCEPTED: State.ABANDONED,
    Fate.ENDED: State.ENDED,
    Fate.STILL_PENDING: State.PENDING,
    Fate.STILL_ACCEPTED: State.ACCEPTED,
    Fate.STILL_ACTIVE: State.ACTIVE,
}
NO_SLOT = {Fate.REJECTED_TENANT, Fate.REJECTED_CAPACITY}


class SpyCore(MemoryCore):
    """Notes what it hears."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instants: list[int] = []
        self.rejected: set[str] = set()

    def _heard(self, call_id: str, at_us: int, answer: Answer) -> Answer:
        self.instants.append(at_us)
        if answer.decision is Decision.REJECTED:
            self.rejected.add(call_id)
        return answer

    def offer(self, call_id: str, tenant_id: str, at_us: int) -> Answer:
        return self._heard(call_id, at_us, super().offer(call_id, tenant_id, at_us))

    def accept(self, call_id: str, lookup: Lookup, at_us: int) -> Answer:
        assert call_id not in self.rejected
        return self._heard(call_id, at_us, super().accept(call_id, lookup, at_us))

    def start(self, call_id: str, at_us: int) -> Answer:
        assert call_id not in self.rejected
        return self._heard(call_id, at_us, super().start(call_id, at_us))

    def refer(self, call_id: str, at_us: int) -> Answer:
        assert call_id not in self.rejected
        return self._heard(call_id, at_us, super().refer(call_id, at_us))

    def end(self, call_id: str, outcome: Outcome, at_us: int) -> Answer:
        assert call_id not in self.rejected
        return self._heard(call_id, at_us, super().end(call_id, outcome, at_us))


def run(trace: CallTrace) -> tuple[SpyCore, Any]:
    cores: list[SpyCore] = []

    def factory(*args: Any, **kwargs: Any) -> SpyCore:
        cores.append(SpyCore(*args, **kwargs))
        return cores[0]

    outcome = InprocEngine(core_factory=factory).run(trace)
    return cores[0], outcome


@given(traces())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_time_never_goes_back_and_nothing_follows_a_rejection(trace: CallTrace) -> None:
    core, _ = run(trace)  # the spy asserts the second half
    assert core.instants == sorted(core.instants)
    if not trace.conditions.drain:
        assert all(at_us < trace.conditions.duration_us for at_us in core.instants)


@given(traces())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_the_log_is_what_the_core_remembers_of_each_call(trace: CallTrace) -> None:
    core, outcome = run(trace)
    log = outcome.log
    for row in range(len(trace)):
        fate = Fate(int(log.fate[row]))
        view = core.call(f"c{row}")
        if view is None:
            assert fate is Fate.NOT_MADE
            continue
        assert view.state is STATE_OF[fate]
        assert view.offered_us == log.offered_us[row]
        assert (NEVER if view.accepted_us is None else view.accepted_us) == log.accepted_us[row]
        assert (NEVER if view.started_us is None else view.started_us) == log.started_us[row]
        released = NEVER if view.finished_us is None or fate in NO_SLOT else view.finished_us
        assert released == log.released_us[row]


@given(traces())
@settings(max_examples=50, deadline=None, derandomize=True)
def test_it_observes_the_core_and_not_itself(trace: CallTrace) -> None:
    """A core that reports one offer too many is seen to, in total and tenant alike."""

    class Boaster(MemoryCore):
        def total_counters(self) -> tuple[int, ...]:
            raise AssertionError("the snapshot has the total already")

        def snapshot(self) -> Any:
            snapshot = super().snapshot()
            counters = tuple(count + 1 for count in snapshot.total.counters)
            total = type(snapshot.total)(None, snapshot.total.occupancy, counters)
            return replace(snapshot, total=total)

    honest, boasting = InprocEngine().run(trace), InprocEngine(core_factory=Boaster).run(trace)
    assert boasting.total == tuple(count + 1 for count in honest.total)
    assert boasting.tenants == honest.tenants
