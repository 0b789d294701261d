"""Each law by itself: documents that are right, with one thing wrong."""

from copy import deepcopy
from typing import Any

import pytest

from simulator.watch.checker import Watch
from simulator.watch.documents import (
    Debug,
    Live,
    NotThisService,
    Poll,
    Read,
    capacity_of,
    debug_of,
    live_of,
)
from simulator.watch.laws import Violation

LIVE: dict[str, Any] = {
    "active_calls": 1,
    "accepted_calls": 5,
    "rejected_calls_capacity": 4,
    "rejected_calls_tenant_not_configured": 0,
    "rejected_calls_instructions_missing": 1,
    "instructions_db_errors": 2,
    "fallback_instructions_used": 1,
    "started_calls": 4,
    "ended_calls": 3,
    "failed_calls": 1,
    "referred_calls": 2,
    "minutes_processed": 1.5,
}
DEBUG: dict[str, Any] = {
    "active_count": 1,
    "active_calls": [{"call_id": "a", "status": "RUNNING"}],
    "accepted_count": 2,
    "accepted_call_ids": ["a", "b"],
    "pending_count": 2,
    "pending_call_ids": ["p", "q"],
    "pending_by_tenant_count": {"acme": 1, "brook": 1},
    "pending_by_tenant": {"acme": ["p"], "brook": ["q"]},
    "pending_tenant_by_call_id_count": 2,
    "pending_tenant_by_call_id": {"p": "acme", "q": "brook"},
}


def poll(
    live: dict[str, Any] = LIVE,
    debug: dict[str, Any] = DEBUG,
    after: dict[str, Any] | None = None,
    tenants: dict[str, dict[str, Any]] | None = None,
) -> Poll:
    documents: list[Live | Debug] = [live_of(live), debug_of(debug)]
    documents += [live_of(row, name) for name, row in (tenants or {}).items()]
    documents.append(live_of(after or live))
    return Poll(tuple(Read(0, 1, "1", document) for document in documents))


def laws(findings: tuple[Any, ...]) -> set[str]:
    assert all(isinstance(finding, Violation) for finding in findings)
    return {finding.law for finding in findings}


def test_documents_that_fit_raise_nothing() -> None:
    assert Watch(4).observe(poll()) == ()


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"started_calls": 6, "active_calls": 3}, "counter-order"),
        ({"ended_calls": 5, "active_calls": -1}, "never-negative"),
        ({"failed_calls": 4}, "counter-order"),
        ({"referred_calls": 5}, "counter-order"),
        ({"fallback_instructions_used": 6}, "counter-order"),
        ({"active_calls": 2}, "active-is-started-less-ended"),
        ({"instructions_db_errors": 3}, "errors-end-in-fallback-or-rejection"),
        ({"minutes_processed": -0.1}, "never-negative"),
    ],
)
def test_laws_between_counters(change: dict[str, Any], law: str) -> None:
    assert law in laws(Watch().observe(poll({**LIVE, **change})))


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"active_count": 2}, "count-is-length"),
        ({"accepted_count": 1}, "count-is-length"),
        ({"pending_count": 3}, "count-is-length"),
        ({"pending_tenant_by_call_id_count": 1}, "count-is-length"),
        ({"pending_by_tenant_count": {"acme": 2, "brook": 1}}, "count-is-length"),
        ({"pending_by_tenant_count": {"acme": 1}}, "count-is-length"),
        ({"active_calls": [{"call_id": "x", "status": "RUNNING"}]}, "active-within-accepted"),
        ({"accepted_call_ids": ["a", "p"]}, "pending-apart"),
        ({"accepted_call_ids": ["a", "a"]}, "listed-once"),
        ({"pending_call_ids": ["p", "r"]}, "pending-told-alike"),
        ({"pending_by_tenant": {"acme": ["q"], "brook": ["p"]}}, "pending-told-alike"),
    ],
)
def test_laws_of_the_debug_document(change: dict[str, Any], law: str) -> None:
    assert law in laws(Watch().observe(poll(debug={**DEBUG, **change})))


@pytest.mark.parametrize(("limit", "broken"), [(4, False), (3, True), (0, True)])
def test_calls_held_against_the_limit(limit: int, broken: bool) -> None:
    assert laws(Watch(limit).observe(poll())) == ({"within-limit"} if broken else set())


def test_a_debug_count_the_counters_around_it_do_not_allow() -> None:
    two = {
        "active_count": 2,
        "active_calls": [{"call_id": "a", "status": "RUNNING"}, {"call_id": "b", "status": "X"}],
    }
    assert laws(Watch().observe(poll(debug={**DEBUG, **two}))) == {"debug-fits-counters"}
    # A start between the two readings explains it.
    later = {**LIVE, "started_calls": 5, "active_calls": 2}
    assert Watch().observe(poll(debug={**DEBUG, **two}, after=later)) == ()


def test_tenants_may_not_have_more_than_the_total() -> None:
    half = {**LIVE, "accepted_calls": 4}
    assert laws(Watch().observe(poll(tenants={"acme": LIVE}))) == set()
    findings = Watch().observe(poll(tenants={"acme": LIVE, "brook": half}))
    assert "tenants-within-total" in laws(findings)


def test_a_tenant_that_grows_while_the_total_stands_still() -> None:
    small = {**dict.fromkeys(LIVE, 0), "minutes_processed": 0.0}
    watch = Watch()
    assert watch.observe(poll(tenants={"acme": small})) == ()
    grown = {**small, "rejected_calls_capacity": 2}
    assert laws(watch.observe(poll(tenants={"acme": grown}))) == {"tenants-within-total"}


def test_a_call_that_became_active_without_a_start_counted() -> None:
    watch = Watch()
    assert watch.observe(poll()) == ()
    other = {"active_calls": [{"call_id": "b", "status": "RUNNING"}]}
    assert laws(watch.observe(poll(debug={**DEBUG, **other}))) == {"debug-moves-with-counters"}


def test_what_is_no_such_document() -> None:
    for parse, whole in ((live_of, LIVE), (debug_of, DEBUG)):
        for name in whole:
            for wrong in (None, "1", True):
                with pytest.raises(NotThisService):
                    parse({**whole, name: wrong})
            missing = deepcopy(whole)
            del missing[name]
            with pytest.raises(NotThisService, match=name):
                parse(missing)
    others: tuple[object, ...] = (None, [], 1)
    for document in others:
        with pytest.raises(NotThisService, match="object"):
            capacity_of(document)
