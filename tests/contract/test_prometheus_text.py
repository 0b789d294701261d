"""The Prometheus text: read back with the library's own parser, compared with what happened."""

import json

from prometheus_client.parser import text_string_to_metric_families

from service.calls import COUNTERS, Counter
from tests.contract.service_under_test import CALLER, VIRTUAL, Client, event, offer, running

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(client: Client) -> Samples:
    response = await client.http.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples["busyhour_" + name, frozenset(labels.items())]


async def test_the_numbers_of_the_call_state() -> None:
    async with running(max_concurrent_calls=2, **VIRTUAL) as client:
        await client.tenant("acme", max_concurrent_calls=1, reserved_calls=1, at_us=0)
        await client.tenant("globex", at_us=0)
        await client.batch(
            offer("a", at_us=0),
            offer("b", at_us=0),
            offer("g", "globex", at_us=0),
            offer("b2", at_us=0),
            offer("x", "invented", at_us=0),
            offer("y", "made up", at_us=0),
            event("accept", "a", at_us=0),
            event("accept", "g", lookup="missing", at_us=0),
            event("start", "a", at_us=0),
            event("end", "a", at_us=90_000_000),
            offer("p", at_us=90_000_000),
        )
        samples = await scrape(client)
        live = (await client.get("/api/v1/metrics/live/acme")).json()
    for spec in COUNTERS:
        if spec.published:
            name = spec.name if spec.counter is Counter.ACTIVE_CALLS else spec.name + "_total"
            assert of(samples, name, tenant="acme") == live[spec.name]
    assert of(samples, "offered_calls_total", tenant="_unknown") == 2
    assert of(samples, "minutes_processed_total", tenant="acme") == 1.5
    assert of(samples, "limit") == 2
    assert of(samples, "in_use", tenant="acme") == of(samples, "pending", tenant="acme") == 1
    assert of(samples, "in_use", tenant="globex") == 0
    assert of(samples, "tenant_limit", tenant="acme") == 1
    assert of(samples, "tenant_reserved", tenant="globex") == 0
    decided = {
        tuple(sorted(dict(labels).items())): value
        for (name, labels), value in samples.items()
        if name == "busyhour_decisions_total"
    }

    def decision(name: str, reason: str = "", scopes: str = "") -> tuple[tuple[str, str], ...]:
        return (("decision", name), ("reason", reason), ("scopes", scopes))

    assert decided == {
        decision("admitted"): 3,
        decision("accepted"): 1,
        decision("rejected", "capacity", "tenant"): 1,
        decision("rejected", "capacity", "total+tenant"): 1,
        decision("rejected", "tenant_not_configured"): 2,
        decision("rejected", "instructions_missing"): 1,
    }


async def test_invented_tenants_make_no_labels() -> None:
    async with running() as client:
        await client.tenant("acme")
        await client.batch(*(offer(f"c{number}", f"t{number}") for number in range(50)))
        samples = await scrape(client)
    tenants = {dict(labels).get("tenant") for _, labels in samples}
    assert tenants == {None, "acme", "_unknown"}


async def test_latency_is_counted_by_route_whoever_answers() -> None:
    async with running() as client:
        for call_id in ("a", "b"):
            document = {"call_id": call_id, "tenant_id": "t"}
            await client.post("/api/v1/calls", document)
            await client.post(f"/api/v1/calls/{call_id}/end")
            await client.get(f"/api/v1/calls/{call_id}")
        await client.http.get("/nowhere/at/all")
        await client.http.request("BREW", "/nowhere")
        await client.http.post("/api/v1/calls", content=json.dumps({}), headers=CALLER)
        samples = await scrape(client)
    counted = {
        tuple(dict(labels)[label] for label in ("method", "route", "status")): value
        for (name, labels), value in samples.items()
        if name == "busyhour_request_duration_seconds_count"
    }
    assert counted == {
        ("POST", "/api/v1/calls", "200"): 2,
        ("POST", "/api/v1/calls", "422"): 1,
        ("POST", "/api/v1/calls/{call_id}/end", "409"): 2,
        ("GET", "/api/v1/calls/{call_id}", "200"): 2,
        ("GET", "(none)", "404"): 1,
        ("other", "(none)", "404"): 1,
    }


async def test_two_services_in_one_process_count_apart() -> None:
    async with running() as one, running() as other:
        await one.batch(offer("c", "t"))
        assert of(await scrape(one), "offered_calls_total", tenant="_unknown") == 1
        assert of(await scrape(other), "offered_calls_total", tenant="_unknown") == 0
