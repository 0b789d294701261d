"""A service whose documents lie, or that somebody else uses: the http engine must notice."""

import json
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from service.calls import Counter
from simulator.engines import Inconclusive
from simulator.engines.asgi import AsgiApp, Message, Receive, Send
from simulator.engines.http import HttpEngine
from simulator.engines.service_process import Tokens
from simulator.engines.sources import AppService, MakeApp, service_app
from simulator.oracle import expect
from simulator.results import RunOutcome
from simulator.statistics import statistics_of
from simulator.verdict import Judgement, Verdict, judge
from tests.strategies import Row, conditions, make_trace

TRACE = make_trace(
    conditions(duration_us=100_000_000, checkpoints=[50_000_000]),
    [Row(offer=1, setup=7, hold=12_345_678), Row(offer=60_000_000, setup=7, hold=7_654_321)],
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
