"""Calls through Locust, in the plainest form: offer, accept, start, perhaps refer, end.

    locust -f simulator/locustfile.py --headless -u 100 -r 20 -t 60s

The service runs on the system clock. From the environment: ``BUSYHOUR_URL`` (or Locust's own
``--host``), ``BUSYHOUR_CALL_TOKEN`` and ``BUSYHOUR_ADMIN_TOKEN``. Calls are made for the service's
configured tenants and, now and then, for one it does not know. At the end the service's own figures
must obey the conservation laws: exit code 1 when they do not, 3 when they cannot be read.

Importing Locust patches sockets and threads, so nothing else imports this module.
"""

import os
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
from locust import FastHttpUser, between, events, task
from locust.env import Environment
from locust.runners import WorkerRunner

from service.calls import COUNTER_NAMES, COUNTERS, Counter, published_figures
from simulator.exit_codes import FAILED, INCONCLUSIVE
from simulator.invariants import LAWS
from simulator.results import Held

CALLS: Final = "/api/v1/calls"
STRANGER: Final = "locust-stranger"
"""A tenant the service should not know."""

_STRANGERS: Final = 0.02
_REFERRED: Final = 0.05
_FAILED: Final = 0.05
_HUNG_UP: Final = 0.1
_MOST_TALK_S: Final = 0.5
_CHANCE: Final = random.Random()  # noqa: S311 - traffic, not secrets

_tenants: list[str] = []


class Caller(FastHttpUser):
    """Makes one call after the other, each with an id of its own."""

    host = os.environ.get("BUSYHOUR_URL", "http://127.0.0.1:8000")
    wait_time = between(0.0, 0.2)

    def on_start(self) -> None:
        self._headers = {"X-Call-Token": os.environ.get("BUSYHOUR_CALL_TOKEN", "")}
        self._held: str | None = None

    def on_stop(self) -> None:
        if self._held is not None:
            self._event("end", outcome="hung_up")

    @task
    def call(self) -> None:
        call_id = uuid.uuid4().hex
        stranger = not _tenants or _CHANCE.random() < _STRANGERS
        tenant_id = STRANGER if stranger else _CHANCE.choice(_tenants)
        offer = {"call_id": call_id, "tenant_id": tenant_id}
        if self._said(CALLS, offer, "offer") != "admitted":
            return
        self._held = call_id
        if self._event("accept") == "accepted":
            self._talk()
        self._held = None

    def _talk(self) -> None:
        """The rest of an accepted call."""
        if _CHANCE.random() < _HUNG_UP:
            self._event("end", outcome="hung_up")
            return
        self._event("start")
        time.sleep(_CHANCE.uniform(0.0, _MOST_TALK_S))
        if _CHANCE.random() < _REFERRED:
            self._event("refer")
        self._event("end", outcome="failed" if _CHANCE.random() < _FAILED else "completed")

    def _event(self, event: str, **body: str) -> str | None:
        return self._said(f"{CALLS}/{self._held}/{event}", body, event)

    def _said(self, path: str, body: Mapping[str, str], name: str) -> str | None:
        """Send an event; the service's decision, or None when it gave none."""
        response = self.client.post(path, json=dict(body), headers=self._headers, name=name)
        if response.status_code != 200:
            return None
        decision: str | None = response.json()["decision"]
        return decision


def _read(environment: Environment, path: str) -> dict[str, Any]:
    """A document of the admin interface. Raises :class:`httpx.HTTPError`."""
    host = (environment.host or Caller.host).rstrip("/")
    token = os.environ.get("BUSYHOUR_ADMIN_TOKEN", "")
    response = httpx.get(f"{host}/api/v1{path}", headers={"X-Admin-Token": token}, timeout=30.0)
    response.raise_for_status()
    document: dict[str, Any] = response.json()
    return document


@events.test_start.add_listener
def learn_tenants(environment: Environment, **_: object) -> None:
    """Ask the service whom it serves."""
    try:
        rows = _read(environment, "/capacity")["tenants"]
    except httpx.HTTPError as error:
        print(f"busyhour: the service does not say whom it serves: {error}")
        return
    _tenants[:] = [tenant_id for tenant_id, row in rows.items() if row["configured"]]


@events.quitting.add_listener
def check_laws(environment: Environment, **_: object) -> None:
    """Hold the service's figures against the conservation laws, once all users have stopped."""
    if isinstance(environment.runner, WorkerRunner):
        return
    try:
        capacity, live = _read(environment, "/capacity"), _read(environment, "/metrics/live")
    except httpx.HTTPError as error:
        print(f"busyhour: inconclusive: the service's figures cannot be read: {error}")
        environment.process_exit_code = INCONCLUSIVE
        return
    broken = list(breaches(capacity, live))
    for breach in broken:
        print(f"busyhour: broken: {breach}")
    if broken:
        environment.process_exit_code = FAILED
    else:
        offered = capacity["total"][COUNTERS[Counter.OFFERED_CALLS].name]
        print(f"busyhour: {len(LAWS)} laws hold after {offered} offered calls")


def breaches(capacity: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[str]:
    """Every law that the capacity document or the published figures break, one line each."""
    rows = {"total": capacity["total"], **capacity["tenants"]}
    counters = {
        name: tuple(row[counter] for counter in COUNTER_NAMES) for name, row in rows.items()
    }
    for name, row in rows.items():
        held = Held(row["pending"], row["accepted"], row["active"])
        for law in LAWS:
            breach = law.breach(counters[name], held)
            if breach is not None:
                yield f"{name}: {law.name}: {law.formula}: {breach}"
    sums = tuple(map(sum, zip(*(counters[name] for name in capacity["tenants"]), strict=True)))
    if sums != counters["total"]:
        yield f"total: the rows add up to {sums}, not {counters['total']}"
    if dict(live) != published_figures(counters["total"]):
        yield f"published figures {live} are not those of the capacity document"
