"""The peer of the Locust adapter: a FastHttpUser that makes calls as fast as it can, and no more.

Each user makes one call after the other: offer, accept, start, end, without judging an answer.
"""

import itertools
import os

from locust import FastHttpUser, constant, task

CALLS = "/api/v1/calls"
RUN = f"b{os.getpid()}"


class Bare(FastHttpUser):
    wait_time = constant(0)
    numbers = itertools.count()

    def on_start(self) -> None:
        token = os.environ["BUSYHOUR_CALL_TOKEN"]
        self.headers = {"X-Call-Token": token, "Content-Type": "application/json"}

    @task
    def call(self) -> None:
        call_id = f"{RUN}-{next(self.numbers)}"
        body = f'{{"call_id":"{call_id}","tenant_id":"acme"}}'
        self.client.post(CALLS, data=body, headers=self.headers, name="offer")
        for event in ("accept", "start", "end"):
            path = f"{CALLS}/{call_id}/{event}"
            self.client.post(path, data="{}", headers=self.headers, name=event)
