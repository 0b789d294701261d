"""The engine ``kernel``: the rules of the service as one loop over arrays, for size and speed."""

from typing import Final

from simulator.kernel import KernelRun
from simulator.results import Progress, RunOutcome
from simulator.trace import CallTrace


class KernelEngine:
    """Plays a trace through :class:`simulator.kernel.KernelRun`.

    It keeps no call ids, so its checkpoints have neither rows nor counters.
    """

    name: Final = "kernel"

    def run(self, trace: CallTrace, progress: Progress | None = None) -> RunOutcome:
        result = KernelRun(trace.conditions).play(trace)
        assert result.log is not None
        if progress is not None:
            progress(len(trace), len(trace))
        return RunOutcome(
            engine=self.name,
            total=result.total,
            tenants=result.tenants,
            checkpoints=result.checkpoints,
            final=result.final,
            log=result.log,
            preempted=result.preempted,
        )
