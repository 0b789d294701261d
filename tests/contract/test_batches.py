"""Batches: in order, one answer an item, refused whole when malformed. Clocks and faults."""

from typing import Any

import pytest

from service.api.events import MAX_BATCH_EVENTS
from service.clock import SystemClock
from tests.contract.service_under_test import VIRTUAL, event, offer, running

NOTHING: dict[str, Any] = {"reason": None, "scopes": [], "fallback": False}


async def test_items_stand_alone_and_keep_their_order() -> None:
    async with running(max_concurrent_calls=1, **VIRTUAL) as client:
        await client.tenant("acme", at_us=0)
        answers = await client.batch(
            offer("c", at_us=1),
            event("start", "c", at_us=1),
            event("accept", "c", at_us=0),
            event("accept", "c", at_us=2),
            event("end", "nobody", at_us=2),
            offer("c", "globex", at_us=3),
            offer("d", at_us=3),
            {"event": "tick", "at_us": 9},
            {"event": "tick", "at_us": 8},
            event("start", "c", at_us=9),
            event("refer", "c", at_us=9),
            event("end", "c", at_us=10),
            event("end", "c", at_us=11),
        )
        assert answers == [
            {"status": 200, "decision": "admitted", **NOTHING},
            {"status": 409, "code": "wrong_state"},
            {"status": 409, "code": "clock_backwards"},
            {"status": 200, "decision": "accepted", **NOTHING},
            {"status": 404, "code": "unknown_call"},
            {"status": 409, "code": "other_tenant"},
            {"status": 200, "decision": "rejected", **NOTHING}
            | {"reason": "capacity", "scopes": ["total"]},
            {"status": 200, "decision": None, **NOTHING},
            {"status": 409, "code": "clock_backwards"},
            {"status": 200, "decision": "started", **NOTHING},
            {"status": 200, "decision": "referred", **NOTHING},
            {"status": 200, "decision": "ended", **NOTHING},
            {"status": 200, "decision": "ended", **NOTHING},
        ]
        assert (await client.capacity())["total"]["active_us_total"] == 1


async def test_an_offer_may_be_accepted_in_the_same_item() -> None:
    async with running(max_concurrent_calls=3, **VIRTUAL) as client:
        await client.tenant("acme", at_us=0)
        await client.tenant("soft", instructions=None, fallback_allowed=True, at_us=0)
        answers = await client.batch(
            offer("a", accept=True, at_us=1),
            offer("b", "soft", accept=True, at_us=1),
            offer("c", accept=True, lookup="missing", at_us=1),
            offer("d", accept=True, at_us=1),
            offer("e", accept=True, at_us=1),
            offer("a", accept=True, at_us=1),
        )
        assert [
            (answer["decision"], answer["reason"], answer["fallback"]) for answer in answers
        ] == [
            ("accepted", None, False),
            ("accepted", None, True),
            ("rejected", "instructions_missing", False),
            ("accepted", None, False),
            ("rejected", "capacity", False),
            ("accepted", None, False),
        ]
        total = (await client.capacity())["total"]
        assert (total["offered_calls"], total["accepted_calls"], total["in_use"]) == (5, 3, 3)


