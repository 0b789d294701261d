"""One hour of a peer, or a whole plan with it, timed in a process of its own: prints JSON.

    python -m bench.peers simpy hour 1000 36 1029
    python -m bench.peers ciw plan 100 180 16

Arguments: erlangs, seconds a call holds on average, and the slots of the hour or the replications
of the plan.
"""

import json
import sys
import time
from importlib import import_module

from bench.peers.loss_plan import Hour, Play, least_slots

TARGET = 0.01


def main() -> None:
    peer, what, erlangs, hold_s, count = sys.argv[1:]
    play: Play = import_module(f"bench.peers.{peer}_hour").play
    hour = Hour(float(erlangs), float(hold_s))
    begin = time.perf_counter()
    if what == "hour":
        lost, offered = play(hour, int(count), 1)
        found: dict[str, float] = {"blocking": lost / offered}
    else:
        found = {"slots": least_slots(play, hour, TARGET, int(count))}
    print(json.dumps({**found, "seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main()
