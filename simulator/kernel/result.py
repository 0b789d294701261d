"""What a run of the kernel came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.results import CallLog, CheckpointState
from simulator.statistics import Statistics, WindowSums


@dataclass(frozen=True, slots=True)
class KernelResult:
    """What a run came to; the parts mean what they mean in a
    :class:`~simulator.results.RunOutcome`. ``statistics`` are ratios of ``sums``; ``log`` is None
    when it was not kept."""

    total: tuple[int, ...]
    tenants: dict[str, tuple[int, ...]]
    checkpoints: tuple[CheckpointState, ...]
    final: CheckpointState
    sums: WindowSums
    statistics: Statistics
    log: CallLog | None
    preempted: Mapping[str, int] = field(default_factory=dict)