GOOD = offer("good", at_us=1)
MALFORMED: dict[str, tuple[Any, list[Any]]] = {
    "no list": ({"event": "tick"}, ["body", "events"]),
    "an unknown event": ([GOOD, {"event": "ring", "at_us": 1}], ["body", "events", 1, "event"]),
    "no event": ([GOOD, {"call_id": "c", "at_us": 1}], ["body", "events", 1]),
    "a missing id": ([GOOD, {"event": "start", "at_us": 1}], ["body", "events", 1]),
    "an empty id": ([GOOD, offer("", at_us=1)], ["body", "events", 1, "call_id"]),
    "a long id": ([GOOD, offer("c" * 201, at_us=1)], ["body", "events", 1, "call_id"]),
    "an id with a newline": ([GOOD, offer("c\n", at_us=1)], ["body", "events", 1, "call_id"]),
    "an id with a slash": ([GOOD, offer("c/d", at_us=1)], ["body", "events", 1, "call_id"]),
    "an id that a path swallows": (
        [GOOD, offer("..", at_us=1)],
        ["body", "events", 1, "call_id"],
    ),
    "a tenant with a slash": (
        [GOOD, offer("c", "a/b", at_us=1)],
        ["body", "events", 1, "tenant_id"],
    ),
    "a time missing": ([GOOD, offer("c")], ["body", "events", 1, "at_us"]),
    "a time that is a boolean": ([GOOD, offer("c", at_us=True)], ["body", "events", 1, "at_us"]),
    "a time that is a fraction": ([GOOD, offer("c", at_us=1.5)], ["body", "events", 1, "at_us"]),
    "a negative time": ([GOOD, offer("c", at_us=-1)], ["body", "events", 1, "at_us"]),
    "a field too many": ([GOOD, offer("c", at_us=1, hold=3)], ["body", "events", 1]),
    "a number for a boolean": (
        [GOOD, offer("c", at_us=1, accept=1)],
        ["body", "events", 1, "accept"],
    ),
    "an unknown outcome": (
        [GOOD, event("end", "c", at_us=1, outcome="fine")],
        ["body", "events", 1, "outcome"],
    ),
    "a lookup without its accept": (
        [GOOD, offer("c", at_us=1, lookup="found")],
        ["body", "events", 1, "lookup"],
    ),
    "too many": ([GOOD] * (MAX_BATCH_EVENTS + 1), ["body", "events"]),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_batch_is_refused_whole(name: str) -> None:
    events, place = MALFORMED[name]
    async with running(**VIRTUAL) as client:
        await client.tenant("acme", at_us=0)
        response = await client.post("/api/v1/calls/events", {"events": events})
        assert response.status_code == 422
        assert [fault["loc"] for fault in response.json()["errors"]] == [place]
        assert (await client.capacity())["total"]["offered_calls"] == 0


async def test_a_batch_of_the_largest_size_is_taken() -> None:
    async with running(**VIRTUAL) as client:
        ticks = [{"event": "tick", "at_us": at_us} for at_us in range(MAX_BATCH_EVENTS)]
        assert len(await client.batch(*ticks)) == MAX_BATCH_EVENTS
        assert (await client.capacity())["at_us"] == MAX_BATCH_EVENTS - 1


@pytest.mark.parametrize(
    "bad",
    [
        offer("c", at_us=1),
        offer("c", accept=True, lookup="error"),
        event("accept", "c", lookup="error"),
        event("end", "c", at_us=1),
    ],
)
async def test_outside_the_testbed_nobody_brings_times_or_faults(bad: dict[str, Any]) -> None:
    async with running() as client:
        response = await client.post("/api/v1/calls/events", {"events": [offer("g"), bad]})
        assert response.status_code == 422
        assert (await client.capacity())["total"]["offered_calls"] == 0


async def test_the_system_clock_has_no_ticks_and_counts_time_as_it_passes() -> None:
    now_ns = 0
    async with running(own_clock=SystemClock(lambda: now_ns)) as client:
        await client.tenant("acme")
        answers = await client.batch(
            offer("c", accept=True), event("start", "c"), {"event": "tick", "at_us": 5}
        )
        assert answers[2] == {"status": 422, "code": "no_virtual_clock"}
        now_ns = 90_000_000_000
        await client.batch(event("end", "c"))
        assert (await client.live())["minutes_processed"] == 1.5


async def test_on_the_system_clock_deadlines_show_without_any_event() -> None:
    now_ns = 0
    async with running(own_clock=SystemClock(lambda: now_ns), pending_deadline_s="2.5") as client:
        await client.tenant("acme")
        await client.batch(offer("c"))
        for at_ns, pending in ((2_499_999_000, 1), (2_500_000_000, 0)):
            now_ns = at_ns
            debug = (await client.get("/api/v1/metrics/capacity/debug")).json()
            assert debug["pending_count"] == pending
        assert (await client.capacity())["total"]["abandoned_pending"] == 1


async def test_on_the_virtual_clock_reading_changes_nothing() -> None:
    async with running(pending_deadline_s="1", **VIRTUAL) as client:
        await client.tenant("acme", at_us=0)
        await client.batch(offer("c", at_us=0), offer("d", at_us=1))
        await client.batch(event("accept", "d", at_us=1_000_000))
        assert (await client.live())["accepted_calls"] == 1
        # The deadline of c fell due at this instant; an accept heard at it still wins.
        answer = (await client.batch(event("accept", "c", at_us=1_000_000)))[0]
        assert answer["decision"] == "accepted"


@pytest.mark.parametrize(
    ("planned", "fallback", "expected"),
    [
        ("found", False, ("accepted", None, 0, 0)),
        ("missing", False, ("rejected", "instructions_missing", 0, 0)),
        ("missing", True, ("accepted", None, 0, 1)),
        ("error", False, ("rejected", "instructions_missing", 1, 0)),
        ("error", True, ("accepted", None, 1, 1)),
    ],
)
@pytest.mark.parametrize("instructions", [None, "text"])
async def test_a_planned_lookup_replaces_the_real_one(
    planned: str,
    fallback: bool,
    expected: tuple[str, str | None, int, int],
    instructions: str | None,
) -> None:
    async with running(**VIRTUAL) as client:
        await client.tenant("acme", instructions=instructions, fallback_allowed=fallback, at_us=0)
        _, answer = await client.batch(
            offer("c", at_us=0), event("accept", "c", lookup=planned, at_us=0)
        )
        live = await client.live()
    assert expected == (
        answer["decision"],
        answer["reason"],
        live["instructions_db_errors"],
        live["fallback_instructions_used"],
    )


async def test_one_call_can_be_looked_at() -> None:
    async with running(max_concurrent_calls=1, **VIRTUAL) as client:
        await client.tenant("acme", at_us=0)
        await client.batch(offer("c", at_us=1), event("accept", "c", at_us=2), offer("d", at_us=3))
        assert (await client.get("/api/v1/calls/c")).json() == {
            "call_id": "c",
            "tenant_id": "acme",
            "state": "accepted",
            "reason": None,
            "scopes": [],
            "offered_us": 1,
            "accepted_us": 2,
            "started_us": None,
            "finished_us": None,
        }
        refused = (await client.get("/api/v1/calls/d")).json()
        assert (refused["state"], refused["reason"], refused["scopes"]) == (
            "rejected",
            "capacity",
            ["total"],
        )
        assert (await client.get("/api/v1/calls/e")).status_code == 404
