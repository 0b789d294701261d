"""A scenario's calls through Locust: in one process, in several, or on many machines.

    locust -f simulator/locustfile.py --headless --host http://127.0.0.1:8000

The scenario is the one in ``BUSYHOUR_SCENARIO`` (by default the shipped smoke), the service is
Locust's ``--host`` or ``BUSYHOUR_URL``; :mod:`simulator.load.settings` names the other variables.
``busyhour load`` sets all of them. Every worker draws the same trace and plays its share of it; the
master hands out the shares, reads the service's figures at the end, and judges: exit codes 0, 1, 3
and 99 are those of ``busyhour run``.

A Locust user is a sender: it takes whatever event of the worker's calls is due next, sends it and
waits for the answer. So a call lives through its events at their instants whoever sends them, its
holding times cost no user, and a slow answer holds up its own call alone. The load shape asks for
as many users as calls are in progress, within bounds.

Importing Locust patches sockets and threads, so nothing else imports this module.
"""

import functools
import logging
import sys
from typing import Any, Final, NoReturn

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from locust import FastHttpUser, LoadTestShape, argument_parser, events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from simulator.engines import Inconclusive
from simulator.exit_codes import INCONCLUSIVE, INVALID, PASSED
from simulator.load.answers import AnswerReader
from simulator.load.coordinator import LOCAL, Coordinator, player_of, report_of
from simulator.load.machine import kernel_id
from simulator.load.master import Load, MasterRun, ScenarioUnfit, load_of
from simulator.load.player import GIVEN_UP, Player, Request
from simulator.load.reading import now_us
from simulator.load.settings import LoadSettings, SettingInvalid
from simulator.run import check_writable
from simulator.scenario_file import ScenarioInvalid
from simulator.trace import TraceInvalid

HELLO: Final = "busyhour_hello"
PING: Final = "busyhour_ping"
PONG: Final = "busyhour_pong"
PLAN: Final = "busyhour_plan"
REPORT: Final = "busyhour_report"
HALT: Final = "busyhour_halt"

_HELLO_S: Final = 0.5
_REPORT_S: Final = 1.0
_KEEP_S: Final = 1.0
_STOP_S: Final = 10.0
_WORKERS_WAIT_S: Final = 60.0
_MOST_AT_ONCE: Final = 64
_ANSWER_S: Final = 30.0
_USERS_A_SECOND: Final = 50


class Worker:
    """The share of this process: what its users send, and what they are told to do with it."""

    def __init__(self, load: Load, tell: Any) -> None:
        self.load = load
        self.answers = AnswerReader()
        self.turn = BoundedSemaphore(1)
        self.sooner = Event()
        self.player: Player | None = None
        self.headers = {
            "X-Call-Token": load.settings.call_token,
            "Content-Type": "application/json",
        }
        self._tell = tell
        self._plan: dict[str, Any] = {}
        self._reports = 0
        self._told = True

    def play(self, plan: dict[str, Any]) -> None:
        """Begin to play a share."""
        self.player = player_of(self.load.trace, plan)
        self._plan, self._reports, self._told = plan, 0, False
        self.sooner.set()
        gevent.spawn(self._report, self.player)

    def wait(self) -> tuple[Player, Request]:
        """The next request, when it is due. One user keeps watch; the others wait for their turn.

        It is taken before the turn goes on, or every user would wake for it.
        """
        with self.turn:
            while True:
                self.sooner.clear()
                player = self.player
                due_us = None if player is None else player.next_due_us()
                if player is not None and due_us is not None:
                    request = player.take(now_us())
                    if request is not None:
                        return player, request
                left_us = None if due_us is None else due_us - now_us()
                self.sooner.wait(None if left_us is None else max(left_us, 0) / 1e6)

    def halt(self) -> None:
        """Make no more calls and hang up those that live; users do the sending."""
        if self.player is not None and not self._told:
            self.player.halt(now_us())
            self.sooner.set()

    def wait_until_told(self, seconds: float) -> None:
        """Until everything was played and told, or the time is over."""
        with gevent.Timeout(seconds, False):
            while not self._told:
                gevent.sleep(0.05)

    def _report(self, player: Player) -> None:
        """Tell the master what was sent, now and then, and all of it at the end."""
        while self.player is player and not self._told:
            waited_us = now_us()
            while not player.finished and now_us() - waited_us < _REPORT_S * 1e6:
                gevent.sleep(0.05)
            final = player.finished
            self._tell(report_of(self._plan, player, self._reports, now_us(), final=final))
            self._reports += 1
            self._told = final


