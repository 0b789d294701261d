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
import os
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from locust import FastHttpUser, LoadTestShape, argument_parser, events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from simulator.console import say
from simulator.engines import Inconclusive
from simulator.exit_codes import INCONCLUSIVE, INVALID, PASSED
from simulator.load.answers import AnswerReader
from simulator.load.coordinator import LOCAL, RELEASE
from simulator.load.master import Load, MasterRun, ScenarioUnfit, load_of
from simulator.load.messages import Plan, Report, player_of, report_of
from simulator.load.player import GIVEN_UP, Player, Request
from simulator.load.reading import now_us
from simulator.load.settings import LoadSettings, SettingInvalid, checked_url
from simulator.load.talk import HALT, MASTER_SILENT_S, Hears, MasterTalk, WorkerTalk
from simulator.run import check_writable
from simulator.scenario_file import ScenarioInvalid
from simulator.trace import TraceInvalid

_HELLO_S: Final = 0.5
_REPORT_S: Final = 1.0
_KEEP_S: Final = 1.0
_STOP_S: Final = 10.0
_WORKERS_WAIT_S: Final = 60.0
_PARENT_S: Final = 1.0
_MOST_AT_ONCE: Final = 64
_ANSWER_S: Final = 30.0
_USERS_A_SECOND: Final = 50


class Worker:
    """The share of this process: what its users send, and what they are told to do with it."""

    def __init__(self, load: Load, tell: Callable[[Report], None]) -> None:
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
        self._told = True

    @property
    def has_to_tell(self) -> bool:
        """Whether a share is being played of which the master does not know all."""
        return not self._told

    def play(self, plan: Plan) -> None:
        """Begin to play a share."""
        self.player = player_of(self.load.trace, plan)
        self._told = False
        self.sooner.set()
        gevent.spawn(self._report, plan, self.player)

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

    def _report(self, plan: Plan, player: Player) -> None:
        """Tell the master what was sent, now and then, and all of it at the end."""
        number = 0
        while self.player is player and not self._told:
            waited_us = now_us()
            while not player.finished and now_us() - waited_us < _REPORT_S * 1e6:
                gevent.sleep(0.05)
            final = player.finished
            self._tell(report_of(plan, player, number, now_us(), final=final))
            number, self._told = number + 1, final


class Side:
    """What this process is in the run: a worker, the master, or both."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.talk: MasterTalk | None = None
        self.load: Load | None = None
        self.run: MasterRun | None = None
        self.beside: list[gevent.Greenlet] = []
        self.failed = False


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
            _worker().sooner.set()

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
                request.op, response.status_code, response.content, getattr(response, "error", None)
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
        if environment.host:
            checked_url(environment.host, "--host")
        if not isinstance(runner, WorkerRunner):
            check_writable(load.settings.out / load.scenario.name)
    except ScenarioInvalid as error:
        _refuse(*error.problems)
    except (SettingInvalid, TraceInvalid, ScenarioUnfit, OSError) as error:
        _refuse(error)
    _end_with_parent(environment)
    if isinstance(runner, WorkerRunner):
        environment.process_exit_code = PASSED
        _join_as_worker(environment, runner, load)
        return
    if environment.host is None:
        environment.host = load.settings.url
    if isinstance(runner, MasterRunner):
        side.talk = MasterTalk(runner.send_message)
        _register(runner, side.talk.hears)
    else:
        side.worker = Worker(load, _report_here)


def _end_with_parent(environment: Environment) -> None:
    """End with the process that started this one for its own run, however that ends."""
    options, load, runner = environment.parsed_options, side.load, environment.runner
    parent = None if load is None else load.settings.parent
    if options is not None and options.processes and isinstance(runner, WorkerRunner):
        parent = os.getppid()
    if parent is None or runner is None:
        return

    def watch() -> None:
        while os.getppid() == parent:
            gevent.sleep(_PARENT_S)
        _give_up(environment, "the process that started this one is gone")

    gevent.spawn(watch)


def _give_up(environment: Environment, reason: str) -> None:
    """Hang up the calls of this process and end it."""
    say(f"{reason}; calls are hung up")
    environment.process_exit_code = INCONCLUSIVE
    assert environment.runner is not None
    environment.runner.quit()


def _join_as_worker(environment: Environment, runner: WorkerRunner, load: Load) -> None:
    worker = side.worker = Worker(load, lambda report: talk.tell(report))
    talk = WorkerTalk(runner.send_message, load.trace_hash, worker.play, worker.halt)
    # With every change of the user count Locust asks for its own defaults once per option, and
    # builds its whole parser for each answer: a quarter of a second in which nothing is sent.
    argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)
    _register(runner, talk.hears)

    def keep_in_touch() -> None:
        while not (worker.has_to_tell and talk.hears_nothing):
            talk.say_hello()
            gevent.sleep(_HELLO_S)
        _give_up(environment, f"the master has been silent for {MASTER_SILENT_S:.0f} s")

    runner.greenlet.spawn(keep_in_touch)


def _register(runner: Any, hears: Hears) -> None:
    for name, hear in hears.items():
        runner.register_message(name, hear)


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
        _gather(runner, run)
        run.begin()
    except (Inconclusive, OSError) as error:
        # Nothing was sent, so Locust has nothing to tell.
        logging.getLogger("locust.stats_logger").disabled = True
        environment.process_exit_code = run.abandon(str(error))
        return
    side.run, side.failed = run, False
    if side.talk is not None:
        side.talk.share_out()
    elif side.worker is not None:
        plan = run.coordinator.plan_for(LOCAL)
        assert plan is not None
        side.worker.play(plan)
    side.beside = [
        gevent.spawn(run.keep_marks, gevent.sleep),
        gevent.spawn(run.keep_watch, gevent.sleep),
        gevent.spawn(_keep_record, run, runner),
    ]


def _gather(runner: Any, run: MasterRun) -> None:
    """Wait until the workers that are expected are ready. Raises :class:`Inconclusive`."""
    coordinator = run.coordinator
    if side.talk is None:
        coordinator.hello(LOCAL, coordinator.trace_hash, RELEASE)
        return
    side.talk.coordinator = coordinator
    with gevent.Timeout(_WORKERS_WAIT_S, False):
        while (
            coordinator.ready() < coordinator.shares <= runner.worker_count
            and not coordinator.misfits()
        ):
            gevent.sleep(0.05)
    if coordinator.ready() < coordinator.shares:
        here = f"{coordinator.ready()} of {coordinator.shares} workers are ready"
        raise Inconclusive("; ".join([here, *coordinator.misfits()]))


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
    if side.talk is not None:
        side.talk.coordinator = None
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


def _report_here(report: Report) -> None:
    if side.run is not None:
        side.run.coordinator.report(LOCAL, report)


def _workers_here(runner: Any) -> frozenset[str]:
    """The workers that can still tell something."""
    if isinstance(runner, MasterRunner):
        return frozenset(each.id for each in runner.clients.all if each.state != "missing")
    return frozenset({LOCAL})


def _refuse(*problems: object) -> NoReturn:
    for problem in problems:
        say(str(problem))
    sys.exit(INVALID)
