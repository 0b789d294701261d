"""How master and workers talk: workers say hello, are asked for their clocks, told their share.

A worker says hello again and again, and with that the master asks for its clock again and again.
Messages are Locust's, which has ``data`` and the ``node_id`` of the worker they come from.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from simulator.load.coordinator import RELEASE, Coordinator
from simulator.load.machine import kernel_id
from simulator.load.messages import Plan, Report, packed, plan_in, report_in
from simulator.load.reading import now_us

HELLO: Final = "busyhour_hello"
PING: Final = "busyhour_ping"
PONG: Final = "busyhour_pong"
PLAN: Final = "busyhour_plan"
REPORT: Final = "busyhour_report"
HALT: Final = "busyhour_halt"

MASTER_SILENT_S: Final = 15.0
"""How long a worker that plays waits for a word of the master before it takes it for gone."""


class Message(Protocol):
    """What is heard."""

    data: Any
    node_id: str


Hears = Mapping[str, Callable[..., None]]
"""What to do with a message, by its name; called with ``msg`` and what is not needed here."""


class MasterTalk:
    """The master's side. ``send`` takes a message's name, its data and the worker it is for."""

    def __init__(
        self,
        send: Callable[[str, dict[str, Any], str], None],
        clock_us: Callable[[], int] = now_us,
    ) -> None:
        self.coordinator: Coordinator | None = None
        self._send = send
        self._clock_us = clock_us

    @property
    def hears(self) -> Hears:
        return {HELLO: self._on_hello, PONG: self._on_pong, REPORT: self._on_report}

    def share_out(self) -> None:
        """Tell every worker that is ready its share. One that comes later gets none."""
        assert self.coordinator is not None
        for worker in self.coordinator.workers:
            plan = self.coordinator.plan_for(worker)
            if plan is not None:
                self._send(PLAN, packed(plan), worker)

    def _on_hello(self, msg: Message, **_: object) -> None:
        if self.coordinator is None:
            return
        kernel = msg.data["kernel"]
        if self.coordinator.hello(
            msg.node_id,
            msg.data["hash"],
            msg.data["release"],
            same_kernel=kernel != "" and kernel == kernel_id(),
        ):
            self._ask(msg.node_id)

    def _on_pong(self, msg: Message, **_: object) -> None:
        if self.coordinator is None:
            return
        known = self.coordinator.clock_read(
            msg.node_id, msg.data["sent_us"], msg.data["clock_us"], self._clock_us()
        )
        if not known:
            self._ask(msg.node_id)

    def _on_report(self, msg: Message, **_: object) -> None:
        if self.coordinator is not None:
            self.coordinator.report(msg.node_id, report_in(msg.data))

    def _ask(self, worker: str) -> None:
        self._send(PING, {"sent_us": self._clock_us()}, worker)


class WorkerTalk:
    """A worker's side. ``play`` begins a share, ``halt`` ends it early."""

    def __init__(
        self,
        send: Callable[[str, dict[str, Any]], None],
        trace_hash: str,
        play: Callable[[Plan], None],
        halt: Callable[[], None],
        clock_us: Callable[[], int] = now_us,
    ) -> None:
        self._send = send
        self._hash = trace_hash
        self._play = play
        self._halt = halt
        self._clock_us = clock_us
        self._heard_us = clock_us()

    @property
    def hears(self) -> Hears:
        return {PING: self._on_ping, PLAN: self._on_plan, HALT: self._on_halt}

    @property
    def hears_nothing(self) -> bool:
        """Whether the master has been silent for so long that it must be gone."""
        return self._clock_us() - self._heard_us > MASTER_SILENT_S * 1e6

    def say_hello(self) -> None:
        hello = {"hash": self._hash, "release": RELEASE, "kernel": kernel_id()}
        self._send(HELLO, hello)

    def tell(self, report: Report) -> None:
        self._send(REPORT, packed(report))

    def _on_ping(self, msg: Message, **_: object) -> None:
        self._heard_us = self._clock_us()
        self._send(PONG, {"sent_us": msg.data["sent_us"], "clock_us": self._heard_us})

    def _on_plan(self, msg: Message, **_: object) -> None:
        self._play(plan_in(msg.data))

    def _on_halt(self, **_: object) -> None:
        self._halt()
