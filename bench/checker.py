"""How many operations a second ``busyhour check`` reads and judges.

Run by hand: ``python bench/checker.py [OPERATIONS]``. Writes a sound history of overlapping calls
of 20 tenants and some reads behind them, then reads and judges it; the floor beside it is
decoding the same lines as plain JSON.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from simulator.checker import check_history
from simulator.history import (
    HistoryHeader,
    InUseRead,
    Operation,
    TenantLimits,
    read_history,
    write_history,
)

TENANTS = 20
GAP_US = 100
HOLD_US = 40_000


def history(operations: int) -> Iterator[Operation]:
    """Calls one gap apart, each offered, accepted, started and ended; answers take 1 to 3 ms."""
    generator = np.random.default_rng(1)
    calls = operations // 4
    took = generator.integers(1_000, 3_000, (calls, 4)).tolist()
    for call in range(calls):
        sent = call * GAP_US
        names = {"call_id": f"call-{call}"}
        for step, (op, decision) in enumerate(
            (
                ("offer", "admitted"),
                ("accept", "accepted"),
                ("start", "started"),
                ("end", "ended"),
            )
        ):
            sent += HOLD_US if op == "end" else 0
            done = sent + took[call][step]
            more = {"tenant_id": f"tenant-{call % TENANTS}"} if op == "offer" else {}
            fields = {"op": op, "decision": decision, **names, **more}
            yield msgspec.convert({**fields, "invoke_us": sent, "complete_us": done}, Operation)
            sent = done + 50
    idle = operations * HOLD_US
    for number in range(100):
        read_us = idle + number
        yield Operation(
            op="read", invoke_us=read_us, complete_us=read_us, in_use=InUseRead(total=0)
        )


def main() -> None:
    operations = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    header = HistoryHeader(
        limit=operations,
        tenants={f"tenant-{number}": TenantLimits() for number in range(TENANTS)},
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "history.jsonl"
        write_history(path, header, history(operations))
        data = path.read_bytes()
        begun = time.perf_counter()
        msgspec.json.Decoder().decode_lines(data)
        floor = time.perf_counter() - begun
        begun = time.perf_counter()
        read = read_history(path)
        reading = time.perf_counter() - begun
        judgement = check_history(read)
        whole = time.perf_counter() - begun
    count = len(read.operations)
    print(f"{count:,} operations, {len(judgement.alarms)} alarms")
    print(f"floor, plain JSON decoding  {count / floor:>12,.0f} operations/s")
    print(f"reading                     {count / reading:>12,.0f} operations/s")
    print(f"reading and judging         {count / whole:>12,.0f} operations/s")


if __name__ == "__main__":
    main()
