"""What sending through Locust costs: the adapter's users or bare ones, in this one process.

Prints requests, seconds on the wall and seconds of this process's CPU as JSON. Start-up, judging
and reports are not in it.
"""

import json
import sys
import time

import gevent
from locust.env import Environment
from locust.runners import LocalRunner

import simulator.locustfile as adapter
from bench.support.bare_locustfile import Bare
from simulator.load.master import load_of
from simulator.load.messages import Plan
from simulator.load.reading import now_us
from simulator.load.settings import LoadSettings


def runner_of(user: type, host: str) -> LocalRunner:
    environment = Environment(user_classes=[user], host=host, stop_timeout=10)
    return environment.create_local_runner()


def play_adapter(settings: LoadSettings, users: int) -> LocalRunner:
    load = load_of(settings)
    worker = adapter.side.worker = adapter.Worker(load, lambda _report: None)
    runner = runner_of(adapter.Sender, settings.url)
    prefix = f"cost{now_us()}-"
    worker.play(Plan("cost", 0, 1, now_us(), settings.speed, prefix, late_us=10**9))
    runner.start(users, spawn_rate=users)
    worker.wait_until_told(600.0)
    return runner


def play_bare(settings: LoadSettings, users: int, requests: int) -> LocalRunner:
    runner = runner_of(Bare, settings.url)
    runner.start(users, spawn_rate=users)
    while runner.stats.total.num_requests < requests:
        gevent.sleep(0.05)
    return runner


def main() -> None:
    what, users, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    settings = LoadSettings.from_environment()
    load_of(settings)  # what is imported on the way is no cost of sending
    wall, cpu = time.perf_counter(), time.process_time()
    if what == "adapter":
        runner = play_adapter(settings, users)
    else:
        runner = play_bare(settings, users, requests)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    sent = runner.stats.total.num_requests
    runner.quit()
    print(json.dumps({"requests": sent, "wall_s": spent[0], "cpu_s": spent[1]}))


if __name__ == "__main__":
    main()
