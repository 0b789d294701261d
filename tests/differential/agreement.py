"""What it means for two engines to agree on a trace: on every counter and on every call."""

from dataclasses import fields
from typing import Final

import numpy as np

from simulator.results import CallLog, CheckpointState, RunOutcome

LOG_COLUMNS: Final = tuple(field.name for field in fields(CallLog))
"""``preempted_by`` is None on both sides where no policy lets one call end another."""


def assert_agree(expected: RunOutcome, observed: RunOutcome) -> None:
    """Equal counters, states and call histories; row sets and counters where both tell them."""
    for column in LOG_COLUMNS:
        due, seen = getattr(expected.log, column), getattr(observed.log, column)
        assert (due is None) == (seen is None)
        if due is None:
            continue
        differs = np.flatnonzero(due != seen)
        assert not len(differs), (
            f"{column} of rows {differs.tolist()}: {expected.engine} says {due[differs].tolist()},"
            f" {observed.engine} says {seen[differs].tolist()}"
        )
    assert dict(observed.tenants) == dict(expected.tenants)
    assert tuple(observed.tenants) == tuple(expected.tenants)
    assert observed.total == expected.total
    assert dict(observed.preempted) == dict(expected.preempted)
    assert len(observed.checkpoints) == len(expected.checkpoints)
    for due, seen in zip(expected.checkpoints, observed.checkpoints, strict=True):
        assert seen.at_us == due.at_us
        _assert_same_state(due, seen)
    _assert_same_state(expected.final, observed.final)


def _assert_same_state(due: CheckpointState, seen: CheckpointState) -> None:
    assert seen.limit == due.limit
    assert dict(seen.tenants) == dict(due.tenants)
    if due.rows is not None and seen.rows is not None:
        assert seen.rows == due.rows
    if due.counters is not None and seen.counters is not None:
        assert dict(seen.counters) == dict(due.counters)
    if due.total_counters is not None and seen.total_counters is not None:
        assert seen.total_counters == due.total_counters
