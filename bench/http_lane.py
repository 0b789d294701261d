"""Single call events: the service's fast lane beside plain FastAPI + Pydantic routes, one client.

Each call is three requests: offered and accepted, started, ended. The floor is the same server
answering a health check, which does nothing. Run it on a quiet machine with two cores.
"""

import argparse
import json
import os
import statistics

import httpx

from bench.raw_client import request_bytes, requests_per_second, server

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
    with server("service", ENVIRONMENT) as lane, server("bench.plain_route", ENVIRONMENT) as plain:
        httpx.post(
            f"http://127.0.0.1:{lane}/api/v1/tenants",
            headers={"X-Admin-Token": "bench"},
            json={"tenant_id": "acme", "instructions": "answer"},
        ).raise_for_status()
        rates: dict[str, list[float]] = {"plain": [], "lane": []}
        for number in range(arguments.rounds):
            requests = call_requests(calls, number * calls)
            rates["plain"].append(requests_per_second(plain, requests))
            rates["lane"].append(requests_per_second(lane, requests))
    plain_rate, lane_rate = (statistics.median(rates[name]) for name in ("plain", "lane"))
    print(f"plain FastAPI + Pydantic routes  {plain_rate:10,.0f} requests/s")
    print(f"the service's fast lane          {lane_rate:10,.0f} requests/s")
    print(f"ratio of the medians             {lane_rate / plain_rate:10.2f}")
    print(
        "ratios by round:", ", ".join(f"{b / a:.2f}" for a, b in zip(*rates.values(), strict=True))
    )


if __name__ == "__main__":
    main()
