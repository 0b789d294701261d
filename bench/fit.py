"""Reading call-detail records beside the floor of the language: a bare ``csv.reader`` loop.

Run it on a quiet machine: `python -m bench.fit`, or with `--lines N` for logs of another length.
The logs are of 20 tenants with 20 calls a second between them, written in the ready-made formats
and one of our own; the floor only splits the lines of the same file and counts them.
"""

import argparse
import csv
import random
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from simulator.cdr.mappings import parse_columns
from simulator.cdr.reader import ReadOptions, read_calls

START = datetime(2026, 3, 2, tzinfo=UTC)
CALLS_PER_S = 20
MAPPINGS = {
    "asterisk": "asterisk",
    "freeswitch": "freeswitch",
    "twilio": "twilio",
    "own": "start=t,duration=dur,tenant=who",
}


def calls(count: int) -> Iterator[tuple[float, int, int, int, int]]:
    """Offer in seconds, ring and talk time in whole seconds, tenant, caller."""
    draw = random.Random(1)
    at_s = 0.0
    for _ in range(count):
        at_s += draw.expovariate(CALLS_PER_S)
        talk_s = int(draw.expovariate(1 / 180)) if draw.random() < 0.8 else 0
        yield at_s, draw.randrange(3, 40), talk_s, draw.randrange(20), draw.randrange(200_000)


def lines(form: str, count: int) -> Iterator[str]:
    if form == "twilio":
        yield "Call Sid,To,From,Start Time,End Time,Status,Direction,Duration,Price\n"
    if form == "own":
        yield "who,t,dur,note\n"
    for number, (at_s, ring_s, talk_s, tenant, caller) in enumerate(calls(count)):
        start = START + timedelta(seconds=int(at_s))
        answer, end = (start + timedelta(seconds=each) for each in (ring_s, ring_s + talk_s))
        stamps = [each.strftime("%Y-%m-%d %H:%M:%S") for each in (start, answer, end)]
        if not talk_s:
            stamps[1] = ""
        if form == "asterisk":
            quoted = '"","' if not stamps[1] else f'"{stamps[1]}","'
            yield (
                f'"acme{tenant}","{caller:010}","800","inbound","""Caller"" <{caller:010}>",'
                f'"PJSIP/trunk-{number:08x}","PJSIP/agent-{number:08x}","Dial","PJSIP/agent,30",'
                f'"{stamps[0]}",{quoted}{stamps[2]}",{ring_s + talk_s},{talk_s},'
                f'"{"ANSWERED" if talk_s else "NO ANSWER"}","DOCUMENTATION",'
                f'"{1_772_400_000 + int(at_s)}.{number}",""\n'
            )
        elif form == "freeswitch":
            yield (
                f'"Caller","{caller:010}","800","public","{stamps[0]}","{stamps[1]}","{stamps[2]}",'
                f'"{ring_s + talk_s}","{talk_s}","{"NORMAL_CLEARING" if talk_s else "NO_ANSWER"}",'
                f'"{number:08x}-1111-4222-8333-444444444444","","acme{tenant}","PCMA","PCMA"\n'
            )
        elif form == "twilio":
            yield (
                f"CA{number:032x},+15005550006,+1{caller:010},{stamps[0]} UTC,{stamps[2]} UTC,"
                f"{'completed' if talk_s else 'no-answer'},inbound,{talk_s},-0.0085\n"
            )
        else:
            yield f"acme{tenant},{at_s:.6f},{ring_s + talk_s},\n"


def best_of(rounds: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def floor(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as stream:
        return sum(1 for _ in csv.reader(stream))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    count: int = arguments.lines
    print("| format | bytes | bare csv.reader, lines/s | read_calls, lines/s | times floor |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        for form, columns in MAPPINGS.items():
            path = Path(directory) / f"{form}.csv"
            with path.open("w") as stream:
                stream.writelines(lines(form, count))
            options = ReadOptions(parse_columns(columns))

            def read(path: Path = path, options: ReadOptions = options) -> None:
                log = read_calls([path], options)
                assert len(log) == count
                assert not log.broken.count

            def bare(path: Path = path) -> None:
                assert floor(path) >= count

            bare_s = best_of(arguments.rounds, bare)
            ours_s = best_of(arguments.rounds, read)
            print(
                f"| {form} | {path.stat().st_size:,} | {count / bare_s:,.0f} | "
                f"{count / ours_s:,.0f} | {ours_s / bare_s:.2f} |",
                flush=True,
            )
        tracemalloc.start()
        read_calls([Path(directory) / "asterisk.csv"], ReadOptions(parse_columns("asterisk")))
        peak = tracemalloc.get_traced_memory()[1]
        print(f"\nLargest memory while reading asterisk: {peak / count:.0f} bytes a call.")


if __name__ == "__main__":
    main()
