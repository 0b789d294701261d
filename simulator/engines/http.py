"""Plays a trace on the real service over HTTP, in virtual time and in batches."""

from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from service.state.base import Refusal
from simulator.engines import Inconclusive
from simulator.engines.batches import MOST_ITEMS, Batch, Batches
from simulator.engines.limits import limit_change, starting_policies
from simulator.engines.observe import Observer
from simulator.engines.record import CallRecord
from simulator.engines.schedule import CHANGE, Item, Schedule, end_of_run_us
from simulator.engines.sender import Sender
from simulator.engines.setup import prepare
from simulator.engines.sources import OwnService, Service, ServiceSource
from simulator.engines.target import ItemAnswer
from simulator.results import CheckpointState, Progress, RunOutcome
from simulator.trace import CallTrace

ENGINE: Final = "http"

CLOCK_BACKWARDS: Final = "clock_backwards"


class HttpEngine:
    """The service over HTTP; ``source`` says which. ``most_items`` bounds a batch."""

    def __init__(
        self, source: ServiceSource | None = None, *, most_items: int = MOST_ITEMS
    ) -> None:
        self._source = source or OwnService()
        self._most_items = most_items

    @property
    def name(self) -> str:
        return ENGINE

    @property
    def target_url(self) -> str | None:
        return self._source.target_url

    def run(self, trace: CallTrace, progress: Progress | None = None) -> RunOutcome:
        """Play the trace. Raises :class:`Inconclusive`; a service started for it is stopped."""
        with self.launch(trace) as launched:
            return launched.run(progress)

    def launch(self, trace: CallTrace) -> "LaunchedRun":
        """Begin to start the service, so that it comes up while other work is done.

        The result is a context manager; leaving it stops what was started.
        """
        return LaunchedRun(self._source, trace, self._most_items)


class LaunchedRun:
    """One trace and the service it is played on, from its start to its stop."""

    def __init__(self, source: ServiceSource, trace: CallTrace, most_items: int) -> None:
        self._source = source
        self._trace = trace
        self._most_items = most_items
        self._stack = ExitStack()
        self._service: Service | None = None

    def __enter__(self) -> "LaunchedRun":
        try:
            self._ready = self._source.launch(self._trace, self._stack)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def wait_until_ready(self) -> Service:
        """The service, when it takes requests. Raises :class:`Inconclusive`."""
        if self._service is None:
            self._service = self._ready()
        return self._service

    def run(self, progress: Progress | None = None) -> RunOutcome:
        """Play the trace. Raises :class:`Inconclusive`."""
        service = self.wait_until_ready()
        try:
            return _Run(self._trace, service, self._most_items, progress).play()
        except Inconclusive as error:
            raise Inconclusive(f"{error}{service.last_words()}") from error


@dataclass(frozen=True, slots=True)
class _Sent:
    batch: Batch
    answers: "Future[bytes]"


class _Run:
    """One trace on one service that is there."""

    def __init__(
        self, trace: CallTrace, service: Service, most_items: int, progress: Progress | None
    ) -> None:
        self._trace = trace
        self._conditions = trace.conditions
        self._target = service.target
        self._progress = progress
        start = prepare(self._target, trace.conditions, may_change=service.may_change)
        self._offset_us = start.at_us
        self._policies = starting_policies(trace.conditions)
        self._observer = Observer(
            self._target, start.before, trace.conditions.configured_ids, service.prefix
        )
        self._schedule = Schedule(trace)
        self._record = CallRecord(trace, self._schedule)
        self._batches = Batches(
            trace,
            self._schedule,
            self._record,
            prefix=service.prefix,
            offset_us=self._offset_us,
            most_items=most_items,
        )
        self._checkpoints: list[CheckpointState] = []
        self._last_us = 0

    def play(self) -> RunOutcome:
        with Sender(self._target.send_events) as sender:
            self._play_batches(sender)
        until_us = end_of_run_us(self._conditions, self._last_us)
        self._target.tick(until_us + self._offset_us)
        final = self._observer.state(until_us)
        total, tenants = self._observer.published(final)
        assert final.rows is not None
        return RunOutcome(
            engine=ENGINE,
            total=total,
            tenants=tenants,
            checkpoints=tuple(self._checkpoints),
            final=final,
            log=self._record.close(final.rows, until_us),
            contradictions=(*self._record.contradictions, *self._observer.contradictions),
        )

    def _play_batches(self, sender: Sender[bytes]) -> None:
        """Send batch after batch.

        While the service works on one, the answers to the one before are read and the next one is
        built, and queued at once: the service should never have to wait for its client.
        """
        sent: _Sent | None = None
        while True:
            batch = self._batches.build(
                None if sent is None else sent.batch.before_us, sent is not None
            )
            following = _Sent(batch, sender.submit(batch.body)) if batch.items else None
            if sent is not None:
                self._read(sent)
            sent = following
            if sent is not None and (batch.stop is not None or batch.last):
                self._read(sent)
                sent = None
            if batch.stop is not None:
                self._stop_at(batch.stop)
            if batch.last and not self._schedule.has_inserted:
                return

    def _read(self, sent: _Sent) -> None:
        """Wait for the answers to a batch and note them."""
        batch, answers = sent.batch, self._target.answers_in(sent.answers.result())
        if len(answers) != len(batch.items):
            raise Inconclusive(
                f"{self._target.url} gave {len(answers)} answers to {len(batch.items)} events"
            )
        heard = self._record.heard
        for (at_us, kind, row), answer in zip(batch.items, answers, strict=True):
            if answer.code is not None:
                self._check(answer)
            heard(at_us, kind, row, answer)
        self._last_us = batch.items[-1][0]
        if self._progress is not None:
            duration_us = self._conditions.duration_us
            self._progress(min(self._last_us, duration_us), duration_us)

    def _check(self, answer: ItemAnswer) -> None:
        """Refusals of single events belong to a run; those of the run as a whole end it."""
        url = self._target.url
        if answer.code == CLOCK_BACKWARDS:
            raise Inconclusive(f"the clock of {url} moved by itself: somebody else uses it")
        if answer.code == Refusal.CALL_MEMORY_FULL:
            raise Inconclusive(
                f"{url} remembers as many calls as it may; raise BUSYHOUR_MAX_REMEMBERED_CALLS"
            )
        if answer.status not in (404, 409):
            raise Inconclusive(f"{url} refused an event with {answer.status} {answer.code}")

    def _stop_at(self, stop: Item) -> None:
        """Change limits, or look at the state: with every answer read."""
        at_us, kind, place = stop
        self._last_us = at_us
        if kind == CHANGE:
            change = limit_change(self._conditions.changes[place], self._policies)
            self._policies.update(change.tenants)
            document: dict[str, object] = {
                "tenants": {
                    tenant_id: {
                        "enabled": policy.enabled,
                        "max_concurrent_calls": policy.max_concurrent_calls,
                        "reserved_calls": policy.reserved_calls,
                        "fallback_allowed": policy.fallback_allowed,
                    }
                    for tenant_id, policy in change.tenants.items()
                },
                "at_us": at_us + self._offset_us,
            }
            if change.max_concurrent_calls is not None:
                document["max_concurrent_calls"] = change.max_concurrent_calls
            self._target.change_limits(document)
        else:
            self._target.tick(at_us + self._offset_us)
            self._checkpoints.append(self._observer.state(at_us))
