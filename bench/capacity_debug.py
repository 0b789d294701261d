"""The capacity debug endpoint with ten thousand held calls, beside the models most would write.

``active``, ``pending`` and ``mixed`` say in which state the calls are. The peer builds the same
document as dicts and encodes it with the same library; both are timed as functions, and the
endpoint is measured over a socket: polled while nothing changes, and with a call event between any
two polls, so that each poll finds something new to write.
"""

import argparse
import json
import os
import timeit
from collections.abc import Callable

import httpx
import msgspec

from bench.support.raw_client import request_bytes, server
from service.api.debug_document import capacity_debug_document
from service.state.base import HeldCalls

ENVIRONMENT = {
    **os.environ,
    "BUSYHOUR_ADMIN_TOKEN": "bench",
    "BUSYHOUR_CALL_TOKEN": "bench",
    "BUSYHOUR_MAX_CONCURRENT_CALLS": "1000000",
    "BUSYHOUR_LOG_LEVEL": "ERROR",
}
STEPS = {"pending": 0, "accepted": 1, "active": 2}
CALL_TOKEN = "X-Call-Token: bench"
LAG = 64
"""Changes between the offer of a call and its end: the offer is long answered by then."""


def changes(count: int) -> list[bytes]:
    """Requests that each change which calls are held; the number of them stays about the same."""
    requests: list[bytes] = []
    for number in range(count):
        offer = {"call_id": f"change_{number:08d}", "tenant_id": f"tenant-{number % 12}"}
        requests.append(
            request_bytes("POST", "/api/v1/calls", CALL_TOKEN, json.dumps(offer).encode())
        )
        if number >= LAG:
            path = f"/api/v1/calls/change_{number - LAG:08d}/end"
            requests.append(request_bytes("POST", path, CALL_TOKEN))
    return requests[:count]


def as_dicts(held: HeldCalls) -> bytes:
    """The document in its plainest form."""
    by_tenant: dict[str, list[str]] = {}
    for call_id, tenant_id in held.pending.items():
        by_tenant.setdefault(tenant_id, []).append(call_id)
    return msgspec.json.encode(
        {
            "active_count": len(held.active),
            "active_calls": [{"call_id": call_id, "status": "RUNNING"} for call_id in held.active],
            "accepted_count": len(held.accepted),
            "accepted_call_ids": held.accepted,
            "pending_count": len(held.pending),
            "pending_call_ids": list(held.pending),
            "pending_by_tenant_count": {key: len(ids) for key, ids in by_tenant.items()},
            "pending_by_tenant": by_tenant,
            "pending_tenant_by_call_id_count": len(held.pending),
            "pending_tenant_by_call_id": held.pending,
        }
    )


def seconds(write: Callable[[HeldCalls], bytes], held: HeldCalls) -> float:
    """What writing the document takes at best."""
    return min(timeit.repeat(lambda: write(held), number=20, repeat=5)) / 20


def fill(port: int, calls: int, states: list[str]) -> HeldCalls:
    """Hold that many calls, in these states by turns."""
    ids = [f"call_{number:08d}" for number in range(calls)]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1") as client:
        client.headers.update({"X-Admin-Token": "bench", "X-Call-Token": "bench"})
        for number in range(12):
            client.post(
                "/tenants", json={"tenant_id": f"tenant-{number}", "instructions": "answer"}
            ).raise_for_status()
        events: list[dict[str, object]] = []
        by_state: dict[str, list[str]] = {state: [] for state in STEPS}
        for number, call_id in enumerate(ids):
            state = states[number % len(states)]
            by_state[state].append(call_id)
            tenant_id = f"tenant-{number % 12}"
            events.append({"event": "offer", "call_id": call_id, "tenant_id": tenant_id})
            steps = ("accept", "start")[: STEPS[state]]
            events += [{"event": event, "call_id": call_id} for event in steps]
        for first in range(0, len(events), 10_000):
            body = json.dumps({"events": events[first : first + 10_000]})
            client.post("/calls/events", content=body).raise_for_status()
    pending = {
        call_id: f"tenant-{number % 12}"
        for number, call_id in enumerate(ids)
        if states[number % len(states)] == "pending"
    }
    by_tenant: dict[str, list[str]] = {}
    for call_id, tenant_id in pending.items():
        by_tenant.setdefault(tenant_id, []).append(call_id)
    return HeldCalls(
        pending,
        {tenant_id: tuple(calls) for tenant_id, calls in by_tenant.items()},
        (*by_state["accepted"], *by_state["active"]),
        tuple(by_state["active"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=2000)
    arguments = parser.parse_args()
    request = request_bytes("GET", "/api/v1/metrics/capacity/debug", "X-Admin-Token: bench")
    for name, states in {
        "active": ["active"],
        "pending": ["pending"],
        "mixed": ["active", "active", "accepted", "pending"],
    }.items():
        with server("-m", "service", environment=ENVIRONMENT) as running:
            held = fill(running.port, arguments.calls, states)
            rate, cpu_us = running.measure([request] * arguments.requests, connections=4)
            changing = [
                sent for change in changes(arguments.requests) for sent in (change, request)
            ]
            changing_rate, both_us = running.measure(changing, connections=4)
        assert json.loads(as_dicts(held)) == json.loads(capacity_debug_document(held))
        plain_s, ours_s = (seconds(write, held) for write in (as_dicts, capacity_debug_document))
        print(
            f"{arguments.calls} calls {name:8s} unchanged {rate:6,.0f} polls/s, {cpu_us:5,.0f} us "
            f"CPU; always changed {changing_rate / 2:6,.0f} polls/s, {both_us * 2:5,.0f} us CPU "
            f"with the change; document {ours_s * 1e6:5,.0f} us, from dicts {plain_s * 1e6:5,.0f}"
        )


if __name__ == "__main__":
    main()
