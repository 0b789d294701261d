"""A real call log with a known answer: capacity rejections from an independent replay."""

import csv
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from service.calls import Counter
from simulator.oracle import expect
from simulator.trace import CallTrace
from tests.strategies import Row, conditions, make_trace

CALL_LOG = Path(__file__).parents[3] / "shared" / "data" / "azure_llm2023_code.csv"


def microseconds(seconds: str) -> int:
    exact = Decimal(seconds) * 1_000_000
    assert exact == int(exact)
    return int(exact)


@pytest.fixture(scope="module")
def calls() -> list[Row]:
    if not CALL_LOG.exists():
        pytest.skip(f"{CALL_LOG} is not there; it is not part of the project")
    with CALL_LOG.open(newline="") as file:
        return [
            Row(microseconds(line["t"]), hold=microseconds(line["dur"]))
            for line in csv.DictReader(file)
        ]


def trace_of(calls: list[Row], limit: int) -> CallTrace:
    return make_trace(conditions(limit, duration_us=calls[-1].offer + 1), calls)


@pytest.mark.parametrize(("limit", "rejected"), [(10, 3362), (20, 1284)])
def test_capacity_rejections_of_a_real_call_log(
    calls: list[Row], limit: int, rejected: int
) -> None:
    outcome = expect(trace_of(calls, limit))
    assert outcome.total[Counter.OFFERED_CALLS] == 8819
    assert outcome.total[Counter.REJECTED_CALLS_CAPACITY] == rejected
    # Python's own integers, over the calls that were let in.
    admitted = np.flatnonzero(outcome.log.scopes == 0).tolist()
    assert outcome.total[Counter.ACTIVE_US_TOTAL] == sum(calls[row].hold for row in admitted)