class Side:
    """What this process is in the run: a worker, the master, or both."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.load: Load | None = None
        self.run: MasterRun | None = None
        self.beside: list[gevent.Greenlet] = []
        self.failed = False

    @property
    def coordinator(self) -> Coordinator | None:
        return None if self.run is None else self.run.coordinator


side: Final = Side()


class Sender(FastHttpUser):
    """Sends whatever is due next; its calls are the worker's."""

    host = "http://127.0.0.1:8000"
    network_timeout = _ANSWER_S
    connection_timeout = _ANSWER_S

    def on_start(self) -> None:
        self._taken: tuple[Player, Request] | None = None

    def on_stop(self) -> None:
        if self._taken is not None:
            player, request = self._taken
            player.put_back(request)

    def wait_time(self) -> float:
        """Waits itself: while it does, Locust may stop the user, and nothing is lost by it."""
        if self._taken is None:
            self._taken = _worker().wait()
        return 0.0

    @task
    def send_what_is_due(self) -> None:
        """Send the request that was waited for, and those due behind it."""
        for _ in range(_MOST_AT_ONCE):
            if self._taken is None:
                return
            (player, request), self._taken = self._taken, None
            self._send(player, request)
            following = player.take(now_us())
            self._taken = None if following is None else (player, following)

    def _send(self, player: Player, request: Request) -> None:
        worker, answer = _worker(), GIVEN_UP
        next_us = player.next_due_us()
        request.invoke_us = now_us()
        try:
            response = self.client.request(
                "POST",
                request.path,
                name=request.name,
                data=request.body,  # type: ignore[arg-type]
                headers=worker.headers,
                allow_redirects=False,
            )
            answer = worker.answers.read(
                response.status_code, response.content, getattr(response, "error", None)
            )
        finally:
            player.answered(request, answer, now_us())
            if player.next_due_us() != next_us:
                worker.sooner.set()


class TraceShape(LoadTestShape):
    """As many users as calls are in progress in the trace; it ends when all of it was told."""

    def tick(self) -> tuple[int, float] | None:
        run = side.run
        if side.failed:
            return None
        if run is None or self.runner is None:
            return 1, _USERS_A_SECOND
        if run.is_over(_workers_here(self.runner)):
            return None
        users = run.users()
        rate = max(_USERS_A_SECOND, abs(users - self.runner.user_count))
        return users, min(rate, 100 * run.coordinator.shares)


@events.init.add_listener
def join(environment: Environment, **_: object) -> None:
    """Read the scenario, and agree with the others on how to talk."""
    environment.stop_timeout = environment.stop_timeout or _STOP_S
    logging.getLogger("httpx").setLevel(logging.WARNING)
    runner = environment.runner
    try:
        load = side.load = load_of(LoadSettings.from_environment())
        if not isinstance(runner, WorkerRunner):
            check_writable(load.settings.out / load.scenario.name)
    except ScenarioInvalid as error:
        _refuse(*error.problems)
    except (SettingInvalid, TraceInvalid, ScenarioUnfit, OSError) as error:
        _refuse(error)
    if isinstance(runner, WorkerRunner):
        _join_as_worker(runner, load)
        environment.process_exit_code = PASSED
        return
    if environment.host is None:
        environment.host = load.settings.url
    if isinstance(runner, MasterRunner):
        _join_as_master(runner)
    else:
        side.worker = Worker(load, _report_here)


def _join_as_worker(runner: WorkerRunner, load: Load) -> None:
    worker = side.worker = Worker(load, lambda data: runner.send_message(REPORT, data))

    def on_ping(msg: Any, **_: object) -> None:
        runner.send_message(PONG, {"sent_us": msg.data["sent_us"], "clock_us": now_us()})

    def on_plan(msg: Any, **_: object) -> None:
        worker.play(msg.data)

    def on_halt(**_: object) -> None:
        worker.halt()

    # With every change of the user count Locust asks for its own defaults once per option, and
    # builds its whole parser for each answer: a quarter of a second in which nothing is sent.
    argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)
    runner.register_message(PING, on_ping)
    runner.register_message(PLAN, on_plan)
    runner.register_message(HALT, on_halt)

    def say_hello() -> None:
        while True:
            runner.send_message(HELLO, {"hash": load.trace_hash, "kernel": kernel_id()})
            gevent.sleep(_HELLO_S)

    runner.greenlet.spawn(say_hello)


