"""The three published endpoints, exactly: clients that nobody here controls depend on them."""

import json

from hypothesis import given
from hypothesis import strategies as st

from service.api.debug_document import capacity_debug_document
from service.state.base import HeldCalls
from tests.contract.service_under_test import VIRTUAL, event, offer, running

FIELDS = [
    "active_calls",
    "accepted_calls",
    "rejected_calls_capacity",
    "rejected_calls_tenant_not_configured",
    "rejected_calls_instructions_missing",
    "instructions_db_errors",
    "fallback_instructions_used",
    "started_calls",
    "ended_calls",
    "failed_calls",
    "referred_calls",
    "minutes_processed",
]
MINUTE = 60_000_000


async def test_every_field_in_order_with_what_it_counts() -> None:
    async with running(max_concurrent_calls=5, **VIRTUAL) as client:
        await client.tenant("acme", at_us=0)
        await client.tenant("bare", instructions=None, at_us=0)
        await client.tenant("soft", instructions=None, fallback_allowed=True, at_us=0)
        answers = await client.batch(
            offer("a1", at_us=0),
            offer("a2", at_us=0),
            offer("a3", at_us=0),
            offer("b1", "bare", at_us=0),
            offer("s1", "soft", at_us=0),
            offer("a4", at_us=0),
            offer("x1", "nobody", at_us=0),
            event("accept", "a1", at_us=1),
            event("accept", "a2", at_us=1),
            event("accept", "a3", at_us=1),
            event("accept", "b1", at_us=1),
            event("accept", "s1", lookup="error", at_us=1),
            event("start", "a1", at_us=MINUTE),
            event("start", "a2", at_us=MINUTE),
            event("start", "a3", at_us=MINUTE),
            event("refer", "a2", at_us=MINUTE),
            event("end", "a1", at_us=2 * MINUTE),
            event("end", "a2", outcome="failed", at_us=2 * MINUTE + MINUTE // 2),
        )
        assert {answer["status"] for answer in answers} == {200}
        live = (await client.get("/api/v1/metrics/live")).json()
        expected = [1, 4, 1, 1, 1, 1, 1, 3, 2, 1, 1, 2.5]
        assert list(live.items()) == list(zip(FIELDS, expected, strict=True))
        acme = (await client.get("/api/v1/metrics/live/acme")).json()
        assert list(acme.items()) == list(
            zip(FIELDS, [1, 3, 1, 0, 0, 0, 0, 3, 2, 1, 1, 2.5], strict=True)
        )
        soft = (await client.get("/api/v1/metrics/live/soft")).json()
        assert list(soft.values()) == [0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


async def test_a_tenant_without_traffic_has_zeros_and_others_are_not_found() -> None:
    async with running() as client:
        await client.tenant("quiet")
        quiet = await client.get("/api/v1/metrics/live/quiet")
        assert quiet.json() == dict.fromkeys(FIELDS, 0)
        await client.post("/api/v1/calls", {"call_id": "c", "tenant_id": "nobody"})
        for tenant_id in ("nobody", "_unknown"):
            missing = await client.get(f"/api/v1/metrics/live/{tenant_id}")
            assert missing.status_code == 404


async def test_a_removed_tenant_keeps_its_row_and_resumes_it() -> None:
    async with running() as client:
        await client.tenant("acme")
        await client.batch(offer("c"), event("accept", "c"))
        assert (await client.delete("/api/v1/tenants/acme")).status_code == 204
        assert (await client.get("/api/v1/metrics/live/acme")).status_code == 404
        assert (await client.live())["accepted_calls"] == 1
        removed = (await client.capacity())["tenants"]["acme"]
        assert (removed["configured"], removed["accepted_calls"]) == (False, 1)
        await client.tenant("acme")
        assert (await client.get("/api/v1/metrics/live/acme")).json()["accepted_calls"] == 1


async def test_the_debug_document() -> None:
    async with running() as client:
        await client.tenant("t1")
        await client.tenant("t2")
        await client.batch(
            offer("c1", "t1"),
            offer("c2", "t2"),
            offer("c3", "t1"),
            event("accept", "c1"),
            event("accept", "c2"),
            event("start", "c1"),
        )
        document = (await client.get("/api/v1/metrics/capacity/debug")).json()
    expected = {
        "active_count": 1,
        "active_calls": [{"call_id": "c1", "status": "RUNNING"}],
        "accepted_count": 2,
        "accepted_call_ids": ["c1", "c2"],
        "pending_count": 1,
        "pending_call_ids": ["c3"],
        "pending_by_tenant_count": {"t1": 1},
        "pending_by_tenant": {"t1": ["c3"]},
        "pending_tenant_by_call_id_count": 1,
        "pending_tenant_by_call_id": {"c3": "t1"},
    }
    assert list(document.items()) == list(expected.items())


async def test_the_capacity_document_tells_the_deadlines() -> None:
    async with running(pending_deadline_s="2.5") as client:
        deadlines = (await client.capacity())["deadlines"]
    assert deadlines == {"pending_us": 2_500_000, "accepted_us": None, "active_us": None}


async def test_an_instance_keeps_its_name_and_another_one_has_another() -> None:
    names = []
    for _ in range(2):
        async with running() as client:
            first = (await client.capacity())["instance"]
            await client.tenant("t1")
            assert (await client.capacity())["instance"] == first
        names.append(first)
    assert all(names)
    assert names[0] != names[1]


async def test_the_debug_document_follows_every_change() -> None:
    """What was sent before is sent again only while nothing has changed, deadlines included."""
    async with running(pending_deadline_s="1", **VIRTUAL) as client:
        await client.tenant("t1", at_us=0)
        for number, (changed, pending, accepted, active) in enumerate(
            (
                ({"event": "tick", "at_us": 0}, [], [], []),
                (offer("c", "t1", at_us=0), ["c"], [], []),
                (offer("d", "t1", at_us=0), ["c", "d"], [], []),
                (offer("c", "t1", at_us=0), ["c", "d"], [], []),
                (event("accept", "c", at_us=0), ["d"], ["c"], []),
                (event("start", "c", at_us=0), ["d"], ["c"], ["c"]),
                ({"event": "tick", "at_us": 1_000_000}, [], ["c"], ["c"]),
                (event("end", "c", at_us=1_000_001), [], [], []),
            )
        ):
            await client.batch(changed)
            for _ in range(2):
                document = (await client.get("/api/v1/metrics/capacity/debug")).json()
                assert document["pending_call_ids"] == pending, number
                assert document["pending_by_tenant"] == ({"t1": pending} if pending else {})
                assert document["accepted_call_ids"] == accepted
                assert [call["call_id"] for call in document["active_calls"]] == active


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(
    pending=st.dictionaries(ids, ids, max_size=6),
    accepted=st.lists(ids, unique=True, max_size=6),
    active=st.integers(0, 6),
)
def test_the_debug_document_is_exact_for_any_ids(
    pending: dict[str, str], accepted: list[str], active: int
) -> None:
    by_tenant = {
        tenant: [call for call, of in pending.items() if of == tenant]
        for tenant in dict.fromkeys(pending.values())
    }
    grouped = {tenant: tuple(calls) for tenant, calls in by_tenant.items()}
    held = HeldCalls(pending, grouped, tuple(accepted), tuple(accepted[:active]))
    assert json.loads(capacity_debug_document(held)) == {
        "active_count": len(accepted[:active]),
        "active_calls": [{"call_id": call, "status": "RUNNING"} for call in accepted[:active]],
        "accepted_count": len(accepted),
        "accepted_call_ids": accepted,
        "pending_count": len(pending),
        "pending_call_ids": list(pending),
        "pending_by_tenant_count": {tenant: len(calls) for tenant, calls in by_tenant.items()},
        "pending_by_tenant": by_tenant,
        "pending_tenant_by_call_id_count": len(pending),
        "pending_tenant_by_call_id": pending,
    }
