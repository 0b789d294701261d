"""A service whose documents lie, or that somebody else uses: the http engine must notice."""

import json
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from service.calls import Counter, Event
from simulator.engines import Inconclusive
from simulator.engines.asgi import AsgiApp, Message, Receive, Send
from simulator.engines.http import HttpEngine
from simulator.engines.service_process import Tokens
from simulator.engines.sources import AppService, MakeApp, service_app
from simulator.oracle import expect
from simulator.results import RunOutcome
from simulator.statistics import statistics_of
from simulator.trace import DeliveryAction
from simulator.verdict import Judgement, Verdict, judge
from tests.strategies import Row, conditions, make_trace

AGAIN = (DeliveryAction.DOUBLED, 9)
TRACE = make_trace(
    conditions(duration_us=100_000_000, checkpoints=[50_000_000]),
    [
        Row(offer=1, setup=7, hold=12_345_678, deliveries={Event.OFFER: AGAIN}),
        Row(offer=60_000_000, setup=7, hold=7_654_321),
    ],
)

Edit = Callable[[Any], Any]


def edited(path: str, edit: Edit) -> MakeApp:
    """The service, with its JSON answers to a path edited on their way out."""

    def make(settings: dict[str, str], tokens: Tokens) -> AsgiApp:
        app = service_app(settings, tokens)

        async def wrapper(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] != path:
                await app(scope, receive, send)
                return
            held: list[Message] = []

            async def hold(message: Message) -> None:
                held.append(message)

            await app(scope, receive, hold)
            body = b"".join(message.get("body", b"") for message in held)
            changed = json.dumps(edit(json.loads(body))).encode()
            start = {**held[0], "headers": [(b"content-length", str(len(changed)).encode())]}
            await send(start)
            await send({"type": "http.response.body", "body": changed})

        return wrapper

    return make


def run(make_app: MakeApp | None = None) -> RunOutcome:
    return HttpEngine(AppService(make_app)).run(TRACE)


def judged(observed: RunOutcome) -> Judgement:
    return judge(
        trace=TRACE,
        observed=observed,
        expected=expect(TRACE),
        statistics=statistics_of(TRACE, observed.log),
    )


def raised(name: str, by: float = 1) -> Edit:
    return lambda document: {**document, name: document[name] + by}


def test_the_service_as_it_is_passes() -> None:
    assert judged(run()).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("path", "edit", "check"),
    [
        ("live", raised("accepted_calls"), "total.accepted_calls"),
        ("live", raised("referred_calls"), "total.referred_calls"),
        ("live/acme", raised("started_calls"), "tenants.acme.started_calls"),
        ("live", raised("minutes_processed", 1 / 60_000_000), "total.active_us_total"),
        (
            "live/acme",
            lambda document: {**document, "minutes_processed": 0.33},
            "tenants.acme.active_us_total",
        ),
        (
            "capacity/debug",
            lambda document: {**document, "accepted_call_ids": ["c1"]},
            "final.rows.accepted",
        ),
    ],
)
def test_a_wrong_figure_in_a_published_document_is_a_failed_check(
    path: str, edit: Edit, check: str
) -> None:
    judgement = judged(run(edited(f"/api/v1/metrics/{path}", edit)))
    assert judgement.verdict is Verdict.FAIL
    assert check in {found.name for found in judgement.expectations if not found.ok}


def failed_invariants(judgement: Judgement) -> dict[str, str]:
    return {found.name: found.detail for found in judgement.invariants if not found.ok}


def repeated_offer_refused(document: Any) -> Any:
    """Behind the first call's offer, accept and start comes its offer made again."""
    if len(document["answers"]) > 4:
        document["answers"][3] = {"status": 409, "code": "wrong_state"}
    return document


def test_an_offer_made_again_must_get_its_first_answer_again() -> None:
    judgement = judged(run(edited("/api/v1/calls/events", repeated_offer_refused)))
    assert judgement.verdict is Verdict.FAIL
    assert all(found.ok for found in judgement.expectations)
    assert failed_invariants(judgement) == {
        "answers.consistent": "call 0: its offer was answered admitted, and with a refusal when it"
        " was made again at 10 us"
    }


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("active_count", 1),
        ("accepted_count", 2),
        ("pending_count", 1),
        ("pending_by_tenant_count", {"acme": 1}),
        ("pending_tenant_by_call_id", {"c": "acme"}),
        ("pending_tenant_by_call_id_count", 1),
    ],
)
def test_numbers_of_the_debug_document_must_fit_its_lists(name: str, wrong: Any) -> None:
    path = "/api/v1/metrics/capacity/debug"
    judgement = judged(run(edited(path, lambda document: {**document, name: wrong})))
    assert judgement.verdict is Verdict.FAIL
    found = failed_invariants(judgement)["answers.consistent"]
    assert found.startswith(f"capacity/debug: {name} is {wrong}")


@pytest.mark.parametrize("path", ["metrics/live", "metrics/live/acme"])
@pytest.mark.parametrize(
    "edit",
    [lambda document: {**document, "more": 1}, lambda document: dict(reversed(document.items()))],
)
def test_published_figures_are_exactly_the_twelve_in_order(path: str, edit: Edit) -> None:
    judgement = judged(run(edited(f"/api/v1/{path}", edit)))
    assert judgement.verdict is Verdict.FAIL
    assert failed_invariants(judgement)["answers.consistent"].startswith(f"{path}: its fields are")


def with_a_stranger(document: Any) -> Any:
    """A row that came up during the run: the first reading, before it, has none."""
    if document["total"]["offered_calls"]:
        document["tenants"]["stranger"] = document["tenants"]["_unknown"]
    return document


def test_a_row_that_comes_up_for_an_unknown_name_breaks_a_law() -> None:
    observed = run(edited("/api/v1/capacity", with_a_stranger))
    judgement = judged(observed)
    assert judgement.verdict is Verdict.FAIL
    assert failed_invariants(judgement) == {
        "rows.bounded": "tenant stranger: it is not of the run and has a row that counts"
    }


def doubled_total(document: Any) -> Any:
    document["total"]["offered_calls"] *= 2
    return document


def test_a_capacity_document_that_differs_from_the_published_one_is_a_failed_check() -> None:
    observed = run(edited("/api/v1/capacity", doubled_total))
    assert observed.total[Counter.OFFERED_CALLS] == 4
    assert judged(observed).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("path", "edit", "said"),
    [
        ("calls/events", lambda document: {"answers": document["answers"][:1]}, "answers to"),
        ("calls/events", lambda _: {"answers": 3}, "form that is not known"),
        (
            "calls/events",
            lambda document: {
                "answers": [{"status": 409, "code": "clock_backwards"}] * len(document["answers"])
            },
            "clock",
        ),
        ("capacity", lambda _: {"something": "else"}, "form that is not known"),
        ("capacity", lambda _: [1], "not a JSON object"),
        ("metrics/live", lambda _: {}, "lack"),
        (
            "metrics/capacity/debug",
            lambda document: {**document, "pending_call_ids": ["of-somebody-else"]},
            "of-somebody-else",
        ),
    ],
)
def test_what_cannot_be_understood_is_inconclusive(path: str, edit: Edit, said: str) -> None:
    with pytest.raises(Inconclusive, match=said):
        run(edited(f"/api/v1/{path}", edit))