def _join_as_master(runner: MasterRunner) -> None:
    def on_hello(msg: Any, **_: object) -> None:
        if side.coordinator is None:
            return
        same_kernel = msg.data["kernel"] != "" and msg.data["kernel"] == kernel_id()
        if side.coordinator.hello(msg.node_id, msg.data["hash"], same_kernel=same_kernel):
            runner.send_message(PING, {"sent_us": now_us()}, msg.node_id)

    def on_pong(msg: Any, **_: object) -> None:
        if side.coordinator is None:
            return
        side.coordinator.clock_read(
            msg.node_id, msg.data["sent_us"], msg.data["clock_us"], now_us()
        )
        plan = side.coordinator.plan_for(msg.node_id)
        if plan is not None:
            runner.send_message(PLAN, plan, msg.node_id)

    def on_report(msg: Any, **_: object) -> None:
        if side.coordinator is not None:
            side.coordinator.report(msg.node_id, msg.data)

    runner.register_message(HELLO, on_hello)
    runner.register_message(PONG, on_pong)
    runner.register_message(REPORT, on_report)


@events.test_start.add_listener
def begin(environment: Environment, **_: object) -> None:
    """Prepare the service, wait for the workers, and hand out the shares."""
    runner, load = environment.runner, side.load
    if isinstance(runner, WorkerRunner) or load is None:
        return
    shares = 1
    if isinstance(runner, MasterRunner):
        expected = environment.parsed_options.expect_workers if environment.parsed_options else 1
        shares = max(expected, len(runner.clients.all))
    side.run, side.failed = None, True
    run = MasterRun(load, environment.host or load.settings.url, shares)
    if environment.parsed_options is not None and environment.parsed_options.json:
        run.out = sys.stderr
    try:
        run.prepare()
    except Inconclusive as error:
        # Nothing was sent, so Locust has nothing to tell.
        logging.getLogger("locust.stats_logger").disabled = True
        environment.process_exit_code = run.abandon(str(error))
        return
    side.run, side.failed = run, False
    if isinstance(runner, MasterRunner):
        with gevent.Timeout(_WORKERS_WAIT_S, False):
            while run.coordinator.ready() < shares and runner.worker_count >= shares:
                gevent.sleep(0.05)
        run.begin()
        for worker in run.coordinator.workers:
            plan = run.coordinator.plan_for(worker)
            if plan is not None:
                runner.send_message(PLAN, plan, worker)
    elif side.worker is not None:
        run.coordinator.hello(LOCAL, load.trace_hash, same_kernel=True)
        run.coordinator.clock_read(LOCAL, now_us(), now_us(), now_us())
        run.begin()
        plan = run.coordinator.plan_for(LOCAL)
        assert plan is not None
        side.worker.play(plan)
    side.beside = [
        gevent.spawn(run.keep_marks, gevent.sleep),
        gevent.spawn(_keep_record, run, runner),
    ]


@events.test_stopping.add_listener
def wind_down(environment: Environment, **_: object) -> None:
    """A run that is stopped before its end hangs up what it has, and tells what it did."""
    runner, run = environment.runner, side.run
    if isinstance(runner, WorkerRunner):
        if side.worker is not None:
            side.worker.halt()
            side.worker.wait_until_told(_STOP_S)
        return
    if run is None or (run.is_over(_workers_here(runner)) and not run.unsaved):
        return
    run.interrupted = not run.unsaved and _workers_here(runner) != frozenset()
    if isinstance(runner, MasterRunner):
        runner.send_message(HALT)
    elif side.worker is not None:
        side.worker.halt()
    with gevent.Timeout(_STOP_S, False):
        while not run.coordinator.all_told(_workers_here(runner)):
            gevent.sleep(0.05)


@events.test_stop.add_listener
def conclude(environment: Environment, **_: object) -> None:
    """Judge the run, once all users have stopped."""
    run, side.run = side.run, None
    gevent.killall(side.beside)
    if run is not None:
        environment.process_exit_code = run.finish()


@events.quitting.add_listener
def leave(environment: Environment, **_: object) -> None:
    """A run that is still on is ended here, so that it is judged before Locust takes its code."""
    if isinstance(environment.runner, WorkerRunner):
        return
    if side.run is not None and environment.runner is not None:
        environment.runner.quit()
    if environment.process_exit_code is None:
        environment.process_exit_code = INCONCLUSIVE


def _keep_record(run: MasterRun, runner: Any) -> None:
    while True:
        gevent.sleep(_KEEP_S)
        run.keep_record(_workers_here(runner))


def _worker() -> Worker:
    assert side.worker is not None
    return side.worker


def _report_here(data: dict[str, Any]) -> None:
    if side.coordinator is not None:
        side.coordinator.report(LOCAL, data)


def _workers_here(runner: Any) -> frozenset[str]:
    """The workers that can still tell something."""
    if isinstance(runner, MasterRunner):
        return frozenset(each.id for each in runner.clients.all if each.state != "missing")
    return frozenset({LOCAL})


def _refuse(*problems: object) -> NoReturn:
    for problem in problems:
        print(f"busyhour: {problem}", file=sys.stderr)
    sys.exit(INVALID)
