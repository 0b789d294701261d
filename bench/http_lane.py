"""Single call events: the service's fast lane beside plain FastAPI + Pydantic routes, one client.

Each call is three requests: offered and accepted, started, ended. Rounds alternate between the two
servers. Run it on a quiet machine with two cores; the client uses one of them.
"""

import argparse
import json
import os
import statistics

import httpx

from bench.support.raw_client import ROOT, request_bytes, server

GROUP = 256
TOKEN = "X-Call-Token: bench"
ENVIRONMENT = {
    **os.environ,
    "BUSYHOUR_ADMIN_TOKEN": "bench",
    "BUSYHOUR_CALL_TOKEN": "bench",
    "BUSYHOUR_MAX_CONCURRENT_CALLS": "1000000",
    "BUSYHOUR_LOG_LEVEL": "ERROR",
}


def call_requests(calls: int, start: int) -> list[bytes]:
    """Requests of ``calls`` calls, a whole number of groups.

    The calls of a group go through each step together, so that a step is answered before the next
    one of the same call is sent on another connection.
    """
    requests = []
    for first in range(start, start + calls, GROUP):
        ids = [f"bench-{number:08d}" for number in range(first, first + GROUP)]
        for call_id in ids:
            body = {"call_id": call_id, "tenant_id": "acme", "accept": True}
            requests.append(
                request_bytes("POST", "/api/v1/calls", TOKEN, json.dumps(body).encode())
            )
        requests += [
            request_bytes("POST", f"/api/v1/calls/{call_id}/start", TOKEN) for call_id in ids
        ]
        requests += [
            request_bytes("POST", f"/api/v1/calls/{call_id}/end", TOKEN, b'{"outcome":"completed"}')
            for call_id in ids
        ]
    return requests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5120, help="calls in one round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    calls = -(-arguments.calls // GROUP) * GROUP
    plain_route = str(ROOT / "bench/support/plain_route.py")
    with (
        server("-m", "service", environment=ENVIRONMENT) as lane,
        server(plain_route, environment=ENVIRONMENT) as plain,
    ):
        httpx.post(
            f"http://127.0.0.1:{lane.port}/api/v1/tenants",
            headers={"X-Admin-Token": "bench"},
            json={"tenant_id": "acme", "instructions": "answer"},
        ).raise_for_status()
        rounds = []
        for number in range(arguments.rounds):
            requests = call_requests(calls, number * calls)
            rounds.append((plain.measure(requests), lane.measure(requests)))
    for place, name in enumerate(("plain FastAPI + Pydantic routes", "the service's fast lane")):
        rate = statistics.median(of_round[place][0] for of_round in rounds)
        cpu_us = statistics.median(of_round[place][1] for of_round in rounds)
        print(f"{name:32s} {rate:8,.0f} requests/s  {cpu_us:6.1f} us of server CPU a request")
    ratios = [lane_rate / plain_rate for (plain_rate, _), (lane_rate, _) in rounds]
    cpu_ratios = [plain_us / lane_us for (_, plain_us), (_, lane_us) in rounds]
    print(f"requests/s, lane over plain: {statistics.median(ratios):.2f} (median of rounds)")
    print(f"server CPU, plain over lane: {statistics.median(cpu_ratios):.2f} (median of rounds)")


if __name__ == "__main__":
    main()
